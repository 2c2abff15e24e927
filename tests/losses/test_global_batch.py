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
    small_system,
    system_batch,
    system_loss,
    work,
)

pytestmark = pytest.mark.skipif(not dist.is_gloo_available(), reason="torch was built without gloo")


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


def test_the_system_under_ddp_learns_what_one_process_would(found: list[dict[str, Any]]) -> None:
    model = small_system().train()
    system_loss(model, model, system_batch()).backward()
    for name, parameter in model.named_parameters():
        for each in found:
            if parameter.grad is None:
                assert name not in each["system"]
                continue
            torch.testing.assert_close(
                each["system"][name], parameter.grad, rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_without_the_gathering_it_would_not(found: list[dict[str, Any]]) -> None:
    """The test above can fail: halves by themselves have other positives and negatives."""
    whole = system_batch()
    halves = []
    for rank in range(PROCESSES):
        model = small_system().train()
        half = {name: values[rank * 3 : rank * 3 + 3] for name, values in whole.items()}
        system_loss(model, model, half).backward()
        halves.append(_some_gradient(model))
    mean = torch.stack(halves).mean(dim=0)
    together = _same(found[0]["system"])
    assert not torch.allclose(mean, together, rtol=1e-2, atol=1e-5)


def test_flags_and_empty_shares_are_gathered_too(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["gathered"]["flags"].tolist() == [True, False, False]
        assert each["gathered"]["none"].shape == (2, 3)


def test_alone_nothing_is_gathered() -> None:
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows


_PROJECTION = "projections.video."


def _some_gradient(model: torch.nn.Module) -> torch.Tensor:
    return torch.cat(
        [
            p.grad.flatten()
            for n, p in model.named_parameters()
            if n.startswith(_PROJECTION) and p.grad is not None
        ]
    )


def _same(gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([grad.flatten() for name, grad in gradients.items() if name.startswith(_PROJECTION)])
