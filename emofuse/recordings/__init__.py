"""Utterances found in a recording: by its subtitles, by who is heard, by what is said, and who is seen saying it."""
