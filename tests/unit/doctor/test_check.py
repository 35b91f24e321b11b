import re

import pytest

from deepsound.doctor.check import FAIL, OK, WARN, Findings
from deepsound.errors import NetworkUnavailableError


@pytest.fixture
def say(capsys):
    """A function that makes a check and gives its line's columns."""

    def make(look, **told):
        findings = Findings()
        seen = findings.look("java", look=look, **told)
        return seen, findings.failed, re.split(r" {2,}", capsys.readouterr().out.rstrip("\n"))

    return make


def test_a_line_has_its_columns_apart(say):
    check = (WARN, "2 cores,\n  no  limit", "set one")
    assert say(lambda: check) == (check, set(), ["warn", "java", "2 cores, no limit", "set one"])


def test_there_is_no_advice_where_all_is_well(say):
    assert say(lambda: (OK, "Java 17", "install it"))[2] == ["ok", "java", "Java 17"]


def test_what_is_seen_is_told_and_given_back(say):
    assert say(lambda: 7, tell=lambda seen: (FAIL, f"saw {seen}")) == (7, {"java"}, ["fail", "java", "saw 7"])


def test_an_error_of_ours_is_a_failure_in_its_own_words(say):
    def look():
        raise NetworkUnavailableError("no weights. Do this")

    assert say(look) == (None, {"java"}, ["fail", "java", "no weights. Do this"])


def test_a_check_that_breaks_is_a_failure_and_no_traceback(say):
    seen, failed, (*_, found, advice) = say(lambda: 1 / 0)
    assert (seen, failed) == (None, {"java"})
    assert found == "the check itself broke: ZeroDivisionError: division by zero"
    assert "report" in advice
