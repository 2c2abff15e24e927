"""emofuse: which emotion each utterance of a recorded conversation carries, from video, sound and words."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofuse.corpora import load_corpus
    from emofuse.data.manifest import Manifest
    from emofuse.errors import EmofuseError
    from emofuse.models import create_model, list_models
    from emofuse.pipeline import EmotionPipeline, EmotionSegment

__version__ = _version("emofuse")
__all__ = [
    "EmofuseError",
    "EmotionPipeline",
    "EmotionSegment",
    "Manifest",
    "create_model",
    "list_models",
    "load_corpus",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `import emofuse` alone costs nothing."""
    homes = {
        "EmofuseError": "emofuse.errors",
        "EmotionPipeline": "emofuse.pipeline",
        "EmotionSegment": "emofuse.pipeline",
        "Manifest": "emofuse.data.manifest",
        "create_model": "emofuse.models",
        "list_models": "emofuse.models",
        "load_corpus": "emofuse.corpora",
    }
    if name in homes:
        return getattr(import_module(homes[name]), name)
    # Rooms such as emofuse.nn are reached by attribute too, as after `import emofuse.nn`.
    if name in {
        "nn",
        "losses",
        "evaluation",
        "models",
        "data",
        "encoders",
        "features",
        "corpora",
        "training",
    }:
        return import_module(f"emofuse.{name}")
    raise AttributeError(f"module 'emofuse' has no attribute {name!r}")
