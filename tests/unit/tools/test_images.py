"""The images of the Dockerfile have the Spark that everything was tried with: a pod and its driver must be one."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[3]


def test_the_executors_image_has_the_spark_of_the_constraints():
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (spark,) = re.findall(r"^ARG SPARK=(.+)$", image, re.MULTILINE)
    assert spark == re.search(r"^pyspark==(.+)$", pinned, re.MULTILINE)[1]


def test_both_images_have_one_python():
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    versions = {*re.findall(r"FROM python:(3\.\d+)", image), *re.findall(r"python(3\.\d+)", image)}
    assert len(versions) == 1
