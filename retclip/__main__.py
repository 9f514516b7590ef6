"""`retclip` and `python -m retclip`: the command line, which Ctrl-C ends quietly also while it is imported."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # as after Ctrl-C at any later time; where it stands costs imports


def main() -> None:
    """Run the command line."""
    try:
        from retclip.cli import main as command
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    command()


if __name__ == "__main__":
    main()
