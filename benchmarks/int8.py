"""What linear layers in int8 would save VSC-Swin on a processor, and how far its features would move.

    python -m benchmarks.int8 [--rounds N]

The network of benchmarks/vsc_swin.py, 15 frames of 256 px, forward, one thread. Weights are rounded once, each output
channel by its own scale; what a layer is given is rounded at every call, by the range of the windows that are taken at
once. Networks take turns; ratios are medians of the processor's time over that of transformers' Swin V2 in the same
round. Drift is told of random weights with open residual branches. Writes benchmarks/results/int8_cpu.md.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.machine import machine_line
from benchmarks.script import argument_parser, publish
from benchmarks.vsc_swin import FRAMES, REFERENCE, fresh, inputs, run, turns
from emofuse.nn import window_runner
from emofuse.nn.vsc_swin import VSCSwinOutput
from emofuse.nn.window_block import BlockForm, BlockMasks, BlockWeights, chunks

RESULTS = Path(__file__).parent / "results" / "int8_cpu.md"
PRODUCTS = ((4096, 96, 384), (2940, 384, 1536), (2940, 1536, 384), (375, 768, 3072))
Linear = Callable[[Tensor], Tensor]
Maker = Callable[[Tensor, Tensor | None], Linear]


def fbgemm(weight: Tensor, bias: Tensor | None) -> Linear:
    """What torch.ao.quantization, which is to be removed, calls below its modules."""
    scales = weight.abs().amax(1) / 127
    zeros = torch.zeros(len(weight), dtype=torch.long)
    rounded = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(rounded, bias)
    return lambda rows: torch.ops.quantized.linear_dynamic(rows, packed, False)


def onednn(weight: Tensor, bias: Tensor | None) -> Linear:
    """What torch.compile calls for models that torchao has rounded; no public function."""
    scales = weight.abs().amax(1) / 127
    zeros = torch.zeros(len(weight), dtype=torch.long)
    rounded = (weight / scales[:, None]).round().to(torch.int8)
    packed = torch.ops.onednn.qlinear_prepack(rounded, [4096, weight.shape[1]])

    def linear(rows: Tensor) -> Tensor:
        least, most = (float(end) for end in torch.aminmax(rows))
        least, most = min(least, 0.0), max(most, 0.0)
        step = max((most - least) / 255, 1e-12)
        zero = round(-least / step)
        given = torch.quantize_per_tensor(rows, step, zero, torch.quint8).int_repr()
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            given, step, zero, packed, scales, zeros, bias, 1.0, 0, torch.float32, "none", [], ""
        )
        return out

    return linear


WAYS: dict[str, Maker] = {"`quantized.linear_dynamic`": fbgemm, "`onednn.qlinear_pointwise`": onednn}


class Int8Blocks:
    """`run_block_in_place` with its linear layers in int8.

    Args:
        maker: of a layer.
    """

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.made: dict[tuple[int, torch.Size], Linear] = {}

    def linear(
        self, rows: Tensor, weight: Tensor, bias: Tensor | None, beside: Tensor | None = None
    ) -> Tensor:
        """Rows through a layer, which is rounded the first time.

        It is known again by its weight's place, or where that is put together anew by the place of one ``beside`` it.
        """
        known = (weight if beside is None else beside).data_ptr(), weight.shape
        if known not in self.made:
            self.made[known] = self.maker(weight.detach(), None if bias is None else bias.detach())
        return self.made[known](rows)

    def __call__(self, tokens: Tensor, weights: BlockWeights, form: BlockForm, masks: BlockMasks) -> Tensor:
        """See `run_block_in_place`; no token is hidden here."""
        for here, mask in chunks(form, masks, len(tokens)):
            part = tokens[here]
            rows = part.flatten(0, 1)
            projected = self.linear(self._attended(part, weights, form, mask), weights.out, weights.out_bias)
            rows.add_(F.layer_norm(projected, rows.shape[1:], weights.norm1, weights.norm1_bias))
            hidden = torch.ops.aten.gelu_(self.linear(rows, weights.up, weights.up_bias))
            refined = self.linear(hidden, weights.down, weights.down_bias)
            rows.add_(F.layer_norm(refined, rows.shape[1:], weights.norm2, weights.norm2_bias))
        return tokens

    def _attended(self, part: Tensor, weights: BlockWeights, form: BlockForm, mask: Tensor) -> Tensor:
        rows = part.flatten(0, 1)
        qkv = self.linear(rows, weights.qkv, weights.qkv_bias, weights.out)
        by_head = qkv.view(*part.shape[:2], 3, form.heads, -1)
        query, key, value = by_head.permute(2, 0, 3, 1, 4).unbind(0)
        query = F.normalize(query, dim=-1) * weights.scale.view(1, -1, 1, 1)
        attended = F.scaled_dot_product_attention(
            query, F.normalize(key, dim=-1), value, attn_mask=mask, scale=1.0
        )
        return attended.transpose(1, 2).reshape(rows.shape)


@contextmanager
def blocks_run_by(blocks: Int8Blocks | None) -> Iterator[None]:
    """Within it VSC-Swin infers in int8."""
    usual = window_runner.run_block_in_place
    window_runner.run_block_in_place = blocks or usual
    try:
        yield
    finally:
        window_runner.run_block_in_place = usual


def opened() -> nn.Module:
    """A network whose residual branches are open, as after training."""
    network = fresh("VSC-Swin").eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "layernorm" in name and name.endswith("weight"):
                parameter.fill_(1.0)
            elif name.endswith("bias"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def drift(got: VSCSwinOutput, exact: VSCSwinOutput) -> str:
    """How far the pooled feature is off, and how many of the patches that are kept last are the same."""
    off = float((got.pooled - exact.pooled).norm() / exact.pooled.norm())
    same = [
        torch.isin(a, b).float().mean()
        for a, b in zip(got.kept[-1].indices, exact.kept[-1].indices, strict=True)
    ]
    return f"{100 * off:.1f} % | {100 * float(torch.stack(same).mean()):.0f} %"


def forward_table(rounds: int) -> list[str]:
    """Time and drift of the whole network."""
    library, network, batch = fresh(REFERENCE), opened(), inputs(FRAMES)
    ways: dict[str, Int8Blocks | None] = {
        "float32": None,
        **{name: Int8Blocks(m) for name, m in WAYS.items()},
    }

    def infer(blocks: Int8Blocks | None) -> VSCSwinOutput:
        with torch.no_grad(), blocks_run_by(blocks):
            out: VSCSwinOutput = network(*batch)
            return out

    drifts = {name: drift(infer(blocks), infer(None)) for name, blocks in ways.items()}
    with torch.autocast("cpu", torch.bfloat16):
        rounded = infer(None)
    works: dict[str, Callable[[], None]] = {REFERENCE: lambda: run(library, *batch, "forward")}
    works |= {name: lambda blocks=blocks: infer(blocks) and None for name, blocks in ways.items()}
    taken = turns(works, rounds)
    lines = [
        "| linear layers | time | pooled feature off by | last patches that are the same |",
        "|---|---:|---:|---:|",
    ]
    for name in ways:
        pairs = zip(taken[name], taken[REFERENCE], strict=True)
        lines.append(
            f"| {name} | {statistics.median(own[1] / its[1] for own, its in pairs):.2f} | {drifts[name]} |"
        )
    return [*lines, f"| bf16 autocast, for comparison | – | {drift(rounded, infer(None))} |"]


def product_table(rounds: int) -> list[str]:
    """The layers alone, with the rounding of what they are given."""
    makers: dict[str, Maker] = {"float32": lambda w, b: lambda rows: F.linear(rows, w, b), **WAYS}
    lines = [
        f"| rows, in, out | {' | '.join(f'{name}, 10⁹/s' for name in makers)} |",
        "|---|" + "---:|" * len(makers),
    ]
    for rows, width, out in PRODUCTS:
        given, weight, bias = torch.randn(rows, width), torch.randn(out, width), torch.randn(out)
        layers = {name: make(weight, bias) for name, make in makers.items()}
        works: dict[str, Callable[[], None]] = {
            name: lambda layer=layer, given=given: [layer(given) for _ in range(10)] and None
            for name, layer in layers.items()
        }
        taken = turns(works, rounds + 1)
        speeds = [20 * rows * width * out / min(own[1] for own in taken[name]) / 1e9 for name in makers]
        lines.append(f"| {rows}, {width}, {out} | {' | '.join(f'{speed:.0f}' for speed in speeds)} |")
    return lines


def main() -> None:
    """Measure and write."""
    parser = argument_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")  # quantised types are announced to be moved
    with torch.no_grad():
        parts = [
            "# Linear layers in int8\n\nVSC-Swin, Swin V2-tiny, "
            f"{FRAMES} frames of 256 px, forward; {machine_line(1)}, torch {torch.__version__}. Time is the processor's, over "
            f"that of transformers' Swin V2 in float32, medians of {given.rounds} rounds by turns. Made by "
            "`python -m benchmarks.int8`.",
            *("\n".join(table) for table in (forward_table(given.rounds), product_table(given.rounds))),
        ]
    publish("\n\n".join(parts), RESULTS)


if __name__ == "__main__":
    main()
