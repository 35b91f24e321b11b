"""``demo``: the whole road once, through the real ``spark-submit``, and a scorecard at its end."""

import argparse
import pathlib
import time
from collections.abc import Sequence

from deepsound.commands.demo_jobs import Collections, Plan, run_jobs
from deepsound.commands.options import local_path, new_parser, path
from deepsound.commands.running import check_extras, reports_errors
from deepsound.config import ExtractSettings
from deepsound.console import say, show
from deepsound.errors import InputError, NetworkMismatchError, NetworkUnavailableError
from deepsound.settings import read_settings

_BASELINE = "mfcc"
_WAIT_S = 3.0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "demo",
        description="Extract, train and score once. Without --input, on the built-in synthetic collection.",
        examples=("deepsound demo", "deepsound demo --input my_music --ood foreign_music --output mine"),
    )
    parser.add_argument("--input", type=local_path, metavar="DIR", help="music in one folder per genre")
    parser.add_argument("--ood", type=local_path, metavar="DIR", help="foreign music, named <genre>_<n>.<ext>")
    parser.add_argument(
        "--output", type=local_path, default="demo", metavar="DIR", help="folder to write to (default demo)"
    )
    parser.add_argument(
        "--config",
        type=path,
        default="demo",
        metavar="FILE",
        help="YAML settings of the three jobs, or a name of 'deepsound conf' (default demo)",
    )
    parser.add_argument(
        "--network", type=path, metavar="WHERE", help="where VGGish comes from; see deepsound conf extract"
    )
    parser.add_argument(
        "--tracks-per-genre", type=int, default=24, metavar="N", help="of the sample collection (default 24)"
    )
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; prints the scorecard."""
    args = build_parser().parse_args(argv)
    check_extras("spark", "train")
    started = time.monotonic()
    _check_paths(args)
    from deepsound.commands.demo_scorecard import format_demo
    from deepsound.training.mlflow_store import open_store

    network = () if args.network is None else (f"network={args.network}",)
    extraction = read_settings(ExtractSettings, section="extract", path=args.config, overrides=network)
    features = _choose_features(extraction)
    # Created once, before two jobs want it at the same time.
    open_store()
    output: pathlib.Path = args.output
    output.mkdir(parents=True, exist_ok=True)
    collections = _collections(args)
    plan = Plan(output=output, features=features, config=args.config, network=network)
    run_jobs(collections, plan)
    show(format_demo(collections, plan))
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0


def _choose_features(extraction: ExtractSettings) -> tuple[str, ...]:
    """Those of the settings file if it names several, else the baseline and an embedding that can be had."""
    from deepsound.api.networks import prepare_networks
    from deepsound.features.registry import check_feature_names

    check_feature_names(extraction.features)
    if len(extraction.features) > 1:
        prepare_networks(extraction.features, network=extraction.network)
        return extraction.features
    return _BASELINE, choose_embedding(network=extraction.network)


def choose_embedding(*, network: str) -> str:
    """``vggish`` where its network can be had, else ``musicnn``; says which, and why.

    A TF-Hub handle counts when TF-Hub's cache has it or its host answers within three seconds. A network of the
    user's own, a path or a seed, is taken at its word: where it fails, that is an error.

    Raises
    ------
    NetworkUnavailableError, NetworkMismatchError
        Neither network can be had.
    """
    from deepsound.api.networks import prepare_networks
    from deepsound.networks.source import is_in_hub_cache, is_reachable

    is_handle = "://" in network
    if is_handle and not is_in_hub_cache(network) and not is_reachable(network, timeout_s=_WAIT_S):
        reason = f"{network} is not in TF-Hub's cache and its host does not answer within {_WAIT_S:g} s"
    else:
        try:
            prepare_networks(("vggish",), network=network)
        except (NetworkUnavailableError, NetworkMismatchError) as exc:
            if not is_handle:
                raise
            reason = str(exc)
        else:
            say(f"embedding: VGGish from {network}")
            return "vggish"
    prepare_networks(("musicnn",), network=network)
    say(f"embedding: MusiCNN, as VGGish cannot be had ({reason})")
    return "musicnn"


def _check_paths(args: argparse.Namespace) -> None:
    for option, folder in (("INPUT", args.input), ("OOD", args.ood)):
        if folder is not None and not folder.is_dir():
            raise InputError(f"{option}={folder} is no folder")


def _collections(args: argparse.Namespace) -> Collections:
    if args.input is not None:
        labels: tuple[str, ...] = ("--set", "labels.from=parent_dir")
        return Collections(training=args.input, training_labels=labels, ood=args.ood, is_synthetic=False)
    from deepsound.sample import compose_collection, compose_ood_collection

    music, foreign = args.output / "sample", args.output / "sample_ood"
    say("composing the synthetic sample collection")
    compose_collection(music, tracks_per_genre=args.tracks_per_genre)
    if args.ood is None:
        compose_ood_collection(foreign)
    labels = ("--set", "labels.from=csv", "--set", f"labels.csv={music / 'manifest.csv'}")
    return Collections(
        training=music, training_labels=labels, ood=args.ood or foreign, is_synthetic=args.ood is None
    )
