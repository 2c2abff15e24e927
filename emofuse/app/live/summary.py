"""How long the answers took."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emofuse.app.live.events import UtteranceLatency
from emofuse.data.wording import counted


def latency_line(latencies: Sequence[UtteranceLatency]) -> str:
    """Median and 95th percentile, in one line."""
    if not latencies:
        return "no utterance was heard"
    total = [latency.total for latency in latencies]
    answer = [latency.answer for latency in latencies]
    return (
        f"{counted(len(latencies), 'utterance')}; from its end to its answer: median {np.median(total):.2f} s, 95th "
        f"percentile {np.percentile(total, 95):.2f} s; of these the run took {np.median(answer):.2f} s and "
        f"{np.percentile(answer, 95):.2f} s, the rest is the pause that ends an utterance"
    )
