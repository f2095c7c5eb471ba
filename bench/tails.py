#!/usr/bin/env python3
"""Many tails of one log while events arrive: memory of the server, time of appends without and beside them,
rows that came.

    tails.py [TAILS [EVENTS_PER_SECOND [SECONDS [distinct]]]]

The programs come from $STELE_BUILD (build/). Events come ten to a request, whose answer is waited for.
`distinct`: each tail asks another question, so that nothing is shared.
"""
import multiprocessing
import os
import re
import select
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lib import Server  # noqa: E402

BATCH = 10
MARK = b"~"  # once in each event, and nowhere else in a tail


def resident_mib(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(port, token, n, distinct, ready, counts, stop):
    """A process: n tails, whose rows are counted."""
    poll, sockets, begun, buffer = select.epoll(), {}, set(), bytearray(1 << 20)
    for i in range(n):
        s = socket.create_connection(("127.0.0.1", port))
        question = f"?filter=n%20>%20-{i + 1}" if distinct else ""
        s.sendall(f"GET /api/v1/logs/a/tail{question} HTTP/1.1\r\nHost: x\r\n"
                  f"Authorization: Bearer {token}\r\n\r\n".encode())
        s.setblocking(False)
        poll.register(s.fileno(), select.EPOLLIN)
        sockets[s.fileno()] = s
    while not stop.value:
        for fd, _ in poll.poll(0.2):
            got = sockets[fd].recv_into(buffer)
            if not got:
                poll.unregister(fd)
            begun.add(fd)
            counts[0] += buffer.count(MARK, 0, got)
            counts[1] += got
        if len(begun) == n:
            ready.value = 1


def append(port, token, seconds, rate):
    """How many events were appended, and the milliseconds of a request: median, 95th, 99th percentile."""
    s = socket.create_connection(("127.0.0.1", port))
    times, start, n = [], time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        time.sleep(max(0, start + n / rate - time.perf_counter()))
        body = b"\n".join(b'{"n":%d,"actor":"alice","pad":"~%s"}' % (n + i, b"x" * 60) for i in range(BATCH))
        begin = time.perf_counter()
        s.sendall(b"POST /api/v1/logs/a/records HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
                  b"Prefer: return=minimal\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
                  % (token.encode(), len(body), body))
        answer = s.recv(65536)
        times.append((time.perf_counter() - begin) * 1000)
        if b" 201 " not in answer[:16]:
            raise SystemExit(f"an append failed: {answer!r}")
        n += BATCH
    times.sort()
    return n, [round(times[int(len(times) * p)], 2) for p in (0.5, 0.95, 0.99)]


def main(tails=1000, rate=1000, seconds=8, distinct=""):
    tails, rate, seconds = int(tails), int(rate), float(seconds)
    with Server() as server:
        server.create_log("a")
        pid, token = server.process.pid, server.token()
        print(f"load {os.getloadavg()[0]:.1f}; without tails: {append(server.port, token, seconds, rate)}")
        before = resident_mib(pid)
        ready, stop = multiprocessing.Value("b", 0), multiprocessing.Value("b", 0)
        counts = multiprocessing.Array("q", [0, 0], lock=False)
        reader = multiprocessing.Process(target=read, args=(server.port, token, tails, distinct, ready, counts, stop))
        reader.start()
        while not ready.value:
            time.sleep(0.1)
        print(f"{tails} tails, idle: {resident_mib(pid):.1f} MiB, "
              f"{(resident_mib(pid) - before) * 1024 / tails:.1f} KiB each")
        used, begin = cpu_seconds(pid), time.monotonic()
        n, times = append(server.port, token, seconds, rate)
        took, peak = time.monotonic() - begin, resident_mib(pid)
        while counts[0] < n * tails and time.monotonic() < begin + took + 60:
            time.sleep(0.02)
        late = time.monotonic() - begin - took
        print(f"beside them: {(n, times)}; {peak:.1f} MiB, {(cpu_seconds(pid) - used) / took:.2f} cores; "
              f"{counts[0]} of {n * tails} rows, {counts[1] / took / 1e6:.0f} MB/s, the last {late:.2f} s after the end")
        figures = server.connect().get("/metrics").text()
        for name in ("tail_rounds_total", "tails_dropped_total", "tail_feeds"):
            print(name, re.search(rf"^stele_{name} (\S+)$", figures, re.M).group(1))
        stop.value = 1
        reader.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
