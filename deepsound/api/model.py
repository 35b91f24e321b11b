"""Models: loaded, and what one says of a file without Spark."""

import io
import pathlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pandas as pd

from deepsound.api.report import Report, evaluate
from deepsound.config import ExtractSettings, ScoreSettings
from deepsound.errors import InputError, OutputError, ParameterError, first_line

if TYPE_CHECKING:
    from deepsound.models.bundle import Bundle
    from deepsound.networks.engine import NetworkFile
    from deepsound.training.train import TrainResult

_BYTES_A_SAMPLE = 4


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says of one track.

    Attributes
    ----------
    genre : str
    confidence : float
        Calibrated probability of the genre.
    probabilities : dict of str to float
    ood_score : float
        How far the track is from the training tracks; higher is farther.
    is_ood : bool
        Whether it is farther than all but 5 % (``ood_false_alarm_rate``) of the tracks like those of training.
    segments : pd.DataFrame
        Of every segment: start_s, duration_s, genre, confidence, ood_score.
    """

    genre: str
    confidence: float
    probabilities: dict[str, float]
    ood_score: float
    is_ood: bool
    segments: pd.DataFrame = field(repr=False)


class Model:
    """A trained model.

    Attributes
    ----------
    uri : str
        What names it elsewhere: an MLflow URI, or a folder.
    bundle : Bundle
        Everything that it is made of.
    training : TrainResult or None
        What its training came to, where it was trained here.
    """

    def __init__(self, bundle: "Bundle", *, uri: str, training: "TrainResult | None" = None) -> None:
        self.uri, self.bundle, self.training = uri, bundle, training
        self._networks: dict[str, tuple[NetworkFile, ...]] = {}

    def __repr__(self) -> str:
        report = self.report
        accuracy = f", accuracy {report.accuracy:.3f}" if report and report.accuracy is not None else ""
        return f"<Model {self.uri}: {self.bundle.feature}, {len(self.genres)} genres{accuracy}>"

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres that it knows, in the order of its probabilities."""
        return self.bundle.taxonomy.genres

    @property
    def report(self) -> Report | None:
        """What it is worth: on tracks that it has not learned from, out-of-fold where there are folds.

        None for a model without folds that was loaded, not trained here.
        """
        if self.training is not None:
            return Report(self.training.report, title=f"{self.bundle.feature} model", page=self.training.page)
        if self.bundle.out_of_fold is None:
            return None
        return evaluate(self.bundle.out_of_fold, genres=self.genres)

    def versions(self) -> dict[str, int]:
        """Aliases of the registered model of its name, and ``newest``, with their versions."""
        from deepsound.training.known_models import find_models
        from deepsound.training.registry import model_name

        known = find_models().get(model_name(self.bundle.feature))
        return {} if known is None or known.newest is None else {**known.aliases, "newest": known.newest}

    def save(self, folder: str | pathlib.Path) -> pathlib.Path:
        """Write it to a new folder, which :func:`load` and ``deepsound score --model`` read.

        Raises
        ------
        OutputError
            There is something already, or no room.
        """
        from deepsound.training.registry import fetch_bundle

        target = pathlib.Path(folder)
        if target.exists():
            raise OutputError(f"{target} is there already; wanted a new folder")
        try:
            with fetch_bundle(self.uri) as source:
                shutil.copytree(source, target)
        except OSError as exc:
            raise OutputError(f"the model cannot be written to {target}: {first_line(exc)}") from exc
        return target

    def predict(
        self,
        audio: "str | pathlib.Path | bytes | np.ndarray",
        *,
        sample_rate_hz: int | None = None,
        network: str | None = None,
    ) -> Prediction:
        """What it says of one track, without Spark.

        Parameters
        ----------
        audio : path, bytes of a file, or np.ndarray [shape=(n_samples,) or (n_samples, n_channels), float, -1..1]
        sample_rate_hz : int, optional
            Of an array, which does not tell.
        network : str, optional
            Where the network of the feature lies; without it, where it lay at training.

        Raises
        ------
        InputError
            There is no such file, or it cannot be used; the reason is told as in an extraction.
        ParameterError
            An array without its rate, or of another shape.
        """
        from deepsound.features.registry import find_features, load_extractors
        from deepsound.features.track import extract_track
        from deepsound.models.head import load_head

        settings = self._extract_settings(network)
        extractors = load_extractors(find_features(settings.features), networks=self._prepare(settings))
        with _opened(audio, sample_rate_hz=sample_rate_hz) as file:
            outcome = extract_track(file, extractors=extractors, settings=settings)
        if outcome.failure is not None:
            raise InputError(f"{outcome.failure.error_code}: {outcome.failure.error_detail}")
        head = load_head(self.bundle.head)
        parts = [np.stack([segment.arrays[name] for segment in outcome.segments]) for name in self.bundle.columns]
        rule = self.bundle.ood
        scores = head.score(head.spec.layout.join(parts), ood_scores=[rule.score])
        return self._to_prediction(
            scores.probabilities, scores.ood[rule.score], spans=[segment.span for segment in outcome.segments]
        )

    def _to_prediction(self, probabilities: np.ndarray, ood: np.ndarray, *, spans: list[Any]) -> Prediction:
        of_track, genres = probabilities.mean(axis=0), np.array(self.genres, object)
        segments = pd.DataFrame(
            {
                "start_s": [span.start_s for span in spans],
                "duration_s": [span.duration_s for span in spans],
                "genre": genres[probabilities.argmax(axis=1)],
                "confidence": probabilities.max(axis=1),
                "ood_score": ood,
            }
        )
        ood_score = float(ood.mean())
        return Prediction(
            genre=str(genres[of_track.argmax()]),
            confidence=float(of_track.max()),
            probabilities=dict(zip(self.genres, of_track.tolist(), strict=True)),
            ood_score=ood_score,
            is_ood=ood_score > self.bundle.ood.thresholds[self.bundle.ood.score],
            segments=segments,
        )

    def _extract_settings(self, network: str | None) -> ExtractSettings:
        from deepsound.models.own_extraction import NamedModel, own_settings

        model = NamedModel(name=self.bundle.feature, uri=self.uri, bundle=self.bundle)
        return own_settings([model], ScoreSettings(network=network))

    def _prepare(self, settings: ExtractSettings) -> "tuple[NetworkFile, ...]":
        from deepsound.api.networks import prepare_networks

        if settings.network not in self._networks:
            self._networks[settings.network] = prepare_networks(settings.features, network=settings.network)
        return self._networks[settings.network]


ModelLike = Model | str | pathlib.Path


def _opened(audio: "str | pathlib.Path | bytes | np.ndarray", *, sample_rate_hz: int | None) -> BinaryIO:
    if isinstance(audio, bytes):
        return io.BytesIO(audio)
    if isinstance(audio, np.ndarray):
        return _as_wav(audio, sample_rate_hz)
    try:
        return pathlib.Path(audio).expanduser().open("rb")
    except OSError as exc:
        raise InputError(f"{audio} cannot be opened: {exc.strerror or first_line(exc)}") from exc


def _as_wav(samples: np.ndarray, sample_rate_hz: int | None) -> BinaryIO:
    """An array as a file in memory, to the bit, so that there is one road from audio to features."""
    import soundfile

    if sample_rate_hz is None:
        raise ParameterError("an array of samples does not tell its rate; wanted sample_rate_hz")
    if samples.ndim not in (1, 2) or not len(samples):
        wanted = "(n_samples,) or (n_samples, n_channels)"
        raise ParameterError(f"the samples have the shape {samples.shape}; wanted {wanted}")
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), sample_rate_hz, "FLOAT", format="WAV")
    file.seek(0)
    return file


def load(model: str | pathlib.Path) -> Model:
    """A model by its MLflow URI (``models:/deepsound-musicnn@champion``, ``runs:/...``) or its folder.

    Raises
    ------
    BundleError, TrackingError
        There is no such model, with those that there are; or it is damaged.
    """
    return load_all([model])[0]


def load_all(models: Sequence[ModelLike]) -> list[Model]:
    """Several, once it is known that all are there, which takes no import of MLflow."""
    from deepsound.training.known_models import check_model

    for model in models:
        if not isinstance(model, Model):
            check_model(str(model))
    from deepsound.training.registry import load_bundle

    return [one if isinstance(one, Model) else Model(load_bundle(str(one)), uri=str(one)) for one in models]
