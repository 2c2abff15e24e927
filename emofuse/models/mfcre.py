"""MFCRE (Qi et al.), Figure 1: contextual xLSTM, modality encoder and MultiAttn over a dialogue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emofuse.data.modality import Modality
from emofuse.errors import EmofuseError
from emofuse.losses.soft_hgr import SoftHGRLoss
from emofuse.losses.swfc import SampleWeightedFocalContrastiveLoss
from emofuse.losses.task_losses import wide
from emofuse.models.dialogue_inputs import check_dialogues, dialogue_presence
from emofuse.models.given_inputs import inputs_of
from emofuse.models.mfcre_config import MFCREConfig
from emofuse.models.mfcre_stream import MFCREStream
from emofuse.models.output import DialogueOutput
from emofuse.models.registry import register_system
from emofuse.nn.dialogue_crn import DialogueCRN
from emofuse.nn.feature_scaler import FeatureScalers
from emofuse.nn.initialisation import xavier_
from emofuse.nn.modality_encoder import ModalityEncoder
from emofuse.nn.multi_attn import MultiAttn
from emofuse.nn.stream_memory import StreamMemory


@register_system(
    name="mfcre",
    title="MFCRE",
    paper="Qi, Ibrayim and Tohti, Contextual xLSTM-Based Multimodal Fusion for Conversational Emotion Recognition",
    summary="Each modality reasons over the dialogue with an mLSTM and SimAM; modality encoder and MultiAttn "
    "cross-attention; SWFC and Soft-HGR losses. Streams when trained causally.",
    scope="dialogue",
    inputs={"text": "vector", "audio": "vector", "video": "vector"},
    config=MFCREConfig,
    presets=("iemocap", "meld", "tiny"),
    citation="""
@article{qi-mfcre,
  title = {Contextual {xLSTM}-Based Multimodal Fusion for Conversational Emotion Recognition},
  author = {Qi and Ibrayim and Tohti}
}""",
)
class MFCRE(nn.Module):
    """Contextual xLSTM-based multimodal fusion for conversational emotion recognition.

    All utterances of a dialogue are classified together. Each modality reasons over the dialogue with an
    mLSTM and SimAM (DialogueCRN), the modalities enter a shared space and look at themselves and at each
    other (modality encoder), are fused by cross-attention (MultiAttn), concatenated and classified.

    An utterance's missing modality writes to no memory and is key to no attention; nothing of what is given
    in its place has any influence. Padding likewise.

    Args:
        config: see `MFCREConfig`.
    """

    def __init__(self, config: MFCREConfig) -> None:
        super().__init__()
        self.config = config
        dim, names = config.dim, config.modalities
        self.scalers = FeatureScalers(config.input_dims)
        self.inputs = nn.ModuleDict({m: nn.Linear(size, dim) for m, size in config.input_dims.items()})
        self.dropout = nn.Dropout(config.dropout)
        self.dialogue_crn = nn.ModuleDict(
            {m: self._build_crn() for m in names} if config.dialogue_crn else {}
        )
        contextual_dim = 2 * dim if config.dialogue_crn else dim
        self.modality_encoder = self._build_encoder(contextual_dim) if config.modality_encoder else None
        self.projections = nn.ModuleDict(
            {} if config.modality_encoder else {m: nn.Linear(contextual_dim, dim) for m in names}
        )
        self.multi_attn = self._build_multi_attn() if config.multi_attn else None

        hidden = config.mlp_dim or dim
        self.fully_connected = nn.Linear(len(names) * dim, dim)
        self.hidden = nn.Linear(dim, hidden)
        self.classifier = nn.Linear(hidden, config.num_classes)
        xavier_(self.inputs, self.projections, self.fully_connected, self.hidden, self.classifier)
        self.swfc = SampleWeightedFocalContrastiveLoss(config.temperature, config.alpha, config.gamma)
        self.soft_hgr = SoftHGRLoss()

    def forward(
        self,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        video: Tensor | None = None,
        mask: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
        memory: StreamMemory | None = None,
    ) -> DialogueOutput:
        """Recognise the utterances of B dialogues.

        Args:
            text: features (B, N, text_dim), or None where no utterance has text.
            audio: (B, N, audio_dim), or None.
            video: (B, N, video_dim), or None.
            mask: (B, N) bool, False for the padding at a dialogue's end; all True by default.
            present: modality -> (B, N) bool, False for utterances that lack it; a modality not named is there
                for all. What the configuration switches off is ignored.
            memory: what a causal model remembers of the utterances before these; see `stream`.

        Raises:
            EmofuseError: for inputs of the wrong shape, or none at all.
        """
        inputs = inputs_of(self.config.modalities, text, audio, video)
        mask = check_dialogues(inputs, self.config.input_dims, mask)
        dropout = self.config.modality_dropout if self.training else 0.0
        available = dialogue_presence(inputs, mask, present or {}, dropout)
        if self.config.context == "none":
            alone = {m: None if x is None else _split_into_utterances(x) for m, x in inputs.items()}
            available = {m: _split_into_utterances(p) for m, p in available.items()}
            return _join_into_dialogues(
                self._recognise(alone, available, _split_into_utterances(mask), None), mask
            )
        return self._recognise(inputs, available, mask, memory)

    def _recognise(
        self,
        inputs: Mapping[Modality, Tensor | None],
        available: dict[str, Tensor],
        mask: Tensor,
        memory: StreamMemory | None,
    ) -> DialogueOutput:
        """Figure 1, left to right."""
        contextual = {str(m): self._reason(m, x, available[m], memory) for m, x in inputs.items()}
        if self.modality_encoder is not None:
            encoded = self.modality_encoder(contextual, available, memory)
        else:
            encoded = {m: self.projections[m](x) for m, x in contextual.items()}
        fused = encoded if self.multi_attn is None else self.multi_attn(encoded, available, memory)

        f = torch.cat(list(fused.values()), dim=-1)  # Eq. 6
        z = self.fully_connected(f)  # Eq. 7
        hidden = F.relu(self.hidden(self.dropout(z)))  # Eq. 8
        logits = self.classifier(self.dropout(hidden))  # Eq. 9, before the softmax
        padding = ~mask.unsqueeze(-1)
        return DialogueOutput(
            logits=logits.masked_fill(padding, 0.0),
            features={m: x.masked_fill(padding, 0.0) for m, x in fused.items()},
            present=available,
            fused=z.masked_fill(padding, 0.0),
            mask=mask,
        )

    def _reason(self, m: str, x: Tensor | None, available: Tensor, memory: StreamMemory | None) -> Tensor:
        """Input layer and DialogueCRN of one modality: (B, N, d_m) to (B, N, 2d), or (B, N, d) without."""
        weight = self.classifier.weight
        if x is None:
            x = weight.new_zeros(*available.shape, self.config.input_dims[m])  # type: ignore[index]
        scaled = F.dropout(
            self.scalers[m](x.to(weight.dtype), available), self.config.feature_dropout, self.training
        )
        entered = self.inputs[m](scaled)
        c = self.dropout(F.relu(entered) if self.config.input_activation else entered)
        if m in self.dialogue_crn:
            return self.dialogue_crn[m](c, available, memory)
        return c.masked_fill(~available.unsqueeze(-1), 0.0)

    def fit_scaler(self, modality: str, features: np.ndarray | Tensor) -> None:
        """Fit a modality's scaler to training features (utterances, d); see `FeatureScalers.fit`."""
        self.scalers.fit(modality, features)

    def training_loss(
        self,
        output: DialogueOutput,
        labels: Tensor,
        class_weights: Tensor | None = None,
        present: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Eq. 15: L = 1/N (μ1 L_SWFC + μ2 L_Soft-HGR + (1 − μ1 − μ2) L_CE) + λ ‖θ‖².

        Args:
            output: of `forward` on the same dialogues.
            labels: (B, N) class numbers; -100, or any negative number, where there is none.
            class_weights: (C,) for the cross-entropy, or None for equal ones.
            present: modality -> (B, N) bool, to leave more out of Soft-HGR than ``output.present`` does.

        Returns:
            "loss", "cross_entropy", "swfc" and "soft_hgr", scalars, the parts divided by N as in Eq. 15; and
            "l2" where the configuration asks for it.
        """
        labelled = output.mask & (labels >= 0)
        y = labels[labelled]
        n = labelled.sum().clamp_min(1)
        logits = wide(output.logits[labelled])
        cross_entropy = F.cross_entropy(logits, y, weight=class_weights, reduction="sum") / n
        mu1, mu2, rest = self.config.loss_weights
        parts = {
            "cross_entropy": cross_entropy,
            "swfc": logits.new_zeros(()),
            "soft_hgr": logits.new_zeros(()),
        }
        if mu1:
            counts = torch.bincount(y, minlength=self.config.num_classes)
            parts["swfc"] = self.swfc(output.fused[labelled], y, counts) / n
        if mu2:
            features = {m: f[output.mask] for m, f in output.features.items()}
            rows = {m: (p & (present or {}).get(m, p))[output.mask] for m, p in output.present.items()}
            parts["soft_hgr"] = self.soft_hgr(**features, present=rows) / n
        loss = mu1 * parts["swfc"] + mu2 * parts["soft_hgr"] + rest * cross_entropy
        if self.config.l2:
            squares = [p.square().sum() for p in self.parameters() if p.requires_grad]
            parts["l2"] = self.config.l2 * torch.stack(squares).sum()
            loss = loss + parts["l2"]
        return {"loss": loss, **parts}

    def stream(self) -> MFCREStream:
        """Recognise utterances one at a time as they come, in time and memory that do not grow.

        Raises:
            EmofuseError: if the model looks ahead, has no window, or is in training mode.
        """
        if self.config.context == "bidirectional":
            raise EmofuseError(
                "a model that looks ahead cannot stream: train it with context: causal and a window"
            )
        if self.config.context == "causal" and self.config.window is None:
            raise EmofuseError("streaming needs a bound on how far attention looks back: train with a window")
        if self.training:
            raise EmofuseError("the model is in training mode: call .eval() before .stream()")
        return MFCREStream(self)

    def _build_crn(self) -> DialogueCRN:
        c = self.config
        return DialogueCRN(c.dim, c.reasoning_steps, c.heads, c.simam, c.causal, c.dropout, c.energy_lambda)

    def _build_encoder(self, in_dim: int) -> ModalityEncoder:
        c = self.config
        return ModalityEncoder(
            dict.fromkeys(c.modalities, in_dim),
            c.dim,
            heads=c.heads,
            ff_dim=c.ff_dim,
            layers=c.encoder_layers,
            kernel_size=c.kernel_size,
            base=c.position_base,
            causal=c.causal,
            window=c.window,
            dropout=c.dropout,
        )

    def _build_multi_attn(self) -> MultiAttn:
        c = self.config
        return MultiAttn(
            c.dim, c.modalities, c.multi_attn_layers, c.heads, c.ff_dim, c.dropout, c.causal, c.window
        )


def _split_into_utterances(x: Tensor) -> Tensor:
    """Every utterance as a dialogue of its own: (B, N, ...) to (B·N, 1, ...)."""
    return x.flatten(0, 1).unsqueeze(1)


def _join_into_dialogues(output: DialogueOutput, mask: Tensor) -> DialogueOutput:
    """Utterances back in their dialogues: (B·N, 1, ...) to (B, N, ...)."""

    def fold(x: Tensor) -> Tensor:
        return x.reshape(*mask.shape, *x.shape[2:])

    return DialogueOutput(
        logits=fold(output.logits),
        features={m: fold(x) for m, x in output.features.items()},
        present={m: fold(x) for m, x in output.present.items()},
        fused=fold(output.fused),
        mask=mask,
    )
