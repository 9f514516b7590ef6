"""`python -m retclip.cli`."""

from retclip.cli import main

main()
