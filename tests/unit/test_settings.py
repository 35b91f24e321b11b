import pathlib
import pickle
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from deepsound import errors
from deepsound.config import (
    ARCHITECTURES,
    CNN_FOR_EMBEDDINGS,
    CNN_FOR_MFCC,
    PROTOCOLS,
    SUITED_TO_EMBEDDINGS,
    SUITED_TO_MFCC,
    BenchmarkSettings,
    ExtractSettings,
    LabelSettings,
    ScoreSettings,
    SplitFiles,
    SplitSettings,
    TrainSettings,
)
from deepsound.config.recipe import FOR_CNN_ON_EMBEDDINGS, PLAIN
from deepsound.documents import parse_yaml
from deepsound.errors import ConfigError, DeepsoundError, LabelError, ParameterError
from deepsound.networks.vggish_input import count_vggish_patches
from deepsound.settings import compute_fingerprint, flatten, from_plain, read_settings, to_overrides, to_plain
from deepsound.taxonomy import Taxonomy, taxonomy_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPES = {"extract": ExtractSettings, "train": TrainSettings, "score": ScoreSettings}


@pytest.mark.parametrize("path", sorted((ROOT / "conf").glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_in_conf_loads(path):
    sections = [path.stem] if path.stem in TYPES else list(TYPES)
    for section in sections:
        assert isinstance(read_settings(TYPES[section], section=section, path=str(path)), TYPES[section])


@pytest.mark.parametrize("section", TYPES)
def test_the_documented_defaults_are_the_defaults(section):
    assert (
        read_settings(TYPES[section], section=section, path=str(ROOT / "conf" / f"{section}.yaml"))
        == TYPES[section]()
    )


def test_benchmark_is_for_gtzan_and_names_every_setting():
    path = ROOT / "conf" / "benchmark.yaml"
    extract = read_settings(ExtractSettings, section="extract", path=str(path))
    benchmark = read_settings(BenchmarkSettings, section="benchmark", path=str(path))
    assert benchmark.features == extract.features == ("mfcc", "vggish", "musicnn")
    assert benchmark.protocols == PROTOCOLS
    assert benchmark.train.split.files.published == "gtzan-fault-filtered"
    assert [(t.feature, t.architecture, t.seed) for t in benchmark.of_cells(["mfcc+musicnn"])] == [
        ("mfcc+musicnn", name, 0) for name in ("lda", "logistic", "cnn")
    ]
    section = parse_yaml(path.read_text())["benchmark"]
    assert set(section) == set(to_plain(BenchmarkSettings()))


def test_a_file_with_nothing_but_train_is_one_of_a_benchmarks_settings(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("train: {epochs: 3}")
    assert read_settings(BenchmarkSettings, section="benchmark", path=str(path)).train.epochs == 3
    assert read_settings(TrainSettings, section="train", path=str(path)).epochs == 3
    path.write_text("train: {epochs: 3}\nbenchmark: {n_folds: 4}")
    benchmark = read_settings(BenchmarkSettings, section="benchmark", path=str(path))
    assert (benchmark.n_folds, benchmark.train.epochs) == (4, TrainSettings().epochs)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architectures": ["svm"]}, "'architectures' is 'svm'; wanted one of cnn, "),
        ({"architectures": []}, "one or more of"),
        ({"protocols": ["tracks", "tracks"]}, "each once"),
        ({"features": ["mfcc", "mfcc"]}, "each once"),
        ({"n_folds": 1}, "at least 2"),
        ({"seed": -1}, "a whole number from 0"),
        ({"train": {"search": {"n_trials": 2}}}, "a benchmark does not search"),
    ],
    ids=str,
)
def test_what_a_benchmark_refuses(values, words):
    with pytest.raises(ConfigError, match=words):
        from_plain(BenchmarkSettings, values, where="x")


def test_paper_is_the_set_up_of_the_original_study():
    extract, train = (
        read_settings(TYPES[name], section=name, path=str(ROOT / "conf" / "paper.yaml"))
        for name in ("extract", "train")
    )
    assert extract.features == ("mfcc", "vggish")
    assert count_vggish_patches(round(extract.segment_s * 16000)) == 31
    assert train.split.by == "track"
    assert len(train.genres) == 10
    for feature in extract.features:
        assert replace(train, feature=feature).networks[0].kernel_shape == (3, 3)


@pytest.mark.parametrize("section", TYPES)
def test_round_trip(section):
    assert from_plain(TYPES[section], to_plain(TYPES[section]()), where="x") == TYPES[section]()


def test_overrides():
    settings = read_settings(
        ExtractSettings,
        section="extract",
        overrides=["segment_s=5", "labels.from=none", "features=[mfcc]", "segment_s=1e-1"],
    )
    assert (settings.segment_s, settings.labels.source, settings.features) == (0.1, "none", ("mfcc",))
    assert flatten(to_plain(settings))["labels.from"] == "none"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("segments=5", "unknown setting 'segments' .did you mean 'segment_s'"),
        ("labels.form=csv", "unknown setting 'labels.form' .did you mean 'labels.from'"),
        ("segment_s=true", "'segment_s' is True; wanted float"),
        ("max_bytes=1.5", "'max_bytes' is 1.5; wanted int"),
        ("segment_s.x=1", "unknown setting|wanted float"),
        ("segment_s", "wanted key=value"),
        ("labels=5", "'labels' is 5; wanted a section"),
        ("features={a: 1}", "wanted a list"),
        ("segment_s=0", "'segment_s' is 0.0; wanted seconds"),
        ("normalize=loud", "'normalize' is 'loud'; wanted one of"),
        ("labels.from=folder", "'labels.from' is 'folder'; wanted one of"),
        ("labels.from=csv", "'labels.csv' names no file"),
        ("labels.csv=x.csv", "would not be read"),
        ("labels.map=fma", "'labels.map' is 'fma'; wanted null: labels are kept as they are"),
        ("labels.map=' '", "'labels.map' is ' '; wanted a label map's name or path"),
        ("min_duration_s=0", "min_duration_s"),
        ("max_duration_s=0.5", "max_duration_s"),
        ("max_failure_fraction=2", "max_failure_fraction"),
        ("features=[]", "at least one feature"),
        ("features=[mfcc,mfcc]", "each name once"),
        ("segment_s=[", "not valid YAML"),
    ],
)
def test_refusals(override, message):
    with pytest.raises(ConfigError, match=message):
        read_settings(ExtractSettings, section="extract", overrides=[override])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"architecture": "rnn"}, "architecture"),
        ({"seed": -1}, "seed"),
        ({"genres": ["one"]}, "genres"),
        ({"split": {"by": "segment"}}, "split.by"),
        ({"split": {"test_fraction": 0.9, "validation_fraction": 0.2}}, "below 1"),
        ({"cnn": {"kernel_size": 0}}, "kernel_size"),
        ({"cnn": {"kernel_size": []}}, "kernel_size"),
        ({"cnn": {"kernel_size": [3, -1]}}, "kernel_size"),
        ({"cnn": {"kernel_size": [3, 3, 3]}}, "kernel_size"),
        ({"cnn": {"pool_size": [2, 0]}}, "pool_size"),
        ({"cnn": {"dense_units": -1}}, "dense_units"),
        ({"cnn": {"input_dropout": 1}}, "cnn.input_dropout"),
        ({"lstm": {"units": []}}, "lstm.units"),
        ({"lstm": {"dense_units": -1}}, "lstm.dense_units"),
        ({"lstm": {"frames_per_step": 0}}, "lstm.frames_per_step"),
        ({"lstm": {"bidirectional": 1}}, "wanted bool"),
        ({"transformer": {"width": 30}}, "transformer.width' is 30; wanted a multiple of n_heads = 4"),
        ({"transformer": {"n_blocks": 0}}, "transformer.n_blocks"),
        ({"transformer": {"frames_per_step": 0}}, "transformer.frames_per_step"),
        ({"transformer": {"dropout": -0.1}}, "transformer.dropout"),
        ({"mlp": {"statistics": []}}, "mlp.statistics"),
        ({"mlp": {"statistics": ["mode"]}}, "one or more of mean, std, min, max"),
        ({"mlp": {"statistics": ["mean", "mean"]}}, "mlp.statistics"),
        ({"mlp": {"units": [0]}}, "mlp.units"),
        ({"mlp": {"dropout": 1}}, "mlp.dropout"),
        ({"split": {"files": {"train": "a"}}}, "split.files' is .*; wanted a train and a test list"),
        ({"split": {"files": {"validation": "a"}}}, "split.files"),
        ({"split_files": ["a", "b"]}, "wanted three files: train, validation, test"),
        (
            {"split_files": ["a", "b", "c"], "split": {"files": {"train": "a", "test": "b"}}},
            "split.files is set too",
        ),
        ({"split": {"files": "gtzan"}}, "split.files' is 'gtzan'; wanted one of gtzan-fault-filtered, or null"),
        (
            {"split": {"files": {"published": "gtzan-fault-filtered", "train": "a", "test": "b"}}},
            "no lists beside",
        ),
        ({"split": {"files": "gtzan-fault-filtered"}, "split_files": ["a", "b", "c"]}, "split.files is set too"),
        ({"split": {"like": " "}}, "split.like"),
        ({"split": {"like": "m", "files": "gtzan-fault-filtered"}}, "null, as split.files is set too"),
        ({"split": {"like": "m"}, "split_files": ["a", "b", "c"]}, "nothing, as split.like is set too"),
        ({"split": "artist"}, "'split' is 'artist'; wanted a section"),
        ({"folds": 1}, "'folds' is 1; wanted auto, two or more, or 0"),
        ({"folds": "many"}, "'folds' is 'many'; wanted auto, two or more, or 0"),
        ({"epochs": 0}, "epochs"),
        ({"n_seeds": 0}, "n_seeds"),
        ({"patience": -1}, "patience"),
        ({"average_with": ["mlp"]}, "'average_with' is .*; wanted nothing, or different ones of lda, logistic"),
        ({"average_with": ["lda", "lda"]}, "average_with"),
        (
            {"architecture": "vggish_finetune", "feature": "vggish_log_mel", "n_seeds": 3},
            "'n_seeds' is 3; wanted 1: the architecture vggish_finetune does without",
        ),
        (
            {"architecture": "vggish_finetune", "feature": "vggish_log_mel", "refit": True},
            "'refit' is True; wanted False",
        ),
        ({"feature": "mfcc+mfcc"}, "several different ones joined with"),
        ({"feature": "mfcc+"}, "several different ones joined with"),
        ({"feature": ""}, "several different ones joined with"),
        ({"transform": "sqrt"}, "one of none, logit, auto"),
        ({"schedule": "linear"}, "one of constant, cosine"),
        ({"artist_balance": 1.5}, "artist_balance"),
        ({"genre_balance": -0.1}, "genre_balance"),
        ({"learning_rate": 0}, "learning_rate"),
    ],
)
def test_train_refusals(values, message):
    with pytest.raises(ConfigError, match=message):
        from_plain(TrainSettings, values, where="x")


def test_cnn_suits_the_feature_and_what_is_asked_for_wins():
    mfcc, other = (TrainSettings(feature=name).networks for name in ("mfcc", "musicnn"))
    assert (mfcc, other) == ((CNN_FOR_MFCC,), (CNN_FOR_EMBEDDINGS,))
    asked = from_plain(TrainSettings, {"feature": "vggish", "cnn": {"kernel_size": 5, "dropout": 0}}, where="x")
    assert asked.networks == (replace(CNN_FOR_EMBEDDINGS, kernel_size=(5,), dropout=0.0),)
    assert None not in to_plain(asked.resolved())["cnn"].values()
    assert asked.resolved().networks == asked.networks


@pytest.mark.parametrize("feature", ["musicnn+mfcc", "mfcc+musicnn", " mfcc + musicnn"])
def test_several_features_are_the_same_in_any_order(feature):
    settings = from_plain(TrainSettings, {"feature": feature, "cnn": {"dropout": 0.1}}, where="x")
    assert (settings.feature, settings.features) == ("mfcc+musicnn", ("mfcc", "musicnn"))
    suited = (replace(CNN_FOR_MFCC, dropout=0.1), replace(CNN_FOR_EMBEDDINGS, dropout=0.1))
    assert settings.networks == suited == settings.resolved().networks
    # What suits one and not the other stays open.
    resolved = settings.resolved().cnn
    assert (resolved.dropout, resolved.filters, resolved.dense_units) == (0.1, None, None)
    # One embedding among them is enough for the recipe of embeddings.
    assert settings.recipe == settings.resolved().recipe == FOR_CNN_ON_EMBEDDINGS
    (_, lda), (_, again) = settings.members, settings.resolved().members
    assert lda.networks == again.networks == (SUITED_TO_MFCC["lda"], SUITED_TO_EMBEDDINGS["lda"])


def test_the_recipe_suits_architecture_and_feature_and_what_is_asked_for_wins():
    assert TrainSettings(feature="musicnn").recipe == FOR_CNN_ON_EMBEDDINGS
    for feature, architecture in (("mfcc", "cnn"), ("musicnn", "lstm"), ("vggish_log_mel", "vggish_finetune")):
        assert TrainSettings(feature=feature, architecture=architecture).recipe == PLAIN
    values = {"feature": "vggish", "average_with": [], "n_seeds": 2, "refit": False, "seed": 7}
    asked = from_plain(TrainSettings, values, where="x")
    assert asked.recipe == replace(FOR_CNN_ON_EMBEDDINGS, average_with=(), n_seeds=2, refit=False)
    assert asked.resolved().recipe == asked.recipe
    assert None not in [getattr(asked.resolved(), name) for name in asdict(PLAIN)]
    assert [member.seed for member in asked.members] == [7, 7 + 1_000_003]
    both = replace(asked, average_with=("lda",)).members
    assert [member.architecture for member in both] == ["cnn", "cnn", "lda"]
    assert {member.recipe.artist_balance for member in both} == {0.5}


def test_two_ways_to_name_split_lists():
    short = from_plain(TrainSettings, {"split_files": ["a", "b", "c"]}, where="x")
    assert short.split_lists == {"train": "a", "validation": "b", "test": "c"}
    files = from_plain(TrainSettings, {"split": {"files": {"train": "a", "test": "c"}}}, where="x")
    assert files.split_lists == {"train": "a", "test": "c"}
    assert TrainSettings().split_lists == {}


def test_a_published_split_by_its_name():
    short = from_plain(TrainSettings, {"split": {"files": "gtzan-fault-filtered"}}, where="x")
    assert short.split.files == SplitFiles(published="gtzan-fault-filtered")
    assert from_plain(TrainSettings, to_plain(short), where="x") == short
    assert short.split_lists == {}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_kept_beside_a_model_leaves_nothing_of_its_architecture_open(architecture):
    for feature in ("mfcc", "musicnn"):
        settings = TrainSettings(feature=feature, architecture=architecture)
        resolved = settings.resolved()
        assert None not in flatten(to_plain(getattr(resolved, architecture))).values()
        assert resolved.networks == settings.networks
        assert from_plain(TrainSettings, to_plain(resolved), where="x") == resolved


def test_bad_files(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "section.yaml").write_text("extract: 5\n")
    with pytest.raises(ConfigError, match="holds a list"):
        read_settings(ExtractSettings, section="extract", path=str(tmp_path / "list.yaml"))
    with pytest.raises(ConfigError, match="'extract' is 5"):
        read_settings(ExtractSettings, section="extract", path=str(tmp_path / "section.yaml"))


def test_fingerprint_ignores_order_and_sees_values():
    assert compute_fingerprint({"a": 1, "b": 2}) == compute_fingerprint({"b": 2, "a": 1})
    assert compute_fingerprint({"a": 1}) != compute_fingerprint({"a": 2})


def test_settings_are_frozen():
    for settings in (LabelSettings(), SplitSettings(), ExtractSettings()):
        with pytest.raises(AttributeError):
            settings.source = "none"


def all_errors(base=DeepsoundError):
    return [base, *(e for child in base.__subclasses__() for e in all_errors(child))]


def test_error_codes_are_unique_but_for_bases():
    codes = [error.code for error in all_errors() if error is not errors.TrackError]
    assert len(set(codes)) == len(codes) > 20


@pytest.mark.parametrize("error", all_errors())
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error("what, got, wanted")))
    assert (type(again), str(again)) == (error, "what, got, wanted")


def test_taxonomy():
    assert taxonomy_of(["b", None, "a", "b"]).genres == ("a", "b")
    with pytest.raises(LabelError, match="only 'a'"):
        taxonomy_of(["a", None])
    with pytest.raises(ParameterError, match="is not one of a, b"):
        Taxonomy(("a", "b")).index("c")
    with pytest.raises(ParameterError, match="different"):
        Taxonomy(("a", "a"))


def test_import_loads_no_engine():
    program = (
        "import deepsound, sys; print({'pyspark','tensorflow','keras','mlflow','librosa'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


def test_modules_stay_small():
    for path in (ROOT / "deepsound").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 300, path
    for path in (ROOT / "jobs").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60, path


@pytest.mark.parametrize("written", ["mfcc,musicnn", "[mfcc, musicnn]", " mfcc , musicnn,", "['mfcc', musicnn]"])
def test_a_list_goes_without_brackets(written):
    settings = read_settings(ExtractSettings, section="extract", overrides=[f"features={written}"])
    assert settings.features == ("mfcc", "musicnn")


def test_a_list_of_numbers_goes_without_brackets_and_a_name_may_have_a_comma():
    overrides = ["cnn.filters=32,64", "genres=['rock, hard', jazz]"]
    settings = read_settings(TrainSettings, section="train", overrides=overrides)
    assert settings.cnn.filters == (32, 64)
    assert settings.genres == ("rock, hard", "jazz")
    with pytest.raises(ConfigError, match=r"'cnn.filters' is 'x'; wanted int"):
        read_settings(TrainSettings, section="train", overrides=["cnn.filters=32,x"])


def test_a_home_in_a_setting_is_put_in(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/ada")
    (tmp_path / "s.yaml").write_text("labels: {from: csv, csv: ~/labels.csv}\nnetwork: s3a://bucket/~/x")
    settings = read_settings(ExtractSettings, section="extract", path=str(tmp_path / "s.yaml"))
    assert settings.labels.csv == "/home/ada/labels.csv"
    assert settings.network == "s3a://bucket/~/x"
    settings = read_settings(TrainSettings, section="train", overrides=["split_files=~/a.txt,~/b.txt,~/c.txt"])
    assert settings.split_files == ("/home/ada/a.txt", "/home/ada/b.txt", "/home/ada/c.txt")


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["feature=musicnn", "folds=0", "cnn.filters=[8, 16]", "split.by=track", "refit=true"],
        ["genres=[1980s, 'yes', '3', rock]", "average_with=[]", "learning_rate=0.01"],
        ["architecture=mlp", "feature='it is [odd]: x'", "seed=7"],
    ],
)
def test_what_differs_from_the_defaults_makes_them_again(overrides):
    settings = read_settings(TrainSettings, section="train", overrides=overrides)
    said = to_overrides(to_plain(settings), default=to_plain(TrainSettings()))
    assert len(said) == len(overrides)
    assert read_settings(TrainSettings, section="train", overrides=said) == settings
