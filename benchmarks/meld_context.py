"""What the context modules of MFCRE are worth on MELD's words: dev weighted F1, three seeds.

    emofuse prepare meld meld
    emofuse finetune text meld/manifest.csv --model MINILM --protocol official --val-fraction 0.1 -o meld-minilm
    python -m benchmarks.meld_context meld --text-encoder MINILM --tuned meld-minilm --work meld-runs

The training part is fitted; a part of its dialogues chooses the epoch; the dev part judges. MFCRE as in the
recipe `mfcre/meld-words`, with every utterance a dialogue of its own, without the DialogueCRN, and with what the
recipe leaves out. Beside it stand logistic regression on the same vectors, and the smallest network that could use
context: one layer, with and without an mLSTM or a GRU over the dialogue. What was finished is kept in the working folder. Writes
benchmarks/results/meld_context.md.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from benchmarks.script import argument_parser, publish
from benchmarks.seeds import spread
from emofuse.data.manifest import Manifest
from emofuse.evaluation import Split
from emofuse.features import FeatureReader
from emofuse.inference.evaluate import evaluate_fit
from emofuse.nn.mlstm import MLSTM
from emofuse.nn.recurrent import gather_steps, reversed_positions
from emofuse.recipes import find_recipe
from emofuse.runs.corpus import choose_split
from emofuse.runs.features import feature_store_of
from emofuse.runs.run_folder import RunFolder
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run

RESULTS = Path(__file__).parent / "results" / "meld_context.md"
SEEDS = (0, 1, 2)
Cell = Literal["gru", "mlstm"]
TAGGERS: dict[str, Cell | None] = {
    "one layer": None,
    "one layer and an mLSTM, both ways": "mlstm",
    "one layer and a GRU, both ways": "gru",
}
ALONE = {"model.options.context": "none"}
VARIANTS: dict[str, dict[str, Any]] = {
    "MFCRE, the recipe": {},
    "every utterance a dialogue of its own": ALONE,
    "without DialogueCRN": ALONE | {"model.options.dialogue_crn": False},
    "with SimAM": {"model.options.simam": True},
    "with SimAM and the modality encoder": {
        "model.options.simam": True,
        "model.options.modality_encoder": True,
    },
}
EPOCHS, WIDTH, DROPOUT, DIALOGUES = 20, 256, 0.5, 16


def mfcre(
    changes: dict[str, Any], manifest: Manifest, encoder: str, folder: Path, seed: int
) -> dict[str, float]:
    """Train one run, or take up what there is of it; its weighted F1 on both held-out parts."""
    settings = settings_of(manifest, encoder).with_changes({**changes, "seed": seed})
    if not (folder / "metrics.json").exists():
        evaluate_fit(fit_run(settings, manifest, folder, resume=True), manifest)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {part: metrics[part]["weighted_f1"] for part in ("val", "test")}


def settings_of(manifest: Manifest, encoder: str) -> RunSettings:
    """The recipe, on this corpus and with this sentence encoder."""
    places = {
        "data.manifest": str((manifest.root / "manifest.csv").resolve()),
        "encoders.text": {"modality": "text", "name": encoder},
    }
    return RunSettings.from_yaml(find_recipe("mfcre/meld-words")).with_changes(places)


class BothWays(nn.Module):
    """A recurrent layer over dialogues, forward and backward: (B, N, WIDTH) to (B, N, 2 WIDTH)."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        layers = (nn.GRU(WIDTH, WIDTH, batch_first=True) if cell == "gru" else MLSTM(WIDTH) for _ in range(2))
        self.forwards, self.backwards = layers

    def forward(self, z: Tensor, mask: Tensor) -> Tensor:
        turned = reversed_positions(mask)
        forwards, _ = self.forwards(z)
        backwards, _ = self.backwards(gather_steps(z, turned))
        return torch.cat([forwards, gather_steps(backwards, turned)], dim=-1)


class Tagger(nn.Module):
    """One hidden layer per utterance, plus what a recurrent layer over the dialogue adds to it."""

    def __init__(self, dim: int, classes: int, cell: Cell | None) -> None:
        super().__init__()
        self.enter = nn.Linear(dim, WIDTH)
        self.context = BothWays(cell) if cell is not None else None
        self.mix = nn.Linear(2 * WIDTH, WIDTH)
        self.leave = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N, dim) of dialogues that are padded at their ends to the logits of their utterances."""
        z = self._drop(F.relu(self.enter(self._drop(x))))
        if self.context is not None:
            z = z + self.mix(self._drop(self.context(z, mask)))
        logits: Tensor = self.leave(self._drop(z))[mask]
        return logits

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, DROPOUT, self.training)


class Words:
    """The vectors of MELD's utterances, scaled by the training part, and their classes."""

    def __init__(self, manifest: Manifest, split: Split, reader: FeatureReader) -> None:
        frame = manifest.frame.set_index("id")
        self.parts = {"train": list(split.train), "val": list(split.val), "test": list(split.test)}
        self.place = {i: n for n, i in enumerate(frame.index)}
        vectors = np.stack([reader[i] for i in frame.index]).astype(np.float32)
        fitted = vectors[self.rows(self.parts["train"])]
        self.vectors = torch.from_numpy((vectors - fitted.mean(0)) / (fitted.std(0) + 1e-6))
        names, classes = np.unique(frame["label"], return_inverse=True)
        self.classes, self.count = torch.from_numpy(classes), len(names)
        self.dialogue = frame["dialogue"]
        self.turn = frame["turn"]

    def rows(self, ids: Sequence[str]) -> list[int]:
        """Where these utterances stand."""
        return [self.place[i] for i in ids]

    def dialogues(self, part: str) -> list[list[int]]:
        """The rows of each dialogue of a part, in their order."""
        grouped: dict[str, list[str]] = {}
        for i in self.parts[part]:
            grouped.setdefault(self.dialogue[i], []).append(i)
        return [self.rows(sorted(ids, key=lambda i: self.turn[i])) for ids in grouped.values()]

    def batch(self, dialogues: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (B, N, d) and mask (B, N) of dialogues, and the classes of their utterances."""
        rows = [torch.tensor(each) for each in dialogues]
        mask = pad_sequence([torch.ones(len(each), dtype=torch.bool) for each in rows], batch_first=True)
        return (
            pad_sequence([self.vectors[each] for each in rows], batch_first=True),
            mask,
            self.classes[torch.cat(rows)],
        )

    def score(self, part: str, net: Tagger) -> float:
        """Weighted F1 of a tagger on a part."""
        vectors, mask, true = self.batch(self.dialogues(part))
        return float(f1_score(true, net(vectors, mask).argmax(-1), average="weighted"))


def tagger(words: Words, cell: Cell | None, seed: int) -> dict[str, float]:
    """Train the small network; the epoch is the best on the validation part."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    net = Tagger(words.vectors.shape[1], words.count, cell)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.05)
    dialogues, best = words.dialogues("train"), {"val": -1.0, "test": -1.0}
    for _ in range(EPOCHS):
        net.train()
        places = order.permutation(len(dialogues))
        for start in range(0, len(places), DIALOGUES):
            vectors, mask, true = words.batch([dialogues[n] for n in places[start : start + DIALOGUES]])
            loss = F.cross_entropy(net(vectors, mask), true)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        net.eval()
        with torch.no_grad():
            scores = {part: words.score(part, net) for part in ("val", "test")}
        best = max(best, scores, key=lambda each: each["val"])
    return best


def logistic(words: Words) -> dict[str, float]:
    """Logistic regression, its strength chosen on the validation part."""
    fitted = words.rows(words.parts["train"])
    best = {"val": -1.0, "test": -1.0}
    for strength in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2):
        model = LogisticRegression(C=strength, max_iter=500)
        model.fit(words.vectors[fitted].numpy(), words.classes[fitted].numpy())
        scores = {
            part: float(
                f1_score(words.classes[rows], model.predict(words.vectors[rows].numpy()), average="weighted")
            )
            for part, rows in ((p, words.rows(words.parts[p])) for p in ("val", "test"))
        }
        best = max(best, scores, key=lambda each: each["val"])
    return best


def line(name: str, values: Sequence[dict[str, float]]) -> str:
    """One row of the table."""
    cells = [spread([100 * each[part] for each in values]) for part in ("val", "test")]
    return f"| {name} | {cells[0]} | {cells[1]} |"


def _place(work: Path, name: str, seed: int) -> Path:
    return work / f"{name.replace(' ', '-').replace(',', '')}-{seed}"


def table(title: str, manifest: Manifest, encoder: str, work: Path) -> list[str]:
    """All rows of one sentence encoder."""
    rows = {
        name: [mfcre(changes, manifest, encoder, _place(work, name, seed), seed) for seed in SEEDS]
        for name, changes in VARIANTS.items()
    }
    settings = settings_of(manifest, encoder)
    identity = (
        RunFolder.open(_place(work, "MFCRE, the recipe", SEEDS[0])).read_record().encoders["text"].identity
    )
    reader = feature_store_of(settings, manifest).reader(identity)
    words = Words(manifest, choose_split(settings, manifest), reader)
    lines = [f"## {title}", "", "| | validation | dev |", "|---|---:|---:|"]
    lines += [line(name, values) for name, values in rows.items()]
    lines.append(line("logistic regression", [logistic(words)]))
    for name, cell in TAGGERS.items():
        lines.append(line(name, [tagger(words, cell, seed) for seed in SEEDS]))
    return [*lines, ""]


def main() -> None:
    """Run, print and write."""
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, help="folder that `emofuse prepare meld` wrote")
    parser.add_argument("--text-encoder", required=True, help="a sentence encoder, name or folder")
    parser.add_argument("--tuned", help="the same, fine-tuned on the training part")
    parser.add_argument("--work", type=Path, default=Path("meld-runs"), help="where runs are kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    manifest = Manifest.read(given.corpus / "manifest.csv").validate()
    lines = ["# The context modules of MFCRE on MELD's words: weighted F1", ""]
    lines.append(
        f"Mean ± standard deviation over seeds {SEEDS}. torch {torch.__version__}, {platform.machine()}."
    )
    lines.append("")
    lines += table("Frozen encoder", manifest, given.text_encoder, given.work / "frozen")
    if given.tuned:
        lines += table("Fine-tuned encoder", manifest, given.tuned, given.work / "tuned")
    text = "\n".join(lines)
    publish(text, RESULTS)


if __name__ == "__main__":
    main()
