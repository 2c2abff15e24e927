"""How a device is named. No library of networks is loaded."""

from __future__ import annotations

import re

from emofuse.data.nearest_names import none_of
from emofuse.errors import EmofuseError

_NAME = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


def check_device_name(name: str, named: str = "device") -> None:
    """See that a device can be meant.

    Args:
        name: what was given.
        named: how the message calls it.

    Raises:
        EmofuseError: there is no such device.
    """
    if not _NAME.fullmatch(name):
        # No hint: the name nearest to "gpu" is "cpu".
        raise EmofuseError(none_of(named, name, ("auto", "cpu", "cuda"), also="cuda:1 and so on", hint=False))
