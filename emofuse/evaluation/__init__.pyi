from .comparison.paired import Comparison, compare_predictions
from .metrics.aggregation import Aggregate, MeanSd, aggregate
from .metrics.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability_table,
)
from .metrics.classification import ClassificationReport, PerClass, classification_report
from .metrics.sentiment import SentimentReport, sentiment_report
from .protocols.audit import LeakReport, audit
from .protocols.protocol_info import PROTOCOLS, ProtocolInfo, Split
from .protocols.split_files import read_split_file, write_split_file
from .protocols.splits import protocol_note, splits

__all__ = [
    "PROTOCOLS",
    "Aggregate",
    "ClassificationReport",
    "Comparison",
    "LeakReport",
    "MeanSd",
    "PerClass",
    "ProtocolInfo",
    "SentimentReport",
    "Split",
    "aggregate",
    "apply_temperature",
    "audit",
    "classification_report",
    "compare_predictions",
    "expected_calibration_error",
    "fit_temperature",
    "protocol_note",
    "read_split_file",
    "reliability_table",
    "sentiment_report",
    "splits",
    "write_split_file",
]
