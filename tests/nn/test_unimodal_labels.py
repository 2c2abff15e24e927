"""Self-MM's labels of single modalities, row by row over three epochs."""

import torch

from emofuse.nn.unimodal_labels import UnimodalLabels

DIMS = {"fusion": 3, "text": 2, "audio": 4}
Y = torch.tensor([2.0, -1.0, 0.5, -2.5, 0.0]).double()
THERE = {"text": torch.ones(5, dtype=torch.bool), "audio": torch.tensor([1, 1, 0, 1, 1]).bool()}


def features(epoch: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(epoch)
    return {name: torch.randn(5, d, generator=generator).double() for name, d in DIMS.items()}


def relative(name, x, memory, labels, there):
    """α of one representation: how much nearer it is to what lies above 0 than to what lies below."""
    above = [memory[name][i] for i in memory[name] if labels[name][i] > 0 and there[name][i]]
    below = [memory[name][i] for i in memory[name] if labels[name][i] < 0 and there[name][i]]
    if not above or not below:
        return None
    near = ((x - sum(above) / len(above)) ** 2).sum() / DIMS[name] ** 0.5
    far = ((x - sum(below) / len(below)) ** 2).sum() / DIMS[name] ** 0.5
    return (far - near) / (near + 1e-8)


def test_three_epochs() -> None:
    module = UnimodalLabels(3, {"text": 2, "audio": 4}, limit=3.0).double()
    there = {"fusion": torch.ones(5, dtype=torch.bool), **THERE}
    memory = {name: {} for name in DIMS}
    labels = {name: {i: float(Y[i]) for i in range(5)} for name in DIMS}
    for epoch in (1, 2, 3):
        x = features(epoch)
        for rows in ([0, 3, 2], [4, 1]):
            numbers = torch.tensor(rows)
            found = module(numbers, Y[numbers])
            for m in ("text", "audio"):
                expected = torch.tensor([labels[m][i] for i in rows], dtype=torch.float64)
                torch.testing.assert_close(found[m], expected, rtol=1e-9, atol=1e-9)
            moved = {}
            for m in ("text", "audio"):
                for i in rows:
                    if epoch == 1 or not there[m][i]:
                        continue
                    own = relative(m, x[m][i], memory, labels, there)
                    whole = relative("fusion", x["fusion"][i], memory, labels, there)
                    if own is None or whole is None:
                        continue
                    # The mean of y α_s / α_m and y + α_s − α_m.
                    target = (Y[i] * own / whole + Y[i] + own - whole) / 2
                    target = min(3.0, max(-3.0, float(target)))
                    moved[m, i] = (epoch - 1) / (epoch + 1) * labels[m][i] + 2 / (epoch + 1) * target
            for (m, i), value in moved.items():
                labels[m][i] = value
            for name in DIMS:
                memory[name] |= {i: x[name][i] for i in rows}
            module.update(
                numbers,
                Y[numbers],
                {n: v[numbers] for n, v in x.items()},
                {m: t[numbers] for m, t in THERE.items()},
            )
    assert any(abs(labels["text"][i] - float(Y[i])) > 0.1 for i in range(5))
    assert labels["audio"][2] == Y[2]  # what a row lacks moves nothing


def test_without_both_sides_of_0_labels_stay() -> None:
    module = UnimodalLabels(3, {"text": 2}, limit=3.0).double()
    rows, y = torch.arange(2), torch.tensor([1.0, 2.0]).double()
    for epoch in (1, 2, 3):
        x = {"fusion": features(epoch)["fusion"][:2], "text": features(epoch)["text"][:2]}
        module.update(rows, y, x, {"text": torch.ones(2, dtype=torch.bool)})
    torch.testing.assert_close(module(rows, y)["text"], y)


def test_no_rows_and_rows_far_apart() -> None:
    module = UnimodalLabels(3, {"text": 2}, limit=3.0)
    none = torch.zeros(0, dtype=torch.int64)
    assert module(none, torch.zeros(0))["text"].shape == (0,)
    assert module(torch.tensor([7]), torch.tensor([1.5]))["text"] == 1.5
    assert module.memory["text"].shape == (8, 2)
