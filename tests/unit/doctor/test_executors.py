from deepsound.doctor.check import FAIL, OK, WARN
from deepsound.doctor.executors import check_executors, find_worst


def look(*checks):
    return {(f"node{number}", "Python 3.11"): {"executor.formats": check} for number, check in enumerate(checks)}


def test_of_many_machines_the_worst_is_told_and_how_many_are_like_it():
    looks = look((OK, "all"), (WARN, "little", "more"), (FAIL, "mp3: no", "mend"), (FAIL, "m4a: no", "mend"))
    assert find_worst(looks, name="executor.formats") == (FAIL, "mp3: no (2 of 4, as on node2)", "mend")


def test_where_all_is_well_no_machine_is_named():
    assert find_worst(look((OK, "all"), (OK, "all")), name="executor.formats") == (OK, "all")
    assert find_worst(look((FAIL, "none", "mend")), name="executor.formats") == (FAIL, "none", "mend")


def test_a_few_hosts_are_named():
    found = check_executors(look(*[(OK, "all")] * 7))
    assert found == (OK, "Python 3.11 on node0, node1, node2, node3, node4 and more")
