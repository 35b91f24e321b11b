"""The part of a page that says whether the confidence can be believed."""

from collections.abc import Mapping

from deepsound.evaluation.reliability import Reliability
from deepsound.evaluation.render.figures import draw_reliability
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Chart, Section, Table
from deepsound.evaluation.render.wording import tracks

_HEADER = ("mean error of the confidence", "found", "by chance alone", "in 15 bins of equal width")


def confidence_section(reliabilities: Mapping[str, Reliability], *, note: str = "") -> Section:
    """Whether the confidence can be believed; the last of several is the one to go by.

    Parameters
    ----------
    reliabilities : mapping
        By name, for example without and with the temperature.
    """
    rows = tuple((name, *_errors(found)) for name, found in reliabilities.items())
    svg = to_inline_svg(draw_reliability(reliabilities), label="confidence against the share of right tracks")
    return Section(
        title="Can its confidence be believed?",
        lead=f"On the diagonal, 70 % of the tracks with 70 % confidence are right.{note} A click on a point lists "
        "its tracks.",
        blocks=(
            Chart(svg=svg, caption=_judge(list(reliabilities.values())[-1])),
            Table(header=_HEADER, rows=rows, title="Calibration errors in numbers"),
        ),
    )


def _judge(reliability: Reliability) -> str:
    by_chance, high = reliability.adaptive_ece_by_chance, reliability.adaptive_ece_by_chance_high
    found = (
        f"Expected calibration error {reliability.adaptive_ece:.3f}. On {tracks(reliability.n_tracks)}, a "
        f"perfectly calibrated model would show {by_chance:.3f}, in 95 % of cases below {high:.3f}: "
    )
    if reliability.is_beyond_chance:
        return f"{found}this is more than chance, and the confidence should not be taken at its word."
    return f"{found}this is no more than chance."


def _errors(reliability: Reliability) -> tuple[str, ...]:
    found = reliability.adaptive_ece, reliability.adaptive_ece_by_chance, reliability.ece
    return tuple(f"{error:.3f}" for error in found)
