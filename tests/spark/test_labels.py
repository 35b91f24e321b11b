"""Label maps by name and from files on any file system."""

import pytest

from deepsound.config import LabelSettings, ScoreSettings
from deepsound.errors import InputError, LabelMapError
from deepsound.models.own_extraction import name_models, own_settings
from deepsound.settings import read_settings
from deepsound.spark.labels import load_label_map
from deepsound.taxonomy import GTZAN_GENRES, Taxonomy

GTZAN = Taxonomy(GTZAN_GENRES)


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
    (tmp_path / "words.yaml").write_text("just words")
    with pytest.raises(LabelMapError, match="holds a str"):
        load_label_map(spark, LabelSettings(map=str(tmp_path / "words.yaml")), taxonomy=GTZAN)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"cannot read .*bytes\.yaml"):
        load_label_map(spark, LabelSettings(map=str(tmp_path / "bytes.yaml")), taxonomy=GTZAN)


def test_audio_to_score_is_extracted_with_its_labels_as_they_are(tiny_bundle):
    settings = read_settings(ScoreSettings, section="score", overrides=["labels.map=fma", "labels.from=tags"])
    own = own_settings(name_models([("m", tiny_bundle)]), settings)
    assert (own.labels.source, own.labels.map) == ("tags", None)
