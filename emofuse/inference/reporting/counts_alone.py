"""What is said of a run without the utterances that it names, for copies that leave this machine."""

from __future__ import annotations

import re

# As :meth:`emofuse.evaluation.protocols.audit.LeakReport.warnings` puts it.
_FLAG = re.compile(r"(ids [^:]*: \d+) \(.*", re.DOTALL)
# As :class:`emofuse.runs.corpus_identity.CorpusChange` puts it.
_CHANGE = re.compile(r"(?:^|, )(\d+ rows? (?:added|gone|changed|with media of another size))(?= \(|, |$)")
_ORDER = "the rows in another order"


def flag_without_ids(flag: str) -> str:
    """A flag of the leak audit; of one about ids, their count alone."""
    found = _FLAG.fullmatch(flag)
    return found[1] if found else flag


def change_without_ids(change: str) -> str:
    """What has changed in a corpus, in counts alone. Nothing but counts is taken over, since an id may hold any sign."""
    parts = [*_CHANGE.findall(change), *([_ORDER] if change.endswith(_ORDER) else [])]
    return ", ".join(parts) or "some rows"
