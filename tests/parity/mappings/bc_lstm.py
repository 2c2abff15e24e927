"""declare-lab/conv-emotion, bc-LSTM-pytorch: one modality, and a backward LSTM that reads padding."""

from typing import Any

import numpy as np
import torch

from emofuse.models.bc_lstm import BCLSTM, BCLSTMConfig
from tests.parity.loader import tensors

SYSTEMS = ("bc_lstm", "bc_lstm_attention")


def build(settings: dict[str, Any]) -> BCLSTM:
    return BCLSTM(
        BCLSTMConfig(
            num_classes=settings["n_classes"],
            modalities=("text",),
            text_dim=settings["D_m"],
            hidden=settings["D_e"],
            layers=2,
            dense=settings["D_h"],
            dropout=settings["dropout"],
            attention=settings["attention"],
            pack=False,
        )
    )


def state_dict(weights: dict[str, np.ndarray], settings: dict[str, Any]) -> dict[str, torch.Tensor]:
    names = {"linear": "dense", "smax_fc": "classifier", "matchatt": "attention"}
    return tensors(weights, names)


def outputs(
    network: BCLSTM, inputs: dict[str, np.ndarray], settings: dict[str, Any]
) -> dict[str, np.ndarray]:
    features = torch.from_numpy(inputs["features"]).transpose(0, 1)
    mask = torch.from_numpy(inputs["mask"]).bool()
    scaled = torch.where(torch.isfinite(features), features, 0.0)
    states = network.lstm(scaled)[0]
    if network.attention is not None:
        states = network.attention(states, states, mask.unsqueeze(1))
    logits = network.classifier(torch.relu(network.dense(states)))
    return {"log_probabilities": logits.log_softmax(-1).transpose(0, 1).numpy()}
