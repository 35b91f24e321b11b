"""Training on the driver, and the only place that knows MLflow."""
