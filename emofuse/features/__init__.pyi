from .dialogue_context import ContextWindow, TextInContext, texts_in_context
from .encoding import encode_utterances
from .extract import ExtractionReport, extract_features, up_to_date
from .identity import EncoderIdentity, InputNeeds, UnusableInputError, UtteranceEncoder
from .overlaid import OverlaidFeatures
from .store import FeatureReader, FeatureStore, FeatureWriter

__all__ = [
    "ContextWindow",
    "EncoderIdentity",
    "ExtractionReport",
    "FeatureReader",
    "FeatureStore",
    "FeatureWriter",
    "InputNeeds",
    "OverlaidFeatures",
    "TextInContext",
    "UnusableInputError",
    "UtteranceEncoder",
    "encode_utterances",
    "extract_features",
    "texts_in_context",
    "up_to_date",
]
