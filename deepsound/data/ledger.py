"""What an extraction still has to do: the files that are there now against the rows that were written before.

The ``tracks/`` table is the only record of what is done. A file counts as unchanged while its size and its time of
modification are those of its row; where one differs, the hash of its content decides, so that a file that was only
touched or copied anew is not extracted again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from deepsound.errors import AudioDuplicateError

T = TypeVar("T")

LISTING_COLUMNS = ("track_id", "path", "size_bytes", "modified_ms")
LABEL_COLUMNS = ("genre", "artist", "split")
LEDGER_COLUMNS = (
    *("track_id", "path", "size_bytes", "modified_ms", "status", "error_code", "error_detail", "content_sha256"),
    *LABEL_COLUMNS,
    "shard",
)


@dataclass(frozen=True, kw_only=True)
class WorkPlan:
    """Each track of listing and ledger stands in one of these at most; in none where nothing is to be done.

    Attributes
    ----------
    missing : list of str
        track_ids without a row.
    suspects : list of str
        Their size or time differs from their row's: changed, if the content does too.
    again : list of str
        To be extracted once more whatever their content: failed before and now asked for, or left out as a copy
        while copies are now kept.
    gone : list of str
        Rows whose file is no longer there.
    """

    missing: list[str]
    suspects: list[str]
    again: list[str]
    gone: list[str]


def plan_work(listing: pd.DataFrame, ledger: pd.DataFrame, *, retry_failed: bool, drop_copies: bool) -> WorkPlan:
    """Compare what is there with what was done.

    Parameters
    ----------
    listing : pd.DataFrame
        :data:`LISTING_COLUMNS`, a row a file.
    ledger : pd.DataFrame
        :data:`LEDGER_COLUMNS`, a row a track that was done.
    retry_failed : bool
        Whether failed tracks are to be tried again.
    drop_copies : bool
        Whether exact copies stay left out.
    """
    merged = listing.merge(ledger, on="track_id", how="outer", suffixes=("", "_done"), indicator="where")
    both = merged["where"] == "both"
    is_copy = merged["error_code"] == AudioDuplicateError.code
    is_failed = (merged["status"] == "failed") & ~is_copy
    again = both & ((is_failed & retry_failed) | (is_copy & (not drop_copies)))
    # A time that was never recorded is NaN, which equals nothing.
    is_same = (merged["size_bytes"] == merged["size_bytes_done"]) & (
        merged["modified_ms"] == merged["modified_ms_done"]
    )

    def named(rows: pd.Series) -> list[str]:
        return sorted(merged.loc[rows, "track_id"])

    return WorkPlan(
        missing=named(merged["where"] == "left_only"),
        suspects=named(both & ~again & ~is_same),
        again=named(again),
        gone=named(merged["where"] == "right_only"),
    )


def changed_among(suspects: Collection[str], ledger: pd.DataFrame, *, hashes: Mapping[str, str]) -> list[str]:
    """The suspects whose content is not what it was; one that was or is unreadable counts as changed.

    Parameters
    ----------
    ledger : pd.DataFrame
        :data:`LEDGER_COLUMNS`.
    hashes : mapping of str to str
        track_id to the sha256 of the content now; a file that could not be read is not in it.
    """
    rows = ledger[ledger["track_id"].isin(set(suspects))]
    known = dict(zip(rows["track_id"], rows["content_sha256"], strict=True))
    return sorted(name for name in suspects if name not in hashes or known.get(name) != hashes[name])


@dataclass(frozen=True, kw_only=True)
class CopyPlan:
    """What ``duplicates: drop`` asks for.

    Attributes
    ----------
    to_extract : list of str
        Left out as copies before, but now the first of their kind.
    originals : dict of str to str
        track_id of a copy that is not (or not rightly) recorded as one, to the track it repeats.
    """

    to_extract: list[str]
    originals: dict[str, str]

    def is_nothing(self) -> bool:
        """Whether the record is right."""
        return not self.to_extract and not self.originals


def plan_copies(ledger: pd.DataFrame, *, there: Collection[str]) -> CopyPlan:
    """Compare the recorded copies with those there are: of readable tracks with the same bytes, the first stays.

    Parameters
    ----------
    ledger : pd.DataFrame
        :data:`LEDGER_COLUMNS`.
    there : collection of str
        track_ids of the files there are. A copy whose file is gone stays one: it cannot be extracted.
    """
    is_copy = (ledger["error_code"] == AudioDuplicateError.code) & ledger["track_id"].isin(set(there))
    readable = ledger[(ledger["status"] == "ok") | is_copy].sort_values("track_id")
    first = readable.groupby("content_sha256")["track_id"].transform("first")
    is_first = readable["track_id"] == first
    recorded = readable["error_code"] == AudioDuplicateError.code
    is_right = recorded & (readable["error_detail"] == first.map(describe_copy))
    wrong = ~is_first & ~is_right
    return CopyPlan(
        to_extract=sorted(readable.loc[is_first & recorded, "track_id"]),
        originals=dict(zip(readable.loc[wrong, "track_id"], first[wrong], strict=True)),
    )


def describe_copy(original: str) -> str:
    """The ``error_detail`` of a copy."""
    return f"the same bytes as {original}"


@dataclass(frozen=True, kw_only=True)
class ShardLimits:
    """What a shard holds at most; ``n_bytes`` of audio, or one file that is larger."""

    n_files: int
    n_bytes: int


def cut_into_shards(files: Sequence[T], sizes: Sequence[int], *, limits: ShardLimits) -> Iterator[Sequence[T]]:
    """Stretches of files, in their order, as long as the limits allow. ``sizes`` are bytes, one a file."""
    first = n_bytes = 0
    for last, size in enumerate(sizes):
        if last > first and (last - first == limits.n_files or n_bytes + size > limits.n_bytes):
            yield files[first:last]
            first, n_bytes = last, 0
        n_bytes += size
    if first < len(files):
        yield files[first:]
