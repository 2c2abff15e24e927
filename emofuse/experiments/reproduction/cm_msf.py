"""Tables 3 to 7 and Figure 11 of the CM-MSF paper."""

from __future__ import annotations

from emofuse.data import Modality
from emofuse.experiments.reproduction.plan import PaperPlan, PaperTable, Variant

_WHOLE = "CM-MSF"
_METHODS = "methods"
_SETS: dict[str, tuple[Modality, ...]] = {
    "V": ("video",),
    "A": ("audio",),
    "T": ("text",),
    "T+A": ("text", "audio"),
    "T+V": ("text", "video"),
    "A+V": ("audio", "video"),
    "T+A+V": ("text", "audio", "video"),
}


def _encoders(text: str, audio: str, video: str) -> dict[str, list[str]]:
    return {
        "model.options.text_encoders": [text],
        "model.options.audio_encoders": [audio],
        "model.options.video_encoders": [video],
    }


CM_MSF_PLAN = PaperPlan(
    system="cm-msf",
    title=_WHOLE,
    source="Xu and Gao 2024, Research on cross-modal emotion recognition based on multi-layer semantic fusion",
    figures="cm_msf.csv",
    corpora=("demo", "mosei", "mosi"),
    tables=(
        PaperTable("3", _METHODS, (Variant("whole", _WHOLE),), ("mosi",), compared=True),
        PaperTable("4", _METHODS, (Variant("whole", _WHOLE),), ("mosei",), compared=True),
        PaperTable(
            "5",
            "sets of modalities",
            tuple(
                Variant(f"given-{name.replace('+', '-')}", name, {"model.modalities": list(modalities)})
                for name, modalities in _SETS.items()
            ),
            ("mosi",),
        ),
        PaperTable(
            "6",
            "BiLSTM and mask gate left out",
            (
                Variant("without-bilstm", "(-) BiLSTM", {"model.options.bilstm": False}),
                Variant("whole", "Transformer+BiLSTM"),
                Variant("without-mask-gate", "(-) MGF-module", {"model.options.mask_gate": False}),
            ),
            ("mosi",),
        ),
        PaperTable(
            "7",
            "one text encoder or both",
            (
                Variant("text-bert", "BERT", {"model.options.text_encoders": ["bert"]}),
                Variant("text-lstm", "LSTM", {"model.options.text_encoders": ["lstm"]}),
                Variant("whole", "BERT+LSTM"),
            ),
            ("mosi",),
        ),
        PaperTable(
            "figure-11",
            "one encoder per modality or both",
            (
                Variant("encoders-I", "CM-MSF (I)", _encoders("bert", "transformer", "transformer")),
                Variant("encoders-II", "CM-MSF (II)", _encoders("lstm", "bigru", "resnet")),
                Variant("whole", _WHOLE),
            ),
            (),
        ),
    ),
)
