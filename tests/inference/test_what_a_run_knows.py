"""What a run says of its own doubt: what is unlike its training data, sets of labels, what each modality says."""

import json

import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from emofuse import EmofuseError, EmotionPipeline, Manifest
from emofuse.cli.main import app
from emofuse.inference.familiarity import familiarity_file, read_familiarity
from emofuse.inference.segments import set_in_words
from emofuse.runs.run_folder import RunFolder
from tests.small_runs import text_corpus, text_run

STRANGE = "zymurgy quokka xylophone 12345 ??? rhythmic zugzwang"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"), dialogues=15)


@pytest.fixture(scope="module")
def run(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return text_run(corpus, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def pipe(run: RunFolder) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(run.path, device="cpu")


def test_what_is_unlike_the_training_data_is_said(corpus: Manifest, pipe: EmotionPipeline) -> None:
    own = pipe.predict_manifest(corpus)
    assert all(set(segment.novelty) == {"text"} for segment in own)
    assert sum(bool(segment.unfamiliar) for segment in own) <= len(own) / 20
    (strange,) = pipe(text=STRANGE)
    assert strange.unfamiliar == ("text",)
    assert json.loads(json.dumps(strange.to_dict()))["novelty"]["text"] == strange.novelty["text"] > 1


def test_sets_of_labels_keep_their_promise_on_the_part_that_they_are_from(
    corpus: Manifest, run: RunFolder, pipe: EmotionPipeline
) -> None:
    val = run.read_split().val
    rows = corpus.select(val)
    segments = pipe.predict_manifest(rows, coverage=0.8)
    held = [s.label in s.label_set and rows.utterance(s.id).label in s.label_set for s in segments]
    assert sum(held) / len(held) >= 0.8
    assert all(segment.label_set == () for segment in pipe.predict_manifest(rows))
    # Of an utterance of which nothing was used nothing is said, and no set either.
    unused = pipe.predict_manifest(rows, coverage=0.8, modalities=[])
    assert all((segment.label, segment.label_set) == (None, ()) for segment in unused)
    with pytest.raises(EmofuseError, match="between 0 and 1"):
        pipe(text="well", coverage=2.0)
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["label_sets"]["promised"] == 0.9
    assert 0 < metrics["label_sets"]["covered"] <= 1
    assert 1 <= metrics["label_sets"]["labels_per_set"] <= 3


def test_the_command_says_all_of_it(run: RunFolder) -> None:
    options = ["predict", str(run.path), "--text", STRANGE, "--coverage", "0.9", "--by-modality"]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert "unlike anything in training, so this is a guess: text" in result.output
    assert "one of: " in result.output
    assert (set_in_words(("joy",)), set_in_words(("joy", "anger"))) == ("only joy", "one of: joy, anger")
    assert "text alone: " in result.output
    table = CliRunner().invoke(app, [*options, "--csv"]).output.splitlines()
    assert table[-2].endswith("unfamiliar,label_set,alone_text,text,recording")


def test_a_damaged_file_is_one_line(run: RunFolder) -> None:
    file = familiarity_file(run)
    tensors = load_file(file)
    held = file.read_bytes()
    try:
        for name, value in (("text.scale", 0.0), ("text.mean", float("nan"))):
            save_file({**tensors, name: tensors[name] * 0 + value}, file)
            with pytest.raises(EmofuseError, match=r"familiarity\.safetensors"):
                read_familiarity(run)
        save_file({"text.mean": tensors["text.mean"]}, file)
        with pytest.raises(EmofuseError, match=r"familiarity\.safetensors"):
            read_familiarity(run)
    finally:
        file.write_bytes(held)
