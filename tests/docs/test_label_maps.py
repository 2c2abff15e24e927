"""Label maps that the pages show fit the corpora that stand beside them."""

from itertools import pairwise
from pathlib import Path

import pytest

from emofuse.corpora import emodb, iemocap, meld, ravdess
from emofuse.evaluation.protocols.label_map_files import read_label_map
from tests.docs.pages import Block, blocks, command_lines

LABELS = {
    "iemocap": sorted(iemocap.CLASSES["six"].values()),
    "meld": sorted(meld.EMOTIONS),
    "ravdess": sorted(ravdess.EMOTIONS.values()),
    "emodb": sorted(emodb.EMOTIONS.values()),
}
MAPS = [
    (block, words[2], options["--data"], options["--label-map"])
    for block in blocks("console")
    for words in command_lines(block)
    if words[:2] == ["emofuse", "evaluate"]
    and "=" in (options := dict(pairwise(words))).get("--label-map", "")
]


@pytest.mark.parametrize(("block", "run", "data", "given"), MAPS, ids=[str(found[0]) for found in MAPS])
def test_a_map_says_what_every_label_counts_as(block: Block, run: str, data: str, given: str) -> None:
    corpus = data.removesuffix("/manifest.csv")
    read_label_map(given).check(LABELS[corpus], LABELS[Path(run).name])


def test_there_are_maps_to_look_at() -> None:
    assert MAPS
