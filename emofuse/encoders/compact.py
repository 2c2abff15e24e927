"""A fine-tuned encoder as what was changed: low-rank differences from weights that come by pip.

Fine-tuning moves a matrix by little, and mostly in few directions (Aghajanyan et al. 2021; Hu et al. 2022 train
such differences from the start). A few megabytes then say what the whole model would take a hundred for.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.encoders.fine_tuning import RECORD_FILE
from emofuse.encoders.packaged import PACKAGED
from emofuse.errors import EmofuseError

COMPACT_FILE = "compact.json"
DIFFERENCE_FILE = "difference.safetensors"
_ADVICE = "copy the encoder again"
_LEFT, _RIGHT, _WHOLE = ".left", ".right", ".whole"


class CompactRecord(BaseModel):
    """compact.json.

    Attributes:
        base: name of the packaged model that the differences are added to.
        revision: SHA-256 of the base's files.
        rank: of the differences of matrices; vectors are kept whole.
    """

    model_config = ConfigDict(extra="forbid")

    base: str
    revision: str
    rank: int = Field(ge=1, le=4096)


def read_compact(folder: Path) -> CompactRecord | None:
    """The record of a compact encoder; None where the folder is none.

    Raises:
        EmofuseError: it cannot be read, or names a base that is not known.
    """
    file = folder / COMPACT_FILE
    if not file.is_file():
        return None
    try:
        record = CompactRecord.model_validate(stored_json(file, _ADVICE))
    except ValidationError as error:
        raise DamagedFileError(file, str(error.errors()[0]["msg"]), _ADVICE) from None
    if record.base not in PACKAGED:
        raise EmofuseError(f"{file}: its base {record.base!r} is not one of {', '.join(PACKAGED)}")
    if record.revision != PACKAGED[record.base].revision:
        raise EmofuseError(f"{file}: was made of another state of {record.base}; make it again")
    if not (folder / DIFFERENCE_FILE).is_file():
        raise EmofuseError(f"{folder}: {DIFFERENCE_FILE} is missing; {_ADVICE}")
    return record


def write_compact(tuned: Path, base: str, folder: Path, rank: int) -> None:
    """Keep a fine-tuned encoder as its differences from a packaged model.

    Args:
        tuned: folder of the fine-tuned encoder, as `emofuse finetune` writes it.
        base: name of the packaged model that it was fine-tuned from.
        folder: to be made.
        rank: singular vectors that are kept of each matrix's difference.

    Raises:
        EmofuseError: the two are not of one shape.
    """
    packaged = PACKAGED[base]
    before, after = (_weights(place) for place in (packaged.locate(), tuned))
    # Of the base's buffers a fine-tuned model keeps none.
    if missing := sorted(name for name in before.keys() - after.keys() if not name.endswith("position_ids")):
        raise EmofuseError(f"{tuned}: lacks {missing[0]}; it is not one of {base}")
    tensors: dict[str, Tensor] = {}
    for name, weight in after.items():
        if name not in before or before[name].shape != weight.shape:
            raise EmofuseError(f"{tuned}: {name} is not one of {base}")
        change = weight.float() - before[name].float()
        if not bool(change.any()):
            continue
        if change.ndim != 2 or min(change.shape) <= rank:
            tensors[name + _WHOLE] = change.half()
            continue
        u, s, v = torch.linalg.svd(change, full_matrices=False)
        root = s[:rank].sqrt()
        tensors[name + _LEFT] = (u[:, :rank] * root).half().contiguous()
        tensors[name + _RIGHT] = (root[:, None] * v[:rank]).half().contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    with written_aside(folder / DIFFERENCE_FILE) as aside:
        aside.write_bytes(save(tensors))
    if (tuned / RECORD_FILE).is_file():
        shutil.copyfile(tuned / RECORD_FILE, folder / RECORD_FILE)
    record = CompactRecord(base=base, revision=packaged.revision, rank=rank)
    write_text_aside(folder / COMPACT_FILE, record.model_dump_json(indent=2) + "\n")


@torch.no_grad()
def add_difference(model: nn.Module, folder: Path) -> None:
    """Turn the base into the fine-tuned encoder.

    Raises:
        EmofuseError: the differences do not fit the model.
    """
    file = folder / DIFFERENCE_FILE
    parameters: dict[str, Any] = dict(model.named_parameters())
    with safe_open(file, "pt") as header:
        sizes = {name: tuple(header.get_slice(name).get_shape()) for name in header.keys()}  # noqa: SIM118
    for name, size in sizes.items():
        if not _fits(name, size, sizes, parameters):
            raise DamagedFileError(file, f"{name} does not fit the encoder", _ADVICE)
    tensors = load_file(file)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise DamagedFileError(file, "it holds a number that is not finite", _ADVICE)
    for name, tensor in tensors.items():
        if name.endswith(_WHOLE):
            parameters[name.removesuffix(_WHOLE)].add_(tensor.float())
        elif name.endswith(_LEFT):
            matrix = name.removesuffix(_LEFT)
            parameters[matrix].add_(tensor.float() @ tensors[matrix + _RIGHT].float())


def _fits(
    name: str, size: tuple[int, ...], sizes: dict[str, tuple[int, ...]], parameters: dict[str, Any]
) -> bool:
    matrix, _, kind = name.rpartition(".")
    if matrix not in parameters:
        return False
    shape = tuple(parameters[matrix].shape)
    if "." + kind == _WHOLE:
        return size == shape
    left, right = sizes.get(matrix + _LEFT, ()), sizes.get(matrix + _RIGHT, ())
    return len(shape) == 2 and len(left) == 2 and left[1:] == right[:1] and (left[0], *right[1:]) == shape


def _weights(folder: Path) -> dict[str, Tensor]:
    """The encoder's own weights by the names that the model without a head has."""
    found = load_file(folder / "model.safetensors")
    prefixes = {name.split(".")[0] for name in found}
    if "embeddings" in prefixes:
        return {name: tensor for name, tensor in found.items() if not name.startswith("pooler.")}
    trunk = next(iter(sorted(prefixes - {"classifier", "score", "cls"})), "")
    own = {name.removeprefix(f"{trunk}."): t for name, t in found.items() if name.startswith(f"{trunk}.")}
    return {name: tensor for name, tensor in own.items() if not name.startswith("pooler.")}
