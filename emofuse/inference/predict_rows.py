"""A run's predictions for rows of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from torch import nn

from emofuse.data import Modality
from emofuse.data.loader import make_loader
from emofuse.inference.batches import dataset_of, rows_of
from emofuse.inference.calibration import read_calibration, with_temperature
from emofuse.inference.forward import predict_subsets
from emofuse.models.pooled_system import PooledSystem
from emofuse.runs.corpus import Progress, choose_device
from emofuse.runs.features import features_of_run
from emofuse.runs.normalisation import companions_of, normalise_readers
from emofuse.runs.predictions import Predictions
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.tasks import recorded_task
from emofuse.runs.threads import torch_threads

if TYPE_CHECKING:
    from emofuse.data.manifest import Manifest


class RowPredictor:
    """A run that is ready to predict rows of one manifest.

    Args:
        folder: a fitted run.
        manifest: its own corpus or another; features that its store lacks are made.
        progress: called with (done, total, what).
        alone: the system alone, where the run is, or is to be, pooled with a linear model.

    Raises:
        EmofuseError: an encoder cannot be had, or imported features are not there.
    """

    def __init__(
        self, folder: RunFolder, manifest: Manifest, progress: Progress | None = None, alone: bool = False
    ) -> None:
        from emofuse.data.quarantine import Quarantine

        self.folder, self.manifest, self.progress = folder, manifest, progress
        self.settings, self.record = folder.read_settings(), folder.read_record()
        self.task = recorded_task(self.record.task, self.record.labels)
        self.device = choose_device(self.settings.device)
        model = folder.load_system(self.record) if alone else folder.load_model(self.record)
        self.model = model.to(self.device)
        self.quarantine = Quarantine(folder.inside("quarantine.csv"))
        with torch_threads(self.settings.threads):
            readers = {
                m: features_of_run(
                    folder,
                    self.record,
                    m,
                    manifest,
                    device=self.device,
                    quarantine=self.quarantine,
                    progress=progress,
                )
                for m in self.record.encoders
            }
        self.readers = normalise_readers(folder, self.record, manifest, readers)

    def predict(
        self,
        ids: Sequence[str],
        hidden: Collection[str] = (),
        what: str = "predicting",
        calibrated: bool = True,
    ) -> Predictions:
        """Predictions in the order of ``ids``; those of a calibrated run divide its logits by its temperature.

        Args:
            ids: utterances of the manifest.
            hidden: utterances that must not even be seen as context.
            what: said by the progress.
            calibrated: as of `predict_subsets`.
        """
        return self.predict_subsets(ids, [None], hidden, what, calibrated=calibrated)[0]

    def predict_subsets(
        self,
        ids: Sequence[str],
        subsets: Sequence[Sequence[Modality] | None],
        hidden: Collection[str] = (),
        what: str = "predicting",
        keep_features: bool = False,
        calibrated: bool = True,
    ) -> list[Predictions]:
        """As `predict`, once for each set of modalities that the system is given; None for all.

        Where not ``calibrated``, the logits are bare, whether the run has a temperature or not.
        """
        found = self._run(self.model, ids, subsets, hidden, what, keep_features)
        calibration = read_calibration(self.folder) if calibrated else None
        if calibration is not None:
            found = [with_temperature(predictions, calibration.temperature) for predictions in found]
        return found

    def predict_parts(self, ids: Sequence[str], what: str = "predicting") -> dict[str, Predictions]:
        """What the ``system`` and the ``linear`` model of a pool say alone, not calibrated; empty of another run."""
        if not isinstance(self.model, PooledSystem):
            return {}
        parts = {"system": self.model.system, "linear": self.model.linear_alone}
        return {name: self._run(part, ids, [None], (), what, False)[0] for name, part in parts.items()}

    def _run(
        self,
        model: nn.Module,
        ids: Sequence[str],
        subsets: Sequence[Sequence[Modality] | None],
        hidden: Collection[str],
        what: str,
        keep_features: bool,
    ) -> list[Predictions]:
        rows, context = rows_of(self.manifest, ids, self.model, hidden)
        data = self.settings.data
        dataset = dataset_of(rows, self.model, self.readers, data, self.task.target, context)
        loader = make_loader(dataset, self.settings.optimiser.batch_size, workers=data.workers)
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if self.progress is not None:
                self.progress(done, len(rows), what)

        with torch_threads(self.settings.threads):
            found = predict_subsets(
                model,
                loader,
                subsets,
                device=self.device,
                on_batch=advance,
                keep_features=keep_features,
            )
        for decode_failure in found[0].decode_failures:
            self.quarantine.add(
                decode_failure.utterance_id,
                decode_failure.modality,
                decode_failure.path,
                decode_failure.reason,
                decode_failure.message,
            )
        return [predictions.of(ids) for predictions in found]


def predict_rows(
    folder: RunFolder,
    manifest: Manifest,
    ids: Sequence[str],
    *,
    hidden: Collection[str] = (),
    progress: Progress | None = None,
    what: str = "predicting",
    calibrated: bool = True,
) -> Predictions:
    """As `RowPredictor.predict`, for one set of rows; with bare logits where not ``calibrated``."""
    return predict_row_subsets(
        folder, manifest, ids, [None], hidden=hidden, progress=progress, what=what, calibrated=calibrated
    )[0]


def predict_row_subsets(
    folder: RunFolder,
    manifest: Manifest,
    ids: Sequence[str],
    subsets: Sequence[Sequence[Modality] | None],
    *,
    hidden: Collection[str] = (),
    progress: Progress | None = None,
    what: str = "predicting",
    calibrated: bool = True,
) -> list[Predictions]:
    """As `RowPredictor.predict_subsets`, for one set of rows; of others only those are read that stand in
    their dialogues, or that they are standardised with."""
    frame = manifest.frame
    dialogues = set(frame.loc[frame["id"].isin(set(ids)), "dialogue"])
    beside = companions_of(manifest, ids, folder.read_settings().data)
    needed = manifest.select(frame.loc[frame["dialogue"].isin(dialogues) | frame["id"].isin(beside), "id"])
    predictor = RowPredictor(folder, needed, progress)
    return predictor.predict_subsets(ids, subsets, hidden, what, calibrated=calibrated)
