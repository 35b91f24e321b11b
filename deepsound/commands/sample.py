"""``sample``: write the built-in synthetic collection."""

import argparse
from collections.abc import Sequence

from deepsound.commands.options import local_path, new_parser
from deepsound.commands.running import reports_errors
from deepsound.console import say


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = new_parser(
        "sample",
        description="Compose the synthetic sample collection: music-like clips of the ten GTZAN genres.",
        examples=("deepsound sample --output music", "deepsound sample --output foreign_music --ood"),
    )
    parser.add_argument("--output", required=True, type=local_path, metavar="DIR", help="folder to write to")
    parser.add_argument("--tracks-per-genre", type=int, metavar="N", help="default: 30, with --ood 5")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed, other music (default 0)")
    parser.add_argument(
        "--ood",
        action="store_true",
        help="the out-of-distribution collection instead: other instruments, rooms, formats, three broken files",
    )
    return parser


@reports_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Write the collection and its manifest.csv."""
    args = build_parser().parse_args(argv)
    from deepsound.sample import compose_collection, compose_ood_collection

    compose = compose_ood_collection if args.ood else compose_collection
    n_tracks = args.tracks_per_genre if args.tracks_per_genre is not None else (5 if args.ood else 30)
    tracks = compose(args.output, tracks_per_genre=n_tracks, seed=args.seed)
    say(f"{len(tracks)} synthetic tracks -> {args.output}")
    return 0
