from .corpus import Corpus, Published
from .corpus_summary import CorpusSummary, summarise
from .media_check import check_media
from .registry import CorpusInfo, list_corpora, load_corpus, read_corpus
from .table_mapping import TableMapping, parse_map, parse_splits
from .table_summary import TableSummary
from .tables import manifest_from_tables

__all__ = [
    "Corpus",
    "CorpusInfo",
    "CorpusSummary",
    "Published",
    "TableMapping",
    "TableSummary",
    "check_media",
    "list_corpora",
    "load_corpus",
    "manifest_from_tables",
    "parse_map",
    "parse_splits",
    "read_corpus",
    "summarise",
]
