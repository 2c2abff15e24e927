"""Emotions of speech as it comes: voice activity cuts utterances, a run says what each carries as soon as it ends."""
