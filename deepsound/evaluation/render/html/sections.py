"""The parts of a scorecard, each made from what the evaluation gives and usable on any page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepsound.evaluation.examples import N_TYPICAL, Examples
from deepsound.evaluation.intervals import Interval
from deepsound.evaluation.leakage import LeakAudit, count_leaks, describe_leak
from deepsound.evaluation.metrics import CollectionMetrics
from deepsound.evaluation.near_duplicates import MAX_EXPECTED, MIN_TRACKS
from deepsound.evaluation.render.chart_style import pick_of
from deepsound.evaluation.render.figures import (
    Bar,
    draw_bars,
    draw_confusion,
    draw_learning_curves,
)
from deepsound.evaluation.render.html.inline_svg import to_inline_svg
from deepsound.evaluation.render.html.page import (
    Block,
    Chart,
    Command,
    Facts,
    Headline,
    Link,
    Listing,
    Notice,
    Players,
    Section,
    Table,
    TrackMap,
)
from deepsound.evaluation.render.html.players import make_players
from deepsound.evaluation.render.wording import figure, sentence, tracks

_MAX_LISTED, _MAX_GENRES = 50, 30
_FEW_TRACKS = 100


def headline_of(metrics: CollectionMetrics, *, what: str, remarks: Sequence[str] = ()) -> Headline:
    """The accuracy, what it is of, and what to hold it against.

    Parameters
    ----------
    what : str
        Which tracks, for example ``held-out test tracks``.
    """
    if metrics.accuracy is None:
        return Headline(share=None, low=None, high=None, of=f"none of the {what} has a known genre")
    n_right = sum(line.n_correct for line in metrics.per_genre)
    commonest = max(metrics.per_genre, key=lambda line: line.n_true)
    said = [
        f"Macro F1 {figure(metrics.macro_f1, metrics.macro_f1_interval)}: every genre counts the same",
        f"Saying {commonest.genre} of everything would be right on "
        f"{100 * commonest.n_true / metrics.n_labelled:.0f} %",
    ]
    said += [sentence(remark) for remark in metrics.remarks]
    if metrics.interval_unit == "artist":
        said.append(f"Intervals count the {metrics.n_artists} artists, not the tracks")
    else:
        said.append("Intervals take tracks as independent, as no artist is known; those of one artist are not")
    if metrics.n_labelled < _FEW_TRACKS:
        are_few = "is little" if metrics.n_labelled == 1 else "are few"
        said.append(f"{tracks(metrics.n_labelled)} {are_few}: mind the interval, not the figure")
    return Headline(
        share=metrics.accuracy,
        low=metrics.accuracy_low,
        high=metrics.accuracy_high,
        of=f"of {metrics.n_labelled} {what} right ({n_right})",
        remarks=(*said, *remarks),
    )


def genre_section(metrics: CollectionMetrics) -> Section:
    """Recall per genre as bars, all figures as a table."""
    bars = [
        Bar(
            label=line.genre,
            value=line.recall,
            low=line.recall_low,
            high=line.recall_high,
            note=f"{line.n_correct} of {line.n_true}" if line.n_true else "no track",
            pick=pick_of("genre", line.genre) if line.n_true else "",
        )
        for line in metrics.per_genre
    ]
    rows = tuple(
        (
            line.genre,
            str(line.n_true),
            str(line.n_predicted),
            figure(line.recall, (line.recall_low, line.recall_high)),
            figure(line.precision, (line.precision_low, line.precision_high)),
            figure(line.f1, (line.f1_low, line.f1_high)),
        )
        for line in metrics.per_genre
    )
    return Section(
        title="Genre by genre",
        lead="Share of each genre's tracks that was recognised (recall), with 95 % intervals. A click lists them.",
        blocks=(
            Chart(svg=to_inline_svg(draw_bars(bars), label="recall per genre with 95 % intervals")),
            Table(
                header=("genre", "tracks", "predicted", "recall", "precision", "F1"),
                rows=rows,
                title="Precision and F1, with intervals",
            ),
        ),
    )


def confusion_section(metrics: CollectionMetrics) -> Section:
    """What is taken for what."""
    shown = _largest_genres(metrics)
    genres = [line.genre for line in metrics.per_genre]
    pairs = sorted(
        (
            (int(metrics.confusion[i, j]), genres[i], genres[j])
            for i in range(len(genres))
            for j in range(len(genres))
            if i != j and metrics.confusion[i, j]
        ),
        key=lambda pair: (-pair[0], pair[1:]),
    )[:3]
    left_out = ""
    if len(shown.per_genre) < len(genres):
        left_out = f" Shown are the {len(shown.per_genre)} genres of {len(genres)} with most tracks."
    told = "; ".join(f"{true} taken for {other} ({n})" for n, true, other in pairs)
    return Section(
        title="What is taken for what",
        lead="Rows are the true genre, columns the predicted one; numbers are tracks. A click lists them."
        + left_out,
        blocks=(
            Chart(
                svg=to_inline_svg(
                    draw_confusion(shown),
                    label="confusion matrix, true genres in rows, predicted ones in columns",
                ),
                caption=f"Most often: {told}." if told else "No mistake.",
            ),
        ),
    )


def _largest_genres(metrics: CollectionMetrics) -> CollectionMetrics:
    """The rows and columns of the genres with most tracks, as many as a page can show."""
    sizes = [-line.n_true for line in metrics.per_genre]
    kept = np.sort(np.argsort(sizes, kind="stable")[:_MAX_GENRES])
    return replace(
        metrics,
        per_genre=tuple(metrics.per_genre[i] for i in kept.tolist()),
        confusion=metrics.confusion[np.ix_(kept, kept)],
    )


def curves_section(history: Sequence[Mapping[str, float]], *, best_epoch: int) -> Section:
    """Loss and accuracy by epoch."""
    svg = to_inline_svg(
        draw_learning_curves(history, best_epoch=best_epoch),
        label="loss and accuracy by epoch, training and validation",
    )
    return Section(title="How it learned", lead="Of segments, not of tracks.", blocks=(Chart(svg=svg),))


def folds_section(
    accuracies: Sequence[float], n_tracks: Sequence[int], *, pooled: float, interval: Interval, what: str
) -> Section:
    """A cross-validation: the figure of each fold, their mean and spread, all tracks together.

    Parameters
    ----------
    accuracies, n_tracks : sequences, one entry a fold
    pooled : float
        Accuracy of all tracks together; ``interval`` is its 95 % interval.
    what : str
        What the folds keep together, for example ``tracks of one artist``.
    """
    mean = sum(accuracies) / len(accuracies)
    spread = (sum((a - mean) ** 2 for a in accuracies) / max(len(accuracies) - 1, 1)) ** 0.5
    rows = [
        (f"fold {i + 1}", str(n), f"{a:.3f}") for i, (a, n) in enumerate(zip(accuracies, n_tracks, strict=True))
    ]
    rows += [
        ("mean", "", f"{mean:.3f}"),
        ("sd over folds", "", f"{spread:.3f}"),
        ("all together", str(sum(n_tracks)), figure(pooled, interval, digits=3)),
    ]
    return Section(
        title=f"{len(accuracies)}-fold cross-validation",
        lead=f"Every track judged once, by a model that knows neither it nor its group: {what} are kept together, "
        "and count as alike in the interval.",
        blocks=(Table(header=("", "tracks", "accuracy"), rows=tuple(rows)),),
    )


def listen_section(examples: Examples, *, n_wrong: int, note: str = "") -> Section:
    """The mistakes it was surest of, the farthest tracks and the typical ones, to be heard; each track once.

    Parameters
    ----------
    n_wrong : int
        Of all tracks, listed or not.
    note : str, optional
        What else to know of them, after a space.
    """
    shown: set[int] = set()
    blocks: list[Block] = []
    of_genres = "each genre" if len(examples.typical) < N_TYPICAL else f"{N_TYPICAL} genres"
    typical = [place for _, *pair in examples.typical for place in pair]
    for title, places in (
        (f"The most confident mistakes, {len(examples.mistakes)} of {n_wrong}", examples.mistakes),
        ("Farthest from the training tracks", examples.farthest),
        (f"The most and the least typical of {of_genres}", typical),
    ):
        new = [place for place in dict.fromkeys(places) if place not in shown]
        shown.update(new)
        if new:
            blocks.append(Players(cards=make_players(examples, new), title=title))
    if not blocks:
        lead = f"Of {tracks(n_wrong)} taken for another genre, none is listed."
        return Section(
            title="Listen", blocks=(), lead=lead if n_wrong else "No mistake to listen to.", is_wide=True
        )
    return Section(
        title="Listen",
        lead="Wrong labels show up among the mistakes, too. Typical: near to the mean of a genre's tracks in the "
        "model's last layer but one. Below the sound lies the whole track, blue where it is taken for what it is, "
        "with a frame around what is heard. Space plays and stops, arrows go back and forth by a second. The "
        f"clips are parts of the tracks; whether you may pass them on is up to their licences.{note}",
        blocks=tuple(blocks),
        is_wide=True,
    )


def map_section(examples: Examples) -> Section | None:
    """The tracks by how alike the model hears them; None where there is no map."""
    if examples.places is None:
        return None
    home = ""
    if examples.home_places is not None and len(examples.home_places):
        home = " Small grey points are segments that the model was trained on."
    return Section(
        title="Map",
        lead="Tracks that the model hears as alike lie near to each other; how far apart others lie says little.",
        blocks=(
            TrackMap(
                caption="Means of the model's last layer but one, in two dimensions by t-SNE."
                f"{home} Rest on a point for its name, click to hear it, or to find it in the list."
            ),
        ),
        is_wide=True,
    )


def audit_section(audit: LeakAudit, *, grouping: str) -> Section:
    """What the leak audit found before anything was learned."""
    n_unknown = sum(track.artist is None for track in audit.tracks)
    pairs = audit.near_duplicates
    facts = (
        ("division", grouping),
        ("across splits", count_leaks(audit.leaks)),
        ("artists", f"unknown for {n_unknown} of {len(audit.tracks)} tracks"),
        (
            "near-duplicates",
            f"not looked for among fewer than {MIN_TRACKS} tracks"
            if pairs is None
            else f"{len(pairs)} pairs in the whole collection; chance makes fewer than {2 * MAX_EXPECTED:g}",
        ),
    )
    blocks: list[Block] = [Facts(pairs=facts)]
    if audit.leaks:
        blocks.insert(0, Notice(text="Leaks were allowed: the figures on this page flatter the model."))
        listed = tuple(describe_leak(leak, max_tracks=6) for leak in audit.leaks[:_MAX_LISTED])
        more = len(audit.leaks) - len(listed)
        blocks.append(Listing(lines=(*listed, *([f"and {more} more"] if more else [])), title="The leaks"))
    return Section(title="Leak audit", blocks=tuple(blocks))


def facts_section(
    title: str, pairs: Mapping[str, str | Link], *, folded: Mapping[str, Mapping[str, str]], command: str = ""
) -> Section:
    """Names with values, some of them folded away by title, and the command, if any, that makes it again."""
    shown = Facts(pairs=tuple(pairs.items()))
    hidden = [Facts(pairs=tuple(more.items()), title=name) for name, more in folded.items()]
    commands = [Command(text=command)] if command else []
    lead = "From the same data and versions, this makes it again; a click selects all of it." if command else ""
    return Section(title=title, lead=lead, blocks=(*commands, shown, *hidden))
