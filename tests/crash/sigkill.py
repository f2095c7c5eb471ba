#!/usr/bin/env python3
"""Nothing acknowledged is lost, nothing is half there, however often the server is killed.

Writers append without a pause, singly and in batches, each request with an
idempotency key, while steled is killed with SIGKILL at random moments, also
while it starts. A request whose answer was lost is sent again with its key.

After each restart:
- the new checkpoint is signed, and every checkpoint released before is
  consistent with it;
- all that was acknowledged since the last restart, and a sample of what was
  before, is in its tree, with its payload.

At the end the tree is built anew from the entry bundles, and every receipt of
the run is held against it; and there is no record too many: each request was
taken once, wholly.

STELE_SIGKILLS says how often (100), STELE_SEED with what dice.
"""
import json
import os
import random
import sys
import threading
import time
import unittest
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import proof  # noqa: E402
from lib import JSON, NDJSON, Client, Server  # noqa: E402

KILLS = int(os.environ.get("STELE_SIGKILLS", 100))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
LOGS = ("alpha", "beta")
LONGEST_RUN = 0.12  # seconds between a start and its kill
LONG_RUN = 5.0
LONG_EVERY = 16  # kills
SEAL_SECONDS = 120
SAMPLE = 20
TILE = 256


@dataclass
class Record:
    """One acknowledged record; leaf is None when the answer did not carry the entry."""

    log: str
    index: int
    payload: bytes
    leaf: bytes = None


class Ledger:
    """What the server has answered so far, and what it must therefore keep."""

    def __init__(self, vkeys):
        self.vkeys = vkeys
        self.lock = threading.Lock()
        self.records = {log: {} for log in vkeys}  # log -> index -> Record
        self.roots = {log: {} for log in vkeys}  # log -> size -> root
        self.fresh_records = []
        self.fresh_sizes = []  # (log, size) not yet held against a later checkpoint
        self.opened = {}

    def released(self, log, note):
        """Takes a checkpoint that the server let out; two roots of one size are a fork."""
        with self.lock:
            if note in self.opened:
                return self.opened[note]
        c = proof.open_checkpoint(note, self.vkeys[log])
        with self.lock:
            self.opened[note] = c
            known = self.roots[log].setdefault(c.size, c.root)
            self.fresh_sizes.append((log, c.size))
        if known != c.root:
            raise AssertionError(f"{log}: two checkpoints of size {c.size}")
        return c

    def acknowledged(self, record):
        with self.lock:
            other = self.records[record.log].setdefault(record.index, record)
            self.fresh_records.append(record)
        if other.payload != record.payload:
            raise AssertionError(f"{record.log}: two records at {record.index}")


class Writer:
    """Appends until the connection breaks; keeps the request that had no answer for the next run."""

    def __init__(self, name, log, batch, want_proofs, ledger, fill_bytes=0):
        self.name, self.log, self.ledger, self.fill_bytes = name, log, ledger, fill_bytes
        self.batch, self.want_proofs = batch, want_proofs
        self.sent = 0  # requests answered
        self.error = None

    def payloads(self):
        """Those of the current request: the same each time it is sent."""
        fill = random.Random(self.sent).randbytes(self.fill_bytes).hex()
        return [
            json.dumps({"writer": self.name, "request": self.sent, "line": i, "fill": fill}).encode()
            for i in range(self.batch or 1)
        ]

    def send(self, client):
        payloads = self.payloads()
        headers = {"Idempotency-Key": f"{self.name}-{self.sent}"}
        path = f"/api/v1/logs/{self.log}/records"
        if self.batch:
            headers |= NDJSON
            path += "?proof=all" if self.want_proofs else ""
            answer = client.post(path, b"\n".join(payloads) + b"\n", headers)
        else:
            headers |= JSON
            answer = client.post(path, payloads[0], headers)
        if answer.status in (429, 503):
            time.sleep(0.01)
            return
        if answer.status not in (200, 201):
            raise AssertionError(f"{path}: {answer.status} {answer.text()}")
        self.take(answer.json(), payloads)
        self.sent += 1

    def take(self, answer, payloads):
        """Checks an answer, and holds the server to it from now on."""
        if not self.batch:
            self.take_receipt(answer, payloads[0])
            return
        checkpoint = self.ledger.released(self.log, answer["checkpoint"])
        first, last = answer["first"], answer["last"]
        if last - first + 1 != len(payloads) or last >= checkpoint.size:
            raise AssertionError(f"{len(payloads)} lines became {first} to {last}")
        for i, payload in enumerate(payloads):
            if self.want_proofs:
                self.take_receipt(answer["receipts"][i], payload)
            else:
                self.ledger.acknowledged(Record(self.log, first + i, payload))

    def take_receipt(self, receipt, payload):
        leaf = check_receipt(self.ledger, self.log, receipt, payload)
        self.ledger.acknowledged(Record(self.log, receipt["index"], payload, leaf))

    def run(self, port, token, last_one=False):
        client = Client(port, token)
        try:
            before = self.sent
            while not (last_one and self.sent > before):
                self.send(client)
        except (OSError, HTTPException):
            pass  # killed: the request goes out again after the restart
        except Exception as e:  # a broken promise: the main thread reports it
            self.error = e
        finally:
            client.close()


def check_receipt(ledger, log, receipt, payload):
    """Checks a receipt, with or without its signature known already; returns the leaf hash."""
    checkpoint = ledger.released(log, receipt["checkpoint"])
    entry = json.loads(receipt["entry"])
    leaf = proof.leaf_hash(receipt["entry"].encode())
    salt, committed = proof.hashes([receipt["salt"], entry["commitment"]])
    if entry["index"] != receipt["index"] or committed != proof.commitment(salt, payload):
        raise AssertionError(f"{log}: the receipt of {receipt['index']} is of another record")
    path = proof.hashes(receipt["proof"])
    if not proof.verify_inclusion(entry["index"], checkpoint.size, leaf, path, checkpoint.root):
        raise AssertionError(f"{log}: the receipt of {receipt['index']} does not verify")
    return leaf


class Auditor:
    """Holds a restarted server to what it had answered before."""

    def __init__(self, server, ledger, dice):
        self.server, self.ledger, self.dice = server, ledger, dice

    def get(self, path, headers=None):
        answer = self.server.get(path, headers)
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status} {answer.text()}")
        return answer

    def audit(self):
        now = {
            log: self.ledger.released(log, self.get(f"/logs/{log}/checkpoint").text())
            for log in self.ledger.vkeys
        }
        sizes, self.ledger.fresh_sizes = set(self.ledger.fresh_sizes), []
        for log, size in sorted(sizes):
            self.audit_growth(now[log], log, size)
        fresh, self.ledger.fresh_records = self.ledger.fresh_records, []
        for log in self.ledger.vkeys:
            known = list(self.ledger.records[log].values())
            fresh += self.dice.sample(known, min(SAMPLE, len(known)))
        for record in fresh:
            self.audit_record(now[record.log], record)
        # The newest checkpoint is to be held against the next server's.
        self.ledger.fresh_sizes += [(log, c.size) for log, c in now.items()]

    def audit_growth(self, now, log, size):
        answer = self.get(f"/api/v1/logs/{log}/proof/consistency?from={size}&to={now.size}").json()
        root = self.ledger.roots[log][size]
        path = proof.hashes(answer["proof"])
        if not proof.verify_consistency(size, now.size, root, now.root, path):
            raise AssertionError(f"{log}: the tree of {now.size} does not begin with that of {size}")

    def audit_record(self, now, record):
        where = f"/api/v1/logs/{record.log}"
        if record.leaf is None:
            headers = {"Accept": "application/json"}
            receipt = self.get(f"{where}/records/{record.index}", headers).json()
            record.leaf = check_receipt(self.ledger, record.log, receipt, record.payload)
        elif self.get(f"{where}/records/{record.index}").body != record.payload:
            raise AssertionError(f"{record.log}: {record.index} has another payload")
        answer = self.get(f"{where}/proof/inclusion?index={record.index}&size={now.size}").json()
        path = proof.hashes(answer["proof"])
        if not proof.verify_inclusion(record.index, now.size, record.leaf, path, now.root):
            raise AssertionError(f"{record.log}: {record.index} is not in the tree of {now.size}")

    def audit_all(self, log):
        """Builds the whole tree from the entry bundles; holds every receipt against it."""
        now = self.ledger.released(log, self.get(f"/logs/{log}/checkpoint").text())
        leaves = []
        for n in range((now.size + TILE - 1) // TILE):
            width = min(TILE, now.size - n * TILE)
            path = f"/logs/{log}/tile/entries/{tile_number(n)}"
            bundle = self.get(path + (f".p/{width}" if width < TILE else "")).body
            leaves += [proof.leaf_hash(entry) for entry in split_bundle(bundle)]
        if proof.tree_root(leaves) != now.root or len(leaves) != now.size:
            raise AssertionError(f"{log}: the entries do not make the root")
        records = self.ledger.records[log]
        for index, record in records.items():
            if record.leaf is not None and leaves[index] != record.leaf:
                raise AssertionError(f"{log}: {index} is not what was acknowledged")
        if set(records) != set(range(1, now.size)):
            extra = sorted(set(range(1, now.size)) ^ set(records))
            raise AssertionError(f"{log}: nobody, or nobody once, sent {extra[:10]}")
        return now.size


def tile_number(n):
    """C2SP tlog-tiles: groups of three digits, all but the last with an x."""
    text = f"{n % 1000:03}"
    while n >= 1000:
        n //= 1000
        text = f"x{n % 1000:03}/{text}"
    return text


def split_bundle(bundle):
    entries, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


class SigKill(unittest.TestCase):
    def start_and_kill(self, dice):
        """Kills the server while it starts."""
        self.server.spawn()
        time.sleep(dice.random() * 0.05)
        self.server.kill()

    def run_writers(self, seconds=None):
        """Lets the writers work until the server is killed, or until each has one more answer."""
        arguments = (self.server.port, self.server.token(), seconds is None)
        threads = [threading.Thread(target=w.run, args=arguments) for w in self.writers]
        for t in threads:
            t.start()
        if seconds is not None:
            time.sleep(seconds)
            self.server.kill()
        for t in threads:
            t.join()
        for w in self.writers:
            if w.error:
                raise w.error

    def assert_sealed(self):
        """It is a life with seals and recycled WAL files that the kills fell into."""
        first = os.path.join(self.server.data, "wal", "00000001.wal")
        deadline = time.monotonic() + SEAL_SECONDS
        while os.path.exists(first) and time.monotonic() < deadline:
            time.sleep(0.5)
        self.assertFalse(os.path.exists(first), "the oldest WAL file never left")
        for log in LOGS:
            found = self.server.request("GET", f"/api/v1/logs/{log}").json()["storage"]
            self.assertGreater(found["sealed"], 0, log)
            self.assertEqual(found["quarantined"], 0, log)

    def test_what_is_acknowledged_survives_every_kill(self):
        print(f"{KILLS} kills, STELE_SEED={SEED}", flush=True)
        dice = random.Random(SEED)
        # files are turned over, sealed and recycled now and then
        self.server = Server(options=["--wal-file-size", "1M", "--wal-files", "1",
                                      "--seal-after", "1"])
        self.addCleanup(self.server.remove)
        with self.server:
            for log in LOGS:
                self.server.create_log(log)
            ledger = Ledger({log: proof.Vkey.parse(self.server.vkey(log)) for log in LOGS})
            auditor = Auditor(self.server, ledger, dice)
            self.writers = [
                Writer(f"{log}-{batch}-{proofs}", log, batch, proofs, ledger)
                for log in LOGS
                for batch, proofs in ((0, True), (0, True), (40, False), (7, True))
            ]
            # Commits that are written while the next ones are being taken.
            self.writers.append(Writer("large", LOGS[0], 0, True, ledger, 300_000))
            for kill in range(KILLS):
                # a seal and the save behind it take a second or two: some lives are that long
                longest = LONG_RUN if kill % LONG_EVERY == LONG_EVERY - 1 else LONGEST_RUN
                self.run_writers(dice.random() * longest)
                if dice.random() < 0.1:
                    self.start_and_kill(dice)
                self.server.start()
                auditor.audit()
            self.run_writers()
            auditor.audit()
            self.assert_sealed()
            sizes = [auditor.audit_all(log) for log in LOGS]
            self.assertEqual(self.server.stop(), 0)
        print(f"{sum(sizes)} records, {len(ledger.opened)} checkpoints", flush=True)


if __name__ == "__main__":
    unittest.main()
