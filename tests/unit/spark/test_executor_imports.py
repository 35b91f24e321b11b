"""What executors import has what setup.py lists under EXECUTOR, and Spark, and no more."""

import subprocess
import sys

import pytest

# In a process of its own: here, the tests have imported everything.
IMPORT_ALL = """
import importlib, pkgutil, sys
import deepsound.spark

class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for module in pkgutil.iter_modules(deepsound.spark.__path__, "deepsound.spark."):
    # Its tasks train, and want the extra for it.
    if module.name != "deepsound.spark.search":
        importlib.import_module(module.name)
"""
NOT_OF_EXECUTORS = ("tensorflow", "tensorflow_hub", "keras", "mlflow", "librosa", "sklearn", "matplotlib")
MORE = ("optuna", "jinja2", "threadpoolctl", "onnx", "tf2onnx")


@pytest.mark.parametrize("allowed", [(), ("numpy",)])
def test_what_spark_runs_needs_no_more_than_executors_have(allowed):
    names = [*NOT_OF_EXECUTORS, *MORE, *allowed]
    ended = subprocess.run([sys.executable, "-c", IMPORT_ALL, *names], capture_output=True, text=True, check=False)
    # Without numpy it cannot be: so it is seen that names are taken away at all.
    assert (ended.returncode == 0) == (not allowed), ended.stderr[-2000:]
