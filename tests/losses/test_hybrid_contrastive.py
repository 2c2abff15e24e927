"""HyCon's losses, anchor by anchor and pair by pair."""

import math

import pytest
import torch

from emofuse.losses.hybrid_contrastive import HybridContrastiveLoss

CLASSES = torch.tensor([0, 1, 0, 2, 1, 0, -1])


def make(rows: int = 7, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {m: torch.randn(rows, 3, generator=generator).double() for m in ("text", "audio", "video")}


def cosine(x, y):
    return sum(a * b for a, b in zip(x, y, strict=True)) / (x.norm() * y.norm())


def slow_pair(x, y, classes, mine, theirs, margin, e=0.1, tau=0.1, rho=0.1):
    terms = []
    for i in range(len(x)):
        if not mine[i] or classes[i] < 0:
            continue
        near, far = [], []
        for j in range(len(y)):
            if theirs[j] and classes[j] >= 0 and j != i:
                (near if classes[i] == classes[j] else far).append(cosine(x[i], y[j]))
        if not near or not far:
            continue
        low, high = min(near), max(far)
        far = [s for s in far if s > low - e]
        near = [s for s in near if s < high + e]
        s_n = s_p = 0.0
        if far:
            w = [math.exp(float(s) / tau) for s in far]
            s_n = sum(a * s for a, s in zip(w, far, strict=True)) / sum(w)
        if near:
            w = [math.exp(-float(s) / tau) for s in near]
            s_p = sum(a * s for a, s in zip(w, near, strict=True)) / sum(w)
        term = rho * ((1 - s_p if near else 0.0) + (s_n if s_n > 0 else 0.0))
        if far and near and s_n - s_p + margin > 0:
            term = term + s_n - s_p + margin
        terms.append(term)
    return sum(terms) / len(terms)


@pytest.mark.parametrize("seed", range(4))
def test_against_loops_with_gradients(seed) -> None:
    features = {m: x.requires_grad_() for m, x in make(seed=seed).items()}
    present = {m: torch.ones(7, dtype=torch.bool) for m in features}
    present["audio"][[1, 4]] = False
    found = HybridContrastiveLoss()(features, CLASSES, present)
    names = list(features)
    intra = sum(slow_pair(features[m], features[m], CLASSES, present[m], present[m], 0.4) for m in names) / 3
    inter = [
        slow_pair(features[m], features[n], CLASSES, present[m], present[n], 0.2)
        for m in names
        for n in names
        if m != n
    ]
    semi = []
    for m, n in (("text", "audio"), ("text", "video"), ("audio", "video")):
        rows = [i for i in range(7) if present[m][i] and present[n][i]]
        semi.append(sum(1 - cosine(features[m][i], features[n][i]) for i in rows) / len(rows))
    expected = {"intra": intra, "inter": sum(inter) / 6, "semi": sum(semi) / 3}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
        ours = torch.autograd.grad(found[name], features.values(), retain_graph=True, materialize_grads=True)
        theirs = torch.autograd.grad(value, features.values(), retain_graph=True, materialize_grads=True)
        torch.testing.assert_close(ours, theirs)


def test_classes_apart_and_together_cost_nothing() -> None:
    apart = torch.eye(2).double()[torch.tensor([0, 0, 1, 1])] * torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    found = HybridContrastiveLoss()(
        {"text": apart, "audio": apart},
        torch.tensor([0, 0, 1, 1]),
        dict.fromkeys(("text", "audio"), torch.ones(4, dtype=torch.bool)),
    )
    assert all(abs(float(value)) < 1e-9 for value in found.values())


@pytest.mark.parametrize("classes", [[0], [0, 0, 0], [0, 1, 2], [-1, -1]])
def test_without_pairs_there_is_nothing_to_learn(classes) -> None:
    x = torch.randn(len(classes), 3, requires_grad=True)
    everyone = torch.ones(len(classes), dtype=torch.bool)
    found = HybridContrastiveLoss()({"text": x}, torch.tensor(classes), {"text": everyone})
    sum(found.values()).backward()
    assert all(value == 0 for value in found.values())
    assert (x.grad == 0).all()


def test_what_is_absent_is_never_read() -> None:
    features, present = make(), dict.fromkeys(("text", "audio", "video"), torch.ones(7, dtype=torch.bool))
    present["video"] = torch.tensor([1, 1, 0, 1, 1, 1, 1]).bool()
    loss = HybridContrastiveLoss()
    expected = loss(features, CLASSES, present)
    features["video"] = features["video"].clone()
    features["video"][2] = torch.nan
    features["video"].requires_grad_()
    found = loss(features, CLASSES, present)
    torch.testing.assert_close(found, expected)
    sum(found.values()).backward()
    assert torch.isfinite(features["video"].grad).all()
