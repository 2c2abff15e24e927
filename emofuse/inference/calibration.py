"""What a run folder keeps of its calibration, and what it does to predictions."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, ValidationError

from emofuse.data.atomic import write_text_aside
from emofuse.data.stored_files import DamagedFileError, is_there, stored_bytes, stored_json
from emofuse.errors import EmofuseWarning
from emofuse.runs.ensemble_folder import is_ensemble
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.scored_together import folders_that_score, remove_scores

if TYPE_CHECKING:
    from emofuse.runs.predictions import Predictions


class Calibration(BaseModel):
    """calibration.json: a temperature, and what it did to the validation part that it was fitted on.

    Attributes:
        temperature: logits are divided by it; above 1 it takes back overconfidence. It changes no predicted
            class.
        utterances: of the validation part.
        nll_before: their mean negative log-likelihood in nats, before.
        nll_after: and after.
        ece_before: their expected calibration error, before.
        ece_after: and after; on what it was fitted on, so look at the test part for how well it does.
    """

    temperature: float = Field(ge=1e-3, le=1e3, allow_inf_nan=False)  # beyond, probabilities overflow
    utterances: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float

    def lines(self) -> list[str]:
        """The same for a person."""
        return [
            f"temperature {self.temperature:.3f}, fitted on {self.utterances} validation utterances: "
            f"calibration error {100 * self.ece_before:.1f} → {100 * self.ece_after:.1f} there"
        ]


def read_calibration(folder: RunFolder) -> Calibration | None:
    """The run's calibration, or None where it has none.

    Raises:
        EmofuseError: the file is damaged.
    """
    file = folder.calibration_file
    if not is_there(file):
        return None
    advice = f"run `emofuse evaluate {folder.path} --calibrate`"
    try:
        return Calibration.model_validate(stored_json(file, advice))
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedFileError(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", advice) from None


def set_calibration(folder: RunFolder, calibration: Calibration | None) -> None:
    """Keep a calibration, by which every prediction of the run goes from now on; None forgets the one that it has.

    The run's own predictions, scores and report of another temperature are removed first, so that a kill at any moment
    leaves none beside a temperature that is not theirs. `emofuse evaluate` makes them again. So are those of an ensemble
    or a cross-validation that the run is one of, and a warning says so. Evaluations on other corpora and exports keep the
    temperature that they were made with.
    """
    file = folder.calibration_file
    text = None if calibration is None else calibration.model_dump_json(indent=2) + "\n"
    held = stored_bytes(file, "delete it").decode(errors="replace") if is_there(file) else None
    if held == text:
        return
    for above in folders_that_score(folder.path):
        if remove_scores(above):
            remedy = (
                f"`emofuse evaluate {above}`" if is_ensemble(above) else "its `emofuse train` with --resume"
            )
            warnings.warn(
                f"{above}: its scores are of the temperature that {folder.path} had, and were removed; {remedy} makes them "
                "again once all its runs are calibrated",
                EmofuseWarning,
                stacklevel=2,
            )
    record = folder.read_record()
    if record.status == "evaluated":
        folder.write_record(record.model_copy(update={"status": "fitted"}))
    remove_scores(folder.path)
    if text is None:
        file.unlink()
    else:
        write_text_aside(file, text)


def with_temperature(predictions: Predictions, temperature: float) -> Predictions:
    """The same predictions with their logits divided by the temperature."""
    return replace(predictions, logits=predictions.logits / temperature)
