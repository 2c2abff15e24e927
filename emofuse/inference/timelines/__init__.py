"""Emotions over time, for a person and for other programs: a page, subtitles, tables, tiers for annotators."""
