"""A label map: which label of a vocabulary is which genre."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deepsound.errors import LabelMapError
from deepsound.label_maps.names import normalize_label, split_labels, split_loosely, split_words
from deepsound.settings import compute_fingerprint
from deepsound.taxonomy import Taxonomy

MAPPED, UNMAPPED, AMBIGUOUS, UNLABELLED = "mapped", "unmapped", "ambiguous", "unlabelled"
OUTCOMES = (MAPPED, UNMAPPED, AMBIGUOUS, UNLABELLED)
# Before a genre, these say that it is not that.
_NEGATIONS = frozenset({"anti", "no", "non", "not"})


@dataclass(frozen=True)
class LabelOutcome:
    """What became of a label. ``genre`` is null unless ``outcome`` is ``mapped``."""

    outcome: str
    genre: str | None = None


@dataclass(frozen=True, kw_only=True)
class TakenLabel:
    """A label that a map does not name, taken for its last words, which it does; and how many tracks have it."""

    label: str
    taken_for: str
    outcome: LabelOutcome
    n_tracks: int


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """A vocabulary in the words of a model. Small and picklable.

    Attributes
    ----------
    source : str
        Which vocabulary it is, and from where.
    version : int
        Another one whenever an entry changes.
    targets : tuple of str
        The genres that labels may go to.
    entries : mapping of str to LabelOutcome
        By normal form of the label: mapped, unmapped or ambiguous.
    exact : mapping of str to LabelOutcome
        By label as it stands; these come first.
    by_ending : bool
        Whether a label that is not named here is taken for its last words, where these are: ``Romantic Classical``
        for ``Classical``. Not where the words before them name something else (``Electro Swing``).
    """

    name: str
    version: int
    source: str
    targets: tuple[str, ...]
    entries: Mapping[str, LabelOutcome]
    exact: Mapping[str, LabelOutcome] = field(default_factory=dict)
    by_ending: bool = False

    def resolve(self, text: str | None) -> LabelOutcome:
        """What becomes of a track with this text, in which several labels may stand.

        A label that the map does not name as a whole is cut at ``/`` and ``,`` once more; one that it does not
        name at all is unmapped. Several labels are mapped only if all of them are the same genre.
        """
        return combine_outcomes(self._resolve_one(label) for label in split_labels(text or ""))

    def list_taken(self, tracks_of: Mapping[str, int]) -> list[TakenLabel]:
        """The labels that are taken for their last words and thus are not unmapped, those of most tracks first.

        Parameters
        ----------
        tracks_of : mapping of str to int
            Tracks by the text of their labels.
        """
        n_tracks: Counter[str] = Counter()
        for text, n in tracks_of.items():
            parts = {part for label in split_labels(text) for part in self._parts(label)}
            n_tracks.update(dict.fromkeys(parts, n))
        taken = []
        for label, n in n_tracks.items():
            ending = None if self._find(label) is not None else self._ending_of(label)
            outcome = self._find(ending) if ending is not None else None
            if ending is not None and outcome is not None and outcome.outcome != UNMAPPED:
                taken.append(TakenLabel(label=label, taken_for=ending, outcome=outcome, n_tracks=n))
        return sorted(taken, key=lambda one: (-one.n_tracks, one.label))

    def check_targets(self, taxonomy: Taxonomy) -> None:
        """Raise unless the model knows every genre that labels go to.

        Raises
        ------
        LabelMapError
            Naming the others. To leave their tracks out in silence would flatter the model.
        """
        strangers = [target for target in self.targets if target not in taxonomy]
        if strangers:
            raise LabelMapError(
                f"the label map {self.name} has targets that the model does not know: {', '.join(strangers)}; it "
                f"knows {', '.join(taxonomy.genres)}. Take them out of a copy and set labels.map to that"
            )

    def describe(self, taxonomy: Taxonomy) -> str:
        """One line for people, with the genres of the model that no label goes to."""
        reached = {outcome.genre for outcome in (*self.entries.values(), *self.exact.values())}
        missing = [genre for genre in taxonomy.genres if genre not in reached]
        gap = f"; no label goes to {', '.join(missing)}" if missing else ""
        return f"labels by the map {self.name}, version {self.version}{gap}"

    def identity(self) -> dict[str, Any]:
        """What to write beside results: name, version, and a fingerprint of all that decides an outcome."""
        content = {
            "targets": list(self.targets),
            "entries": {label: asdict(outcome) for label, outcome in self.entries.items()},
            "exact": {label: asdict(outcome) for label, outcome in self.exact.items()},
            **({"by_ending": True} if self.by_ending else {}),
        }
        return {"name": self.name, "version": self.version, "fingerprint": compute_fingerprint(content)}

    def _resolve_one(self, label: str) -> LabelOutcome:
        return combine_outcomes(
            self._find(part) or self._find(self._ending_of(part) or "") or LabelOutcome(UNMAPPED)
            for part in self._parts(label)
        )

    def _parts(self, label: str) -> list[str]:
        """A label that is named as a whole, or what it is cut into."""
        return [label] if self._find(label) is not None else split_loosely(label) or [label]

    def _ending_of(self, label: str) -> str | None:
        """The longest end of a label that has an entry, unless what stands before it speaks against it."""
        words = split_words(label) if self.by_ending else []
        for n_before in range(1, len(words)):
            ending = " ".join(words[n_before:])
            entry = self._find(ending)
            if entry is not None and not ending.isdigit():
                return ending if self._suits(words[:n_before], entry) else None
        return None

    def _suits(self, words: list[str], entry: LabelOutcome) -> bool:
        """Whether no words before an ending are a negation or have another outcome of their own."""
        runs = [" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 1, len(words) + 1)]
        named = (self._find(run) for run in runs if not run.isdigit())
        return _NEGATIONS.isdisjoint(words) and all(other in (None, entry) for other in named)

    def _find(self, label: str) -> LabelOutcome | None:
        return self.exact.get(label) or self.entries.get(normalize_label(label))


def make_identity_map(taxonomy: Taxonomy) -> LabelMap:
    """The map that holds without one: a label is the genre of its name, however that is spelled.

    Genres that differ only in spelling are told apart by it, as they stand.
    """
    forms = {genre: normalize_label(genre) for genre in taxonomy.genres}
    n_of_form = Counter(forms.values())
    return LabelMap(
        name="identity",
        version=1,
        source="the model's own genres",
        targets=taxonomy.genres,
        entries={form: LabelOutcome(MAPPED, genre) for genre, form in forms.items() if n_of_form[form] == 1},
        exact={genre: LabelOutcome(MAPPED, genre) for genre in taxonomy.genres},
    )


def combine_outcomes(outcomes: Iterable[LabelOutcome]) -> LabelOutcome:
    """The outcome of several labels on one track: theirs if it is one and the same, else ambiguous."""
    different = set(outcomes)
    if not different:
        return LabelOutcome(UNLABELLED)
    return different.pop() if len(different) == 1 else LabelOutcome(AMBIGUOUS)


def map_labels(
    labels: Sequence[str | None], *, taxonomy: Taxonomy, label_map: LabelMap | None = None
) -> list[LabelOutcome]:
    """What the labels of tracks are in the words of a model, in their order.

    Parameters
    ----------
    labels : sequence of str or None
        One a track; several labels of a track stand in one text, separated by ``;``.
    label_map : LabelMap, optional
        Without one, a label is the genre of its name, by :func:`make_identity_map`.

    Raises
    ------
    LabelMapError
        The map has a target that the taxonomy does not hold.
    """
    if label_map is not None:
        label_map.check_targets(taxonomy)
    used = label_map or make_identity_map(taxonomy)
    known = {label: used.resolve(label) for label in set(labels)}
    return [known[label] for label in labels]
