"""What each of four leaks is worth, in points of weighted F1, on words and voices of the demo corpus.

    emofuse demo-data demo/corpus          # unless it is there already
    python -m benchmarks.leaks demo/corpus --write
    python -m benchmarks.leaks demo/corpus --only split      # one leak alone

Everything is trained twice, as it should be and with the leak, and nothing else differs: same system, same
seeds, same number of folds, same utterances judged. Writes benchmarks/results/leaks.md where asked to.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.script import argument_parser, publish
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.evaluation import Split, classification_report, splits
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.method_scores import MethodScores
from emofuse.evaluation.comparison.methods import Facts, JudgedRun, Method, make_method
from emofuse.features import FeatureStore, extract_features
from emofuse.models import create_model

RESULTS = Path(__file__).parent / "results" / "leaks.md"
ENCODERS = {"text": "hashed-ngrams", "audio": "logmel-functionals"}
EPOCHS, BATCH, RATE, ENCODER_EPOCHS, ENCODER_DIM = 12, 32, 3e-3, 12, 64
OPTIONS = {"dropout": 0.2, "feature_dropout": 0.5}


@dataclass(frozen=True)
class Recipe:
    """How a number is made; the defaults are as it should be.

    Attributes:
        name: in the table.
        protocol: that splits the utterances.
        scaler: rows that the feature scalers are fitted on.
        encoder: text features as they come, or of an encoder that was fitted to labels of these rows.
        epoch: part that chooses the epoch.
    """

    name: str
    protocol: str = "speaker"
    scaler: Literal["train", "all"] = "train"
    encoder: Literal["frozen", "train", "all"] = "frozen"
    epoch: Literal["val", "test"] = "val"


HONEST = Recipe("as it should be")
TUNED = replace(HONEST, name="text encoder tuned on the training part", encoder="train")
LEAKS: dict[str, tuple[Recipe, Recipe]] = {
    "split": (HONEST, Recipe("utterances split at random", protocol="random-kfold")),
    "epoch": (HONEST, Recipe("epoch chosen on the test part", epoch="test")),
    "scaler": (HONEST, Recipe("feature scalers fitted before the split", scaler="all")),
    "encoder": (TUNED, Recipe("text encoder tuned before the split", encoder="all")),
    "together": (TUNED, Recipe("all of these at once", "random-kfold", "all", "all", "test")),
}


@dataclass(frozen=True)
class Corpus:
    """Labelled utterances as tensors, rows in the order of the ids."""

    manifest: Manifest
    ids: list[str]
    features: dict[str, Tensor]
    labels: Tensor

    @classmethod
    def read(cls, folder: Path) -> Corpus:
        """Read a demo corpus; features come from its store, which is filled where they are missing."""
        manifest = Manifest.read(folder / "manifest.csv").validate()
        store, features = FeatureStore(folder / "features"), {}
        for modality, name in ENCODERS.items():
            encoder = create_encoder(
                EncoderSpec.model_validate({"modality": modality, "name": name}), device="cpu"
            )
            extract_features(manifest, encoder, store, quarantine=Quarantine(folder / "quarantine.csv"))
            features[modality] = torch.from_numpy(store.reader(encoder.identity).matrix(manifest.ids))
        index = {label: i for i, label in enumerate(manifest.labels)}
        labels = torch.tensor([index[label] for label in manifest.frame["label"]])
        return cls(manifest, manifest.ids, features, labels)

    def rows(self, ids: Sequence[str]) -> Tensor:
        """Row numbers of ids."""
        places = {id: place for place, id in enumerate(self.ids)}
        return torch.tensor([places[id] for id in ids])


class Bench:
    """Trains recipes on a corpus; what two recipes share is trained once."""

    def __init__(self, corpus: Corpus, folds: int) -> None:
        self.corpus, self.folds = corpus, folds
        self.tuned = cache(self._tuned)
        self.trained = cache(self._trained)
        self.split = cache(self._split)

    def _split(self, protocol: str, seed: int) -> list[Split]:
        return splits(self.corpus.manifest, protocol, k=self.folds, seed=seed, val_fraction=0.15)

    def _tuned(self, rows: tuple[int, ...], seed: int) -> Tensor:
        """Text features (N, 64) of a small encoder that has learnt the labels of these rows."""
        text, chosen = self.corpus.features["text"], torch.tensor(rows)
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Linear(text.shape[1], ENCODER_DIM), nn.ReLU(), nn.Dropout(0.3))
        head = nn.Linear(ENCODER_DIM, len(self.corpus.manifest.labels))
        optimiser = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=RATE, weight_decay=0.01)
        for epoch in range(ENCODER_EPOCHS):
            for batch in _batches(chosen, seed, epoch):
                optimiser.zero_grad()
                F.cross_entropy(head(encoder(text[batch])), self.corpus.labels[batch]).backward()
                optimiser.step()
        with torch.inference_mode():
            return encoder.eval()(text).clone()

    def _trained(self, recipe: Recipe, seed: int, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the validation and of the test part after every epoch, (E, n, C)."""
        corpus = self.corpus
        split = self.split(recipe.protocol, seed)[fold]
        train, val, test = (corpus.rows(ids) for ids in split)
        every = torch.arange(len(corpus.ids))
        features = dict(corpus.features)
        if recipe.encoder != "frozen":
            rows = train if recipe.encoder == "train" else every
            features["text"] = self.tuned(tuple(rows.tolist()), seed)
        torch.manual_seed(1000 * seed + fold)
        model = create_model(
            "deepmsi-mer",
            preset="tiny",
            modalities=("text", "audio"),
            num_classes=len(corpus.manifest.labels),
            text_dim=features["text"].shape[1],
            audio_dim=features["audio"].shape[1],
            **OPTIONS,
        )
        for modality, values in features.items():
            model.fit_scaler(modality, values[train if recipe.scaler == "train" else every].numpy())
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
        probabilities: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for epoch in range(EPOCHS):
            model.train()
            for batch in _batches(train, seed, epoch):
                optimiser.zero_grad()
                output = model(**{m: values[batch] for m, values in features.items()})
                model.training_loss(output, corpus.labels[batch])["loss"].backward()
                optimiser.step()
            model.eval()
            with torch.inference_mode():
                for part, rows in zip(probabilities, (val, test), strict=True):
                    logits = model(**{m: values[rows] for m, values in features.items()}).logits
                    part.append(torch.softmax(logits.double(), dim=-1).numpy())
        return np.stack(probabilities[0]), np.stack(probabilities[1])

    def run(self, recipe: Recipe, seed: int) -> JudgedRun:
        """All folds of a recipe: every utterance judged once."""
        tables = []
        for fold, split in enumerate(self.split(recipe.protocol, seed)):
            plain = replace(recipe, name="", epoch="val")
            val, test = self.trained(plain, seed, fold)
            judge, ids = (val, split.val) if recipe.epoch == "val" else (test, split.test)
            truth = self.corpus.labels[self.corpus.rows(ids)].numpy()
            scores = [f1_score(truth, each.argmax(axis=1), average="weighted") for each in judge]
            tables.append(self._table(split.test, test[int(np.argmax(scores))]))
        table = pd.concat(tables, ignore_index=True)
        return JudgedRun(f"{recipe.name}, seed {seed}", seed, table, tuple(self.corpus.manifest.labels))

    def _table(self, ids: Sequence[str], probabilities: np.ndarray) -> pd.DataFrame:
        labels = self.corpus.manifest.labels
        rows = self.corpus.manifest.select(ids).frame
        columns = {f"p_{label}": probabilities[:, i] for i, label in enumerate(labels)}
        return pd.DataFrame(
            {
                "id": rows["id"],
                "dialogue": rows["dialogue"],
                "truth": rows["label"],
                "predicted": [labels[i] for i in probabilities.argmax(axis=1)],
                **columns,
            }
        )

    def method(self, recipe: Recipe, seeds: int) -> Method:
        """A recipe over several seeds."""
        return make_method(
            recipe.name, [self.run(recipe, seed) for seed in range(seeds)], Facts("deepmsi-mer")
        )


def _batches(rows: Tensor, seed: int, epoch: int) -> Sequence[Tensor]:
    order = torch.from_numpy(np.random.default_rng([seed, epoch]).permutation(len(rows)))
    return rows[order].split(BATCH)


def _row(key: str, honest: MethodScores, leaky: MethodScores) -> str:
    """A line of the table: without, with, and what it is worth."""
    paired = leaky.versus["weighted_f1"].paired
    low, high = (100 * end for end in paired.interval)
    worth = f"{100 * paired.difference:+.1f} ({low:+.1f} to {high:+.1f})"
    cells = [_mean_sd(m) for m in (honest, leaky)]
    return f"| `{key}` | {leaky.name} | {honest.name} | {cells[0]} | {cells[1]} | {worth} |".replace("-", "−")


def _mean_sd(method: MethodScores) -> str:
    score = method.metrics["weighted_f1"]
    return score.value_text() + (f" ± {100 * score.sd:.1f}" if score.sd is not None else "")


def _within_class(bench: Bench, seeds: int) -> list[str]:
    """The same predictions, scored per class as it should be and "within class"."""
    labels = bench.corpus.manifest.labels
    reports = [
        classification_report(table["truth"].tolist(), table["predicted"].tolist(), labels, bootstrap=0)
        for table in bench.method(HONEST, seeds).rounds
    ]
    lines = ["| emotion | recall | F1 | F1 within class | worth |", "|---|---:|---:|---:|---:|"]
    columns = []
    for label in labels:
        figures = [report.per_class[label] for report in reports]
        means = [np.mean([getattr(f, name) for f in figures]) for name in ("recall", "f1", "f1_within_class")]
        columns.append(means)
        lines.append(_class_line(label, means))
    lines.append(_class_line("**mean**", np.mean(columns, axis=0)))
    return lines


def _class_line(name: str, means: Sequence[float] | np.ndarray) -> str:
    recall, f1, within = (100 * value for value in means)
    return f"| {name} | {recall:.1f} | {f1:.1f} | {within:.1f} | {within - f1:+.1f} |".replace("-", "−")


def _report(bench: Bench, chosen: Sequence[str], seeds: int) -> str:
    corpus = bench.corpus
    lines = [
        "# What four leaks are worth",
        "",
        f"DeepMSI-MER (preset tiny) on words and voices of the synthetic demo corpus ({len(corpus.ids)} utterances, "
        f"{corpus.manifest.frame['speaker'].nunique()} speakers): hashed n-grams and log-mel functionals, "
        f"{bench.folds} folds, {seeds} seeds, {EPOCHS} epochs. Weighted F1 in percent over all folds, mean ± sd over seeds; "
        "in brackets the 95 % interval of the difference, from a bootstrap of dialogues that draws the same ones for both. "
        f"torch {torch.__version__}, {platform.machine()}. Made by `python -m benchmarks.leaks demo/corpus --write`.",
        "",
    ]
    pairs = [key for key in chosen if key in LEAKS]
    if pairs:
        lines += [
            "| `--only` | leak | against | without | with | worth, points |",
            "|---|---|---|---:|---:|---:|",
        ]
    for key in pairs:
        honest, leaky = (bench.method(recipe, seeds) for recipe in LEAKS[key])
        lines.append(_row(key, *compare_methods([honest, leaky], bootstrap=2000).methods))
    if "within" in chosen:
        lines += [
            "",
            "`--only within`: F1 of each emotion from the very same predictions (as it should be), as it is defined, and "
            "computed over one true class at a time, where precision is always 1:",
            "",
            *_within_class(bench, seeds),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    torch.set_num_threads(1)
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, help="folder that `emofuse demo-data` or `emofuse demo` made")
    parser.add_argument("--only", choices=[*LEAKS, "within"], help="one leak alone")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    given = parser.parse_args()
    began = time.process_time()
    bench = Bench(Corpus.read(given.corpus), given.folds)
    text = _report(bench, [given.only] if given.only else [*LEAKS, "within"], given.seeds)
    publish(text, RESULTS if given.write else None)
    print(f"took {time.process_time() - began:.0f} s of one core")


if __name__ == "__main__":
    main()
