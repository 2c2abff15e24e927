"""Pretrained models by name or folder, for the text, speech and image encoders alike.

Weights are safetensors and code is that of the transformers library: a folder or a hub page can neither
run anything nor be unpickled. The library is imported where it is needed, because that takes seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from emofuse.data.git_lfs import refuse_lfs_pointer
from emofuse.data.stored_files import stored_json
from emofuse.encoders.compact import COMPACT_FILE, DIFFERENCE_FILE, add_difference, read_compact
from emofuse.encoders.fine_tuning import RECORD_FILE
from emofuse.encoders.packaged import PACKAGED, model_folder
from emofuse.encoders.transformer_parts import refuse_missing_weights
from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_INDEX = "model.safetensors.index.json"
WEIGHTS, PICKLE = "model.safetensors", "pytorch_model.bin"
# What from_pretrained reads of a folder beside the weights, for models, tokenisers and feature extractors.
_SMALL_FILES = (
    RECORD_FILE,
    "added_tokens.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_PICKLES = (PICKLE, "pytorch_model.bin.index.json")
# Weights that a checkpoint may lack because nothing that is read from the model depends on them.
_UNUSED_WEIGHTS, _MASK = ("pooler.",), "masked_spec_embed"
_HUB_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Source:
    """Where a pretrained model comes from.

    Attributes:
        name: a folder's path, or a name on the hub.
        folder: the folder, None for a hub name.
        revision: a hub branch, tag or commit.
        local_files_only: nothing is asked of the hub.
        compact: folder of differences that are added to the weights.
        pickles: weights may be a pickle, of which torch reads the tensors alone.
    """

    name: str
    folder: Path | None
    revision: str
    local_files_only: bool
    compact: Path | None = None
    pickles: bool = False

    def options(self) -> dict[str, Any]:
        """Arguments for every ``from_pretrained``."""
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": self.local_files_only}
        return options if self.folder else {**options, "revision": self.revision}


def locate(name: str, revision: str | None = None, *, pickles: bool = False) -> Source:
    """Find out what ``name`` means, in seconds and not after a chain of retries.

    Args:
        name: a package's, a folder's or a hub model's.
        revision: a hub branch, tag or commit.
        pickles: a folder whose weights are a pickle will do.

    Raises:
        EmofuseError: neither a model folder nor a name that the hub could have.
    """
    folder = model_folder(name)
    if folder.is_dir() and (record := read_compact(folder)) is not None:
        base = PACKAGED[record.base].locate()
        if folder_revision(base) != record.revision:
            raise EmofuseError(
                f"encoder {name}: the installed {record.base} is another than it was made of; install it again"
            )
        return Source(str(base), base, "main", local_files_only=True, compact=folder)
    if folder.is_dir():
        model_files(folder, pickles=pickles)  # refuses what cannot be loaded
        return Source(str(folder), folder, "main", local_files_only=True, pickles=pickles)
    if not is_hub_name(name):
        raise EmofuseError(f"encoder {name}: there is no such folder")
    return Source(name, None, revision or "main", not _hub_has(name, revision), pickles=pickles)


def is_hub_name(name: str) -> bool:
    """Whether a model of the hub could be called so."""
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def _hub_has(name: str, revision: str | None) -> bool:
    """Whether the hub can be asked for the model; an earlier download may do if it cannot."""
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError

    if is_offline_mode():
        return False
    try:
        HfApi().model_info(name, revision=revision, timeout=_HUB_PATIENCE_SECONDS)
    except HfHubHTTPError as error:
        if error.response.status_code >= 500:
            return False
        raise EmofuseError(
            f"encoder {name}: neither a folder nor a model on the hub ({_line(error)})"
        ) from None
    except Exception:  # the HTTP library's own errors, which differ between versions: no connection
        return False
    return True


def model_files(folder: Path, *, pickles: bool = False) -> list[Path]:
    """The files of a model folder that ``from_pretrained`` needs, in a fixed order, config.json last.

    Of a compact encoder those that it is made of.

    Args:
        folder: of the model.
        pickles: where there are no safetensors, a pickle will do.

    Raises:
        EmofuseError: no configuration, no weights as safetensors, or a Git LFS pointer in a file's place.
    """
    if read_compact(folder) is not None:
        own = (folder / name for name in (DIFFERENCE_FILE, RECORD_FILE, COMPACT_FILE))
        return [file for file in own if file.is_file()]
    config = folder / "config.json"
    if not config.is_file():
        raise EmofuseError(
            f"encoder {folder}: config.json is missing; name a folder that save_pretrained wrote"
        )
    names = _weights(folder, pickles)
    files = [folder / name for name in [*names, *_SMALL_FILES]]
    missing = [file.name for file in files[: len(names)] if not file.is_file()]
    if missing:
        raise EmofuseError(f"encoder {folder}: its weights {missing[0]} are missing; copy the folder again")
    found = [*(file for file in files if file.is_file()), config]
    for file in found:
        refuse_lfs_pointer(file)
    return found


def _weights(folder: Path, pickles: bool) -> list[str]:
    for name in (WEIGHTS, *((PICKLE,) if pickles and not (folder / _INDEX).is_file() else ())):
        if (folder / name).is_file():
            return [name]
    return _indexed_weights(folder)


def _indexed_weights(folder: Path) -> list[str]:
    index = folder / _INDEX
    if not index.is_file():
        pickled = next((name for name in _PICKLES if (folder / name).is_file()), None)
        if pickled:
            raise EmofuseError(
                f"encoder {folder}: its weights are a pickle ({pickled}), which could run anything when "
                "it is read; save them as safetensors (save_pretrained of a current transformers does)"
            )
        raise EmofuseError(
            f"encoder {folder}: {WEIGHTS} is missing; name a folder that save_pretrained wrote"
        )
    try:
        parts = sorted(set(stored_json(index, "copy the folder again")["weight_map"].values()))
        outside = [part for part in parts if not part or Path(part).name != part]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EmofuseError(f"{index}: damaged; copy the folder again") from None
    if outside:
        raise EmofuseError(f"{index}: names weights outside its folder")
    return [*parts, _INDEX]


def folder_revision(folder: Path, *, pickles: bool = False) -> str:
    """SHA-256 over the names and contents of the model's files: the same wherever it is copied."""
    digest = hashlib.sha256()
    for file in sorted(model_files(folder, pickles=pickles)):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.hexdigest()


def revision_of(source: Source, config: Any) -> str:
    """What tells one state of a model from another: its folder's contents, or the hub's commit."""
    if source.compact is not None:
        return folder_revision(source.compact)
    if source.folder is not None:
        return folder_revision(source.folder, pickles=source.pickles)
    return str(getattr(config, "_commit_hash", None) or source.revision)


def load_config(source: Source) -> Any:
    """The model's configuration."""
    from transformers import AutoConfig

    return guarded(source, AutoConfig.from_pretrained)


def load_model(
    source: Source,
    device: torch.device | str,
    dtype: torch.dtype,
    auto: Any = None,
    *,
    safetensors: bool = True,
) -> PreTrainedModel:
    """The model in evaluation mode, with every weight that what is read from it depends on.

    Args:
        source: where it comes from.
        device: where it runs.
        dtype: precision of its weights.
        auto: the class of transformers that chooses its class; by default one without a head.
        safetensors: False for a pickle, of which torch reads the tensors alone.

    Raises:
        EmofuseError: it cannot be had or read, or the checkpoint does not hold this model's weights.
    """
    from transformers import AutoModel

    model, report = guarded(
        source,
        (auto or AutoModel).from_pretrained,
        use_safetensors=safetensors,
        weights_only=True,
        dtype=dtype,
        output_loading_info=True,
    )
    absent = sorted(key for key in report["missing_keys"] if not _is_unused(key))
    refuse_missing_weights(source.name, absent, model)
    if source.compact is not None:
        add_difference(model, source.compact)
    return model.to(device).eval()


def _is_unused(key: str) -> bool:
    return key.startswith(_UNUSED_WEIGHTS) or key.endswith(_MASK)


def guarded(source: Source, from_pretrained: Callable[..., Any], **options: Any) -> Any:
    """Call ``from_pretrained`` without its bars and warnings, and report its failures in one line."""
    try:
        with quiet_library():
            return from_pretrained(source.name, **source.options(), **options)
    # Readers of damaged files raise whatever they like (the tokenizers library a bare Exception).
    except Exception as error:
        if source.folder is None and source.local_files_only:
            raise EmofuseError(
                f"encoder {source.name}: there is no such folder, the hub cannot be reached, and nothing was "
                "downloaded earlier; name a folder or go online"
            ) from None
        raise EmofuseError(f"encoder {source.name}: cannot be loaded ({_line(error)})") from None


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextmanager
def quiet_library() -> Iterator[None]:
    """Without the transformers library's own bars and warnings."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
