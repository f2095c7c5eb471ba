#!/usr/bin/env python3
"""Tampered evidence bundles, each with the checks that may refuse it (docs/formats.md section 10).

    bundle_mutate.py COUNT FOLDER [SEED]     writes N.zip, N.zip.key, N.json (and N.since-I)
    bundle_mutate.py --list                  the classes, and what refuses them

A class is a function of a random source and a Case; the same seed gives the same mutants. What an outsider does is not
signed anew; what a lying exporter does is, with the right key, so that only the check in question can find it.
"""
import random
import sys
from pathlib import Path

import bundle_forgeries  # noqa: F401  its classes
import bundle_histories  # noqa: F401  its classes
import bundle_lies  # noqa: F401  its classes
import bundle_maker
import bundle_stamps  # noqa: F401  its classes
import bundle_tricks  # noqa: F401  its classes
from bundle_case import CLASSES, Case, Mutant, Opened
from bundle_maker import compact

def mutate(cls, kind, seed):
    """The Mutant of a class made from a bundle of that kind; None when that kind has nothing for it."""
    rng = random.Random(f"{cls.name} {kind} {seed}")
    case = Case(bundle_maker.make(kind, rng.randrange(3)))
    made = cls.make(rng, case)
    if made is None:
        return None
    archive = case.bundle.archive(made) if isinstance(made, dict) else made
    status = 2 if cls.checks == {"completeness"} else 1
    return Mutant(f"{cls.name}/{kind}/{seed}", archive, case.bundle.trusted.vkey, cls.checks, status, case.since, case.roots)


def keyless_mutants(path, seed):
    """One mutant of each class that can be done to a bundle without its maker's key: of any bundle, (Class, archive)."""
    for cls in CLASSES:
        if cls.keyless:
            rng = random.Random(f"{cls.name} {seed}")
            case = Case(Opened(path))
            made = cls.make(rng, case)
            if made is not None:
                yield cls, case.bundle.archive(made) if isinstance(made, dict) else made


def mutants(count, seed=1):
    """So many mutants, each class in its turn and on each of its kinds."""
    rng, made, turn = random.Random(seed), 0, 0
    while made < count:
        for cls in CLASSES:
            tries = (mutate(cls, rng.choice(cls.kinds), f"{seed}.{turn}.{n}") for n in range(20))
            mutant = next((m for m in tries if m), None)
            if mutant and made < count:
                made += 1
                yield mutant
        turn += 1


def main(argv):
    if argv[1:] == ["--list"]:
        for cls in CLASSES:
            print(f"{cls.name}: {', '.join(sorted(cls.checks))}")
        return 0
    if len(argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 3
    folder = Path(argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for n, mutant in enumerate(mutants(int(argv[1]), argv[3] if len(argv) == 4 else 1)):
        write(mutant, folder / f"{n}.zip")
    return 0


def write(mutant, path):
    """The mutant as files; gives the paths of its older checkpoints."""
    path.write_bytes(mutant.archive)
    Path(f"{path}.key").write_text(mutant.key + "\n")
    bundle_maker.write_roots(path, mutant.roots)
    said = {"name": mutant.name, "checks": sorted(mutant.checks), "status": mutant.status}
    path.with_suffix(".json").write_text(compact(said) + "\n")
    since = []
    for i, checkpoint in enumerate(mutant.since):
        since.append(path.with_suffix(f".since-{i}"))
        since[-1].write_text(checkpoint)
    return since


if __name__ == "__main__":
    sys.exit(main(sys.argv))
