"""The labels of ``tracks/`` rows as training takes them: one genre, one artist, one name, however it is spelled.

Scoring compares labels by ``normalize_label``; so does this, or a model would tell two
genres apart that are one when it is scored.
"""

from collections.abc import Callable, Sequence
from typing import Any

from deepsound.errors import LabelError
from deepsound.label_maps.label_map import make_identity_map
from deepsound.label_maps.names import describe_spellings, group_spellings, normalize_artist
from deepsound.taxonomy import Taxonomy, taxonomy_of

Rows = list[dict[str, Any]]
Report = Callable[[str], None]


def unify_artists(rows: Rows, report: Report) -> Rows:
    """The rows with every artist in one spelling, the first by name: in two, one artist could be on two sides."""
    artists = [row["artist"] for row in rows if row["artist"] is not None]
    groups = group_spellings(artists, normalize=normalize_artist).values()
    several = [spellings for spellings in groups if len(spellings) > 1]
    if several:
        example = describe_spellings(several[0])
        report(f"{len(several)} artists stand in several spellings, each taken for one (e.g. {example})")
    spelled = {name: min(spellings) for spellings in groups for name in spellings}
    return [{**row, "artist": spelled.get(row["artist"])} for row in rows]


def pick_genres(rows: Rows, genres: Sequence[str], report: Report) -> tuple[Taxonomy, Rows]:
    """The taxonomy, and those of the rows that have a genre of it, in its spelling.

    Into the spelling of ``genres`` all others are merged, with a line for each; if empty, they are those of the
    rows. Raises LabelError if two genres differ in spelling alone, or there are fewer than two.
    """
    if not genres:
        _check_spellings([row["genre"] for row in rows if row["genre"] is not None])
        taxonomy = taxonomy_of(row["genre"] for row in rows)
        return taxonomy, [row for row in rows if row["genre"] in taxonomy]
    taxonomy = Taxonomy(tuple(genres))
    for spellings in group_spellings(genres).values():
        if len(spellings) > 1:
            named = " and ".join(map(ascii, spellings))
            raise LabelError(f"genres names {named}, which is one genre in several spellings; name one of them")
    return taxonomy, [row for row in map_genres(rows, taxonomy, report) if row["genre"] is not None]


def map_genres(rows: Rows, taxonomy: Taxonomy, report: Report) -> Rows:
    """The rows with the genre of the taxonomy that each label is in any spelling, else null."""
    labels = [row["genre"] for row in rows if row["genre"] is not None]
    identity = make_identity_map(taxonomy)
    known = {label: label if label in taxonomy else identity.resolve(label).genre for label in set(labels)}
    for genre in taxonomy.genres:
        others = [label for label in labels if known[label] == genre != label]
        if others:
            told = " and ".join(describe_spellings(spellings) for spellings in group_spellings(others).values())
            report(f"taken for {genre!r}: {told}")
    return [{**row, "genre": known.get(row["genre"])} for row in rows]


def _check_spellings(labels: Sequence[str]) -> None:
    """Refuse genres that differ in spelling alone, naming those of each and how many tracks have them."""
    groups = group_spellings(labels)
    clashes = [describe_spellings(spellings) for spellings in groups.values() if len(spellings) > 1]
    if clashes:
        names = sorted(spellings.most_common(1)[0][0] for spellings in groups.values())
        raise LabelError(
            f"genres in several spellings, which scoring takes for one: {'; '.join(clashes)}. To merge them, say "
            f"how each genre is spelled: genres=[{', '.join(names)}]"
        )
