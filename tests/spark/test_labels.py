"""Labels as columns: the pure function, row by row, and files on any file system."""

import pytest

from deepsound.config import LabelSettings, ScoreSettings
from deepsound.errors import InputError, LabelMapError
from deepsound.label_maps import LabelCounts, map_labels, read_label_map
from deepsound.settings import read_settings
from deepsound.spark.labels import count_label_outcomes, load_label_map, map_genre_column
from deepsound.spark.score import _own_settings
from deepsound.taxonomy import GTZAN_GENRES, Taxonomy

GTZAN = Taxonomy(GTZAN_GENRES)
LABELS = ["Rock", "Hip-Hop", None, "", "Electronic", "Soul-RnB", "Rock; Jazz", "Rock/Punk", "ünknown ♫", "rock"]


@pytest.mark.parametrize("name", ["fma", None])
def test_rows_equal_the_pure_function(spark, name):
    label_map = read_label_map(name) if name else None
    rows = [(f"t{i}", label, i) for i, label in enumerate(LABELS * 3)]
    df = spark.createDataFrame(rows, "track_id string, genre string, n int").repartition(3)
    mapped = map_genre_column(df, label_map=label_map, taxonomy=GTZAN)
    assert mapped.columns == ["track_id", "genre", "n", "label", "label_outcome"]
    expected = map_labels(LABELS * 3, taxonomy=GTZAN, label_map=label_map)
    got = {row.track_id: (row.n, row.label, row.genre, row.label_outcome) for row in mapped.collect()}
    assert got == {
        track_id: (i, label, outcome.genre, outcome.outcome)
        for (track_id, label, i), outcome in zip(rows, expected.outcomes, strict=True)
    }
    assert count_label_outcomes(mapped) == expected.counts
    # Labels go to Python once, not once for each column.
    plan = mapped._jdf.queryExecution().optimizedPlan().toString()
    assert plan.count("ArrowEvalPython") == 1


def test_of_nothing(spark):
    df = spark.createDataFrame([], "genre string")
    assert count_label_outcomes(map_genre_column(df, label_map=None, taxonomy=GTZAN)) == LabelCounts()


def test_maps_by_name_and_by_path(spark, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nversion: 1\nsource: x\ntargets: [rock]\nmap: {Rock: rock}\n")
    for name, expected in (("fma", "fma"), (str(path), "mine"), (path.as_uri(), "mine")):
        assert load_label_map(spark, LabelSettings(map=name), taxonomy=GTZAN).name == expected
    assert load_label_map(spark, LabelSettings(), taxonomy=GTZAN) is None


def test_bad_maps(spark, tmp_path):
    for name in ("fam", str(tmp_path), str(tmp_path / "absent.yaml")):
        with pytest.raises(
            LabelMapError, match=r"there is no label map .*; wanted fma, id3, jamendo, or the path"
        ):
            load_label_map(spark, LabelSettings(map=name), taxonomy=GTZAN)
    with pytest.raises(LabelMapError, match=r"does not know: blues, .*; it knows high, low"):
        load_label_map(spark, LabelSettings(map="fma"), taxonomy=Taxonomy(("high", "low")))
    df = spark.createDataFrame([("rock",)], "genre string")
    with pytest.raises(LabelMapError, match="does not know: blues"):
        map_genre_column(df, label_map=read_label_map("fma"), taxonomy=Taxonomy(("high", "low")))
    (tmp_path / "words.yaml").write_text("just words")
    with pytest.raises(LabelMapError, match="holds a str"):
        load_label_map(spark, LabelSettings(map=str(tmp_path / "words.yaml")), taxonomy=GTZAN)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"cannot read .*bytes\.yaml"):
        load_label_map(spark, LabelSettings(map=str(tmp_path / "bytes.yaml")), taxonomy=GTZAN)


def test_audio_to_score_is_extracted_with_its_labels_as_they_are(tiny_bundle):
    settings = read_settings(ScoreSettings, section="score", overrides=["labels.map=fma", "labels.from=tags"])
    own = _own_settings(tiny_bundle, settings)
    assert (own.labels.source, own.labels.map) == ("tags", None)
