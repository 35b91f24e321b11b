"""Features: one segment's waveform to an array of (n_frames, n_dims)."""
