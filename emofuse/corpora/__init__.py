"""One reader per corpus: its published folder in, a manifest out."""

from emofuse.corpora.corpus import Corpus, Published
from emofuse.corpora.corpus_summary import CorpusSummary, summarise
from emofuse.corpora.media_check import check_media
from emofuse.corpora.registry import CorpusInfo, list_corpora, load_corpus, read_corpus
from emofuse.corpora.table_mapping import TableMapping, parse_map, parse_splits
from emofuse.corpora.table_summary import TableSummary
from emofuse.corpora.tables import manifest_from_tables

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
