"""Label maps on any file system that Spark reaches: an adapter of :mod:`deepsound.label_maps`."""

from dataclasses import replace

from pyspark.sql import SparkSession

from deepsound.config import LabelSettings
from deepsound.errors import LabelMapError
from deepsound.label_maps.label_map import LabelMap
from deepsound.label_maps.read import find_label_map, missing_label_map, parse_label_map, read_label_map
from deepsound.spark.hadoop import HadoopPath
from deepsound.taxonomy import Taxonomy


def load_label_map(spark: SparkSession, settings: LabelSettings, *, taxonomy: Taxonomy) -> LabelMap | None:
    """The map that ``labels.map`` names: by its name, or a file on any file system that Spark reaches.

    Raises
    ------
    LabelMapError
        There is none of that name, it is no label map, or has a target that the model does not know.
    InputError
        The file cannot be read.
    """
    if settings.map is None:
        return None
    if find_label_map(settings.map) is not None:
        label_map = read_label_map(settings.map)
    else:
        file = HadoopPath(spark, settings.map)
        if not file.exists() or file.is_folder():
            raise LabelMapError(missing_label_map(settings.map))
        label_map = parse_label_map(file.read_text(), where=settings.map)
    label_map.check_targets(taxonomy)
    return replace(label_map, by_ending=label_map.by_ending and settings.endings)
