"""How unlike its training data what a run is given is: fitted on the training part, kept in the run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from emofuse.data import Modality
from emofuse.data.atomic import written_aside
from emofuse.data.batch import FeatureSource
from emofuse.data.stored_files import DamagedFileError, is_there
from emofuse.evaluation import Split
from emofuse.evaluation.metrics.familiarity import Familiarity, fit_familiarity
from emofuse.features.vectors import mean_vector
from emofuse.inference.predict_rows import RowPredictor
from emofuse.inference.seen_pictures import SEEN_PICTURES
from emofuse.runs.features import copies_of_run
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.stored_model import stored_shapes

_UTTERANCES = 2000  # of the training part: enough for a mean and 32 directions
_DECODED = 256  # where pictures must be decoded for it
_NAMES = ("mean", "scale", "directions", "variances", "noise", "threshold")
_MOST_NUMBERS = 1 << 24


def familiarity_file(folder: RunFolder) -> Path:
    """Where a run keeps it."""
    return folder.path / "familiarity.safetensors"


def fit_run_familiarity(
    folder: RunFolder, predictor: RowPredictor, split: Split, *, decode: bool = True
) -> dict[str, Familiarity]:
    """Fit one Gaussian for each modality and keep them; the validation part sets the thresholds.

    Of a modality that is encoded, the encoder's features are looked at. Of pictures that the system itself reads, it is
    what they look like (`emofuse.inference.seen_pictures`).

    Args:
        folder: a fitted run.
        predictor: of the run on its own corpus.
        split: of the run; the test part is not looked at.
        decode: False leaves out pictures that the system itself reads, for which they would have to be decoded.
    """
    found: dict[str, Familiarity] = {}
    for modality, reader in predictor.readers.items():
        # A corpus may have a modality in few of its rows: those count, and not so many of all.
        train, val = (_sampled(reader, ids) for ids in (split.train, split.val))
        if modality == "audio":  # what was learnt from is familiar, changed copies included
            heard = copies_of_run(folder, predictor.record, predictor.manifest)
            copies = [_sampled(copy, split.train) for copy in heard]
            train = np.concatenate([train, *(copy for copy in copies if len(copy))])
        _keep(found, modality, train, val)
    config_modalities: Sequence[Modality] = predictor.model.config.modalities  # type: ignore[union-attr, assignment]
    own = [m for m in config_modalities if m not in predictor.readers]
    if own and decode:
        seen = [
            predictor.predict_subsets(
                _spread(ids, _DECODED), [None], set(split.test), "what is familiar", keep_features=True
            )[0]
            for ids in (split.train, split.val)
        ]
        for m in own:
            looks = [part.features[SEEN_PICTURES][part.present[m]] for part in seen]
            _keep(found, SEEN_PICTURES, *looks)
    _write(folder, found)
    return found


def read_familiarity(folder: RunFolder) -> dict[str, Familiarity]:
    """Modality, or "frames" for pictures that the system reads itself, → Gaussian; empty for a run that has none.

    Raises:
        EmofuseError: the file is damaged.
    """
    file = familiarity_file(folder)
    if not is_there(file):
        return {}
    advice = f"run `emofuse evaluate {folder.path}`"
    shapes = stored_shapes(file)
    if sum(int(np.prod(shape)) for shape in shapes.values()) > _MOST_NUMBERS:
        raise DamagedFileError(file, "it holds more numbers than any run has", advice)
    tensors = load_file(file)
    found = {}
    for modality in sorted({name.split(".")[0] for name in shapes}):
        try:
            parts = {name: tensors[f"{modality}.{name}"] for name in _NAMES}
            _check(parts)
        except (KeyError, ValueError) as error:
            raise DamagedFileError(file, f"{modality}: {error}", advice) from None
        mean, scale, directions, variances, noise, threshold = (
            parts[name].astype(np.float64) for name in _NAMES
        )
        found[modality] = Familiarity(
            mean, scale, directions, variances, float(noise[0]), float(threshold[0])
        )
    return found


def mean_vectors(reader: FeatureSource | Mapping[str, np.ndarray], ids: Sequence[str]) -> np.ndarray:
    """(N, d) features of the utterances that have any; of a sequence the mean over its steps."""
    held = [np.asarray(reader[i]) for i in ids if i in reader]
    rows = [mean_vector(values) for values in held if values.size]
    return np.stack(rows) if rows else np.zeros((0, 0))


def _sampled(reader: FeatureSource, ids: Sequence[str]) -> np.ndarray:
    """(N, d) of those that have any."""
    return mean_vectors(reader, _spread([i for i in ids if i in reader], _UTTERANCES))


def _spread(ids: Sequence[str], most: int) -> list[str]:
    """At most so many of the ids, evenly spread."""
    return list(ids[:: -(-len(ids) // most)]) if ids else []


def _keep(found: dict[str, Familiarity], modality: str, train: np.ndarray, val: np.ndarray) -> None:
    fitted = fit_familiarity(train, val)
    if fitted is not None:
        found[modality] = fitted


def _write(folder: RunFolder, found: Mapping[str, Familiarity]) -> None:
    file = familiarity_file(folder)
    if not found:
        file.unlink(missing_ok=True)
        return
    tensors = {
        f"{modality}.{name}": np.atleast_1d(np.ascontiguousarray(getattr(gaussian, name), np.float32))
        for modality, gaussian in found.items()
        for name in _NAMES
    }
    with written_aside(file) as aside:
        aside.write_bytes(save(tensors))


def _check(parts: Mapping[str, np.ndarray]) -> None:
    size, count = parts["mean"].size, parts["variances"].size
    shapes = {
        "mean": (size,),
        "scale": (size,),
        "directions": (count, size),
        "variances": (count,),
        "noise": (1,),
        "threshold": (1,),
    }
    for name, shape in shapes.items():
        if parts[name].shape != shape:
            raise ValueError(f"{name} is {parts[name].shape} and not {shape}")
        if not np.isfinite(parts[name]).all():
            raise ValueError(f"{name} holds a number that is not finite")
    for name in ("scale", "variances", "noise", "threshold"):
        if not (parts[name] > 0).all():
            raise ValueError(f"{name} is not positive")
