"""Features of a collection: how they are extracted, and what can be done with them without Spark."""

import functools
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepsound.api.settings import resolve_settings, takes_settings
from deepsound.config import ExtractSettings
from deepsound.console import say
from deepsound.data.early import check_input, check_label_csv
from deepsound.data.store import read_known_tracks, read_segments, read_summary, read_tracks
from deepsound.errors import InputError, ParameterError, first_line
from deepsound.features.registry import check_feature_names
from deepsound.sources.readers import find_reader

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from deepsound.networks.engine import NetworkFile

_WANTED = "a folder with audio files, a manifest, a Parquet table of audio or tar shards"


@dataclass(frozen=True)
class Features:
    """A FEATURES folder.

    Attributes
    ----------
    path : str
        A path, or a URI that pyarrow opens.
    """

    path: str

    def __post_init__(self) -> None:
        read_summary(self.path)

    @property
    def names(self) -> tuple[str, ...]:
        """The features that were computed."""
        return tuple(read_summary(self.path).features)

    def tracks(self) -> pd.DataFrame:
        """One row an input, failed or not: all columns of ``tracks/``, by track_id."""
        table: pd.DataFrame = read_known_tracks(self.path).to_pandas().sort_values("track_id", ignore_index=True)
        return table

    def failed(self) -> pd.DataFrame:
        """The inputs that gave no features, with error_code, error_stage and error_detail."""
        tracks = self.tracks()
        return tracks[tracks["status"] == "failed"].reset_index(drop=True)

    def matrices(
        self, feature: str, *, subset: str | None = None, **settings: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A feature as arrays, a row a segment, for any library.

        Parameters
        ----------
        feature : str
        subset : str, optional
            ``train``, ``validation`` or ``test``: the labelled tracks that a training with these settings
            (``seed``, ``split``, ...) puts there. Without it, all tracks.

        Returns
        -------
        x : np.ndarray [shape=(n_segments, n_frames, n_dims), float32]
        y : np.ndarray [shape=(n_segments,), object]
            Genres; None where a track has none.
        groups : np.ndarray [shape=(n_segments,), object]
            The artist of each, or its track_id where that is unknown: what a cross-validation keeps together.

        Raises
        ------
        UnknownFeatureError
            The folder does not hold the feature.
        ParameterError
            There is no such subset.
        """
        if subset is not None:
            return self._part(feature, subset, settings)
        segments = read_segments(self.path, names=[feature])
        rows = read_tracks(self.path, columns=("track_id", "genre", "artist")).to_pandas().set_index("track_id")
        mine = rows.loc[segments.track_ids]
        genres = mine["genre"].astype(object).where(mine["genre"].notna(), None)
        groups = mine["artist"].astype(object).where(mine["artist"].notna(), segments.track_ids)
        return segments.values, genres.to_numpy(object), groups.to_numpy(object)

    def _part(
        self, feature: str, subset: str, settings: dict[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from deepsound.config import SPLIT_NAMES, TrainSettings
        from deepsound.training.dataset import load_dataset

        if subset not in SPLIT_NAMES:
            raise ParameterError(f"the subset is {subset!r}; wanted one of {', '.join(SPLIT_NAMES)}")
        asked = {"feature": feature, **settings}
        resolved = resolve_settings(TrainSettings, asked, section="train", config=None).resolved()
        dataset = load_dataset(self.path, settings=resolved, report=say)
        part = getattr(dataset, subset)
        ids = [row["track_id"] for row in dataset.split.to_pylist() if row["split"] == subset]
        groups = np.array([artist or ids[i] for i, artist in enumerate(part.artist_names)], object)
        genres = np.array(dataset.taxonomy.genres, object)[part.genre_indices]
        return part.values, genres[part.track_indices], groups[part.track_indices]

    def array(self, feature: str, *, track_id: str) -> np.ndarray:
        """A feature of one track [shape=(n_segments, n_frames, n_dims), float32], in the order of its segments.

        Raises
        ------
        UnknownFeatureError
            The folder does not hold the feature.
        InputError
            There is no such track, or it gave no features.
        """
        values = read_segments(self.path, names=[feature], track_ids=[track_id]).values
        if not len(values):
            raise InputError(f"{self.path} has no segments of a track {track_id!r}")
        return values

    def audio(self, track_id: str) -> tuple[np.ndarray, int]:
        """The waveform of a track as its file has it: mono (n_samples,) float32, and its rate in Hz.

        Raises
        ------
        InputError
            There is no such track, or its file is not to be had.
        TrackError
            It cannot be decoded.
        """
        from deepsound.audio.decode import decode_audio
        from deepsound.audio.storage import open_file

        rows = read_known_tracks(self.path, columns=("path",)).to_pylist()
        paths = {row["track_id"]: row.get("path") for row in rows}
        if track_id not in paths:
            raise InputError(f"{self.path} has no track {track_id!r}")
        known, made_by = ExtractSettings(), read_summary(self.path).settings
        limit = float(made_by.get("max_duration_s", known.max_duration_s))
        max_bytes = int(made_by.get("max_bytes", known.max_bytes))
        try:
            file = open_file(paths[track_id] or "", max_bytes=max_bytes)
        except OSError as exc:
            raise InputError(f"the file of {track_id} cannot be opened: {first_line(exc)}") from exc
        with file:
            decoded = decode_audio(file, max_duration_s=limit)
        return decoded.waveform, decoded.format.sample_rate_hz


def path_of(features: Features | str | pathlib.Path) -> str:
    """A FEATURES folder, or a path that is given as it is."""
    return features.path if isinstance(features, Features) else str(features)


@takes_settings(ExtractSettings)
def extract(
    music: str | pathlib.Path,
    output: str | pathlib.Path,
    *,
    spark: "SparkSession | None" = None,
    config: str | None = None,
    retry_failed: bool = False,
    prune: bool = False,
    overwrite: bool = False,
    watch_s: float | None = None,
    progress: Callable[[str], None] = say,
    **settings: Any,
) -> Features:
    """Turn a source of audio into a FEATURES folder, or bring one up to date.

    Parameters
    ----------
    music : str or pathlib.Path
        A folder of audio, a manifest (``.csv``, ``.tsv``, ``.jsonl``, ``.parquet``), a Parquet table of audio, or
        tar shards.
    output : str or pathlib.Path
        The folder of the features.
    spark : SparkSession, optional
        Without it the session that there is, or one that is closed in the end.
    config : str, optional
        A YAML file of settings, or a name in ``conf/``.
    retry_failed, prune, overwrite : bool
        Try failed tracks again; drop the rows of files that are gone; remove features of other settings.
    watch_s : float, optional
        Keep looking for new files, every so many seconds, until interrupted.
    progress : callable
        Gets a line of text at a time.

    Raises
    ------
    DeepsoundError
        See its classes; :class:`~deepsound.errors.TooManyFailuresError` after everything is written.
    """
    resolved = resolve_settings(ExtractSettings, settings, section="extract", config=config)
    policy = {"retry_failed": retry_failed, "prune": prune, "overwrite": overwrite}
    return extract_resolved(
        str(music), str(output), settings=resolved, spark=spark, watch_s=watch_s, progress=progress, **policy
    )


def check_extraction(music: str, *, settings: ExtractSettings) -> "tuple[NetworkFile, ...]":
    """Refuse what is wrong before Spark is imported: a typing error should not cost its start.

    Gives the networks of the features, fetched where they are not there yet.
    """
    check_feature_names(settings.features)
    if settings.source.reader is not None:
        find_reader(settings.source.reader).load()
    check_input(music, what=_WANTED)
    check_label_csv(settings.labels.csv)
    from deepsound.api.networks import prepare_networks

    return prepare_networks(settings.features, network=settings.network)


def extract_resolved(
    music: str,
    output: str,
    *,
    settings: ExtractSettings,
    spark: "SparkSession | None" = None,
    watch_s: float | None = None,
    progress: Callable[[str], None] = say,
    **policy: bool,
) -> Features:
    """The same of settings that were read already; ``policy`` are retry_failed, prune and overwrite."""
    if watch_s is not None and not watch_s > 0:
        raise ParameterError(f"to look every {watch_s:g} s is no watch; wanted seconds above 0")
    networks = check_extraction(music, settings=settings)
    from deepsound.spark.extract import ExtractResult, RerunPolicy, watch
    from deepsound.spark.extract import extract as run_once
    from deepsound.spark.session import open_session

    run: Callable[..., ExtractResult | None] = run_once
    if watch_s is not None:
        run = functools.partial(watch, every_s=watch_s)
    with open_session("deepsound extract", given=spark) as session:
        result = run(
            *(session, music, output),
            **{"settings": settings, "networks": networks, "policy": RerunPolicy(**policy), "report": progress},
        )
    if result is not None:
        result.check_failures(settings.max_failure_fraction)
    return Features(output)
