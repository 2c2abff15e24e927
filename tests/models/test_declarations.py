from importlib import import_module

from emofuse.models.declarations import declared_systems
from emofuse.models.registry import list_models, model_info


def test_what_is_read_from_the_files_is_what_they_register() -> None:
    declared = [each for each in declared_systems() if each.values is not None]
    assert {"deepmsi-mer", "mfcre", "cm-msf", "bc-lstm"} <= {each.values["name"] for each in declared}
    before = {info.name: info for info in list_models()}
    for each in declared:
        import_module(each.module)
        assert model_info(each.values["name"]) == before[each.values["name"]]


def test_every_system_of_the_package_can_be_read_without_importing_it() -> None:
    assert [each.module for each in declared_systems() if each.values is None] == []
