"""What the commands would do: their own checks and plans, told in lines, with nothing written.

Only the networks of embeddings are fetched into their cache, as no plan can be made without them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from deepsound.api.features import check_extraction
from deepsound.api.scores import check_scoring, prepare_own
from deepsound.api.training import check_training
from deepsound.config import ExtractSettings, ScoreSettings, TrainSettings
from deepsound.native_logs import muted_native_logs
from deepsound.settings import to_overrides, to_plain

if TYPE_CHECKING:
    from deepsound.doctor.forecast import Pilot
    from deepsound.networks.engine import NetworkFile

Report = Callable[[str], None]


def plan_extraction(
    music: str, output: str, *, settings: ExtractSettings, progress: Report, **policy: bool
) -> Iterator[str]:
    """The files and what would become of them, and how long it takes, by a trial of some of them."""
    networks = check_extraction(music, settings=settings)
    from deepsound.doctor.executors import count_tasks
    from deepsound.doctor.forecast import N_FILES, choose_pilot
    from deepsound.spark.dry_run import planned_extraction
    from deepsound.spark.extract import RerunPolicy
    from deepsound.spark.session import is_local, open_session

    with open_session("deepsound extract") as session:
        n_cores, is_here = count_tasks(session), is_local(session)
        with planned_extraction(
            session,
            music,
            output,
            settings=settings,
            networks=networks,
            policy=RerunPolicy(**policy),
            report=progress,
        ) as plan:
            yield from plan.lines
            pilot = choose_pilot(plan.rows, n_files=plan.n_files, max_bytes=settings.max_bytes, seed=0)
    if not is_here:
        yield "how long: 'deepsound doctor --master URL --scratch PATH --input SOURCE' tries it on the cluster"
    elif len(pilot.decodable) > N_FILES:
        progress(f"how long: extracting {len(pilot.files)} of the files, a part of them first")
        yield from _forecast(pilot, settings=settings, networks=networks, n_cores=n_cores)
    elif plan.n_files:
        yield "how long: not tried, as there are too few plain files"


def _forecast(
    pilot: "Pilot", *, settings: ExtractSettings, networks: "tuple[NetworkFile, ...]", n_cores: int
) -> Iterator[str]:
    from deepsound.doctor.forecast import format_forecast, run_trial

    words = to_overrides(to_plain(settings), default=to_plain(ExtractSettings()))
    trial = run_trial(
        pilot,
        settings=settings,
        networks=networks,
        n_cores=n_cores,
        scratch=None,
        arguments=[word for override in words for word in ("--set", override)],
    )
    return format_forecast(pilot, trial, n_cores=n_cores)


def plan_training(features: str, settings: TrainSettings, *, progress: Report) -> Iterator[str]:
    """The tracks, their splits, the folds and the models to be trained."""
    check_training(features, settings=settings)
    with muted_native_logs():
        from deepsound.training.dry_run import describe_training
    return describe_training(features, settings=settings, report=progress)


def plan_scoring(
    source: str, models: Sequence[str], output: str, *, settings: ScoreSettings, progress: Report
) -> list[str]:
    """The tracks to be scored, which of them are done, and the models."""
    named = check_scoring(source, models, settings=settings)
    from deepsound.spark.dry_run import describe_scoring
    from deepsound.spark.session import open_session

    with open_session("deepsound score") as session:
        return describe_scoring(
            session,
            source,
            output,
            models=named,
            settings=settings,
            prepare=prepare_own,
            report=progress,
        )
