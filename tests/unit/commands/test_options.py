"""What every command's help has, and how much a command says."""

import importlib
import io
import re
import subprocess
import sys

import pytest

from deepsound import __version__
from deepsound.cli import _COMMANDS, main
from deepsound.commands.options import new_parser, path
from deepsound.commands.running import reports_errors
from deepsound.console import complain, is_verbose, say, show
from deepsound.errors import LabelError

ENGINES = ("numpy", "scipy", "pandas", "pyarrow", "pydantic", "onnxruntime", "pyspark", "tensorflow", "mlflow")
SETTINGS = {
    "extract": "segment_s=10.0",
    "train": "split.by=artist",
    "score": "labels.map=null",
    "benchmark": "n_folds=5",
}


def parser_of(command):
    return importlib.import_module(f"deepsound.commands.{command.replace('-', '_')}").build_parser()


@pytest.mark.parametrize("command", _COMMANDS)
def test_help_names_the_command_its_examples_and_defaults(command):
    text = parser_of(command).format_help()
    assert text.startswith(f"usage: deepsound {command} ")
    examples = re.findall(rf"^  (deepsound {command} .+|deepsound {command})$", text, re.MULTILINE)
    assert examples
    for example in examples:
        parser_of(command).parse_args(example.partition(" > ")[0].split()[2:])
    assert SETTINGS.get(command, "") in text


def test_no_help_loads_what_computes():
    look = "import importlib, sys\n"
    modules = [f"deepsound.commands.{command.replace('-', '_')}" for command in _COMMANDS]
    look += f"for name in {modules}: importlib.import_module(name).build_parser()\n"
    look += f"print([name for name in {ENGINES} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("arguments", [["--version"], ["extract", "--version"]])
def test_version(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().out == f"deepsound {__version__}\n"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "progress\nlook here\ndeepsound: error [labels]: wrong\n"),
        (["--quiet"], "look here\ndeepsound: error [labels]: wrong\n"),
        (["-v"], "progress\nengines\nlook here\ndeepsound: error [labels]: wrong\n"),
    ],
)
def test_quiet_leaves_out_progress_and_verbose_adds_the_engines(flags, said, capsys):
    @reports_errors
    def command(argv):
        new_parser("x", description="", examples=()).parse_args(argv)
        say("progress")
        if is_verbose():
            say("engines")
        complain("look here")
        show("a result")
        raise LabelError("wrong")

    assert command(flags) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("a result\n", said)
    # It holds for the one command.
    say("progress")
    assert capsys.readouterr().err == "progress\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "no_colour", "written"),
    [
        (Terminal, "", "\x1b[31mdeepsound: error [x]:\x1b[0m fail \\x1b[2J\n\x1b[32mok\x1b[0m    java\nokay\n"),
        (Terminal, "1", "deepsound: error [x]: fail \\x1b[2J\nok    java\nokay\n"),
        (io.StringIO, "", "deepsound: error [x]: fail \\x1b[2J\nok    java\nokay\n"),
    ],
)
def test_colours_are_for_terminals(stream, no_colour, written, monkeypatch):
    monkeypatch.setenv("NO_COLOR", no_colour)
    monkeypatch.setattr(sys, "stderr", stream())
    for line in ("deepsound: error [x]: fail \x1b[2J", "ok    java", "okay"):
        say(line)
    assert sys.stderr.getvalue() == written


def test_a_home_is_put_in_and_a_uri_stays(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert path("~/music") == "/home/ada/music"
    assert path("s3a://bucket/~x") == "s3a://bucket/~x"
    features = parser_of("extract").parse_args(["--input=~/in", "--output=~/out", "--config=~/c.yaml"])
    assert (features.input, features.output, features.config) == (
        *("/home/ada/in", "/home/ada/out"),
        "/home/ada/c.yaml",
    )
