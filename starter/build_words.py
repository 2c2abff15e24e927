"""The mean of the weights of fine-tuned MiniLMs that start from the same one (Wortsman et al. 2022, Model soups).

    python starter/build_words.py words-tuned words-crossed -o words-mean

One encoder that remembers little of any training sentence: each of those that it is made of has learnt from others. Heads are
left out. Its record says that it has seen what any of them has seen.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from emofuse.encoders.bert_network import read_bert
from emofuse.encoders.compact import add_difference
from emofuse.encoders.fine_tuning import RECORD_FILE, FineTunedRecord, read_fine_tuned
from emofuse.encoders.packaged import MINILM
from emofuse.encoders.pretrained import locate


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """The encoder's own weights; of a compact one too."""
    source = locate(str(folder))
    assert source.folder is not None
    network = read_bert(source.folder)
    if source.compact is not None:
        add_difference(network, source.compact)
    return {name: weight.detach() for name, weight in network.named_parameters()}


def record_of(folders: list[Path]) -> FineTunedRecord:
    """The last one's record, which has seen what all have seen."""
    records = [read_fine_tuned(folder) for folder in folders]
    known = [record for record in records if record is not None]
    if len(known) < len(folders):
        raise SystemExit("not all of these folders are encoders that emofuse fine-tuned")
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
    record = record_of(given.tuned)
    every = [weights_of(folder) for folder in given.tuned]
    mean = {name: torch.stack([weights[name] for weights in every]).mean(0) for name in every[0]}
    shutil.copytree(
        MINILM.locate(),
        given.out,
        ignore=lambda folder, names: [n for n in names if not n.endswith((".json", ".txt"))],
    )
    save_file(mean, given.out / "model.safetensors", metadata={"format": "pt"})
    (given.out / RECORD_FILE).write_text(record.model_dump_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
