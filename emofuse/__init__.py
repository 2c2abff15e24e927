"""emofuse: which emotion each utterance of a recorded conversation carries, from video, sound and words.

A recording in, emotions out:

    from emofuse import EmotionPipeline

    pipe = EmotionPipeline.from_pretrained("runs/demo")
    for segment in pipe("clip.mp4", text="I can't believe it!"):
        print(segment.start, segment.end, segment.label, segment.probabilities)

`load_corpus` reads a published corpus, `Manifest` any table of utterances, `create_model` builds a system by the
name that `list_models` tells. The command line (`emofuse --help`) trains, evaluates and predicts.

The rooms, each importable by attribute: `data`, `corpora`, `features`, `encoders`, `nn`, `losses`, `models`,
`evaluation`, `runs`, `inference`, `training`, `experiments`, `explanation`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from emofuse.moved_modules import MovedModuleFinder as _MovedModuleFinder

if TYPE_CHECKING:
    from emofuse.corpora import load_corpus
    from emofuse.data.manifest import Manifest
    from emofuse.errors import EmofuseError
    from emofuse.pipeline import EmotionPipeline, EmotionSegment

__version__ = _version("emofuse")
__all__ = [
    "EmofuseError",
    "EmotionPipeline",
    "EmotionSegment",
    "Manifest",
    "__version__",
    "create_model",
    "list_models",
    "load_corpus",
]

_MovedModuleFinder.install()


def _homes() -> dict[str, str]:
    """Public name → the module that it lives in."""
    return {
        "EmofuseError": "emofuse.errors",
        "EmotionPipeline": "emofuse.pipeline",
        "EmotionSegment": "emofuse.pipeline",
        "Manifest": "emofuse.data.manifest",
        "create_model": "emofuse.models",
        "list_models": "emofuse.models",
        "load_corpus": "emofuse.corpora",
    }


def _rooms() -> tuple[str, ...]:
    return (
        "corpora",
        "data",
        "encoders",
        "evaluation",
        "experiments",
        "explanation",
        "features",
        "inference",
        "losses",
        "models",
        "nn",
        "runs",
        "training",
    )


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: `import emofuse` alone costs nothing."""
    if name in (homes := _homes()):
        return getattr(import_module(homes[name]), name)
    if name in _rooms():
        return import_module(f"emofuse.{name}")
    raise AttributeError(f"module 'emofuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Public names and rooms, for completion and `dir`."""
    return sorted([*__all__, *_rooms(), "__doc__", "__file__", "__name__", "__path__"])
