#!/usr/bin/env python3
"""Files that somebody changed, cut, swapped, renamed, or brought from elsewhere.

Every byte flipped is bitflip.c's; here whole files are not what they should be: segments, their
manifests and objects, cut off at several lengths, swapped within a log, renamed, taken from
another log, another server, or an earlier generation, a manifest alone or both files together.

Each case is made in a copy of one sound data directory, for three meetings: fsck, a start, and
a server that runs already. fsck must name the file; a reader gets the right bytes or the clear
error, never anything else; the other logs are served; nothing crashes; and once the files are
put back, everything reads again.
"""
import hashlib
import json
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from lib import NDJSON, Server, stele  # noqa: E402
from replay import fast_folder  # noqa: E402

LOGS = {"a": 600, "b": 700, "c": 700}  # records beside entry 0; log a's fill several segments
STORES = {"large": ("a", "c"), "small": ("b", "c")}  # most cases need no more than the small one
OBJECTS = {"a": 2, "b": 1}  # at the end of each
OBJECT_BYTES = (1 << 20) + 70001


def payload(log, index, server="one"):
    event = {"server": server, "log": log, "i": index}
    if log == "a":
        event["x"] = hashlib.shake_128(f"{server} {index}".encode()).hexdigest(50_000)
    return json.dumps(event).encode()


def object_payload(log, index, server):
    words = f"{server} {log} {index} ".encode()
    return words * (OBJECT_BYTES // len(words) + 1)


def fill(server, logs, name, earlier=None):
    """Logs with sealed records, and objects. earlier: where log b's first generation is kept."""
    for log in logs:
        n = LOGS[log]
        server.create_log(log)
        for first in range(1, n + 1, 100):
            body = b"".join(payload(log, i, name) + b"\n" for i in range(first, first + 100))
            answer = server.post(f"/api/v1/logs/{log}/records", body, NDJSON)
            assert answer.status == 201, answer.body
            if log == "b" and first == 1 and earlier:
                seal(server, log)
                shutil.copytree(server.data / "segments/b", earlier)
        seal(server, log)
        for i in range(OBJECTS.get(log, 0)):
            answer = server.post(f"/api/v1/logs/{log}/records",
                                 object_payload(log, n + 1 + i, name),
                                 {"Content-Type": "application/octet-stream"})
            assert answer.json()["index"] == n + 1 + i
        seal(server, log)


def seal(server, log):
    answer = server.post(f"/api/v1/logs/{log}/seal", b"")
    assert answer.status == 200, answer.body


class Tamper(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-", dir=fast_folder())
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.earlier = cls.folder / "earlier"
        for name, store in (("one", "small"), ("one", "large"), ("two", "small")):
            options = ["--wal-file-size", "16M" if store == "large" else "1M"]
            with Server(data=cls.folder / f"{name}-{store}", options=options) as server:
                earlier = cls.earlier if (name, store) == ("one", "small") else None
                fill(server, STORES[store], name, earlier)
                assert server.stop() == 0
                server.start()  # what was replaced leaves
                assert server.stop() == 0
        cls.other = cls.folder / "two-small"

    def use(self, log):
        """The sound store that has that log, from now on."""
        store = "large" if log == "a" else "small"
        self.logs, self.sound = STORES[store], self.folder / f"one-{store}"

    # --- what is done to files ----------------------------------------------------------

    def file(self, data, log, kind, nth=0):
        """The nth segment, manifest (.seg, .manifest) or object (.obj) of a log."""
        folder = data / ("objects" if kind == ".obj" else "segments") / log
        files = sorted(folder.glob("*" + kind), key=lambda p: (int(p.name.split("-")[0]), p.name)
                       if kind != ".obj" else p.stat().st_mtime_ns)
        return files[nth]

    def replace(self, path, source):
        """path becomes what source is, as another file: what is open or mapped stays as it was."""
        data = source if isinstance(source, bytes) else source.read_bytes()
        new = path.with_name("x.new")
        new.write_bytes(data)
        new.chmod(0o444)
        new.rename(path)

    def cut(self, kind, log, part):
        def act(data):
            path = self.file(data, log, kind)
            size = path.stat().st_size
            path.chmod(0o600)
            os.truncate(path, {"0": 0, "1": 1, "4096": min(4096, size - 1), "half": size // 2,
                               "-1": size - 1}[part])
            return [path.stem]
        return act

    def longer(self, kind, log):
        def act(data):
            path = self.file(data, log, kind)
            path.chmod(0o600)
            with open(path, "ab") as f:
                f.write(b"\0")
            return [path.stem]
        return act

    def gone(self, kind, log):
        def act(data):
            path = self.file(data, log, kind)
            path.unlink()
            return [path.stem]
        return act

    def swap(self, log, kinds):
        """Two files of one log exchange their names."""
        def act(data):
            stems = []
            for kind in kinds:
                one, two = self.file(data, log, kind, 0), self.file(data, log, kind, 1)
                first, second = one.read_bytes(), two.read_bytes()
                self.replace(one, second)
                self.replace(two, first)
                stems += [one.stem, two.stem]
            return stems
        return act

    def rename(self, log, kinds, name):
        def act(data):
            stems = []
            for kind in kinds:
                path = self.file(data, log, kind)
                path.rename(path.with_name(name(path.stem) + kind))
                stems.append(path.stem)
            return stems
        return act

    def bring(self, kinds, log, source):
        """The log's first files become those of another log, server or time."""
        def act(data):
            stems = []
            for kind in kinds:
                path = self.file(data, log, kind)
                self.replace(path, source(kind))
                stems.append(path.stem)
            return stems
        return act

    def cases(self):
        both, alone = (".seg", ".manifest"), ((".seg",), (".manifest",))
        for kind in (".seg", ".manifest", ".obj"):
            log = "b"
            for part in ("0", "1", "4096", "half", "-1"):
                yield f"{kind} cut to {part}", log, self.cut(kind, log, part)
            yield f"{kind} longer", log, self.longer(kind, log)
            yield f"{kind} gone", log, self.gone(kind, log)
        for kinds in (both, *alone):
            said = "+".join(kinds)
            yield f"{said} swapped", "a", self.swap("a", kinds)
            yield f"{said} of another log", "b", self.bring(
                kinds, "b", lambda kind: self.file(self.sound, "c", kind))
            yield f"{said} of another server", "b", self.bring(
                kinds, "b", lambda kind: self.file(self.other, "b", kind))
            yield f"{said} of an earlier generation", "b", self.bring(
                kinds, "b", lambda kind: next(self.earlier.glob("*" + kind)))
            yield f"{said} renamed", "b", self.rename(
                "b", kinds, lambda stem: stem.rsplit(".", 1)[0] + ".77")
        yield ".obj swapped", "a", self.swap("a", (".obj",))
        yield ".obj renamed", "b", self.rename("b", (".obj",), lambda stem: stem[:-1] + (
            "0" if stem[-1] != "0" else "1"))
        yield ".obj of another log", "b", self.bring(
            (".obj",), "b", lambda kind: self.file(self.folder / "one-large", "a", kind))
        yield ".obj of another server", "b", self.bring(
            (".obj",), "b", lambda kind: self.file(self.other, "b", kind))

    # --- what must hold -----------------------------------------------------------------

    def indexes(self, log):
        n = LOGS[log]
        return [*range(1, n, max(1, n // 23)), n, *range(n + 1, n + 1 + OBJECTS.get(log, 0))]

    def read(self, server, log, index):
        """The record's status; 200 only with the right bytes, else the documented error."""
        answer = server.get(f"/api/v1/logs/{log}/records/{index}")
        n = LOGS[log]
        if answer.status == 200:
            right = payload(log, index) if index <= n else object_payload(log, index, "one")
            self.assertEqual(answer.body, right, f"{log} {index}")
        else:
            self.assertEqual(answer.status, 500)
            self.assertEqual(answer.json()["type"], "urn:stele:problem:damaged")
        return answer.status

    def read_all(self, server, tampered):
        statuses = set()
        for log in self.logs:
            for index in self.indexes(log):
                status = self.read_safely(server, log, index)
                if log == tampered:
                    statuses.add(status)
                else:
                    self.assertEqual(status, 200, f"log {log}, which was not touched")
        return statuses

    def read_safely(self, server, log, index):
        try:
            return self.read(server, log, index)
        except (OSError, EOFError) as e:  # an object's body may break off in the middle
            self.assertTrue(server.running(), f"{e}: {server.log()}")
            server.client.close()
            return 500
        except Exception as e:
            if type(e).__name__ != "IncompleteRead":
                raise
            server.client.close()
            return 500

    def copy(self):
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(self.sound, work)
        return work

    def listing(self, work):
        return sorted(str(p) for folder in ("segments", "objects")
                      for p in (work / folder).glob("*/*"))

    def put_back(self, work):
        for folder in ("segments", "objects"):
            shutil.rmtree(work / folder)
            shutil.copytree(self.sound / folder, work / folder)

    def test_fsck_names_what_was_tampered_with(self):
        for name, log, act in self.cases():
            with self.subTest(name):
                self.use(log)
                work = self.copy()
                stems = act(work)
                run = stele("fsck", work)
                self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                for stem in stems:
                    self.assertIn(stem, run.stdout)

    def test_a_start_serves_the_rest_and_an_error(self):
        for name, log, act in self.cases():
            with self.subTest(name):
                self.use(log)
                work = self.copy()
                act(work)
                there = self.listing(work)
                with Server(data=work, options=["--moved", "--scrub-rate", "1G"]) as server:
                    self.assertIn(500, self.read_all(server, log))
                    self.assertEqual(self.listing(work), there)  # none of it is removed
                    self.assertEqual(server.post(f"/api/v1/logs/{log}/records", b"x").status, 201)
                    self.assertEqual(server.stop(), 0)
                    self.put_back(work)
                    server.start()
                    self.assertEqual(stele("scrub", "--wait", server=server).returncode, 0)
                    self.assertEqual(self.read_all(server, log), {200})

    def test_a_running_server_goes_on(self):
        for name, log, act in self.cases():
            for opened in (False, True) if name.startswith(".seg cut") else (True,):
                with self.subTest(name, opened=opened):
                    self.use(log)
                    work = self.copy()
                    with Server(data=work, options=["--moved", "--scrub-rate", "1G"]) as server:
                        if opened:
                            self.read_all(server, log)
                        act(work)
                        self.read_all(server, log)
                        run = stele("scrub", "--wait", server=server)
                        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                        self.assertIn(500, self.read_all(server, log))
                        self.put_back(work)
                        self.assertEqual(stele("scrub", "--wait", server=server).returncode, 0)
                        self.assertEqual(self.read_all(server, log), {200})
                        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
