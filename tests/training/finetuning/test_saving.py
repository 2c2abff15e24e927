"""An encoder is saved whole or not at all, and a full disk is told as the system tells it."""

import errno
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from emofuse.data.output_paths import explain_os_error
from emofuse.training.finetuning.saving import save_encoder


class Saver(nn.Module):
    """A model or tokeniser that writes a file, or fails as the libraries do that are written in Rust."""

    def __init__(self, name: str, failure: str = "") -> None:
        super().__init__()
        self.name, self.failure = name, failure

    def save_pretrained(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / self.name).write_text("{}")
        if self.failure:
            raise Exception(self.failure)


FULL = "Error while serializing: I/O error: No space left on device (os error 28)"


@pytest.mark.parametrize("full", ["network", "reader"])
def test_a_full_disk(tmp_path: Path, full: str) -> None:
    savers: dict[str, Any] = {"network": Saver("config.json"), "reader": Saver("tokenizer.json")}
    savers[full].failure = FULL
    with pytest.raises(OSError, match="No space left") as caught:
        save_encoder(savers["network"], savers["reader"], None, tmp_path)  # type: ignore[arg-type]
    assert caught.value.errno == errno.ENOSPC
    assert explain_os_error(caught.value) == (
        f"{tmp_path}: No space left on device; make room on the disk, or write elsewhere"
    )
    assert not list(tmp_path.iterdir())


def test_other_failures_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="a bug"):
        save_encoder(Saver("config.json", "a bug"), Saver("x"), None, tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
