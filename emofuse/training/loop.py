"""One training of a system: its batches, its loss, what stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.loader import make_loader
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.evaluation import Split
from emofuse.inference.batches import dataset_of, rows_of
from emofuse.runs.precision import wants_bf16
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import MONITORS, Task
from emofuse.training.end_to_end import JointSystem
from emofuse.training.module import EmotionModule
from emofuse.training.optimisers import EpochDecay
from emofuse.training.processes import Processes
from emofuse.training.test_scores import TestScores
from emofuse.training.trainer import train_best
from emofuse.training.weight_average import weight_average


@dataclass
class TrainingLoop:
    """One training, of any system.

    Attributes:
        settings: of the run.
        manifest: the corpus.
        split: its parts; the test part is not looked at, unless the settings ask for ``test_scores``, which choose
            nothing.
        task: what is learnt.
        model: the system; `run` trains it in place.
        readers: modality → features, of those that are encoded.
        folder: where history and checkpoints go.
        quarantine: notes media that cannot be decoded.
        device: where to train.
        bars: draw a progress bar.
        augmented: what is seen in training in the place of some of the readers.
        joint: the system with the encoders that learn with it in front, where any do.
    """

    settings: RunSettings
    manifest: Manifest
    split: Split
    task: Task
    model: nn.Module
    readers: Mapping[Modality, FeatureSource]
    folder: RunFolder
    quarantine: Quarantine
    device: str
    bars: bool
    augmented: Mapping[Modality, FeatureSource] = field(default_factory=dict)
    joint: JointSystem | None = None

    def run(self) -> int:
        """Train the model in place, leave its best weights in it, and return the epoch that they are from."""
        split, optimiser = self.split, self.settings.optimiser
        train_loader = self._loader(split.train, {*split.val, *split.test}, self.settings.seed)
        val_loader = self._loader(split.val, set(split.test))
        train = [self.manifest.utterance(i) for i in split.train]
        weights = self.task.class_weights(train, optimiser.class_weights)
        module = EmotionModule(
            self.joint or self.model,
            self.task,
            optimiser,
            weights,
            self.quarantine,
            self.settings.compile,
            self.settings.seed,
        )
        noted: list[Callback] = []
        if self.settings.test_scores:
            loader = self._loader(split.test, set())
            noted.append(TestScores(self.folder.test_epochs_file, loader, self.task))
        monitor = optimiser.monitor or self.task.own_metric
        mode = MONITORS[monitor]
        return train_best(
            module,
            train_loader,
            val_loader,
            checkpoints=self.folder.checkpoints,
            history=self.folder.history_file,
            epochs=optimiser.epochs,
            patience=optimiser.patience,
            monitor=monitor,
            mode=mode,
            seed=self.settings.seed,
            device=self.device,
            bf16=wants_bf16(self.settings.precision, self.device),
            gradient_clip=optimiser.gradient_clip,
            accumulate=optimiser.accumulate,
            processes=Processes(self.settings.devices, self.settings.nodes),
            # Before the average, which takes its weights back at the end of the validation.
            stateful=[*noted, EpochDecay(optimiser, monitor, mode), *weight_average(optimiser)],
            bars=self.bars,
        )

    def _loader(self, ids: Sequence[str], hidden: set[str], seed: int | None = None) -> DataLoader[Any]:
        """Batches of one part, shared by all processes; of the hidden ones not even the features are seen."""
        data = self.settings.data
        rows, context = rows_of(self.manifest, ids, self.model, hidden)
        balanced = seed is not None and self.settings.optimiser.sampling == "balanced"
        readers = self.readers if seed is None else {**self.readers, **self.augmented}
        places = self.joint.places if self.joint is not None else {}
        dataset = dataset_of(
            rows,
            self.model,
            {**readers, **places},
            data,
            self.task.target,
            context,
            keep_frames=True,
            widths=dict.fromkeys(places, 1),
        )
        return make_loader(
            dataset,
            self.settings.optimiser.batch_size,
            shuffle_seed=seed,
            draw_weights=_class_shares([row.label for row in rows]) if balanced else None,
            workers=data.workers,
            divided=True,
            accumulate=1 if seed is None else self.settings.optimiser.accumulate,
        )


def _class_shares(labels: Sequence[str | None]) -> list[float]:
    """A weight for each row, so that each class has the same sum."""
    counts = Counter(labels)
    return [1 / counts[label] for label in labels]
