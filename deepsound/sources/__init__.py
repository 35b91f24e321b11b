"""Collections that are no folders: tar shards, Parquet tables of audio, manifests; without Spark."""
