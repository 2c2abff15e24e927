"""The text of other people's tables: UTF-8, UTF-8 with stray bytes of an older encoding, or that encoding throughout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from emofuse.data.wording import counted, first_few
from emofuse.errors import EmofuseError

Fallback = Literal["cp1252", "gb18030"]

_NAMES: dict[Fallback, str] = {"cp1252": "Windows-1252", "gb18030": "GB 18030"}
# What Python's error handler "surrogateescape" makes of bytes that are no UTF-8.
_STRAY = re.compile("[\udc80-\udcff]")
# A character of GB 18030 takes two bytes or four, and the second of two may be an ASCII letter.
_STRAY_RUN = {"cp1252": _STRAY, "gb18030": re.compile("(?:[\udc80-\udcff][\udc80-\udcff@-~])+")}
_BEYOND_ASCII = re.compile("[^\x00-\x7f]")


def decode_text(data: bytes, path: Path, fallback: Fallback = "cp1252") -> tuple[str, tuple[str, ...]]:
    """The text of a file, and what had to be done to read it.

    Where more characters beyond ASCII are UTF-8 than there are bytes that are not, these bytes alone are read in the
    other encoding. Otherwise the whole file is.

    Args:
        data: its content; a byte order mark is left out.
        path: for messages.
        fallback: the encoding of what is not UTF-8; GB 18030 holds GBK and GB 2312.

    Raises:
        EmofuseError: it is text in neither encoding.
    """
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        pass
    name = _NAMES[fallback]
    if b"\0" in data:
        raise EmofuseError(f"{path}: is no text in UTF-8 or {name}; save it as UTF-8")
    text = data.decode("utf-8-sig", errors="surrogateescape")
    strays = len(_STRAY.findall(text))
    if strays <= len(_BEYOND_ASCII.findall(text)) - strays:
        return _mended(text, path, fallback)
    try:
        return data.decode(fallback), (f"{path.name} is not UTF-8 and was read as {name}",)
    except UnicodeDecodeError:
        raise EmofuseError(f"{path}: is no text in UTF-8 or {name}; save it as UTF-8") from None


def _mended(text: str, path: Path, fallback: Fallback) -> tuple[str, tuple[str, ...]]:
    """Text with its stray bytes read in the other encoding, and a note of the lines that they stand in."""
    name = _NAMES[fallback]

    def character(run: re.Match[str]) -> str:
        try:
            return run[0].encode("utf-8", "surrogateescape").decode(fallback)
        except UnicodeDecodeError:
            return run[0]

    mended = _STRAY_RUN[fallback].sub(character, text)
    if (unread := _STRAY.search(mended)) is not None:
        line = mended.count("\n", 0, unread.start()) + 1
        byte = ord(unread[0]) - 0xDC00
        raise EmofuseError(
            f"{path} line {line}: byte 0x{byte:02X} is no text in UTF-8 or {name}; save the file as UTF-8"
        )
    lines = [str(number) for number, line in enumerate(text.split("\n"), 1) if _STRAY.search(line)]
    strays = len(_STRAY.findall(text))
    where = f"{'line' if len(lines) == 1 else 'lines'} {first_few(lines)}"
    what = f"{counted(strays, 'byte')} that {'is' if strays == 1 else 'are'} not UTF-8"
    return mended, (f"{path.name}: {what} ({where}) read as {name}",)
