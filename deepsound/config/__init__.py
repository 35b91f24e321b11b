"""The settings of the jobs: what they are called, what they default to, what is allowed.

Units stand in the names. A checked, frozen object is all that the rest of the code ever sees; how it is
read from YAML and ``--set`` is :mod:`deepsound.settings`.
"""

from deepsound.config.benchmark import PROTOCOLS, BenchmarkSettings
from deepsound.config.extract import DEFAULT_VGGISH, NORMALIZATIONS, ExtractSettings, SourceSettings
from deepsound.config.finetune import VGGISH_BLOCKS, FinetuneSettings
from deepsound.config.heads import HEADS, Head
from deepsound.config.labels import LABEL_SOURCES, LabelSettings
from deepsound.config.linear import Lda, LdaSettings, Logistic, LogisticSettings
from deepsound.config.networks import (
    ARCHITECTURES,
    CNN_FOR_EMBEDDINGS,
    CNN_FOR_MFCC,
    SUITED_TO_EMBEDDINGS,
    SUITED_TO_MFCC,
    Cnn,
    CnnSettings,
    Lstm,
    LstmSettings,
    Mlp,
    MlpSettings,
    Network,
    Transformer,
    TransformerSettings,
    check_n_steps,
)
from deepsound.config.ood import OOD_SCORES, OodSettings
from deepsound.config.report import ReportSettings
from deepsound.config.score import ScoreSettings
from deepsound.config.search import SearchSettings
from deepsound.config.split import SPLIT_NAMES, SplitFiles, SplitSettings
from deepsound.config.train import TrainSettings

__all__ = [
    "ARCHITECTURES",
    "CNN_FOR_EMBEDDINGS",
    "CNN_FOR_MFCC",
    "DEFAULT_VGGISH",
    "HEADS",
    "LABEL_SOURCES",
    "NORMALIZATIONS",
    "OOD_SCORES",
    "PROTOCOLS",
    "SPLIT_NAMES",
    "SUITED_TO_EMBEDDINGS",
    "SUITED_TO_MFCC",
    "VGGISH_BLOCKS",
    "BenchmarkSettings",
    "Cnn",
    "CnnSettings",
    "ExtractSettings",
    "FinetuneSettings",
    "Head",
    "LabelSettings",
    "Lda",
    "LdaSettings",
    "Logistic",
    "LogisticSettings",
    "Lstm",
    "LstmSettings",
    "Mlp",
    "MlpSettings",
    "Network",
    "OodSettings",
    "ReportSettings",
    "ScoreSettings",
    "SearchSettings",
    "SourceSettings",
    "SplitFiles",
    "SplitSettings",
    "TrainSettings",
    "Transformer",
    "TransformerSettings",
    "check_n_steps",
]
