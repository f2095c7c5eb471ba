#!/usr/bin/env python3
"""Bundles that a server made, before verifiers that do not know it: each is valid to all of them, tampered with it is refused
by all of them alike; and a log that was rolled back or forked is found by who kept a checkpoint."""
import json
import os
import shutil
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from bundle_test import build_verifier, campaign, disagreements, verifiers  # noqa: E402
from lib import JSON, NDJSON, Clock, Server, stele  # noqa: E402
from tsa import Authority, wait_for  # noqa: E402

FILTERS = ['event_id = "7"', 'event_id = 7.0 OR event_id = "nobody"', 'event_type = "t3" AND event_id = "10"', 'any = "zo\u00eb"', 'resource = "10.0.4.1" AND NOT event_type = "t1"',
           'receive_time >= "2026-01-01" AND event_type = "t2"', 'time < "2026-11-02" AND event_type = "t0"', '(event_type = "t1" OR data.x = 3) AND event_id:"8"',
           'actor = "nobody" AND event_type = "t1"', 'trace_id = "10" OR event_id = "2999"']
HOLD = {"matter": "Case 7", "name": "n", "logs": ["pay"], "reason": "r", "range": [3, 9]}


class Exported(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.verifiers = verifiers(build_verifier())
        assert len(cls.verifiers) == 2, "stele verify does not know its own bundles"

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-exported-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.clock = Clock()
        self.addCleanup(self.clock.remove)
        self.server = self.started()
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        self.run_stele("log", "create", "pay", "--retain", "1d")
        self.key = self.folder / "key"
        self.key.write_text(self.run_stele("key", "show"))

    def started(self, *options):
        return Server(self.folder / "data", ["--origin", "ledger.example.com", "--min-free", "0", *options],
                      env={**os.environ, **self.clock.env}).start()

    def run_stele(self, *words):
        run = stele(*words, server=self.server)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def post(self, path, body, headers=JSON):
        answer = self.server.post(path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
        self.assertIn(answer.status, (200, 201), answer.body)
        return answer.json()

    def fill(self, first, n):
        lines = (json.dumps({"specversion": "1.0", "id": str(i), "source": "/s", "type": "t", "data": {"actor": "alice"}})
                 for i in range(first, first + n))
        self.post("/api/v1/logs/pay/records", "\n".join(lines), NDJSON)

    def checkpoint(self, name):
        path = self.folder / name
        self.run_stele("checkpoint", "pay", "-o", path)
        return path

    def exported(self, name, *words):
        path = self.folder / name
        self.run_stele("export", "pay", *words, "-o", path)
        return path

    def wrong(self, path, **more):
        return disagreements(self.verifiers, path, self.key, **more)

    def test_what_a_server_exports_is_valid_and_refused_once_it_is_tampered_with(self):
        self.fill(0, 40)
        self.post("/api/v1/holds", HOLD)
        self.post("/api/v1/logs/pay/records", os.urandom(70_000), {})  # a file of its own, in no text
        self.run_stele("log", "seal", "pay")
        self.run_stele("key", "rotate", "pay")
        self.clock.forward(25)
        self.run_stele("purge", "run", "pay")
        self.fill(40, 20)
        for name, words in (("range", []), ("part", ["--first", "8", "--last", "50"]),
                            ("times", ["--received-from", "1h ago"]), ("records", ["--records", "4,6-8,45"]),
                            ("matter", ["--matter", "Case 7"]), ("certified", ["--filter", 'actor = "alice"', "--certify"])):
            with self.subTest(name):
                path = self.exported(f"{name}.zip", *words)
                self.assertEqual(campaign(self.verifiers, path, self.key, self.folder), [])

    def test_all_of_them_ask_the_indexes_that_a_server_shows(self):
        lines = (json.dumps({"specversion": "1.0", "id": str(i), "source": "/s", "type": f"t{i % 7}", "subject": f"10.0.{i % 9}.1" if i % 3 else "zo\u00eb",
                             "time": f"2026-11-{i % 28 + 1:02d}T00:00:00Z"}) for i in range(3000))
        self.post("/api/v1/logs/pay/records", "\n".join(lines), NDJSON)
        self.run_stele("log", "seal", "pay")
        for n, asked in enumerate(FILTERS):
            with self.subTest(asked):
                path = self.exported(f"asked-{n}.zip", "--filter", asked, "--certify")
                with zipfile.ZipFile(path) as z:
                    certificate = next(z.read(name) for name in z.namelist() if name.endswith("certificate.search"))
                self.assertIn(b"\nsegment ", certificate, "an index is shown")
                self.assertEqual(self.wrong(path, status=0), [])

    def has_head(self, log, size):
        """Whether _system has a head of that size by now: it is written behind."""
        path = "/api/v1/logs/_system"
        texts = [self.server.get(f"{path}/records/{i}").text() for i in range(1, self.server.get(path).json()["size"])]
        heads = [h for text in texts if '"type":"heads"' in text for h in json.loads(text)["heads"]]
        return any(h["log"] == log and h["size"] == size for h in heads)

    def test_an_authoritys_timestamps_are_valid_to_all_of_them(self):
        with Authority(self.folder) as authority:
            self.assertEqual(self.server.stop(), 0)
            self.server = self.started("--timestamp-url", authority.url, "--timestamp-ca", str(authority.roots))
            self.fill(0, 20)
            wait_for(lambda: self.has_head("pay", 21))
            self.run_stele("timestamp", "now")
            self.fill(20, 5)
            path = self.exported("stamped.zip")
        roots = self.folder / "stamped.zip.roots"
        self.assertEqual(campaign(self.verifiers, path, self.key, self.folder), [])
        roots.write_text(Path(authority.roots).read_text())
        self.assertEqual(self.wrong(path, status=0), [])
        roots.write_text(Path(authority.other.pem).read_text())
        self.assertEqual(self.wrong(path, status=1, checks={"timestamps"}), [])

    def test_a_rollback_and_a_fork_are_found_by_who_kept_a_checkpoint(self):
        self.fill(0, 10)
        self.assertEqual(self.server.stop(), 0)
        shutil.copytree(self.server.data, self.folder / "old")
        self.server.start()
        self.fill(10, 10)
        kept = self.checkpoint("kept")
        self.fill(20, 5)
        honest = self.exported("honest.zip", "--since", kept)
        self.assertEqual(self.wrong(honest, since=[kept], status=0), [])
        self.assertEqual(self.server.stop(), 0)
        shutil.rmtree(self.server.data)
        shutil.move(self.folder / "old", self.server.data)
        self.server = self.started("--moved")
        rolled_back = self.exported("rolled-back.zip")
        self.assertEqual(self.wrong(rolled_back, status=0), [])  # nothing shows but to who remembers
        self.assertEqual(self.wrong(rolled_back, since=[kept], status=1, checks={"consistency"}), [])
        self.fill(100, 30)
        forked = self.exported("forked.zip")
        self.assertEqual(self.wrong(forked, since=[kept], status=1, checks={"consistency"}), [])
        part = self.exported("part.zip", "--first", "15", "--last", "20")
        self.assertEqual(self.wrong(part, since=[kept], status=1, checks={"consistency"}), [])


if __name__ == "__main__":
    unittest.main()
