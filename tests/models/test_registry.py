"""Systems by name."""

import pytest

from emofuse.errors import EmofuseError
from emofuse.models import DeepMSIMER, create_model, list_models, model_config, model_info


def test_every_system_is_described():
    described = {info.name: info for info in list_models()}
    levels = {name: info.level for name, info in described.items()}
    assert levels == {"deepmsi-mer": "utterance", "mfcre": "dialogue", "cm-msf": "sequence"}
    assert described["cm-msf"].tasks == ("classification", "regression")
    assert [name for name, info in described.items() if info.reads_frames] == ["deepmsi-mer"]
    assert all(info.title and info.paper and info.summary for info in described.values())


def test_presets_are_starting_points():
    model = create_model(
        "deepmsi-mer", preset="tiny", num_classes=3, modalities=["video", "text"], text_dim=7
    )
    assert isinstance(model, DeepMSIMER)
    assert model.config.modalities == ("text", "video")
    assert model_info(model) == model_info("deepmsi-mer")
    assert model.config.text_dim == 7
    assert model.config.image_size < model_config("deepmsi-mer", preset="paper", num_classes=3).image_size


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("deepmsi", {"num_classes": 3}, "choose from deepmsi-mer"),
        ("deepmsi-mer", {"num_classes": 3, "preset": "huge"}, "paper, tiny"),
        ("deepmsi-mer", {}, "num_classes"),
        ("deepmsi-mer", {"preset": "tiny"}, "num_classes"),
        ("deepmsi-mer", {"num_classes": 1}, "num_classes"),
        ("deepmsi-mer", {"num_classes": 3, "droput": 0.1}, "droput"),
        ("deepmsi-mer", {"num_classes": 3, "modalities": ()}, "modalities"),
        ("deepmsi-mer", {"num_classes": 3, "modalities": ("text", "text")}, "twice"),
        ("deepmsi-mer", {"num_classes": 3, "modalities": ("smell",)}, "modalities"),
        ("deepmsi-mer", {"num_classes": 3, "swin": {"image_size": 32}}, "image_size"),
        ("deepmsi-mer", {"num_classes": 3, "vsc": {"grids": (4, 6)}}, "vsc"),
    ],
    ids=str,
)
def test_mistakes_are_one_clear_line(name, options, what):
    with pytest.raises(EmofuseError, match=what) as caught:
        create_model(name, **options)
    assert "\n" not in str(caught.value)
