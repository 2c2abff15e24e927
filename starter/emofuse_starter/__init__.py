"""A run of emofuse that knows real people. See README.md for what it was made of, and for what it must not be used."""

from pathlib import Path

RUN = Path(__file__).parent / "run"
"""The run folder, for `EmotionPipeline.from_pretrained`."""
