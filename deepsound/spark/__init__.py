"""Adapters to Spark: rows to a pure function and back. The only package that knows pyspark."""
