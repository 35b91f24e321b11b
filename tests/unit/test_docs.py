"""README and docs tell commands, settings and names that there are."""

import ast
import importlib
import itertools
import pathlib
import re
import shlex

import pytest

import deepsound
from deepsound.config import BenchmarkSettings, ExtractSettings, ScoreSettings, TrainSettings
from deepsound.settings import read_settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SETTINGS = {
    "extract": ExtractSettings,
    "train": TrainSettings,
    "score": ScoreSettings,
    "benchmark": BenchmarkSettings,
}
# Lines that show a form, not a command.
_PLACEHOLDERS = ("...", "|", "[--")


def fenced(page, language):
    """The blocks of code of a page in a language; '' are those of none."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands_of(page):
    """The deepsound commands of a page, in blocks and in lines of text, as lists of words."""
    blocks = [re.sub(r"\\\n\s*", " ", block).splitlines() for block in fenced(page, "")]
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for line in [*itertools.chain.from_iterable(blocks), *re.findall(r"`([^`]+)`", text)]:
        is_whole = re.match(r"deepsound [a-z-]+ .*(--|[\w/])", line) and not any(p in line for p in _PLACEHOLDERS)
        if is_whole:
            yield shlex.split(line, comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_is_one_and_takes_what_it_is_given(page):
    for name, *arguments in commands_of(page):
        command = importlib.import_module(f"deepsound.commands.{name.replace('-', '_')}")
        args = command.build_parser().parse_args(arguments)
        if name in SETTINGS:
            read_settings(SETTINGS[name], section=name, path=None, overrides=args.overrides)


def test_there_are_commands_to_look_at():
    assert len([words for page in PAGES for words in commands_of(page)]) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_is_python_and_its_names_are_public(page):
    for block in fenced(page, "python"):
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ds":
                assert node.attr in dir(deepsound), f"{page.name}: ds.{node.attr}"


def test_the_picture_of_the_house_has_every_room():
    picture = (ROOT / "docs" / "architecture.svg").read_text(encoding="utf-8")
    drawn = set(re.findall(r'font-weight="bold">(\w+)<', picture))
    there = {path.parent.name for path in (ROOT / "deepsound").glob("*/__init__.py")}
    there |= {path.stem for path in (ROOT / "deepsound").glob("[a-z]*.py")}
    assert drawn == there
