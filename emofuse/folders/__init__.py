"""Predict the recordings of a folder: several at once, taken up where it was left, with one table and one page."""

from emofuse.folders.predict import FolderOutcome, FolderRequest, predict_folder

__all__ = ["FolderOutcome", "FolderRequest", "predict_folder"]
