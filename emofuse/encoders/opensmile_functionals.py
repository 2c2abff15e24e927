"""openSMILE's functionals: ComParE 2016, the audio features of MFCRE (§3.1.2), and eGeMAPS (Eyben et al. 2016).

openSMILE is not part of emofuse and not under its licence: audEERING allows research, teaching and personal
use; commercial products, and features extracted for them, need a licence of theirs. It is the optional extra
``opensmile`` for that reason.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from emofuse.data.sampling_rate import RATE
from emofuse.encoders.spec import OPENSMILE_COMPARE, OPENSMILE_EGEMAPS
from emofuse.errors import EmofuseError
from emofuse.features.identity import EncoderIdentity, InputNeeds, UnusableInputError

DIM = 6373
# name → set of the library, and how many numbers it has
_SETS = MappingProxyType({OPENSMILE_COMPARE: ("ComParE_2016", DIM), OPENSMILE_EGEMAPS: ("eGeMAPSv02", 88)})
_SHORTEST_SECONDS = 0.06  # the window that pitch is taken from; of less, openSMILE makes nothing
_LOUDEST = 32_767 / 32_768  # openSMILE gets 16 bits, and full scale would wrap round to its opposite


class OpenSmileFunctionals:
    """Sound (samples,) at 16 kHz → (6373,) of ComParE 2016 or (88,) of eGeMAPS, as openSMILE computes it.

    Sound beyond full scale is clipped. Silence gives finite numbers; sound shorter than 60 ms is refused as
    ``too-short``. An utterance is computed on one core; let :func:`~emofuse.features.extract_features` use
    several processes. Works on one utterance at a time.

    Args:
        name: ``"opensmile-compare2016"`` or ``"opensmile-egemaps"``.

    Raises:
        EmofuseError: the extra is not installed.
    """

    needs = InputNeeds(singly=True)

    def __init__(self, name: str = OPENSMILE_COMPARE) -> None:
        try:
            import opensmile
        except ImportError:
            raise EmofuseError(
                f"encoder {name}: needs openSMILE, which its owner audEERING licenses for "
                "research, teaching and personal use, not for commercial products; if that fits, "
                "`pip install emofuse[opensmile]`, else use logmel-functionals"
            ) from None
        library_set, self.dim = _SETS[name]
        self._name = name
        self._smile: Any = opensmile.Smile(
            feature_set=getattr(opensmile.FeatureSet, library_set),
            feature_level=opensmile.FeatureLevel.Functionals,
            sampling_rate=RATE,
        )
        self.feature_names: tuple[str, ...] = tuple(self._smile.feature_names)
        self.identity = EncoderIdentity(
            modality="audio",
            kind="opensmile",
            name=name,
            # The wrapper's version is left out: the set has been computed the same since openSMILE 3.0.
            revision="3.0",
            pooling="functionals",
            dim=self.dim,
            sampling={"rate": RATE},
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # The library's handle does not travel between processes; another process makes its own.
        return type(self), (self._name,)

    def encode(self, items: Sequence[np.ndarray]) -> np.ndarray:
        """(B, d) float32.

        Raises:
            UnusableInputError: sound that is too short, or holds NaN or infinity.
        """
        rows = [self._functionals(np.asarray(samples, np.float32)) for samples in items]
        return np.array(rows, np.float32).reshape(-1, self.dim)

    def _functionals(self, samples: np.ndarray) -> np.ndarray:
        if samples.ndim != 1 or not np.isfinite(samples).all():
            raise UnusableInputError(
                "not-finite", f"sound of shape {samples.shape}: one channel of finite samples is needed"
            )
        if len(samples) >= _SHORTEST_SECONDS * RATE:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it gives NaN is seen below
                features = np.asarray(self._smile(np.clip(samples, -1.0, _LOUDEST), RATE)).reshape(-1)
            if np.isfinite(features).all():
                return features
        raise UnusableInputError(
            "too-short",
            f"{len(samples) / RATE:.3f} s of sound are too short for openSMILE's functionals, which need "
            f"{_SHORTEST_SECONDS} s",
        )
