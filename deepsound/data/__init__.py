"""Which tracks there are, what they are labelled, how they are divided; features on disk, without Spark."""
