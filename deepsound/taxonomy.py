"""The ordered list of genres that a model knows: the one label list of every metric."""

from collections.abc import Iterable
from dataclasses import dataclass

from deepsound.errors import LabelError, ParameterError

# G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", IEEE TSAP 10(5), 2002.
GTZAN_GENRES = (
    "blues",
    "classical",
    "country",
    "disco",
    "hiphop",
    "jazz",
    "metal",
    "pop",
    "reggae",
    "rock",
)


@dataclass(frozen=True)
class Taxonomy:
    """Genres in a fixed order; the position of a genre is its class index everywhere.

    Raises
    ------
    ParameterError
        Fewer than two genres, a name twice, or an empty name.
    """

    genres: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.genres) < 2:
            raise ParameterError(f"a taxonomy needs at least two genres, got {list(self.genres)}")
        if len(set(self.genres)) != len(self.genres) or not all(self.genres):
            raise ParameterError(f"genres must be different, non-empty names, got {list(self.genres)}")

    def __len__(self) -> int:
        return len(self.genres)

    def __contains__(self, genre: object) -> bool:
        return genre in self.genres

    def index(self, genre: str) -> int:
        """Class index of ``genre``.

        Raises
        ------
        ParameterError
            If the taxonomy does not hold it.
        """
        try:
            return self.genres.index(genre)
        except ValueError as exc:
            raise ParameterError(f"genre {genre!r} is not one of {', '.join(self.genres)}") from exc


def taxonomy_of(labels: Iterable[str | None]) -> Taxonomy:
    """The genres that occur in ``labels``, in alphabetical order; null labels are left out.

    Raises
    ------
    LabelError
        If fewer than two genres occur: there is nothing to tell apart.
    """
    genres = tuple(sorted({label for label in labels if label is not None}))
    if len(genres) < 2:
        found = f"only {genres[0]!r}" if genres else "no label at all"
        raise LabelError(
            f"training needs at least two genres, found {found}; "
            "check labels.from (parent_dir, filename_prefix, csv) of the extraction"
        )
    return Taxonomy(genres)
