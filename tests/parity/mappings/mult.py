"""thuiar/MMSA, MULT.py: unaligned sequences."""

from typing import Any

import numpy as np
import torch

from emofuse.models.mult import MulT, MulTConfig
from tests.parity.loader import tensors

SYSTEMS = ("mult",)
LETTERS = {"l": "text", "a": "audio", "v": "video"}


def build(settings: dict[str, Any]) -> MulT:
    names = ("text", "audio", "video")
    dim, heads = settings["dst_feature_dim_nheads"]
    regression = settings["train_mode"] == "regression"
    return MulT(
        MulTConfig(
            task=settings["train_mode"],
            num_classes=None if regression else settings["num_classes"],
            **{f"{m}_dim": d for m, d in zip(names, settings["feature_dims"], strict=True)},
            **{f"{long}_kernel": settings[f"conv1d_kernel_size_{short}"] for short, long in LETTERS.items()},
            dim=dim,
            heads=heads,
            layers=settings["nlevels"],
            memory_layers=max(settings["nlevels"], 3),
            future_mask=settings["attn_mask"],
            positions=settings.get("position_embedding", False),  # MMSA leaves them out
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {"proj1": "linear_1", "proj2": "linear_2", "out_layer": "head"}
    names |= {f"proj_{a}": f"convolutions.{m}" for a, m in LETTERS.items()}
    stacks = {f"trans_{a}_mem": f"memory.{m}" for a, m in LETTERS.items()}
    stacks |= {
        f"trans_{a}_with_{b}": f"crossmodal.{m}_with_{n}"
        for a, m in LETTERS.items()
        for b, n in LETTERS.items()
        if a != b
    }
    for theirs, ours in stacks.items():
        names[f"{theirs}.layer_norm"] = f"{ours}.norm"
        layers = {name.split(".")[2] for name in weights if name.startswith(f"{theirs}.layers.")}
        for layer in layers:
            place, own = f"{theirs}.layers.{layer}", f"{ours}.layers.{layer}"
            names |= {
                f"{place}.self_attn.in_proj_weight": f"{own}.in_proj.weight",
                f"{place}.self_attn.in_proj_bias": f"{own}.in_proj.bias",
                f"{place}.self_attn.out_proj": f"{own}.out_proj",
                f"{place}.fc1": f"{own}.widen",
                f"{place}.fc2": f"{own}.narrow",
                f"{place}.layer_norms": f"{own}.norms",
            }
    kept = {name: value for name, value in weights.items() if not name.endswith(".version")}
    return tensors(kept, names)


def outputs(network: MulT, inputs: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, np.ndarray]:
    found = network(**{m: torch.from_numpy(inputs[m]) for m in ("text", "audio", "video")})
    return {"prediction": found.logits.numpy()}
