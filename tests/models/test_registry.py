"""Systems by name."""

import pytest
from pydantic import BaseModel
from torch import nn

from emofuse.errors import EmofuseError
from emofuse.models import (
    DeepMSIMER,
    create_model,
    list_models,
    model_config,
    model_info,
    register_system,
    registry,
)


def test_every_system_is_described():
    described = {info.name: info for info in list_models()}
    assert {"cm-msf", "deepmsi-mer", "mfcre"} <= set(described)
    assert list(described) == sorted(described)
    assert described["mfcre"].scope == "dialogue"
    assert described["cm-msf"].inputs == dict.fromkeys(("text", "audio", "video"), "steps")
    assert described["cm-msf"].tasks == ("classification", "regression")
    assert [name for name, info in described.items() if info.reads_frames] == ["deepmsi-mer"]
    for info in described.values():
        assert info.title, info
        assert info.paper, info
        assert info.summary.endswith("."), info
        assert info.citation.startswith("@"), info


DECLARATION = {
    "name": "mean-of-words",
    "title": "Mean of words",
    "paper": "none",
    "summary": "A test.",
    "scope": "utterance",
    "inputs": {"text": "vector"},
    "config": BaseModel,
}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"name": "Mean of words"}, "lower case"),
        ({"inputs": {}}, "needs an input"),
        ({"inputs": {"smell": "vector"}}, "unknown modalities"),
        ({"inputs": {"audio": "frames"}}, "frames are of the video"),
        ({"scope": "dialogue", "inputs": {"text": "steps"}}, "a vector per utterance"),
        ({"speakers": True}, "speakers are those of a dialogue"),
        ({"row_numbers": True, "scope": "dialogue"}, "row numbers are of single utterances"),
        ({"presets": ("small",)}, "no class method small"),
        ({"name": "mfcre"}, "registered already, by emofuse.models.mfcre.MFCRE"),
    ],
    ids=str,
)
def test_a_declaration_that_contradicts_itself_is_refused(change, what):
    model_info("mfcre")
    with pytest.raises(ValueError, match=what):
        register_system(**{**DECLARATION, **change})(type("Net", (nn.Module,), {}))


PLUGIN = """
from pydantic import BaseModel
from torch import nn

from emofuse import register_system


class NetConfig(BaseModel):
    num_classes: int
    text_dim: int = 4
    modalities: tuple[str, ...] = ("text",)


@register_system(
    name="my-net", title="MyNet", paper="unpublished", summary="A layer.", scope="utterance",
    inputs={"text": "vector"}, config=NetConfig,
)
class Net(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config.text_dim, config.num_classes)
"""


def _install(folder, module, text, points):
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[emofuse.systems]", *lines, ""]))


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    return tmp_path


def test_a_system_of_another_package_is_found_by_its_entry_point(plugins):
    _install(plugins, "emofuse_my_net", PLUGIN, {"my-net": "emofuse_my_net:Net"})
    model = create_model("my-net", num_classes=3, text_dim=5)
    assert model.layer.in_features == 5
    assert model_info(model).title == "MyNet"
    assert "my-net" in [info.name for info in list_models()]


def test_a_plugin_that_fails_takes_no_other_system_with_it(plugins):
    _install(plugins, "emofuse_broken", "raise RuntimeError('no licence')", {"broken": "emofuse_broken:Net"})
    with pytest.warns(
        UserWarning, match="broken of emofuse_broken:Net cannot be loaded: RuntimeError: no licence"
    ):
        assert "mfcre" in [info.name for info in list_models()]
    with pytest.raises(EmofuseError, match="cannot be loaded"):
        create_model("broken")


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
        ("deepmsi", {"num_classes": 3}, "choose from .*deepmsi-mer"),
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
