"""emofuse: which emotion each utterance of a recorded conversation carries, from video, sound and words.

A recording in, emotions out:

    from emofuse import EmotionPipeline

    pipe = EmotionPipeline.from_pretrained("runs/demo")
    for segment in pipe("clip.mp4", text="I can't believe it!"):
        print(segment.start, segment.end, segment.label, segment.probabilities)

`load_corpus` reads a published corpus, `Manifest` any table of utterances, `create_model` builds a system by the
name that `list_models` gives. The command line (`emofuse --help`) trains, evaluates and predicts.

The rooms, each importable by attribute: `data`, `corpora`, `features`, `encoders`, `nn`, `losses`, `models`,
`evaluation`, `runs`, `inference`, `training`, `experiments`, `explanation`.
"""

import os as _os
from importlib.metadata import version as _version

import lazy_loader as _lazy

from emofuse.moved_modules import MovedModuleFinder as _MovedModuleFinder

# ONNX Runtime 1.32 reports its use to Microsoft, unless this is set before it is loaded; recordings are nobody else's matter.
_os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# The public names and rooms stand in __init__.pyi; each is loaded when it is first used.
__getattr__, _public_names, __all__ = _lazy.attach_stub(__name__, __file__)
__version__ = _version("emofuse")
__all__ += ["__version__"]

_MovedModuleFinder.install()


def __dir__() -> list[str]:
    """Public names and rooms, for completion and `dir`."""
    return sorted([*_public_names(), "__doc__", "__file__", "__name__", "__path__", "__version__"])
