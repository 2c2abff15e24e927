"""Weights of a published model, safetensors or the tensors of a pickle, in a folder or on the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.utils import cached_file

from emofuse.encoders.pretrained import PICKLE, WEIGHTS, Source, guarded, load_model
from emofuse.errors import EmofuseError


def load_checkpoint(
    source: Source, device: torch.device | str, dtype: torch.dtype, auto: Any
) -> PreTrainedModel:
    """A model in evaluation mode with its weights: safetensors, or the tensors of a pickle.

    Args:
        source: where it comes from, located with ``pickles=True``.
        device: where it runs.
        dtype: precision of its weights.
        auto: the class of transformers that chooses its class.

    Raises:
        EmofuseError: they cannot be had or read, or are not all there.
    """
    folder = _folder(source)
    where = Source(str(folder), folder, source.revision, local_files_only=True, pickles=True)
    safe = (folder / WEIGHTS).is_file() or not (folder / PICKLE).is_file()
    return load_model(where, device, dtype, auto, safetensors=safe)


def _folder(source: Source) -> Path:
    """Where its configuration and weights lie, fetched where they are not on this machine yet.

    The file of weights is asked for by name. Left to itself, the library asks the hub to convert pickles.
    """
    if source.folder is not None:
        return source.folder

    def find(name: str, *, trust_remote_code: bool, file: str, **options: Any) -> str | None:
        return cached_file(name, file, _raise_exceptions_for_missing_entries=False, **options)

    for file in (WEIGHTS, PICKLE):
        found = guarded(source, find, file=file)
        if found is not None:
            return Path(found).parent
    raise EmofuseError(f"encoder {source.name}: has neither {WEIGHTS} nor {PICKLE}")
