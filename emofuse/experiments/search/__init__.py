"""Settings for several corpora at once, chosen by nested cross-validation over their training parts."""

from emofuse.experiments.search.corpora import SearchedCorpus, searched_corpus
from emofuse.experiments.search.run import Search, Trial, search
from emofuse.experiments.search.tables import write_search

__all__ = ["Search", "SearchedCorpus", "Trial", "search", "searched_corpus", "write_search"]
