"""Which encoder is wanted, as a setting."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from emofuse.data.modality import Modality
from emofuse.encoders.end_to_end import EndToEndSettings
from emofuse.encoders.fine_tuning import FineTuneSettings

HASHED_NGRAMS = "hashed-ngrams"
LOGMEL_FUNCTIONALS = "logmel-functionals"
LOGMEL_SEQUENCE = "logmel-sequence"
OPENSMILE_COMPARE = "opensmile-compare2016"
OPENSMILE_EGEMAPS = "opensmile-egemaps"
WHISPER_TINY_EN = "whisper-tiny.en"
WHISPER_LOGMEL = "whisper+logmel"
MINILM_GOEMOTIONS = "minilm+goemotions"
FRAME_STATISTICS = "frame-statistics"

# No encoders yet: networks that fine-tuning trains from nothing, for those who have no pretrained ones, and what they read.
FACE_CNN = "face-cnn"
VOICE_CNN = "voice-cnn"
UNTRAINED: dict[str, Modality] = {FACE_CNN: "video", VOICE_CNN: "audio"}

# The encoders that need no model folder and no hub, and what they read.
EMBEDDED: dict[str, Modality] = {
    HASHED_NGRAMS: "text",
    MINILM_GOEMOTIONS: "text",
    LOGMEL_FUNCTIONALS: "audio",
    LOGMEL_SEQUENCE: "audio",
    OPENSMILE_COMPARE: "audio",
    OPENSMILE_EGEMAPS: "audio",
    WHISPER_TINY_EN: "audio",
    WHISPER_LOGMEL: "audio",
    FRAME_STATISTICS: "video",
}

# Settings that mean something to these encoders alone, or to all of a modality; to give them to another is a mistake.
_USED_BY_ALL: dict[Modality, set[str]] = {"audio": {"speech_only"}}
_USED: dict[str, set[str]] = {
    LOGMEL_SEQUENCE: {"rate"},
    WHISPER_TINY_EN: {"rate", "pad", "layer", "layers"},
    WHISPER_LOGMEL: {"pad", "layers"},
    MINILM_GOEMOTIONS: {"context_before", "context_after", "speaker_names", "layers"},
    FRAME_STATISTICS: {"rate", "frames", "faces", "min_face"},
    "pretrained text": {
        "context_before",
        "context_after",
        "speaker_names",
        "layers",
        "finetune",
        "end_to_end",
    },
    "pretrained audio": {"rate", "layer", "layers", "pad", "finetune", "end_to_end"},
    "pretrained video": {"rate", "frames", "faces", "min_face", "output", "finetune"},
}

Pooling = Literal["cls", "mean", "mean-sd", "tokens"]


class EncoderSpec(BaseModel):
    """An encoder by name, and how it is to be used. What is left out gets the encoder's own default.

    Attributes:
        modality: ``"text"``, ``"audio"`` or ``"video"``.
        name: one of :data:`EMBEDDED`, a folder that transformers' ``save_pretrained`` wrote, or a model's
            name on the Hugging Face hub.
        revision: a hub model's branch, tag or commit.
        pooling: how token states or time steps become features: the first token's, their mean, or all of
            them as a sequence (T, d). By default the mean; all of them for ``"logmel-sequence"``. ``"mean-sd"``, of a
            Whisper alone and its default, is mean and standard deviation over time.
        batch_size: utterances (pictures, for video) that a pretrained model reads at once; changes speed
            and memory only.
        max_length: tokens after which a text is cut; a pretrained text model's own limit, at most 512.
        max_seconds: length above which sound is read in pieces by a pretrained speech model.
        dim: size of the hashed n-gram vector, 1024, or number of log-mel bands of a sequence, 80.
        rate: time steps per second of a sequence: pictures taken of a video, 15 unless ``frames`` is given;
            12.5 for ``"logmel-sequence"``; the model's own for a pretrained speech model.
        pad: of a Whisper: seconds of silence that it hears after each sound. By default it hears as many as
            fill its window of 30 s, as in its training; a second is enough for a pooled vector, and ten times as fast.
            ``"whisper+logmel"`` has a second by default.
        layer: of a Whisper: which layer of its encoder, from 1; the last by default.
        layers: of a text model or a Whisper: the states of these layers side by side, such as 3,6; 0 is the embeddings, -1
            the last layer, which alone is the default. Lower layers keep what the last has given up for the task that it
            was trained on.
        speech_only: sound: a prediction leaves out an utterance in which voice activity (extra ``segment``, where it is
            installed) hears no speech. Training and evaluation take every sound.
        frames: pictures taken of an utterance, evenly spread, in place of ``rate``; 20 where the mean is
            asked for.
        faces: video: every face that MTCNN finds is encoded in place of the whole picture, and a picture's
            features are the mean over its faces (VisExtNet of MFCRE, §3.1.3). Needs the extra ``faces``.
        min_face: side in pixels of the smallest face looked for.
        output: what a pretrained image model gives: its ``"pooled"`` last state (2048 for ResNet-101), or
            the ``"logits"`` of its classifier (1000 for one of ImageNet, the size that MFCRE gives).
        context_before: turns of the dialogue before the utterance that a pretrained text model reads along
            with it (MFCRE, §3.1.1), as far as ``max_length`` reaches; only the utterance's own tokens are
            pooled.
        context_after: the same for turns after it.
        speaker_names: each text has its speaker's name in front.
        finetune: stage 1 of a run: fine-tune the model on the training part first, in this way.
        end_to_end: the model learns together with the system, in this way; ``true`` for the defaults.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    modality: Modality
    name: str = Field(min_length=1)
    revision: str | None = None
    pooling: Pooling | None = None
    batch_size: int = Field(default=32, ge=1)
    max_length: int | None = Field(default=None, ge=2)
    max_seconds: float = Field(default=30.0, ge=1.0)
    dim: int | None = Field(default=None, ge=2)
    rate: float | None = Field(default=None, gt=0, le=100)
    pad: float | None = Field(default=None, ge=0, le=30)
    layer: int | None = Field(default=None, ge=0)
    layers: tuple[int, ...] | None = None
    speech_only: bool = False
    frames: int | None = Field(default=None, ge=1)
    faces: bool = False
    min_face: int = Field(default=40, ge=12)
    output: Literal["pooled", "logits"] = "pooled"
    context_before: int = Field(default=0, ge=0)
    context_after: int = Field(default=0, ge=0)
    speaker_names: bool = False
    finetune: FineTuneSettings | None = None
    end_to_end: EndToEndSettings | None = None

    @field_validator("end_to_end", mode="before")
    @classmethod
    def _as_settings(cls, value: Any) -> Any:
        return EndToEndSettings.of(value)

    @model_validator(mode="after")
    def _check_consistency(self) -> EncoderSpec:
        if self.rate is not None and self.frames is not None:
            raise ValueError("rate and frames exclude each other: give pictures per second or their number")
        if self.pooling == "mean-sd" and self.modality != "audio":
            raise ValueError(f"{self.name} ({self.modality}): pooling mean-sd is for sound")
        if self.layer is not None and self.layers is not None:
            raise ValueError(f"{self.name}: layer and layers exclude each other")
        if self.layers is not None and not self.layers:
            raise ValueError(f"{self.name}: name at least one layer, or leave layers out")
        idle = sorted(self._changed() - self._used())
        if idle:
            raise ValueError(f"{self.name} ({self.modality}) has no use for {', '.join(idle)}; leave it out")
        return self

    def _changed(self) -> set[str]:
        """Settings of particular encoders that are not at their defaults."""
        particular = set().union(*_USED.values(), *_USED_BY_ALL.values())
        return {name for name in particular if getattr(self, name) != type(self).model_fields[name].default}

    def _used(self) -> set[str]:
        kind = self.name if self.name in EMBEDDED else f"pretrained {self.modality}"
        return _USED.get(kind, set()) | _USED_BY_ALL.get(self.modality, set())
