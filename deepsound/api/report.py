"""A report as people use it: printed in a terminal, shown in a notebook, drawn, or as plain values."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.dataset

from deepsound.errors import InputError, SchemaMismatchError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from deepsound.evaluation.report import Report as Figures

Curve = TypeVar("Curve")


@dataclass(frozen=True, repr=False)
class Report:
    """What predictions come to: how right, how sure, how far from the training tracks.

    Attributes
    ----------
    figures : deepsound.evaluation.report.Report
        Every figure, with its interval.
    title : str
    page : str or None
        The whole page, where a job has made one.
    """

    figures: "Figures"
    title: str = "deepsound"
    page: str | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of labelled tracks that are right; None where none is labelled."""
        return self.figures.metrics.accuracy

    @property
    def accuracy_interval(self) -> tuple[float | None, float | None]:
        """Its 95 % interval, artists as units where they are known."""
        return self.figures.metrics.accuracy_low, self.figures.metrics.accuracy_high

    def to_dict(self) -> dict[str, Any]:
        """Every figure as plain values, as ``metrics.json`` has them."""
        from deepsound.evaluation.render.plain import report_to_plain

        return report_to_plain(self.figures)

    def to_html(self) -> str:
        """A page that stands by itself."""
        if self.page is not None:
            return self.page
        from deepsound.evaluation.examples import Examples
        from deepsound.evaluation.render.html.collection import collection_page

        genres = tuple(line.genre for line in self.figures.metrics.per_genre)
        return collection_page(self.figures, title=self.title, examples=Examples(genres=genres), facts={})

    def confusion(self) -> "Figure":
        """The confusion matrix as a matplotlib figure."""
        from deepsound.evaluation.render.figures import draw_confusion

        return draw_confusion(self.figures.metrics, title=self.title)

    def calibration(self) -> "Figure":
        """Confidence against the share of right tracks, with intervals, as a matplotlib figure.

        Raises
        ------
        InputError
            No track has a genre that the model knows.
        """
        from deepsound.evaluation.render.figures import draw_reliability

        return draw_reliability({self.title: _known(self.figures.reliability)})

    def coverage(self) -> "Figure":
        """Accuracy of the surest tracks against how many these are, as a matplotlib figure.

        Raises
        ------
        InputError
            No track has a genre that the model knows.
        """
        from deepsound.evaluation.coverage import COVERAGES
        from deepsound.evaluation.render.figures import draw_coverage

        figure = draw_coverage(_known(self.figures.coverage), dots=COVERAGES)
        figure.axes[0].set_title(self.title)
        return figure

    def per_genre(self) -> "pd.DataFrame":
        """Precision, recall and F1 of every genre, a row each."""
        import pandas as pd

        from deepsound.evaluation.render.plain import report_to_rows

        return pd.DataFrame(report_to_rows(self.figures))

    def __str__(self) -> str:
        from deepsound.evaluation.render.text import format_report

        return format_report(self.figures)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame of its own, whose styles touch nothing else."""
        import html

        title, page = html.escape(self.title), html.escape(self.to_html())
        return (
            f'<iframe title="{title}" srcdoc="{page}" '
            'style="width:100%;height:640px;border:0" sandbox="allow-scripts"></iframe>'
        )


def _known(curve: Curve | None) -> Curve:
    if curve is None:
        raise InputError("no track has a genre that the model knows, so it is not known which are right")
    return curve


def _typed(table: pa.Table) -> pa.Table:
    """With the types of the contract where pandas knows none: of a column of nothing but None."""
    from deepsound.evaluation.predictions import PREDICTION_SCHEMA

    known = {field.name: field for field in PREDICTION_SCHEMA}
    return table.cast(pa.schema([known.get(f.name, f) if pa.types.is_null(f.type) else f for f in table.schema]))


def evaluate(predictions: "pa.Table | pd.DataFrame | str | pathlib.Path", *, genres: Sequence[str]) -> Report:
    """Figures of predictions, whoever made them.

    Parameters
    ----------
    predictions : pa.Table, pd.DataFrame or path
        A row a track: track_id, artist, genre, predicted_genre, confidence, probabilities and, where they are
        known, ood_score, is_ood, error_code; a path is that of a Parquet table such as ``SCORES/predictions``.
    genres : sequence of str
        The full taxonomy, in the order of the probabilities.

    Raises
    ------
    SchemaMismatchError
        It is no such table.
    """
    from deepsound.evaluation.evaluate import evaluate as evaluate_table

    if isinstance(predictions, str | pathlib.Path):
        try:
            table = pyarrow.dataset.dataset(str(predictions), format="parquet").to_table()
        except (OSError, pa.ArrowException) as exc:
            raise SchemaMismatchError(f"{predictions} is no table of predictions: {exc}") from exc
    elif isinstance(predictions, pa.Table):
        table = predictions
    else:
        table = _typed(pa.Table.from_pandas(predictions, preserve_index=False))
    return Report(evaluate_table(table, genres=tuple(genres)))
