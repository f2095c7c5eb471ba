#!/usr/bin/env python3
"""What a purge costs: records a second, the space that comes back, and appends beside it (docs/performance.md).

    bench/purge.py [RECORDS [SHARE [ROUNDS]]]

RECORDS (10,000,000) of some 240 bytes in one log, of which every SHARE-th run (10) of 50,000 has a lock that ends.
The log is purged in ROUNDS parts (5), one after the other, while another log gets single appends at a steady rate; before
each, and after the last one, the same appends are timed for as long with no purge beside them. An appender's own
lateness counts on both sides: on a machine that others use, it is most of what is measured.
"""
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lib import BUILD, JSON, NDJSON, Clock, Server  # noqa: E402

RUN, BATCH = 50_000, 2_500
RATE = 500  # appends a second beside it
QUIET_S = 8
SETTLE_S = 2
PARTS = ("blocks", "columns", "index", "tiles", "dict", "keys")  # a segment's (storage/segfile.h)


def fill(server, records, share, rounds):
    """RUN by RUN: most locked for years, every SHARE-th until its part of the log is purged."""
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
        part = at // RUN // share * rounds // (records // RUN // share)
        lock = f"{2 * part + 1}h" if short else "5y"
        answer = client.post("/api/v1/logs/big/records", lines,
                             {**NDJSON, "Stele-Retain-For": lock, "Prefer": "return=minimal"})
        assert answer.status == 201, answer.body
    client.close()
    print(f"filled    {records / (time.monotonic() - begun):,.0f} records/s", flush=True)


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
            self.took.append((time.monotonic() - due) * 1000)
        client.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()


def points(took):
    took = sorted(took)
    return {p: took[int(len(took) * p / 100)] for p in (50, 90, 99)}


def quiet(server):
    with Appender(server) as appends:
        time.sleep(QUIET_S)
    return appends.took


def segments(server):
    """Bytes of the large log's segments, and of each of their streams: their heads say."""
    files, part = 0, dict.fromkeys(PARTS, 0)
    folders = [f for f in Path(server.data, "segments").iterdir() if f.is_dir()]
    big = max(folders, key=lambda folder: sum(f.stat().st_size for f in folder.glob("*.seg")))
    for path in big.glob("*.seg"):
        files += path.stat().st_blocks * 512
        bytes_ = path.read_bytes()
        head = bytes_.rindex(b"steleseg") + 56  # the last one that was written
        for i, name in enumerate(PARTS):
            part[name] += int.from_bytes(bytes_[head + 8 * i:head + 8 * i + 8], "little")
    return files, part


def purge(officer):
    """One plan, carried out: seconds that each took, and what the answer says."""
    begun = time.monotonic()
    plan = officer.post("/api/v1/logs/big/purge-plans", b"{}", JSON).json()
    planned = time.monotonic() - begun
    done = officer.post(f"/api/v1/logs/big/purge-plans/{plan['id']}/approve",
                        json.dumps({"digest": plan["digest"]}), JSON).json()
    assert done.get("destroyed"), done
    return planned, time.monotonic() - begun - planned, done


def report(name, before, after, records):
    print(f"{name:12}{before / 1e6:10,.1f} MB{before / records:8.2f} B a record"
          f"{after / 1e6:10,.1f} MB{after / records:8.2f} B a record{(before - after) / 1e6:9.1f} MB less")


def measure(server, clock, records, rounds):
    officer = server.connect()
    officer.connection.timeout = 1800  # what is asked below is answered when it is done
    answer = officer.post("/api/v1/logs/big/seal", b"")
    assert answer.status == 200, answer.body
    before = segments(server)
    alone, beside, did = [], [], []
    for part in range(rounds):
        clock.forward(2)
        time.sleep(SETTLE_S)
        alone.append(quiet(server))
        with Appender(server) as appends:
            did.append(purge(officer))
        beside.append(appends.took)
        a, b = points(alone[-1]), points(beside[-1])
        print(f"round {part + 1}   p50 {a[50]:.2f} {b[50]:.2f}  p90 {a[90]:.2f} {b[90]:.2f}  p99 {a[99]:.2f} "
              f"{b[99]:.2f} ms without and beside; load {os.getloadavg()[0]:.1f}", flush=True)
    alone.append(quiet(server))
    after = segments(server)
    went, took = sum(d["records"] for _, _, d in did), sum(t for _, t, _ in did)
    print(f"planned   {records:,} records looked at in {median(p for p, _, _ in did):.2f} s")
    print(f"purged    {went:,} records, {sum(d['bytes'] for _, _, d in did) / 1e6:,.0f} MB, in {took:.1f} s: "
          f"{went / took:,.0f} records/s; {sum(d['segments'] for _, _, d in did)} segments made again")
    for name, rounds_ in (("without", alone), ("beside", beside)):
        every = points([t for took in rounds_ for t in took])
        print(f"appends   {name:8} " + ", ".join(f"p{p} {every[p]:.2f} ms" for p in every)
              + f" of {sum(map(len, rounds_)):,}; p99 of the rounds "
              + " ".join(f"{points(took)[99]:.2f}" for took in rounds_))
    ratio = [points(b)[99] / median((points(x)[99], points(y)[99]))
             for x, b, y in zip(alone, beside, alone[1:])]
    print("p99 ratio " + " ".join(f"{r:.2f}" for r in ratio) + f": median {median(ratio):.2f}")
    for name in PARTS:
        report(name, before[1][name], after[1][name], records)
    report("container", before[0] - sum(before[1].values()), after[0] - sum(after[1].values()), records)
    report("all", before[0], after[0], records)
    print(f"returned    {sum(d['returned_bytes'] for _, _, d in did) / 1e6:,.1f} MB, as the answers say")


def main():
    records, share, rounds = (int(sys.argv[i]) if len(sys.argv) > i else n
                              for i, n in ((1, 10_000_000), (2, 10), (3, 5)))
    assert rounds <= records // RUN // share, "a part of the log needs a run of 50,000 that goes"
    assert (BUILD / "tests/libclock.so").is_file(), "ninja -C build tests/libclock.so first: locks end by it"
    clock = Clock()
    server = Server(options=["--origin", "bench.example.com", "--scrub-rate", "0"],
                    env={**os.environ, **clock.env}).start()
    try:
        for log in ("big", "side"):
            server.request("PUT", f"/api/v1/logs/{log}", '{"retain":{"max":"9y"}}', JSON)
        fill(server, records, share, rounds)
        measure(server, clock, records, rounds)
    finally:
        server.kill()
        server.remove()
        clock.remove()


if __name__ == "__main__":
    main()
