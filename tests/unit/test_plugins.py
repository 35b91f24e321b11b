"""Names of other packages: found where they are asked for, refused in one line where something is wrong."""

import dataclasses
import pathlib
import re
import subprocess
import sys
import textwrap

import keras
import numpy as np
import onnxruntime
import pytest

import deepsound as ds
from deepsound.config import HEADS, ExtractSettings, SearchSettings, TrainSettings
from deepsound.config.space import Choice, open_space, with_values
from deepsound.data.layout import Layout
from deepsound.errors import ConfigError, LabelMapError, PluginError, UnknownFeatureError
from deepsound.features.fingerprint import declare_features
from deepsound.features.registry import FEATURES, check_feature_names, find_features, load_extractors
from deepsound.label_maps.read import read_label_map
from deepsound.models.architectures import build_model
from deepsound.models.export import export_onnx
from deepsound.plugins import Plugin
from deepsound.settings import from_plain, to_plain
from deepsound.sources.readers import find_reader, read_rows
from tests.example import ROOT as EXAMPLE

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "howto" / "extend.md"
HEAD = TrainSettings(feature="chroma")


@pytest.fixture
def write_package(tmp_path, monkeypatch, forgotten_plugins):  # noqa: ARG001
    """A function that puts a package with one module and entry points on the path, as an installation would."""

    def write(name, source="", entry_points="", *, folder="site"):
        root = tmp_path / folder
        info = root / f"{name}-2.1.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(textwrap.dedent(entry_points))
        (root / f"{name}.py").write_text(textwrap.dedent(source))
        if str(root) not in sys.path:
            monkeypatch.syspath_prepend(root)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return root

    return write


def feature_points(address):
    return f"[deepsound.features]\nown = {address}\n"


def test_the_page_shows_the_files_of_the_example():
    blocks = re.findall(r"^```(?:yaml|toml|python)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    files = [path for path in EXAMPLE.rglob("*") if path.suffix in (".yaml", ".toml", ".py")]
    shown = {path.name for path in files if path.read_text() in blocks}
    assert shown == {path.name for path in files}


def test_the_example_is_found_by_its_names(example):  # noqa: ARG001
    assert find_features(["mfcc", "chroma"])[1] == Plugin(
        kind="feature", name="chroma", address="deepsound_radio.chroma:Chroma", package="deepsound-radio 1.0"
    )
    check_feature_names(["chroma"])
    assert FEATURES.names() == ("mfcc", "musicnn", "vggish", "vggish_log_mel", "chroma")
    assert read_label_map("radio").name == "radio"
    assert find_reader("m3u").load().__module__ == "deepsound_radio.m3u"
    settings = from_plain(TrainSettings, {"architecture": "pooled", "head": {"units": 16}}, where="x")
    assert [dataclasses.asdict(head) for head in settings.networks] == [{"units": 16, "dropout": 0.2}]


def test_without_the_example_its_names_are_unknown(forgotten_plugins):  # noqa: ARG001
    with pytest.raises(
        UnknownFeatureError, match=r"unknown feature 'chroma'; known: mfcc, musicnn, vggish, vggish_log_mel$"
    ):
        find_features(["chroma"])
    with pytest.raises(ConfigError, match=r"'architecture' is 'pooled'; wanted one of cnn, .*, vggish_finetune$"):
        TrainSettings(architecture="pooled")
    with pytest.raises(ConfigError, match=r"'source.reader' is 'm3u'; known: none"):
        find_reader("m3u")
    with pytest.raises(LabelMapError, match="there is no label map radio; wanted fma"):
        read_label_map("radio")


def test_an_installed_name_is_listed_where_another_is_not_known(example):  # noqa: ARG001
    with pytest.raises(UnknownFeatureError, match=r"known: mfcc, .*, chroma$"):
        find_features(["chrome"])
    with pytest.raises(ConfigError, match=r"wanted one of cnn, .*, pooled$"):
        TrainSettings(architecture="poled")
    with pytest.raises(LabelMapError, match=r"wanted fma, .*, radio, or the path"):
        read_label_map("radios")


@pytest.mark.parametrize("code", ["deepsound.commands.extract.build_parser()", "find_features(['mfcc'])"])
def test_entry_points_are_not_read_for_what_is_built_in(code):
    source = f"""
import importlib.metadata, sys
importlib.metadata.distributions = None
import deepsound.commands.extract
from deepsound.config import TrainSettings
from deepsound.features.registry import find_features
from deepsound.label_maps.read import read_label_map
TrainSettings(); read_label_map("fma"); {code}
assert "numpy" not in sys.modules or "find" in {code!r}
"""
    subprocess.run([sys.executable, "-c", source], check=True)


def test_a_package_in_the_working_directory_does_not_count(write_package, tmp_path, monkeypatch):
    root = write_package("stranger", "class Own: pass", feature_points("stranger:Own"))
    assert FEATURES.find("own").package == "stranger 2.1"
    monkeypatch.chdir(root)
    FEATURES._installed = {}
    assert FEATURES.find("own") is None
    monkeypatch.syspath_prepend("")
    assert FEATURES.find("own") is None
    monkeypatch.chdir(tmp_path)
    assert FEATURES.find("own") is not None


def test_two_packages_of_one_name_are_both_named(write_package):
    write_package("one", "", feature_points("one:Own"))
    write_package("two", "", feature_points("two:Own"))
    with pytest.raises(PluginError, match=r"two packages claim one name.*") as refusal:
        find_features(["own"])
    assert {"one:Own of one 2.1", "two:Own of two 2.1"} <= set(
        re.findall(r"\w+:Own of \w+ 2.1", str(refusal.value))
    )
    find_features(["mfcc"])


def test_a_package_twice_on_the_path_is_one(write_package):
    write_package("one", "Own = 1", feature_points("one:Own"), folder="old")
    write_package("one", "Own = 2", feature_points("one:Own"), folder="new")
    assert FEATURES.find("own").load() == 2


@pytest.mark.parametrize(
    ("group", "name", "ask"),
    [
        ("features", "mfcc", lambda: find_features(["x"])),
        ("architectures", "cnn", lambda: TrainSettings(architecture="x")),
        ("architectures", "vggish_finetune", lambda: TrainSettings(architecture="x")),
        ("label_maps", "fma", lambda: read_label_map("x")),
    ],
)
def test_the_name_of_a_built_in_one_is_refused(write_package, group, name, ask):
    write_package("thief", "", f"[deepsound.{group}]\n{name} = thief:Own\n")
    with pytest.raises(PluginError, match=f"'{name}', thief:Own of thief 2.1, has a name that deepsound's own"):
        ask()


def test_what_is_registered_is_found(example_folder, forgotten_plugins, monkeypatch, tmp_path):  # noqa: ARG001
    # As a module alone, without what pip wrote beside it.
    (tmp_path / "deepsound_radio").symlink_to(example_folder / "deepsound_radio")
    monkeypatch.syspath_prepend(tmp_path)
    block = next(
        b for b in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S) if "register_" in b
    )
    exec(block, {})
    check_feature_names(["chroma"])
    assert find_features(["chroma"])[0].package == "deepsound_radio"
    assert TrainSettings(architecture="pooled").networks[0].units == 32
    assert (read_label_map("radio").version, find_reader("m3u").name) == (1, "m3u")
    # Once more is no clash; another address is, and so is what is built in.
    ds.register_feature("chroma", "deepsound_radio.chroma:Chroma")
    with pytest.raises(PluginError, match=r"two packages claim one name: .*chroma:Chroma.*, and .*pooled:Pooled"):
        ds.register_feature("chroma", "deepsound_radio.pooled:Pooled")
    with pytest.raises(PluginError, match="has a name that deepsound's own architecture 'lda' bears"):
        ds.register_architecture("lda", "deepsound_radio.pooled:Pooled")


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("own", "no address", "is 'no address'; wanted module:attribute"),
        ("own", "nowhere_at_all:X", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("own", "json:nothing", "cannot be imported: AttributeError"),
        ("o+n", "json:loads", "wants a name of letters"),
    ],
)
@pytest.mark.usefixtures("forgotten_plugins")
def test_what_cannot_be_registered(name, address, words):
    with pytest.raises(PluginError, match=re.escape(words)):
        ds.register_feature(name, address)
    assert FEATURES.registered == {}


GOOD = """
    import numpy as np
    class Own:
        name, version, sample_rate_hz, min_samples, network = "own", 1, 8000, 1, None
        def shape(self, segment_s): return round(8000 * segment_s), 1
        def definition(self): return {"version": 1}
        def compute(self, waveform): return waveform[:, None]
"""


def test_a_feature_that_is_one_is_taken(write_package):
    write_package("stranger", GOOD, feature_points("stranger:Own"))
    check_feature_names(["own"])


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("import numpy", "import nowhere", "cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("class Own:", "class Other:", "cannot be imported: AttributeError"),
        ("class Own:", "class Own:\n        def __init__(self, x): pass", "cannot be made: TypeError"),
        ('"own", 1', '"other", 1', "is none: it lacks that name"),
        ("def compute", "def calculate", "is none: it lacks compute"),
        ('{"version": 1}', "{}", "fails on noise: KeyError"),
        ('{"version": 1}', '{"version": 2}', "has the version 1, 2 in its definition"),
        ('{"version": 1}', '{"version": 1, "x": object()}', "fails on noise: TypeError: Object of type object"),
        ("waveform[:, None]", "waveform", "makes float32 of (8000,) of noise; wanted float32 of (8000, 1)"),
        ("waveform[:, None]", "waveform[:, None].astype(float)", "makes float64 of (8000, 1)"),
        ("waveform[:, None]", "[1.0]", "makes list of noise"),
        ("waveform[:, None]", "waveform[:, None] * np.float32('nan')", "are not finite"),
        (
            "return waveform",
            "raise RuntimeError('broken'); return waveform",
            "fails on noise: RuntimeError: broken",
        ),
    ],
)
def test_a_feature_that_is_none_is_told_before_any_work(write_package, right, wrong, words):
    write_package("stranger", GOOD.replace(right, wrong), feature_points("stranger:Own"))
    with pytest.raises(PluginError, match=f"'own', stranger:Own of stranger 2.1.*{re.escape(words)}"):
        check_feature_names(["own"])


def test_module_and_version_are_part_of_the_fingerprint(write_package):
    def fingerprint(name, version):
        write_package(
            name,
            GOOD.replace("1, 8000", f"{version}, 8000").replace('n": 1', f'n": {version}'),
            feature_points(f"{name}:Own"),
            folder=f"{name}{version}",
        )
        FEATURES._installed = {}
        declared = declare_features(
            load_extractors.__wrapped__(find_features(["own"])), settings=ExtractSettings()
        )
        sys.path.pop(0)
        assert declared["own"]["package"] == f"{name} 2.1"
        return declared["own"]["fingerprint"]

    assert len({fingerprint("one", 1), fingerprint("one", 2), fingerprint("two", 1)}) == 3


def test_what_is_built_in_keeps_its_declaration():
    declared = declare_features(load_extractors(find_features(["mfcc"])), settings=ExtractSettings())
    assert "package" not in declared["mfcc"]


def test_settings_of_a_head_are_checked_and_travel(example):  # noqa: ARG001
    plain = {"architecture": "pooled", "head": {"units": 8}, "feature": "chroma+mfcc"}
    settings = from_plain(TrainSettings, plain, where="x")
    assert len(settings.networks) == 2
    assert settings.resolved().head == {"units": 8, "dropout": 0.2}
    assert from_plain(TrainSettings, to_plain(settings.resolved()), where="x") == settings.resolved()
    assert hash(settings) is not None
    assert "head" not in settings.idle
    assert "head" in TrainSettings().idle
    for head, words in (
        ({"unitz": 8}, "head: unknown setting 'unitz' .did you mean 'units'"),
        ({"units": "many"}, "head: 'units' is 'many'; wanted int"),
        (5, "'head' is 5; wanted a section of settings"),
    ):
        with pytest.raises(ConfigError, match=words):
            from_plain(TrainSettings, {**plain, "head": head}, where="x")


def test_a_search_varies_how_a_head_learns_and_what_it_offers(example, monkeypatch):  # noqa: ARG001
    settings = TrainSettings(architecture="pooled", feature="chroma", search=SearchSettings(n_trials=1))
    assert set(open_space(settings, n_frames=[5])) == {"learning_rate", "batch_size"}
    kind = type(settings.networks[0])
    monkeypatch.setattr(kind, "search_space", {"units": Choice((4, 8))}, raising=False)
    space = open_space(settings, n_frames=[5])
    assert space["head.units"] == Choice((4, 8))
    assert with_values(settings, {"head.units": 4}).networks[0].units == 4
    assert settings.head == {}
    assert "head.units" not in open_space(with_values(settings, {"head.units": 4}), n_frames=[5])


def test_a_head_is_the_same_in_keras_and_onnx(example):  # noqa: ARG001
    settings = TrainSettings(architecture="pooled", feature="chroma+mfcc", head={"units": 8})
    layout = Layout(((5, 12), (44, 13)))
    keras.utils.set_random_seed(0)
    model = build_model(settings.networks, layout=layout, n_genres=3)
    assert model.get_layer("penultimate").output.shape == (None, 16)
    values = np.random.default_rng(0).normal(size=(4, *layout.shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(export_onnx(model, probe=values))
    (logits,) = session.run(["logits"], {session.get_inputs()[0].name: values})
    np.testing.assert_allclose(logits, np.asarray(model(values)), atol=1e-5)


OWN_HEAD = """
    from dataclasses import dataclass
    @dataclass(frozen=True)
    class Own:
        units: int = 3
        def build(self, x): return x[:, 0]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("@dataclass(frozen=True)", "", "wanted a frozen dataclass with a method build"),
        ("def build", "def make", "wanted a frozen dataclass with a method build"),
        ("units: int = 3", "units: int", "cannot be made: .*missing 1 required"),
        ("return x[:, 0]", "return x", r"makes \(None, 5, 12\); wanted \(batch, n_units\)"),
        ("return x[:, 0]", "return x + 'x'", "cannot be built: "),
        ("return x[:, 0]", "return None", "cannot be built: "),
    ],
)
def test_a_head_that_is_none_is_told(write_package, right, wrong, words):
    write_package("stranger", OWN_HEAD.replace(right, wrong), "[deepsound.architectures]\nown = stranger:Own\n")
    with pytest.raises(PluginError, match=words):
        build_model(TrainSettings(architecture="own").networks, layout=Layout(((5, 12),)), n_genres=3)


def rows_of(write_package, body):
    write_package("stranger", f"def read(path):\n    {body}\n", "[deepsound.sources]\nown = stranger:read\n")
    return list(read_rows(find_reader("own"), "/somewhere"))


def test_rows_of_a_reader_are_those_of_a_manifest(write_package):
    rows = [{"path": "a.wav", "genre": "x"}, {"path": "b.wav", "size_bytes": 3}]
    assert rows_of(write_package, f"yield from {rows}") == rows


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("yield {'path': 'a', 'gerne': 'x'}", "gives a row with 'gerne'; wanted path, and genre, artist"),
        ("yield {'genre': 'x'}", "gives a row without a path"),
        ("yield {'path': 'a', 'size_bytes': 'many'}", "cannot read /somewhere: ArrowInvalid"),
        ("raise OSError('not there')", "cannot read /somewhere: OSError: not there"),
        ("return 5", "cannot read /somewhere: TypeError"),
        ("yield 5", "cannot read /somewhere: TypeError"),
    ],
)
def test_a_reader_that_fails_is_told(write_package, body, words):
    with pytest.raises(PluginError, match=words):
        rows_of(write_package, body)


def test_a_label_map_that_is_no_path_is_told(write_package):
    write_package("stranger", "MAP = {'a': 'b'}", "[deepsound.label_maps]\nown = stranger:MAP\n")
    with pytest.raises(
        PluginError, match=r"'own', stranger:MAP of stranger 2.1, is a dict; wanted the path of a YAML"
    ):
        read_label_map("own")


def test_a_further_one_of_deepsounds_own_is_a_line_in_its_registry(example, monkeypatch):  # noqa: ARG001
    for registry, name, address in (
        (HEADS, "wide", "deepsound_radio.pooled:Pooled"),
        (FEATURES, "chroma", "deepsound_radio.chroma:Chroma"),
    ):
        own = Plugin(kind="own", name=name, address=address)
        monkeypatch.setattr(registry, "_builtin", {**registry._builtin, name: own})
        monkeypatch.setattr(registry, "_read_installed", dict)
    assert TrainSettings(architecture="wide", head={"units": 5}).networks[0].units == 5
    assert FEATURES.own_names()[-1] == "chroma"
    (extractor,) = load_extractors(find_features(["chroma"]))
    assert "package" not in declare_features([extractor], settings=ExtractSettings())["chroma"]
    with pytest.raises(UnknownFeatureError, match=r"known: .*vggish_log_mel, chroma$"):
        find_features(["nothing"])
