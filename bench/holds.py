#!/usr/bin/env python3
"""What 10,000 legal holds cost: placing one more, a start, an append (docs/performance.md).

    bench/holds.py [N] [sets|open]

N holds (10,000) on one log: each of three ranges of its own records (sets), or each of all that the
log has and gets (open). Prints what it measured before and after; and how fast the log is examined
for a hold by filter.
"""
import json
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lib import JSON, NDJSON, Server  # noqa: E402

HOLDS = "/api/v1/holds"
CONNECTIONS = 4
SECONDS = 3


def members(kind, i):
    more = {"sets": {"records": [[30 * i + 10 * k, 30 * i + 10 * k + 4] for k in range(3)]},
            "open": {"open_ended": True}}[kind]
    return {"matter": f"Case {i % 50}", "name": f"Hold {i}", "logs": ["log"],
            "reason": "measured", **more}


def place(server, kind, i):
    begun = time.monotonic()
    answer = server.post(HOLDS, json.dumps(members(kind, i)), JSON)
    assert answer.status == 201, answer.body
    return time.monotonic() - begun


def appends(server):
    """Single records a second over a few connections, and in batches of 1,000."""
    done = [0] * CONNECTIONS
    until = time.monotonic() + SECONDS

    def run(k):
        client = server.connect()
        while time.monotonic() < until:
            answer = client.post("/api/v1/logs/log/records", b'{"user":"nobody"}',
                                 {**JSON, "Prefer": "return=minimal"})
            assert answer.status == 201
            done[k] += 1
        client.close()

    threads = [threading.Thread(target=run, args=(k,)) for k in range(CONNECTIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lines = b'{"user":"nobody","text":"%0200d"}\n' % 0 * 1000
    begun, batches = time.monotonic(), 0
    while time.monotonic() < begun + SECONDS:
        assert server.post("/api/v1/logs/log/records", lines, NDJSON).status == 201
        batches += 1
    return sum(done) / SECONDS, batches * 1000 / (time.monotonic() - begun)


def started(server):
    """Seconds to the first line, and of processor."""
    server.stop()
    begun = time.monotonic()
    server.start()
    took = time.monotonic() - begun
    stat = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return took, (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def memory(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def report(server, kind, n):
    singles, batched = appends(server)
    took, cpu = started(server)
    print(f"{n} holds ({kind}): {singles:.0f} appends/s one by one, {batched:.0f}/s in batches; "
          f"start {1000 * took:.0f} ms, of them {1000 * cpu:.0f} of processor; "
          f"{memory(server):.0f} MiB")


def examine(server):
    size = server.get("/api/v1/logs/log").json()["size"]
    body = {**members("open", 0), "open_ended": False, "filter": 'user = "somebody"'}
    begun = time.monotonic()
    hold = server.post(HOLDS, json.dumps(body), JSON).json()["id"]
    while server.get(f"{HOLDS}/{hold}").json()["examining"]:
        time.sleep(0.05)
    took = time.monotonic() - begun
    print(f"examined {size} records in {took:.1f} s: {size / took:.0f}/s")


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    kind = sys.argv[2] if len(sys.argv) > 2 else "sets"
    with Server(options=["--hold-after", "3600"]) as server:
        server.create_log("log")
        report(server, kind, 0)
        examine(server)
        times = [place(server, kind, i) for i in range(n)]
        for name, part in (("first", times[:100]), ("last", times[-100:])):
            part.sort()
            print(f"the {name} 100 holds: {1000 * part[50]:.2f} ms each, "
                  f"the slowest {1000 * part[-1]:.2f} ms")
        report(server, kind, n)
        begun = time.monotonic()
        listed = server.get(HOLDS + "?limit=1000")
        assert listed.status == 200
        print(f"a page of 1000: {1000 * (time.monotonic() - begun):.1f} ms")


if __name__ == "__main__":
    main()
