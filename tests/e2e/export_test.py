"""A long read sees one log, whatever becomes of its segments meanwhile.

Readers page through everything at their own speeds while records come in, tails are sealed and
sealed again, neighbours merge, scrubs pass, and a segment rots and is put back from a copy.
"""
import base64
import json
import os
import shutil
import tempfile
import threading
import time
import unittest
from pathlib import Path

import proof
from lib import NDJSON, Server, stele

RECORDS = 4000
SEALS = 10
TILE = 256


def payload(i):
    return {"i": i, "text": f"{i * 2654435761 % 2**32:08x}" * 20}


class Export(unittest.TestCase):
    def setUp(self):
        self.server = Server(options=["--wal-file-size", "4M"]).start()
        self.server.create_log("l")
        self.next = 1
        self.append(RECORDS)
        answer = self.server.get("/logs/l/checkpoint").text().split("\n")
        self.size, self.root = int(answer[1]), base64.b64decode(answer[2])
        self.stopping = threading.Event()
        self.rotten = threading.Event()
        self.episodes = 0  # of rot: begun or ended, counted
        self.copies = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.wrong, self.done, self.refused = [], {}, 0

    def tearDown(self):
        if self.server.running():
            self.server.stop()
        self.server.remove()
        shutil.rmtree(self.copies)

    def append(self, n, client=None):
        body = "".join(json.dumps(payload(self.next + k)) + "\n" for k in range(n))
        answer = (client or self.server).post("/api/v1/logs/l/records", body, NDJSON)
        self.assertEqual(answer.status, 201, answer.body)
        self.next += n

    def append_some(self, client, _):
        self.append(40, client)

    # --- readers ----------------------------------------------------------------------

    def ask(self, client, path, headers=None):
        """The answer; None when it was an error while a segment was rotten, and only then."""
        while True:
            episodes, rotten = self.episodes, self.rotten.is_set()
            answer = client.get(path, headers)
            if answer.status == 200:
                return answer
            if not (rotten or self.episodes != episodes):
                raise AssertionError(f"{path}: {answer.status} {answer.body[:300]!r}")
            if answer.status != 500:
                raise AssertionError(f"{path}: {answer.status} {answer.body[:300]!r}")
            self.refused += 1
            return None

    def read_record(self, client, i):
        """A record as it was acknowledged, proven into its own answer's tree; its entry's hash."""
        answer = self.ask(client, f"/api/v1/logs/l/records/{i}", {"Accept": "application/json"})
        if not answer:
            return None
        record = answer.json()
        leaf = proof.leaf_hash(record["entry"].encode())
        if i and json.loads(record["payload"]) != payload(i):
            raise AssertionError(f"record {i} has another payload")
        text = record["checkpoint"].split("\n")
        hashes = [base64.b64decode(h) for h in record["proof"]]
        if not proof.verify_inclusion(i, int(text[1]), leaf, hashes, base64.b64decode(text[2])):
            raise AssertionError(f"record {i} is not in its answer's tree")
        return leaf

    def read_pinned(self, client, i):
        """The same, proven into the pinned tree too."""
        leaf = self.read_record(client, i)
        pinned = self.ask(client, f"/api/v1/logs/l/proof/inclusion?index={i}&size={self.size}")
        if not leaf or not pinned:
            return
        hashes = [base64.b64decode(h) for h in pinned.json()["proof"]]
        if not proof.verify_inclusion(i, self.size, leaf, hashes, self.root):
            raise AssertionError(f"record {i} is not in the pinned tree")

    def read_tiles(self, client, _):
        """Entry bundles and tiles of the pinned tree, held against its root."""
        leaves = []
        for n in range(0, self.size, TILE):
            width = min(TILE, self.size - n)
            part = "" if width == TILE else f".p/{width}"
            name = f"{n // TILE:03d}{part}"
            bundle = self.ask(client, f"/logs/l/tile/entries/{name}")
            tile = self.ask(client, f"/logs/l/tile/0/{name}")
            if not bundle or not tile:
                return
            data, at, hashes = bundle.body, 0, []
            while at < len(data):
                length = int.from_bytes(data[at:at + 2], "big")
                hashes.append(proof.leaf_hash(data[at + 2:at + 2 + length]))
                at += 2 + length
            if b"".join(hashes) != tile.body:
                raise AssertionError(f"tile {n // TILE} is not of its entries")
            leaves += hashes
        if proof.tree_root(leaves) != self.root:
            raise AssertionError("the tiles have another root than the checkpoint")

    def reader(self, name, step, pause, indexes):
        client = self.server.connect()
        count = 0
        try:
            while not self.stopping.is_set():
                for i in indexes():
                    step(client, i)
                    count += 1
                    if self.stopping.wait(pause):
                        break
        except Exception as error:  # shown by the test, in its own thread
            self.wrong.append(f"{name}: {error!r}")
        self.done[name] = count
        client.close()

    # --- what happens meanwhile -------------------------------------------------------

    def seal(self):
        self.assertEqual(self.server.post("/api/v1/logs/l/seal", b"").status, 200)

    def rot(self):
        """A segment is damaged in place, found by the scrub, and put back."""
        folder, deadline = self.server.data / "segments/l", time.monotonic() + 60
        while True:  # until those that were replaced have left
            files = list(folder.glob("*.seg"))
            if len(files) == self.server.get("/api/v1/logs/l").json()["storage"]["segments"]:
                break
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        segment = max(files, key=lambda f: f.stat().st_size)
        for file in (segment, segment.with_suffix(".manifest")):
            shutil.copy(file, self.copies)
        self.rotten.set()
        self.episodes += 1
        os.chmod(segment, 0o600)
        with open(segment, "r+b") as file:
            for at in range(4096 * 3 + 99, segment.stat().st_size, 4096):
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 4]))
        self.assertEqual(stele("scrub", "--wait", server=self.server).returncode, 1)
        time.sleep(0.3)
        run = stele("segment", "restore", "l", self.copies / segment.name, server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.episodes += 1
        self.rotten.clear()

    def test_readers_see_one_log_while_its_segments_are_sealed_merged_scrubbed_and_replaced(self):
        forward, backward = lambda: range(self.size), lambda: range(self.size - 1, -1, -1)
        newest = lambda: range(self.next - 1, self.next - 120, -1)
        readers = [("forward", self.read_pinned, 0, forward),
                   ("backward", self.read_pinned, 0.001, backward),
                   ("slow", self.read_pinned, 0.05, lambda: range(0, self.size, 97)),
                   ("newest", self.read_record, 0, newest),
                   ("tiles", self.read_tiles, 0.01, lambda: range(1)),
                   ("writer", self.append_some, 0.02, lambda: range(1))]
        threads = [threading.Thread(target=self.reader, args=r) for r in readers]
        for thread in threads:
            thread.start()
        seals = 0
        try:
            while seals < SEALS and not self.wrong:
                self.seal()
                seals += 1
                self.server.post("/api/v1/scrub", b"")
                if seals in (4, 8):
                    self.rot()
                time.sleep(0.1)
        finally:
            self.stopping.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.wrong, [])
        self.assertEqual(seals, SEALS)
        self.assertGreater(self.refused, 0)  # the rot was met
        for name, count in self.done.items():
            self.assertGreater(count, 3, name)
        shown = self.server.get("/api/v1/logs/l").json()
        self.assertEqual(shown["size"], self.next)
        self.assertEqual(shown["storage"]["quarantined"], 0)
        self.assertLess(shown["storage"]["segments"], seals)  # they merged
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(stele("fsck", self.server.data).returncode, 0)


if __name__ == "__main__":
    unittest.main()
