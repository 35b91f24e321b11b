"""A label map: which label of a vocabulary is which genre."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from deepsound.errors import LabelMapError
from deepsound.label_maps.names import normalize_label, split_labels, split_loosely
from deepsound.label_maps.outcome import MAPPED, UNMAPPED, LabelOutcome, combine_outcomes
from deepsound.settings import compute_fingerprint
from deepsound.taxonomy import Taxonomy


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """A vocabulary in the words of a model. Small and picklable.

    Attributes
    ----------
    name, source : str
        ``source`` says which vocabulary, and from where.
    version : int
        Another one whenever an entry changes.
    targets : tuple of str
        The genres that labels may go to.
    entries : mapping of str to LabelOutcome
        By normal form of the label: mapped, unmapped or ambiguous.
    exact : mapping of str to LabelOutcome
        By label as it stands; these come first.
    """

    name: str
    version: int
    source: str
    targets: tuple[str, ...]
    entries: Mapping[str, LabelOutcome]
    exact: Mapping[str, LabelOutcome] = field(default_factory=dict)

    def resolve(self, text: str | None) -> LabelOutcome:
        """What becomes of a track with this text, in which several labels may stand.

        A label that the map does not name as a whole is cut at ``/`` and ``,`` once more; one that it does not
        name at all is unmapped. Several labels are mapped only if all of them are the same genre.
        """
        return combine_outcomes(self._resolve_one(label) for label in split_labels(text or ""))

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
        }
        return {"name": self.name, "version": self.version, "fingerprint": compute_fingerprint(content)}

    def _resolve_one(self, label: str) -> LabelOutcome:
        entry = self._find(label)
        if entry is not None:
            return entry
        parts = split_loosely(label)
        return combine_outcomes(self._find(part) or LabelOutcome(UNMAPPED) for part in parts or [label])

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
