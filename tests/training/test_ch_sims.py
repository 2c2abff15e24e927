"""A small folder laid out as CH-SIMS, from label.csv to the metrics of its scale."""

import json
from pathlib import Path

import pytest

from tests.corpora.layouts import put
from tests.feature_file import emofuse

SAID = {-0.8: "我恨这个", 0.0: "好的", 0.6: "太好了我爱它"}
PARTS = {"train": 6, "valid": 3, "test": 3}


@pytest.fixture
def ch_sims(tmp_path: Path) -> Path:
    rows = ["video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"]
    for part, videos in PARTS.items():
        for video in range(videos):
            for clip, (score, text) in enumerate(SAID.items(), start=1):
                name = f"{part}_{video:04}"
                rows.append(f"{name},{clip:04},{text},{score},{score},{score},{score},,{part}")
                put(tmp_path, f"Raw/{name}/{clip:04}.mp4")
    put(tmp_path, "label.csv", "\n".join(rows) + "\n")
    return tmp_path


def test_from_the_published_folder_to_its_metrics(ch_sims: Path, tmp_path: Path) -> None:
    emofuse("prepare", "ch-sims", ch_sims)
    run = tmp_path / "run"
    emofuse(
        *("train", ch_sims / "manifest.csv", "--recipe", "cm-msf/ch-sims", "--out", run, "--quiet"),
        *("--text-encoder", "hashed-ngrams", "--video-encoder", "frame-statistics", "--device", "cpu"),
        *("--epochs", 12, "--lr", 0.02, "--batch-size", 6, "--set", "model.preset=tiny"),
        *("--set", "encoders.video.rate=5", "--set", "data.workers=0"),
    )
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["test"]["n"] == 9
    assert metrics["test"]["mae"] < 0.4, "what is said tells it"
    assert metrics["test"]["acc2_nonpositive"] > 0.6
    assert {"acc3_sims", "acc5_sims", "f1_nonpositive"} <= set(metrics["test"])
    assert "Acc-3 (CH-SIMS)" in (run / "report.md").read_text(encoding="utf-8")
    assert "as on CH-SIMS: Acc-2" in emofuse("evaluate", run, "--quiet")
