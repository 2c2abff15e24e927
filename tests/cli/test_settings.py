"""An encoder named on the command line takes the place of the recipe's."""

import pytest

from emofuse.cli.settings import free_settings, renamed_encoder
from emofuse.errors import EmofuseError
from emofuse.recipes import find_recipe
from emofuse.runs.settings import RunSettings


def test_another_pretrained_encoder_is_read_as_the_recipe_reads_its_own() -> None:
    settings = RunSettings.from_yaml(find_recipe("mfcre/meld-words"))
    renamed = renamed_encoder(settings, "text", "bert-large")
    changed = settings.with_changes({"encoders.text": renamed}).encoder("text")
    assert changed.name == "bert-large"
    assert changed.layers == settings.encoder("text").layers == (-5, -3, -1)
    assert renamed_encoder(settings, "text", "hashed-ngrams") == {"modality": "text", "name": "hashed-ngrams"}
    assert renamed_encoder(settings, "audio", "any") == {"modality": "audio", "name": "any"}


def test_a_number_is_read_as_a_grid_reads_it() -> None:
    assert free_settings(["a=1e-4", "b=5E3", "c='1e-4'"]) == {"a": 1e-4, "b": 5000.0, "c": "1e-4"}


def test_a_day_that_does_not_exist_is_refused_in_one_line() -> None:
    with pytest.raises(EmofuseError, match=r"--set a=2020-13-01: the value cannot be read"):
        free_settings(["a=2020-13-01"])
