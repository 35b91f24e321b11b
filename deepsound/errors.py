"""The whole exception tree. Every class carries one stable ``code`` that other programs may read.

Two kinds. An error about a setting, a path or a model stops the command with ``exit_code`` and one line.
A :class:`TrackError` is about one file: it becomes a row of ``tracks/`` and never stops a job.

Every exception takes exactly one positional message, so that it survives pickling between processes.
"""

from typing import ClassVar


class DeepsoundError(Exception):
    """Base of all errors that are the user's or the data's, not a bug."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2


def first_line(exc: BaseException) -> str:
    """What a library's error says, cut to one line; its class where it says nothing."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200]


class TerminatedError(KeyboardInterrupt):
    """SIGTERM has come: an interruption from outside, not an error of the work."""


class ParameterError(DeepsoundError, ValueError):
    """An argument is outside what the function is defined for."""

    code = "parameter"


class ConfigError(DeepsoundError):
    """A setting is unknown, missing, of the wrong type or out of range."""

    code = "config"


class UnknownFeatureError(ConfigError):
    """A feature was asked for that nobody declares."""

    code = "unknown_feature"


class PluginError(DeepsoundError):
    """A feature, head, source or label map of another package cannot be used."""

    code = "plugin"


class NetworkUnavailableError(DeepsoundError):
    """The weights of a pretrained network cannot be had from where they were asked for."""

    code = "network_unavailable"


class NetworkMismatchError(DeepsoundError):
    """What was given as a pretrained network is another one."""

    code = "network_mismatch"


class InputError(DeepsoundError):
    """The input path does not exist, is no folder or holds nothing to work on."""

    code = "input"


class OutputError(DeepsoundError):
    """The output path cannot be used without destroying something that is not ours."""

    code = "output"


class LabelError(DeepsoundError):
    """Labels cannot be read, contradict each other, or are too few for the task."""

    code = "labels"


class LabelMapError(LabelError):
    """A label map cannot be read, is none, or is one for other genres than the model's."""

    code = "label_map"


class SplitError(DeepsoundError):
    """The tracks cannot be divided into training, validation and test."""

    code = "split"


class LeakageError(DeepsoundError):
    """The same artist or the same recording stands on both sides of a split."""

    code = "leakage"


class SchemaMismatchError(DeepsoundError):
    """A FEATURES folder is not what its contract says."""

    code = "schema_mismatch"


class FingerprintMismatchError(DeepsoundError):
    """Features and model were not made by the same feature definition."""

    code = "fingerprint_mismatch"


class BundleError(DeepsoundError):
    """A model bundle is missing, damaged or of a format this version cannot read."""

    code = "bundle"


class ComparisonError(DeepsoundError):
    """Two models cannot be held against each other: no common genres, or no tracks new to both."""

    code = "comparison"


class TrackingError(DeepsoundError):
    """The MLflow store or registry cannot be reached, or lacks what was asked for."""

    code = "tracking"


class SearchError(DeepsoundError):
    """A hyperparameter search cannot be opened, or none of its trials gave a model."""

    code = "search"


class JavaMissingError(DeepsoundError):
    """No Java, or one too old for Spark."""

    code = "java_missing"


class MissingExtraError(DeepsoundError):
    """A package that this work needs was not installed along."""

    code = "missing_extra"


class EngineError(DeepsoundError):
    """Spark, its Java or a machine that it runs on cannot do the work: killed, full, or out of reach."""

    code = "engine"


class CommandFailedError(DeepsoundError):
    """A stage of ``deepsound demo`` failed; its own message stands above."""

    code = "command_failed"


class TooManyFailuresError(DeepsoundError):
    """The job is done and written, but more tracks failed than ``max_failure_fraction`` allows."""

    code = "too_many_failures"
    exit_code = 3


class TrackError(DeepsoundError):
    """One file cannot be turned into features. Becomes a row, never stops a job."""

    code = "internal"


class AudioUnreadableError(TrackError):
    """The storage does not give the bytes, or a known container's content cannot be decoded."""

    code = "unreadable"


class AudioUnsupportedError(TrackError):
    """The content is no audio container that the decoder knows."""

    code = "unsupported_format"


class AudioEmptyError(TrackError):
    """The file has no bytes, or its container holds no samples."""

    code = "empty"


class AudioTooShortError(TrackError):
    """The audio is shorter than ``min_duration_s``."""

    code = "too_short"


class AudioTooLongError(TrackError):
    """The audio is longer than ``max_duration_s``."""

    code = "too_long"


class AudioTooLargeError(TrackError):
    """The file has more than ``max_bytes`` bytes."""

    code = "too_large"


class AudioSilentError(TrackError):
    """The peak is at or below the silence threshold: there is nothing to normalise."""

    code = "silent"


class AudioNotFiniteError(TrackError):
    """A sample is NaN or infinite."""

    code = "not_finite"


class AudioDuplicateError(TrackError):
    """The file holds the same bytes as another one, and ``duplicates`` is ``drop``."""

    code = "duplicate"


class AudioTimeoutError(TrackError):
    """Decoding took longer than ``decode_timeout_s``."""

    code = "timeout"
