"""Bundles as earlier versions wrote them, and as nobody should have; tests/data/bundles holds one a format."""

import dataclasses
import hashlib
import json
import pathlib
import shutil

import numpy as np
import pyarrow as pa
import pytest

from deepsound.config import OOD_SCORES
from deepsound.errors import BundleError
from deepsound.evaluation.ood.threshold import OodRule
from deepsound.evaluation.predictions import make_predictions
from deepsound.models.bundle import FORMAT_VERSION, read_bundle, write_bundle
from deepsound.models.head import load_head

FROZEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "bundles"


@pytest.fixture
def folder(tmp_path):
    """A copy of a frozen bundle, to damage."""
    return shutil.copytree(FROZEN / "v2", tmp_path / "bundle")


def change_manifest(folder, **changed):
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest = {key: value for key, value in {**manifest, **changed}.items() if value is not None}
    (folder / "bundle.json").write_text(json.dumps(manifest))


def change_file(folder, name, content):
    """A file that is another, but as the manifest says: what a forger would do."""
    (folder / name).write_bytes(content)
    digests = json.loads((folder / "bundle.json").read_text())["files_sha256"]
    change_manifest(folder, files_sha256={**digests, name: hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION + 1))
def test_every_format_gives_the_numbers_of_its_day(version):
    bundle = read_bundle(FROZEN / f"v{version}")
    head = load_head(bundle.head)
    with np.load(FROZEN / f"v{version}" / "expected.npz") as expected:
        scores = head.score(expected["segments"], ood_scores=[name for name in OOD_SCORES if name in expected])
        assert bundle.ood.score in scores.ood
        np.testing.assert_allclose(scores.probabilities, expected["probabilities"], atol=1e-5)
        for name, values in scores.ood.items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-4)
    assert bundle.taxonomy.genres == ("bells", "drums", "flutes")
    assert len(bundle.tracks_in("test")) >= 20


def test_format_1_knows_the_energy_alone():
    bundle = read_bundle(FROZEN / "v1")
    assert bundle.ood.score == "energy"
    assert bundle.ood.threshold == json.loads((FROZEN / "v1" / "bundle.json").read_text())["ood"]["threshold"]
    assert (bundle.ood.n_tracks, bundle.ood.expected_rate) == (None, None)
    assert (bundle.drift, bundle.head.ood_bytes) == (None, None)
    assert load_head(bundle.head).ood_scores == ("energy",)


def test_format_2_knows_all_scores_and_where_it_comes_from():
    bundle = read_bundle(FROZEN / "v2")
    assert load_head(bundle.head).ood_scores == OOD_SCORES
    assert set(bundle.ood.thresholds) == set(OOD_SCORES)
    n_validation = len(bundle.tracks_in("validation"))
    assert bundle.ood.n_tracks == n_validation
    assert bundle.drift.feature == "toy"
    assert bundle.drift.features.counts.sum(axis=1).tolist() == [len(bundle.tracks_in("train"))] * 3
    assert bundle.drift.containers == {"wav": len(bundle.tracks_in("train"))}
    known = ("rms_dbfs", "peak", "duration_s", "sample_rate_hz", "confidence")
    assert bundle.drift.tracks.names == known
    assert bundle.drift.tracks.counts.sum(axis=1).tolist()[-1] == n_validation


def test_format_3_knows_several_features(tmp_path):
    bundle = read_bundle(FROZEN / "v3")
    assert (bundle.feature, bundle.columns, bundle.network) == ("toy+tune", ("toy", "tune"), None)
    assert bundle.head.spec.layout.shapes == ((4, 3), (3, 2))
    names = (*(f"toy[{i}]" for i in range(3)), *(f"tune[{i}]" for i in range(2)))
    assert (bundle.drift.feature, bundle.drift.features.names) == ("toy+tune", names)
    write_bundle(bundle, folder=tmp_path / "again", keras_weights=FROZEN / "v3" / "model.keras")
    assert read_bundle(tmp_path / "again").features == bundle.features
    manifest = json.loads((tmp_path / "again" / "bundle.json").read_text())
    for damaged, said in (
        ({"features": [manifest["features"][0]] * 2}, "names one twice: toy, toy"),
        ({"features": manifest["features"][:1]}, "transforms has 2 for 1 features"),
        ({"features": []}, "features: List should have at least 1 item"),
    ):
        change_manifest(tmp_path / "again", **damaged)
        with pytest.raises(BundleError, match=said):
            read_bundle(tmp_path / "again")
        change_manifest(tmp_path / "again", **manifest)


@pytest.mark.parametrize("former", ["mahalanobis", "relative_mahalanobis", "max_softmax"])
def test_a_score_of_former_versions_is_replaced_by_one_that_the_bundle_has_a_threshold_of(folder, former):
    rule = json.loads((folder / "bundle.json").read_text())["ood"]
    assert former in rule["thresholds"]
    change_manifest(folder, ood={**rule, "score": former, "home_scores": [0, 1, 2]})
    found = read_bundle(folder).ood
    assert (found.score, found.threshold) == ("feature_mahalanobis", rule["thresholds"]["feature_mahalanobis"])
    # Those were of the other score.
    assert found.home_scores is None
    alone = {former: 1.0, "energy": -3.0}
    change_manifest(folder, ood={**rule, "score": former, "thresholds": alone})
    assert read_bundle(folder).ood.thresholds == {"energy": -3.0}
    change_manifest(folder, ood={**rule, "score": former, "thresholds": {former: 1.0}})
    with pytest.raises(BundleError, match="a rule on the score"):
        read_bundle(folder)


def test_how_many_tracks_tell_as_much_is_kept(tmp_path):
    bundle = read_bundle(FROZEN / "v2")
    assert bundle.ood.n_independent is None
    changed = dataclasses.replace(bundle, ood=dataclasses.replace(bundle.ood, n_independent=7.5))
    write_bundle(changed, folder=tmp_path / "b", keras_weights=FROZEN / "v2" / "model.keras")
    assert read_bundle(tmp_path / "b").ood == changed.ood


def test_what_is_written_is_read(tmp_path):
    bundle = read_bundle(FROZEN / "v2")
    folds = make_predictions(
        ["a", "b"],
        artists=["x", None],
        true_indices=np.array([0, 2]),
        probabilities=np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]),
        genres=bundle.taxonomy.genres,
    ).append_column("fold", pa.array([1, 2], pa.int32()))
    bundle = dataclasses.replace(bundle, out_of_fold=folds)
    write_bundle(bundle, folder=tmp_path / "again", keras_weights=FROZEN / "v2" / "model.keras")
    again = read_bundle(tmp_path / "again")
    assert again.head == bundle.head
    assert again.out_of_fold.equals(folds)
    assert again.ood == bundle.ood
    for part in ("features", "tracks"):
        ours, theirs = getattr(again.drift, part), getattr(bundle.drift, part)
        np.testing.assert_array_equal(ours.edges, theirs.edges)
        np.testing.assert_array_equal(ours.counts, theirs.counts)
    old = read_bundle(FROZEN / "v1")
    write_bundle(old, folder=tmp_path / "newer", keras_weights=FROZEN / "v1" / "model.keras")
    newer = read_bundle(tmp_path / "newer")
    assert (newer.head, newer.ood, newer.drift) == (old.head, old.ood, None)


def test_scores_of_home_are_kept_where_there_are_some(tmp_path):
    bundle = read_bundle(FROZEN / "v2")
    assert bundle.ood.home_scores is None
    home = (-1.5, 0.1, 0.1, 1 / 3)
    for number, (scores, units) in enumerate([(home, (0, 1, 1, 2)), (home, None), (None, None)]):
        rule = dataclasses.replace(bundle.ood, home_scores=scores, home_units=units)
        changed = dataclasses.replace(bundle, ood=rule)
        folder = tmp_path / str(number)
        write_bundle(changed, folder=folder, keras_weights=FROZEN / "v2" / "model.keras")
        assert read_bundle(folder).ood == changed.ood
        assert ("home_scores" in json.loads((folder / "bundle.json").read_text())["ood"]) is (scores is not None)


@pytest.mark.parametrize("home", [[], [1, 0], [0, float("nan")], [0, float("inf")], ["x"], 3, {}])
def test_damaged_scores_of_home_are_refused(folder, home):
    rule = json.loads((folder / "bundle.json").read_text())["ood"]
    change_manifest(folder, ood={**rule, "home_scores": [0, 0, 1]})
    assert read_bundle(folder).ood.home_scores == (0, 0, 1)
    change_manifest(folder, ood={**rule, "home_scores": home})
    with pytest.raises(BundleError, match="is damaged"):
        read_bundle(folder)


@pytest.mark.parametrize("version", [4, 0, -1, "2", 1.5, None, [1]])
def test_other_formats_are_refused_by_name(folder, version):
    change_manifest(folder, format_version=version)
    with pytest.raises(BundleError, match="reads formats 1 to 3") as caught:
        read_bundle(folder)
    assert f"bundle format {version!r}" in str(caught.value)


@pytest.mark.parametrize("taxonomy", [None, []])
def test_without_a_taxonomy_a_bundle_is_refused(folder, taxonomy):
    change_manifest(folder, taxonomy=taxonomy)
    with pytest.raises(BundleError, match="has no taxonomy"):
        read_bundle(folder)


@pytest.mark.parametrize("name", ["head.onnx", "ood.npz", "drift.json"])
def test_files_that_are_not_those_that_were_written_are_refused(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{name} is not the file the bundle was written with"):
        read_bundle(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match="is damaged"):
        read_bundle(folder)


def test_damage_behind_a_right_digest_is_refused(folder):
    whole = (folder / "ood.npz").read_bytes()
    change_file(folder, "ood.npz", whole[: len(whole) // 2])
    with pytest.raises(BundleError, match="out-of-distribution statistics are damaged"):
        read_bundle(folder)
    change_file(folder, "ood.npz", whole)
    read_bundle(folder)
    drift = json.loads((folder / "drift.json").read_text())
    change_file(folder, "drift.json", json.dumps({**drift, "features": drift["features"][:2]}).encode())
    with pytest.raises(BundleError, match="has 2 dimensions; wanted 3"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"ood": {"score": "knn", "thresholds": {}, "false_alarm_rate": 0.05, "n_tracks": 9}},
            "a rule on the score",
        ),
        ({"files_sha256": {}}, "files_sha256 does not name head.onnx"),
        ({"standardization": None}, "standardization: Field required"),
    ],
)
def test_damaged_manifests_are_refused(folder, changed, said):
    change_manifest(folder, **changed)
    with pytest.raises(BundleError, match=f"is damaged: .*{said}"):
        read_bundle(folder)


def test_a_rule_on_a_score_that_the_head_cannot_compute_is_refused(tiny_bundle, tmp_path):
    """Before any executor has to find out."""
    rule = OodRule(score="knn", thresholds={"knn": 1.0}, false_alarm_rate=0.05, n_tracks=20)
    (tmp_path / "w.keras").write_bytes(b"weights")
    bundle = dataclasses.replace(tiny_bundle, ood=rule)
    write_bundle(bundle, folder=tmp_path / "bundle", keras_weights=tmp_path / "w.keras")
    with pytest.raises(BundleError, match="'knn' needs statistics that it does not have"):
        read_bundle(tmp_path / "bundle")


def test_a_head_whose_layer_is_not_that_of_the_statistics_is_refused(tiny_bundle):
    statistics = read_bundle(FROZEN / "v2").head.ood_bytes
    with pytest.raises(BundleError, match="gives no such numbers"):
        load_head(dataclasses.replace(tiny_bundle.head, ood_bytes=statistics))


def test_the_statistics_are_part_of_the_heads_identity():
    packed = read_bundle(FROZEN / "v2").head
    without = dataclasses.replace(packed, ood_bytes=None)
    assert packed.digest != without.digest
    assert load_head(packed) is not load_head(without)


def test_all_scores_come_from_one_run_of_the_network(monkeypatch):
    bundle = read_bundle(FROZEN / "v2")
    head = load_head(bundle.head)
    runs = []

    class Counting:
        def __init__(self, session):
            self._session = session

        def run(self, *arguments):
            runs.append(arguments[0])
            return self._session.run(*arguments)

    monkeypatch.setattr(head, "_session", Counting(head._session))
    monkeypatch.setattr("deepsound.models.head._MAX_VALUES", 512 * 12)
    segments = np.random.default_rng(0).normal(size=(1100, 4, 3)).astype(np.float32)
    scores = head.score(segments, ood_scores=OOD_SCORES)
    assert runs == [["logits", "penultimate"]] * 3  # 1,100 segments, 512 at a time
    one_by_one = [head.score(segments[i : i + 1], ood_scores=OOD_SCORES) for i in (0, 511, 512, 1099)]
    for name in OOD_SCORES:
        expected = [scores.ood[name][i] for i in (0, 511, 512, 1099)]
        np.testing.assert_allclose([one.ood[name][0] for one in one_by_one], expected, rtol=1e-4, atol=1e-5)
