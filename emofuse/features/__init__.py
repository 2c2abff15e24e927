"""The feature store, and the job that fills it."""

from emofuse.features.dialogue_context import ContextWindow, TextInContext, texts_in_context
from emofuse.features.encoding import encode_utterances
from emofuse.features.extract import ExtractionReport, extract_features
from emofuse.features.identity import EncoderIdentity, InputNeeds, UnusableInputError, UtteranceEncoder
from emofuse.features.store import FeatureReader, FeatureStore, FeatureWriter

__all__ = [
    "ContextWindow",
    "EncoderIdentity",
    "ExtractionReport",
    "FeatureReader",
    "FeatureStore",
    "FeatureWriter",
    "InputNeeds",
    "TextInContext",
    "UnusableInputError",
    "UtteranceEncoder",
    "encode_utterances",
    "extract_features",
    "texts_in_context",
]
