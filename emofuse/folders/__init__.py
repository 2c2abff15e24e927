"""Predict the recordings of a folder: several at once, taken up where it was left, with one table and one page."""
