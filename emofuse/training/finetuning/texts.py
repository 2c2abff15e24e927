"""Words as rows: tokenised once, and padded when their batch is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from emofuse.data.manifest import Manifest, Utterance
from emofuse.encoders.text_reader import TextReader
from emofuse.features.dialogue_context import ContextWindow, TextInContext, texts_in_context
from emofuse.training.finetuning.batches import Draw, TuningBatch


class TextRows:
    """Utterances with a text, as a model of the BERT class takes them.

    Args:
        utterances: with a label each.
        labels: (N,) their class indices.
        reader: of the model.
        texts: utterance → its text, with its dialogue where the reader reads that along.
    """

    reads_media = False
    singly = False  # padding is masked and changes nothing

    def __init__(
        self,
        utterances: Sequence[Utterance],
        labels: Sequence[int],
        reader: TextReader,
        texts: Mapping[str, TextInContext],
    ) -> None:
        self.ids, self.labels, self.reader = [row.id for row in utterances], list(labels), reader
        items = [texts[id] for id in self.ids]
        self.inputs = reader.inputs(items if reader.context else [item.text for item in items])
        self.lengths = np.array([len(one.tokens["input_ids"]) for one in self.inputs])

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, draw: Draw, *, training: bool) -> TuningBatch:
        """Tokens (B, T) with their mask, and those of them that are pooled."""
        tensors, own, first = self.reader.padded([self.inputs[row] for row in draw.rows])
        if self.reader.pooling == "cls":
            own = torch.zeros_like(own).scatter(1, first, True)
        return TuningBatch(
            ids=[self.ids[row] for row in draw.rows],
            inputs=tensors,
            labels=torch.tensor([self.labels[row] for row in draw.rows], dtype=torch.long),
            pooled=own,
        )


def texts_of(manifest: Manifest, reader: TextReader) -> dict[str, TextInContext]:
    """Every text of a corpus as ``reader`` reads it; turns without a label are context all the same."""
    return texts_in_context(manifest.rows(), reader.context or ContextWindow())
