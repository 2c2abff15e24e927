"""What a step costs in which an encoder learns with the system, on MELD's words: processor time, by what stays frozen.

    emofuse prepare meld meld
    python -m benchmarks.end_to_end meld

Forward, backward and optimiser's step of the recipe `mfcre/meld-words-end-to-end` on the same few batches of its size, one
thread; the median step counts. Processor time, because other work on a machine lengthens the hours but not that. An epoch is
so many steps as the training part has batches. Writes benchmarks/results/end_to_end.md.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser
from emofuse.data.batch import Batch
from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.inference.batches import dataset_of, rows_of
from emofuse.recipes import find_recipe
from emofuse.runs.corpus import corpus_file
from emofuse.runs.features import encode_modalities
from emofuse.runs.modalities import choose_encoders
from emofuse.runs.settings import RunSettings
from emofuse.runs.tasks import task_of
from emofuse.training.assembly import assemble_model
from emofuse.training.end_to_end import join_encoders
from emofuse.training.end_to_end.preparing import without_end_to_end
from emofuse.training.optimisers import build_optimiser

RESULTS = Path(__file__).parent / "results" / "end_to_end.md"
RECIPE = "mfcre/meld-words-end-to-end"
WHERE = "encoders.text.end_to_end"
VARIANTS: dict[str, dict[str, Any]] = {
    "everything learns, word embeddings too": {f"{WHERE}.freeze_layers": 0, f"{WHERE}.freeze_front": False},
    "all six layers learn": {f"{WHERE}.freeze_layers": 0},
    "the upper four learn": {f"{WHERE}.freeze_layers": 2},
    "the upper three learn (the recipe)": {},
    "the same, each pass run again in the backward pass": {f"{WHERE}.gradient_checkpointing": True},
    "the upper layer learns": {f"{WHERE}.freeze_layers": 5},
}


def batches_of(
    system: nn.Module, readers: Any, settings: RunSettings, manifest: Manifest, ids: Sequence[str], joint: Any
) -> list[Batch]:
    """The dialogues of ``ids`` in batches of the recipe's size."""
    rows, context = rows_of(manifest, ids, system)
    places = {} if joint is None else joint.places
    dataset: Any = dataset_of(
        rows,
        system,
        {**readers, **places},
        settings.data,
        task_of(settings, manifest).target,
        context,
        widths=dict.fromkeys(places, 1),
    )
    size = settings.optimiser.batch_size
    items = [dataset[number] for number in range(len(dataset))]
    return [dataset.collate(items[at : at + size]) for at in range(0, len(items), size)]


def seconds_per_step(
    settings: RunSettings, manifest: Manifest, place: Path, *, frozen: bool = False
) -> float:
    """Median processor time of a step; of the system alone on features that are there where ``frozen``."""
    specs = choose_encoders(settings, manifest, ("text",))
    quarantine = Quarantine(place / "quarantine.csv")
    encoded = encode_modalities(settings, manifest, without_end_to_end(specs), "cpu", quarantine, None)
    torch.manual_seed(0)
    system = assemble_model(settings, task_of(settings, manifest), ("text",), encoded, manifest.ids)
    joint = (
        None if frozen else join_encoders(settings, manifest, specs, encoded, system, "cpu", quarantine, None)
    )
    trained: nn.Module = system if joint is None else joint
    trained.train()
    optimiser = build_optimiser(trained, settings.optimiser)
    readers = {"text": encoded["text"].reader}
    took = []
    for batch in batches_of(system, readers, settings, manifest, manifest.ids, joint):
        began = time.process_time()
        output = trained(**batch.inputs)
        loss = trained.training_loss(output, batch.labels, present=batch.inputs["present"])["loss"]  # type: ignore[operator]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        took.append(time.process_time() - began)
    return statistics.median(took[1:])  # the first one warms up


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, help="MELD as a manifest, or the folder that it lies in")
    parser.add_argument("--batches", type=int, default=6, help="of four dialogues each")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    file = corpus_file(arguments.corpus)
    whole = Manifest.read(file).validate()
    train = whole.frame[whole.frame["split"] == "train"]
    settings = RunSettings.from_yaml(find_recipe(RECIPE)).with_changes(
        {"data.manifest": str(file), "threads": 1}
    )
    size = settings.optimiser.batch_size
    dialogues = train["dialogue"].drop_duplicates()
    steps = -(-len(dialogues) // size)
    # Evenly over the part, since its dialogues are of unlike length.
    some = dialogues.iloc[:: max(1, len(dialogues) // (size * arguments.batches))][: size * arguments.batches]
    manifest = whole.select(list(train.loc[train["dialogue"].isin(some), "id"]))
    lines = [
        "# Steps in which an encoder learns with the system",
        "",
        f"MFCRE and MiniLM (22 million numbers, six layers) on MELD's words: processor time of a step of {size} dialogues and "
        f"of an epoch ({steps} steps, {len(train):,} utterances), without validation. {machine_line(1)}, torch "
        f"{torch.__version__}. Made by `python -m benchmarks.end_to_end`.",
        "",
        "| | a step | an epoch |",
        "|---|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings = settings.with_changes({"data.features": str(place / "features")})
        found = {
            name: seconds_per_step(settings.with_changes(changes), manifest, place)
            for name, changes in VARIANTS.items()
        }
        found["none: MFCRE alone, on features that are there"] = seconds_per_step(
            settings, manifest, place, frozen=True
        )
    for name, seconds in found.items():
        lines.append(f"| {name} | {seconds:.2f} s | {seconds * steps / 60:.1f} min |")
        print(lines[-1], flush=True)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
