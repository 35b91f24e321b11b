"""From a file's bytes to waveform segments."""
