"""Every recipe that comes with the package is one that training would take."""

import pytest

from emofuse.errors import EmofuseError
from emofuse.evaluation import PROTOCOLS
from emofuse.models import list_models, model_info
from emofuse.models.registry import model_config
from emofuse.recipes import find_recipe, list_recipes
from emofuse.runs.settings import RunSettings


@pytest.mark.parametrize("name", list_recipes())
def test_a_recipe_names_settings_that_exist(name: str) -> None:
    settings = RunSettings.from_yaml(find_recipe(name))
    assert settings.model.name == name.split("/")[0]
    assert settings.data.protocol in PROTOCOLS
    classes = {"num_classes": 4} if "classification" in model_info(settings.model.name).tasks else {}
    fields = type(model_config(settings.model.name, settings.model.preset, **classes)).model_fields
    assert set(settings.model.options) <= set(fields)
    assert all(spec.modality == modality for modality, spec in settings.encoders.items())


def test_the_corpora_that_are_read_have_recipes() -> None:
    corpora = {name.split("/")[1] for name in list_recipes()}
    assert {"demo", "meld", "iemocap", "crema-d", "ravdess"} <= corpora
    assert {name.split("/")[0] for name in list_recipes()} <= {info.name for info in list_models()}


def test_an_unknown_recipe_is_told_beside_the_known_ones() -> None:
    with pytest.raises(EmofuseError, match="deepmsi-mer/demo"):
        find_recipe("deepmsi-mer/nothing")
