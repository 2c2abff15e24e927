"""A synthetic corpus of talking faces whose difficulty is known exactly."""

from emofuse.corpora.demo.clip import DemoClip, generate_clip
from emofuse.corpora.demo.scenario import EMOTIONS, VALENCE, Ceiling, Cues, Scenario, ceilings
from emofuse.corpora.demo.write import SOURCE, generate_demo_corpus, is_demo_corpus

__all__ = [
    "EMOTIONS",
    "SOURCE",
    "VALENCE",
    "Ceiling",
    "Cues",
    "DemoClip",
    "Scenario",
    "ceilings",
    "generate_clip",
    "generate_demo_corpus",
    "is_demo_corpus",
]
