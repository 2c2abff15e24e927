"""Runs on the Hugging Face hub: fetched by name, without anything that could be executed."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

from emofuse.errors import EmofuseError, EmofuseWarning

# As the hub names what it holds: an owner and a name, letters, digits and "._-".
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")

# Files of a run that a copy of it holds as they are.
COPIED_FILES = (
    "model.safetensors",
    "linear.safetensors",
    "linear.json",
    "normalisation.safetensors",
    "calibration.json",
    "familiarity.safetensors",
)
# What a prediction reads: weights as safetensors, settings, tables, and the files of an encoder's folder. Neither
# programs nor pickles are among them, whatever else a repository holds.
RUN_FILES = (
    "run.json",
    "config.yaml",
    *COPIED_FILES,
    "predictions.parquet",
    "metrics.json",
    "README.md",
)
ENCODER_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")
ALLOWED = (*RUN_FILES, *(f"encoders/*/{pattern}" for pattern in ENCODER_FILES))


def is_hub_name(run: Path | str) -> bool:
    """Whether a run is named as the hub names it, and nothing here goes by that name.

    What lies in a folder that is there, such as a misspelt run of it, is no name on the hub.
    """
    return is_repo_id(str(run)) and not Path(run).parent.exists()


def is_repo_id(name: str) -> bool:
    """Whether a name is spelled ``org/name``."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def fetch_run(name: str, *, revision: str | None = None, token: str | None = None) -> Path:
    """The folder of a run from the hub, fetched where it is not on this machine yet. A warning says so first.

    Args:
        name: ``"org/name"``.
        revision: branch, tag or commit.
        token: by default the one that ``hf auth login`` has stored.

    Raises:
        EmofuseError: there is no such run, it may not be read, or the hub cannot be reached.
    """
    at = f" at {revision}" if revision else ""
    warnings.warn(
        f"{name}: there is no such folder here, so the run is looked for on the Hugging Face hub{at} (HF_HUB_OFFLINE=1 "
        "forbids that)",
        EmofuseWarning,
        stacklevel=3,
    )
    from huggingface_hub import snapshot_download  # where it is used: most runs lie on a disk

    try:
        return Path(snapshot_download(name, revision=revision, token=token, allow_patterns=list(ALLOWED)))
    except Exception as error:  # the HTTP library's own errors differ between versions
        raise EmofuseError(f"{name}{at}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return "its owners grant access on request; ask on its page, then log in (`hf auth login`)"
    if isinstance(error, RevisionNotFoundError):
        return "has no such revision on the hub"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "neither a folder here nor a run on the Hugging Face hub; check the name, and log in (`hf auth login`) if it is "
            "private"
        )
    if isinstance(error, LocalEntryNotFoundError):
        return (
            "no folder of that name is here, the hub cannot be reached, and nothing was fetched earlier; check the name, or "
            "go online"
        )
    return hub_failure(error)


def hub_failure(error: Exception) -> str:
    """Why the hub did not do what it was asked, in one line."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    if code in (401, 403):
        return "the hub refuses it; log in (`hf auth login`) with a token that may, or give token="
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"the Hugging Face hub did not do it ({line[:300]})"
