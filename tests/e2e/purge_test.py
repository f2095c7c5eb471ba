"""What readers get of records whose payloads were purged: all but the payloads."""
import hashlib
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib import BUILD, NDJSON, Server, stele_prints

PURGE = os.environ.get("STELE_PURGE", str(BUILD / "tests/purge_store"))
PROBLEM = "urn:stele:problem:purged"
OBJECT = os.urandom(200_000)
KEY = {"Idempotency-Key": "the-one-that-went", "Content-Type": "application/json"}


def purge(server, *ranges):
    run = subprocess.run([PURGE, server.data, "a", *map(str, ranges)], capture_output=True,
                         text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout)


class Purged(unittest.TestCase):
    """Records 10 to 20, 250 to 260 and an object of a log of some 300 are gone."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(options=["--min-free", "0"]).start()
        cls.server.create_log("a")
        lines = "\n".join(json.dumps({"n": i, "secret": os.urandom(20).hex()}) for i in range(1, 299))
        assert cls.server.post("/api/v1/logs/a/records", lines, NDJSON).status == 201
        cls.object = cls.server.post("/api/v1/logs/a/records", OBJECT).json()["index"]
        cls.keyed = cls.server.post("/api/v1/logs/a/records", b'{"keyed":1}', KEY).json()["index"]
        cls.before = {i: cls.receipt(i) for i in (5, 12, 255, cls.object, cls.keyed)}
        cls.tiles = cls.all_tiles()
        cls.vkey = stele_prints("key", "show", "a", server=cls.server).strip()
        assert cls.server.stop() == 0
        cls.out = purge(cls.server, 10, 20, 250, 260, cls.object, cls.keyed)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        if cls.server.running():
            cls.server.stop()
        cls.server.remove()

    @classmethod
    def receipt(cls, index):
        return cls.server.get(f"/api/v1/logs/a/records/{index}", {"Accept": "application/json"}).json()

    @classmethod
    def all_tiles(cls):
        return [cls.server.get(f"/logs/a/{path}").body for path in ("tile/0/000", "tile/entries/000")]

    def gone(self, answer, index):
        self.assertEqual(answer.status, 410)
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        problem = answer.json()
        self.assertEqual((problem["type"], problem["index"], problem["purge"]),
                         (PROBLEM, index, self.out["entry"]))

    def test_a_payload_is_answered_410_with_the_purge_entry_however_it_is_asked_for(self):
        self.assertEqual(self.out["records"], 24)
        for index in (10, 20, 250, 260, self.object, self.keyed):
            path = f"/api/v1/logs/a/records/{index}"
            self.gone(self.server.get(path), index)
            self.gone(self.server.get(path, {"Range": "bytes=0-3"}), index)
            self.gone(self.server.get(path, {"If-None-Match": "*"}), index)
            self.assertEqual(self.server.request("HEAD", path).status, 410)
        for index in (9, 21, 249, 261):
            payload = self.server.get(f"/api/v1/logs/a/records/{index}")
            self.assertEqual((payload.status, payload.json()["n"]), (200, index))

    def test_the_receipt_has_entry_proof_and_checkpoint_and_no_salt(self):
        for index in (12, 255, self.object):
            now = self.receipt(index)
            self.assertEqual(now["entry"], self.before[index]["entry"])
            self.assertEqual(now["purged"], self.out["entry"])
            self.assertFalse({"salt", "payload", "payload_b64", "payload_url"} & set(now))
            with tempfile.TemporaryDirectory() as folder:
                for name, receipt in (("now", now), ("before", self.before[index])):
                    file = Path(folder) / f"{name}.json"
                    file.write_text(json.dumps(receipt))
                    stele_prints("verify", file, "--key", self.vkey)
        self.assertIn("salt", self.receipt(9))

    def test_tiles_and_proofs_are_what_they_were(self):
        self.assertEqual(self.all_tiles(), self.tiles)
        proof = self.server.get("/api/v1/logs/a/proof/inclusion?index=12&size=290")
        self.assertEqual(proof.status, 200)
        text = self.server.get("/api/v1/logs/a/proof/inclusion?index=12", {"Accept": "text/plain"})
        self.assertEqual((text.status, text.json()["type"]), (410, PROBLEM))
        text = self.server.get("/api/v1/logs/a/proof/inclusion?index=9", {"Accept": "text/plain"})
        self.assertEqual(text.status, 200)

    def test_the_entry_says_what_went(self):
        entry = self.server.get(f"/api/v1/logs/a/records/{self.out['entry']}").json()
        self.assertEqual(entry["type"], "purge")
        self.assertEqual(entry["ranges"], [[10, 20], [250, 260], [self.object, self.keyed]])
        self.assertEqual((entry["count"], entry["policy"]), (24, 0))
        self.assertEqual(json.loads(self.receipt(self.out["entry"])["entry"])["kind"], "purge")

    def test_what_repeats_it_is_refused_and_nothing_finds_it(self):
        size = self.server.get("/api/v1/logs/a").json()["size"]
        again = self.server.post("/api/v1/logs/a/records", b'{"keyed":1}', KEY)
        self.assertEqual((again.status, again.json()["type"]), (410, PROBLEM))
        self.assertEqual(self.server.get("/api/v1/logs/a").json()["size"], size)
        digest = hashlib.sha256(OBJECT).hexdigest()
        found = self.server.get(f"/api/v1/logs/a/records?sha256={digest}").json()
        self.assertEqual(found["records"], [])
        self.assertIn("purged", stele_prints("get", "a", 12, server=self.server, status=1))
        self.assertIn('status="410"', self.server.get("/metrics").text())

    def test_fsck_and_a_rebuilt_catalogue_know_it_from_the_files_alone(self):
        self.assertEqual(self.server.stop(), 0)
        stele_prints("fsck", self.server.data, "--rebuild")
        self.server.start()
        self.gone(self.server.get("/api/v1/logs/a/records/12"), 12)
        self.assertEqual(self.server.get("/api/v1/logs/a/records/9").json()["n"], 9)


if __name__ == "__main__":
    unittest.main()
