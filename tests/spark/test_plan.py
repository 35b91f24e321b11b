"""What is still to be done, from what is there and what was done: joins, held against the rule itself."""

import itertools

import pyarrow as pa
import pytest

from deepsound.spark.plan import COPY_OF, plan_copies, plan_work
from deepsound.spark.schemas import LISTING_FIELDS, TRACK_FIELDS

_LISTING, _TRACKS = pa.schema(LISTING_FIELDS), pa.schema([*TRACK_FIELDS, pa.field("shard", pa.string())])


def listed(name, size=10, time=1, **changes):
    return {"track_id": name, "path": f"/m/{name}", "size_bytes": size, "modified_ms": time, **changes}


def done(name, size=10, time=1, **changes):
    row = {**listed(name, size, time), "status": "ok", "content_sha256": f"sha of {name}", "shard": "shard-00000"}
    return {**row, **changes}


def copy(name, original, **changes):
    failed = {"status": "failed", "error_code": "duplicate", "error_detail": COPY_OF + original}
    return done(name, content_sha256="s", **failed, **changes)


@pytest.fixture
def plan(spark):
    """A function from rows of a listing and of tracks/ to the state of each that is to be worked on."""

    def plan_rows(files, rows, *, hashes=None, tags=None, keeps_labels=False, **policy):
        asked = []

        def hash_files(suspects, n_rows):
            asked.append(n_rows)
            known = [
                (r["track_id"], (hashes or {})[r["track_id"]])
                for r in suspects.collect()
                if r["track_id"] in (hashes or {})
            ]
            return spark.createDataFrame(known, "track_id string, hash string")

        def read_labels(stays, n_rows):
            known = [(r["track_id"], *tags[r["track_id"]]) for r in stays.collect()]
            assert len(known) == n_rows
            return spark.createDataFrame(known, "track_id string, genre string, artist string")

        found = plan_work(
            spark.createDataFrame(pa.Table.from_pylist(files, schema=_LISTING)),
            spark.createDataFrame(pa.Table.from_pylist(rows, schema=_TRACKS)),
            **{"retry_failed": False, "drop_copies": False, **policy},
            keeps_labels=keeps_labels,
            hash_files=hash_files,
            read_labels=read_labels if tags is not None else None,
            stage=lambda rows, _: rows.localCheckpoint(),
        )
        states = {row["track_id"]: row for row in found.rows.collect()}
        assert sum(found.n_by_state.values()) == len(states)
        return states, found, asked

    return plan_rows


def states_of(found):
    return {name: row["state"] for name, row in found[0].items()}


def test_every_combination_of_there_and_done(plan):
    """Size, time, status and policy against the rule, spelt out in Python."""
    kinds = {
        "ok": {},
        "failed": {"status": "failed", "error_code": "empty"},
        "copy": {"status": "failed", "error_code": "duplicate"},
    }
    files, rows, cases = [], [], {}
    for kind, size, time, is_there, is_done in itertools.product(kinds, (10, 11), (1, 2), (0, 1), (0, 1)):
        name = f"{kind} {size} {time} {is_there} {is_done}"
        cases[name] = (kind, (size, time) == (10, 1), is_there, is_done)
        files += [listed(name, size, time)] * is_there
        rows += [done(name, **kinds[kind])] * is_done
    hashes = {name: f"sha of {name}" if name.startswith("ok 11") else "other" for name in cases}
    for retry_failed, drop_copies in itertools.product((False, True), repeat=2):
        expected = {}
        for name, (kind, is_same, is_there, is_done) in cases.items():
            is_again = (kind == "failed" and retry_failed) or (kind == "copy" and not drop_copies)
            if not (is_there and is_done):
                expected |= {name: "new" if is_there else "gone"} if is_there or is_done else {}
            elif is_again:
                expected[name] = "again"
            elif not is_same:
                expected[name] = "touched" if name.startswith("ok 11") else "changed"
        found = plan(files, rows, hashes=hashes, retry_failed=retry_failed, drop_copies=drop_copies)
        assert states_of(found) == expected


def test_the_content_is_asked_for_only_where_size_or_time_differ(plan):
    assert plan([listed("a")], [done("a")])[2] == []
    found = plan([listed("a", time=2), listed("b", time=2)], [done("a"), done("b")], hashes={"a": "sha of a"})
    assert found[2] == [2]
    # One that cannot be read any more counts as changed.
    assert states_of(found) == {"a": "touched", "b": "changed"}
    # What a source does not know is not compared, and stays.
    assert states_of(plan([listed("a", None, None)], [done("a", 5, 7)])) == {}
    found = plan([listed("a", None, None, genre="x")], [done("a", 5, 7)])
    assert [(row["state"], row["size_bytes"], row["modified_ms"]) for row in found[0].values()] == [("same", 5, 7)]


def test_labels_alone(plan):
    rows = [done("a", genre="x", artist="y"), done("b", genre="x"), done("c", genre="x")]
    files = [listed("a", genre="x"), listed("b", genre="z"), listed("c", genre="x")]
    found = plan(files, rows)
    assert states_of(found) == {"a": "same", "b": "same"}
    assert (found[0]["b"]["genre"], found[1].n_lost_labels) == ("z", {"artist": 1})
    assert states_of(plan([listed("a"), listed("b")], rows[:2], keeps_labels=True)) == {}
    tags = {"a": ("x", "y"), "b": ("other", None)}
    found = plan([listed("a"), listed("b"), listed("new")], rows[:2], tags=tags)
    assert states_of(found) == {"b": "same", "new": "new"}
    assert (found[0]["b"]["genre"], found[1].n_lost_labels) == ("other", {})


def test_copies(spark):
    def copies_of(*rows, there=None):
        frame = spark.createDataFrame(pa.Table.from_pylist(list(rows), schema=_TRACKS))
        names = [row["track_id"] for row in rows] if there is None else there
        listing = spark.createDataFrame([(name,) for name in names], "track_id string")
        return {row["track_id"]: row["original"] for row in plan_copies(frame, listing).collect()}

    same = {"content_sha256": "s"}
    unread = {"status": "failed", "error_code": "empty", "content_sha256": None}
    assert copies_of(
        *(done(name, **same) for name in "bac"), done("d"), done("e", **unread), done("f", **unread)
    ) == {"b": "a", "c": "a"}
    assert copies_of(done("a", **same), copy("b", "a"), copy("c", "z")) == {"c": "a"}
    # The first has gone: the next one is extracted, and is the original of the others.
    assert copies_of(done("c", **same), copy("b", "a"), copy("d", "a")) == {"b": None, "c": "b", "d": "b"}
    assert copies_of(copy("b", "a"), there=[]) == {}
