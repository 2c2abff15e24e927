"""The README that a demo corpus carries: what it is, what can be reached on it, and what it is not for."""

from __future__ import annotations

from collections.abc import Sequence

from emofuse.corpora.demo.scenario import EMOTIONS, VALENCE, Scenario, ceilings
from emofuse.corpora.demo.script import Line
from emofuse.data.modality import MODALITIES


def write_note(scenario: Scenario, lines: Sequence[Line], seed: int) -> str:
    """Markdown text on a generated corpus."""
    speakers = sorted({line.speaker.name for line in lines})
    valences = ", ".join(f"{emotion} {VALENCE[emotion]:+g}" for emotion in EMOTIONS)
    return f"""# Demo corpus (synthetic)

Everything in this folder is **synthetic**: drawn faces, computed voices and composed sentences, made by
`emofuse demo-data` with seed {seed}. No person was recorded. Numbers obtained on it show that a system
works; they say nothing of how well it reads people.

- {len(lines)} utterances in {len({line.dialogue for line in lines})} dialogues of two, {len(speakers)} speakers
  in {len(speakers) // 2} fixed pairs (column `group`), six emotions: {", ".join(EMOTIONS)}
- `manifest.csv`: one row per utterance; `split` keeps pairs of speakers apart; valence: {valences}
- `clips/`: video with sound; `demo.json`: the settings, so that an interrupted run can go on
- `cues.csv`: what the words, the voice and the face of each utterance really show. **Not for training or
  tuning**: it is there to check what a system has learnt to read.

## What can be reached

In each utterance some modalities show the true emotion and the others a wrong one, so that no modality and
no pair decides alone. Accuracy of the best possible rule for utterances taken one by one (the weighted F1 of
the rule is the same):

{_ceiling_table(scenario)}
"Speaker known" holds for a system that has met the speakers in training and learnt their habits, as a random
split over utterances lets it. Dialogues hold a little more: an emotion lasts from one own turn to the next
with probability {scenario.inertia:g}.
"""


def _ceiling_table(scenario: Scenario) -> str:
    rows = "".join(
        f"| {' + '.join(m for m in MODALITIES if m in subset)} | {c.speaker_unknown:.3f} | {c.speaker_known:.3f} |\n"
        for subset, c in ceilings(scenario).items()
    )
    return "| modalities | speaker unknown | speaker known |\n|---|---|---|\n" + rows
