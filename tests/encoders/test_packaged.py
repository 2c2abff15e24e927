import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emofuse.data.manifest import Manifest
from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.packaged import GOEMOTIONS, MINILM, PACKAGED, model_folder
from emofuse.encoders.pretrained import folder_revision
from emofuse.errors import EmofuseError
from emofuse.training.stage_one import seen_by

needs_starter = pytest.mark.skipif(
    importlib.util.find_spec("emofuse_starter") is None or importlib.util.find_spec(MINILM.module) is None,
    reason="pip install ./starter",
)


@needs_starter
@pytest.mark.parametrize("name", PACKAGED)
def test_what_is_installed_is_what_is_known(name: str) -> None:
    assert folder_revision(model_folder(name)) == PACKAGED[name].revision


@needs_starter
def test_goemotions_moves_minilm_and_remembers_what_it_has_seen() -> None:
    base, tuned = (
        create_encoder(EncoderSpec(modality="text", name=name, layers=(2, -1)))
        for name in (MINILM.name, GOEMOTIONS.name)
    )
    texts = ["I am so happy for you!", "What a disgusting thing to say."]
    before, after = (encoder.encode(texts) for encoder in (base, tuned))
    assert before.shape == after.shape == (2, 768)
    assert abs(before - after).max() > 0.1
    assert base.identity.revision != tuned.identity.revision


@needs_starter
@pytest.mark.parametrize("name", [GOEMOTIONS.name, "minilm+goemotions"])
def test_a_comment_that_it_learnt_from_is_known_again(
    shared_goemotions: Path, tmp_path: Path, name: str
) -> None:
    learnt = pd.read_csv(shared_goemotions / "train.csv").iloc[2]
    frame = pd.DataFrame(
        {"id": [learnt["id"], "b"], "text": [learnt["text"], "Nobody ever wrote these words."]}
    )
    manifest = Manifest.from_frame(frame.assign(label="anger", dialogue=["a", "b"], turn=0), tmp_path)
    found = seen_by(EncoderSpec(modality="text", name=name), manifest, manifest.ids)
    assert found == [learnt["id"]]


@needs_starter
@pytest.mark.parametrize("pooling", ["mean", "tokens"])
def test_both_stand_side_by_side(pooling: str) -> None:
    options = {"modality": "text", "pooling": pooling, "layers": (2, -1)}
    base, tuned, both = (
        create_encoder(EncoderSpec.model_validate({**options, "name": name}))
        for name in (MINILM.name, GOEMOTIONS.name, "minilm+goemotions")
    )
    texts = ["Oh no.", "I am so happy for you!"]
    assert both.identity.dim == 1536
    for left, right, joined in zip(*(encoder.encode(texts) for encoder in (base, tuned, both)), strict=True):
        np.testing.assert_allclose(joined, np.concatenate([left, right], axis=-1), atol=1e-5)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emofuse.encoders.packaged.find_spec", lambda name: None)
    with pytest.raises(
        EmofuseError, match=r"goemotions-minilm: its package is not installed; pip install \./starter"
    ):
        create_encoder(EncoderSpec(modality="text", name=GOEMOTIONS.name))
