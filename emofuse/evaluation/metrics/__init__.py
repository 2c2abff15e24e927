"""What a score is: classification and sentiment metrics, calibration, intervals, means over runs."""
