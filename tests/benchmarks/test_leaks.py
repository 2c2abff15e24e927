from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from benchmarks import leaks
from tests.small_runs import text_corpus


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> leaks.Bench:
    manifest = text_corpus(tmp_path_factory.mktemp("corpus"))
    labels = torch.tensor([manifest.labels.index(label) for label in manifest.frame["label"]])
    generator = torch.Generator().manual_seed(0)
    features = {m: torch.randn(72, 8, generator=generator) for m in ("text", "audio")}
    features["text"][torch.arange(72), labels] += 1.0
    corpus = leaks.Corpus(manifest, manifest.ids, features, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaks, "EPOCHS", 4)
        patch.setattr(leaks, "ENCODER_EPOCHS", 30)
        yield leaks.Bench(corpus, folds=3)


@pytest.mark.parametrize("recipe", [leaks.HONEST, leaks.LEAKS["split"][1]])
def test_every_utterance_is_judged_once_by_a_model_that_was_not_trained_on_it(
    bench: leaks.Bench, recipe: leaks.Recipe
) -> None:
    table = bench.run(recipe, 0).table
    assert sorted(table["id"]) == sorted(bench.corpus.ids)
    for split in bench.split(recipe.protocol, 0):
        assert not {*split.train, *split.val} & set(split.test)


def test_choosing_the_epoch_on_the_test_part_can_only_help_there(bench: leaks.Bench) -> None:
    honest, leaky = (bench.run(recipe, 1).table.set_index("id") for recipe in leaks.LEAKS["epoch"])
    gains = []
    for split in bench.split("speaker", 1):
        scores = [
            f1_score(t.loc[split.test, "truth"], t.loc[split.test, "predicted"], average="weighted")
            for t in (honest, leaky)
        ]
        gains.append(scores[1] - scores[0])
    assert min(gains) >= 0


def test_an_encoder_tuned_on_the_training_part_knows_nothing_of_the_rest(bench: leaks.Bench) -> None:
    split = bench.split("speaker", 0)[0]
    train = tuple(bench.corpus.rows(split.train).tolist())
    rest = [i for i in range(72) if i not in train]
    before = bench._tuned(train, 0)
    changed = bench.corpus.labels.clone()
    changed[rest] = (changed[rest] + 1) % 3
    other = leaks.Bench(
        leaks.Corpus(bench.corpus.manifest, bench.corpus.ids, bench.corpus.features, changed), 3
    )
    torch.testing.assert_close(other._tuned(train, 0), before)
    everything = tuple(range(72))
    assert not torch.allclose(other._tuned(everything, 0), bench._tuned(everything, 0))


def test_the_report_holds_a_line_for_each_leak(bench: leaks.Bench) -> None:
    text = leaks._report(bench, [*leaks.LEAKS, "within"], seeds=2)
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(lines) == 1 + len(leaks.LEAKS)
    mean = next(line for line in text.splitlines() if line.startswith("| **mean**"))
    f1, within, worth = (float(cell.replace("−", "-")) for cell in mean.strip("| ").split(" | ")[2:])
    assert worth == pytest.approx(within - f1, abs=0.11)
    assert worth > 0
    assert np.isfinite([f1, within]).all()
    assert Path(leaks.RESULTS).name == "leaks.md"
