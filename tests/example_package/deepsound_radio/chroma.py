import numpy as np

from deepsound.errors import ParameterError


class Chroma:
    name = "chroma"
    version = 1
    sample_rate_hz = 22050
    min_samples = 4096
    network = None

    def shape(self, segment_s):
        return round(segment_s * self.sample_rate_hz) // self.min_samples, 12

    def definition(self):
        return {"version": self.version}

    def compute(self, waveform):
        if waveform.ndim != 1 or len(waveform) < self.min_samples:
            raise ParameterError(f"got {waveform.shape}; wanted (n_samples,), at least {self.min_samples}")
        n_frames = len(waveform) // self.min_samples
        frames = waveform[: n_frames * self.min_samples].reshape(n_frames, -1) * np.hanning(self.min_samples)
        power = np.abs(np.fft.rfft(frames)) ** 2
        frequency_hz = np.fft.rfftfreq(self.min_samples, 1 / self.sample_rate_hz)[4:]
        pitch_class = np.round(12 * np.log2(frequency_hz / 440)).astype(int) % 12
        chroma = np.stack([power[:, 4:][:, pitch_class == k].sum(axis=1) for k in range(12)], axis=1)
        return np.log10(1e-6 + chroma).astype(np.float32)
