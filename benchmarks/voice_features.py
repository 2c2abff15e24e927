"""What of a voice holds for other actors, for another sentence, and for few utterances of a speaker.

    python -m benchmarks.voice_features RAVDESS/manifest.csv --work ravdess-features

Logistic regression of one strength on features that are standardised per actor; five folds by actor. "The other sentence" is
trained on one of RAVDESS's two sentences and judged on the other. "Few utterances" shows a model that was trained on actors
with all their utterances those of other actors a few at a time, in an order by chance or sorted by emotion, under several
worths of the training part's mean (`emofuse.features.normalisation`). Writes benchmarks/results/voice_features.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec
from emofuse.encoders.spec import LOGMEL_FUNCTIONALS, WHISPER_TINY_EN
from emofuse.features import FeatureStore
from emofuse.features.normalisation import NormalisedFeatures, TrainingStatistics
from emofuse.runs.features import encode

RESULTS = Path(__file__).parent / "results" / "voice_features.md"
STRENGTH, FOLDS, SIZES, WORTHS = 1e-2, 5, (1, 2, 3, 5, 10, 20, 60), (1e-9, 2.0, 4.0, 8.0, 16.0)
WIDTH = 384  # of Whisper tiny's states


def standardised(vectors: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Each group's vectors without its mean and spread."""
    found = np.empty_like(vectors)
    for group in np.unique(groups):
        own = vectors[groups == group]
        found[groups == group] = (own - own.mean(0)) / (own.std(0) + 1e-6)
    return found


def folds(labels: np.ndarray, speakers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to train on and to judge, other actors each."""
    return StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels, speakers)


class Linear:
    """Logistic regression on scaled, clipped vectors."""

    def __init__(self, vectors: np.ndarray, labels: np.ndarray) -> None:
        self.mean, self.scale = vectors.mean(0), vectors.std(0) + 1e-6
        self.model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3).fit(self._scaled(vectors), labels)

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        return np.clip((vectors - self.mean) / self.scale, -10, 10)

    def say(self, vectors: np.ndarray) -> np.ndarray:
        """The labels of vectors."""
        return self.model.predict(self._scaled(vectors))


def percent(labels: np.ndarray, said: np.ndarray) -> str:
    """Average recall and weighted F1."""
    return (
        f"{100 * balanced_accuracy_score(labels, said):.1f} / "
        f"{100 * f1_score(labels, said, average='weighted'):.1f}"
    )


def other_actors(vectors: np.ndarray, labels: np.ndarray, speakers: np.ndarray) -> str:
    """Scores over all utterances, each judged by a model that has not heard its actor."""
    normal, said = standardised(vectors, speakers), np.empty_like(labels)
    for train, test in folds(labels, speakers):
        said[test] = Linear(normal[train], labels[train]).say(normal[test])
    return percent(labels, said)


def other_sentence(
    vectors: np.ndarray, labels: np.ndarray, speakers: np.ndarray, sentences: np.ndarray
) -> str:
    """The same, each judged by a model that has not heard its sentence either."""
    normal = standardised(vectors, np.char.add(speakers, sentences))
    said = np.empty_like(labels)
    for sentence in np.unique(sentences):
        for train, test in folds(labels, speakers):
            train, test = train[sentences[train] != sentence], test[sentences[test] == sentence]
            said[test] = Linear(normal[train], labels[train]).say(normal[test])
    return percent(labels, said)


def few_utterances(vectors: np.ndarray, labels: np.ndarray, speakers: np.ndarray) -> Iterator[str]:
    """A row for each worth and order: average recall by the utterances that are shown together."""
    rng = np.random.default_rng(0)
    found: dict[tuple[str, float, int], list[tuple[str, str]]] = {}
    for train, test in folds(labels, speakers):
        known = {str(i): vectors[i] for i in train}
        training = TrainingStatistics.of(known, {str(i): speakers[i] for i in train})
        normal = standardised(vectors[train], speakers[train])
        model, plain = Linear(normal, labels[train]), Linear(vectors[train], labels[train])
        found.setdefault(("plain", 0, 0), []).extend(zip(labels[test], plain.say(vectors[test]), strict=True))
        for order in ("by chance", "sorted by emotion"):
            places = rng.permutation(test)
            if order != "by chance":
                places = places[np.argsort(labels[places], kind="stable")]
            for size in SIZES:
                groups = {
                    str(place): (speakers[place], number // size)
                    for speaker in np.unique(speakers[test])
                    for number, place in enumerate(p for p in places if speakers[p] == speaker)
                }
                for worth in WORTHS:
                    source = {i: vectors[int(i)] for i in groups}
                    shown = NormalisedFeatures(source, groups, training, worth)
                    said = model.say(shown.matrix(groups))
                    truth = labels[[int(i) for i in groups]]
                    found.setdefault((order, worth, size), []).extend(zip(truth, said, strict=True))
    recall = {key: 100 * balanced_accuracy_score(*zip(*pairs, strict=True)) for key, pairs in found.items()}
    plain = f"{recall[('plain', 0, 0)]:.1f}"
    yield f"| not standardised per speaker | {' | '.join([plain] * len(SIZES))} |"
    for order in ("by chance", "sorted by emotion"):
        for worth in WORTHS:
            cells = " | ".join(f"{recall[(order, worth, size)]:.1f}" for size in SIZES)
            yield f"| mean against {worth:.0f}, {order} | {cells} |"


def main() -> None:
    """Encode what is missing, score, write the tables."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    manifest = Manifest.read(given.manifest).validate()
    store, quarantine = FeatureStore(given.work / "features"), Quarantine(given.work / "quarantine.csv")
    specs = (
        EncoderSpec(modality="audio", name=WHISPER_TINY_EN, pad=1.0),
        EncoderSpec(modality="audio", name=LOGMEL_FUNCTIONALS),
    )
    whisper, functionals = (
        encode(manifest, spec, store, device="cpu", quarantine=quarantine, workers=0)
        .reader.matrix(manifest.ids)
        .astype(np.float64)
        for spec in specs
    )
    labels, speakers, sentences = (
        manifest.frame[name].to_numpy(str) for name in ("label", "speaker", "text")
    )
    mean = whisper[:, :WIDTH]
    sets = {
        "log-mel functionals": functionals,
        "Whisper, mean": mean,
        "Whisper, mean and deviation": whisper,
        "Whisper's mean beside the functionals": np.hstack([mean, functionals]),
        "the same, with Whisper's deviation": np.hstack([whisper, functionals]),
    }
    rows = []
    for name, vectors in sets.items():
        actors = other_actors(vectors, labels, speakers)
        rows.append(f"| {name} | {actors} | {other_sentence(vectors, labels, speakers, sentences)} |")
        print(rows[-1], flush=True)
    few = list(few_utterances(np.hstack([mean, functionals]), labels, speakers))
    RESULTS.write_text(
        f"# What of a voice holds elsewhere\n\n{len(labels)} utterances of {len(np.unique(speakers))} actors; logistic "
        f"regression, C = {STRENGTH:g}; {FOLDS} folds by actor, one division. {machine_line(given.threads)}.\n\n"
        "Average recall / weighted F1 in percent, each actor standardised (in the second column each actor's sentence):\n\n"
        "| features | other actors | other actors and the other sentence |\n|---|---|---|\n"
        + "\n".join(rows)
        + "\n\nAverage recall, by the utterances of a speaker that are standardised together (Whisper's mean beside the "
        "functionals):\n\n| | "
        + " | ".join(map(str, SIZES))
        + " |\n|---|"
        + "---:|" * len(SIZES)
        + "\n"
        + "\n".join(few)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
