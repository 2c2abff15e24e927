"""linear.json: which linear model a run is pooled with, and how."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emofuse.data import Modality
from emofuse.data.stored_files import DamagedFileError, stored_json
from emofuse.nn.linear_shape import LinearPart, LinearShape, Pooling, PoolWeights

_ADVICE = "train again"
_MOST_REACH, _MOST_COLUMNS = 8, 1 << 20


class StoredPart(BaseModel):
    """A modality of the linear model; see `emofuse.nn.linear_shape.LinearPart`."""

    model_config = ConfigDict(extra="forbid")

    pooling: Pooling
    dim: int = Field(ge=1, le=_MOST_COLUMNS)
    marked: bool


class LinearRecord(BaseModel):
    """linear.json: the linear model, and how it is pooled with the system.

    Attributes:
        name: whether it sees utterances alone or with neighbours.
        kind: logistic regression, linear discriminant analysis or ridge.
        strength: of its regularisation.
        parts: modality → columns.
        outputs: classes, or 1 for a value.
        reach: neighbours on either side.
        components: that a neighbour is reduced to; 0 where it stands as it is.
        clip: largest size of a standardised number.
        weight: share of the linear model in the pool.
        system_temperature: of the system's logits.
        linear_temperature: of the linear model's.
        utterances: of the validation part, which chose the weight and the temperatures.
        losses: weight → log-loss in nats, or mean absolute error, of those utterances.
        left_out: modality → why the linear model does not read it, of runs of earlier versions.
    """

    name: str
    kind: str
    strength: float
    parts: dict[Modality, StoredPart] = Field(min_length=1)
    outputs: int = Field(ge=1)
    reach: int = Field(ge=0, le=_MOST_REACH)
    components: int = Field(ge=0, le=_MOST_COLUMNS)
    clip: float = Field(gt=0, allow_inf_nan=False)
    weight: float = Field(ge=0, le=1)
    system_temperature: float = Field(gt=0, allow_inf_nan=False)
    linear_temperature: float = Field(gt=0, allow_inf_nan=False)
    utterances: int = Field(ge=0)
    losses: dict[str, float]
    left_out: dict[Modality, str] = Field(default_factory=dict)

    def shape(self, classes: bool) -> LinearShape:
        """The sizes of the linear model."""
        parts: dict[Modality, LinearPart] = {
            m: LinearPart(part.pooling, part.dim, part.marked) for m, part in self.parts.items()
        }
        return LinearShape(parts, self.outputs, classes, self.reach, self.components)

    @property
    def weights(self) -> PoolWeights:
        """How both become one."""
        return PoolWeights(self.weight, self.system_temperature, self.linear_temperature)


def read_linear_record(file: Path) -> LinearRecord:
    """Read linear.json.

    Raises:
        EmofuseError: it is damaged.
    """
    try:
        return LinearRecord.model_validate(stored_json(file, _ADVICE))
    except ValidationError as error:
        first = error.errors()[0]
        raise DamagedFileError(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", _ADVICE) from None
