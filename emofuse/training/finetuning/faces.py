"""Pictures as rows: read and changed when their batch is due, so that memory does not grow with the corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from emofuse.data.batch import DecodeFailure
from emofuse.data.manifest import Utterance
from emofuse.data.media import MediaError
from emofuse.encoders.fine_tuning import FineTuneSettings
from emofuse.encoders.image_preprocessing import ImagePreprocessing
from emofuse.training.finetuning.batches import Draw, TuningBatch
from emofuse.training.finetuning.face_augmentation import FaceAugmentation
from emofuse.training.finetuning.face_crops import CropReader, Crops


class PictureRows:
    """Utterances with a video or a picture, as an image model takes them.

    An utterance is judged by the mean over its pictures, and a picture by the mean over its faces, where faces are
    looked for.

    Args:
        utterances: with a label each.
        labels: (N,) their class indices.
        reader: of their crops.
        preprocessing: of the model.
        settings: how far pictures are changed in training.
        seed: of the changes.
    """

    reads_media = True
    singly = False  # pictures of a batch are of one size

    def __init__(
        self,
        utterances: Sequence[Utterance],
        labels: Sequence[int],
        reader: CropReader,
        preprocessing: ImagePreprocessing,
        settings: FineTuneSettings,
        seed: int,
    ) -> None:
        self.utterances, self.labels = list(utterances), list(labels)
        self.reader, self.preprocessing, self.seed = reader, preprocessing, seed
        self.changes = FaceAugmentation().times(settings.picture_changes)
        self.changed = settings.picture_changes > 0
        self.lengths = np.ones(len(self.utterances))

    def __len__(self) -> int:
        return len(self.utterances)

    def batch(self, draw: Draw, *, training: bool) -> TuningBatch:
        """Pictures (N, 3, H, W) of B utterances, and what each counts in its utterance's mean."""
        read, kept, failures = [], [], []
        for row in draw.rows:
            found = self._read(self.utterances[row])
            if isinstance(found, DecodeFailure):
                failures.append(found)
            else:
                read.append(found)
                kept.append(row)
        batch = TuningBatch(
            ids=[self.utterances[row].id for row in kept],
            inputs={},
            labels=torch.tensor([self.labels[row] for row in kept], dtype=torch.long),
            decode_failures=failures,
        )
        if read:
            pixels = torch.from_numpy(np.concatenate([crops.pixels for crops in read]))
            batch.inputs["pixel_values"] = self._prepared(pixels, draw if training else None)
            shares = [torch.from_numpy(crops.shares)[None] for crops in read]
            batch.inputs["shares"] = torch.block_diag(*shares)
        return batch

    def _read(self, utterance: Utterance) -> Crops | DecodeFailure:
        source = str(utterance.video)
        try:
            crops = self.reader.read(utterance)
        except MediaError as error:
            return DecodeFailure(utterance.id, "video", source, error.reason, str(error))
        if len(crops.pixels):
            return crops
        what = f"{source}: no face was found in any of its pictures [no-face]"
        return DecodeFailure(utterance.id, "video", source, "no-face", what)

    def _prepared(self, pixels: torch.Tensor, draw: Draw | None) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).float()
        if draw is not None and self.changed:
            generator = torch.Generator()
            drawn = np.random.default_rng([self.seed, draw.epoch, *draw.rows]).integers(2**62)
            generator.manual_seed(int(drawn))
            values = self.changes(values / 255, self.preprocessing.size, generator) * 255
        return self.preprocessing(values)
