#!/usr/bin/env python3
"""Whatever power loss hits steled, what it acknowledged is there afterwards.

A recorded steled makes its data directory, creates logs and takes appends from
several clients at once; it is killed once and goes on, and stops in the end.
Then thousands of power losses are replayed along the recording, and check_store
judges what each left (replay.py and check_store.c say how). Recovery itself is
recorded and replayed the same way.

STELE_POWERLOSS says how many (1000), STELE_SEED with what dice.
"""
import hashlib
import os
import shutil
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import proof  # noqa: E402
from lib import BUILD, JSON, NDJSON, Server  # noqa: E402
from replay import Model, judge_by, mark, power_losses, read_trace, replay  # noqa: E402

RECORDER = os.environ.get("STELE_RECORDER", str(BUILD / "tests/librecorder.so"))
CHECK_STORE = os.environ.get("STELE_CHECK_STORE", str(BUILD / "tests/check_store"))
STATES = int(os.environ.get("STELE_POWERLOSS", 1000))
SEED = int(os.environ.get("STELE_SEED", 1))
LOGS = ("alpha", "beta")
OBJECTS = "objects"  # a client's batch: records whose payload is a file of its own
WAL_FILE_BYTES = 1 << 20  # small, so that the recording turns over several files
IGNORE = ["*-lock", "lock.mdb"]  # LMDB's reader table: not data


class Rotator(threading.Thread):
    """Gives a log new keys while others append to it, and marks what they are."""

    def __init__(self, server, trace, log, rotations):
        super().__init__()
        self.client = server.connect()
        self.trace, self.log, self.rotations = trace, log, rotations
        self.error = None

    def run(self):
        try:
            for _ in range(self.rotations):
                answer = self.client.post(f"/api/v1/logs/{self.log}/key/rotate", b"")
                if answer.status != 200:
                    raise AssertionError(f"{answer.status}: {answer.text()}")
                body = answer.json()
                hashed = hashlib.sha256(body["key_statement"].encode()).hexdigest()
                mark(self.trace, f"key {self.log} {body['epoch']} {hashed}")
        except Exception as e:
            self.error = e
        finally:
            self.client.close()


class Successor(Rotator):
    """Gives the server new identities meanwhile, and marks the notes."""

    def run(self):
        try:
            for _ in range(self.rotations):
                answer = self.client.post("/api/v1/identity/rotate", b"")
                if answer.status != 200:
                    raise AssertionError(f"{answer.status}: {answer.text()}")
                body = answer.json()
                hashed = hashlib.sha256(body["successions"][-1].encode()).hexdigest()
                mark(self.trace, f"identity {self.log} {body['number']} {hashed}")
        except Exception as e:
            self.error = e
        finally:
            self.client.close()


class Client(threading.Thread):
    """Appends to a log, and marks in the recording what it was answered."""

    def __init__(self, server, trace, log, requests, batch, fill_bytes=300):
        super().__init__()
        self.client = server.connect()
        self.trace, self.log, self.requests, self.batch = trace, log, requests, batch
        self.fill_bytes = fill_bytes
        self.error = None

    def run(self):
        try:
            for n in range(self.requests):
                self.append(n)
        except Exception as e:
            self.error = e
        finally:
            self.client.close()

    def put(self, path):
        """An upload just large enough for an object: what it repeats, and its receipt."""
        seed = os.urandom(16)
        answer = self.client.post(path, seed * 4200, {"Upload-Complete": "?1"})
        return [seed], answer

    def append(self, n):
        payloads = [
            b'{"request":%d,"line":%d,"fill":"%s"}'
            % (n, i, os.urandom(self.fill_bytes).hex().encode())
            for i in range(1 if self.batch == OBJECTS else self.batch or 1)
        ]
        path = f"/api/v1/logs/{self.log}/records"
        if self.batch == OBJECTS:
            payloads, answer = self.put(path)
        elif self.batch:
            answer = self.client.post(path + "?proof=all", b"\n".join(payloads) + b"\n", NDJSON)
        else:
            answer = self.client.post(path, payloads[0], JSON)
        if answer.status != 201:
            raise AssertionError(f"{answer.status}: {answer.text()}")
        body = answer.json()
        for receipt, payload in zip(body.get("receipts", [body]), payloads):
            leaf = proof.leaf_hash(receipt["entry"].encode())
            mark(self.trace, f"ack {self.log} {receipt['index']} {leaf.hex()} {payload.hex()}")
        # A checkpoint that was released: its signature is other tests' business.
        lines = body["checkpoint"].split("\n")
        root = proof.hashes([lines[2]])[0]
        mark(self.trace, f"head {self.log} {lines[1]} {root.hex()}")


def judge_by_server(folder, marks):
    """A judge that starts steled and asks, with the token it once gave, for each log's size."""
    server = Server(folder, ["--moved"])
    sizes, token = {}, None
    for kind, *words in (m.split(" ") for m in marks):
        if kind == "token":
            token = words[0]
        elif kind == "head":
            sizes[words[0]] = max(sizes.get(words[0], 0), int(words[1]))
    try:
        server.start()
        client = server.connect(token)
        for log, size in sizes.items():
            answer = client.get(f"/logs/{log}/checkpoint")
            if answer.status != 200:
                return f"{log}: {answer.status} {answer.text()}"
            if int(answer.text().split("\n")[1]) < size:
                return f"{log}: size {size} was released: {answer.text()}"
        client.close()
        return None if server.stop() == 0 else "it did not end well"
    except (RuntimeError, OSError) as e:
        return str(e)
    finally:
        if server.running():
            server.kill()


class PowerLoss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.trace = cls().record(cls.folder)

    def work(self, server, trace, requests):
        clients = [
            Client(server, trace, log, requests, batch) for log in LOGS for batch in (0, 0, 30)
        ] + [Client(server, trace, log, requests // 4, OBJECTS) for log in LOGS]
        # A commit this large is written while the next one is being taken.
        clients.append(Client(server, trace, LOGS[0], requests // 4, 30, 5000))
        clients += [Rotator(server, trace, log, 1 + requests // 4) for log in LOGS]
        clients.append(Successor(server, trace, "_system", 1 + requests // 4))
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        for c in clients:
            if c.error:
                raise c.error

    def record(self, folder):
        """A recording of a first start, work, a kill, work, and a stop."""
        data, trace = os.path.join(folder, "data"), os.path.join(folder, "trace")
        env = {"LD_PRELOAD": RECORDER, "STELE_TRACE": trace, "STELE_TRACE_ROOT": data}
        options = ["--wal-file-size", str(WAL_FILE_BYTES), "--wal-files", "1"]
        with Server(data, options, env) as server:
            mark(trace, f"token {server.token()}")
            for log in LOGS:
                server.create_log(log)
            self.work(server, trace, 20)
            self.seal(server)
            self.work(server, trace, 5)
            self.seal(server)  # ragged tails are rewritten: segments replace others
            server.kill()
            server.start()
            self.work(server, trace, 12)
            self.seal(server)
            time.sleep(2)  # the catalogue is saved, what was replaced is removed
            self.work(server, trace, 3)
            self.assertEqual(server.stop(), 0)
        return trace

    def seal(self, server):
        for log in LOGS:
            self.assertEqual(server.post(f"/api/v1/logs/{log}/seal", b"").status, 200)

    def assert_none(self, found, states):
        for violation in found[:5]:
            print(violation, flush=True)
        self.assertEqual(len(found), 0, f"of {states} power losses, seed {SEED}")

    def test_what_is_acknowledged_survives_every_power_loss(self):
        judge = judge_by([CHECK_STORE])
        found = replay(self.trace, judge, STATES, SEED, jobs=os.cpu_count(), ignore=IGNORE)
        self.assert_none(found, STATES)

    def test_the_server_itself_starts_again_and_knows_its_token(self):
        states = max(1, STATES // 20)
        found = replay(self.trace, judge_by_server, states, SEED, jobs=os.cpu_count(), ignore=IGNORE)
        self.assert_none(found, states)

    def test_it_survives_another_power_loss_while_it_recovers_from_one(self):
        """The judge itself, which recovers, appends, and recovers, is recorded and replayed."""
        firsts, found = max(1, STATES // 200), []
        losses = power_losses(read_trace(self.trace), firsts, SEED + 1, Model(IGNORE))
        for number, (_, _, loss, marks) in enumerate(losses):
            base, again = (os.path.join(self.folder, f"{number}{x}") for x in ("base", "again"))
            trace = os.path.join(self.folder, f"{number}.trace")
            loss.write_to(base)
            shutil.copytree(base, again)
            env = {"LD_PRELOAD": RECORDER, "STELE_TRACE": trace, "STELE_TRACE_ROOT": again}
            reason = judge_by([CHECK_STORE], env)(again, marks)
            self.assertIsNone(reason)
            found += replay(trace, judge_by([CHECK_STORE]), 100, SEED, jobs=os.cpu_count(),
                            ignore=IGNORE, base=base, marks=marks)
            shutil.rmtree(base)
            shutil.rmtree(again)
        self.assert_none(found, firsts * 100)


if __name__ == "__main__":
    unittest.main()
