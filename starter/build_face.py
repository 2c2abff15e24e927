"""Train the small network of faces on FER2013, from nothing, and keep it as a model folder.

    emofuse prepare fer2013 FER2013 -o faces/manifest.csv
    python starter/build_face.py faces/manifest.csv -o face

It differs from ``emofuse finetune video --model face-cnn`` in what makes training on one processor core short: pictures are
small at first, all of them are held in memory, and the weights that are kept are a running mean. A plan says how large
the pictures are and how the rate goes; ``face_plan.json`` beside this file is the one that made the weights. Interrupt
it at any moment and run it again: it goes on after the last whole segment, also with a plan that is longer by then.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from emofuse.data.atomic import write_text_aside, written_aside
from emofuse.data.manifest import Manifest
from emofuse.data.stills import read_still
from emofuse.encoders.face_cnn import FaceCnnConfig, FaceCnnForImageClassification
from emofuse.encoders.fine_tuning import FineTunedRecord, training_settings
from emofuse.encoders.image_preprocessing import preprocessing_of
from emofuse.evaluation import ClassificationReport, Split, classification_report, read_split_file, splits
from emofuse.runs.run_record import environment
from emofuse.training.finetuning.claims import marks_seen
from emofuse.training.finetuning.face_augmentation import FaceAugmentation
from emofuse.training.finetuning.saving import save_encoder

PLAN = Path(__file__).with_name("face_plan.json")
LABELS = ("neutral", "joy", "sadness", "anger", "fear", "surprise", "disgust")
WARM_UP = 3.0  # segments in which the rate rises
EMA = 0.996


@dataclass(frozen=True)
class Plan:
    """How long, at which size and how is trained; a segment is a quarter of an epoch.

    Attributes:
        stable: segments at the full rate.
        cool: segments in which it falls to 0.
        sizes: (from which segment on, side in pixels).
        strengths: (from which segment on, how far pictures are changed).
        rate: of AdamW.
        batch_size: pictures.
    """

    stable: int
    cool: int
    sizes: Sequence[tuple[int, int]]
    strengths: Sequence[tuple[int, float]]
    rate: float = 2e-3
    batch_size: int = 64

    @property
    def total(self) -> int:
        """Segments in all."""
        return self.stable + self.cool

    def rate_at(self, place: float) -> float:
        """The rate at a place between two segments."""
        rising = min(1.0, (place + 0.01) / WARM_UP)
        falling = 1.0 if place < self.stable else max(0.0, (self.total - place) / self.cool)
        return self.rate * rising * falling


def at(steps: Sequence[tuple[int, Any]], segment: int) -> Any:
    """The last of some values that holds from a segment not after this one."""
    return [value for first, value in steps if segment >= first][-1]


class Training:
    """The network, its running mean, and how far they are."""

    def __init__(self, folder: Path, faces: Tensor, labels: Tensor, seed: int) -> None:
        self.folder, self.faces, self.labels, self.seed = folder, faces, labels, seed
        torch.manual_seed(seed)
        config = FaceCnnConfig(
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
        )
        self.network = FaceCnnForImageClassification(config).to(memory_format=torch.channels_last)
        self.mean = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(EMA), use_buffers=True)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        vectors = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        )
        self.done, self.history = 0, list[dict[str, float]]()
        if (folder / "last.pt").exists():
            self._resume()

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", weights_only=True)
        self.network.load_state_dict(state["net"])
        self.mean.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["opt"])
        self.done, self.history = state["seg"] + 1, state["hist"]

    def run(self, plan: Plan, train: np.ndarray, val: np.ndarray) -> None:
        """Train until the plan is through."""
        while self.done < plan.total:
            row = self._segment(plan, train)
            if self.done % 4 == 3 or self.done == plan.total - 1:
                predicted = judged(self.mean.module, self.faces, val, int(row["size"]) + 4).argmax(axis=1)
                row["val_accuracy"] = float((predicted == self.labels[val].numpy()).mean())
            self.history.append(row)
            print({name: round(value, 4) for name, value in row.items()}, flush=True)
            state = {
                "net": self.network.state_dict(),
                "ema": self.mean.state_dict(),
                "opt": self.optimiser.state_dict(),
                "seg": self.done,
                "hist": self.history,
            }
            with written_aside(self.folder / "last.pt") as aside:
                torch.save(state, aside)
            self.done += 1

    def _segment(self, plan: Plan, train: np.ndarray) -> dict[str, float]:
        seed, size = self.seed * 100_000 + self.done, at(plan.sizes, self.done)
        changes = FaceAugmentation().times(at(plan.strengths, self.done))
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        steps = len(train) // plan.batch_size // 4
        epoch = torch.Generator().manual_seed(self.seed * 1000 + self.done // 4)
        order = torch.randperm(len(train), generator=epoch).numpy()[
            (self.done % 4) * steps * plan.batch_size :
        ]
        began, losses, right = time.process_time(), 0.0, 0.0
        self.network.train()
        for step in range(steps):
            for group in self.optimiser.param_groups:
                group["lr"] = plan.rate_at(self.done + step / steps)
            rows = train[order[step * plan.batch_size : (step + 1) * plan.batch_size]]
            faces = changes(self.faces[rows].float() / 255, (size, size), generator)
            logits = self.network(faces).logits
            loss = F.cross_entropy(logits, self.labels[rows], label_smoothing=0.1)
            self.optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimiser.step()
            self.mean.update_parameters(self.network)
            losses += loss.item()
            right += float((logits.argmax(1) == self.labels[rows]).float().mean())
        if not math.isfinite(losses):
            raise SystemExit(f"segment {self.done}: the loss is not finite; use a smaller rate")
        return {
            "segment": self.done,
            "size": size,
            "loss": losses / steps,
            "train_accuracy": right / steps,
            "cpu_seconds": time.process_time() - began,
        }


def judged(network: nn.Module, faces: Tensor, rows: np.ndarray, size: int) -> np.ndarray:
    """(n, C) probabilities, each of a picture and its mirror image, at a size in pixels."""
    network.eval()
    usual, network.config.image_size = network.config.image_size, size
    try:
        with torch.inference_mode():
            batches = [rows[begin : begin + 128] for begin in range(0, len(rows), 128)]
            logits = [network(faces[batch].float() / 255).logits for batch in batches]
    finally:
        network.config.image_size = usual
    return torch.cat(logits).double().softmax(dim=1).numpy()


def read_faces(manifest: Manifest, ids: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(n, 1, 48, 48) uint8 and their labels."""
    rows = [manifest.utterance(id) for id in ids]
    faces = [read_still(row.video, size=(48, 48))[None, ..., 0] for row in rows if row.video is not None]
    return torch.from_numpy(np.stack(faces)), torch.tensor([LABELS.index(str(row.label)) for row in rows])


def keep(folder: Path, training: Training, size: int, record: FineTunedRecord) -> None:
    """The running mean in half precision, as a model folder."""
    network = training.mean.module
    network.config.image_size = size
    reading = preprocessing_of("face-cnn", {"do_normalize": False, "rescale_factor": 1 / 255}, network.config)
    save_encoder(network.half(), reading, record, folder)
    with written_aside(folder / "history.csv") as aside:
        pd.DataFrame(training.history).to_csv(aside, index=False)


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="that `emofuse prepare fer2013` wrote")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to make, or to go on with")
    parser.add_argument("--plan", type=Path, default=PLAN, help="JSON file, the fields of Plan")
    parser.add_argument("--split", type=Path, help="split file; by default a tenth of train is held out")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[40, 44, 48], help="of which the best is kept"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    plan = Plan(**json.loads(given.plan.read_text()))
    build(given.manifest, given.out, plan, given.split, given.sizes, given.seed, given.threads)


def build(
    manifest_file: Path,
    out: Path,
    plan: Plan,
    split_file: Path | None,
    sizes: Sequence[int],
    seed: int,
    threads: int,
) -> dict[str, ClassificationReport]:
    """Train, choose the size of the pictures on the held-out part, judge, keep."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    manifest = Manifest.read(manifest_file).validate()
    split = read_split_file(split_file) if split_file else splits(manifest, "official", seed=seed)[0]
    ids = [*split.train, *split.val, *split.test]
    faces, labels = read_faces(manifest, ids)
    cuts = np.cumsum([len(split.train), len(split.val), len(split.test)])
    train, val, test = np.split(np.arange(len(ids)), cuts[:2])
    training = Training(out, faces, labels, seed)
    training.run(plan, train, val)
    truth = labels.numpy()
    found = {size: judged(training.mean.module, faces, val, size) for size in sizes}
    size = max(found, key=lambda side: (found[side].argmax(1) == truth[val]).mean())
    judged_parts = {
        "val": (val, found[size]),
        "test": (test, judged(training.mean.module, faces, test, size)),
    }
    reports = {
        name: classification_report(truth[rows], said.argmax(1), LABELS, probabilities=said, bootstrap=0)
        for name, (rows, said) in judged_parts.items()
        if len(rows)
    }
    record = FineTunedRecord(
        modality="video",
        base="face-cnn",
        base_revision="untrained",
        reading={"faces": False, "min_face": 40},
        settings=training_settings(epochs=max(1, plan.total // 4), learning_rate=plan.rate),
        seed=seed,
        labels=list(LABELS),
        data_fingerprint=manifest.fingerprint(),
        protocol="official",
        fold=None,
        parts={name: len(part) for name, part in split._asdict().items()},
        seen=marks_seen(manifest, Split(*split)),
        scores={name: dict(report.metrics) for name, report in reports.items()},
        best_epoch=max(0, plan.total // 4 - 1),
        environment=environment(),
    )
    write_text_aside(
        out / "metrics.json",
        json.dumps({name: report.to_dict() for name, report in reports.items()}, indent=1) + "\n",
    )
    keep(out, training, size, record)
    for name, report in reports.items():
        print(name, {key: round(value, 4) for key, value in report.metrics.items()})
    return reports


if __name__ == "__main__":
    main()
