"""DeepMSI-MER as a whole: what may and what may not influence its output, Eq. 7, and that it learns."""

from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import SwinConfig, SwinModel, Swinv2Config, Swinv2Model

from emofuse.data.modality import MODALITIES
from emofuse.errors import EmofuseError
from emofuse.models import DeepMSIMER, DeepMSIMERConfig
from emofuse.nn import VSCConfig
from emofuse.nn.window_runner import CHUNK_TOKENS
from tests.losses.literal_contrastive import literal_pair, similarities

SUBSETS = [subset for size in (1, 2, 3) for subset in combinations(MODALITIES, size)]
SWIN = {
    "patch_size": 4,
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (2, 2),
    "window_size": 4,
    "mlp_ratio": 2.0,
    "drop_path_rate": 0.0,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def small(**options) -> DeepMSIMER:
    settings = {
        "num_classes": 4,
        "text_dim": 10,
        "audio_dim": 6,
        "image_size": 32,
        "frames": 3,
        "tcn_channels": (12, 12),
        "fusion_hidden": 16,
        "projection_dim": 8,
        "classifier_hidden": (16,),
        "swin": SWIN,
        "vsc": {"stage": 0, "grids": (6,), "windows": (3,)},
    }
    return DeepMSIMER(DeepMSIMERConfig(**(settings | options)))


def utterances(count: int = 5, side: int = 32) -> dict[str, Tensor]:
    return {
        "text": torch.randn(count, 10),
        "audio": torch.randn(count, 6),
        "frames": torch.randint(0, 256, (count, 3, 3, side, side), dtype=torch.uint8),
    }


def argument(modality: str) -> str:
    return "frames" if modality == "video" else modality


@pytest.mark.parametrize("modalities", SUBSETS, ids="+".join)
def test_every_subset_of_modalities_trains_and_predicts(modalities):
    model, batch, labels = small(modalities=modalities), utterances(), torch.tensor([0, 1, 0, 3, 1])
    output = model(**batch)
    losses = model.training_loss(output, labels)
    losses["loss"].backward()
    assert output.logits.shape == (5, 4)
    assert list(output.features) == list(modalities)
    assert all(x.shape == (5, 8) for x in output.features.values())
    assert len(output.kept) == ("video" in modalities)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert (losses["contrastive"].item() > 0) == ("video" in modalities and len(modalities) > 1)
    torch.testing.assert_close(output.probabilities.sum(dim=1), torch.ones(5))


def test_the_settings_say_how_many_tokens_are_taken_at_once():
    def swin(**options):
        return DeepMSIMER(DeepMSIMERConfig.tiny(num_classes=2, **options)).swin

    assert swin(chunk_tokens=0).runner.chunk_tokens == 0
    assert swin().runner.chunk_tokens == CHUNK_TOKENS


def test_a_modality_that_is_off_is_ignored():
    model, batch = small(modalities=("text", "video")).eval(), utterances()
    other = batch | {"audio": torch.full((5, 6), float("nan"))}
    assert torch.equal(model(**batch).logits, model(**other).logits)


@pytest.mark.parametrize("modality", MODALITIES)
def test_what_an_absent_modality_holds_has_no_influence(modality):
    model, batch = small().eval(), utterances()
    present = {modality: torch.tensor([True, False, True, False, True])}
    held = batch[argument(modality)].clone()
    held[1] = 255 if modality == "video" else float("nan")
    held[3] = 17 if modality == "video" else float("inf")
    before, after = (
        model(**batch, present=present),
        model(**(batch | {argument(modality): held}), present=present),
    )
    assert torch.isfinite(after.logits).all()
    assert torch.equal(before.logits, after.logits)
    assert after.present[modality].tolist() == present[modality].tolist()
    everywhere = model(**batch).logits
    assert torch.equal(everywhere[0], before.logits[0])
    assert not torch.allclose(everywhere[1], before.logits[1])


@pytest.mark.parametrize("modality", MODALITIES)
def test_nothing_given_is_the_same_as_absent_in_every_row(modality):
    model, batch = small().eval(), utterances()
    nowhere = {modality: torch.zeros(5, dtype=torch.bool)}
    expected = model(**batch, present=nowhere).logits
    got = model(**(batch | {argument(modality): None})).logits
    torch.testing.assert_close(got, expected)


def test_an_absent_row_gets_no_gradient_through_its_features():
    model, batch = small(), utterances()
    batch["text"].requires_grad_()
    present = {"text": torch.tensor([True, True, False, True, True])}
    output = model(**batch, present=present)
    model.training_loss(output, torch.tensor([0, 0, 0, 1, 1]))["loss"].backward()
    assert (batch["text"].grad[2] == 0).all()
    assert (batch["text"].grad[0] != 0).any()
    assert (model.absent["text"].grad != 0).any()


def test_rows_without_anything_get_one_and_the_same_answer():
    model, batch = small().eval(), utterances()
    nothing = {name: torch.tensor([True, False, True, False, True]) for name in MODALITIES}
    logits = model(**batch, present=nothing).logits
    assert torch.isfinite(logits).all()
    assert torch.equal(logits[1], logits[3])


def test_without_any_input_it_says_so():
    with pytest.raises(EmofuseError, match="text, audio"):
        small(modalities=("text", "audio"))(frames=utterances()["frames"])


@pytest.mark.parametrize("options", [{}, {"vsc": {"stage": 0, "grids": (6,), "threshold": 0.3}}], ids=str)
def test_rows_are_independent_and_may_change_places(options):
    model, batch = small(**options).eval(), utterances()
    expected = model(**batch).logits
    order = torch.tensor([4, 2, 0, 1, 3])
    moved = model(**{name: x[order] for name, x in batch.items()}).logits
    torch.testing.assert_close(moved, expected[order], atol=1e-6, rtol=1e-5)
    alone = model(**{name: x[2:3] for name, x in batch.items()}).logits
    torch.testing.assert_close(alone, expected[2:3], atol=1e-6, rtol=1e-5)


def test_kept_patches_are_told_apart_by_row_and_frame():
    model, batch = small().eval(), utterances()
    (kept,) = model(**batch).kept
    assert (kept.stage, kept.block, kept.grid, kept.indices.shape) == (0, 0, (8, 8), (5, 3, 36))
    one = {"text": batch["text"][1:2], "audio": batch["audio"][1:2], "frames": batch["frames"][1:2, 2:3]}
    assert torch.equal(model(**one).kept[0].indices[0, 0], kept.indices[1, 2])


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({}, {"text", "audio"}),
        ({"steer_by": ("text",)}, {"text"}),
        ({"steer_by": ("audio",)}, {"audio"}),
        ({"steer_by": ()}, set()),
        ({"vsc": None}, set()),
    ],
)
def test_only_what_steers_reaches_the_frames(options, moves):
    model, batch = small(**options).eval(), utterances()
    before = model(**batch).features["video"]
    for name in ("text", "audio"):
        other = batch | {name: 9 * torch.randn_like(batch[name])}
        assert torch.equal(model(**other).features["video"], before) == (name not in moves)


def test_a_row_without_text_and_audio_is_steered_by_the_image_alone():
    model, batch = small().eval(), utterances()
    silent = {name: torch.zeros(5, dtype=torch.bool) for name in ("text", "audio")}
    by_image = small(steer_by=()).eval()
    by_image.load_state_dict({n: x for n, x in model.state_dict().items() if "early_fusion" not in n})
    got, expected = model(**batch, present=silent), by_image(**batch, present=silent)
    torch.testing.assert_close(got.logits, expected.logits)


def test_rows_without_a_video_have_no_patches_and_no_part_in_batch_statistics():
    model, batch = small(frame_batch_norm=True, dropout=0.0), utterances()
    present = torch.tensor([True, False, True, True, False])
    output = model(**batch, present={"video": present})
    assert (output.kept[0].indices[~present] == -1).all()
    assert (output.kept[0].indices[present] >= 0).all()
    mean = model.temporal.norm.running_mean.clone()
    again = small(frame_batch_norm=True, dropout=0.0)
    again.load_state_dict(model.state_dict())
    again.temporal.norm.reset_running_stats()
    again(**{name: x[present] for name, x in batch.items()})
    torch.testing.assert_close(again.temporal.norm.running_mean, mean)


def test_frames_that_no_row_has_have_no_patches_and_no_part_in_batch_statistics():
    model, batch = small(frame_batch_norm=True, dropout=0.0), utterances()
    before = {name: x.clone() for name, x in model.state_dict().items() if "temporal.norm" in name}
    output = model(**batch, present={"video": torch.zeros(5, dtype=torch.bool)})
    model.training_loss(output, torch.tensor([0, 1, 0, 1, 2]))["loss"].backward()
    assert (output.kept[0].indices == -1).all()
    assert before
    assert all(torch.equal(model.state_dict()[name], x) for name, x in before.items())
    assert all(p.grad is None or (p.grad == 0).all() for p in model.swin.parameters())
    model(**batch)
    assert not torch.equal(model.temporal.norm.running_mean, before["temporal.norm.running_mean"])


def test_a_swin_that_starts_from_nothing_may_have_a_convolutional_stem_and_varied_clips():
    model, batch = small(convolutional_stem=True, augmentation=1.0), utterances()
    model.training_loss(model(**batch), torch.tensor([0, 1, 2, 3, 0]))["loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert torch.equal(model.eval()(**batch).logits, model(**batch).logits)
    with pytest.raises(ValueError, match="pretrained"):
        small(swin="some/checkpoint", convolutional_stem=True)


def test_semantics_learn_to_steer():
    """The compression passes a gradient to the early fusion MLP, which has no other source of one."""
    model, batch = small(), utterances()
    model.training_loss(model(**batch), torch.tensor([0, 1, 2, 3, 0]))["cross_entropy"].backward()
    assert (model.early_fusion.mlp.layers[0].weight.grad != 0).any()


def test_loss_is_equation_7():
    model, batch = small(alpha_ce=0.7, beta_cl=0.3, temperature=0.2).double().eval(), utterances()
    batch = {name: x.double() if x.is_floating_point() else x for name, x in batch.items()}
    labels = torch.tensor([0, 1, 0, 1, 0])
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    present = {"audio": torch.tensor([True, True, False, True, True])}
    output = model(**batch, present=present)
    losses = model.training_loss(output, labels, weights)
    log_p = output.logits.log_softmax(dim=1)
    cross_entropy = -sum(weights[y] * log_p[i, y] for i, y in enumerate(labels)) / sum(
        weights[y] for y in labels
    )
    video, text, audio = (output.features[name].detach() for name in ("video", "text", "audio"))
    held = [0, 1, 3, 4]  # the rows with a sound
    pairs = (
        literal_pair(similarities(video, text), labels.tolist(), 0.2),
        literal_pair(similarities(video[held], audio[held]), labels[held].tolist(), 0.2),
    )
    contrastive = torch.tensor(sum(pairs) / 2, dtype=torch.float64)
    torch.testing.assert_close(losses["cross_entropy"], cross_entropy)
    torch.testing.assert_close(losses["contrastive"], contrastive)
    torch.testing.assert_close(losses["loss"], 0.7 * cross_entropy + 0.3 * contrastive)
    stricter = model.training_loss(output, labels, weights, {"text": torch.tensor([False] + [True] * 4)})
    assert stricter["contrastive"] != losses["contrastive"]


def test_frames_of_another_size_are_resized():
    model, batch = small().eval(), utterances()
    assert model(**utterances(side=48)).logits.shape == (5, 4)
    grey = torch.full((5, 3, 3, 48, 20), 128, dtype=torch.uint8)
    plain = torch.full((5, 3, 3, 32, 32), 128, dtype=torch.uint8)
    torch.testing.assert_close(
        model(**(batch | {"frames": grey})).logits, model(**(batch | {"frames": plain})).logits
    )


def test_frames_are_normalised_as_the_backbone_expects():
    model = small(image_mean=(0.5, 0.4, 0.3), image_std=(0.2, 0.3, 0.4))
    frames = torch.randint(0, 256, (1, 1, 3, 32, 32), dtype=torch.uint8)
    expected = torch.stack(
        [(frames[0, 0, c] / 255.0 - (0.5, 0.4, 0.3)[c]) / (0.2, 0.3, 0.4)[c] for c in range(3)]
    )
    torch.testing.assert_close(model._pixels(frames)[0], expected)
    with pytest.raises(ValueError, match="uint8"):
        model._pixels(frames.float())


@pytest.mark.parametrize("temporal", ["tcn", "mean", "gru"])
def test_frames_may_be_summed_up_in_three_ways(temporal):
    model, batch = small(temporal=temporal).eval(), utterances()
    backwards = model(**(batch | {"frames": batch["frames"].flip(1)}), present=None).features["video"]
    same = torch.allclose(backwards, model(**batch).features["video"], atol=1e-6)
    assert same == (temporal == "mean")


def test_modality_dropout_takes_whole_modalities_but_never_all():
    model, batch = small(modality_dropout=0.6), utterances(200)
    batch = {name: x[:, :1] if name == "frames" else x for name, x in batch.items()}
    absent = torch.zeros(200, dtype=torch.bool)
    absent[:20] = True
    present = model(**batch, present={"text": ~absent, "audio": ~absent}).present
    held = torch.stack([present[name] for name in MODALITIES])
    assert held.any(dim=0).all()
    assert not held[:2, :20].any()
    # A row keeps a given modality with 0.4, or where all three would go (0.6³), with a third of that.
    assert held[:, 20:].float().mean().item() == pytest.approx(0.4 + 0.6**3 / 3, abs=0.06)
    model.eval()
    assert model(**batch).present["text"].all()


def test_feature_dropout_hides_numbers_of_text_and_sound_in_training_alone():
    model, batch = small(feature_dropout=0.75, dropout=0.0), utterances(1)
    ones = {"text": torch.ones(1, model.config.text_dim), "audio": torch.ones(1, model.config.audio_dim)}
    seen: dict[str, Tensor] = {}
    for name in ones:
        model.projections[name].register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0]})
        )
    hidden = {name: [] for name in ones}
    for _ in range(80):
        model(**ones, frames=batch["frames"][:, :1])
        for name, feature in seen.items():
            hidden[name].append((feature == 0).float().mean())
            assert torch.all((feature == 0) | (feature == 4))  # what is left is scaled up by 1 / 0.25
    assert all(torch.stack(shares).mean() == pytest.approx(0.75, abs=0.05) for shares in hidden.values())
    model.eval()(**ones, frames=batch["frames"][:, :1])
    assert all(torch.equal(seen[name], ones[name]) for name in ones)


def test_scalers_are_part_of_the_model():
    model, batch = small().eval(), utterances()
    shifted = batch | {"text": batch["text"] * 50 + 1000}
    model.fit_scaler("text", shifted["text"].numpy())
    other = small().eval()
    other.load_state_dict(model.state_dict())
    other.fit_scaler("text", batch["text"].numpy().astype(np.float64))
    torch.testing.assert_close(model(**shifted).logits, other(**batch).logits, atol=1e-4, rtol=1e-4)
    with pytest.raises(EmofuseError, match="video"):
        model.fit_scaler("video", np.zeros((2, 3)))


def test_weights_travel_as_safetensors(tmp_path):
    model, batch = small().eval(), utterances()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = DeepMSIMER(DeepMSIMERConfig.model_validate(model.config.model_dump(mode="json"))).eval()
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(again(**batch).logits, model(**batch).logits)


def test_a_pretrained_swin_is_taken_and_its_architecture_remembered(tmp_path):
    library = Swinv2Model(Swinv2Config(image_size=64, **SWIN))
    library.save_pretrained(tmp_path)
    model = small(swin=str(tmp_path))
    expected = library.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.swin.state_dict().items())
    assert isinstance(model.config.swin, dict)
    again = DeepMSIMER(DeepMSIMERConfig.model_validate(model.config.model_dump(mode="json")))
    again.load_state_dict(model.state_dict())


def test_swin_v1_is_rebuilt_from_what_the_model_remembers(tmp_path):
    library = SwinModel(SwinConfig(**SWIN, image_size=64))
    library.save_pretrained(tmp_path)
    model = small(swin=str(tmp_path), swin_version=1).eval()
    assert torch.equal(model.swin.layernorm.weight, library.layernorm.weight)
    again = DeepMSIMER(DeepMSIMERConfig.model_validate(model.config.model_dump(mode="json"))).eval()
    again.load_state_dict(model.state_dict())
    inputs = utterances()
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)
    with pytest.raises(EmofuseError, match="SwinConfig"):
        small(swin={**SWIN, "pretrained_window_sizes": [4, 4]}, swin_version=1)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"swin": SWIN | {"embed": 3}}, "embed"),
        ({"swin": SWIN | {"num_heads": (3, 3)}}, "not consistent"),
        ({"vsc": {"stage": 0, "grids": (9,)}}, "8x8"),
        ({"swin": "no/such/folder"}, "no/such/folder"),
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_named(options, what):
    with pytest.raises(EmofuseError, match=what):
        small(**options)


@pytest.mark.parametrize("modalities", [MODALITIES, ("video",)], ids="+".join)
def test_it_learns_eight_utterances_by_heart(modalities):
    model, batch = small(dropout=0.0, modalities=modalities), utterances(8)
    labels = torch.arange(8) % 4
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(120):
        optimizer.zero_grad()
        model.training_loss(model.train()(**batch), labels)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 15 == 14:
            logits = model.eval()(**batch).logits.detach()
            if torch.equal(logits.argmax(dim=1), labels) and F.cross_entropy(logits, labels) < 0.2:
                return
    pytest.fail(f"after {step + 1} steps it says {logits}")


def test_mixed_precision_trains():
    model, batch = small(), utterances()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.training_loss(model(**batch), torch.tensor([0, 1, 0, 1, 2]))
    losses["loss"].backward()
    assert losses["loss"].dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_papers_sizes():
    config = DeepMSIMERConfig.paper(num_classes=6)
    assert (config.text_dim, config.audio_dim, config.fusion_hidden, config.projection_dim) == (
        1024,
        768,
        512,
        256,
    )
    assert (config.tcn_channels, config.tcn_kernel, config.dropout) == ((1024,) * 3, 3, 0.3)
    assert (config.classifier_hidden, config.frames, config.image_size) == ((512, 256, 128), 15, 256)
    assert config.vsc == VSCConfig(stage=2, grids=(14, 12, 10))
    with torch.device("meta"):
        model = DeepMSIMER(config)
    assert model.swin.context_dim == 384
    assert model.swin.out_features == 768
    assert model.classifier.layers[0].in_features == 768
    sizes = [plan.geometry.window for plan in model.swin.plan[2]]
    assert sizes == [7, 7, 6, 6, 5, 5]
