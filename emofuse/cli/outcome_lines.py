"""What a verb has found, as a terminal or a program takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer


def print_outcome(found: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """Print the figures as JSON, or the lines for a person."""
    for line in [json.dumps(found, ensure_ascii=False)] if as_json else lines:
        typer.echo(line)
