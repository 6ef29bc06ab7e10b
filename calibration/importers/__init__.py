"""From other projects' measurements to the calibration format."""
