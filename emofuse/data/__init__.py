"""Manifest and its checks, media decoding, batches and collation."""

from emofuse.data.modality import MODALITIES, Modality

__all__ = ["MODALITIES", "Modality"]
