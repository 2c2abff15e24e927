"""``emofuse``: one verb per file; a user's mistake is one clear line and exit code 2."""

from __future__ import annotations

import io
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import FrameType, MappingProxyType
from typing import Any

import typer
from typer.core import TyperGroup

from emofuse.cli.help_text import first_sentence, laid_out
from emofuse.data.wording import shown
from emofuse.errors import LOST_WORKER, EmofuseError, EmofuseWarning, explain_os_error, is_interruption

# Verb → its module in this folder, in the order of the help.
VERBS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "demo",
        "demo-data": "demo_data",
        "prepare": "prepare",
        "import": "import_features",
        "inspect": "inspect",
        "audit": "audit",
        "extract": "extract",
        "finetune": "finetune",
        "train": "train",
        "evaluate": "evaluate",
        "compare": "compare",
        "benchmark": "benchmark",
        "leaderboard": "leaderboard",
        "segment": "segment",
        "predict": "predict",
        "explain": "explain",
        "export": "export",
        "serve": "serve",
        "live": "live",
        "reproduce": "reproduce",
        "ablate": "ablate",
        "sweep": "sweep",
        "models": "models",
        "info": "info",
        "card": "card",
    }
)
_LOOKS: Mapping[str, Any] = MappingProxyType(
    {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
)


class _Commands(Mapping[str, Any]):
    """Verb → its command, made when it is asked for: to make all takes as long as many a verb's work."""

    def __getitem__(self, name: str) -> Any:
        alone = typer.Typer(**_LOOKS)
        import_module(f"emofuse.cli.{VERBS[name]}").register(alone)
        command = typer.main.get_command(alone)
        command.help = laid_out(command.help or "")
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class _VerbGroup(TyperGroup):
    """The verbs as the commands of a program."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each verb with a whole sentence: click would cut it at the end of the line."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, first_sentence(self.commands[name].help or "")) for name in VERBS])


app = typer.Typer(
    name="emofuse",
    cls=_VerbGroup,
    help="Which emotion each utterance of a recorded conversation carries: from video, sound and words.",
    no_args_is_help=True,
    **_LOOKS,
)


@app.callback()
def _all_verbs() -> None:
    """Without it typer knows no group."""


# They need no --resume to take up what an earlier call has left.
_REPEATABLE = frozenset({"extract", "sweep", "ablate", "reproduce"})
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
        typer.echo(f"emofuse: interrupted{_what_is_kept()}", err=True)
        sys.exit(self.code)


def _what_is_kept() -> str:
    """How to go on, of the verbs that can."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb in _REPEATABLE:
        return "; what was finished is kept, and the same command goes on"
    if verb in VERBS and any("--resume" in option.opts for option in _Commands()[verb].params):
        return "; what was finished is kept (see --resume)"
    return ""


def run() -> None:
    """Entry point of the console script."""
    ending = _Ending()
    _let_names_through()
    with warnings.catch_warnings():
        _show_warnings_in_one_line()
        try:
            app()
        except BaseException as error:
            if isinstance(error, RuntimeError):
                _explain_lost_worker(error, ending)
            if _is_interruption(error):
                ending.interrupted()
            if isinstance(error, EmofuseError):
                _fail(str(error))
            if isinstance(error, OSError):
                _fail(explain_os_error(error))
            raise


def _is_interruption(error: BaseException) -> bool:
    """Whether a signal is behind an error; typer makes an exit of it."""
    return is_interruption(error) or (isinstance(error, SystemExit) and error.code == _INTERRUPTED)


def _explain_lost_worker(error: RuntimeError, ending: _Ending) -> None:
    """End in one line where a process that reads the data is gone; other errors go on."""
    # The signal stands in the cause, where torch was waiting for that process.
    lost = LOST_WORKER.match(str(error.__cause__ or "")) or LOST_WORKER.match(str(error))
    if lost is None or (lost["signal"] != "Terminated" and is_interruption(error)):
        return
    if lost["signal"] == "Terminated":  # the same signal is on its way to this process
        ending.code = _TERMINATED
        ending.interrupted()
    _fail(
        f"a process that reads the data was ended from outside ({lost['signal'] or 'no reason is known'}), as where memory "
        f"runs out{_what_is_kept()}; --set data.workers=0 reads without such a process"
    )


def _fail(text: str) -> None:
    typer.echo(f"emofuse: {_shown_lines(text)}", err=True)
    sys.exit(2)


def _shown_lines(text: str) -> str:
    """What names of files may have brought along is shown, and not obeyed by the terminal."""
    return "\n".join(map(shown, text.split("\n")))


def _let_names_through() -> None:
    """A file name need not be text in the terminal's encoding; its bytes are printed as they are."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")


def _show_warnings_in_one_line() -> None:
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if issubclass(category, EmofuseWarning):
            typer.echo(f"emofuse: note: {_shown_lines(str(message))}", err=True)
        else:
            usual(message, category, *place, **more)  # type: ignore[arg-type]

    warnings.showwarning = show
