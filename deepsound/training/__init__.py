"""Training on the driver, and the only place that knows MLflow."""

import os

# MLflow reads these when it is imported. A toolkit for other people's collections does not call home, and standard
# output is for results: MLflow would announce every run there that it logs to a server. What it says below
# an error (new experiments, missing input examples) is nothing that a user of the jobs could act on.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
