#!/usr/bin/env python3
"""stele-verify.exe, which `./dev windows` makes, says what the verifier of this system says: word for word, with the same
exit status. It is run by Wine, and the tests are skipped where one of the two is missing.

Every run of `stele verify` in the other tests is done by both: a stand-in for stele, in a build folder of its own, runs
the two and answers with what they agree on."""
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("STELE_BUILD", ROOT / "build")).resolve()
EXE = ROOT / "build-windows/stele-verify.exe"
WINE = shutil.which("wine64") or shutil.which("/usr/lib/wine/wine64") or shutil.which("wine")
# A configuration of its own, no windows, no debugging output; and names are UTF-8.
WINE_ENV = {**os.environ, "WINEPREFIX": str(EXE.parent / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "LC_ALL": "C.UTF-8"}
WINE_ENV.pop("DISPLAY", None)
WINE_ENV.pop("LD_LIBRARY_PATH", None)
DIFFER = 70
# What comes with every Windows.
SYSTEM = {"kernel32.dll", "msvcrt.dll", "advapi32.dll", "shell32.dll", "user32.dll", "ws2_32.dll", "crypt32.dll", "bcrypt.dll"}


def native(*arguments, **options):
    return subprocess.run([BUILD / "stele", "verify", *map(str, arguments)], capture_output=True, timeout=300, check=False, **options)


def windows(*arguments, **options):
    return subprocess.run([WINE, EXE, *map(str, arguments)], capture_output=True, timeout=300, check=False, env=WINE_ENV, **options)


def stand_in():
    """As `stele`: what is to be verified is verified by both."""
    arguments = sys.argv[1:]
    if "verify" not in arguments[:2]:
        os.execv(BUILD / "stele", [str(BUILD / "stele"), *arguments])
    arguments.remove("verify")
    mine, theirs = native(*arguments), windows(*arguments)
    said = [(run.returncode, run.stdout, run.stderr) for run in (mine, theirs)]
    if said[0] != said[1]:
        print(f"they differ: {arguments}\nhere {said[0]}\nWindows {said[1]}", file=sys.stderr)
        sys.exit(DIFFER)
    sys.stdout.buffer.write(mine.stdout)
    sys.stderr.buffer.write(mine.stderr)
    with open(os.environ["STELE_WINDOWS_COUNT"], "ab") as count:
        count.write(b".")
    sys.exit(mine.returncode)


def make(path, megabytes):
    """A bundle with one payload of that size; prints its key."""
    sys.path.insert(0, str(ROOT / "tests/reference"))
    import bundle_maker
    _, server, log = bundle_maker.start(1)
    log.record(random.Random(1).randbytes(megabytes << 20), media_type="application/octet-stream")
    b = bundle_maker.whole(server, [log])
    Path(path).write_bytes(b.archive())
    print(b.trusted.vkey)


def setUpModule():
    if not EXE.exists():
        raise unittest.SkipTest("there is no build-windows/stele-verify.exe: ./dev windows makes it")
    sources = [path for folder in ("proto", "crypto", "storage", "verify", "tools") for path in (ROOT / folder).rglob("*.[ch]")]
    if max(path.stat().st_mtime for path in sources) > EXE.stat().st_mtime:
        raise unittest.SkipTest("build-windows/stele-verify.exe is older than the source: ./dev windows makes it anew")
    if not WINE:
        raise unittest.SkipTest("Wine is not installed: ./dev windows --test does that")
    first = windows("--version") # makes Wine's folder, which takes its time
    assert first.returncode == 0, first.stderr
    # Wine ends with its last program and takes seconds to begin anew: one that waits for a key
    waits = subprocess.Popen([WINE, EXE, "none", "--key", "@-"], env=WINE_ENV, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    unittest.addModuleCleanup(waits.communicate)
    sys.path.insert(0, str(ROOT / "tests/reference"))


class Everything(unittest.TestCase):
    """The tests of the verifier, each run of it by both."""

    def again(self, module, least, *names):
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            for name in ("steled", "tests"):
                (Path(folder) / name).symlink_to(BUILD / name)
            stele, count = Path(folder) / "stele", Path(folder) / "count"
            stele.write_text(f"#!/bin/sh\nexec {sys.executable} {__file__} stand-in \"$@\"\n")
            stele.chmod(stele.stat().st_mode | stat.S_IXUSR)
            env = {**os.environ, "STELE_BUILD": folder, "STELE_REAL_BUILD": str(BUILD), "STELE_WINDOWS_COUNT": str(count)}
            run = subprocess.run([sys.executable, ROOT / "tests/e2e" / f"{module}.py", *names], capture_output=True, text=True,
                                 timeout=3000, check=False, env=env)
            self.assertEqual(run.returncode, 0, run.stderr[-6000:])
            self.assertGreaterEqual(len(count.read_bytes()), least, "runs by both")

    def test_bundles_true_and_tampered_with(self):
        self.again("bundle_verify_test", 300)

    def test_bundles_whose_records_break_rules_and_witnesses(self):
        self.again("bundle_rules_test", 50)

    def test_receipts_proofs_checkpoints_and_what_is_no_evidence(self):
        self.again("verify_test", 100)

    def test_certificates_of_searches(self):
        self.again("search_cert_test", 20)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def bundle(self, path="b.zip"):
        """A bundle in that file of the folder; its key."""
        import bundle_maker
        b = bundle_maker.make("range")
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(b.archive())
        return b.trusted.vkey

    def both(self, *arguments, status, **options):
        """What both say, in the folder."""
        runs = [run(*arguments, cwd=self.folder, **options) for run in (native, windows)]
        said = [(r.returncode, r.stdout, r.stderr) for r in runs]
        self.assertEqual(said[0], said[1], arguments)
        self.assertEqual(said[0][0], status, said[0])
        return runs[0]

    def drive(self, path):
        """The name of a file of the folder with its drive and backslashes."""
        return "Z:" + str(self.folder / path).replace("/", "\\")


class File(Case):
    def test_imports_what_comes_with_windows_and_nothing_else(self):
        said = subprocess.run(["objdump", "-p", EXE], capture_output=True, text=True, check=True).stdout
        imported = {name.lower() for name in re.findall(r"DLL Name: (\S+)", said)}
        self.assertIn("kernel32.dll", imported)
        self.assertEqual(imported - SYSTEM, set())

    def test_says_nothing_of_where_it_was_made(self):
        self.assertNotIn(str(ROOT).encode(), EXE.read_bytes())

    def test_explains_itself_in_the_same_words(self):
        self.assertIn("…".encode(), self.both("--help", status=0).stdout)
        self.both(status=3)
        self.both("b.zip", status=3)
        self.both("b.zip", "--nonsense", status=3)
        self.assertIn(b"stele-verify ", windows("--version").stdout)


class Names(Case):
    def test_any_name_that_windows_has(self):
        for name in ("with space.zip", "Zeugnis Nº 7 — 証拠 🔏.zip", "a'b;c&d%PATH%^.zip", "-dash.zip"):
            with self.subTest(name):
                key = self.bundle(name)
                self.both("--key", key, "--json", "--", name, status=0)
                self.both("--key", key, "--", name, status=0)

    def test_folders_drives_and_backslashes(self):
        key = self.bundle("Akte/2026/b.zip")
        here = native("Akte/2026/b.zip", "--key", key, "--json", cwd=self.folder)
        for name in ("Akte\\2026\\b.zip", self.drive("Akte/2026/b.zip"), "\\\\?\\" + self.drive("Akte/2026/b.zip"),
                     "..\\" + self.folder.name + "\\Akte/2026\\b.zip"):
            with self.subTest(name):
                run = windows(name, "--key", key, "--json", cwd=self.folder)
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                self.assertEqual(json.loads(run.stdout), json.loads(here.stdout) | {"file": name})

    def test_names_longer_than_260_characters(self):
        name = "/".join(["Aktenordner " + "ß" * 40] * 8) + "/b.zip"
        key = self.bundle(name)
        self.assertGreater(len(name), 400)
        self.both(name, "--key", key, status=0)
        for long in (name.replace("/", "\\"), self.drive(name)):
            self.assertEqual(windows(long, "--key", key, cwd=self.folder).returncode, 0)

    def test_a_key_by_its_file(self):
        (self.folder / "identity.vkey").write_text(self.bundle() + "\r\n")
        self.both("b.zip", "--key", "@identity.vkey", status=0)
        self.assertEqual(windows("b.zip", "--key", "@" + self.drive("identity.vkey"), cwd=self.folder).returncode, 0)


class Reading(Case):
    def test_what_cannot_be_read_is_named_with_its_reason(self):
        key = self.bundle()
        (self.folder / "empty").touch()
        (self.folder / "folder").mkdir()
        for name in ("none.zip", "no/such/folder.zip", "folder", "empty"):
            self.both(name, "--key", key, status=3)
            self.both(name, "--key", key, "--json", status=3)
            self.both("b.zip", "--key", "@" + name, status=3)
            if name != "empty": # a policy that asks for nothing
                self.both("b.zip", "--key", key, "--policy", name, status=3)
        run = windows("NUL", "--key", key, cwd=self.folder)
        self.assertEqual((run.returncode, b"it is empty" in run.stdout), (3, True), run.stdout)

    def test_standard_input(self):
        key = self.bundle()
        self.both("b.zip", "--key", "@-", input=key.encode() + b"\n", status=0)
        self.both("b.zip", "--key", "@-", input=b"", status=3)

    def test_bytes_stay_as_they_are(self):
        """No CR is added or taken, no Ctrl-Z ends a file."""
        key = self.bundle()
        self.assertNotIn(b"\r", windows("b.zip", "--key", key, cwd=self.folder).stdout)
        self.both("b.zip", "--key", "@-", input=key.encode() + b"\x1a\n", status=0)

    def test_memory_stays_the_same(self):
        peaks = []
        for megabytes in (1, 96):
            # made elsewhere: what is started has at least the memory of who starts it, as the kernel counts
            make = [sys.executable, __file__, "make", self.folder / "b.zip", str(megabytes)]
            key = subprocess.run(make, capture_output=True, text=True, check=True).stdout.strip()
            with open(os.devnull, "r+b") as null:
                run = subprocess.Popen([WINE, EXE, self.folder / "b.zip", "--key", key], env=WINE_ENV, stdin=null, stdout=null,
                                       stderr=null)
            _, status, used = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(run.returncode, 0)
            peaks.append(used.ru_maxrss)
        self.assertLess(peaks[1] - peaks[0], 16 << 10, f"KiB at most: {peaks}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["stand-in"]:
        del sys.argv[1]
        BUILD = Path(os.environ["STELE_REAL_BUILD"])
        stand_in()
    if sys.argv[1:2] == ["make"]:
        make(sys.argv[2], int(sys.argv[3]))
        sys.exit()
    unittest.main()
