#!/usr/bin/env python3
"""A disk that fails or fills, two servers, a copy, a flipped bit: the stated answer each time.

Never a wrong record served, never an inconsistent checkpoint released.
STELE_BITFLIPS says how many bits are flipped (60), STELE_SEED with what dice.
"""
import os
import random
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import proof  # noqa: E402
from lib import BUILD, JSON, NDJSON, Server, stele  # noqa: E402

FAULT_LIBRARY = os.environ.get("STELE_FAULTS", str(BUILD / "tests/libfault.so"))
FLIPS = int(os.environ.get("STELE_BITFLIPS", 60))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
RECORDS = "/api/v1/logs/log/records"


class FaultyDisk:
    """A server on a disk that fails on command."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="stele-test-")
        self.switch = Path(self.folder, "fault")
        data = os.path.join(self.folder, "data")
        env = {
            "LD_PRELOAD": FAULT_LIBRARY,
            "STELE_FAULT": str(self.switch),
            "STELE_FAULT_ROOT": data,
        }
        self.server = Server(data, env=env)

    def break_disk(self, how):
        self.switch.write_text(how)

    def repair(self):
        self.switch.unlink(missing_ok=True)

    def __enter__(self):
        self.server.start()
        self.server.create_log("log")
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)
        shutil.rmtree(self.folder)


def append(server, n):
    return server.post(RECORDS, b'{"n":%d}' % n, JSON)


def checkpoint(server, vkey):
    return proof.open_checkpoint(server.get("/logs/log/checkpoint").text(), vkey)


class Disk(unittest.TestCase):
    def acknowledge(self, server, count):
        """Appends that many records; returns {index: payload}."""
        kept = {}
        for n in range(count):
            answer = append(server, n)
            self.assertEqual(answer.status, 201, answer.text())
            kept[answer.json()["index"]] = b'{"n":%d}' % n
        return kept

    def assert_kept(self, server, kept):
        for index, payload in kept.items():
            answer = server.get(f"{RECORDS}/{index}")
            self.assertEqual((answer.status, answer.body), (200, payload))

    def assert_consistent(self, server, old, new):
        path = f"/api/v1/logs/log/proof/consistency?from={old.size}&to={new.size}"
        path = proof.hashes(server.get(path).json()["proof"])
        self.assertTrue(proof.verify_consistency(old.size, new.size, old.root, new.root, path))

    def read_only_until_restart(self, how, status):
        with FaultyDisk() as disk:
            server = disk.server
            vkey = proof.Vkey.parse(server.vkey("log"))
            kept = self.acknowledge(server, 5)
            before = checkpoint(server, vkey)
            disk.break_disk(how)
            self.assertEqual(append(server, 5).status, status)
            disk.repair()
            answer = append(server, 6)
            self.assertEqual(answer.status, 503, "it may not hope that the next flush is better")
            self.assertEqual(answer.json()["type"], "urn:stele:problem:read-only")
            self.assertEqual(checkpoint(server, vkey), before)
            self.assertEqual(server.get("/readyz").status, 200)
            self.assertEqual(server.get("/readyz?for=append").status, 503)
            self.assertIn("read-only", server.log())
            self.assert_kept(server, kept)
            server.kill()
            server.start()
            self.assert_kept(server, kept)
            self.assertEqual(append(server, 7).status, 201)
            self.assert_consistent(server, before, checkpoint(server, vkey))

    def test_a_flush_that_fails_makes_the_server_read_only_until_restart(self):
        self.read_only_until_restart("flush", 503)

    def test_a_write_that_fails_makes_the_server_read_only_until_restart(self):
        self.read_only_until_restart("write", 503)

    def test_a_disk_that_fails_is_503_for_a_vendors_sender_and_its_retry_is_whole(self):
        """A 500 it might not repeat; each event is there once, however often it comes."""
        for how in ("flush", "write"):
            small = [b'{"auditID":"%d","stage":"Panic"}' % n for n in range(3)]
            large = b'{"auditID":"l","stage":"Panic","x":"%s"}' % (b"y" * (2 << 20))
            for items in (small, [*small, large, *small]):
                body = (b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":['
                        + b",".join(items) + b"]}")
                with FaultyDisk() as disk:
                    server = disk.server
                    for broken in (True, False):  # and then it is read-only
                        if broken:
                            disk.break_disk(how)
                        else:
                            disk.repair()
                        answer = server.post("/k8s/audit/log", body, JSON)
                        self.assertEqual(answer.status, 503, answer.body)
                        self.assertIn("retry-after", answer.headers)
                    server.kill()
                    server.start()
                    for _ in range(2):
                        self.assertEqual(server.post("/k8s/audit/log", body, JSON).status, 200)
                    size = server.get("/api/v1/logs/log").json()["size"]
                    kept = [server.get(f"{RECORDS}/{i}").body for i in range(1, size)]
                    self.assertEqual(sorted(kept), sorted(set(items)))
                    self.assertEqual(os.listdir(os.path.join(disk.folder, "data/objects/pending"))
                                     if large in items else [], [])

    def test_little_space_refuses_appends_and_keeps_reads_alive(self):
        with Server() as server:
            server.create_log("log")
            kept = self.acknowledge(server, 3)
            server.stop()
            server.command += ["--min-free", str(1 << 49)]
            server.start()
            answer = append(server, 3)
            self.assertEqual(answer.status, 507, answer.text())
            self.assert_kept(server, kept)
            self.assertEqual(server.get("/readyz").status, 200)


class Directory(unittest.TestCase):
    def test_a_second_server_on_the_directory_is_refused(self):
        with Server() as server:
            with self.assertRaisesRegex(RuntimeError, "another process"):
                Server(data=server.data).start()
            server.create_log("log")
            self.assertEqual(append(server, 1).status, 201)

    def test_a_copied_directory_is_refused_until_the_operator_vouches(self):
        with Server() as server:
            server.create_log("log")
            self.assertEqual(append(server, 1).status, 201)
            server.stop()
            copy = server.data.parent / "copy"
            shutil.copytree(server.data, copy)
            with self.assertRaisesRegex(RuntimeError, "cop"):
                Server(data=copy).start()


class FlippedBit(unittest.TestCase):
    """One bit flipped anywhere in a stopped server's files."""

    def fill(self, server):
        server.create_log("log")
        lines = b"".join(b'{"n":%d,"text":"%064d"}\n' % (i, i) for i in range(300))
        self.assertEqual(server.post(RECORDS, lines, NDJSON).status, 201)
        kept = {i + 1: line for i, line in enumerate(lines.splitlines())}
        for n in range(20):
            answer = append(server, n)
            kept[answer.json()["index"]] = b'{"n":%d}' % n
        return kept

    def choose(self, data, dice):
        """A file, every one as likely as the others, and a bit of it, more often near its start."""
        files = sorted(p for p in data.rglob("*") if p.is_file() and p.stat().st_size)
        path = dice.choice(files)
        size = path.stat().st_size
        return path, dice.randrange(min(size, dice.choice([4096, 65536, size])) * 8)

    def flip(self, path, bit):
        with open(path, "r+b") as f:
            f.seek(bit // 8)
            byte = f.read(1)[0]
            f.seek(bit // 8)
            f.write(bytes([byte ^ 1 << bit % 8]))

    def judge(self, data, kept, before, vkey, token):
        """What the server does with the damage: 'refused', or 'served' what is right."""
        server = Server(data=data, options=["--moved"])
        server.known_token = token  # the flipped bit may be in admin.token
        try:
            server.start()
        except RuntimeError:
            self.assertNotRegex(server.log(), "CHECK failed|Sanitizer|runtime error")
            return "refused"
        try:
            for index, payload in kept.items():
                answer = server.get(f"{RECORDS}/{index}")
                if answer.status == 200:
                    self.assertEqual(answer.body, payload, f"record {index} is wrong")
            now = server.get("/logs/log/checkpoint")
            if now.status == 200:
                now = proof.open_checkpoint(now.text(), vkey)
                self.assertGreaterEqual(now.size, before.size, "records are gone, unsaid")
                if now.size == before.size:
                    self.assertEqual(now.root, before.root)
            self.assertTrue(server.running(), server.log())
        finally:
            server.kill()
        return "served"

    def test_a_flipped_bit_never_becomes_a_wrong_answer(self):
        dice = random.Random(SEED)
        with Server() as server:
            kept = self.fill(server)
            vkey = proof.Vkey.parse(server.vkey("log"))
            before, token = checkpoint(server, vkey), server.token()
            server.stop()
            results = []
            for _ in range(FLIPS):
                copy = server.data.parent / "flipped"
                shutil.copytree(server.data, copy)
                path, bit = self.choose(copy, dice)
                with self.subTest(seed=SEED, file=str(path.relative_to(copy)), bit=bit):
                    self.flip(path, bit)
                    results.append(self.judge(copy, kept, before, vkey, token))
                shutil.rmtree(copy)
        print(f"seed {SEED}: {FLIPS} bits, {results.count('refused')} times start was refused")

    def test_fsck_finds_a_flipped_bit_in_the_log(self):
        with Server() as server:
            self.fill(server)
            identity = stele("key", "show", server=server).stdout.strip()
            server.stop()
            good = stele("fsck", server.data, "--key", identity)
            self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
            wal = sorted(server.data.glob("wal/*.wal"))[0]
            self.flip(wal, 20000 * 8 + 3)
            bad = stele("fsck", server.data, "--key", identity)
            self.assertEqual(bad.returncode, 1, bad.stdout + bad.stderr)


if __name__ == "__main__":
    unittest.main()
