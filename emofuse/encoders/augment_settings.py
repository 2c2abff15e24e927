"""How copies of training sounds are changed, as a setting."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["telephone", "noise", "gain", "pitch", "tempo", "room"]


class AugmentSettings(BaseModel):
    """How copies of training sounds are changed. The same settings make the same copies.

    Attributes:
        copies: changed copies that are encoded of each training utterance; 0 makes none.
        kinds: what may happen to a copy; each does with probability 1/2, and at least one of them.
        snr_db: lowest and highest ratio of speech to (pink) noise.
        gain_db: largest change of level, up or down.
        semitones: largest change of pitch, up or down.
        tempo: largest change of speed, as a share.
        reverberation: shortest and longest time in seconds in which a room's echo falls by 60 dB.
        seed: of all draws.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    copies: int = Field(default=0, ge=0, le=20)
    kinds: tuple[Kind, ...] = Field(default=("telephone", "noise", "gain"), min_length=1)
    snr_db: tuple[float, float] = (10.0, 30.0)
    gain_db: float = Field(default=10.0, ge=0, le=60)
    semitones: float = Field(default=1.0, ge=0, le=12)
    tempo: float = Field(default=0.1, ge=0, le=0.4)
    reverberation: tuple[float, float] = (0.2, 0.8)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check_consistency(self) -> AugmentSettings:
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"a kind is named twice: {', '.join(self.kinds)}")
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError("snr_db: the lowest comes first")
        if not 0.05 <= self.reverberation[0] <= self.reverberation[1] <= 5:
            raise ValueError("reverberation: from 0.05 to 5 seconds, the shortest first")
        return self
