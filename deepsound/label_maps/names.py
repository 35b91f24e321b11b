"""How labels are compared: by one normal form, so that "Hip-Hop", "hip hop" and "HIPHOP" are the same."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

# MTG-Jamendo writes genre---rock beside instrument---guitar.
_NAMESPACE = re.compile(r"^(?:\s*genre---)+")
# Accents as they stand on Latin, Greek and Cyrillic letters. Other marks, as of Devanagari or Thai, are letters.
_FIRST_ACCENT, _LAST_ACCENT = "\u0300", "\u036f"
_AND = "and"
# Between labels for certain: what taggers and tables put there, and what ID3v2.4 does (NUL).
_SEPARATORS = re.compile(r"[;|\0\t\r\n]")
# Between labels perhaps: "Rock/Pop" is two, "Hip-Hop/Rap" one. Behind "(17)" of ID3v2.3 a name may follow.
_LOOSE_SEPARATORS = re.compile(r"[/,\\]|(?<=\d\))\s*(?=\S)")


def normalize_label(label: str) -> str:
    """The form in which two spellings of one label are equal: letters and digits only.

    In this order: a leading ``genre---`` goes; NFKC, so that full-width letters and ligatures are plain ones; case
    is folded; accents go (``Música`` is ``musica``); ``&``, ``+`` and a lone ``n``, as in ``Rock'n'Roll``, are
    ``and``; one that stands at an end goes (``& Country``); all else that is no letter, mark or digit (spaces,
    ``-``, ``_``, ``/``, dots, quotes, brackets) goes, and what stood apart is joined.

    Applied twice it gives the same. It may be empty, for a label of signs only.
    """
    text = _fold(_NAMESPACE.sub("", unicodedata.normalize("NFKC", label).casefold()))
    words = ["and" if word == "n" else word for word in _words(text)]
    while len(words) > 1 and words[0] == _AND:
        words.pop(0)
    while len(words) > 1 and words[-1] == _AND:
        words.pop()
    return "".join(words)


def normalize_artist(name: str) -> str:
    """The form in which two spellings of one artist are equal: as for labels, but signs alone (``!!!``) count.

    It may join two artists whose names differ in signs or accents only. That costs a split little, while one
    artist on both sides of it is a leak.
    """
    return normalize_label(name) or _fold(unicodedata.normalize("NFKC", name).casefold())


def group_spellings(
    names: Iterable[str], *, normalize: Callable[[str], str] = normalize_label
) -> dict[str, Counter[str]]:
    """Normal form to its spellings, with how often each occurs; a name without a normal form is its own."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for name, n in Counter(names).items():
        spellings[normalize(name) or name][name] += n
    return dict(spellings)


def describe_spellings(spellings: Counter[str]) -> str:
    """``'Hip-Hop' (12 tracks) and 'hiphop' (8 tracks)``, the most frequent first; look-alikes by code points."""
    looks = Counter(unicodedata.normalize("NFKC", name) for name in spellings)
    return " and ".join(
        f"{ascii(name) if looks[unicodedata.normalize('NFKC', name)] > 1 else repr(name)} ({n} tracks)"
        for name, n in sorted(spellings.items(), key=lambda item: (-item[1], item[0]))
    )


def split_labels(text: str) -> list[str]:
    """The labels of a track that stand in one text, separated by ``;``, ``|``, tab, line or NUL; none if blank."""
    return _parts(_SEPARATORS, text)


def split_words(label: str) -> list[str]:
    """The words of a label: folded, without signs, ``and`` for ``&``."""
    return _words(_fold(unicodedata.normalize("NFKC", label).casefold()))


def split_loosely(label: str) -> list[str]:
    r"""A label that a map does not name as a whole, cut at ``/``, ``,``, ``\`` and behind a number in brackets."""
    return _parts(_LOOSE_SEPARATORS, label)


def _parts(pattern: re.Pattern[str], text: str) -> list[str]:
    return [part.strip() for part in pattern.split(text) if part.strip()]


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", decomposed)
    bare = "".join(char for char in decomposed if not _FIRST_ACCENT <= char <= _LAST_ACCENT)
    return unicodedata.normalize("NFKC", bare)


def _words(text: str) -> list[str]:
    spaced = re.sub("[&+]", f" {_AND} ", text)
    return "".join(char if _is_of_a_word(char) else " " for char in spaced).split()


def _is_of_a_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")
