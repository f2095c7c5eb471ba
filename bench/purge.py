#!/usr/bin/env python3
"""What a purge costs: records a second, the space that comes back, and appends beside it (docs/performance.md).

    bench/purge.py [RECORDS [SHARE]]

RECORDS (10,000,000) of some 350 bytes in one log, of which every SHARE-th run (10) of 50,000 has a lock that is
over. These are purged while another log gets single appends at a steady rate; the latencies of those are measured for
as long before, in the same run.
"""
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lib import JSON, NDJSON, Clock, Server  # noqa: E402

RUN, BATCH = 50_000, 2_500
RATE = 500  # appends a second beside it
STEADY_S = 20


def fill(server, records, share):
    """RUN by RUN: most locked for years, every SHARE-th for an hour."""
    dice = random.Random(1)
    words = [dice.randbytes(9).hex() for _ in range(4000)]
    client = server.connect()
    begun = time.monotonic()
    for at in range(0, records, BATCH):
        short = at // RUN % share == share - 1
        lines = "\n".join(
            '{"ts":"2026-11-26T10:00:00Z","actor":"%s","action":"read","resource":"/api/%s/%s","outcome":"%s",'
            '"session":"%s%s","n":%d}' % (dice.choice(words), dice.choice(words), dice.choice(words),
                                          dice.choice(("ok", "denied")), dice.choice(words),
                                          dice.randbytes(24).hex(), at + k)
            for k in range(min(BATCH, records - at)))
        answer = client.post("/api/v1/logs/big/records", lines,
                             {**NDJSON, "Stele-Retain-For": "1h" if short else "5y",
                              "Prefer": "return=minimal"})
        assert answer.status == 201, answer.body
    client.close()
    print(f"filled        {records / (time.monotonic() - begun):,.0f} records/s")


class Appender(threading.Thread):
    """Single appends at a steady rate, each from when it was due."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopped, self.took = server, threading.Event(), []

    def run(self):
        client = self.server.connect()
        due = time.monotonic()
        while not self.stopped.is_set():
            due += 1 / RATE
            time.sleep(max(0, due - time.monotonic()))
            answer = client.post("/api/v1/logs/side/records", b'{"a":1}',
                                 {**JSON, "Prefer": "return=minimal"})
            assert answer.status == 201, answer.body
            self.took.append(time.monotonic() - due)
        client.close()

    def end(self):
        self.stopped.set()
        self.join()
        took = sorted(self.took)
        return {p: took[int(len(took) * p / 100)] * 1000 for p in (50, 99)} | {"n": len(took)}


def disk(server):
    return sum(f.stat().st_blocks * 512 for f in Path(server.data, "segments").rglob("*")
               if f.is_file())


def main():
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    share = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    clock = Clock()
    server = Server(options=["--origin", "bench.example.com", "--scrub-rate", "0"],
                    env={**os.environ, **clock.env}).start()
    try:
        for log in ("big", "side"):
            server.request("PUT", f"/api/v1/logs/{log}", '{"retain":{"max":"9y"}}', JSON)
        fill(server, records, share)
        officer = server.connect()
        officer.connection.timeout = 1800  # what is asked below is answered when it is done
        answer = officer.post("/api/v1/logs/big/seal", b"")
        assert answer.status == 200, answer.body
        clock.forward(2)
        time.sleep(5)
        steady = Appender(server)
        steady.start()
        time.sleep(STEADY_S)
        quiet = steady.end()
        before, begun = disk(server), time.monotonic()
        beside = Appender(server)
        beside.start()
        plan = officer.post("/api/v1/logs/big/purge-plans", b"{}", JSON).json()
        planned = time.monotonic() - begun
        body = json.dumps({"digest": plan["digest"]})
        done = officer.post(f"/api/v1/logs/big/purge-plans/{plan['id']}/approve", body,
                            JSON).json()
        took = time.monotonic() - begun - planned
        loud = beside.end()
        assert done["destroyed"], done
        print(f"planned       {records:,} records looked at in {planned:.2f} s")
        print(f"purged        {done['records']:,} records, {done['bytes'] / 1e6:,.0f} MB, in {took:.1f} s: "
              f"{done['records'] / took:,.0f} records/s; {done['segments']} segments made again")
        print(f"space         {before / 1e6:,.0f} MB of segments before, {disk(server) / 1e6:,.0f} MB after; "
              f"{done['returned_bytes'] / 1e6:,.0f} MB returned")
        for name, q in (("without", quiet), ("beside", loud)):
            print(f"appends {name:8s} median {q[50]:.2f} ms, 99th percentile {q[99]:.2f} ms, {q['n']:,} of them")
    finally:
        server.kill()
        server.remove()
        clock.remove()


if __name__ == "__main__":
    main()
