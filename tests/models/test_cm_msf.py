"""CM-MSF as a whole: its figure, its equations, its masks, and that it learns."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.errors import EmofuseError
from emofuse.models import CMMSF, CMMSFConfig, SequenceOutput, create_model

SIZES = {"text": 7, "audio": 5, "video": 6}
STEPS = {"text": 4, "audio": 6, "video": 5}
ABLATIONS = [
    {"text_encoders": ("bert",), "audio_encoders": ("transformer",), "video_encoders": ("transformer",)},
    {"text_encoders": ("lstm",), "audio_encoders": ("bigru",), "video_encoders": ("resnet",)},
    {"bilstm": False},
    {"cascade": False},
    {"mask_gate": False},
]
SUBSETS = [s for n in (1, 2) for s in itertools.combinations(SIZES, n)]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def settings(**options) -> dict:
    sizes = {
        "encoder_dim": 8,
        "encoder_layers": 1,
        "encoder_heads": 2,
        "encoder_ff_dim": 16,
        "alignment_heads": 2,
        "dim": 8,
        "cascade_layers": 2,
        "cascade_heads": 2,
        "lstm_hidden": 6,
        "fusion_dim": 9,
        **{f"{m}_dim": size for m, size in SIZES.items()},
    }
    if options.get("task") != "regression":
        sizes["num_classes"] = 4
    return {**sizes, **options}


def make(dtype=torch.float64, **options) -> CMMSF:
    return CMMSF(CMMSFConfig(**settings(**options))).to(dtype).eval()


def utterances(batch=3, modalities=tuple(SIZES), dtype=torch.float64) -> dict[str, Tensor]:
    return {m: torch.randn(batch, STEPS[m], SIZES[m], dtype=dtype) for m in modalities}


def lengths(*counts: dict[str, int]) -> dict[str, Tensor]:
    """Masks with padding last: one row for each of the counts."""
    return {m: torch.arange(STEPS[m]) < torch.tensor([[c[m]] for c in counts]) for m in SIZES}


def assert_same(a: SequenceOutput, b: SequenceOutput, rows=..., **tolerance):
    torch.testing.assert_close(a.logits[rows], b.logits[rows], **tolerance)
    torch.testing.assert_close(a.fused[rows], b.fused[rows], **tolerance)
    for m in a.features:
        torch.testing.assert_close(a.features[m][rows], b.features[m][rows], **tolerance)


def test_the_forward_pass_is_figure_1():
    model = make()
    x = utterances()
    masks = lengths(
        {"text": 4, "audio": 6, "video": 5}, {"text": 1, "audio": 3, "video": 5}, dict.fromkeys(SIZES, 2)
    )
    encoded = {m: model.encoders[m](x[m], masks[m]) for m in SIZES}
    U = {m: model.common[m](model.alignments[m](encoded[m], masks[m])) for m in SIZES}
    updated = model.cascade(U, masks)
    output = model(**x, masks=masks)
    for m in SIZES:
        gated = model.mask_gates[m](updated[m], masks[m])
        torch.testing.assert_close(output.gates[m], gated.gate)
        assert torch.equal(output.masks[m], gated.mask)
        for b in range(3):
            H = gated.features[b, gated.mask[b]]
            torch.testing.assert_close(output.features[m][b], H.max(dim=0).values)
    assert model.mask_gates["text"].threshold is None
    assert torch.equal(output.masks["text"], masks["text"])
    assert model.mask_gates["audio"].threshold == model.mask_gates["video"].threshold == -1.0


def test_fusion_and_head_are_equations_20_to_22():
    model = make()
    output = model(**utterances())
    for b in range(3):
        H = torch.cat([output.features[m][b] for m in ("text", "audio", "video")])
        fused = torch.clamp(model.fusion.weight @ H + model.fusion.bias, min=0)  # (20)
        y = model.head.weight @ fused + model.head.bias  # (21)
        torch.testing.assert_close(output.fused[b], fused)
        torch.testing.assert_close(output.logits[b], y)
        torch.testing.assert_close(output.probabilities[b], y.exp() / y.exp().sum())  # (22)
    labels = torch.tensor([1, 0, 3])
    loss = -sum(torch.log(output.probabilities[b, labels[b]]) for b in range(3)) / 3
    parts = model.training_loss(output, labels)
    torch.testing.assert_close(parts["loss"], loss)
    torch.testing.assert_close(parts["cross_entropy"], loss)


@pytest.mark.parametrize("options", [{}, *ABLATIONS], ids=str)
def test_an_utterance_alone_and_in_a_padded_batch(options):
    model = make(torch.float32, **options)
    counts = [dict(STEPS), {"text": 1, "audio": 1, "video": 1}, {"text": 3, "audio": 0, "video": 2}]
    masks = lengths(*counts)
    x = utterances(dtype=torch.float32)
    x = {m: v.masked_fill(~masks[m].unsqueeze(-1), torch.nan) for m, v in x.items()}
    batch = model(**x, masks=masks)
    for b, count in enumerate(counts):
        real = {m: v[b : b + 1, : count[m]] for m, v in x.items() if count[m]}
        alone = model(**real)
        torch.testing.assert_close(alone.logits[0], batch.logits[b], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone.fused[0], batch.fused[b], rtol=0, atol=1e-5)
        for m in real:
            torch.testing.assert_close(alone.gates[m][0], batch.gates[m][b, : count[m]], rtol=0, atol=1e-5)
            assert torch.equal(alone.masks[m][0], batch.masks[m][b, : count[m]])
            assert not batch.masks[m][b, count[m] :].any()


def test_padding_may_stand_anywhere():
    model = make()
    masks = {
        "text": torch.tensor([[False, True, True, False]]),
        "audio": torch.tensor([[False, False, True, False, True, True]]),
        "video": torch.tensor([[True, False, True, True, True]]),
    }
    x = utterances(batch=1)
    output = model(**x, masks=masks)
    short = model(**{m: v[masks[m]].unsqueeze(0) for m, v in x.items()})
    assert_same(output, short)
    for m in SIZES:
        torch.testing.assert_close(output.gates[m][masks[m]], short.gates[m][0])
        assert (output.gates[m][~masks[m]] == 0).all()
        assert torch.equal(output.masks[m][masks[m]], short.masks[m][0])


def test_utterances_do_not_know_each_other():
    model = make()
    inputs = {
        **utterances(batch=4),
        "masks": {m: torch.rand(4, STEPS[m]) > 0.3 for m in SIZES},
        "present": {m: torch.rand(4) > 0.3 for m in SIZES},
    }

    def rows(index):
        return {
            k: v[index] if isinstance(v, Tensor) else {m: t[index] for m, t in v.items()}
            for k, v in inputs.items()
        }

    output = model(**inputs)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(model(**rows(order)).logits, output.logits[order])
    torch.testing.assert_close(model(**rows(slice(1, 2))).logits, output.logits[1:2])


@pytest.mark.parametrize("options", [{}, *ABLATIONS], ids=str)
@pytest.mark.parametrize("missing", [*SUBSETS, tuple(SIZES)], ids=str)
def test_what_is_absent_has_no_influence(options, missing):
    model = make(**options)
    x = utterances()
    present = {m: torch.tensor([True, m not in missing, True]) for m in SIZES}
    holed = {m: v.masked_fill(~present[m].view(-1, 1, 1), torch.nan) for m, v in x.items()}
    output = model(**x, present=present)
    assert_same(output, model(**holed, present=present))
    assert torch.isfinite(output.logits).all()
    assert all((output.features[m][1] == 0).all() for m in missing)
    assert all(torch.equal(output.present[m], present[m]) for m in SIZES)


def test_ways_to_say_that_a_modality_is_missing():
    model = make()
    x = utterances()
    nowhere = torch.zeros(3, dtype=torch.bool)
    without = model(text=x["text"], audio=x["audio"])
    assert_same(without, model(**x, present={"video": nowhere}))
    assert_same(without, model(**x, masks={"video": torch.zeros(3, STEPS["video"], dtype=torch.bool)}))
    assert set(without.gates) == set(without.masks) == {"text", "audio"}
    assert not without.present["video"].any()


def test_gradients_stay_finite_where_everything_is_missing():
    model = make(dropout=0.1).train()
    present = {m: torch.tensor([False, m == "text", True]) for m in SIZES}
    output = model(**utterances(), present=present)
    model.training_loss(output, torch.tensor([0, 1, 2]))["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("modalities", SUBSETS, ids=str)
def test_fewer_modalities(modalities):
    model = make(modalities=modalities)
    output = model(**utterances(modalities=modalities))
    model.training_loss(output, torch.tensor([0, 1, 2]))["loss"].backward()
    assert set(output.features) == set(modalities)
    assert (model.cascade is None) == (len(modalities) == 1)
    assert all(p.grad is not None for p in model.parameters())


def test_what_the_configuration_switches_off_is_ignored():
    model = make(modalities=("text", "audio"))
    x = utterances()
    assert_same(model(**x, present={"video": torch.ones(3).bool()}), model(text=x["text"], audio=x["audio"]))


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_every_ablation_leaves_something_out(options):
    whole, part = make(), make(**options)
    assert sum(p.numel() for p in part.parameters()) < sum(p.numel() for p in whole.parameters())
    output = part(**utterances())
    part.training_loss(output, torch.tensor([0, 1, 2]))["loss"].backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in part.parameters())
    if options == {"mask_gate": False}:
        assert all((gate == 1).all() for gate in output.gates.values())


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_parameter_learns(task):
    model = make(task=task)
    output = model(**utterances())
    labels = torch.tensor([0, 1, 2]) if task == "classification" else torch.tensor([0.5, -2.0, 3.0])
    model.training_loss(output, labels)["loss"].backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert still == []


@pytest.mark.parametrize("kind", ["l1", "mse"])
def test_regression_and_its_loss(kind):
    model = make(task="regression", regression_loss=kind)
    output = model(**utterances())
    assert output.value.shape == (3,)
    assert torch.equal(output.value, output.logits[:, 0])
    targets = torch.tensor([1.5, float("nan"), -3.0], dtype=torch.float64)
    errors = [abs(output.value[0] - 1.5), abs(output.value[2] + 3.0)]
    expected = sum(e if kind == "l1" else e**2 for e in errors) / 2
    parts = model.training_loss(output, targets)
    torch.testing.assert_close(parts["loss"], expected)
    torch.testing.assert_close(parts[kind], expected)
    with pytest.raises(EmofuseError, match="no probabilities"):
        _ = output.probabilities
    with pytest.raises(EmofuseError, match="class_weights"):
        model.training_loss(output, targets, class_weights=torch.ones(3))


def test_class_weights_and_rows_without_a_label():
    model = make()
    output = model(**utterances())
    labels, weights = torch.tensor([2, -100, 0]), torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    log_p = output.probabilities.log()
    expected = -(2.0 * log_p[0, 2] + 0.5 * log_p[2, 0]) / 2.5
    torch.testing.assert_close(model.training_loss(output, labels, class_weights=weights)["loss"], expected)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_no_label_at_all_is_a_loss_of_zero(task):
    model = make(task=task)
    labels = torch.full((3,), -100) if task == "classification" else torch.full((3,), torch.nan)
    loss = model.training_loss(model(**utterances()), labels)["loss"]
    loss.backward()
    assert loss == 0
    assert all((p.grad == 0).all() for p in model.parameters() if p.grad is not None)


def test_gradients_of_the_whole():
    sizes = {"text_dim": 2, "audio_dim": 2, "video_dim": 2, "encoder_dim": 2, "encoder_ff_dim": 2, "dim": 2}
    ones = {
        "encoder_heads": 1,
        "alignment_heads": 1,
        "cascade_layers": 1,
        "cascade_heads": 1,
        "lstm_hidden": 2,
    }
    model = make(**sizes, **ones, fusion_dim=3, num_classes=2)
    x = [torch.randn(2, n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3, 1)]
    masks = {"audio": torch.tensor([[True, True, True], [False, True, False]])}
    present = {"video": torch.tensor([True, False])}

    def loss(*x):
        return model.training_loss(model(*x, masks=masks, present=present), torch.tensor([0, 1]))["loss"]

    assert torch.autograd.gradcheck(loss, x)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_it_learns_a_handful_by_heart(task):
    model = make(torch.float32, task=task, dropout=0.0, cascade_layers=1).train()
    x = utterances(batch=8, dtype=torch.float32)
    masks = {m: torch.arange(STEPS[m]) < torch.randint(1, STEPS[m] + 1, (8, 1)) for m in SIZES}
    labels = torch.arange(8) % 4 if task == "classification" else torch.linspace(-3, 3, 8)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(50):
        optimiser.zero_grad()
        losses = model.training_loss(model(**x, masks=masks), labels)
        if losses["loss"] < 0.05:
            break
        losses["loss"].backward()
        optimiser.step()
    output = model.eval()(**x, masks=masks)
    if task == "classification":
        assert torch.equal(output.logits.argmax(-1), labels)
    else:
        assert (output.value - labels).abs().mean() < 0.3


def test_it_learns_what_only_two_modalities_together_tell():
    """The class is whether sound and picture agree."""
    signs = torch.randint(0, 2, (2, 96)) * 2 - 1
    x = {
        m: torch.randn(96, STEPS[m], SIZES[m]) * 0.3 + signs[i].view(-1, 1, 1)
        for i, m in enumerate(("audio", "video"))
    }
    labels = (signs[0] == signs[1]).long()
    model = make(torch.float32, dropout=0.0, cascade_layers=1, num_classes=2, modalities=("audio", "video"))
    optimiser = torch.optim.Adam(model.train().parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = model.training_loss(model(**{m: v[:64] for m, v in x.items()}), labels[:64])["loss"]
        if loss < 0.03:
            break
        loss.backward()
        optimiser.step()
    predicted = model.eval()(**{m: v[64:] for m, v in x.items()}).logits.argmax(-1)
    assert (predicted == labels[64:]).float().mean() > 0.9


def test_inference_takes_no_other_way():
    """Without gradients torch's Transformer takes fused kernels."""
    for dtype, close in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        model = make(dtype, encoder_layers=2)
        x = utterances(dtype=dtype)
        masks = lengths(dict(STEPS), dict.fromkeys(SIZES, 0), {"text": 2, "audio": 0, "video": 1})
        x = {m: v.masked_fill(~masks[m].unsqueeze(-1), torch.nan) for m, v in x.items()}
        output = model(**x, masks=masks)
        with torch.inference_mode():
            assert_same(model(**x, masks=masks), output, rtol=0, atol=close)


def test_modality_dropout_is_for_training_only():
    model = make(modality_dropout=0.5)
    x = utterances(batch=64)
    here = torch.rand(64) > 0.5
    output = model.train()(**x, present={"audio": here})
    left = torch.stack([output.present[m] for m in SIZES])
    assert left.any(0).all()
    assert not left.all()
    assert not (output.present["audio"] & ~here).any()
    assert all((output.features[m][~output.present[m]] == 0).all() for m in SIZES)
    assert all(p.all() for m, p in model.eval()(**x).present.items())


def test_scalers_standardise_and_travel_with_the_weights():
    model = make()
    x = utterances()
    model.fit_scaler("audio", x["audio"].flatten(0, 1) * 100 + 7)
    other = make()
    other.load_state_dict(model.state_dict())
    shifted = {**x, "audio": x["audio"] * 100 + 7}
    assert_same(other(**shifted), model(**shifted))
    scaler = model.scalers["audio"]
    torch.testing.assert_close(
        scaler(shifted["audio"]).mean((0, 1)), torch.zeros(5).double(), atol=1e-5, rtol=0
    )
    with pytest.raises(EmofuseError, match="text, audio, video"):
        model.fit_scaler("smell", x["audio"])


def test_the_configuration_and_the_weights_rebuild_it():
    model = make(modalities=("audio", "text"), bilstm=False)
    again = CMMSF(CMMSFConfig.model_validate_json(model.config.model_dump_json())).double().eval()
    again.load_state_dict(model.state_dict())
    x = utterances(modalities=("text", "audio"))
    assert_same(again(**x), model(**x))


def test_reduced_precision():
    model = make(torch.float32)
    x = utterances(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model.train()(**x)
        loss = model.training_loss(output, torch.tensor([0, 1, 2]))["loss"]
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({}, "at least one of text, audio, video"),
        ({"text": torch.randn(2, 4, 3)}, r"text has shape \(2, 4, 3\).*\(2, T, 7\)"),
        ({"text": torch.randn(2, 7)}, "text has shape"),
        ({"text": torch.randn(2, 0, 7)}, "T > 0"),
        ({"text": torch.randn(2, 4, 7), "audio": torch.randn(3, 4, 5)}, "audio has shape"),
        ({"text": torch.randn(2, 4, 7), "masks": {"text": torch.ones(2, 5).bool()}}, r"masks\['text'\]"),
        ({"text": torch.randn(2, 4, 7), "present": {"audio": torch.ones(3).bool()}}, r"present\['audio'\]"),
    ],
    ids=["nothing", "width", "no time", "no step", "rows", "mask", "present"],
)
def test_inputs_that_do_not_fit(inputs, what):
    with pytest.raises(EmofuseError, match=what):
        make(torch.float32)(**inputs)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "num_classes"),
        ({"task": "regression", "num_classes": 3}, "num_classes"),
        ({"num_classes": 3, "encoder_dim": 9}, "encoder_heads"),
        ({"num_classes": 3, "conv_kernel": 2}, "odd"),
        ({"num_classes": 3, "dim": 5, "cascade_heads": 5}, "divide"),
        ({"num_classes": 3, "text_encoders": ("bert", "bert")}, "twice"),
        ({"num_classes": 3, "audio_encoders": ()}, "audio_encoders"),
        ({"num_classes": 3, "video_encoders": ("bigru",)}, "video_encoders"),
        ({"num_classes": 3, "dropuot": 0.1}, "dropuot"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit(options, what):
    with pytest.raises(EmofuseError, match=what) as caught:
        create_model("cm-msf", **options)
    assert "\n" not in str(caught.value)


def test_the_papers_settings():
    config = CMMSFConfig.paper(task="regression")
    assert (config.encoder_layers, config.encoder_heads, config.dropout, config.lstm_hidden) == (
        5,
        8,
        0.3,
        100,
    )
    assert (config.audio_rate, config.video_rate) == (12.5, 15.0)
    assert (config.cascade_heads, config.cascade_layers) == (5, 8)
    model = create_model("cm-msf", preset="paper", task="regression")
    assert [e.__class__.__name__ for e in model.encoders["video"].encoders] == [
        "PrecomputedStates",
        "TemporalTransformer",
    ]
    assert len(model.encoders["audio"].encoders[0].layers.layers) == 5
    assert {len(e.layers) for e in model.cascade.encoders.values()} == {8}


def test_any_number_of_heads_can_be_swept():
    for heads in range(1, 9):
        output = make(cascade_heads=heads, alignment_heads=heads)(**utterances(batch=1))
        assert torch.isfinite(output.logits).all()


def test_tiny_is_small_and_works():
    model = create_model("cm-msf", preset="tiny", num_classes=3)
    assert sum(p.numel() for p in model.parameters()) < 400_000
    output = model(text=torch.randn(2, 9, 768), audio=torch.randn(2, 11, 80), video=torch.randn(2, 4, 2048))
    assert output.logits.shape == (2, 3)
    assert F.softmax(output.logits, -1).equal(output.probabilities)
