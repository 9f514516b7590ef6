"""The command line: a file per command group; it prints and exits, nothing more.

Exit codes stand in `retclip.errors` (0 done, 2 setting, 3 data, 4 plugin, 5 store, 6 weights, 7 done in part, 8 taken
back), 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP. Commands import what they need when they run:
`retclip --help` loads no model library.
"""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import typer

from retclip._version import __version__
from retclip.cli import (
    audit,
    build,
    catalog,
    class_edits,
    corrections,
    db,
    demo,
    doctor,
    evaluate,
    evaluations,
    explain,
    fallback,
    finetune,
    influence,
    options,
    output,
    plugins,
    presets,
    reproduce,
    segment,
    store_search,
    streams,
    tune,
    weights,
)
from retclip.environment import give_photos_back, let_threads_rest
from retclip.errors import DataError, RetCLIPError, StoreMissing
from retclip.escaping import HarmlessFormatter
from retclip.workflows.training.stop_signal import RaisingStopSignal, exit_code

# New objects between two collections, and of these between two of older objects, not 700 and 10: what imports make
# stays, and was looked through often.
COLLECTED = 20_000, 50

app = typer.Typer(
    name="retclip",
    help="Open-vocabulary panoptic segmentation with a memory you can read and edit.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},  # inherited by every command
)
app.command()(demo.demo)
app.command()(build.init)
app.command()(build.build)
app.command()(segment.segment)
app.add_typer(class_edits.class_app, name="class")
app.command()(corrections.relabel)
app.command()(corrections.quarantine)
app.command()(corrections.release)
app.command()(corrections.retire)
app.command()(catalog.undo)
app.command()(catalog.log)
app.command()(catalog.diff)
app.add_typer(fallback.app, name="fallback")
app.command()(explain.explain)
app.command()(influence.influence)
app.command()(evaluate.evaluate)
app.command()(evaluations.evaluate_merge)
app.command()(evaluations.evaluate_diff)
app.command()(evaluations.evaluate_report)
app.command()(reproduce.reproduce)
app.command()(tune.tune)
app.command()(finetune.finetune)
app.command()(presets.presets)
app.command()(doctor.doctor)
app.add_typer(store_search.app, name="store")
app.add_typer(audit.app, name="audit")
app.add_typer(db.app, name="db")
app.add_typer(plugins.app, name="plugins")
app.add_typer(weights.app, name="weights")


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"retclip {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: bool = typer.Option(  # noqa: ARG001  (its callback does the work)
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens."),
) -> None:
    """Common options."""
    handler = logging.StreamHandler()
    handler.setFormatter(HarmlessFormatter("%(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


def main() -> None:
    """The program's entry: errors become three parts on stderr and an exit code."""
    gc.set_threshold(*COLLECTED)
    atexit.register(gc.freeze)  # what is left then ends with the process: no search for circles, a quarter of a second
    let_threads_rest()
    give_photos_back()
    streams.guard()
    streams.reserve_stdout()
    with RaisingStopSignal() as stop:
        code = _exit_code(_command())
    if stop.number and code:  # whatever the work ended with: the signal was the reason
        code = exit_code(stop.number)
    flushed = _exit_code(streams.flush)  # what could not be written decides where nothing else went wrong
    sys.exit(code or flushed)


def _command() -> Callable[[], object]:
    """Return the program, in which the body of every command talks on stderr; help and usage come before it."""
    program = typer.main.get_command(app)
    for command in _leaves(program):
        command.callback = streams.talk_on_stderr()(command.callback)
    return program


def _leaves(command: Any) -> Iterator[Any]:
    """Yield the commands below a group."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield command
        return
    for subcommand in inner.values():
        yield from _leaves(subcommand)


def _exit_code(action: Callable[[], object]) -> Any:
    try:
        action()
    except SystemExit as stop:
        return stop.code
    except StoreMissing as error:
        output.error(error)
        options.tell_stores_here()
        return error.exit_code
    except RetCLIPError as error:
        output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return exit_code(signal.SIGINT)
    except (RecursionError, MemoryError) as error:  # the same: what was read nests too deeply, or is too large
        expected = "data that nest less deeply" if isinstance(error, RecursionError) else "data that fit into memory"
        problem = DataError(
            expected, type(error).__name__, "look at the file that was read; lower the settings limits.*"
        )
        output.error(problem)
        return problem.exit_code
    except OSError as error:  # the place was not foreseen, but the reader needs no traceback to understand it
        problem = DataError("files that can be read and written", str(error), "check path, permissions and free space")
        output.error(problem)
        return problem.exit_code
    return 0
