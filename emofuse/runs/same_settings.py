"""Whether what is taken up again was begun with the settings that are asked for now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emofuse.errors import EmofuseError
from emofuse.runs.settings import RunSettings

_SHOWN = 3


def check_same_settings(
    file: Path, what: str, stored: RunSettings, asked: RunSettings, hint: str = ""
) -> None:
    """Compare setting by setting; one that an earlier version did not know has its default.

    Args:
        file: where the stored settings stand.
        what: what is resumed, e.g. ``run``.
        stored: its settings.
        asked: those of the command.
        hint: ends the message.

    Raises:
        EmofuseError: they differ; the message names the first settings that do.
    """
    if stored == asked:
        return
    was, now = dict(_leaves(stored.model_dump(mode="json"))), dict(_leaves(asked.model_dump(mode="json")))
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    changes = [
        f"{name} was {was.get(name, 'not set')}, now {now.get(name, 'not set')}" for name in names[:_SHOWN]
    ]
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    raise EmofuseError(
        f"{file}: the {what} to resume was started with other settings ({'; '.join(changes + more)}); repeat them or "
        f"choose a new folder{hint}"
    )


def _leaves(content: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name, value
