"""thuiar/MMSA, MFN.py: aligned sequences."""

from typing import Any

import numpy as np
import torch

from emofuse.models.mfn import MFN, MFNConfig
from tests.parity.loader import tensors

SYSTEMS = ("mfn",)
PARTS = {"att1": "attention", "att2": "proposal", "gamma1": "retain", "gamma2": "update", "out": "head"}


def build(settings: dict[str, Any]) -> MFN:
    dims, hidden = settings["feature_dims"], settings["hidden_dims"]
    names = ("text", "audio", "video")
    regression = settings["train_mode"] == "regression"
    return MFN(
        MFNConfig(
            task=settings["train_mode"],
            num_classes=None if regression else settings["num_classes"],
            **{f"{m}_dim": d for m, d in zip(names, dims, strict=True)},
            **{f"{m}_hidden": h for m, h in zip(names, hidden, strict=True)},
            memory_dim=settings["memsize"],
            attention_dim=settings["NN1Config"]["shapes"],
            proposal_dim=settings["NN2Config"]["shapes"],
            retain_dim=settings["gamma1Config"]["shapes"],
            update_dim=settings["gamma2Config"]["shapes"],
            output_dim=settings["outConfig"]["shapes"],
            dropout=0.0,
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {f"{theirs}_fc{n}": f"{ours}.linear_{n}" for theirs, ours in PARTS.items() for n in (1, 2)}
    names |= {"lstm_l": "cells.text", "lstm_a": "cells.audio", "lstm_v": "cells.video"}
    return tensors(weights, names)


def outputs(network: MFN, inputs: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, np.ndarray]:
    found = network(**{m: torch.from_numpy(inputs[m]) for m in ("text", "audio", "video")})
    return {"prediction": found.logits.numpy()}
