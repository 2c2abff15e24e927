from . import (
    corpora,
    data,
    encoders,
    evaluation,
    experiments,
    explanation,
    features,
    inference,
    losses,
    models,
    nn,
    runs,
    training,
)
from .corpora import load_corpus
from .data.manifest import Manifest
from .errors import EmofuseError
from .models import create_model, list_models, register_system
from .pipeline import EmotionPipeline, EmotionSegment

__version__: str
__all__ = [
    "EmofuseError",
    "EmotionPipeline",
    "EmotionSegment",
    "Manifest",
    "__version__",
    "corpora",
    "create_model",
    "data",
    "encoders",
    "evaluation",
    "experiments",
    "explanation",
    "features",
    "inference",
    "list_models",
    "load_corpus",
    "losses",
    "models",
    "nn",
    "register_system",
    "runs",
    "training",
]
