#!/usr/bin/env python3
"""Evidence bundles before other people's programs: what opens ZIPs, a validator of BagIt bags, Go's transparency-log code.

What each refuses once something was changed is tried, too: a program that takes anything has shown nothing.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from interop_test import GO, GOPATH  # noqa: E402
from lib import BUILD, JSON, NDJSON, Server, stele  # noqa: E402

LOGS = {"pay": "pay", "con": "~con~", "a.b-c_1": "a.b-c_1"}  # and their folders
RECORDS = 700
POLICY = '{"retain":{"default":"1d"}}'
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def fill(server, log):
    """Small events, bytes that are no text, one payload that is a file of its own, and another control entry."""
    server.create_log(log)
    lines = "".join(f'{{"actor":"é{i % 7}","text":"a \\"b\\" \\\\ {i}"}}\n' for i in range(RECORDS // 2)).encode()
    for body, kind in ((lines, NDJSON), (bytes(range(256)), {"Content-Type": "application/octet-stream"}),
                       (b"x" * 70_000, {"Content-Type": "text/plain"}), (lines, NDJSON)):
        answer = server.post(f"/api/v1/logs/{log}/records", body, kind)
        assert answer.status == 201, answer.body
    answer = server.request("PUT", f"/api/v1/logs/{log}/policy", POLICY, JSON)
    assert answer.status in (200, 201), answer.body


def build_checker():
    """Compiles bundle/main.go; the program's path."""
    if not GO:
        raise unittest.SkipTest("go is not installed (Debian: golang-go)")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        raise unittest.SkipTest("golang-golang-x-mod-dev is not installed")
    program = BUILD / "interop-bundle"
    env = dict(os.environ, GO111MODULE="off", GOPATH=str(GOPATH), GOFLAGS="", GOCACHE=str(BUILD / "go-cache"))
    subprocess.run([GO, "build", "-o", program, "main.go"], cwd=HERE / "bundle", env=env, check=True)
    return program


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="stele-interop-")
        cls.addClassCleanup(folder.cleanup)
        cls.here = Path(folder.name)
        cls.server = Server(cls.here / "data", ["--min-free", "0"]).start()
        cls.addClassCleanup(lambda: cls.server.running() and cls.server.kill())
        since = []
        for log in LOGS:
            fill(cls.server, log)
            kept = cls.here / f"{log}.checkpoint"
            cls.do("checkpoint", log, "-o", kept)
            since += ["--since", kept] if log == "pay" else []
            cls.server.post(f"/api/v1/logs/{log}/records", "later", {"Content-Type": "text/plain"})
        cls.vkeys = {log: cls.server.vkey(log) for log in LOGS}
        cls.zip = cls.here / "bundle.zip"
        cls.do("export", *LOGS, *since, "-o", cls.zip)
        with zipfile.ZipFile(cls.zip) as z:
            cls.names = z.namelist()
            z.extractall(cls.here / "unpacked")
        (cls.root,) = (cls.here / "unpacked").iterdir()

    @classmethod
    def do(cls, *arguments):
        run = stele(*arguments, server=cls.server)
        assert run.returncode == 0, (arguments, run.stderr)
        return run.stdout

    def copy(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-interop-")
        self.addCleanup(folder.cleanup)
        return Path(shutil.copytree(self.root, Path(folder.name) / self.root.name))

    def changed(self):
        """The bundle's bytes with one changed, in the middle of what was packed of a log's records."""
        data = bytearray(self.zip.read_bytes())
        with zipfile.ZipFile(self.zip) as z:
            info = z.getinfo(f"{self.root.name}/data/pay/records.ndjson")
        data[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 1
        path = self.here / "changed.zip"
        path.write_bytes(data)
        return path


class Archive(Case):
    def opens(self, program, *arguments):
        if not shutil.which(program):
            self.skipTest(f"{program} is not installed")
        run = subprocess.run([program, *arguments, self.zip], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        run = subprocess.run([program, *arguments, self.changed()], capture_output=True, text=True, check=False)
        self.assertNotEqual(run.returncode, 0, "it was changed, and nothing was seen")

    def test_unzip_opens_it(self):
        self.opens("unzip", "-tqq")

    def test_7z_opens_it(self):
        self.opens("7z", "t")

    def test_bsdtar_unpacks_the_same_files(self):
        self.opens("bsdtar", "-xOf")
        with tempfile.TemporaryDirectory(prefix="stele-interop-") as folder:
            subprocess.run(["bsdtar", "-xf", self.zip, "-C", folder], check=True)
            for name in self.names:
                self.assertEqual(Path(folder, name).read_bytes(), (self.root.parent / name).read_bytes(), name)

    def test_pythons_zipfile_opens_it(self):
        with zipfile.ZipFile(self.zip) as z:
            self.assertIsNone(z.testzip())
        with zipfile.ZipFile(self.changed()) as z, self.assertRaises(Exception):
            self.assertIsNone(z.testzip())

    def test_names_can_be_files_everywhere(self):
        """On Windows and macOS as well: safe characters, no device, no trailing dot, no two that differ by case."""
        self.assertEqual(len({name.lower() for name in self.names}), len(self.names))
        for name in self.names:
            self.assertLessEqual(len(name), 200, name)
            for part in name.split("/"):
                self.assertRegex(part, r"\A[A-Za-z0-9_~.-]*[A-Za-z0-9_~-]\Z", name)
                self.assertNotRegex(part, r"\A\.", name)
                self.assertIsNone(DEVICE.fullmatch(part), name)
        for folder in LOGS.values():
            self.assertIn(f"{self.root.name}/data/{folder}/files/000000000000352.bin", self.names)


class Bag(Case):
    """The Library of Congress's validator, from the Python package index."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        venv = cls.here / "venv"
        made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True, check=False)
        if made.returncode:
            raise unittest.SkipTest(f"python3 -m venv failed (Debian: python3-venv): {made.stdout[-200:]}{made.stderr[-200:]}")
        got = subprocess.run([venv / "bin/pip", "install", "-q", "--disable-pip-version-check", "--retries", "1",
                              "--timeout", "10", "bagit==1.9.0"], capture_output=True, text=True, check=False)
        if got.returncode:
            raise unittest.SkipTest(f"bagit is out of reach: {got.stderr[-300:]}")
        cls.bagit = [venv / "bin/python", venv / "bin/bagit.py", "--validate", "--quiet"]

    def validate(self, folder):
        return subprocess.run([*self.bagit, folder], capture_output=True, text=True, check=False)

    def test_it_is_a_bag(self):
        run = self.validate(self.root)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_it_is_none_with_a_file_changed_missing_or_added(self):
        def change(folder):
            path = folder / "data/pay/records.csv"
            path.chmod(0o600)
            path.write_bytes(path.read_bytes().replace(b"later", b"LATER") + b" ")

        for what in (change, lambda f: (f / "data/pay/keys.txt").unlink(), lambda f: (f / "data/more").write_text("x"),
                     lambda f: (f / "README.txt").write_text("x")):
            folder = self.copy()
            what(folder)
            self.assertNotEqual(self.validate(folder).returncode, 0)


class Tree(Case):
    """Go's note and tlog."""

    @classmethod
    def setUpClass(cls):
        cls.program = build_checker()
        super().setUpClass()

    def check(self, folder, logs=LOGS, vkeys=None):
        vkeys = vkeys or self.vkeys
        pairs = [word for log in logs for word in (LOGS[log], vkeys[log])]
        return subprocess.run([self.program, folder, *pairs], capture_output=True, text=True, check=False)

    def test_checkpoints_proofs_and_growth_hold(self):
        run = self.check(self.root)
        self.assertEqual(run.returncode, 0, run.stderr)
        size = RECORDS + 2 + 2 + 1
        self.assertEqual(run.stdout.splitlines(), [f"{folder}: {size} records, 3 proofs, {int(log == 'pay')} growths"
                                                   for log, folder in LOGS.items()])

    def test_it_refuses_another_key(self):
        run = self.check(self.root, ["pay"], {"pay": self.vkeys["con"]})
        self.assertEqual(run.returncode, 1)
        self.assertIn("checkpoint:", run.stderr)

    def test_it_refuses_what_was_changed(self):
        for name, old, new in (("records.ndjson", b'\\"index\\":9,', b'\\"index\\":8,'),
                               ("controls.ndjson", b'"proof":["', b'"proof":["AAAA'),
                               ("proofs.ndjson", b'"proof":["', b'"proof":["AAAA'),
                               ("consistency.ndjson", b'"proof":["', b'"proof":["AAAA')):
            path = self.copy() / "data/pay" / name
            text = path.read_bytes()
            if new.startswith(b'"proof'):  # other bytes, not more
                at = text.index(old) + len(old)
                text = text[:at] + b"AAAA" + text[at + 4:]
            else:
                self.assertIn(old, text)
                text = text.replace(old, new, 1)
            path.chmod(0o600)
            path.write_bytes(text)
            run = self.check(path.parents[2], ["pay"])
            self.assertEqual(run.returncode, 1, name)
            self.assertNotIn("unmarshal", run.stderr)

    def test_a_tlog_proof_holds_of_its_entry_alone(self):
        proof = self.here / "one.tlog-proof"
        self.do("prove", "pay", "9", "-o", proof)
        lines = (self.root / "data/pay/records.ndjson").read_bytes().splitlines()
        entry = self.here / "one.entry"
        for index, status in ((9, 0), (8, 1)):
            entry.write_text(json.loads(lines[index])["entry"], encoding="utf-8")
            run = subprocess.run([self.program, "-proof", proof, entry, self.vkeys["pay"]], capture_output=True, text=True,
                                 check=False)
            self.assertEqual(run.returncode, status, run.stderr)


del Case  # it has no tests of its own


if __name__ == "__main__":
    unittest.main()
