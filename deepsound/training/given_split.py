"""Splits that come from elsewhere: lists of tracks, as splits are published, and the split of an earlier model."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deepsound.config import TrainSettings
from deepsound.data.gtzan import fault_filtered_lists
from deepsound.data.split_files import match_split_lists, read_split_list
from deepsound.errors import SplitError
from deepsound.label_maps.names import normalize_artist

Rows = list[dict[str, Any]]
Report = Callable[[str], None]


def apply_split_lists(rows: Rows, settings: TrainSettings, report: Report) -> Rows:
    """The rows with the split that lists give, null where they give none; as they are where there are no lists.

    Raises SplitError: a list cannot be read, none of its lines is a track, or a track is in two lists.
    """
    if settings.split.files.published:
        lines = fault_filtered_lists()
    else:
        lines = {split: read_split_list(path) for split, path in settings.split_lists.items()}
    if not lines:
        return rows
    listed = match_split_lists([row["track_id"] for row in rows], lines)
    for line in listed.describe_unknown():
        report(line)
    n_missing = len(rows) - len(listed.splits)
    if n_missing:
        report(f"{n_missing} tracks are in no split list and left out")
    return [{**row, "split": listed.splits.get(row["track_id"])} for row in rows]


def find_known_splits(rows: Rows, settings: TrainSettings, report: Report) -> dict[str, str]:
    """track_id to split, of the tracks that the model of ``split.like`` has divided; empty without one.

    A track is known again by its id or its content. If splits go by artist, a new track is where most tracks of
    its artist were, whether these are still there or not.

    Raises SplitError: the model knows none of the tracks; BundleError or TrackingError: it cannot be had.
    """
    if settings.split.like is None:
        return {}
    # The one place where a division of tracks needs the registry.
    from deepsound.training.registry import load_bundle

    former = load_bundle(settings.split.like).split.to_pylist()
    by_id = {row["track_id"]: row["split"] for row in former}
    by_content = {row["content_sha256"]: row["split"] for row in former if row.get("content_sha256")}
    known: dict[str, str] = {}
    for row in rows:
        split = by_id.get(row["track_id"], by_content.get(row["content_sha256"]))
        if split is not None:
            known[row["track_id"]] = split
    if not known:
        raise SplitError(
            f"split.like: {settings.split.like} has divided {len(former)} tracks, such as "
            f"{next(iter(by_id), 'none')!r}, and none of these {len(rows)}; is it a model of another collection?"
        )
    places = _places_of_artists(former) if settings.split.by == "artist" else {}
    new = [row for row in rows if row["track_id"] not in known]
    followers: dict[str, str] = {}
    for row in new:
        artist = normalize_artist(row["artist"] or "")
        if artist in places:
            followers[row["track_id"]] = places[artist]
    report(
        f"split like {settings.split.like}: {len(known)} tracks stay where it had them, {len(new)} new ones are "
        f"dealt out, {len(followers)} of them with their artists"
    )
    return known | followers


def _places_of_artists(former: Sequence[Mapping[str, str | None]]) -> dict[str, str]:
    """The split of most tracks of an artist, by the normal form of the name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in former:
        artist, split = row.get("artist"), row["split"]
        if artist and split:
            counts[normalize_artist(artist)][split] += 1
    return {artist: max(sorted(of), key=of.__getitem__) for artist, of in counts.items()}
