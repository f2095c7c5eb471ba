#!/usr/bin/env python3
"""Evidence bundles: whole ones are accepted, tampered ones refused by the right check, and the verifiers agree.

STELE_MUTANTS says how many mutants are tried (300), STELE_MUTANT_SEED with which seed. STELE_BUNDLES, paths with colons
between, are bundles from elsewhere (each with its key in PATH.key) that are tampered with as well.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import bundle_huge
import bundle_maker
import bundle_mutate

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("STELE_BUILD", HERE.parents[1] / "build")).resolve()
GO = "/usr/bin/go" if os.path.exists("/usr/bin/go") else shutil.which("go")
COUNT = int(os.environ.get("STELE_MUTANTS", "300"))
SEED = os.environ.get("STELE_MUTANT_SEED", "1")
SECONDS = 300  # of one run of a verifier, on a loaded machine


def build_verifier():
    """Compiles verifier/*.go without a network; returns the program's path."""
    if not GO:
        raise unittest.SkipTest("go is not installed (Debian: golang-go)")
    program = BUILD / "bundle-verifier"
    env = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=str(BUILD / "go-cache"), GOPROXY="off")
    sources = sorted(str(p) for p in (HERE / "verifier").glob("*.go"))
    subprocess.run([GO, "build", "-o", program, *sources], cwd=HERE, env=env, check=True)
    return program


class Verifier:
    """A program that verifies bundles: say() gives its exit status and the name of the check that refused, or None."""

    def __init__(self, name, command):
        """command: of a bundle, its key, older checkpoints and roots of timestamp authorities, all of them paths; no roots: None."""
        self.name, self.command = name, command

    def say(self, bundle, key, since=()):
        roots = Path(f"{bundle}.roots")
        command = [str(word) for word in self.command(bundle, key, since, roots if roots.exists() else None)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        try:
            said = json.loads(run.stdout.partition("\n")[0])
        except ValueError:
            raise AssertionError(f"{self.name} of {bundle}: {run.returncode}: {run.stdout!r} {run.stderr[-2000:]!r}") from None
        refused = [c["name"] for c in said.get("checks", []) if not c["ok"]]
        return run.returncode, said.get("check", refused[0] if refused else None)


def verifiers(go_program):
    """The independent one; and stele itself, when it knows bundles."""
    def independent(bundle, key, since, roots):
        return [go_program, "-json", "-key", key, *(w for path in since for w in ("-since", path)), *(["-tsa-ca", roots] if roots else []), bundle]

    def own(bundle, key, since, roots):
        words = [BUILD / "stele", "verify", bundle, "--key", f"@{key}", "--json", *(w for path in since for w in ("--since", path))]
        return [*words, *(["--tsa-ca", roots] if roots else [])]

    found, stele = [Verifier("independent", independent)], Verifier("stele verify", own)
    if (BUILD / "stele").exists():
        with tempfile.TemporaryDirectory(prefix="stele-bundle-") as folder:
            path = Path(folder) / "probe.zip"
            bundle_maker.make("range").write(path)
            run = subprocess.run(own(path, f"{path}.key", (), None), capture_output=True, text=True, timeout=SECONDS, check=False)
        if "it is no evidence" not in run.stdout:  # it knows what a ZIP is
            found.append(stele)
    return found


def disagreements(all_of_them, bundle, key, since=(), status=None, checks=None):
    """What is wrong with what they say of any bundle and key: a list of texts. status and checks: what they have to say."""
    said = {v.name: v.say(bundle, key, since) for v in all_of_them}
    with open(bundle, "rb") as file:
        if file.read(4) != b"PK\3\4":  # no ZIP at all: who verifies more than bundles may call it unreadable
            return [f"{name}: status {code} of what is no ZIP" for name, (code, _) in said.items() if code not in (1, 3)]
    wrong = []
    for name, (code, check) in said.items():
        if status is not None and code != status:
            wrong.append(f"{name}: status {code} ({check}), not {status}")
        elif checks is not None and check not in checks:
            wrong.append(f"{name}: refused by {check}, not by {' or '.join(sorted(checks))}")
    if len(set(said.values())) > 1:
        wrong.append(f"they disagree: {said}")
    return wrong


def campaign(all_of_them, bundle, key, folder, seed=1):
    """Any bundle and its key, the server's own too: whole it is valid, tampered with it is refused. A list of what is wrong."""
    wrong = disagreements(all_of_them, bundle, key, status=0)
    path = Path(folder) / "tampered.zip"
    for cls, archive in bundle_mutate.keyless_mutants(bundle, seed):
        path.write_bytes(archive)
        wrong += [f"{cls.name}: {text}" for text in disagreements(all_of_them, path, key, (), 1, cls.checks)]
    return wrong


class Bundles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.verifiers = verifiers(build_verifier())
        print("verifiers:", ", ".join(v.name for v in cls.verifiers), file=sys.stderr)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-bundle-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, bundle, name="bundle.zip"):
        path = self.folder / name
        bundle.write(path)
        return path

    def test_whole_bundles_of_every_kind_are_valid(self):
        for kind in bundle_maker.KINDS:
            for seed in range(max(3, COUNT // 500)):
                with self.subTest(kind=kind, seed=seed):
                    path = self.write(bundle_maker.make(kind, seed))
                    self.assertEqual(disagreements(self.verifiers, path, f"{path}.key", status=0), [])

    def test_a_tree_that_grew_out_of_the_ones_at_hand_is_valid(self):
        for seed in range(4):
            bundle = bundle_maker.make("since", seed)
            path, part = self.write(bundle), bundle.parts[0]
            since = []
            for size in [*part.since, part.log.size] if part.indexes[0] else [*part.since, *range(1, part.log.size, 7)]:
                since.append(self.folder / f"{size}.since")
                since[-1].write_text(part.log.checkpoint(size))
            self.assertEqual(disagreements(self.verifiers, path, f"{path}.key", since, status=0), [], (seed, part.since))

    def test_a_bundle_at_hand_is_valid_and_refused_once_it_is_tampered_with(self):
        at_hand = [Path(p) for p in os.environ.get("STELE_BUNDLES", "").split(":") if p] or [self.write(bundle_maker.make("whole"))]
        for path in at_hand:
            self.assertEqual(campaign(self.verifiers, path, f"{path}.key", self.folder, SEED), [])

    @unittest.skipUnless(COUNT >= 3000, "gigabytes and minutes: only with STELE_MUTANTS of 3,000 or more")
    def test_bundles_that_need_zip64_are_valid(self):
        for kind in bundle_huge.KINDS:
            with self.subTest(kind=kind):
                path = self.write(bundle_maker.make(kind))
                self.assertEqual(disagreements(self.verifiers, path, f"{path}.key", status=0), [])
                path.unlink()

    def test_the_same_seed_makes_the_same_bundle(self):
        self.assertEqual(bundle_maker.make("purged", 5).archive(), bundle_maker.make("purged", 5).archive())
        self.assertNotEqual(bundle_maker.make("purged", 5).archive(), bundle_maker.make("purged", 6).archive())

    def test_bad_lines_of_keys_txt_are_no_matter_of_the_signature(self):
        """Where the identity was replaced, the signature needs the notes that stand beside them."""
        cls, = (c for c in bundle_mutate.CLASSES if c.name == "keys_file")
        for seed in range(12):
            mutant = bundle_mutate.mutate(cls, "rotated", seed)
            path = self.folder / "mutant.zip"
            since = bundle_mutate.write(mutant, path)
            found = disagreements(self.verifiers, path, f"{path}.key", since, mutant.status, mutant.checks)
            self.assertEqual(found, [], mutant.name)

    def test_every_mutant_is_refused_by_the_right_check(self):
        wrong, seen = [], {}
        for mutant in bundle_mutate.mutants(COUNT, SEED):
            path = self.folder / "mutant.zip"
            since = bundle_mutate.write(mutant, path)
            found = disagreements(self.verifiers, path, f"{path}.key", since, mutant.status, mutant.checks)
            wrong += [f"{mutant.name}: {text}" for text in found]
            seen[mutant.name.split("/")[0]] = seen.get(mutant.name.split("/")[0], 0) + 1
            for old in since:
                old.unlink()
        print(f"{sum(seen.values())} mutants of {len(seen)} classes", file=sys.stderr)
        self.assertEqual(wrong, [], "\n".join(wrong))
        self.assertEqual(set(seen), {c.name for c in bundle_mutate.CLASSES} if COUNT >= 300 else set(seen))


if __name__ == "__main__":
    unittest.main()
