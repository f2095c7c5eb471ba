#!/usr/bin/env python3
"""Nothing that came with a purged event is found afterwards: not its payload, nor attributes that came
in headers, nor idempotency keys, nor what was asked to find it. In no file of the data directory, nor of a
backup from before, under every key that is left (tests/crash/residue_search.h)."""
import base64
import json
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib import BUILD, JSON, NDJSON, Server, stele, until

SEARCH = BUILD / "tests/residue_search"
RECORDS = "/api/v1/logs/l/records"


class Markers:
    """Texts that nothing else holds and that do not compress."""

    def __init__(self, seed):
        self.dice, self.text = random.Random(seed), {}

    def __getitem__(self, name):
        if name not in self.text:
            self.text[name] = "M" + "".join(self.dice.choices("abcdefghijkmnpqrstuvwxyz23456789", k=27))
        return self.text[name]


def spellings(text):
    """As it is, in hex, and in base64 wherever in a longer text it begins."""
    raw = text.encode()
    yield text
    yield raw.hex()
    for skip in range(3):
        coded = base64.b64encode(b"\0" * skip + raw).decode()
        yield coded[4 if skip else 0:len(coded) // 4 * 4 - 4]


class Residue(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-residue-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = Server(self.folder / "data", ["--wal-file-size", "4M"]).start()
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        self.marks = Markers(11)  # of what is stored, by what carried it
        self.never = Markers(12)  # of what is stored by nobody, not even before

    def post(self, body, headers, path=RECORDS, status=201):
        answer = self.server.post(path, body if isinstance(body, bytes) else json.dumps(body), headers)
        self.assertEqual(answer.status, status, answer.body)

    def cloudevent(self, **more):
        m = self.marks
        return {"specversion": "1.0", "id": m["event id"], "source": m["event source"],
                "type": m["event type"], "subject": m["event subject"], **more}

    def store(self):
        """Events in every form in which they come, each with marks in every place that it has."""
        m = self.marks
        self.post({m["member name"]: m["value"]}, {**JSON, "Idempotency-Key": self.never["key"]})
        self.post(m["text"].encode(), {"Content-Type": "text/plain"})
        self.post(b"{}", {**JSON, "ce-specversion": "1.0", "ce-id": m["ce-id"], "ce-type": m["ce-type"],
                          "ce-source": m["ce-source"], "ce-subject": m["ce-subject"],
                          "ce-extension": m["ce-extension"]})
        self.post(self.cloudevent(data={"a": m["event data"]}),
                  {"Content-Type": "application/cloudevents+json"})
        self.post([self.cloudevent(id=m["batch id"], data_base64=base64.b64encode(
            m["event data"].encode()).decode())],
            {"Content-Type": "application/cloudevents-batch+json"})
        self.post({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [
            {"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": m["auditID"],
             "user": {"username": m["user"]}, "annotations": {m["annotation"]: "x"}}]},
            JSON, path="/k8s/audit/l", status=200)
        self.post(b"{broken " + m["unparsed"].encode(), JSON, path="/k8s/audit/l", status=200)
        object_ = (m["object"] * 4).encode() + random.Random(1).randbytes(2 << 20)
        self.post(object_, {"Content-Type": "application/octet-stream"})
        lines = (json.dumps({"i": i, m["sample name"]: m["sample"], "x": [i * 7919 % 997, "y" * 30]})
                 for i in range(3000))  # what dictionaries are trained on
        self.post("\n".join(lines).encode(), NDJSON)

    def ask(self):
        """What tells of the records without being one."""
        m = self.marks
        self.server.get(f"/api/v1/logs/l/records?actor={m['user']}")
        self.server.get(f"/api/v1/logs/l/records?filter=a%3D%22{self.never['filter']}%22")
        run = stele("erasure", "request", "l", "--case", "7", "--filter",
                    f'user.username = "{self.never["erasure"]}"', "--reason", "r",
                    server=self.server)
        self.assertIn("invalid-erasure", run.stderr)  # of nobody, so that nothing goes now
        self.post(b'{"a":1}\n{broken ' + self.never["refused"].encode(), NDJSON, status=400)

    def seal(self):
        self.post(b"", {}, path="/api/v1/logs/l/seal", status=200)

    def export(self, **what):
        """A bundle of all, which is kept; its id."""
        answer = self.server.post("/api/v1/exports", json.dumps({"logs": ["l"], **what}), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        path = f"/api/v1/exports/{answer.json()['id']}"
        until(lambda: self.server.get(path).json()["state"] not in ("waiting", "running"), path, 120)
        self.assertEqual(self.server.get(path).json()["state"], "finished")
        return path

    def search(self, ring, *texts):
        """Whether any of them is found."""
        run = subprocess.run([SEARCH, ring, self.folder / "data", self.folder / "backup", *texts],
                             capture_output=True, text=True, timeout=300, check=False)
        self.assertIn(run.returncode, (0, 1), run.stderr)
        return run.returncode == 1, run.stdout

    def stop(self):
        self.assertEqual(self.server.stop(), 0)

    def purge(self):
        run = stele("--json", "purge", "plan", "l", "--unlocked", server=self.server)
        plan = json.loads(run.stdout)
        run = stele("--json", "purge", "approve", "l", plan["id"], server=self.server)
        self.assertTrue(json.loads(run.stdout)["destroyed"], run.stdout + run.stderr)
        return plan["go"]["records"]

    def test_nothing_that_came_with_what_was_purged_is_found(self):
        ring, before = self.folder / "data/keys/keyring", self.folder / "ring"
        self.server.create_log("l")
        self.store()
        self.seal()
        self.store()  # most of it is known, and is not stored again: the rest is in the WAL
        self.ask()
        exports = [self.export(), self.export(filter="i >= 0", certify=True)]
        run = stele("backup", self.folder / "backup", server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.stop()
        shutil.copy(ring, before)
        for name, text in self.marks.text.items():
            found, what = self.search(ring, text)
            self.assertTrue(found, f"the search does not find {name}")
            if not name.startswith("ce-") and name not in ("batch id", "event data"):
                self.assertNotIn("bundles 0", what, name)
        everything = [s for marks in (self.marks, self.never) for text in marks.text.values()
                      for s in spellings(text)]
        found, what = self.search(ring, *[s for text in self.never.text.values() for s in spellings(text)])
        self.assertFalse(found, what)
        self.server.start()
        self.assertGreater(self.purge(), 3000)
        for path in exports:
            self.assertEqual(self.server.get(path).json()["why"], "purged")
        self.export()  # of what is left
        self.post(b"{}", JSON)
        self.seal()
        self.stop()
        for some in (everything[i:i + 100] for i in range(0, len(everything), 100)):
            found, what = self.search(ring, *some)
            self.assertFalse(found, what)
        log = self.server.log()
        self.assertEqual([s for s in everything if s in log], [])
        # in the backup it still is, for whoever kept the keys of then
        self.assertTrue(self.search(before, *self.marks.text.values())[0])


if __name__ == "__main__":
    unittest.main()
