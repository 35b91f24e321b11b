"""Names of other people's files reach the terminal as text: on their line, without orders to it."""

import io
import sys

import pytest

from deepsound.commands.running import reports_errors
from deepsound.console import say, show, to_plain_number, to_printable
from deepsound.errors import LabelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\n120 tracks: 120 ok", "a\\n120 tracks: 120 ok"),
        ("a\rb\tc\x07\x00", "a\\rb\\tc\\x07\\x00"),
        ("\x7f\x85\x9b31m", "\\x7f\\x85\\x9b31m"),
        ("gpj.\u202eexe\u2066\u2069\u200f", "gpj.\\u202eexe\\u2066\\u2069\\u200f"),
        ("one\u2028two\u2029", "one\\u2028two\\u2029"),
        ("\udcff.wav", "\\udcff.wav"),
        # What people write stays: letters of all scripts, joiners, what is escaped already.
        ("Sigur Rós ( ) 日本 می‌خواهم 👩‍🎤 \\x1b", "Sigur Rós ( ) 日本 می‌خواهم 👩‍🎤 \\x1b"),
    ],
)
def test_a_control_character_becomes_its_escape(text, expected):
    assert to_printable(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(22050.0, "22050"), (1e6, "1000000"), (0.00001, "0.00001"), (12.0, "12"), (-18.25, "-18.25"), (0.0, "0")],
)
def test_numbers_are_written_without_exponent(value, expected):
    assert to_plain_number(value) == expected


def test_each_item_is_a_line(capsys):
    show(["\x1b]0;title\x07", "a\nb"])
    say("c\nd")
    said = capsys.readouterr()
    assert said.out == "\\x1b]0;title\\x07\na\\nb\n"
    assert said.err == "c\\nd\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_letter_without_a_code_is_escaped(encoding, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    show(["é 日 \udcff"])
    assert raw.getvalue() == "é 日 \\udcff\n".encode(encoding, "backslashreplace")


def test_an_error_is_one_clean_line(capsys):
    @reports_errors
    def main(_argv):
        raise LabelError("cannot read \x1b[2J\u202e.wav:\n  forged\udcff")

    assert main([]) == 2
    assert capsys.readouterr().err == (
        "deepsound: error [labels]: cannot read \\x1b[2J\\u202e.wav: forged\\udcff\n"
    )
