import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from multiprocessing import Pipe
from pathlib import Path

import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from emofuse.cli.main import app
from emofuse.data.manifest import Manifest
from emofuse.errors import EmofuseError
from emofuse.experiments.ablation import (
    Ablation,
    ablate_deepmsi_mer,
    ablation_tables,
    cost,
    deepmsi_mer,
    list_variants,
    write_ablation,
)
from emofuse.experiments.ablation.variants import kept_grids
from emofuse.models import create_model
from emofuse.models.deepmsi_mer_config import DeepMSIMERConfig
from emofuse.nn.swin_plan import VSCConfig
from emofuse.runs.settings import RunSettings
from emofuse.training.fit import fit_run
from tests.experiments import light_tasks
from tests.experiments.in_turn import InTurn
from tests.small_corpus import SMALL_MODEL, small_settings

pytestmark = pytest.mark.usefixtures("quickly_spawned")

in_own_process = cost._in_own_process
PAPER = DeepMSIMERConfig.paper(6)
TINY = DeepMSIMERConfig.tiny(6)


@pytest.fixture(scope="module", autouse=True)
def here() -> Iterator[None]:
    """Costs are measured in this process: starting one takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cost, "_in_own_process", cost._time_and_memory)
        yield


@pytest.fixture(scope="module")
def found(here: None, corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Ablation:
    settings = small_settings(corpus, optimiser__epochs=1)
    return ablate_deepmsi_mer(
        corpus,
        settings,
        tmp_path_factory.mktemp("ablated"),
        only=["no-vsc", "frames-5", "temporal-mean"],
        seeds=2,
        open_progress=lambda: nullcontext(lambda done, total, what: None),
    )


def test_an_executor_gives_the_same_runs_and_one_that_dies_is_named(
    corpus: Manifest, found: Ablation, tmp_path: Path
) -> None:
    shutil.copytree(found.folder, tmp_path / "ablated")
    for part in ("full/seed-1", "no-vsc", "frames-5/seed-0"):
        shutil.rmtree(tmp_path / "ablated" / "runs" / part)
    executor = InTurn(victim="no-vsc")
    again = ablate_deepmsi_mer(
        corpus,
        small_settings(corpus, optimiser__epochs=1),
        tmp_path / "ablated",
        only=["no-vsc", "frames-5", "temporal-mean"],
        seeds=2,
        executor=executor,
        open_progress=lambda: nullcontext(lambda done, total, what: None),
    )
    assert executor.ran[0] == "runs/full/seed-1", "the full system first"
    assert again.failures == {"no-vsc": "its process died"}
    for part in ("full/seed-1/model.safetensors", "frames-5/seed-0/model.safetensors"):
        mine, theirs = (place.folder / "runs" / part for place in (again, found))
        assert mine.read_bytes() == theirs.read_bytes()


def test_time_and_memory_are_measured_in_a_process_of_their_own(found: Ablation) -> None:
    path = found.folder / "runs" / "full" / "seed-0"
    measured = in_own_process(str(path))
    assert measured["milliseconds"] > 0
    assert measured["peak_mib"] is None or 0 < measured["peak_mib"] < 500


def test_what_fails_in_that_process_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, sender = Pipe(duplex=False)
    monkeypatch.setattr(cost, "begin_worker", lambda threads: None)
    cost._measure(str(tmp_path / "nowhere"), 1, sender)
    assert "nowhere" in receiver.recv()["error"]
    monkeypatch.setattr(cost, "_measure", light_tasks.cannot_measure)
    with pytest.raises(EmofuseError, match=r"measuring nowhere: no such run$"):
        in_own_process("nowhere")
    monkeypatch.setattr(cost, "_measure", light_tasks.dies_measuring)
    with pytest.raises(EmofuseError, match=r"measuring nowhere: its process died"):
        in_own_process("nowhere")


@pytest.mark.parametrize("config", [PAPER, TINY])
def test_every_variant_is_a_network_that_can_be_built_and_differs_from_the_full_one(
    config: DeepMSIMERConfig,
) -> None:
    variants = list_variants(config)
    assert variants[0].name == "full"
    names = [variant.name for variant in variants]
    assert len(set(names)) == len(names)
    expected = {"no-contrastive", "no-vsc", "no-merge", "steer-image", "steer-text", "steer-audio"}
    expected |= {"temporal-mean", "temporal-gru", "swin-v1"}
    expected |= {"frames-5", "frames-10", "frames-20", "frames-30"}
    assert expected <= set(names)
    assert "frames-15" not in names
    for variant in variants[1:]:
        changed = DeepMSIMERConfig.model_validate(config.model_dump() | variant.options)
        assert changed != config, variant.name
        if config is TINY:
            with torch.device("meta"):
                create_model("deepmsi-mer", **changed.model_dump())


def test_a_threshold_stands_against_a_number_kept_and_the_other_way_round() -> None:
    assert {"threshold-0.0", "threshold-0.2"} <= {variant.name for variant in list_variants(PAPER)}
    keep = next(variant for variant in list_variants(TINY) if variant.name == "keep")
    assert keep.options["vsc"]["threshold"] is None
    assert keep.options["vsc"]["grids"] == [6]  # 7x7 of 8x8 has no window of 2 to 4
    like_paper = PAPER.model_copy(update={"vsc": VSCConfig(stage=2, grids=(14, 12, 10), threshold=0.1)})
    assert kept_grids(like_paper) == (14, 12, 10)


def test_settings_of_every_variant_are_the_same_when_they_are_read_again(tmp_path: Path) -> None:
    for variant in list_variants(TINY):
        changes = {f"model.options.{name}": value for name, value in variant.options.items()}
        settings = RunSettings().with_changes(changes)
        (tmp_path / "config.yaml").write_text(settings.to_yaml(), encoding="utf-8")
        assert RunSettings.from_yaml(tmp_path / "config.yaml") == settings, variant.name


def test_what_is_not_there_cannot_be_taken_away() -> None:
    for config in (
        PAPER.model_copy(update={"vsc": None}),
        DeepMSIMERConfig.paper(6, modalities=("text", "audio")),
    ):
        with pytest.raises(EmofuseError, match="those of the full system"):
            list_variants(config)
    plain = PAPER.model_copy(update={"vsc": VSCConfig(merge=False, straight_through=False)})
    names = {variant.name for variant in list_variants(plain)}
    assert not names & {"no-merge", "no-gradient"}


def test_variants_are_trained_on_one_split_and_tested_against_the_full_system(found: Ablation) -> None:
    assert [variant.name for variant in found.variants] == ["full", "no-vsc", "temporal-mean", "frames-5"]
    splits = {
        (found.folder / "runs" / variant.name / f"seed-{seed}" / "split.json").read_text(encoding="utf-8")
        for variant in found.variants
        for seed in (0, 1)
    }
    assert len(splits) == 1
    assert found.comparison.methods[0].runs == 2
    assert "weighted_f1" in found.comparison.methods[1].versus
    config = json.loads((found.folder / "runs/no-vsc/seed-0/run.json").read_text(encoding="utf-8"))
    assert config["model_config"]["vsc"] is None


def test_costs_are_counted_and_measured(found: Ablation) -> None:
    costs = found.costs
    assert costs["frames-5"].flops > 1.15 * costs["full"].flops  # 5 frames, not 4
    assert costs["no-vsc"].flops > costs["full"].flops
    assert costs["temporal-mean"].parameters < costs["full"].parameters
    assert all(each.milliseconds > 0 and each.device == "cpu" for each in costs.values())


def test_the_table_is_written_and_read(found: Ablation, tmp_path: Path) -> None:
    [table] = ablation_tables(found)
    assert [row[0].text for row in table.rows] == [variant.name for variant in found.variants]
    assert table.rows[0][3].text == "–"
    assert "beyond the loaded model" in " ".join(table.notes)
    write_ablation(found, tmp_path)
    rows = pd.read_csv(tmp_path / "table.csv")
    assert rows["variant"].tolist()[0] == "full"
    assert rows["weighted_f1"].between(0, 1).all()
    content = json.loads((tmp_path / "ablation.json").read_text(encoding="utf-8"))
    assert content["options"]["no-vsc"] == {"vsc": None}
    assert "| full" in (tmp_path / "tables.md").read_text(encoding="utf-8")


def test_a_variant_that_fails_is_named_and_tried_again(
    corpus: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(settings, *arguments, **options):  # type: ignore[no-untyped-def]
        if settings.model.options.get("beta_cl") == 0.0:
            raise RuntimeError("power cut")
        return fit_run(settings, *arguments, **options)

    def again() -> Ablation:
        return ablate_deepmsi_mer(
            corpus,
            small_settings(corpus, optimiser__epochs=1),
            tmp_path,
            only=["no-contrastive"],
            open_progress=lambda: nullcontext(lambda done, total, what: None),
        )

    with monkeypatch.context() as patch:
        patch.setattr(deepmsi_mer, "fit_run", breaks)
        broken = again()
    assert broken.failures == {"no-contrastive": "RuntimeError: power cut"}
    assert [variant.name for variant in broken.variants] == ["full"]
    stamp = (tmp_path / "runs/full/cost.json").stat().st_mtime_ns
    assert again().failures == {}
    assert (tmp_path / "runs/full/cost.json").stat().st_mtime_ns == stamp


def test_the_command_lists_variants_and_names_mistakes(corpus: Manifest, tmp_path: Path) -> None:
    runner, manifest = CliRunner(), str(corpus.root / "manifest.csv")
    listed = runner.invoke(app, ["ablate", "deepmsi-mer", manifest, "-o", str(tmp_path / "x"), "--list"])
    assert "no-contrastive" in listed.stdout
    for arguments, line in (
        (["mfcre", manifest], "only deepmsi-mer can be ablated"),
        (["deepmsi-mer", manifest, "--only", "no-legs"], "there is no variant no-legs"),
        (["deepmsi-mer", manifest, "--set", "model.modalities=[text]"], "those of the full system"),
    ):
        result = runner.invoke(app, ["ablate", *arguments, "-o", str(tmp_path / "x")])
        assert isinstance(result.exception, EmofuseError)
        assert line in str(result.exception)
    assert not (tmp_path / "x").exists()


def test_small_model_is_the_full_system() -> None:
    assert {"no-vsc", "threshold-0.0"} <= {
        v.name
        for v in list_variants(DeepMSIMERConfig.tiny(3, **SMALL_MODEL))  # type: ignore[arg-type]
    }
