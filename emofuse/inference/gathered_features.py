"""What a prediction is made from: the features of each utterance, encoded or imported, and why some are missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emofuse.data import Modality
from emofuse.data.batch import FeatureSource
from emofuse.data.utterance import Utterance
from emofuse.features import UtteranceEncoder
from emofuse.features.encoding import encode_utterances

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class GatheredFeatures:
    """The features of utterances; one call for each modality fills them.

    Attributes:
        given: the utterances as they were given.
        utterances: the same under their positions, because two clips may have the same name.
        found: modality → features by position, of what an encoder makes.
        missing: of every utterance, modality → why it has none.
        notes: of every utterance, modality → what had to be done to read it.
    """

    given: Sequence[Utterance]
    utterances: Sequence[Utterance]
    found: dict[Modality, dict[str, np.ndarray]]
    missing: list[dict[Modality, str]]
    notes: list[dict[Modality, str]]

    @classmethod
    def none_yet(cls, given: Sequence[Utterance], encoded: Iterable[Modality]) -> GatheredFeatures:
        """Nothing of these utterances; ``encoded`` are the modalities that features are made of."""
        return cls(
            given,
            [replace(utterance, id=str(place)) for place, utterance in enumerate(given)],
            {modality: {} for modality in encoded},
            [{} for _ in given],
            [{} for _ in given],
        )

    def switch_off(self, modality: Modality) -> None:
        """A modality that is not used."""
        for reasons in self.missing:
            reasons[modality] = "switched off"

    def leave_out(self, modality: Modality) -> None:
        """A modality whose encoder was not loaded."""
        for utterance, reasons in zip(self.given, self.missing, strict=True):
            there = utterance.text if modality == "text" else utterance.video or utterance.audio
            reasons[modality] = "its encoder was not loaded" if there else f"no {modality} was given"

    def look_up(
        self, modality: Modality, features: FeatureSource | Mapping[str, np.ndarray], why: str
    ) -> None:
        """Features that were imported, by utterance id; ``why`` is said of utterances that have none."""
        for place, utterance in enumerate(self.given):
            if utterance.id in features:
                self.found[modality][str(place)] = features[utterance.id]
            else:
                self.missing[place][modality] = why

    def encode(self, modality: Modality, encoder: UtteranceEncoder, progress: Progress | None) -> None:
        """Features that are made now; what cannot be read is missing."""

        def keep_note(key: str, note: str) -> None:
            self.notes[int(key)][modality] = note

        encoded = encode_utterances(self.utterances, encoder, on_note=keep_note)
        for done, (key, result) in enumerate(encoded):
            if progress is not None:
                progress(done + 1, len(self.utterances), f"encoding {modality}")
            if isinstance(result, np.ndarray):
                self.found[modality][key] = result
            else:
                self.missing[int(key)][modality] = str(result) if result else f"no {modality} was given"
