"""A fine-tuned encoder as a folder that transformers reads; it appears when it is complete."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from emofuse.data.atomic import name_aside, write_text_aside
from emofuse.encoders.fine_tuning import RECORD_FILE, FineTunedRecord
from emofuse.encoders.pretrained import quiet_library
from emofuse.errors import EmofuseError

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")
_CONFIG = "config.json"  # without it nobody takes a folder for a model


def save_encoder(network: Any, reader: Any, record: FineTunedRecord, folder: Path) -> None:
    """Write weights, head, tokeniser or feature extractor, configuration and record.

    The files are made aside and renamed one by one, config.json and then the record last: a folder with a
    record is whole, and one without config.json is no model to anybody.

    Args:
        network: a model of transformers.
        reader: its tokeniser or feature extractor.
        record: what was done.
        folder: where the files go.

    Raises:
        EmofuseError: a weight is not finite, as after a training that diverged.
        OSError: the disk is full, or the like.
    """
    _check_finite(network)
    aside = name_aside(folder / "saving")
    try:
        with quiet_library(), _as_os_error(folder):
            network.save_pretrained(aside)
            reader.save_pretrained(aside)
        for file in sorted(aside.iterdir(), key=lambda file: file.name == _CONFIG):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    write_text_aside(folder / RECORD_FILE, record.model_dump_json(indent=1) + "\n")


@contextmanager
def _as_os_error(folder: Path) -> Iterator[None]:
    """Make an OSError of what the system refused: these libraries, written in Rust, raise exceptions of their own."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        match = _SYSTEM_ERROR.search(str(error))
        if match is None:
            raise
        number = int(match[1])
        raise OSError(number, os.strerror(number), str(folder)) from None


def _check_finite(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise EmofuseError(
                f"the fine-tuning diverged: {name} is not finite; use a smaller learning rate or precision 32"
            )
