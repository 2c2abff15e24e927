"""From a trained run to predictions, their calibration, and their scores. Knows nothing of training."""
