"""deepsound: music collections to features, honest genre models and scored collections on Apache Spark.

Importing the package loads no engine (Spark, TensorFlow, MLflow): each is imported by the one
subpackage that adapts it.
"""

__version__ = "0.1.0"
