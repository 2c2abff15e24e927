"""Keep a fine-tuned MiniLM as what the starter carries: differences of a low rank, without any place of this machine.

    python starter/build_encoder.py go-tuned -o starter/emofuse_starter/encoders/goemotions

It prints the revision that ``emofuse/encoders/packaged.py`` names.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from build import RANK, clean

from emofuse.encoders.compact import write_compact
from emofuse.encoders.fine_tuning import RECORD_FILE
from emofuse.encoders.packaged import MINILM
from emofuse.encoders.pretrained import folder_revision


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tuned", type=Path, help="folder that `emofuse finetune text` made")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to make")
    given = parser.parse_args()
    write_compact(given.tuned, MINILM.name, given.out, RANK)
    clean(given.out / RECORD_FILE)
    for file in given.out.iterdir():
        file.chmod(0o644)
    print(folder_revision(given.out))


if __name__ == "__main__":
    main()
