"""What Python code calls, and what every command calls in its turn.

Each function is lazy: the engine that it needs (Spark, TensorFlow, MLflow) is loaded when it is called.
"""

from deepsound.api.features import Features, extract
from deepsound.api.model import Model, Prediction, load
from deepsound.api.plugins import register_architecture, register_feature, register_label_map, register_source
from deepsound.api.report import Report, evaluate
from deepsound.api.scores import Scores, compare, score
from deepsound.api.training import train
from deepsound.api.udf import genre_udf, register_udf

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
