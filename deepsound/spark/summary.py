"""What an extraction came to: counts over its tracks, and ``extract.json``'s part of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deepsound import __version__
from deepsound.errors import TooManyFailuresError

_LIBRARIES = ("numpy", "scipy", "soundfile", "av", "soxr", "onnxruntime", "pyarrow", "pyspark")


@dataclass(frozen=True, kw_only=True)
class ExtractResult:
    """Counts of a finished extraction; inputs = ok + failed, and ``n_copies`` of the ok repeat another's bytes.

    ``n_extracted`` tracks were worked on by this run, the others stood there before; ``n_gone`` of them have no
    file any more.
    """

    n_tracks: int
    n_ok: int
    n_failed: int
    n_segments: int
    audio_s: float
    n_copies: int
    failures_by_code: dict[str, int]
    fingerprint: str
    n_extracted: int
    n_gone: int

    def check_failures(self, max_failure_fraction: float) -> None:
        """Raise :class:`TooManyFailuresError` past the allowed fraction; everything is written by then."""
        if self.n_failed > max_failure_fraction * self.n_tracks:
            codes = ", ".join(f"{n} {code}" for code, n in sorted(self.failures_by_code.items()))
            raise TooManyFailuresError(
                f"{self.n_failed} of {self.n_tracks} tracks failed ({codes}); max_failure_fraction is "
                f"{max_failure_fraction:g}. Everything is written; tracks/ says why each one failed"
            )

    def counts(self) -> dict[str, int]:
        """The ``counts`` of ``extract.json``."""
        return {"tracks": self.n_tracks, "ok": self.n_ok, "failed": self.n_failed, "segments": self.n_segments}

    def describe(self, output_path: str) -> Iterable[str]:
        """Lines for people."""
        yield (
            f"{self.n_ok} tracks ok, {self.n_failed} failed, {self.n_segments} segments, "
            f"{self.audio_s / 3600:.2f} h of audio -> {output_path}"
        )
        if self.n_copies:
            yield (
                f"{self.n_copies} of them repeat the bytes of another; 'deepsound tracks' lists them, "
                "duplicates=drop leaves them out"
            )
        if self.n_gone:
            yield f"{self.n_gone} of them have no file any more; --prune removes them"


def count_tracks(tracks: DataFrame, *, fingerprint: str, n_extracted: int, n_gone: int) -> ExtractResult:
    """Count the rows of ``tracks/``."""
    groups = tracks.groupBy("status", "error_code").agg(
        F.count("*").alias("n"),
        F.coalesce(F.sum("n_segments"), F.lit(0)).alias("n_segments"),
        F.coalesce(F.sum("duration_s"), F.lit(0.0)).alias("audio_s"),
        F.count_distinct("content_sha256").alias("n_contents"),
    )
    rows = groups.collect()
    failed = {row["error_code"]: int(row["n"]) for row in rows if row["status"] == "failed"}
    n_tracks = sum(int(row["n"]) for row in rows)
    return ExtractResult(
        n_tracks=n_tracks,
        n_ok=n_tracks - sum(failed.values()),
        n_failed=sum(failed.values()),
        n_segments=sum(int(row["n_segments"]) for row in rows),
        audio_s=sum(float(row["audio_s"]) for row in rows if row["status"] == "ok"),
        n_copies=sum(int(row["n"] - row["n_contents"]) for row in rows if row["status"] == "ok"),
        failures_by_code=failed,
        fingerprint=fingerprint,
        n_extracted=n_extracted,
        n_gone=n_gone,
    )


def library_versions() -> dict[str, str]:
    """The ``versions`` of ``extract.json``."""
    return {"deepsound": __version__, **{name: version(name) for name in _LIBRARIES}}
