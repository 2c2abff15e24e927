"""Fit one split, evaluate it, report it; everything that a run folder holds."""
