"""The part of a page that says where the model is worse than elsewhere."""

from deepsound.evaluation.render.chart_style import pick_of
from deepsound.evaluation.render.html.page import Block, Listing, Section, Table
from deepsound.evaluation.render.wording import figure
from deepsound.evaluation.slices import Slices


def slices_section(slices: Slices | None) -> Section | None:
    """The slices that it is worst on, in words where they are no matter of luck; None where none was looked at."""
    if slices is None or not slices.n_tested:
        return None
    rows = tuple(
        (
            one.name,
            str(one.n_tracks),
            figure(one.accuracy, (one.low, one.high)),
            figure(one.elsewhere, None),
            f"{one.p_holm:.3f}",
        )
        for one in slices.worst
    )
    table = Table(
        header=("slice", "tracks", "accuracy", "elsewhere", "Holm's p"),
        rows=rows,
        picks=tuple(pick_of("slice", one.name) for one in slices.worst),
        title=f"The {len(rows)} with the least p, of {slices.n_tested} that were looked at",
    )
    blocks: list[Block] = [Listing(lines=tuple(one.describe() for one in slices.beyond_chance))]
    lead = "Its accuracy here is lower than on all other tracks, by more than chance."
    if not slices.beyond_chance:
        blocks, lead = [], f"Slices looked at: {slices.n_tested}; none is worse than the rest by more than chance."
    return Section(
        title="Where it is worse",
        lead=f"{lead} Artists are the units of the test; p-values are corrected by Holm for all slices. A click "
        "on a row lists its tracks.",
        blocks=(*blocks, *([table] if rows else [])),
        is_wide=True,
    )
