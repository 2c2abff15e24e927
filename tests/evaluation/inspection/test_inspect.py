"""What is in a feature file, what leaks, what made it: on files in which all of it was planted."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.errors import EmofuseError
from emofuse.evaluation.inspection import Inspection, inspect_features
from emofuse.evaluation.inspection.makers import _signatures, likely_maker

PARTS = {"train": (12, 6), "valid": (5, 4), "test": (5, 4)}


def mmsa_part(part: str, rng: np.random.Generator, leak: float) -> dict[str, Any]:
    """Films of clips with words of 300 numbers a step (few distinct), sound of 74 and faces of 35."""
    films, clips = PARTS[part]
    n = films * clips
    values = rng.uniform(-3, 3, n)
    words = np.random.default_rng(7).normal(size=(50, 300))
    text = words[rng.integers(0, 50, (n, 8))]
    vision = rng.normal(size=(n, 5, 35))
    vision[:, :, 0] += (values * (0.2 + leak * (part == "train")))[:, None]
    audio = rng.normal(size=(n, 6, 74)) * 10
    audio[:, :, 0] = 180.0
    return {
        "id": [f"{part}{film}$_${clip}" for film in range(films) for clip in range(clips)],
        "raw_text": np.array([f"clip {part} number {i} is like this" for i in range(n)]),
        "text": text,
        "audio": audio,
        "vision": vision,
        "regression_labels": values,
    }


def write_mmsa(path: Path, leak: float = 0.0, *, flaws: bool = False, shared: bool = False) -> Path:
    rng = np.random.default_rng(0)
    data = {part: mmsa_part(part, rng, leak) for part in PARTS}
    if flaws:
        data["train"]["audio"][0, :, 1] = -np.inf
        data["train"]["audio"][1, 2, 2] = np.nan
        data["test"]["vision"][3] = 0
    if shared:
        for name in ("text", "audio", "vision"):
            data["test"][name][2] = data["train"][name][5]
        data["test"]["raw_text"][2] = data["train"]["raw_text"][5]
    path.write_bytes(pickle.dumps(data))
    return path


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    file = tmp_path_factory.mktemp("files") / "planted.pkl"
    return inspect_features(write_mmsa(file, leak=5.0, flaws=True, shared=True))


def test_contents_are_counted(planted: Inspection) -> None:
    assert planted.style == "mmsa"
    contents = planted.contents
    assert contents.utterances == {"train": 72, "val": 20, "test": 20}
    assert contents.dialogues == 22
    assert contents.speakers == 0
    assert contents.with_text == 112
    assert sum(contents.labels["train"].values()) == 72
    assert contents.valence is not None
    assert -3 <= contents.valence[0] < contents.valence[1] <= 3
    audio, video = contents.modalities["audio"], contents.modalities["video"]
    assert (audio.dim, audio.shortest, audio.longest) == (74, 6, 6)
    assert (audio.infinite, audio.nan, audio.mended) == (6, 1, 2)
    assert (video.present, video.missing) == (111, 1)
    assert contents.modalities["text"].repeated > 0.9


def test_what_stands_in_two_parts_is_named(planted: Inspection) -> None:
    assert {(s.modality, s.known, s.judged, s.utterances) for s in planted.shared} == {
        ("text", "train", "test", 1),
        ("audio", "train", "test", 1),
        ("video", "train", "test", 1),
    }
    assert planted.shared[0].examples == ("test0$_$2",)
    assert any("train/test share 1 identical texts of 3 words or more" in line for line in planted.warnings)


def test_features_that_know_their_training_part_are_told_from_others(
    planted: Inspection, tmp_path: Path
) -> None:
    found = {(each.modality, each.held_out): each for each in planted.fitted}
    assert set(found) == {(m, part) for m in ("text", "audio", "video") for part in ("val", "test")}
    assert found["video", "test"].is_fitted
    assert found["video", "val"].is_fitted
    assert not any(each.is_fitted for (modality, _), each in found.items() if modality != "video")
    honest = inspect_features(write_mmsa(tmp_path / "honest.pkl"))
    assert honest.warnings == []


def test_likely_makers_and_commands(planted: Inspection) -> None:
    makers = planted.makers
    assert (makers["text"].sureness, makers["text"].name[:5]) == ("likely", "GloVe")
    assert (makers["audio"].sureness, makers["audio"].name) == ("likely", "COVAREP")
    assert makers["video"].sureness == "perhaps"
    assert "Facet" in makers["video"].name
    assert planted.commands["video"] == (
        "emofuse extract corpus/manifest.csv --modality video --encoder microsoft/resnet-101 --set faces=true "
        "--pooling tokens"
    )
    assert not makers["text"].exact


def test_every_command_is_one_that_extract_takes(planted: Inspection) -> None:
    from emofuse.cli.extract import _spec

    for signature in _signatures():
        words = signature.options.split()
        options = dict(zip(words[::2], words[1::2], strict=True)) if "--set" not in words else {}
        settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        encoder = words[words.index("--encoder") + 1]
        spec, _ = _spec(signature.modality, encoder, options.get("--pooling"), 8, settings, None)
        assert spec.modality == signature.modality
    numbers = planted.contents.modalities["text"]
    assert likely_maker("video", numbers).sureness == "unknown"


def test_the_command_and_json(tmp_path: Path) -> None:
    file = write_mmsa(tmp_path / "planted.pkl", leak=5.0)
    shown = CliRunner().invoke(app, ["inspect", str(file), "--strict"])
    assert shown.exit_code == 1
    assert "! video features know their training part" in shown.output
    assert "likely COVAREP" in shown.output
    result = CliRunner().invoke(app, ["inspect", str(file), "--json"])
    content = json.loads(result.stdout)
    assert content["style"] == "mmsa"
    assert content["makers"]["audio"]["command"].startswith("emofuse extract")
    assert [w for w in content["warnings"] if "know their" in w]


class _Hostile:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.unlink, ("nothing",)


def test_a_hostile_file_is_refused_in_one_line_and_others_say_why(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.pkl"
    hostile.write_bytes(pickle.dumps({"train": _Hostile()}))
    with pytest.raises(EmofuseError, match="not loaded: it asks for"):
        inspect_features(hostile)
    strange = tmp_path / "strange.pkl"
    strange.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(EmofuseError, match="laid out as none of mmsa"):
        inspect_features(strange)
    with pytest.raises(EmofuseError, match="has no parts train, valid or test"):
        inspect_features(strange, "mmsa")
    with pytest.raises(EmofuseError, match="no style 'msa'"):
        inspect_features(strange, "msa")
    with pytest.raises(EmofuseError, match="no such file"):
        inspect_features(tmp_path / "nothing.pkl")


def test_the_file_of_cmu_mosi_knows_its_training_part(shared_mosi: Path) -> None:
    found = inspect_features(shared_mosi)
    assert found.contents.utterances == {"train": 1257, "val": 190}
    fitted = {each.modality: each for each in found.fitted}
    assert fitted["video"].is_fitted
    assert fitted["text"].is_fitted
    assert "next to nothing" in fitted["audio"].line()
    assert found.makers["text"].trained_on_labels
