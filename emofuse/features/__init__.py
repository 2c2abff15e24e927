"""The feature store, and the job that fills it."""

from emofuse.features.dialogue_context import ContextWindow, TextInContext, texts_in_context
from emofuse.features.encoding import encode_utterances
from emofuse.features.extract import ExtractionReport, extract_features, up_to_date
from emofuse.features.identity import EncoderIdentity, InputNeeds, UnusableInputError, UtteranceEncoder
from emofuse.features.overlaid import OverlaidFeatures
from emofuse.features.store import FeatureReader, FeatureStore, FeatureWriter

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
