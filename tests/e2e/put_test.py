"""stele put, get and find with payloads of any size: killed, resumed, held against receipts."""
import hashlib
import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lib import STELE, Server, stele

MIB = 1 << 20
DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 3, 4


def noise(n, seed=1):
    return hashlib.shake_128(str(seed).encode()).digest(n)


class Put(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.state = self.folder / "state/stele"
        self.env = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state")}
        self.server = Server(options=["--min-free", "0", "--origin", "test.example.com"]).start()
        self.addCleanup(self.server.remove)
        self.addCleanup(self.server.kill)
        self.server.create_log("scans")

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def run_stele(self, *arguments, status=DONE, **options):
        run = stele(*map(str, arguments), server=self.server, env=self.env, **options)
        self.assertEqual(run.returncode, status, f"{arguments}\n{run.stdout}{run.stderr}")
        return run

    def size(self):
        return self.server.get("/api/v1/logs/scans").json()["size"]

    def verify(self, receipt, payload, status=DONE):
        key = stele("key", "show", "scans", server=self.server).stdout.strip()
        run = stele("verify", str(receipt), "--payload", str(payload), "--key", key)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)

    def test_a_file_of_any_size_goes_in_comes_out_and_verifies(self):
        for i, n in enumerate((0, 5, MIB, MIB + 1, 9 * MIB + 1)):
            sent = self.file(f"{n}.pdf", noise(n, n))
            receipt, got = self.folder / f"{n}.json", self.folder / "got"
            run = self.run_stele("put", "scans", sent, "--receipt", receipt)
            self.assertRegex(run.stdout, rf"^scans {i + 1} stored at \S+ as application/pdf; ")
            self.verify(receipt, sent)
            self.run_stele("get", "scans", i + 1, "-o", got)
            self.assertEqual(got.read_bytes(), sent.read_bytes())
            if n:
                self.verify(receipt, self.file("other", b"x" + sent.read_bytes()[1:]), REFUSED)
                self.verify(receipt, self.file("longer", sent.read_bytes() + b"x"), REFUSED)
        self.assertEqual(list(self.state.iterdir()), [])
        self.assertEqual(sorted(self.folder.glob("*.part")), [])

    def test_standard_input_streams(self):
        payload = noise(5 * MIB)
        sent = self.file("sent", payload)
        with sent.open("rb") as stdin:
            run = self.run_stele("put", "scans", "-", "--type", "a/b", "--json", stdin=stdin)
        self.assertEqual(json.loads(run.stdout)["index"], 1)
        out = self.run_stele("get", "scans", 1, "-o", self.folder / "out")
        self.assertEqual((self.folder / "out").read_bytes(), payload, out)

    def put_killed(self, sent, *more):
        """Starts a put and kills it once the server has some of the file, but not all."""
        process = subprocess.Popen(
            [STELE, "--server", f"http://127.0.0.1:{self.server.port}", "--token",
             self.server.token(), "put", "scans", str(sent), *more],
            env=self.env, stdout=subprocess.DEVNULL)
        pending = self.server.data / "objects/pending"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            parts = list(pending.iterdir()) if pending.is_dir() else []
            if parts and parts[0].stat().st_size > 4 * MIB:
                break
            time.sleep(0.001)
        process.kill()
        self.assertNotEqual(process.wait(), 0, "it was done before it was killed")
        self.assertEqual(len(list(self.state.iterdir())), 1)

    def sent_bytes(self):
        for line in self.server.get("/metrics").text().splitlines():
            if line.startswith("stele_http_read_bytes_total "):
                return int(line.split()[1])
        self.fail("no such metric")

    def test_a_killed_put_goes_on_where_it_was(self):
        sent = self.file("disk.img", noise(160 * MIB))
        receipt = self.folder / "receipt.json"
        self.put_killed(sent)
        time.sleep(0.3)
        before = self.sent_bytes()
        self.run_stele("put", "scans", sent, "--receipt", receipt)
        self.assertLess(self.sent_bytes() - before, 156 * MIB)
        self.assertEqual(self.size(), 2)
        self.verify(receipt, sent)
        self.assertEqual(list(self.state.iterdir()), [])

    def test_a_server_that_went_away_gets_the_file_from_the_start_and_once(self):
        sent = self.file("disk.img", noise(160 * MIB))
        self.put_killed(sent)
        self.server.kill()
        port = self.server.port
        self.server.command[self.server.command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
        self.server.start()
        receipt = self.folder / "receipt.json"
        self.run_stele("put", "scans", sent, "--receipt", receipt)
        self.assertEqual(self.size(), 2)
        self.verify(receipt, sent)

    def test_a_file_that_changed_meanwhile_is_not_taken_for_the_same(self):
        sent = self.file("disk.img", noise(160 * MIB))
        self.put_killed(sent)
        with sent.open("r+b") as f:
            f.write(b"changed")
        receipt = self.folder / "receipt.json"
        self.run_stele("put", "scans", sent, "--receipt", receipt)
        self.verify(receipt, sent)

    def test_a_get_that_broke_off_goes_on(self):
        payload = noise(8 * MIB)
        self.run_stele("put", "scans", self.file("sent", payload))
        out = self.folder / "out"
        self.run_stele("get", "scans", 1, "-o", out)
        out.unlink()
        # what a killed one leaves: the name is the record's
        process = subprocess.Popen(
            ["sh", "-c", 'ulimit -f 4096; trap "" XFSZ; exec "$@"', "sh", STELE, "--server",
             f"http://127.0.0.1:{self.server.port}", "--token", self.server.token(), "get",
             "scans", "1", "-o", str(out)], stderr=subprocess.DEVNULL)
        self.assertEqual(process.wait(), USAGE)
        part = list(self.folder.glob("out.*.part"))
        self.assertEqual(len(part), 1)
        self.assertFalse(out.exists())
        had = part[0].read_bytes()
        self.assertTrue(0 < len(had) < len(payload) and payload.startswith(had))
        self.run_stele("get", "scans", 1, "-o", out)
        self.assertEqual(out.read_bytes(), payload)
        self.assertEqual(list(self.folder.glob("out.*.part")), [])

    def test_ranges(self):
        payload = noise(2 * MIB + 5)
        self.run_stele("put", "scans", self.file("sent", payload))
        out = self.folder / "out"
        for text, want in (("0-0", payload[:1]), ("300000-", payload[300000:]),
                           ("-7", payload[-7:]), (f"5-{MIB}", payload[5:MIB + 1])):
            self.run_stele("get", "scans", 1, f"--range={text}", "-o", out)
            self.assertEqual(out.read_bytes(), want, text)
        for text in ("", "-", "x-", "7-3", "1,2"):
            self.run_stele("get", "scans", 1, f"--range={text}", "-o", out, status=USAGE)
        self.run_stele("get", "scans", 1, "--range", f"{9 * MIB}-", status=REFUSED)

    def test_a_payload_is_found_or_said_not_to_be(self):
        payload = noise(2 * MIB)
        for _ in range(2):
            self.run_stele("put", "scans", self.file("sent", payload))
        digest = hashlib.sha256(payload).hexdigest()
        rows = json.loads(self.run_stele("find", "scans", "--sha256", digest, "--json").stdout)
        self.assertEqual([r["index"] for r in rows], [1, 2])
        self.assertIn("scans 2", self.run_stele("find", "scans", "--sha256", digest).stdout)
        self.run_stele("find", "scans", "--sha256", "0" * 64, status=REFUSED)
        self.run_stele("find", "scans", "--sha256", "short", status=USAGE)
        self.run_stele("find", "scans", status=USAGE)

    def test_what_cannot_be_sent_is_said(self):
        self.run_stele("put", "scans", self.folder / "nothing", status=USAGE)
        self.run_stele("put", "scans", self.folder, status=USAGE)
        self.run_stele("put", "scans", status=USAGE)
        large = self.file("large", noise(2 * MIB))
        self.assertIn("stele put", self.run_stele("append", "scans", large, status=USAGE).stderr)
        self.run_stele("put", "none", large, status=REFUSED)
        key = ("--key", "once")
        self.run_stele("put", "scans", large, *key)
        self.run_stele("put", "scans", large, *key)
        self.assertEqual(self.size(), 2)
        other = self.file("other", noise(3 * MIB))
        self.assertIn("idempotency-conflict",
                      self.run_stele("put", "scans", other, *key, status=REFUSED).stderr)
        self.server.kill()
        self.run_stele("put", "scans", large, "--retry-for", "1", status=UNREACHABLE)


if __name__ == "__main__":
    unittest.main()
