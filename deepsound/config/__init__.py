"""The settings of the jobs: what they are called, what they default to, what is allowed.

Units stand in the names. A checked, frozen object is all that the rest of the code ever sees; how it is
read from YAML and ``--set`` is :mod:`deepsound.settings`.
"""

from deepsound.config.benchmark import PROTOCOLS, BenchmarkSettings
from deepsound.config.extract import DEFAULT_VGGISH, ExtractSettings, SourceSettings
from deepsound.config.heads import HEADS, Head
from deepsound.config.labels import LabelSettings
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
from deepsound.config.score import ScoreSettings
from deepsound.config.sections import (
    OOD_SCORES,
    VGGISH_BLOCKS,
    FinetuneSettings,
    OodSettings,
    ReportSettings,
    SearchSettings,
)
from deepsound.config.split import SPLIT_NAMES, SplitFiles, SplitSettings
from deepsound.config.train import TrainSettings
