"""Late fusion against the opinion pool written out."""

import torch

from emofuse.models import create_model


def model_of(**options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {"text_dim": 4, "audio_dim": 3, "video_dim": 2}
    return create_model("late-fusion", preset="tiny", num_classes=3, **sizes, **options).double()


def inputs_of(rows: int = 5) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "text": torch.randn(rows, 4, dtype=torch.float64),
        "audio": torch.randn(rows, 3, dtype=torch.float64),
        "video": torch.randn(rows, 2, dtype=torch.float64),
    }


def test_the_pool_is_the_normalised_product_of_what_the_experts_say() -> None:
    model, inputs = model_of(), inputs_of()
    model.temperature.copy_(torch.tensor([1.0, 2.0, 0.5]))
    weights = {"text": 1.3, "audio": 0.4, "video": 0.8}
    for m, weight in weights.items():
        model.trust[m].data.fill_(torch.tensor(weight, dtype=torch.float64).expm1().log().item())
    present = {m: torch.ones(5, dtype=torch.bool) for m in inputs}
    present["audio"][2] = False
    output = model.eval()(**inputs, present=present)
    for row in range(5):
        product = torch.ones(3, dtype=torch.float64)
        for number, (m, x) in enumerate(inputs.items()):
            if present[m][row]:
                expert = model.experts[m][-1]
                says = ((expert.weight @ x[row] + expert.bias) / model.temperature[number]).softmax(0)
                product = product * says ** weights[m]
        torch.testing.assert_close(output.probabilities[row], product / product.sum())


def test_an_expert_of_what_it_does_not_know_has_less_say() -> None:
    model, inputs = model_of(), inputs_of(2)
    present = {m: torch.ones(2, dtype=torch.bool) for m in inputs}
    experts = {m: model.experts[m][-1](x).detach() for m, x in inputs.items()}
    unlike = {
        "text": torch.tensor([0.3, 1.0]),
        "audio": torch.tensor([4.0, 1.0]),
        "video": torch.tensor([1.0, 2.5]),
    }
    found = model.pool_of_experts(experts, present, unlike).softmax(-1)
    for row, weights in enumerate(((1, 1 / 4, 1), (1, 1, 1 / 2.5))):
        product = torch.ones(3, dtype=torch.float64)
        for weight, logits in zip(weights, experts.values(), strict=True):
            product = product * logits[row].softmax(0) ** weight
        torch.testing.assert_close(found[row], product / product.sum())


def test_weights_are_one_at_first_and_a_row_without_anything_is_undecided() -> None:
    model, inputs = model_of(), inputs_of()
    absent = {m: torch.zeros(5, dtype=torch.bool) for m in inputs}
    torch.testing.assert_close(
        model.eval()(**inputs, present=absent).probabilities, torch.full((5, 3), 1 / 3, dtype=torch.float64)
    )
    for trust in model.trust.values():
        torch.testing.assert_close(torch.nn.functional.softplus(trust.detach()), torch.tensor(1.0).double())


def test_the_fused_loss_teaches_the_weights_alone() -> None:
    model, inputs = model_of(), inputs_of()
    labels = torch.tensor([0, 1, 2, -1, 0])
    losses = model.training_loss(model(**inputs), labels)
    losses["fused"].backward(retain_graph=True)
    assert all(p.grad is None for p in model.experts.parameters())
    assert all(p.grad is not None and p.grad != 0 for p in model.trust.parameters())
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.experts.parameters())
