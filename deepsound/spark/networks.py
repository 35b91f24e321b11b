"""Prepared networks on their way to the executors: each is shipped once per executor, as a Spark file."""

import pathlib
from dataclasses import dataclass, replace

from pyspark import SparkFiles
from pyspark.sql import SparkSession

from deepsound.networks.engine import NetworkFile


@dataclass(frozen=True, kw_only=True)
class ShippedNetworks:
    """Networks under the names that Spark ships them as, and the threads that a task may run them with."""

    networks: tuple[NetworkFile, ...]
    n_threads: int

    def on_this_machine(self) -> tuple[NetworkFile, ...]:
        """The networks with the paths that hold on this executor."""
        return tuple(replace(network, path=SparkFiles.get(network.path)) for network in self.networks)


def ship_networks(spark: SparkSession, networks: tuple[NetworkFile, ...]) -> ShippedNetworks:
    """Hand networks to Spark, which copies them to an executor before its first task."""
    for network in networks:
        # A SavedModel is a folder; Spark copies those as well, if asked to.
        spark.sparkContext.addFile(network.path, recursive=pathlib.Path(network.path).is_dir())
    return ShippedNetworks(
        networks=tuple(replace(network, path=pathlib.Path(network.path).name) for network in networks),
        n_threads=int(spark.conf.get("spark.task.cpus", "1") or 1),
    )
