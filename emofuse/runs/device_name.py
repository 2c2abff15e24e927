"""How a device is named. No library of networks is loaded."""

from __future__ import annotations

import re

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
        raise EmofuseError(f"{named}: {name!r} is none of auto, cpu and cuda (cuda:1 is the second)")
