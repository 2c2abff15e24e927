"""VSC-Swin: a Swin that compresses its visual sequence; DeepMSI-MER, section 3.1.2, Figures 3 and 4."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from emofuse.errors import EmofuseError
from emofuse.nn.convolutional_stem import ConvolutionalStem
from emofuse.nn.kept_patches import KeptPatches
from emofuse.nn.swin_modules import load_swin, new_swin
from emofuse.nn.swin_plan import BlockPlan, VSCConfig, plan_blocks
from emofuse.nn.swin_tokens import SwinTokens
from emofuse.nn.swin_versions import SwinNumber, SwinVersion, version_of
from emofuse.nn.token_order import Reordering, Rows, Windows
from emofuse.nn.visual_sequence_compression import VisualSequenceCompression
from emofuse.nn.window_runner import CHUNK_TOKENS, WindowRunner

if TYPE_CHECKING:
    from transformers import SwinConfig, Swinv2Config


@dataclass(frozen=True)
class VSCSwinOutput:
    """What VSC-Swin makes of B images.

    Attributes:
        last_hidden_state: (B, tokens, features), normalised.
        pooled: mean over the tokens, (B, features).
        kept: one entry per compression, in order, indices (B, L).
    """

    last_hidden_state: Tensor
    pooled: Tensor
    kept: list[KeptPatches]


class VSCSwin(nn.Module):
    """Swin whose windows shrink where visual sequence compression drops tokens.

    Built of the modules of transformers' `Swinv2Model` under the same names; compression adds no weight.
    Without ``vsc`` its outputs are the library's. Kept tokens stay in raster order and fill a smaller grid,
    which is cut into windows that tile it; the position bias network serves the new windows because its
    input is the offset in units of the window that it was made for. Normalisation after each residual
    branch, which the paper adds against exploding gradients (Figure 3), is Swin V2's own.

    A `SwinConfig` makes a Swin V1 of the same form, of the modules of `SwinModel`, to be compared with: it
    normalises before each branch, and the middle of its bias table serves the smaller windows.

    Args:
        config: of the Swin V2, or V1; ``image_size`` and ``patch_size`` give the first grid.
        vsc: where and how to compress; None for a plain Swin.
        gradient_checkpointing: recompute each block in the backward pass instead of storing it.
        convolutional_stem: put a `ConvolutionalStem` in the place of the patch embedding.
        chunk_tokens: on a processor, each thread runs a block over windows of about so many tokens at once, which its cache
            holds; 0 runs blocks whole.

    Raises:
        EmofuseError: if the compression does not fit the network.
    """

    def __init__(
        self,
        config: Swinv2Config | SwinConfig,
        vsc: VSCConfig | None = None,
        gradient_checkpointing: bool = False,
        convolutional_stem: bool = False,
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> None:
        super().__init__()
        if config.use_absolute_embeddings:
            raise EmofuseError(
                "VSC-Swin needs use_absolute_embeddings=False: Swin places tokens by relative bias"
            )
        swin = new_swin(config)
        if convolutional_stem:
            swin.embeddings.patch_embeddings.projection = ConvolutionalStem(
                config.patch_size, config.embed_dim
            )
        self._adopt(swin, vsc, gradient_checkpointing, chunk_tokens)

    def _adopt(
        self, swin: Any, vsc: VSCConfig | None, gradient_checkpointing: bool, chunk_tokens: int
    ) -> None:
        self.config = swin.config
        self.vsc = vsc
        self.gradient_checkpointing = gradient_checkpointing
        self.embeddings = swin.embeddings
        self.encoder = swin.encoder
        self.layernorm = swin.layernorm
        self.grid = _patch_grid(swin.config)
        self.plan = self._plan()
        self.compressions = (
            nn.ModuleList() if vsc is None else _compressions(vsc, self.stage_widths[vsc.stage])
        )
        self.runner = WindowRunner(swin.config, chunk_tokens)
        self._reorder = Reordering()
        self._compiled: Callable[..., Tensor] | None = None
        self._bias_cache: dict[tuple[int, int], tuple[tuple[int, ...], Tensor]] = {}
        self.register_load_state_dict_post_hook(_forget_biases)

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path,
        vsc: VSCConfig | None = None,
        image_size: int | None = None,
        gradient_checkpointing: bool = False,
        version: SwinNumber = 2,
        chunk_tokens: int = CHUNK_TOKENS,
    ) -> VSCSwin:
        """Take the weights of a checkpoint of Swin V2 (or V1), from a hub name or a folder, in float32.

        Only safetensors are read. ``image_size`` replaces the checkpoint's.

        Raises:
            EmofuseError: if there is no such checkpoint, or it is not one of that version.
        """
        swin = load_swin(name_or_folder, image_size, version)
        model = cls.__new__(cls)
        nn.Module.__init__(model)
        model._adopt(swin, vsc, gradient_checkpointing, chunk_tokens)
        return model

    @property
    def version(self) -> SwinVersion:
        """Which Swin it is."""
        return version_of(self.config)

    @property
    def stage_widths(self) -> list[int]:
        """Features per token in each stage."""
        return [int(self.config.embed_dim * 2**stage) for stage in range(len(self.config.depths))]

    @property
    def context_dim(self) -> int | None:
        """Width of the context that steers the compression; None without compression."""
        return None if self.vsc is None else self.stage_widths[self.vsc.stage]

    @property
    def out_features(self) -> int:
        """Width of the pooled output."""
        return self.stage_widths[-1]

    def forward(self, pixels: Tensor, context: Tensor | None = None) -> VSCSwinOutput:
        """Encode images.

        Args:
            pixels: (B, 3, H, W) of the configured size, normalised.
            context: G_cls projected to the compressing stage's width, (B, `context_dim`); None steers the
                compression by the image alone.
        """
        # Blocks sum residuals in float32 where they infer on a processor: patches in bfloat16 would only be turned back.
        reduced = torch.is_autocast_enabled("cpu") and torch.is_grad_enabled()
        with torch.autocast("cpu", enabled=reduced):
            values, grid = self.embeddings(pixels.contiguous(memory_format=torch.channels_last))
        if tuple(grid) != self.grid:
            raise ValueError(f"expected images of {self.config.image_size} px, got {tuple(pixels.shape[2:])}")
        tokens, kept = SwinTokens(values, Rows(self.grid)), []
        for number, (stage, plans) in enumerate(zip(self.encoder.layers, self.plan, strict=True)):
            for block, plan in enumerate(plans):
                if plan.compression is not None:
                    tokens = self._compress(tokens, context, plan)
                    kept.append(self._record(tokens, number, block))
                self._run(number, block, tokens)
            tokens = tokens.merged(stage.downsample, self._reorder)
        tokens.values = self.layernorm(tokens.place(Rows(tokens.order.grid), self._reorder))
        return VSCSwinOutput(tokens.values, tokens.mean(), kept)

    def _plan(self) -> list[list[BlockPlan]]:
        shapes, (height, width) = [], self.grid
        for stage in self.encoder.layers:
            shapes.append([self.version.block_shape(layer, (height, width)) for layer in stage.blocks])
            height, width = (height + 1) // 2, (width + 1) // 2
        pretrained = tuple(getattr(self.config, "pretrained_window_sizes", None) or ())
        return plan_blocks(shapes, self.grid, self.vsc, pretrained)

    def _compress(self, tokens: SwinTokens, context: Tensor | None, plan: BlockPlan) -> SwinTokens:
        assert plan.compression is not None
        compression, rows = self.compressions[plan.compression], Rows(plan.geometry.grid)
        before = tokens.place(Rows(tokens.order.grid), self._reorder)
        values, positions = compression(before, context, tokens.alive)
        if compression.threshold is None:
            origin = positions if tokens.origin is None else tokens.origin.gather(1, positions)
            return SwinTokens(values, rows, origin=origin)
        batch, count, width = before.shape
        # One slot more than the grid has, for what only pads the batch.
        slots = positions.masked_fill(positions < 0, count)
        spread = values.new_zeros(batch, count + 1, width)
        spread = spread.scatter(1, slots.unsqueeze(-1).expand_as(values), values)[:, :count]
        alive = torch.zeros(batch, count + 1, dtype=torch.bool, device=values.device)
        return SwinTokens(spread, rows, alive=alive.scatter(1, slots, True)[:, :count], origin=positions)

    def _record(self, tokens: SwinTokens, stage: int, block: int) -> KeptPatches:
        height, width = self.grid
        for _ in range(stage):
            height, width = (height + 1) // 2, (width + 1) // 2
        assert tokens.origin is not None
        return KeptPatches(stage, block, (height, width), tokens.origin)

    def compile_blocks(self) -> None:
        """Run the blocks through torch.compile in training; weights keep their names.

        The blocks are where the work is, and their shapes are fixed but for the number of images. What compression
        chooses depends on the data and stays outside, and so does inference, for which it would all be compiled again.
        """
        # A graph for each geometry, more than the usual limit; older versions of torch leave the rest as it is.
        takes = inspect.signature(torch.compile).parameters
        graphs = 2 * sum(len(plans) for plans in self.plan)
        limit: dict[str, Any] = {"recompile_limit": graphs} if "recompile_limit" in takes else {}
        # Only the number of images varies, which `_block` marks; grids and windows are fixed numbers of each block.
        self._compiled = torch.compile(self.version.run_block, dynamic=False, **limit)

    def _run(self, stage: int, block: int, tokens: SwinTokens) -> None:
        """One block over its tokens, window by window where that is quicker."""
        layer, plan = self.encoder.layers[stage].blocks[block], self.plan[stage][block]
        learns = torch.is_grad_enabled()
        if (self._compiled is not None and self.training and learns) or not self.runner.takes(
            plan, tokens.values, self.training
        ):
            tokens.place(Rows(plan.geometry.grid), self._reorder)
            tokens.values = self._run_all_windows(layer, plan, tokens, self._bias(stage, block))
            return
        values = tokens.place(Windows(plan.geometry), self._reorder)
        if learns or self.training:
            again = self.gradient_checkpointing and self.training and learns
            tokens.values = self.runner.train(layer, plan, values, tokens.alive, keep=not again)
        else:
            tokens.values = self.runner.infer(layer, plan, values, self._bias(stage, block), tokens.alive)

    def _run_all_windows(self, layer: nn.Module, plan: BlockPlan, tokens: SwinTokens, bias: Tensor) -> Tensor:
        run = self.version.run_block
        if self._compiled is not None and self.training and torch.is_grad_enabled():
            run = self._compiled
            for varies in (tokens.values, tokens.alive):
                if varies is not None:
                    torch._dynamo.maybe_mark_dynamic(varies, 0)
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(run, layer, plan, tokens.values, bias, tokens.alive, use_reentrant=False)
        return run(layer, plan, tokens.values, bias, tokens.alive)

    def _bias(self, stage: int, block: int) -> Tensor:
        layer, plan = self.encoder.layers[stage].blocks[block], self.plan[stage][block]
        if self.training or torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self.version.bias(layer, plan)
        # The versions tell of updates in place, such as an optimizer's, that nothing else announces.
        versions = tuple(p._version for p in self.version.bias_parameters(layer))
        held = self._bias_cache.get((stage, block))
        if held is None or held[0] != versions:
            held = (versions, self.version.bias(layer, plan))
            self._bias_cache[(stage, block)] = held
        return held[1]

    def train(self, mode: bool = True) -> VSCSwin:
        """Set training mode; forgets the position biases held for inference."""
        self._bias_cache.clear()
        return super().train(mode)

    def _apply(self, fn: Any, recurse: bool = True) -> VSCSwin:
        self._bias_cache.clear()
        return super()._apply(fn, recurse)


def _forget_biases(module: nn.Module, _: Any) -> None:
    """By name and not a lambda, so that the network can be handed to other processes."""
    assert isinstance(module, VSCSwin)
    module._bias_cache.clear()


def _patch_grid(config: Swinv2Config | SwinConfig) -> tuple[int, int]:
    """Patches (down, across); the last ones are padded, which the library's own count leaves out."""
    image, patch = (
        (side, side) if isinstance(side, int) else side for side in (config.image_size, config.patch_size)
    )
    return (-(-image[0] // patch[0]), -(-image[1] // patch[1]))


def _compressions(vsc: VSCConfig, dim: int) -> nn.ModuleList:
    return nn.ModuleList(
        VisualSequenceCompression(
            dim,
            keep=side**2,
            threshold=vsc.threshold,
            alpha=vsc.alpha,
            temperature=vsc.temperature,
            merge=vsc.merge,
            straight_through=vsc.straight_through,
        )
        for side in vsc.grids
    )
