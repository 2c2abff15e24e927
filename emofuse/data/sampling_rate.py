"""The sampling rate of all sound here: it is read, encoded and written so, whatever rate a file has."""

RATE = 16_000  # Hz
