"""VSC-Swin against transformers' Swin V2, and what compression does to it."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Swinv2Config, Swinv2ForImageClassification, Swinv2Model

from emofuse.errors import EmofuseError
from emofuse.nn import VSCConfig, VSCSwin
from emofuse.nn.window_attention import attention_bias
from tests.nn.swin_library import SIZES, compare_gradients_with_library, compare_with_library, jitter


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def swin_config(**options) -> Swinv2Config:
    return Swinv2Config(**(SIZES | options))


def compressing(**options) -> VSCSwin:
    vsc = VSCConfig(**({"stage": 1, "grids": (6, 4)} | options))
    return jitter(VSCSwin(swin_config(), vsc)).eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"patch_size": 8},
        {"window_size": 5},  # 16 = 3 x 5 + 1: padded windows, shifted by 2
        {"window_size": 8, "depths": [2, 2, 2], "num_heads": [2, 3, 4]},
        {"image_size": 56, "patch_size": 8},  # 7 x 7: padded patch merging
        {"pretrained_window_sizes": [8, 8]},
        {"qkv_bias": False, "hidden_act": "relu"},
        {"image_size": 62},  # padded patches
    ],
    ids=str,
)
def test_without_compression_it_is_the_librarys(options):
    compare_with_library(swin_config(**options))


def test_without_compression_it_is_the_librarys_for_images_that_are_not_square():
    compare_with_library(swin_config(image_size=(64, 48)), (64, 48))


def test_gradients_are_the_librarys():
    compare_gradients_with_library(swin_config())


def test_a_library_checkpoint_loads_whole(tmp_path):
    library = jitter(Swinv2Model(swin_config()))
    library.save_pretrained(tmp_path)
    ours = VSCSwin.from_pretrained(tmp_path, vsc=VSCConfig(stage=1, grids=(6,)))
    expected = library.state_dict()
    assert set(ours.state_dict()) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    assert not list(tmp_path.glob("*.bin"))


def test_a_classifier_s_checkpoint_gives_its_backbone(tmp_path):
    library = jitter(Swinv2ForImageClassification(swin_config()))
    library.half().save_pretrained(tmp_path)
    ours = VSCSwin.from_pretrained(tmp_path)
    expected = library.float().swinv2.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.state_dict().items())
    assert ours.layernorm.weight.dtype == torch.float32


def test_a_checkpoint_serves_another_image_size(tmp_path):
    Swinv2Model(swin_config()).save_pretrained(tmp_path)
    ours = VSCSwin.from_pretrained(tmp_path, image_size=32)
    assert ours(torch.randn(1, 3, 32, 32)).last_hidden_state.shape == (1, 16, 24)


def test_checkpoints_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(EmofuseError, match="nowhere"):
        VSCSwin.from_pretrained(tmp_path / "nowhere")
    pickled = tmp_path / "pickled"
    swin_config().save_pretrained(pickled)
    torch.save(Swinv2Model(swin_config()).state_dict(), pickled / "pytorch_model.bin")
    with pytest.raises(EmofuseError, match="safetensors"):
        VSCSwin.from_pretrained(pickled)
    partial = tmp_path / "partial"
    Swinv2Model(swin_config()).save_pretrained(partial)
    weights = load_file(partial / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EmofuseError, match=r"layernorm\.weight"):
        VSCSwin.from_pretrained(partial)


def test_compression_adds_no_weight_and_records_what_it_kept():
    swin = compressing()
    assert set(swin.state_dict()) == set(Swinv2Model(swin_config()).state_dict())
    out = swin(torch.randn(3, 3, 64, 64), torch.randn(3, 24))
    first, second = out.kept
    assert (first.stage, first.block, first.grid, first.indices.shape) == (1, 0, (8, 8), (3, 36))
    assert (second.stage, second.block, second.grid, second.indices.shape) == (1, 2, (8, 8), (3, 16))
    for image in range(3):
        once, twice = (kept.indices[image].tolist() for kept in out.kept)
        assert once == sorted(set(once))
        assert twice == sorted(set(twice))
        assert set(twice) < set(once) < set(range(64))
    assert out.last_hidden_state.shape == (3, 16, 24)
    torch.testing.assert_close(out.pooled, out.last_hidden_state.mean(dim=1))


def test_compression_is_the_block_s_and_the_stage_runs_on_its_grid():
    """The first compression by hand: what it keeps, and the block that follows in windows of the new size."""
    swin = compressing(grids=(6,))
    pixels, context = torch.randn(2, 3, 64, 64), torch.randn(2, 24)
    stage = swin.encoder.layers[0]
    values, grid = swin.embeddings(pixels)
    for block in stage.blocks:
        (values,) = block(values, grid)
    values = stage.downsample(values, grid)
    values, kept = swin.compressions[0](values, context)
    stage = copy.deepcopy(swin.encoder.layers[1])
    for number, block in enumerate(stage.blocks):
        block.window_size = block.attention.self.window_size = 3
        block.shift_size = number % 2
        fresh = type(block.attention.self)(swin.config, 24, 3, (3, 3), (4, 4))
        block.attention.self.relative_coords_table = fresh.relative_coords_table
        block.attention.self.relative_position_index = fresh.relative_position_index
        block.attention.self.window_size = (3, 3)
        (values,) = block(values, (6, 6))
    got = swin(pixels, context)
    assert torch.equal(got.kept[0].indices, kept)
    torch.testing.assert_close(got.last_hidden_state, swin.layernorm(values), atol=1e-5, rtol=1e-5)


def test_context_steers_and_learns():
    swin = compressing()
    pixels, context = torch.randn(2, 3, 64, 64), 20 * torch.randn(2, 24)
    alone, steered = swin(pixels), swin(pixels, context)
    assert not torch.equal(alone.kept[0].indices, steered.kept[0].indices)
    context.requires_grad_()
    swin(pixels, context).pooled.square().sum().backward()
    assert context.grad.abs().sum() > 0


@pytest.mark.parametrize("options", [{}, {"threshold": 0.2}], ids=["keep", "threshold"])
def test_an_image_does_not_depend_on_its_neighbours(options):
    swin = compressing(**options)
    pixels, context = torch.randn(4, 3, 64, 64), torch.randn(4, 24)
    with torch.no_grad():
        out = swin(pixels, context)
        alone = swin(pixels[2:3], context[2:3])
        order = torch.tensor([3, 0, 2, 1])
        moved = swin(pixels[order], context[order])
    torch.testing.assert_close(out.pooled[2:3], alone.pooled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out.pooled[order], moved.pooled, atol=1e-5, rtol=1e-5)
    for there, here in zip(out.kept, alone.kept, strict=True):
        real = here.indices[0] >= 0
        assert torch.equal(there.indices[2, : len(real)][real], here.indices[0][real])


def test_a_threshold_that_everything_passes_is_no_compression():
    swin = compressing(threshold=-2.0)
    plain = VSCSwin(swin_config()).eval()
    plain.load_state_dict(swin.state_dict())
    pixels = torch.randn(2, 3, 64, 64)
    got = swin(pixels)
    torch.testing.assert_close(got.pooled, plain(pixels).pooled, atol=1e-5, rtol=1e-5)
    assert got.kept[0].indices.tolist() == [list(range(64))] * 2


def test_a_threshold_varies_the_count_and_hides_what_it_drops():
    swin = compressing(threshold=0.2, stage=0, grids=(1,))
    pixels = torch.randn(3, 3, 64, 64)
    out = swin(pixels)
    (kept,) = out.kept
    counts = (kept.indices >= 0).sum(dim=1)
    assert kept.indices.shape == (3, int(counts.max()))
    assert (counts > 0).all()
    assert (counts < 256).all()
    # Patches that were dropped reach nothing but Eq. 3, and without it nothing at all.
    swin.compressions[0].merge = False
    dropped = torch.ones(3, 256, dtype=torch.bool)
    dropped.scatter_(1, kept.indices.clamp(min=0), False)
    hidden = swin(pixels).last_hidden_state.unflatten(1, (8, 8))
    cell = dropped.unflatten(1, (8, 2, 8, 2)[0:4]).all(dim=4).all(dim=2)
    assert cell.any()
    weight = (~cell).unsqueeze(-1).to(hidden.dtype)
    expected = (hidden * weight).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))
    torch.testing.assert_close(swin(pixels).pooled, expected)
    torch.testing.assert_close(hidden[cell], swin.layernorm.bias.expand_as(hidden[cell]))


def test_gradient_checkpointing_gives_the_same_gradients():
    swin = compressing().train()
    pixels, context = torch.randn(2, 3, 64, 64), torch.randn(2, 24)

    def gradients() -> list[Tensor]:
        swin.zero_grad()
        swin(pixels, context).pooled.square().sum().backward()
        return [parameter.grad.clone() for parameter in swin.parameters()]

    plain = gradients()
    swin.gradient_checkpointing = True
    for expected, got in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(got, expected)


class TestPositionBiasCache:
    """Inference reuses the position bias; whatever changes the weights must change the bias."""

    def bias_of(self, swin: VSCSwin) -> Tensor:
        with torch.no_grad():
            swin(torch.zeros(1, 3, 64, 64, dtype=swin.layernorm.weight.dtype))
            held = swin._bias(1, 0)
            assert swin._bias(1, 0) is held
        plan = swin.plan[1][0]
        fresh = attention_bias(
            swin.encoder.layers[1].blocks[0].attention.self, plan.geometry, plan.pretrained_window
        )
        torch.testing.assert_close(held, fresh.detach())
        return held

    def test_follows_new_weights(self):
        swin = compressing()
        before = self.bias_of(swin)
        state = compressing().state_dict()
        swin.load_state_dict(state)
        assert not torch.equal(self.bias_of(swin), before)

    def test_follows_new_weights_of_a_model_around_it(self):
        around = torch.nn.ModuleDict({"swin": compressing()})
        before = self.bias_of(around["swin"])
        around.load_state_dict({f"swin.{name}": value for name, value in compressing().state_dict().items()})
        assert not torch.equal(self.bias_of(around["swin"]), before)

    def test_follows_an_optimizer(self):
        swin = compressing()
        before = self.bias_of(swin)
        optimizer = torch.optim.Adam(swin.parameters(), 0.1)
        swin(torch.randn(1, 3, 64, 64)).pooled.square().sum().backward()
        optimizer.step()
        assert not torch.equal(self.bias_of(swin), before)

    def test_follows_training_and_types(self):
        swin = compressing()
        before = self.bias_of(swin)
        swin.train()
        assert swin._bias(1, 0).requires_grad
        swin.eval()
        assert torch.equal(self.bias_of(swin), before)
        assert self.bias_of(swin.double()).dtype == torch.float64

    def test_does_not_stand_in_the_way_of_gradients_or_copies(self):
        swin = compressing()
        self.bias_of(swin)
        assert swin._bias(1, 0).requires_grad
        assert torch.equal(self.bias_of(copy.deepcopy(swin)), self.bias_of(swin))


def test_mixed_precision_stays_close():
    swin = compressing()
    pixels, context = torch.randn(2, 3, 64, 64), torch.randn(2, 24)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = swin(pixels, context)
    assert torch.isfinite(half.pooled).all()
    assert half.pooled.shape == (2, 24)


def test_residual_branches_start_shut_as_in_swin_v2_itself():
    swin = VSCSwin(swin_config(depths=[3, 2])).eval()
    pixels = torch.randn(1, 3, 64, 64)
    values, grid = swin.embeddings(pixels)
    expected = swin.layernorm(swin.encoder.layers[0].downsample(values, grid))
    torch.testing.assert_close(swin(pixels).last_hidden_state, expected)
    swin(pixels).pooled.square().sum().backward()
    assert (swin.encoder.layers[0].blocks[0].layernorm_before.weight.grad != 0).any()


def test_what_does_not_fit_is_refused():
    with pytest.raises(EmofuseError, match="stage 2"):
        VSCSwin(swin_config(), VSCConfig(stage=2))
    with pytest.raises(EmofuseError, match="absolute"):
        VSCSwin(swin_config(use_absolute_embeddings=True))
    with pytest.raises(EmofuseError, match="not consistent"):
        VSCSwin(swin_config(num_heads=[5, 5]))
    with pytest.raises(ValueError, match="64"):
        compressing()(torch.randn(1, 3, 32, 32))
