"""The mean of the weights of MiniLMs that were fine-tuned from one ancestor (Wortsman et al. 2022, Model soups).

    python starter/build_words.py words-tuned words-crossed -o words-mean

Heads are left out. The record says that the mean has seen what any of them has seen.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from emofuse.encoders.fine_tuning import RECORD_FILE, FineTunedRecord, read_fine_tuned
from emofuse.encoders.hf_text import text_network
from emofuse.encoders.packaged import MINILM
from emofuse.encoders.pretrained import locate
from emofuse.training.finetuning.weight_mean import mean_of_networks


def mean_weights(folders: list[Path]) -> dict[str, torch.Tensor]:
    """The mean of the encoders' own weights; of compact ones too."""
    mean = mean_of_networks(text_network(locate(str(folder)), "cpu", torch.float32) for folder in folders)
    return {name: weight.detach() for name, weight in mean.named_parameters()}


def record_of(folders: list[Path]) -> FineTunedRecord:
    """The last one's record, which has seen what all have seen."""
    records = [read_fine_tuned(folder) for folder in folders]
    known = [record for record in records if record is not None]
    if len(known) < len(folders):
        raise SystemExit("not all of these folders are encoders that emofuse fine-tuned")
    if any((each.reading, each.labels) != (known[0].reading, known[0].labels) for each in known):
        raise SystemExit("these encoders read texts in different ways, or tell different labels apart")
    seen = sorted(set().union(*(record.seen for record in known)))
    return known[-1].model_copy(update={"seen": seen, "scores": {}, "best_epoch": None})


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tuned", type=Path, nargs="+", help="folders that `emofuse finetune text` made")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to make")
    given = parser.parse_args()
    if given.out.exists():
        raise SystemExit(f"{given.out} exists; choose another folder, or remove it")
    record = record_of(given.tuned)
    mean = mean_weights(given.tuned)
    aside = given.out.with_name(f"{given.out.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(
        MINILM.locate(),
        aside,
        ignore=lambda folder, names: [n for n in names if not n.endswith((".json", ".txt"))],
    )
    save_file(mean, aside / "model.safetensors", metadata={"format": "pt"})
    (aside / RECORD_FILE).write_text(record.model_dump_json() + "\n", encoding="utf-8")
    aside.rename(given.out)


if __name__ == "__main__":
    main()
