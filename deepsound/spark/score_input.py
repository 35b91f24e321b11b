"""What a scoring run starts from: features that lie there, or audio that is extracted for its models."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.errors import InputError, SchemaMismatchError
from deepsound.features.fingerprint import declare_features
from deepsound.features.registry import find_features, load_extractors
from deepsound.models.bundle import Bundle
from deepsound.models.compatibility import check_features, check_fingerprints
from deepsound.models.own_extraction import NamedModel, own_settings
from deepsound.networks.engine import NetworkFile
from deepsound.spark.extract import extract
from deepsound.spark.features import FeatureFrames, is_features_folder, read_features
from deepsound.spark.hadoop import HadoopPath

NetworkPreparer = Callable[[ExtractSettings], tuple[NetworkFile, ...]]


def open_input(
    spark: SparkSession,
    input_path: str,
    features_path: str,
    *,
    models: Sequence[NamedModel],
    settings: ScoreSettings,
    prepare: NetworkPreparer,
    report: Callable[[str], None],
) -> FeatureFrames:
    """The features; extracted to ``features_path`` where the input is audio.

    Raises
    ------
    InputError, SchemaMismatchError, FingerprintMismatchError, ConfigError
        They cannot be had, or are not what the models were trained on.
    """
    if is_audio(spark, input_path):
        report(f"{input_path} holds no extract.json: reading it as audio")
        own, networks = own_extraction(models, settings, prepare)
        # Whether too many failed is judged once, by the score job, over the same tracks.
        extract(spark, input_path, features_path, settings=own, networks=networks, report=report)
        input_path = features_path
    return open_features(spark, input_path, models=models)


def open_features(spark: SparkSession, path: str, *, models: Sequence[NamedModel]) -> FeatureFrames:
    """Features that lie there already, with the errors of :func:`open_input`."""
    frames = read_features(spark, path)
    for model in models:
        _check_compatible(frames, model.bundle)
    return frames


def is_audio(spark: SparkSession, input_path: str) -> bool:
    """Whether an input is audio, not features. Raises InputError where it is neither."""
    folder = HadoopPath(spark, input_path)
    if not folder.exists():
        raise InputError(f"the input {input_path} does not exist; wanted a FEATURES folder or a folder of audio")
    if is_features_folder(spark, input_path):
        return False
    if folder.is_folder() and {"segments", "tracks"} <= set(folder.names()):
        raise InputError(f"{input_path} has no extract.json: its extraction did not finish; run it again")
    return True


def own_extraction(
    models: Sequence[NamedModel], settings: ScoreSettings, prepare: NetworkPreparer
) -> tuple[ExtractSettings, tuple[NetworkFile, ...]]:
    """How audio is extracted for models, with the networks for it.

    Raises
    ------
    ConfigError, FingerprintMismatchError
        No one extraction serves all models, or this version does not compute features as theirs were.
    """
    extract_settings = own_settings(models, settings)
    networks = prepare(extract_settings)
    extractors = load_extractors(find_features(extract_settings.features), networks=networks)
    declared = declare_features(extractors, settings=extract_settings)
    for model in models:
        found = {name: declared[name]["fingerprint"] for name in model.bundle.columns}
        check_fingerprints(model.bundle, found, where="this version of deepsound")
    return extract_settings, networks


def _check_compatible(frames: FeatureFrames, bundle: Bundle) -> None:
    check_features(bundle, frames.summary)
    for name in bundle.columns:
        if name not in frames.segments.columns:
            raise SchemaMismatchError(f"extract.json declares {name}, but segments/ has no such column")


def pick_frames(
    spark: SparkSession, frames: FeatureFrames, *, models: Sequence[NamedModel], subset: str
) -> FeatureFrames:
    """The tracks of a subset and their segments; of several models those that all of them put there.

    Raises
    ------
    InputError, SplitError
        No such track.
    """
    if subset == "all":
        return frames
    wanted = set(models[0].bundle.tracks_in(subset))
    for model in models[1:]:
        wanted &= set(model.bundle.tracks_in(subset))
    if not wanted:
        raise InputError(f"no track is a {subset} track of every model: they were trained with different splits")
    picked = F.broadcast(spark.createDataFrame([(track_id,) for track_id in sorted(wanted)], "track_id string"))
    tracks = frames.tracks.join(picked, "track_id", "left_semi")
    if not tracks.head(1):
        raise InputError(f"none of the model's {subset} tracks is in the input; is it the training collection?")
    return replace(frames, tracks=tracks, segments=frames.segments.join(picked, "track_id", "left_semi"))
