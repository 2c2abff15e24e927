"""A small residual network for faces of 48 pixels, as a model of transformers: it is trained here, from nothing.

He et al. 2016 (residual blocks), Hu et al. 2018 (squeeze and excitation). A folder of it is read like any other image
model's, once this module has been imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput

from emofuse.encoders.face_network import MODEL_TYPE, FaceLayers
from emofuse.encoders.initial_weights import initialise


class FaceCnnConfig(PretrainedConfig):
    """The shape of a :class:`FaceCnn`.

    Args:
        widths: channels of its stages; each halves the sides of what it gets, but the first, before which the stem
            does so.
        depths: residual blocks of its stages.
        hidden_size: features that the last stage's channels are mixed to, and that the classifier reads the mean of.
        image_size: side in pixels that pictures are brought to.
        dropout: before the classifier.
        mirrored: what is said of a picture is the mean of what is said of it and of its mirror image, when it is
            not trained.
    """

    model_type = MODEL_TYPE

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128),
        depths: Sequence[int] = (1, 2, 2),
        hidden_size: int = 256,
        image_size: int = 48,
        dropout: float = 0.1,
        mirrored: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.widths, self.depths = list(widths), list(depths)
        self.image_size, self.dropout, self.mirrored = image_size, dropout, mirrored
        self.hidden_size = hidden_size
        if len(self.widths) != len(self.depths) or min(*self.widths, *self.depths, hidden_size) < 1:
            raise ValueError(f"one width and one depth for each stage, not {widths} and {depths}")


class _FacePreTrained(PreTrainedModel):
    config_class = FaceCnnConfig
    base_model_prefix = "faces"
    main_input_name = "pixel_values"

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)


class FaceCnn(_FacePreTrained, FaceLayers):
    """See :class:`emofuse.encoders.face_network.FaceLayers`."""

    def __init__(self, config: FaceCnnConfig) -> None:
        super().__init__(config)
        self.add_layers(config)
        self.post_init()  # type: ignore[operator]

    def forward(self, pixel_values: Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """The map of features, and its mean over places."""
        state = self.features(pixel_values)
        return BaseModelOutputWithPooling(last_hidden_state=state, pooler_output=state.mean(dim=(2, 3)))


class FaceCnnForImageClassification(_FacePreTrained):
    """A :class:`FaceCnn` with a linear classifier on the mean of its features over places."""

    def __init__(self, config: FaceCnnConfig) -> None:
        super().__init__(config)
        self.faces = FaceCnn(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> ImageClassifierOutput:
        """(B, C) logits, and the map of features as the one hidden state."""
        output = self.faces(pixel_values)
        features = F.dropout(output.pooler_output, self.config.dropout, self.training)
        return ImageClassifierOutput(
            logits=self.classifier(features), hidden_states=(output.last_hidden_state,)
        )


AutoConfig.register(MODEL_TYPE, FaceCnnConfig, exist_ok=True)
AutoModel.register(FaceCnnConfig, FaceCnn, exist_ok=True)
AutoModelForImageClassification.register(FaceCnnConfig, FaceCnnForImageClassification, exist_ok=True)
