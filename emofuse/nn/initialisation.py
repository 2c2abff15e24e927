"""Weights to start from."""

from torch import nn

RESIDUAL_GAIN = 0.1  # what a residual branch adds at first, so that a deep stack starts near the identity


def xavier_(*modules: nn.Module, gain: float = 1.0) -> None:
    """Glorot's uniform weights and zero biases for all linear and convolutional layers of modules, in place.

    Torch's own start divides the variance by three at each linear layer; over the dozen between an utterance
    and its logits, what was said would arrive weaker than where it was said.

    Args:
        *modules: layers, or modules that contain them.
        gain: of the layers' outputs; `RESIDUAL_GAIN` for the last layer of a residual branch.
    """
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                nn.init.xavier_uniform_(layer.weight, gain)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
