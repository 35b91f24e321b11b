"""The parts of a scored collection's page that only such a page has."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from deepsound.evaluation.coverage import COVERAGES, CoverageCurve
from deepsound.evaluation.detection import Detection
from deepsound.evaluation.drift.movement import QuantityDrift
from deepsound.evaluation.drift.report import DriftReport, describe_bounds
from deepsound.evaluation.quantification import Quantification
from deepsound.evaluation.render.chart_style import pick_of
from deepsound.evaluation.render.figures import Bar, draw_coverage, draw_distances, draw_paired_bars
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import Block, Chart, Listing, Section, Table
from deepsound.evaluation.render.wording import figure, percent, sentence, share_of, tracks
from deepsound.evaluation.report import Distances, PredictedGenre, Report
from deepsound.label_maps.label_map import TakenLabel

_WANTED_ACCURACY = 0.9
_LABELS = {
    "mapped": "a known genre",
    "unmapped": "an unknown genre",
    "ambiguous": "several genres possible",
    "unlabelled": "no label",
}


def predicted_table(genres: Sequence[PredictedGenre]) -> Table:
    """How sure the model is of each genre that it names, and how many of the tracks are out-of-distribution."""
    rows = tuple(
        (
            line.genre,
            str(line.n_tracks),
            figure(line.mean_confidence, None),
            figure(line.calibration_error, None, digits=3),
            percent(line.n_ood / line.n_tracks) if line.n_tracks else "-",
        )
        for line in genres
    )
    header = ("predicted as", "tracks", "confidence", "its error", "out-of-distribution")
    title = "By predicted genre: mean confidence, its calibration error, share out-of-distribution"
    return Table(header=header, rows=rows, title=title)


def shares_section(report: Report) -> Section:
    """What the collection holds: by what was predicted, and by what that means given the model's mistakes."""
    title = "What the collection holds"
    shares = report.shares
    if not report.n_scored:
        return Section(title=title, blocks=(), lead="Nobody knows: no track was scored.")
    if shares is None:
        return Section(title=title, blocks=(), lead="Tracks by predicted genre, as the model says.")
    blocks: list[Block] = [
        Chart(
            svg=_draw_shares(shares),
            caption="Predicted: counted as the model says. Estimated: what its probabilities add up to once the "
            f"shares of its training are taken out. 95 % intervals, of {tracks(shares.n_tracks)}.",
        ),
        *([Listing(lines=shares.notes)] if shares.notes else []),
        _shares_table(shares),
    ]
    left_out = " Tracks called out-of-distribution are left out." if report.n_ood else ""
    lead = (
        "Shares of genres. The estimate holds where each genre sounds as it does in training, and only how much "
        f"there is of each has changed.{left_out}"
    )
    return Section(title=title, lead=lead, blocks=tuple(blocks))


def _draw_shares(shares: Quantification) -> Markup:
    pairs = [
        (
            _share_bar(line.genre, line.predicted, line.predicted_low, line.predicted_high),
            _share_bar(line.genre, line.estimated, line.estimated_low, line.estimated_high),
        )
        for line in shares.shares
    ]
    label = "shares of genres, predicted and estimated, with 95 % intervals"
    return to_inline_svg(draw_paired_bars(pairs, names=("predicted", "estimated")), label=label)


def _share_bar(genre: str, share: float, low: float, high: float) -> Bar:
    return Bar(label=genre, value=share, low=low, high=high, note=percent(share), pick=pick_of("predicted", genre))


def _shares_table(shares: Quantification) -> Table:
    rows = tuple(
        (
            share.genre,
            str(share.n_predicted),
            figure(share.predicted, (share.predicted_low, share.predicted_high)),
            figure(share.estimated, (share.estimated_low, share.estimated_high)),
        )
        for share in shares.shares
    )
    return Table(header=("genre", "tracks", "predicted", "estimated"), rows=rows, title="Shares in numbers")


def coverage_section(curve: CoverageCurve) -> Section:
    """How right the model is where it is surest, for a collection that can do with fewer answers."""
    rows = []
    for coverage in COVERAGES:
        n_accepted = math.ceil(round(coverage * curve.n_tracks, 9))
        accuracy = curve.accuracy_at(coverage)
        interval = curve.interval_at(coverage)
        threshold = float(curve.thresholds[int((curve.n_accepted < n_accepted).sum())])
        rows.append((percent(coverage), str(n_accepted), figure(accuracy, interval), f"{threshold:.3f}"))
    best = curve.largest_at(_WANTED_ACCURACY)
    if best is None:
        caption = f"No threshold makes it right on {percent(_WANTED_ACCURACY)} of what it accepts."
    else:
        caption = (
            f"From a confidence of {best.threshold:.3f} on, which {percent(best.coverage)} of the tracks have, "
            f"{percent(best.accuracy)} are right. The threshold was looked for on these very tracks: on others, "
            f"expect as little as {percent(best.low)}."
        )
    return Section(
        title="If it may leave tracks out",
        lead="Accuracy of the tracks that the model is surest of; from: the least confidence among them.",
        blocks=(
            Chart(
                svg=to_inline_svg(
                    draw_coverage(curve, dots=COVERAGES),
                    label="accuracy of the surest tracks against the share of tracks that these are",
                ),
                caption=caption,
            ),
            Table(header=("surest", "tracks", "accuracy", "from"), rows=tuple(rows)),
        ),
    )


def is_foreign(distances: Distances | None) -> bool:
    """Whether more tracks are called so than held-out ones would be, and not by the luck of a few artists."""
    if distances is None or not distances.n_ood:
        return False
    low, _ = distances.ood_interval or (0.0, 1.0)
    return low > (distances.rule.highest_rate or distances.rule.false_alarm_rate)


def distances_section(distances: Distances | None) -> Section:
    """How far from the training tracks the collection is, and how well that can be told."""
    if distances is None or not distances.n_scored:
        return Section(
            title="Is it like the training tracks?", blocks=(), lead="Nobody knows: no track was scored."
        )
    called = f"{share_of(distances.n_ood, distances.n_scored)} of the tracks are called out-of-distribution."
    blocks: list[Block] = []
    if distances.edges is None or distances.home is None or distances.collection is None:
        lead = (
            f"{called} The model's bundle does not hold the scores of its held-out tracks, so the collection "
            "cannot be drawn beside them."
        )
    else:
        lead = called
        drawn = draw_distances(
            distances.edges,
            home=distances.home,
            collection=distances.collection,
            threshold=distances.rule.threshold,
        )
        blocks.append(
            Chart(
                svg=to_inline_svg(
                    drawn,
                    label="out-of-distribution scores of the collection beside those of held-out training tracks",
                ),
                caption="The outermost bins hold what lies beyond. In-distribution: held-out tracks of training.",
            )
        )
    blocks.append(Listing(lines=(sentence(distances.rule.describe()), *_say_accepted(distances))))
    if distances.detection:
        rows = tuple(_detection_row(kind, found) for kind, found in distances.detection.items())
        blocks.append(Table(header=("in-distribution against", "tracks", "AUROC", "FPR95"), rows=rows))
        blocks.append(
            Listing(
                lines=(
                    "AUROC: how often a track of the collection has a higher score than a held-out one of "
                    "training; 0.5 says that the two cannot be told apart.",
                    "FPR95: share of the collection that passes where 95 % of the held-out tracks pass; of fewer "
                    "than 20 artists it is not known where that is.",
                ),
                title="What the figures mean",
            )
        )
    return Section(title="Is it like the training tracks?", lead=lead, blocks=tuple(blocks))


def _say_accepted(distances: Distances) -> list[str]:
    n_right, n_labelled = distances.accepted_accuracy
    if not n_labelled:
        return []
    interval = figure(n_right / n_labelled, distances.accepted_interval)
    return [f"Accuracy of the labelled tracks that it accepts: {interval} of {n_labelled}"]


def _detection_row(kind: str, found: Detection) -> tuple[str, ...]:
    return (
        kind,
        str(found.n_foreign),
        figure(found.auroc, (found.auroc_low, found.auroc_high)),
        figure(found.fpr95, (found.fpr95_low, found.fpr95_high)),
    )


def drift_section(drift: DriftReport | None) -> Section:
    """What is other than in training, before any label is asked."""
    title = "What is other than in training?"
    if drift is None:
        lead = "Nobody knows: the model's bundle does not say what its training tracks are like."
        return Section(title=title, blocks=(), lead=lead)
    moved = [quantity for quantity in (*drift.features, *drift.tracks) if quantity.has_moved]
    blocks: list[Block] = [Listing(lines=drift.words)]
    if moved:
        moved.sort(key=lambda quantity: -(quantity.psi or 0.0))
        header = ("quantity", "index", "p", "above training", "median", "in training")
        rows = tuple(_drift_row(quantity) for quantity in moved)
        blocks.append(Table(header=header, rows=rows, title=f"What moved, in numbers ({len(moved)})"))
    lead = f"{tracks(drift.n_tracks)} against {drift.n_reference} that the model was trained on."
    return Section(title=title, lead=lead, blocks=tuple(blocks))


def _drift_row(quantity: QuantityDrift) -> tuple[str, ...]:
    return (
        quantity.name,
        figure(quantity.psi, None),
        "under 0.001" if quantity.p_value < 0.001 else f"{quantity.p_value:.3f}",
        "-" if quantity.tilt is None else percent(quantity.tilt),
        describe_bounds(quantity.median),
        describe_bounds(quantity.median_before),
    )


def labels_section(labels: Mapping[str, int], taken: Sequence[TakenLabel]) -> Section:
    """What became of the tracks' labels, and which were taken for their last words."""
    total = sum(labels.values())
    rows = tuple(
        (_LABELS.get(name, name), str(n), percent(n / total))
        for name, n in sorted(labels.items(), key=lambda item: [*_LABELS, item[0]].index(item[0]))
        if n
    )
    lead = "Only tracks of a genre that the model knows are judged." if rows else "No track was scored."
    blocks = [Table(header=("label", "tracks", "share"), rows=rows)] if rows else []
    if taken:
        lead += " Labels that the map does not name were taken for their last words, where it names these."
        words = tuple((one.label, one.taken_for, str(one.n_tracks)) for one in taken)
        blocks.append(Table(header=("label", "taken for", "tracks"), rows=words))
    return Section(title="Labels", lead=lead, blocks=tuple(blocks))


def failures_section(failures: Mapping[str, int], *, n_tracks: int) -> Section:
    """Tracks without a prediction, by reason."""
    ordered = sorted(failures.items(), key=lambda item: (-item[1], item[0]))
    rows = tuple((code, str(n), percent(n / n_tracks)) for code, n in ordered if n)
    n_failed = sum(failures.values())
    return Section(
        title="Tracks that failed",
        lead=f"{share_of(n_failed, n_tracks)} of the tracks have no prediction, and are in no other figure here.",
        blocks=(Table(header=("error", "tracks", "share"), rows=rows),),
    )
