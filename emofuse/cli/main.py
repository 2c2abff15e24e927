"""``emofuse``: one verb per file; a user's mistake is one clear line and exit code 2."""

from __future__ import annotations

import signal
import sys
import warnings
from types import FrameType

import typer

from emofuse.cli import (
    ablate,
    audit,
    benchmark,
    card,
    compare,
    demo,
    demo_data,
    evaluate,
    explain,
    export,
    extract,
    finetune,
    import_features,
    info,
    inspect,
    leaderboard,
    live,
    models,
    predict,
    prepare,
    reproduce,
    segment,
    serve,
    sweep,
    train,
)
from emofuse.errors import EmofuseError, EmofuseWarning, explain_os_error

app = typer.Typer(
    name="emofuse",
    help="Which emotion each utterance of a recorded conversation carries: from video, sound and words.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for verb in (
    demo,
    demo_data,
    prepare,
    import_features,
    inspect,
    audit,
    extract,
    finetune,
    train,
    evaluate,
    compare,
    benchmark,
    leaderboard,
    segment,
    predict,
    explain,
    export,
    serve,
    live,
    reproduce,
    ablate,
    sweep,
    models,
    info,
    card,
):
    verb.register(app)


# As a shell reports them: 128 and the number of the signal.
_INTERRUPTED, _TERMINATED = 130, 143


class _Ending:
    """How the program is asked to end from outside; SIGTERM is answered as Ctrl-C is, by a clean stop."""

    def __init__(self) -> None:
        self.code = _INTERRUPTED
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.code = _TERMINATED
        raise KeyboardInterrupt

    def interrupted(self) -> None:
        """Say so, and end with the code that a shell expects."""
        typer.echo("emofuse: interrupted; what was finished is kept (see --resume)", err=True)
        sys.exit(self.code)


def run() -> None:
    """Entry point of the console script."""
    ending = _Ending()
    with warnings.catch_warnings():
        _show_warnings_in_one_line()
        try:
            app()
        except EmofuseError as error:
            _fail(str(error))
        except OSError as error:
            _fail(explain_os_error(error))
        except KeyboardInterrupt:
            ending.interrupted()
        except SystemExit as end:
            if end.code != _INTERRUPTED:
                raise
            ending.interrupted()  # typer has made an exit of it


def _fail(line: str) -> None:
    typer.echo(f"emofuse: {line}", err=True)
    sys.exit(2)


def _show_warnings_in_one_line() -> None:
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if issubclass(category, EmofuseWarning):
            typer.echo(f"emofuse: note: {message}", err=True)
        else:
            usual(message, category, *place, **more)  # type: ignore[arg-type]

    warnings.showwarning = show
