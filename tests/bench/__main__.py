"""``make bench [ONLY=name]``: ratios from one run, each beside its target; exit code 1 if one is missed."""

import sys

from tests.bench import (
    coverage,
    decoding,
    doctor,
    extraction,
    growth,
    memory,
    networks,
    planning,
    scoring,
    training,
)

_BENCHES = {
    "networks": networks.run,
    "decoding": decoding.run,
    "extraction": extraction.run,
    "growth": growth.run,
    "memory": memory.run,
    "planning": planning.run,
    "doctor": doctor.run,
    "scoring": scoring.run,
    "training": training.run,
    "coverage": coverage.run,
}


def main(names: list[str]) -> int:
    """Run the benches of these names, or all."""
    unknown = sorted(set(names) - set(_BENCHES))
    if unknown:
        print(f"no bench is called {', '.join(unknown)}; there are {', '.join(_BENCHES)}", file=sys.stderr)
        return 2
    n_missed = 0
    for name in names or _BENCHES:
        for line in _BENCHES[name]():
            verdict = {True: "met", False: "MISSED", None: ""}[line.is_met]
            print(f"{line.name:75} {line.figure:45} {line.target:10} {verdict}", flush=True)
            n_missed += line.is_met is False
    return 1 if n_missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
