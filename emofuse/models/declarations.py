"""What the files of this package declare of their systems, read from their source: nothing of them is run.

To list the systems takes no network and no torch, whose import alone takes seconds.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DECORATOR = "register_system"
_CLASS = "config"  # names the settings' class, and is no literal


@dataclass(frozen=True)
class Declaration:
    """A system as its file declares it.

    Attributes:
        module: that registers it.
        values: the keywords of `register_system` but ``config``; None where one is no literal, and only the
            module itself can say it.
    """

    module: str
    values: dict[str, Any] | None


@cache
def declared_systems() -> tuple[Declaration, ...]:
    """Every class with the decorator, in the files beside this one."""
    return tuple(
        Declaration(f"{__package__}.{file.stem}", _values(call))
        for file in sorted(Path(__file__).parent.glob("*.py"))
        for call in _decorators(file.read_text(encoding="utf-8"))
    )


def _decorators(source: str) -> list[ast.Call]:
    if f"@{_DECORATOR}" not in source:
        return []
    return [
        decorator
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id == _DECORATOR
    ]


def _values(call: ast.Call) -> dict[str, Any] | None:
    try:
        return {
            keyword.arg: ast.literal_eval(keyword.value)
            for keyword in call.keywords
            if keyword.arg is not None and keyword.arg != _CLASS
        }
    except ValueError:
        return None
