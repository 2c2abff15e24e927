"""What a fine-tuned encoder that has not seen its training part is worth to MFCRE, on MELD's words: dev weighted F1.

    emofuse prepare meld meld
    emofuse finetune text meld/manifest.csv --model goemotions-minilm --protocol official --val-fraction 0.1 --cross-fit 5 \\
        --epochs 3 --lr 1e-4 --batch-size 16 --freeze-layers 1 --max-length 64 --set freeze_front=true \\
        --set label_smoothing=0.05 -o meld-tuned
    python -m benchmarks.meld_cross_fit meld --tuned meld-tuned --work meld-cross-fit

The recipe `mfcre/words` learns from cross-fitted vectors of the training part: an encoder that has not seen the dialogue reads
it. Validation and dev are read by a sixth encoder that was tuned on all, or (`--set cross_fit_rest=mean`) by the mean of their
weights. Of a sixth encoder the vectors of the training part that it was tuned on are judged too. Beside each stands the
linear model that the validation part ranks first. What was finished is kept in the working folder. Writes
benchmarks/results/meld_cross_fit.md.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser, publish
from benchmarks.seeds import over_seeds, spread
from emofuse.data.manifest import Manifest
from emofuse.encoders.cross_fitted import CROSS_FIT_FILE, PARTS_FOLDER, read_cross_fit
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings

RESULTS = Path(__file__).parent / "results" / "meld_cross_fit.md"
REST = {"all": "one more encoder, tuned on all of it", "mean": "the mean of the encoders' weights"}
LAYERS = {"last layer": (-1,), "layers 2, 4 and 6": (-5, -3, -1)}


def without_cross_fit(tuned: Path, copy: Path) -> Path:
    """The encoder that was tuned on all of the training part, as it is without cross-fitting."""
    if not copy.exists():
        shutil.copytree(
            tuned, copy, ignore=shutil.ignore_patterns(CROSS_FIT_FILE, PARTS_FOLDER, "checkpoints")
        )
    return copy


def main() -> None:
    """Train what is missing, write the table."""
    parser = argument_parser(__doc__)
    parser.add_argument("corpus", type=Path, help="folder that `emofuse prepare meld` wrote")
    parser.add_argument("--tuned", type=Path, required=True, help="a cross-fitted encoder of its words")
    parser.add_argument("--work", type=Path, required=True, help="keeps the runs")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    manifest = Manifest.read(given.corpus / "manifest.csv").validate()
    record = read_cross_fit(given.tuned)
    if record is None:
        parser.error(f"{given.tuned}: was not cross-fitted (emofuse finetune --cross-fit)")
    given.work.mkdir(parents=True, exist_ok=True)
    encoders = {"cross-fitted": given.tuned}
    if record.rest == "all":
        encoders["tuned on all of it"] = without_cross_fit(given.tuned, given.work / "encoder")
    head = json.loads((given.tuned / "metrics.json").read_text(encoding="utf-8"))["test"]["weighted_f1"]
    lines = [
        "# MFCRE on a fine-tuned encoder of MELD's words, cross-fitted or not\n",
        f"Recipe `mfcre/words`. Weighted F1 on dev in percent, mean ± standard deviation over {given.seeds} seeds, beside the "
        f"linear model that the validation part ranks first. What is not of the training part is read by {REST[record.rest]}. "
        f"{machine_line(1)}.\n",
        f"- {record.line}",
        f"- dev, the encoder's own head: {100 * head:.1f}\n",
        "| vectors of the training part | of the encoder | MFCRE alone | MFCRE + linear | linear model |",
        "|---|---|---:|---:|---:|",
    ]
    recipe = RunSettings.from_yaml(find_recipe("mfcre/words")).with_changes(
        {
            "data.manifest": str((given.corpus / "manifest.csv").resolve()),
            "data.val_fraction": 0.1,
            "threads": 1,
            "device": "cpu",
            "linear_pool": True,
        }
    )
    for name, encoder in encoders.items():
        for which, layers in LAYERS.items():
            settings = recipe.with_changes(
                {"encoders.text.name": str(encoder.resolve()), "encoders.text.layers": layers}
            )
            place = f"{name}-{len(layers)}".replace(" ", "-")
            found = over_seeds(manifest, settings, given.seeds, given.work, place)
            scores = (spread(found.system), spread(found.pooled), spread(found.linear))
            lines.append(f"| {name} | {which} | {' | '.join(scores)} |")
    publish("\n".join(lines), RESULTS)


if __name__ == "__main__":
    main()
