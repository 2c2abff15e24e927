"""The file of a cross-fitting: which of its encoders has not seen an utterance, and where that encoder lies."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emofuse.data.stored_files import stored_json
from emofuse.errors import EmofuseError

CROSS_FIT_FILE = "cross_fit.json"
"""Stands beside the record of a fine-tuned encoder whose training part was cross-fitted."""

PARTS_FOLDER = "cross_fit"


class CrossFitRecord(BaseModel):
    """The encoders of a cross-fitting.

    Attributes:
        held_out: utterance of the training part → number of the encoder that was fine-tuned without it.
        count: how many encoders there are, in the folders ``cross_fit/0``, ``cross_fit/1``, ...
        grouped_by: what was held out as a whole: "speaker", "dialogue" or "utterance".
        trained_f1: weighted F1 on the training part of the encoder that encodes everything else.
        held_out_f1: weighted F1 on the training part, each utterance judged by the encoder that has not seen it.
        rest: who encodes everything else: an encoder that was tuned on all of the training part, or the mean of the others'
            weights, most of which have seen an utterance.
    """

    model_config = ConfigDict(extra="forbid")

    held_out: dict[str, int]
    count: int = Field(ge=2, le=100)
    grouped_by: str
    trained_f1: float
    held_out_f1: float
    rest: Literal["all", "mean"] = "all"

    @property
    def line(self) -> str:
        """The gap for a person."""
        who = (
            "the encoder that was tuned on it" if self.rest == "all" else "the mean of the encoders' weights"
        )
        return (
            f"training part, weighted F1: {100 * self.trained_f1:.1f} by {who}, "
            f"{100 * self.held_out_f1:.1f} by encoders that had not seen the {self.grouped_by}"
        )


def part_folder(folder: Path, number: int) -> Path:
    """Where one encoder of a cross-fitting lies."""
    return folder / PARTS_FOLDER / str(number)


def read_cross_fit(folder: Path) -> CrossFitRecord | None:
    """The cross-fitting of a fine-tuned encoder; None where there was none.

    Raises:
        EmofuseError: the file cannot be read, or names an encoder that is not one of them.
    """
    path = folder / CROSS_FIT_FILE
    if not path.exists():
        return None
    try:
        record = CrossFitRecord.model_validate(stored_json(path, "fine-tune again"))
    except ValidationError as error:
        raise EmofuseError(
            f"{path}: damaged or of another version ({str(error).splitlines()[0]}); fine-tune again"
        ) from None
    if any(not 0 <= number < record.count for number in record.held_out.values()):
        raise EmofuseError(f"{path}: names an encoder that is not there; fine-tune again")
    return record
