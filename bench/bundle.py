#!/usr/bin/env python3
"""What evidence bundles cost, of few records and of many: making one, checking it, memory (docs/performance.md).

    bench/bundle.py [--file EVENTS] [--keep FOLDER] [RECORDS...]

For each number of RECORDS (1,000 and 100,000) a steled on loopback, in a temporary folder that goes away: so many records of
some 240 bytes that hardly pack, or the lines of EVENTS (.zst too) again and again, are appended and sealed. Then all of them
are exported, and the bundle is verified. Beside that, as the floor, `unzip -t` and `sha256sum` of the same archive: it cannot be
read for less. GB of payload a second are of a core, by the processes' processor time, the best of three (of many records, once); memory is the most that was
resident, of the server less its mapped files. --keep leaves each bundle and its key, as RECORDS.zip and RECORDS.vkey.
"""
import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/e2e"))
from lib import JSON, NDJSON, STELE, Server, stele_prints  # noqa: E402

BATCH_BYTES = 512 << 10
SEAL_SECONDS = 3600  # sealing answers when it is done
ROUNDS = 3
MANY = 2_000_000  # records: beyond that once is enough
TICKS = os.sysconf("SC_CLK_TCK")


def small(records):
    """Lines of some 240 bytes, most of them words and numbers that nobody can guess."""
    dice = random.Random(1)
    words = [dice.randbytes(9).hex() for _ in range(4000)]
    for n in range(records):
        chance = dice.randbytes(32)
        a, b, c, d = (words[(chance[i] << 8 | chance[i + 1]) % len(words)] for i in (0, 2, 4, 6))
        yield (f'{{"ts":"2026-11-26T10:00:00Z","actor":"{a}","action":"read","resource":"/api/{b}/{c}","outcome":"ok",'
               f'"session":"{d}{chance[8:].hex()}","n":{n}}}')


def lines_of(path, records):
    """The lines of a file, again and again."""
    if path.endswith(".zst"):
        text = subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    else:
        text = Path(path).read_text(encoding="utf-8")
    return itertools.islice(itertools.cycle(text.splitlines()), records)


def fill(server, lines):
    """Appends them in batches, and seals; bytes of payload."""
    total = held = 0
    batch = []
    client = server.connect()
    client.connection.timeout = SEAL_SECONDS

    def send():
        answer = client.post("/api/v1/logs/big/records", "\n".join(batch).encode(), {**NDJSON, "Prefer": "return=minimal"})
        assert answer.status == 201, answer.body
        batch.clear()

    for line in lines:
        n = len(line.encode())
        if held + n > BATCH_BYTES or len(batch) == 2500:
            send()
            held = 0
        batch.append(line)
        total += n
        held += n
    send()
    answer = client.post("/api/v1/logs/big/seal", b"")
    assert answer.status == 200, answer.body
    client.close()
    return total


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def kib(pid, member):
    """A line of a process's status; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(status.split(member + ":")[1].split()[0]) if member + ":" in status else 0


def run(command):
    """Processor seconds, seconds, and the most that was resident, in KiB; what it must end with is success."""
    with tempfile.TemporaryFile() as said:
        begun = time.monotonic()
        child = subprocess.Popen(list(map(str, command)), stdout=said, stderr=subprocess.STDOUT)
        most = 0
        # A child's ru_maxrss is at least its parent's, hence by looking
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            most = max(most, kib(child.pid, "VmHWM"))
            time.sleep(0.002)
        took = time.monotonic() - begun
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        assert child.returncode == 0, (command, said.read()[-2000:])
    return used.ru_utime + used.ru_stime, took, most


def export(server, path):
    """Makes a bundle of all and fetches it: processor seconds of the server, seconds until it was there, the server's memory
    before and at most."""
    before, held = cpu_of(server.process.pid), kib(server.process.pid, "RssAnon")
    server.client.close()  # sealing took longer than a connection waits for its next request
    server.client = server.connect()
    begun = time.monotonic()
    answer = server.post("/api/v1/exports", json.dumps({"logs": ["big"]}), JSON)
    assert answer.status == 201, answer.body
    name, most = answer.json()["id"], 0
    while True:
        most = max(most, kib(server.process.pid, "RssAnon"))
        shown = server.get(f"/api/v1/exports/{name}").json()
        if shown["state"] not in ("waiting", "running"):
            break
        time.sleep(0.05)
    took = time.monotonic() - begun
    assert shown["state"] == "finished", shown
    used = cpu_of(server.process.pid) - before
    env = {**os.environ, "STELE_SERVER": server.url(), "STELE_TOKEN": f"@{server.data}/admin.token"}
    subprocess.run([STELE, "export", "get", name, "-o", path], env=env, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return used, took, held, max(most, kib(server.process.pid, "RssAnon"))


def best(command, records):
    rounds = [run(command) for _ in range(ROUNDS if records <= MANY else 1)]
    return min(r[0] for r in rounds), min(r[1] for r in rounds), max(r[2] for r in rounds)


def measure(records, options):
    folder = Path(tempfile.mkdtemp(prefix="stele-bench-bundle-"))
    server = Server(folder / "data", ["--origin", "bench.example.com", "--scrub-rate", "0"]).start()
    try:
        server.create_log("big")
        bytes_ = fill(server, lines_of(options.file, records) if options.file else small(records))
        vkey, bundle = folder / "identity.vkey", folder / "bundle.zip"
        vkey.write_text(stele_prints("key", "show", server=server), encoding="ascii")
        used, took, held, memory = export(server, bundle)
        server.stop()
        size = bundle.stat().st_size
        print(f"{records:,} records, {bytes_ / 1e6:,.1f} MB of payload; load {os.getloadavg()[0]:.1f}")
        print(f"  export     {bytes_ / 1e6 / took:8.1f} MB/s   {bytes_ / 1e6 / max(used, 1 / TICKS):8.1f} MB/s and core, "
              f"{size / bytes_:.3f} bytes of archive for each of payload, the server's memory {held / 1024:.0f} MiB before, {memory / 1024:.0f} MiB")
        used, took, memory = best([STELE, "verify", bundle, "--key", f"@{vkey}"], records)
        print(f"  verify     {bytes_ / 1e9 / took:8.3f} GB/s   {bytes_ / 1e9 / used:8.3f} GB/s and core, "
              f"{used / records * 1e6:.2f} us a record, memory {memory / 1024:.1f} MiB")
        parts = [best(command, records) for command in (["unzip", "-tqq", bundle], ["sha256sum", bundle])]
        used = sum(part[0] for part in parts)
        print(f"  the floor           {bytes_ / 1e9 / used:13.3f} GB/s and core: unzip -t {parts[0][0]:.3f} s, sha256sum "
              f"{parts[1][0]:.3f} s", flush=True)
        if options.keep:
            shutil.move(bundle, Path(options.keep) / f"{records}.zip")
            shutil.move(vkey, Path(options.keep) / f"{records}.vkey")
    finally:
        if server.running():
            server.kill()
        shutil.rmtree(folder)


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--file", help="lines of this file as records, .zst too")
    words.add_argument("--keep", help="a folder where each bundle and its key stay")
    words.add_argument("records", type=int, nargs="*", default=[1000, 100_000])
    options = words.parse_args()
    if options.keep:
        Path(options.keep).mkdir(parents=True, exist_ok=True)
    for records in options.records or [1000, 100_000]:
        measure(records, options)


if __name__ == "__main__":
    main()
