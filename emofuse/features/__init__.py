"""The feature store, and the job that fills it."""

from emofuse.features.extract import ExtractionReport, extract_features
from emofuse.features.identity import EncoderIdentity, UtteranceEncoder
from emofuse.features.store import FeatureReader, FeatureStore, FeatureWriter

__all__ = [
    "EncoderIdentity",
    "ExtractionReport",
    "FeatureReader",
    "FeatureStore",
    "FeatureWriter",
    "UtteranceEncoder",
    "extract_features",
]
