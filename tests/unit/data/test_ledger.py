"""What is still to be done, from what is there and what was done."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from deepsound.data.ledger import (
    LEDGER_COLUMNS,
    LISTING_COLUMNS,
    ShardLimits,
    changed_among,
    cut_into_shards,
    describe_copy,
    plan_copies,
    plan_work,
)


def listing(*rows):
    return pd.DataFrame(
        [(name, f"/music/{name}", size, time) for name, size, time in rows], columns=LISTING_COLUMNS
    )


def done(name, size=10, time=1, *, status="ok", code=None, detail=None, sha="s", shard=0):
    return (name, f"/music/{name}", size, time, status, code, detail, sha, None, None, None, shard)


def ledger(*rows):
    return pd.DataFrame(rows, columns=LEDGER_COLUMNS)


def copy(name, original, sha="s"):
    return done(name, status="failed", code="duplicate", detail=describe_copy(original), sha=sha)


def plan(files, rows, *, retry_failed=False, drop_copies=False):
    work = plan_work(listing(*files), ledger(*rows), retry_failed=retry_failed, drop_copies=drop_copies)
    return work.missing, work.suspects, work.again, work.gone


def test_same_size_and_time_is_unchanged():
    assert plan([("a", 10, 1)], [done("a")]) == ([], [], [], [])


def test_new_and_gone():
    assert plan([("a", 10, 1), ("b", 10, 1)], [done("b"), done("c")]) == (["a"], [], [], ["c"])


def test_another_size_or_time_is_suspect():
    files = [("a", 11, 1), ("b", 10, 2), ("c", 10, 1)]
    assert plan(files, [done("a"), done("b"), done("c", time=None)]) == ([], ["a", "b", "c"], [], [])


def test_failed_ones_only_if_asked_for():
    rows = [done("a", status="failed", code="unreadable"), copy("b", "c"), done("c")]
    files = [("a", 10, 1), ("b", 10, 1), ("c", 10, 1)]
    assert plan(files, rows, drop_copies=True) == ([], [], [], [])
    assert plan(files, rows, drop_copies=True, retry_failed=True) == ([], [], ["a"], [])
    assert plan(files, rows) == ([], [], ["b"], [])


def test_nothing_done_yet():
    assert plan([("a", 10, 1)], []) == (["a"], [], [], [])


def test_the_content_decides_over_a_suspect():
    rows = ledger(
        done("same", sha="x"), done("other", sha="y"), done("unread", sha=None), done("gone bad", sha="z")
    )
    hashes = {"same": "x", "other": "Y", "unread": "w"}
    assert changed_among(["same", "other", "unread", "gone bad"], rows, hashes=hashes) == [
        *("gone bad", "other", "unread")
    ]


def copies_of(*rows, there=None):
    frame = ledger(*rows)
    found = plan_copies(frame, there=frame["track_id"] if there is None else there)
    return found.to_extract, found.originals


def test_of_the_same_bytes_the_first_stays():
    rows = [done("b"), done("a"), done("c"), done("d", sha="other"), done("e", status="failed", code="empty")]
    assert copies_of(*rows) == ([], {"b": "a", "c": "a"})


def test_recorded_copies_are_left_alone():
    assert copies_of(done("a"), copy("b", "a")) == ([], {})


def test_a_copy_of_another_original_is_recorded_anew():
    assert copies_of(done("a"), copy("b", "z")) == ([], {"b": "a"})


def test_a_copy_that_has_become_the_first_is_to_be_extracted():
    assert copies_of(done("c"), copy("b", "a"), copy("d", "a")) == (["b"], {"c": "b", "d": "b"})
    assert copies_of(copy("b", "a"), there=[]) == ([], {})


def test_unreadable_files_are_nobodys_copies():
    unread = [done(name, status="failed", code="empty", sha=None) for name in "ab"]
    assert copies_of(*unread) == ([], {})


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 2), st.integers(1, 2)), unique_by=lambda f: f[0])
)
def test_every_file_is_in_at_most_one_list(files):
    rows = [done("a"), done("b", status="failed", code="silent"), copy("c", "a"), done("d", size=2, time=2)]
    lists = plan(files, rows, retry_failed=True)
    names = [name for some in lists for name in some]
    assert len(names) == len(set(names))
    known = {row[0] for row in rows}
    assert set(lists[0]) == {name for name, *_ in files} - known
    assert set(lists[3]) == known - {name for name, *_ in files}


@given(st.lists(st.integers(0, 9)), st.integers(1, 5), st.integers(1, 20))
def test_shards_keep_order_and_all_and_are_as_long_as_their_limits_allow(sizes, n_files, n_bytes):
    names = [f"{number}" for number in range(len(sizes))]
    shards = list(cut_into_shards(names, sizes, limits=ShardLimits(n_files=n_files, n_bytes=n_bytes)))
    assert [name for shard in shards for name in shard] == names
    for number, shard in enumerate(shards):
        size = sum(sizes[int(name)] for name in shard)
        assert len(shard) == 1 or (1 < len(shard) <= n_files and size <= n_bytes)
        if number + 1 < len(shards):
            assert len(shard) == n_files or size + sizes[int(shards[number + 1][0])] > n_bytes
