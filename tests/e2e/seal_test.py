"""Sealing as an operator and a reader meet it: records move into segments and nothing else changes."""
import hashlib
import json
import os
import subprocess
import unittest

from lib import JSON, NDJSON, Server, stele_prints

OBJECT_BYTES = 3 << 20


class Seal(unittest.TestCase):
    def setUp(self):
        self.server = Server(options=["--min-free", "0"]).start()
        self.addCleanup(self.server.remove)
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        self.server.create_log("a")

    def fill(self, n):
        lines = "\n".join(json.dumps({"n": i, "who": f"user-{i % 7}"}) for i in range(n))
        self.assertEqual(self.server.post("/api/v1/logs/a/records", lines, NDJSON).status, 201)

    def answers(self, size):
        """What readers get of a log: records, receipts without their head, tiles, bundles."""
        got = []
        for index in (0, 1, size // 2, size - 1):
            got.append(self.server.get(f"/api/v1/logs/a/records/{index}").body)
            receipt = self.server.get(f"/api/v1/logs/a/records/{index}",
                                      {"Accept": "application/json"}).json()
            got.append((receipt["entry"], receipt["salt"], receipt["proof"]))
        for path in ("tile/0/000", "tile/entries/000", "tile/1/000.p/2"):
            answer = self.server.get(f"/logs/a/{path}")
            self.assertEqual(answer.status, 200, path)
            got.append(answer.body)
        return got

    def storage(self):
        return self.server.get("/api/v1/logs/a").json()["storage"]

    def test_readers_get_the_same_bytes_before_and_after_and_after_a_restart(self):
        self.fill(700)
        before = self.answers(701)
        self.assertEqual(self.storage()["sealed"], 0)
        stele_prints("log", "seal", "a", server=self.server)
        self.assertEqual(self.storage()["sealed"], 701)
        self.assertEqual(self.answers(701), before)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.answers(701), before)
        self.assertEqual(self.storage()["sealed"], 701)

    def test_an_object_is_read_found_and_checked_when_its_record_is_sealed(self):
        payload = os.urandom(OBJECT_BYTES)
        sha = hashlib.sha256(payload).hexdigest()
        self.fill(5)
        answer = self.server.post("/api/v1/logs/a/records", payload,
                                  {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 201, answer.body)
        index = answer.json()["index"]
        self.fill(300)
        stele_prints("log", "seal", "a", server=self.server)
        self.assertEqual(self.server.get(f"/api/v1/logs/a/records/{index}").body, payload)
        part = self.server.get(f"/api/v1/logs/a/records/{index}", {"Range": "bytes=1000000-1000009"})
        self.assertEqual((part.status, part.body), (206, payload[1000000:1000010]))
        self.assertIn(f"a {index} ", stele_prints("find", "a", "--sha256", sha, server=self.server))
        self.assertEqual(self.server.stop(), 0)
        self.assertIn("SOUND", stele_prints("fsck", self.server.data))
        [name] = (self.server.data / "objects/a").glob("*.obj")
        name.chmod(0o600)
        with open(name, "r+b") as f:
            f.seek(100000)
            byte = f.read(1)
            f.seek(100000)
            f.write(bytes([byte[0] ^ 1]))
        found = stele_prints("fsck", self.server.data, status=1)
        self.assertIn(f"log a, record {index}, objects/a/{name.name}", found)

    def test_a_damaged_segment_is_said_by_fsck_metrics_and_readers(self):
        self.fill(600)
        stele_prints("log", "seal", "a", server=self.server)
        self.assertEqual(self.server.stop(), 0)
        self.assertIn("SOUND", stele_prints("fsck", self.server.data, "--threads", "3"))
        path = max((self.server.data / "segments/a").glob("*.seg"), key=lambda p: p.stat().st_size)
        path.chmod(0o600)
        with open(path, "r+b") as f:
            f.seek(5000)
            byte = f.read(1)
            f.seek(5000)
            f.write(bytes([byte[0] ^ 8]))
        found = stele_prints("fsck", self.server.data, status=1)
        self.assertIn(path.stem, found)
        self.server.start()
        answer = self.server.get("/api/v1/logs/a/records/1")
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.json()["type"], "urn:stele:problem:damaged")
        self.assertEqual(self.storage()["quarantined"], 1)
        self.assertIn(b"stele_segments_quarantined 1", self.server.get("/metrics").body)
        answer = self.server.post("/api/v1/logs/a/records", "{}", JSON)
        self.assertEqual(answer.status, 201)
        index = answer.json()["index"]
        self.assertEqual(self.server.get(f"/api/v1/logs/a/records/{index}").status, 200)

    def test_what_protects_the_files_is_reported_and_a_restart_knows_it(self):
        self.server.stop()
        server = Server(data=self.server.data, options=["--min-free", "0"], protect=True).start()
        files = self.server.data / "segments/a"
        try:
            self.server.port, self.server.client = server.port, server.client
            self.fill(500)
            shown = stele_prints("log", "seal", "a", server=server)
            storage = self.storage()
            self.assertEqual(storage["segments"], 1)
            probe = server.data / "probe"
            probe.touch()
            can = subprocess.run(["chattr", "+i", probe], capture_output=True).returncode == 0
            self.assertEqual(storage["immutable"], can)
            self.assertIn(f"mode 0444, {int(can)} of 1 immutable, {storage['verity']} with", shown)
            metrics = server.get("/metrics").text()
            self.assertIn(f"\nstele_segments_immutable {int(can)}\n", metrics)
            self.assertIn(f"\nstele_segments_verity {storage['verity']}\n", metrics)
            for file in files.iterdir():
                self.assertEqual(file.stat().st_mode & 0o777, 0o444)
                if can:
                    with self.assertRaises(PermissionError):
                        file.unlink()
            server.stop()
            server.start()
            self.assertIn(f"1 sealed segments: {int(can)} immutable", server.log())
            self.server.port, self.server.client = server.port, server.client
            self.assertEqual(self.storage(), storage)
        finally:
            if server.running():
                server.kill()
            subprocess.run(["chattr", "-R", "-i", server.data], capture_output=True)

    def test_only_operators_may_seal(self):
        answer = self.server.post("/api/v1/tokens", json.dumps({"scopes": ["read"], "logs": ["*"]}),
                                  JSON)
        self.assertEqual(answer.status, 201, answer.body)
        client = self.server.connect(answer.json()["token"])
        self.assertEqual(client.post("/api/v1/logs/a/seal", b"").status, 403)
        client.close()


if __name__ == "__main__":
    unittest.main()
