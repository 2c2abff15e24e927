"""Two processes (gloo, CPU) must learn what one would with the whole batch."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from emofuse.losses.global_batch import gather_rows
from tests.losses.distributed_work import (
    PROCESSES,
    features,
    loss_of,
    work,
)

pytestmark = [
    pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo"),
    pytest.mark.usefixtures("quickly_spawned"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("together")
    mp.spawn(work, args=(str(folder),), nprocs=PROCESSES)  # type: ignore[no-untyped-call]
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


def test_every_process_has_the_loss_of_the_whole_batch(found: list[dict[str, Any]]) -> None:
    expected = loss_of(features())
    assert expected > 0
    for each in found:
        torch.testing.assert_close(each["unequal"]["loss"], expected)


def test_gradients_averaged_over_processes_are_those_of_one(found: list[dict[str, Any]]) -> None:
    rows = features()
    for name in ("video", "text", "audio"):
        rows[name].requires_grad_(True)
    loss_of(rows).backward()
    for name in ("video", "text", "audio"):
        together = torch.cat([each["unequal"]["gradients"][name] for each in found])
        torch.testing.assert_close(together / PROCESSES, rows[name].grad)
        assert rows[name].grad.abs().sum() > 0  # type: ignore[union-attr]


def test_without_the_gathering_they_would_not_be() -> None:
    """The test above can fail: parts by themselves have other positives and negatives."""
    rows = features()
    parts = [{name: values[some] for name, values in rows.items()} for some in (slice(0, 5), slice(5, 8))]
    mean = torch.stack([loss_of(part) for part in parts]).mean()
    assert not torch.isclose(mean, loss_of(rows), rtol=1e-2)


def test_flags_and_empty_shares_are_gathered_too(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["gathered"]["flags"].tolist() == [True, False, False]
        assert each["gathered"]["none"].shape == (2, 3)


def test_alone_nothing_is_gathered() -> None:
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows
