"""deepsound: music collections to features, honest genre models and scored collections on Apache Spark.

Importing the package loads no engine (Spark, TensorFlow, MLflow): each is imported by the one
subpackage that adapts it, when it is first needed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepsound.api import (
        Features,
        Model,
        Prediction,
        Report,
        Scores,
        compare,
        evaluate,
        extract,
        genre_udf,
        load,
        register_architecture,
        register_feature,
        register_label_map,
        register_source,
        register_udf,
        score,
        train,
    )

__version__ = "0.2.0"
__all__ = [
    "Features",
    "Model",
    "Prediction",
    "Report",
    "Scores",
    "compare",
    "evaluate",
    "extract",
    "genre_udf",
    "load",
    "register_architecture",
    "register_feature",
    "register_label_map",
    "register_source",
    "register_udf",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'deepsound' has no attribute {name!r}")
    from deepsound import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
