"""All runs below a folder, ranked where they were judged alike."""
