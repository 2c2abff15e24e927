"""Messages for clients: they name no place of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emofuse.pipeline import EmotionPipeline


def without_places(line: str, pipe: EmotionPipeline, files: Mapping[Path | None, str]) -> str:
    """A message without the places in which files of a client and the run lie here.

    Args:
        line: the message.
        pipe: the run.
        files: a client's file here → what it is called instead; None, where there is none, is passed over.
    """
    for file, name in files.items():
        line = line if file is None else line.replace(str(file), name)
    if pipe.folder is None:
        return line
    # Never a relative name, which may be part of any word; and no other folder whose name begins or ends like it.
    for place in {str(pipe.folder.path.absolute()), str(pipe.folder.path.resolve())}:
        line = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w-]|\.\w)", "the run", line)
    return line
