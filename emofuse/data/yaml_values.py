"""Values of settings that a user types, read as YAML, in which a number may be written as 1e-4."""

from __future__ import annotations

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.1, which PyYAML reads, asks for a dot in a number with an exponent; 1e-4 would be text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+\.?[0-9]*[eE][-+]?[0-9]{1,3}$"), list("-+0123456789")
)


def read_value(text: str) -> Any:
    """A value, or a list of them in brackets.

    Raises:
        yaml.YAMLError: it cannot be read.
        ValueError: it looks like a date, and there is no such day.
    """
    return yaml.load(text, _Loader)
