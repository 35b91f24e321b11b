"""The version stands in one place, and CITATION.cff and CHANGELOG.md tell the same."""

import pathlib
import re

import yaml

from deepsound import __version__

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## (\d\S*) - (\S+)$", text, re.MULTILINE)
    assert released[0] == (__version__, str(citation["date-released"]))


def test_what_comes_next_stands_above_what_was_released():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
