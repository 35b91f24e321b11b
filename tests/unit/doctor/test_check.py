import re

from deepsound.doctor.check import FAIL, OK, WARN, Check, Findings, guard
from deepsound.errors import NetworkUnavailableError


def test_a_line_has_its_columns_apart():
    line = Check(status=WARN, name="threads", found="2 cores,\n  no  limit", advice="set one").line
    assert re.split(r" {2,}", line) == ["warn", "threads", "2 cores, no limit", "set one"]
    assert Check(status=OK, name="java", found="Java 17").line == "ok    java                  Java 17"


def test_an_error_of_ours_is_a_failure_in_its_own_words():
    def look():
        raise NetworkUnavailableError("no weights. Do this")

    check = guard("network vggish", look)
    assert (check.status, check.name, check.found) == (FAIL, "network vggish", "no weights. Do this")


def test_a_check_that_breaks_is_a_failure_and_no_traceback():
    check = guard("java", lambda: 1 / 0)
    assert check.status == FAIL
    assert check.found == "the check itself broke: ZeroDivisionError: division by zero"
    assert "report" in check.advice


def test_findings_are_printed_at_once_and_failures_remembered(capsys):
    findings = Findings()
    for name, status in (("a", OK), ("b", FAIL), ("c", WARN)):
        findings.look(name, lambda name=name, status=status: Check(status=status, name=name, found="seen"))
    assert findings.failed == {"b"}
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["ok", "a", "seen"],
        ["fail", "b", "seen"],
        ["warn", "c", "seen"],
    ]
