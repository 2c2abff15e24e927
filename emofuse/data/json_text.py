"""JSON that somebody else may have written, as plain values; what is wrong with it is said in plain words."""

from __future__ import annotations

import json
import sys
from typing import Any, NoReturn


def parse_json(text: str | bytes) -> Any:
    """The values of a JSON text.

    Raises:
        ValueError: it is no JSON, nests too deeply, or holds NaN, an infinity or a number of thousands of digits; where it
            breaks off a `json.JSONDecodeError`, which knows the line.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number)
    except RecursionError:
        raise ValueError("it nests too deeply") from None


def _whole_number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # Python converts no longer ones, since that takes time in the square of their length
        most = f"{sys.get_int_max_str_digits():,}"
        raise ValueError(f"it holds a number of {len(digits):,} digits; at most {most} are read") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON; leave the value out")
