"""MFCRE as a whole: its figure, its equations, its masks, and that it learns."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from emofuse.errors import EmofuseError
from emofuse.losses import SampleWeightedFocalContrastiveLoss, SoftHGRLoss
from emofuse.models import MFCRE, MFCREConfig, create_model
from tests.nn.tensor_sizes import largest_tensor

SIZES = {"text": 7, "audio": 5, "video": 6}
CONTEXTS = [
    {},
    {"window": 3},
    {"context": "causal"},
    {"context": "causal", "window": 3},
    {"context": "none"},
]
ABLATIONS = ["dialogue_crn", "simam", "modality_encoder", "multi_attn", "swfc", "soft_hgr"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(dtype=torch.float64, **options) -> MFCRE:
    sizes = {f"{m}_dim": size for m, size in SIZES.items()}
    settings = {"num_classes": 4, "dim": 16, "ff_dim": 32, "heads": 2, **sizes, **options}
    return MFCRE(MFCREConfig(**settings)).to(dtype).eval()


def dialogues(batch=3, length=8, modalities=tuple(SIZES), dtype=torch.float64) -> dict[str, Tensor]:
    return {m: torch.randn(batch, length, SIZES[m], dtype=dtype) for m in modalities}


def assert_same(a, b, rows=..., **tolerance):
    torch.testing.assert_close(a.logits[rows], b.logits[rows], **tolerance)
    torch.testing.assert_close(a.fused[rows], b.fused[rows], **tolerance)
    for m in a.features:
        torch.testing.assert_close(a.features[m][rows], b.features[m][rows], **tolerance)


@pytest.mark.parametrize("activation", [False, True])
def test_the_forward_pass_is_figure_1(activation):
    model = make(input_activation=activation)
    x = dialogues()
    everyone = dict.fromkeys(SIZES, torch.ones(3, 8, dtype=torch.bool))
    c = {m: model.inputs[m](x[m]) for m in SIZES}
    contextual = {m: model.dialogue_crn[m](c[m].relu() if activation else c[m]) for m in SIZES}
    f = model.multi_attn(model.modality_encoder(contextual, everyone), everyone)
    output = model(**x)
    for m in SIZES:
        torch.testing.assert_close(output.features[m], f[m])


def test_the_classifier_is_equations_6_to_10():
    model = make(mlp_dim=5)
    output = model(**dialogues())
    for b, i in itertools.product(range(3), range(8)):
        f_i = torch.cat([output.features[m][b, i] for m in ("text", "audio", "video")])  # (6)
        z_i = model.fully_connected.weight @ f_i + model.fully_connected.bias  # (7)
        l_i = torch.clamp(model.hidden.weight @ z_i + model.hidden.bias, min=0)  # (8)
        logits = model.classifier.weight @ l_i + model.classifier.bias
        torch.testing.assert_close(output.fused[b, i], z_i)
        torch.testing.assert_close(output.probabilities[b, i], logits.exp() / logits.exp().sum())  # (9)
        assert output.logits[b, i].argmax() == logits.argmax()  # (10)


@pytest.mark.parametrize("options", CONTEXTS, ids=str)
@pytest.mark.parametrize("without", [None, *ABLATIONS[:4]])
def test_a_dialogue_alone_and_in_a_padded_batch(options, without):
    model = make(torch.float32, **options, **({without: False} if without else {}))
    x = dialogues(dtype=torch.float32)
    lengths = [8, 1, 5]
    mask = torch.arange(8) < torch.tensor(lengths).unsqueeze(1)
    x = {m: v.masked_fill(~mask.unsqueeze(-1), torch.nan) for m, v in x.items()}
    batch = model(**x, mask=mask)
    for b, length in enumerate(lengths):
        alone = model(**{m: v[b : b + 1, :length] for m, v in x.items()})
        torch.testing.assert_close(alone.logits[0], batch.logits[b, :length], rtol=0, atol=1e-5)
        torch.testing.assert_close(alone.fused[0], batch.fused[b, :length], rtol=0, atol=1e-5)
        assert (batch.logits[b, length:] == 0).all()
        assert all((f[b, length:] == 0).all() for f in batch.features.values())


def test_the_order_of_dialogues_and_of_modalities_does_not_matter():
    model = make()
    x = dialogues()
    output = model(**x)
    turned = model(**{m: v.flip(0) for m, v in x.items()})
    torch.testing.assert_close(turned.logits.flip(0), output.logits)
    other = make(modalities=("video", "text", "audio"))
    other.load_state_dict(model.state_dict())
    assert_same(other(**dict(reversed(x.items()))), output)


@pytest.mark.parametrize("options", CONTEXTS, ids=str)
def test_what_is_absent_has_no_influence(options):
    model = make(**options)
    x = dialogues()
    present = {m: torch.rand(3, 8) > 0.4 for m in SIZES}
    holed = {m: v.masked_fill(~present[m].unsqueeze(-1), torch.nan) for m, v in x.items()}
    output = model(**x, present=present)
    assert_same(output, model(**holed, present=present))
    assert torch.isfinite(output.logits).all()


def test_a_modality_that_is_not_given_is_absent_everywhere():
    model = make()
    x = dialogues()
    nowhere = torch.zeros(3, 8, dtype=torch.bool)
    assert_same(model(text=x["text"], audio=x["audio"]), model(**x, present={"video": nowhere}))


def test_an_utterance_of_which_nothing_is_known_is_told_from_its_context():
    model = make()
    x = dialogues()
    present = {m: torch.ones(3, 8, dtype=torch.bool) for m in SIZES}
    for m in SIZES:
        present[m][:, 4] = False
    before = model(**x, present=present).logits[:, 4]
    changed = {m: v.index_fill(1, torch.tensor([3]), 1.0) for m, v in x.items()}
    after = model(**changed, present=present).logits[:, 4]
    assert torch.isfinite(before).all()
    assert not torch.allclose(before, after)


@pytest.mark.parametrize(
    ("options", "reaches"),
    [
        ({}, range(8)),
        ({"context": "causal"}, range(4, 8)),
        ({"context": "causal", "window": 2}, range(4, 8)),
        ({"context": "none"}, [4]),
    ],
    ids=str,
)
def test_which_utterances_learn_of_one(options, reaches):
    model = make(**options)
    x = dialogues(batch=1)
    changed = {m: v.index_fill(1, torch.tensor([4]), 1.0) for m, v in x.items()}
    moved = (model(**x).logits - model(**changed).logits).abs().amax(-1)[0] > 1e-12
    assert [i for i in range(8) if moved[i]] == list(reaches)


def test_without_context_an_utterance_is_a_dialogue_of_one():
    alone, plain = make(context="none"), make()
    plain.load_state_dict(alone.state_dict())
    x = dialogues(batch=2, length=3)
    output = alone(**x)
    for b, i in itertools.product(range(2), range(3)):
        single = plain(**{m: v[b : b + 1, i : i + 1] for m, v in x.items()})
        torch.testing.assert_close(output.logits[b, i], single.logits[0, 0])


@pytest.mark.parametrize("modalities", [("text",), ("audio", "video")])
def test_fewer_modalities(modalities):
    model = make(modalities=modalities)
    x = dialogues(modalities=modalities)
    output = model(**x)
    parts = model.training_loss(output, torch.randint(0, 4, (3, 8)))
    assert set(output.features) == set(modalities)
    assert torch.isfinite(parts["loss"])
    if len(modalities) == 1:  # nothing to correlate with: cross-entropy takes the share
        expected = 0.4 * parts["swfc"] + 0.6 * parts["cross_entropy"]
        torch.testing.assert_close(parts["loss"], expected)


def test_the_loss_is_equation_15():
    model = make(mu1=0.35, mu2=0.25, l2=1e-3, temperature=0.7, alpha=0.6, gamma=2.0)
    x = dialogues()
    mask = torch.arange(8) < torch.tensor([[8], [3], [6]])
    labels = torch.randint(0, 4, (3, 8)).masked_fill(~mask, -100)
    labels[0, 2] = -100
    output = model(**x, mask=mask)
    rows = [(b, i) for b in range(3) for i in range(8) if mask[b, i]]
    known = [(b, i) for b, i in rows if labels[b, i] >= 0]
    y = torch.stack([labels[at] for at in known])
    cross_entropy = -sum(torch.log(output.probabilities[at][labels[at]]) for at in known)
    swfc = SampleWeightedFocalContrastiveLoss(0.7, 0.6, 2.0)(
        torch.stack([output.fused[at] for at in known]), y, torch.bincount(y, minlength=4)
    )
    hgr = SoftHGRLoss()(*(torch.stack([output.features[m][at] for at in rows]) for m in SIZES))
    theta = sum((p**2).sum() for p in model.parameters())
    expected = (0.35 * swfc + 0.25 * hgr + 0.4 * cross_entropy) / len(known) + 1e-3 * theta
    parts = model.training_loss(output, labels)
    torch.testing.assert_close(parts["loss"], expected)
    torch.testing.assert_close(parts["soft_hgr"], hgr / len(known))


def test_adams_weight_decay_of_twice_lambda_is_the_l2_term():
    x, labels = dialogues(), torch.randint(0, 4, (3, 8))
    after = []
    for l2, decay in ((1e-2, 0.0), (0.0, 2e-2)):
        torch.manual_seed(1)
        model = make(l2=l2)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=decay)
        for _ in range(3):
            optimiser.zero_grad()
            model.training_loss(model(**x), labels)["loss"].backward()
            optimiser.step()
        after.append(torch.cat([p.flatten() for p in model.parameters()]))
    torch.testing.assert_close(after[0], after[1])


@pytest.mark.parametrize("labels", ["none", "one", "one class", "no positives"])
def test_odd_labels_give_a_finite_loss(labels):
    model = make()
    output = model(**dialogues(batch=1))
    y = torch.full((1, 8), -100)
    if labels == "one":
        y[0, 3] = 2
    if labels == "one class":
        y[:] = 1
    if labels == "no positives":
        y[0, :4] = torch.arange(4)
    parts = model.training_loss(output, y)
    parts["loss"].backward()
    assert all(torch.isfinite(part) for part in parts.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    if labels == "none":
        assert parts["cross_entropy"] == parts["swfc"] == 0


def test_class_weights_weigh_the_cross_entropy():
    model = make()
    output = model(**dialogues())
    labels = torch.randint(0, 4, (3, 8))
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    losses = F.cross_entropy(output.logits.flatten(0, 1), labels.flatten(), reduction="none")
    expected = (weights[labels.flatten()] * losses).mean()
    torch.testing.assert_close(
        model.training_loss(output, labels, class_weights=weights)["cross_entropy"], expected
    )


def test_absent_modalities_stay_out_of_soft_hgr():
    model = make()
    present = {"audio": torch.rand(3, 8) > 0.5}
    output = model(**dialogues(), present=present)
    labels = torch.randint(0, 4, (3, 8))
    rows = {m: p.flatten() for m, p in output.present.items()}
    hgr = SoftHGRLoss()(**{m: f.flatten(0, 1) for m, f in output.features.items()}, present=rows)
    torch.testing.assert_close(model.training_loss(output, labels)["soft_hgr"], hgr / 24)
    fewer = model.training_loss(output, labels, present={"audio": torch.zeros(3, 8, dtype=torch.bool)})
    two = SoftHGRLoss()(
        text=output.features["text"].flatten(0, 1), video=output.features["video"].flatten(0, 1)
    )
    torch.testing.assert_close(fewer["soft_hgr"], two / 24)


@pytest.mark.parametrize("without", ABLATIONS)
def test_every_ablation_leaves_something_out(without):
    whole, part = make(), make(**{without: False})
    labels = torch.randint(0, 4, (3, 8))
    x = dialogues()
    parts = part.training_loss(part(**x), labels)
    parts["loss"].backward()
    count = [sum(p.numel() for p in m.parameters()) for m in (whole, part)]
    if without in ("dialogue_crn", "modality_encoder", "multi_attn"):
        assert count[1] < count[0]
    else:
        assert count[1] == count[0]
    if without in ("swfc", "soft_hgr"):
        assert parts[without] == 0
        mu = {"swfc": 0.3, "soft_hgr": 0.4}[without]
        (other,) = {"swfc", "soft_hgr"} - {without}
        torch.testing.assert_close(parts["loss"], mu * parts[other] + (1 - mu) * parts["cross_entropy"])
    if without == "simam":
        part.load_state_dict(whole.state_dict())
        assert not torch.allclose(part(**x).logits, whole(**x).logits)


@pytest.mark.parametrize("options", CONTEXTS[:4], ids=str)
def test_every_parameter_learns(options):
    model = make(**options)
    present = {m: torch.rand(3, 8) > 0.3 for m in SIZES}
    output = model(**dialogues(), present=present)
    model.training_loss(output, torch.randint(0, 4, (3, 8)))["loss"].backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or (p.grad == 0).all()]
    assert still == []


def test_gradients_of_the_whole():
    sizes = {"text_dim": 2, "audio_dim": 2, "video_dim": 2}
    model = make(dim=4, ff_dim=4, heads=1, multi_attn_layers=1, num_classes=2, **sizes)
    x = [torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    labels = torch.tensor([[0, 1, 0]])
    assert torch.autograd.gradcheck(lambda *x: model.training_loss(model(*x), labels)["loss"], x)


@pytest.mark.parametrize("context", ["bidirectional", "causal"])
def test_it_learns_a_few_dialogues_by_heart(context):
    model = make(torch.float32, context=context, dropout=0.0, multi_attn_layers=1).train()
    x = dialogues(batch=4, length=6, dtype=torch.float32)
    mask = torch.arange(6) < torch.tensor([[6], [4], [1], [5]])
    labels = torch.randint(0, 4, (4, 6)).masked_fill(~mask, -100)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        output = model(**x, mask=mask)
        if (output.logits.argmax(-1) == labels)[mask].all():
            break
        model.training_loss(output, labels)["loss"].backward()
        optimiser.step()
    predicted = model.eval()(**x, mask=mask).logits.argmax(-1)
    assert (predicted == labels)[mask].all()


def test_context_solves_what_the_utterance_alone_cannot():
    """The label is which kind of utterance came two before."""
    kinds = torch.randint(0, 4, (64, 10))
    prototypes = torch.randn(4, SIZES["text"])
    text, labels = prototypes[kinds], torch.cat([torch.full((64, 2), -100), kinds[:, :-2]], dim=1)
    right = {}
    for context in ("causal", "none"):
        torch.manual_seed(0)
        model = make(torch.float32, context=context, modalities=("text",), dropout=0.0, swfc=False)
        optimiser = torch.optim.Adam(model.train().parameters(), lr=1e-2)
        for _ in range(25):
            optimiser.zero_grad()
            model.training_loss(model(text[:48]), labels[:48])["loss"].backward()
            optimiser.step()
        predicted = model.eval()(text[48:]).logits.argmax(-1)
        right[context] = float((predicted == labels[48:])[labels[48:] >= 0].float().mean())
    assert right["causal"] > 0.9
    assert right["none"] < 0.5


def test_scalers_standardise_and_travel_with_the_weights():
    model = make()
    x = dialogues()
    model.fit_scaler("audio", x["audio"].flatten(0, 1) * 100 + 7)
    other = make()
    other.load_state_dict(model.state_dict())
    shifted = {**x, "audio": x["audio"] * 100 + 7}
    assert_same(other(**shifted), model(**shifted))
    with pytest.raises(EmofuseError, match="not smell"):
        model.fit_scaler("smell", x["audio"][0])


@pytest.mark.parametrize("options", [{"window": 8}, {"context": "causal", "window": 8}], ids=str)
def test_very_long_dialogues_need_memory_in_proportion(options):
    model = make(torch.float32, **options)
    sizes = [largest_tensor(lambda n=n: model(**dialogues(1, n, dtype=torch.float32))) for n in (1000, 2000)]
    assert sizes[1] <= 2 * sizes[0]


def test_two_thousand_utterances_without_a_window():
    model = make(torch.float32, modalities=("text",))
    x = dialogues(1, 2000, ("text",), dtype=torch.float32)
    logits = []
    assert largest_tensor(lambda: logits.append(model(**x).logits)) < 2000 * 2000
    assert torch.isfinite(logits[0]).all()


def test_reduced_precision():
    model = make(torch.float32)
    x = dialogues(dtype=torch.float32)
    expected = model(**x).logits
    with torch.autocast("cpu", torch.bfloat16):
        output = model(**x)
        parts = model.training_loss(output, torch.randint(0, 4, (3, 8)))
    assert torch.isfinite(parts["loss"])
    assert parts["loss"].dtype == torch.float32
    assert (output.logits.float() - expected).abs().max() < 0.1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda x: {**x, "audio": x["audio"][..., :3]}, "audio features have shape"),
        (lambda x: {**x, "video": x["video"][:, :2]}, "video features have shape"),
        (lambda x: {"text": x["text"][0]}, "dialogues"),
        (lambda x: {"text": x["text"][:, :0]}, "N > 0"),
        (lambda x: {}, "at least one of text, audio, video"),
        (lambda x: {**x, "mask": torch.tensor([[True] * 3 + [False, True] * 2 + [True]] * 3)}, "padding"),
        (lambda x: {**x, "present": {"text": torch.ones(3, dtype=torch.bool)}}, "present"),
    ],
)
def test_wrong_inputs_are_named(change, what):
    with pytest.raises(EmofuseError, match=what) as caught:
        make()(**change(dialogues()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"dim": 10, "heads": 4}, "multiple of heads"),
        ({"kernel_size": 4}, "odd"),
        ({"mu1": 0.7, "mu2": 0.4}, "mu1 \\+ mu2"),
        ({"modalities": ("text", "text")}, "twice"),
        ({"context": "future"}, "context"),
        ({"window": 0}, "window"),
    ],
    ids=str,
)
def test_settings_that_do_not_fit(options, what):
    with pytest.raises(EmofuseError, match=what):
        create_model("mfcre", num_classes=3, **options)


def test_presets_have_the_papers_layers():
    assert create_model("mfcre", preset="tiny", num_classes=3).config.dim == 64
    assert MFCREConfig.iemocap(6).multi_attn_layers == 6
    assert MFCREConfig.meld(7).multi_attn_layers == 2
    assert MFCREConfig.meld(7).loss_weights == pytest.approx((0.4, 0.3, 0.3))


def test_within_a_window_places_come_round_after_two_windows():
    assert 2 * math.pi * MFCREConfig(num_classes=2, window=8).position_base == pytest.approx(16)
    assert MFCREConfig(num_classes=2).position_base == 10_000
    assert make(window=8).modality_encoder.shared["text"].base == pytest.approx(16 / (2 * math.pi))


def test_modality_dropout_withholds_whole_utterances_in_training_alone():
    model, x = make(modality_dropout=0.5), dialogues(batch=4, length=50)
    had = {"audio": torch.rand(4, 50) > 0.5}
    told = model(**x, present=had)
    assert torch.equal(told.present["audio"], had["audio"])
    assert told.present["text"].all()
    left = model.train()(**x, present=had).present
    assert not (left["audio"] & ~had["audio"]).any()
    assert 0.3 < float(left["text"].double().mean()) < 0.8
    assert torch.stack(list(left.values())).any(0).all(), "every utterance keeps something"


def test_feature_dropout_hides_numbers_of_the_features_in_training_alone():
    model = make(feature_dropout=0.75, dropout=0.0).train()
    seen: list[Tensor] = []
    model.inputs["text"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    ones = {"text": torch.ones(20, 30, SIZES["text"], dtype=torch.float64)}
    model(**ones)
    assert (seen[-1] == 0).double().mean().item() == pytest.approx(0.75, abs=0.03)
    assert torch.all((seen[-1] == 0) | (seen[-1] == 4))  # what is left is scaled up by 1 / 0.25
    model.eval()(**ones)
    assert torch.equal(seen[-1], ones["text"])
