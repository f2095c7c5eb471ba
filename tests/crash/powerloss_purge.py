#!/usr/bin/env python3
"""Whatever power loss hits a purge, it has not begun, or it goes to its end.

A steled with sealed segments, objects and a tail that is not sealed is recorded while it purges: a
part of a segment, what is in the tail, objects, a whole log, and something that it is killed in the
middle of, which the next start ends. Others append meanwhile. After every power loss the store
opens, and check_store says of each purge that was asked for that all of its payloads read or all
are gone, each by a purge entry that names it; that those of an acknowledged one are gone; and that
one that is under way ends. fsck finds the directory sound then. And no key that a purge destroyed
before it was acknowledged is ever back: what lies in old files and copies of them opens no more.

STELE_POWERLOSS says how many (1000: an eighth of it), STELE_SEED with what dice.
"""
import json
import os
import shutil
import struct
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from lib import JSON, Server, stele  # noqa: E402
from powerloss import CHECK_STORE, IGNORE, OBJECTS, RECORDER, SEED, STATES, Client  # noqa: E402
from replay import judge_by, mark, read_trace, replay  # noqa: E402

OPTIONS = ["--wal-file-size", str(1 << 20), "--wal-files", "1"]
LOGS = ("alpha", "beta")
DATA_KEYS = 56 + 20  # of a keyring, behind the heads of file and body (crypto/keyring.h)
DATA_KEY_BYTES = 56


def keys_of(data):
    """The data keys in a keyring that no passphrase seals."""
    body = Path(data, "keys/keyring").read_bytes()
    (n,) = struct.unpack_from("<I", body, DATA_KEYS - 8)
    ends = range(DATA_KEYS + DATA_KEY_BYTES, DATA_KEYS + (n + 1) * DATA_KEY_BYTES, DATA_KEY_BYTES)
    return {body[end - 32 : end].hex() for end in ends}


def judge(folder, marks):
    """Destroyed keys stay away; the store keeps its promises; what it then is, is sound."""
    kept = b"".join(file.read_bytes() for file in Path(folder, "keys").iterdir())
    for m in marks:
        if m.startswith("destroyed ") and bytes.fromhex(m.split(" ")[1]) in kept:
            return "a key that a purge destroyed is back"
    reason = judge_by([CHECK_STORE])(folder, marks)
    if reason:
        return reason
    run = stele("fsck", folder)
    return None if run.returncode == 0 else f"fsck: {run.stdout} {run.stderr}"


class PowerLoss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.data, cls.base = cls.folder / "data", cls.folder / "base"
        cls.trace = str(cls.folder / "trace")
        cls().record()

    def append(self, server, trace, log, requests, *batches):
        clients = [Client(server, trace, log, requests, batch) for batch in batches]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
            if c.error:
                raise c.error

    def fill(self):
        """What is there before: sealed records and objects in two logs, and more in their tails."""
        before = str(self.folder / "before")
        Path(before).touch()
        with Server(self.data, OPTIONS) as server:
            for log in LOGS:
                server.create_log(log)
                self.append(server, before, log, 4, 0, 20, OBJECTS)
                self.assertEqual(server.post(f"/api/v1/logs/{log}/seal", b"").status, 200)
                self.append(server, before, log, 2, 0, 20, OBJECTS)
            sizes = [server.get(f"/api/v1/logs/{log}").json()["size"] for log in LOGS]
            self.assertEqual(server.stop(), 0)
        return sizes, [r.path for r in read_trace(before)]

    def plan(self, server, log, first, last):
        body = json.dumps({"unlocked": True, "range": [first, last]})
        plan = server.post(f"/api/v1/logs/{log}/purge-plans", body, JSON)
        self.assertEqual(plan.status, 201, plan.body)
        plan = plan.json()
        mark(self.trace, f"going {log} {first} {last}")
        return f"/api/v1/logs/{log}/purge-plans/{plan['id']}/approve", {"digest": plan["digest"]}

    def purge(self, server, log, first, last):
        keys = keys_of(self.data)
        path, body = self.plan(server, log, first, last)
        done = server.post(path, json.dumps(body), JSON)
        self.assertEqual((done.status, done.json().get("destroyed")), (200, True), done.body)
        self.gone(log, first, last, keys)

    def gone(self, log, first, last, keys):
        """Acknowledged; keys: those of before."""
        mark(self.trace, f"gone {log} {first} {last}")
        gone = keys - keys_of(self.data)
        self.assertGreaterEqual(len(gone), 2, "a segment's key and the tail's")
        for key in gone:
            mark(self.trace, f"destroyed {key}")

    def purge_killed(self, server, log, first, last):
        """Nobody hears how it ends; the next start ends it."""
        keys = keys_of(self.data)
        path, body = self.plan(server, log, first, last)
        entry = server.get(f"/api/v1/logs/{log}").json()["size"]
        client = server.connect()

        def ask():
            try:
                client.post(path, json.dumps(body), JSON)
            except OSError:
                pass
            finally:
                client.close()

        thread = threading.Thread(target=ask)
        thread.start()
        while server.get(f"/api/v1/logs/{log}").json()["size"] == entry:
            pass  # until the purge entry is there
        server.kill()
        thread.join()
        server.start()
        deadline = time.monotonic() + 30
        while "\nstele_purge_pending 0\n" not in server.get("/metrics").text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.gone(log, first, last, keys)

    def record(self):
        (alpha, beta), type(self).marks = self.fill()
        shutil.copytree(self.data, self.base)
        env = {"LD_PRELOAD": RECORDER, "STELE_TRACE": self.trace, "STELE_TRACE_ROOT": str(self.data)}
        Path(self.trace).touch()
        with Server(self.data, OPTIONS, env) as server:
            others = threading.Thread(target=self.append,
                                      args=(server, self.trace, "alpha", 10, 0, OBJECTS))
            others.start()
            self.purge(server, "alpha", 5, 40)  # of a sealed segment
            self.purge(server, "alpha", alpha - 12, alpha - 3)  # of the tail
            others.join()
            self.purge(server, "beta", 1, beta - 1)  # all there is
            self.purge_killed(server, "alpha", 50, 70)
            self.append(server, self.trace, "beta", 2, 20, OBJECTS)
            self.purge(server, "beta", beta + 1, beta + 30)
            self.assertEqual(server.stop(), 0)

    def test_no_power_loss_leaves_half_a_purge_or_brings_back_what_went(self):
        states = max(1, STATES // 8)
        found = replay(self.trace, judge, states, SEED, jobs=os.cpu_count(), ignore=IGNORE,
                       base=str(self.base), marks=self.marks)
        for violation in found[:5]:
            print(violation, flush=True)
        self.assertEqual(len(found), 0, f"of {states} power losses, seed {SEED}")


if __name__ == "__main__":
    unittest.main()
