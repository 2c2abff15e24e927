"""What a spreadsheet would compute is a text in the files that people open."""

from pathlib import Path

import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.data.quarantine import Quarantine
from emofuse.data.spreadsheet import original_text, spreadsheet_csv, text_cell
from emofuse.evaluation.protocols.label_map import LabelMap
from emofuse.evaluation.protocols.label_map_files import read_label_map, write_label_map

FORMULAS = ['=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "''=1"]
PLAIN = ["joy", "", "'tis", "-1.5", "+3e-2", "a=b", "…", "don't"]


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_get_an_apostrophe_and_lose_it_again(text: str) -> None:
    assert text_cell(text) == f"'{text}"
    assert original_text(text_cell(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay(text: str) -> None:
    assert text_cell(text) == original_text(text) == text


def test_tables() -> None:
    table = pd.DataFrame({"id": ["=1+1", "b"], "said by =x": [None, "-x"], "f1": [-0.5, 1.0], "n": [1, -2]})
    assert spreadsheet_csv(table).splitlines() == ["id,said by =x,f1,n", "'=1+1,,-0.5,1", "b,'-x,1.0,-2"]
    assert spreadsheet_csv(pd.DataFrame({"=x": [1]})) == "'=x\n1\n"


def test_the_list_of_media_set_aside_is_read_back_as_it_was(tmp_path: Path) -> None:
    Quarantine(tmp_path / "q.csv").add("=1+1", "audio", "@x.wav", "truncated", "+ends early")
    assert (tmp_path / "q.csv").read_text().splitlines()[1].startswith("'=1+1,audio,'@x.wav,truncated,'+ends")
    (entry,) = Quarantine(tmp_path / "q.csv").entries
    assert (entry.id, entry.file, entry.message) == ("=1+1", "@x.wav", "+ends early")


def test_label_maps_are_read_back_as_they_were(tmp_path: Path) -> None:
    before = LabelMap(data={"=joy": "-happy", "'=x": None}, run={"a": "@b"})
    write_label_map(before, tmp_path / "map.csv")
    assert "'=joy,'-happy" in (tmp_path / "map.csv").read_text()
    assert read_label_map(str(tmp_path / "map.csv")) == before


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_manifests_keep_every_text(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"id": [f"{text.strip()}{n}" for n, text in enumerate(FORMULAS)], "text": FORMULAS})
    Manifest.from_frame(frame, tmp_path).write(tmp_path / f"m.{suffix}")
    after = Manifest.read(tmp_path / f"m.{suffix}").validate()
    assert after.frame[["id", "text"]].to_dict("list") == frame.to_dict("list")
