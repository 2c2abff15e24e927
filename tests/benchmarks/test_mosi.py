"""The baselines and the table of the benchmark on CMU-MOSI, on a file whose answers can be read off every modality."""

import pytest

from benchmarks.mosi import Row, cells, fit_linear, matrices
from emofuse.data.manifest import Manifest
from tests.feature_file import import_file, write_feature_file


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("mosi")
    file = write_feature_file(folder / "file.npz", ("train", "val"), dialogues=6)
    return Manifest.read(import_file(file, folder / "corpus") / "manifest.csv")


def test_the_baselines_are_fitted_on_the_training_part_and_told_of_the_other(manifest: Manifest) -> None:
    ridge, logistic = fit_linear(Row("T + A", ("text", "audio")), manifest)
    assert ridge["mae"] < 0.5
    assert ridge["acc2_positive"] == 1
    assert set(logistic) == {"acc2_nonnegative", "f1_nonnegative", "acc2_positive", "f1_positive"}
    assert logistic["acc2_positive"] == 1


def test_the_features_of_a_row_stand_side_by_side(manifest: Manifest) -> None:
    both = matrices(Row("T + A", ("text", "audio")), manifest)
    assert both.shape == (len(manifest), 6 + 5)
    assert (both[:, :6] == matrices(Row("T", ("text",)), manifest)).all()


def test_seeds_are_told_as_mean_and_deviation() -> None:
    runs = [{"mae": 0.5, "acc7": 0.25}, {"mae": 0.7, "acc7": 0.25}]
    assert cells(runs).split(" | ") == [
        *("0.600 ± 0.141", "–", "–", "–", "–", "–"),
        *("25.0", "–"),
    ]
