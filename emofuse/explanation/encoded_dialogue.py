"""The turns of a dialogue, encoded once for all of its utterances that are explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from emofuse.data import Modality
from emofuse.data.utterance import Utterance
from emofuse.errors import EmofuseError
from emofuse.features.encoding import encode_utterances
from emofuse.features.identity import needs_of
from emofuse.pipeline import EmotionPipeline

EncodedTurns = Mapping[str, np.ndarray | EmofuseError | None]
"""Utterance → its features, None where it has nothing of the modality, or why there are none."""


class EncodedDialogue:
    """What a run's encoders make of a dialogue; each encoder is asked when its features are first needed.

    Args:
        pipe: the run.
        turns: all of the dialogue, and what else they are standardised with.
    """

    def __init__(self, pipe: EmotionPipeline, turns: Sequence[Utterance]) -> None:
        self.pipe, self.turns = pipe, list(turns)
        self._encoded: dict[Modality, EncodedTurns] = {}

    def around(self, utterance: Utterance) -> EncodedDialogue:
        """The dialogue with an utterance among its turns: this one, where it is there already."""
        if utterance in self.turns:
            return self
        others = [turn for turn in self.turns if turn.id != utterance.id]
        return EncodedDialogue(self.pipe, [utterance, *others])

    def features(self, modality: Modality, utterance: Utterance) -> EncodedTurns:
        """Of all turns where the features of one depend on the others, and else of ``utterance`` alone."""
        encoder = self.pipe.encoders[modality]
        if needs_of(encoder).context is None and modality not in self.pipe.statistics:
            return dict(encode_utterances([utterance], encoder))
        if modality not in self._encoded:
            self._encoded[modality] = dict(encode_utterances(self.turns, encoder))
        return self._encoded[modality]
