import json
from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.encoders import EncoderSpec, create_encoder
from emofuse.encoders.face_classifier import load_face_classifier
from emofuse.encoders.face_cnn import FaceCnnConfig, FaceCnnForImageClassification
from emofuse.encoders.face_network import grey, standardised
from emofuse.errors import EmofuseError
from tests.encoders.conftest import save_resnet

LABELS = ["anger", "joy", "neutral"]


@pytest.fixture(scope="module")
def network() -> FaceCnnForImageClassification:
    torch.manual_seed(0)
    config = FaceCnnConfig(widths=[8, 16], depths=[1, 1], hidden_size=24, id2label=dict(enumerate(LABELS)))
    network = FaceCnnForImageClassification(config)
    with torch.no_grad():
        for _ in range(20):  # statistics as after training
            network.train()(torch.rand(16, 3, 48, 48))
    return network.eval()


@pytest.fixture(scope="module")
def folder(network: FaceCnnForImageClassification, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces")
    network.save_pretrained(path)
    content = {"do_normalize": False, "rescale_factor": 1 / 255, "size": {"height": 48, "width": 48}}
    (path / "preprocessor_config.json").write_text(json.dumps(content))
    return path


def test_the_usual_network_is_small() -> None:
    network = FaceCnnForImageClassification(FaceCnnConfig(num_labels=7))
    assert 0.6e6 < sum(parameter.numel() for parameter in network.parameters()) < 0.9e6
    assert network(torch.rand(2, 1, 48, 48)).logits.shape == (2, 7)
    with pytest.raises(ValueError, match="one width and one depth for each stage"):
        FaceCnnConfig(widths=[8], depths=[1, 2])


@torch.no_grad()
def test_light_and_mirroring_change_nothing_and_colour_counts_as_grey(
    network: FaceCnnForImageClassification,
) -> None:
    faces = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    logits = network(faces).logits
    assert logits.std() > 1e-3
    for same in (faces.flip(3), 0.2 + 0.5 * faces, grey(faces), grey(faces).expand(-1, 3, -1, -1)):
        torch.testing.assert_close(network(same).logits, logits, rtol=1e-3, atol=1e-4)


def test_a_picture_without_contrast_stays_finite(network: FaceCnnForImageClassification) -> None:
    assert bool(torch.isfinite(network(torch.full((1, 3, 48, 48), 0.3)).logits).all())
    deviation = standardised(torch.rand(3, 1, 9, 9)).std(dim=(1, 2, 3))
    torch.testing.assert_close(deviation, torch.ones(3))


@torch.no_grad()
def test_the_module_says_what_the_network_says_of_faces_of_any_size(
    folder: Path, network: FaceCnnForImageClassification
) -> None:
    classifier = load_face_classifier(folder)
    assert (classifier.labels, classifier.size, classifier.dim) == (tuple(LABELS), (48, 48), 24)
    assert not classifier.training
    faces = torch.rand(3, 3, 48, 48)
    found = classifier(faces)
    expected = network(faces)
    torch.testing.assert_close(found.logits, expected.logits)
    torch.testing.assert_close(
        found.logits, network.classifier(found.features)
    )  # the features are those that the head reads
    assert classifier(torch.rand(2, 1, 100, 80)).features.shape == (2, 24)


def test_half_precision_weights_are_read(
    folder: Path, network: FaceCnnForImageClassification, tmp_path: Path
) -> None:
    half = FaceCnnForImageClassification(network.config)
    half.load_state_dict(network.state_dict())
    half.half().save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_bytes((folder / "preprocessor_config.json").read_bytes())
    faces = torch.rand(3, 3, 48, 48)
    with torch.no_grad():
        torch.testing.assert_close(
            load_face_classifier(tmp_path)(faces).logits,
            load_face_classifier(folder)(faces).logits,
            rtol=0.02,
            atol=0.02,
        )


@pytest.mark.parametrize("output", ["pooled", "logits"])
def test_a_folder_of_it_is_an_encoder_like_any_other(folder: Path, output: str) -> None:
    describe = create_encoder(EncoderSpec(modality="video", name=str(folder), output=output))._describe  # type: ignore[attr-defined]
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    with torch.no_grad():
        found = load_face_classifier(folder)(torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255)
    expected = found.logits if output == "logits" else found.features
    np.testing.assert_allclose(describe(pictures), expected.numpy(), rtol=1e-3, atol=1e-4)


def test_other_image_classifiers_are_modules_too(tmp_path: Path) -> None:
    save_resnet(tmp_path, head=5, preprocessing={"size": 40})
    classifier = load_face_classifier(tmp_path)
    assert (classifier.size, classifier.dim, len(classifier.labels)) == ((40, 40), 24, 5)


def test_what_has_learnt_nothing_is_no_encoder() -> None:
    with pytest.raises(EmofuseError, match="has learnt nothing yet; train one with"):
        create_encoder(EncoderSpec(modality="video", name="face-cnn"))
