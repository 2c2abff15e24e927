from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.evaluation.comparison.compare_methods import compare_methods
from emofuse.evaluation.comparison.methods import on_same_utterances
from emofuse.evaluation.reporting.comparison_page import write_comparison
from emofuse.experiments.compared_runs import FoundRun, find_runs, held_out, method_key, methods_of, texts_of
from emofuse.inference.flops import flops_per_utterance
from emofuse.runs.run_folder import RunFolder
from emofuse.training.fit import fit_run
from tests.small_runs import text_corpus, text_run, text_settings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return text_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def runs(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    quick = {"optimiser__epochs": 1}
    for fold in range(3):
        # Where decoded frames are kept says nothing of the method.
        place = {"data__frame_cache": tmp_path_factory.mktemp("frames")} if fold == 2 else {}
        text_run(corpus, folder / "cv" / f"fold-{fold:02d}", data__fold=fold, **quick, **place)
    text_run(corpus, folder / "other rate", optimiser__learning_rate=0.001, **quick)
    return folder


def test_folds_and_seeds_are_one_method_and_another_setting_is_another(runs: Path) -> None:
    found = methods_of(find_runs([str(runs / "cv"), str(runs / "other rate")]))
    assert [(m.name, len(m.runs), len(m.rounds)) for m in found] == [("cv", 3, 1), ("other rate", 1, 1)]
    assert found[0].folds == 3
    assert len(found[0].rounds[0]) == 72
    assert found[0].facts.parameters == RunFolder(runs / "other rate").read_record().parameters
    assert found[0].facts.flops is None


@pytest.mark.parametrize("way", ["finetune", "end_to_end"])
def test_weights_that_each_fold_has_learnt_itself_are_not_what_tells_methods_apart(
    runs: Path, way: str
) -> None:
    one, other = find_runs([str(runs / "cv")])[:2]

    def learnt(run: FoundRun, weights: str, **changes: object) -> FoundRun:
        spec = {"modality": "text", "name": "someone/bert", **changes}
        part = run.record.encoders["text"]
        part = part.model_copy(update={"identity": part.identity.model_copy(update={"revision": weights})})
        return replace(
            run,
            settings=run.settings.with_changes({"encoders.text": spec}),
            record=run.record.model_copy(update={"encoders": {"text": part}}),
        )

    assert method_key(learnt(one, "a", **{way: {}})) == method_key(learnt(other, "b", **{way: {}}))
    rate = {way: {"learning_rate": 1e-6}}
    assert method_key(learnt(one, "a", **{way: {}})) != method_key(learnt(other, "a", **rate))
    assert method_key(learnt(one, "a")) != method_key(learnt(other, "b")), "given weights tell them apart"


def test_the_user_may_say_what_belongs_together(runs: Path) -> None:
    given = [f"ours={runs}/cv/fold-00", f"theirs={runs}/cv/fold-01", f"ours={runs}/other rate"]
    found = methods_of(find_runs(given))
    assert [(m.name, len(m.runs)) for m in found] == [("ours", 2), ("theirs", 1)]


def test_names_are_distinct(runs: Path) -> None:
    found = methods_of(find_runs([str(runs / "other rate"), f"other rate={runs}/cv/fold-00"]))
    assert len({m.name for m in found}) == 2


def test_pooled_folds_meet_a_single_run_on_what_is_common(runs: Path) -> None:
    methods = methods_of(find_runs([str(runs / "cv"), str(runs / "other rate")]))
    with pytest.raises(EmofuseError, match="cv and other rate were judged on different utterances"):
        on_same_utterances(methods)
    kept, left_out = on_same_utterances(methods, common=True)
    assert len(kept[0].rounds[0]) == len(kept[1].rounds[0]) == 72 - left_out


def test_what_was_said_comes_from_the_corpus_where_it_still_is(
    runs: Path, corpus: Manifest, tmp_path: Path
) -> None:
    found = find_runs([str(runs / "other rate")])
    assert texts_of(found)["d0t0"] == corpus.utterance("d0t0").text
    gone = found[0].settings.with_changes({"data.manifest": str(tmp_path / "gone.csv")})
    assert texts_of([found[0].__class__(found[0].folder, None, found[0].record, gone)]) == {}


def test_operations_of_a_run_are_those_of_its_layers(runs: Path, corpus: Manifest) -> None:
    folder = RunFolder(runs / "other rate")
    model = folder.load_model(folder.read_record()).eval()
    seen: list[int] = []

    def note(module: nn.Linear, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        seen.append(2 * inputs[0].numel() * output.shape[-1])

    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.register_forward_hook(note)
    dim = model.config.text_dim
    with torch.inference_mode():
        model(text=torch.randn(3, dim), present={"text": torch.ones(3, dtype=torch.bool)})
    assert flops_per_utterance(folder, corpus) == sum(seen) / 3


@pytest.mark.parametrize(("model", "recurrent"), [("mfcre", False), ("cm-msf", True)])
def test_operations_of_the_other_systems_are_counted_per_utterance(
    corpus: Manifest, tmp_path: Path, model: str, recurrent: bool
) -> None:
    settings = text_settings(corpus, model__name=model, model__options={}, optimiser__epochs=1)
    folder = fit_run(settings, corpus, tmp_path / "run")
    flops = flops_per_utterance(folder, corpus)
    network = folder.load_model(folder.read_record())
    layers = [m for m in network.modules() if isinstance(m, nn.LSTM | nn.GRU)]
    assert bool(layers) == recurrent
    # Each weight of a product is used at least once for an utterance.
    least = sum(2 * p.numel() for m in layers for p in m.parameters() if p.ndim == 2)
    assert flops > least
    assert flops < 1e10


def test_values_are_compared_as_values(corpus: Manifest, tmp_path: Path) -> None:
    scores = {"anger": -2.0, "sadness": -0.5, "joy": 1.5}
    frame = corpus.frame.assign(valence=[scores[label] for label in corpus.frame["label"]])
    Manifest.from_frame(frame, tmp_path).write(tmp_path / "manifest.csv")
    valued = Manifest.read(tmp_path / "manifest.csv")
    for epochs in (1, 4):
        changes = {"model__task": "regression", "optimiser__epochs": epochs, "optimiser__monitor": None}
        text_run(valued, tmp_path / f"after {epochs}", model__name="cm-msf", model__options={}, **changes)
    methods = methods_of(find_runs([str(tmp_path / "after 1"), str(tmp_path / "after 4")]))
    found = compare_methods(on_same_utterances(methods)[0], bootstrap=100)
    assert found.labels == ()
    for name in ("after 1", "after 4"):
        table = held_out(RunFolder(tmp_path / name))
        error = (table["truth"] - table["predicted"]).abs().mean()
        (method,) = [m for m in found.methods if m.name == name]
        assert method.metrics["mae"].value == pytest.approx(error)
    assert set(found.utterances["truth"]) <= set(scores.values())
    assert write_comparison(found, tmp_path / "out", texts={}).html.exists()


def test_what_is_no_evaluated_run_says_so(runs: Path, corpus: Manifest, tmp_path: Path) -> None:
    with pytest.raises(EmofuseError, match="there is no such run folder"):
        find_runs([str(tmp_path / "nowhere")])
    with pytest.raises(EmofuseError, match=r"not a run folder, run\.json is missing"):
        find_runs([str(tmp_path)])
    with pytest.raises(EmofuseError, match="write NAME=FOLDER"):
        find_runs(["=x"])
    fit_run(text_settings(corpus, optimiser__epochs=1), corpus, tmp_path / "fitted")
    with pytest.raises(EmofuseError, match="has not been evaluated"):
        methods_of(find_runs([str(tmp_path / "fitted")]))
    (tmp_path / "fitted" / "predictions.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(EmofuseError, match=r"predictions\.parquet: damaged"):
        methods_of(find_runs([str(tmp_path / "fitted")]))
