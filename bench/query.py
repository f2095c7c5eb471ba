#!/usr/bin/env python3
"""Measures queries: over events of many producers in one log, sealed, and while more arrive.

Beside each figure the same is asked of the events as a file, by grep, which reads text, and by jq, which
reads JSON, and of PostgreSQL with B-tree and GIN indexes where it is installed. A page is measured as who
asked waits for it: all of its rows, or all there are, over as many requests as that takes.
"""
import argparse
import datetime
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import beside
from harness import Bench, BenchError
from postgres import Postgres
from questions import ROWS, Asker, choose
from run import BUSY, commit, machine, number
from workloads import FEW_CONNECTIONS, fresh_stele, settle

ARRIVING_BYTES = 100_000  # of a body, about 140 events
LEAST_RUNS, MOST_RUNS = 5, 200
LEAST_CPU_S = 0.5
NAMES = ("stele", "grep", "jq", "PostgreSQL")
EXAMPLES = """examples:
  ./dev bench query                        200,000 events, a minute or two
  ./dev bench query --events 10000000      the long form: half an hour and 25 GB of disk
  ./dev bench query --file ../shared/data/windows-security.ndjson.zst

Exit status: 0 every target met, 1 one missed or a measurement failed, 3 usage.
"""


def parse_options(argv):
    parser = argparse.ArgumentParser(prog="./dev bench query", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", metavar="DIR", help="build folder (build)")
    parser.add_argument("--dir", metavar="DIR", help="on the disk to measure (the build folder)")
    parser.add_argument("--events", type=int, default=200_000, metavar="N", help="generated (200,000)")
    parser.add_argument("--file", metavar="FILE", help="events from NDJSON, plain or .zst, instead")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of generated events (1)")
    parser.add_argument("--filter", metavar="TEXT", help="to scan for, PATH >= NUMBER, when no known one fits")
    parser.add_argument("--beside", type=int, default=1_000_000, metavar="N",
                        help="jq and PostgreSQL get no more events than these (1,000,000)")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="of each figure (5)")
    parser.add_argument("--rate", type=int, default=50_000, metavar="R", help="events a second that arrive (50,000)")
    parser.add_argument("--no-postgres", action="store_true", help="do without it")
    parser.add_argument("--json", metavar="OUT", help="the report (bench-query.json in the build folder)")
    options = parser.parse_args(argv)
    if options.events < 1000 or options.beside < 100 or options.seconds < 0.1 or options.rate < 1:
        parser.error("at least 1,000 events, 100 beside, 0.1 seconds and a rate of 1")
    if options.file and not Path(options.file).is_file():
        parser.error(f"no such file: {options.file}")
    options.rounds, options.records = 1, options.events
    return options


# --- what is reported --------------------------------------------------------------------------


@dataclass
class Row:
    """One line: a figure of stele's and what the others have; None where one was not asked."""

    name: str
    unit: str
    stele: float | None
    grep: float | None = None
    jq: float | None = None
    PostgreSQL: float | None = None
    target: float | None = None
    at_least: bool = False
    partial: bool = False  # jq and PostgreSQL had a part of the events
    details: dict = field(default_factory=dict)

    @property
    def ok(self):
        if self.target is None:
            return True
        if self.stele is None:
            return False
        return self.stele >= self.target if self.at_least else self.stele <= self.target

    def ratio(self, name):
        other = getattr(self, name)
        return None if other is None or not self.stele else other / self.stele

    def as_json(self):
        return {**asdict(self), "ok": self.ok, "ratios": {n: self.ratio(n) for n in NAMES[1:]}}


def cell(row, name):
    value = getattr(row, name)
    if value is None:
        return "-"
    text = number(value) + ("*" if row.partial and name in NAMES[2:] else "")
    ratio = row.ratio(name) if name != "stele" else None
    return text if ratio is None else f"{text} ({number(ratio)}x)"


def line_of(row):
    target = ""
    if row.target is not None:
        target = f"{'>=' if row.at_least else '<='} {row.target:g} {'ok' if row.ok else 'MISS'}"
    cells = "".join(f"{cell(row, n):>20}" for n in NAMES[1:])
    return f"{row.name:42}{row.unit:10}{cell(row, 'stele'):>10}  {target:14}{cells}".rstrip()


def quantile(values, q):
    values = sorted(values)
    return values[max(0, -(-len(values) * q // 100) - 1)]


# --- the events ----------------------------------------------------------------------------------


class Events:
    """The events as a file: all, and the first ones, which is what slower readers get."""

    def __init__(self, bench, options):
        self.file = bench.scratch / "events.ndjson"
        self.generated = options.file is None
        if options.file:
            made = ["zstd" if options.file.endswith(".zst") else "cat", *(["-dc"] if options.file.endswith(".zst")
                                                                          else []), "--", options.file]
        else:
            made = [str(bench.build / "bench/bench-events"), f"mixed:{options.events}", str(options.seed)]
        self._write(self.file, made)
        self.bytes = self.file.stat().st_size
        self.n = beside.run([["grep", "-a", "-c", ".", str(self.file)]], counts=True).lines
        self.part, self.part_n = self.file, self.n
        if self.n > options.beside:
            self.part, self.part_n = bench.scratch / "part.ndjson", options.beside
            self._write(self.part, ["head", "-n", str(options.beside), "--", str(self.file)])
        self.part_bytes = self.part.stat().st_size
        self.partial = self.part != self.file

    @staticmethod
    def _write(path, command):
        with open(path, "wb") as out:
            if subprocess.run(command, stdout=out, check=False).returncode:
                raise BenchError(f"{' '.join(command)} failed")


def fill(bench, stele, events):
    """Appends them all in their order and seals: events a second on the way in."""
    began = time.monotonic()
    run = subprocess.run([bench.build / "stele", "--server", stele.url, "--token", stele.token, "append", stele.LOG,
                          events.file, "--ndjson", "--connections", "1"], capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError(f"stele append: {run.stderr.strip()[-300:]}")
    took = time.monotonic() - began
    stele.acknowledged += events.n
    stele.check_size()
    settle(stele)
    return events.n / took


# --- stele's figures -----------------------------------------------------------------------------


def connect(stele):
    at = urllib.parse.urlsplit(stele.url)
    return http.client.HTTPConnection(at.hostname, at.port, timeout=600)


def cpu_s(pid):
    """User and system time of all threads of a process, also of those that ended (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def time_page(asker, question, **parameters):
    began = time.monotonic()
    asker.first_page(question, **parameters)
    return time.monotonic() - began


def time_pages(asker, questions, seconds):
    """Seconds that each first page took, the questions in turn."""
    times, until = [], time.monotonic() + seconds
    while len(times) < LEAST_RUNS or (time.monotonic() < until and len(times) < MOST_RUNS):
        times.append(time_page(asker, questions[len(times) % len(questions)]))
    return times


def sealed_bytes(metrics):
    """Of the segments sealed since the server started: bytes of their indexes, of their files; None when it says of none."""
    said = dict(line.split() for line in metrics.splitlines() if line.startswith("stele_sealed_"))
    index, files = (float(said.get(f"stele_sealed_{name}_bytes_total", 0)) for name in ("index", "file"))
    return (index, files) if index and files else None


def segment_bytes(stele):
    return sum(f.stat().st_size for f in (stele.data / "data/segments").rglob("*.seg"))


# --- rows ------------------------------------------------------------------------------------------


def sql(question):
    return " AND ".join(f"{f} = '{v.replace(chr(39), chr(39) * 2)}'" for f, v in question.fields)


def sql_of(parts):
    path, operator, value = parts
    return f"doc @@ '$.{path} {'==' if operator == '=' else operator} {value}'"


def check_same(what, counts):
    """All that looked at the same events found the same number of them."""
    if len(set(counts.values())) > 1:
        raise BenchError(f"{what}: not the same number is found by all: {counts}")


def page_row(name, times, questions, events, postgres, target=10):
    """The first page of some questions. Not quantiles but medians are the others', who are asked less often."""
    ms = {"grep": 1e3 * median(beside.seconds(beside.grep(q.values, events.file) + [["head", "-n", str(ROWS)]])
                               for q in questions[:3])}
    if beside.HAS_JQ:
        ms["jq"] = 1e3 * beside.run(beside.jq(questions[0].values, events.part) + [["head", "-n", str(ROWS)]]).seconds
    if postgres:
        ms["PostgreSQL"] = 1e3 * quantile(postgres.times(
            [f"SELECT doc FROM events WHERE {sql(q)} ORDER BY id LIMIT {ROWS}" for q in questions * 3]), 95)
    return Row(f"first page, {name}, p95", "ms", 1e3 * quantile(times, 95), **ms, target=target,
               partial=events.partial, details={"runs": len(times), "p50": 1e3 * median(times),
                                                "questions": [q.text for q in questions]})


def count_row(asker, question, events, postgres):
    """Records that a frequent actor is named in."""
    began = time.monotonic()
    matched, _ = asker.count(question.text)
    took = time.monotonic() - began
    grep = beside.seconds(beside.grep(question.values, events.file, "-c"))
    jq = 1e3 * beside.run(beside.jq(question.values, events.part)).seconds if beside.HAS_JQ else None
    row = Row("count, a frequent value", "ms", 1e3 * took, 1e3 * grep, jq, partial=events.partial,
              details={"filter": question.text, "matched": matched})
    found = {"stele": matched}
    if postgres:
        statement = f"SELECT count(*) FROM events WHERE {sql(question)}"
        row.PostgreSQL = 1e3 * median(postgres.times([statement] * 3))
        found["PostgreSQL"] = postgres.number(statement)
    if events.generated and not events.partial:
        check_same(question.text, found)
    return row


def scan_row(asker, stele, comparison, events, postgres):
    """A comparison along a path that no index knows: bytes of JSON for each second of a core."""
    before, used, passes = cpu_s(stele.pid), 0, 0
    while used < LEAST_CPU_S:  # the kernel counts in hundredths
        matched, _ = asker.count(comparison.text)
        passes += 1
        used = cpu_s(stele.pid) - before
    row = Row("filter over a path, all looked at", "GB/s/core", passes * events.bytes / used / 1e9, target=1.0,
              at_least=True, partial=events.partial,
              details={"filter": comparison.text, "matched": matched, "cpu_s": used, "passes": passes})
    parts = comparison.parts()
    if not parts:
        return row
    word = parts[0].split(".")[-1]
    row.grep = events.bytes / max(beside.run(beside.grep([word], events.file, "-c")).cpu_s, 0.001) / 1e9
    found = {} if events.partial else {"stele": matched}
    if beside.HAS_JQ:
        jq = beside.run(beside.jq_number(*parts, events.part))
        row.jq = events.part_bytes / max(jq.cpu_s, 0.001) / 1e9
        found["jq"] = jq.lines
    if postgres:
        row.PostgreSQL = events.part_bytes / postgres.times(
            ["SET max_parallel_workers_per_gather = 0", "SET enable_bitmapscan = off",
             f"SELECT count(*) FROM events WHERE {sql_of(parts)}"])[2] / 1e9
        found["PostgreSQL"] = postgres.number(f"SELECT count(*) FROM events WHERE {sql_of(parts)}")
    check_same(comparison.text, found)
    return row


def size_rows(stele, events, sizes):
    segments, sealed = segment_bytes(stele), sealed_bytes(stele.ask("GET", "/metrics").decode())
    rows = [Row("index, for each byte of segments", "bytes", sealed[0] / sealed[1] if sealed else None, target=0.1,
                details={"segments": segments, "sealed_index": sealed and sealed[0], "sealed_files": sealed and sealed[1]}),
            Row("segments, for each byte of JSON", "bytes", segments / events.bytes)]
    if sizes:
        table, btrees, gin = sizes
        rows[0].PostgreSQL = (btrees + gin) / table
        rows[1].PostgreSQL = (table + btrees + gin) / events.part_bytes
        rows[0].partial = rows[1].partial = events.partial
    return rows


# --- while events arrive ---------------------------------------------------------------------------


def arrive(bench, stele, options):
    """An open loop of NDJSON at a rate of events; latencies are from when a body was due."""
    return bench.load(stele, "--generate", "mixed:65536", "--seed", options.seed + 1, "--batch-bytes", ARRIVING_BYTES,
                      "--event-rate", options.rate, "--connections", FEW_CONNECTIONS, "--minimal")


def ask_in_turn(asker, rare, frequent, size, goes_on):
    """A rare value in what was sealed before, then the newest of a frequent one: two lists of seconds."""
    old, new = [], []
    while len(old) < LEAST_RUNS or goes_on():
        old.append(time_page(asker, rare[len(old) % len(rare)], as_of=size))
        new.append(time_page(asker, frequent[len(new) % len(frequent)], order="desc"))
    return old, new


@dataclass
class Pair:
    """A figure of one side alone, and with the other side."""

    name: str
    unit: str
    alone: float
    both: float

    def line(self):
        return f"{self.name:42}{self.unit:10}{number(self.alone):>10}{number(self.both):>12}" \
               f"{self.both / self.alone:>8.2f}"


def while_arriving(bench, stele, asker, chosen, options):
    """Both sides alone and together, and what they said."""
    rare, frequent = chosen[:2]
    size = stele.size()
    until = time.monotonic() + options.seconds
    quiet = ask_in_turn(asker, rare, frequent, size, lambda: time.monotonic() < until)
    alone, both = arrive(bench, stele, options), {}

    def run():
        try:
            both.update(arrive(bench, stele, options))
        except BenchError as error:
            both["error"] = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        busy = ask_in_turn(asker, rare, frequent, size, thread.is_alive)
    finally:
        thread.join()
    if "error" in both:
        raise both["error"]
    if not alone["events"] or not both["events"]:
        raise BenchError(f"no event arrived within {options.seconds:g} s at {options.rate:,} a second")
    pairs = [Pair(f"events a second, of {options.rate:,}", "events/s", alone["events_per_s"], both["events_per_s"])]
    pairs += [Pair(f"append of {ARRIVING_BYTES // 1000} KB, {p}", "ms", alone["latency_us"][p] / 1e3,
                   both["latency_us"][p] / 1e3) for p in ("p50", "p99")]
    for name, before, after in zip(("rare value in what was sealed", "newest of a frequent value"), quiet, busy):
        pairs += [Pair(f"{name}, {label}", "ms", 1e3 * quantile(before, q), 1e3 * quantile(after, q))
                  for label, q in (("p50", 50), ("p95", 95))]
    return pairs, {"append_alone": alone, "append_both": both, "queries_alone_s": quiet, "queries_both_s": busy}


# ---------------------------------------------------------------------------------------------------


def beside_postgres(stack, bench, events, options):
    """A filled one and its sizes; or None, and why is said."""
    if options.no_postgres:
        return None, None, "left out"
    try:
        postgres = stack.enter_context(Postgres(bench))
    except BenchError as error:
        print(f"without PostgreSQL: {error}", flush=True)
        return None, None, str(error)
    with subprocess.Popen(["grep", "-a", ".", "--", events.part], stdout=subprocess.PIPE) as lines:
        return postgres, postgres.fill(lines.stdout), None


def show(rows, row):
    rows.append(row)
    print(line_of(row), flush=True)


def measure(bench, options, report):
    """Everything, in turn; report gets all of it."""
    events = Events(bench, options)
    if not beside.HAS_JQ:
        print("without jq: it is not installed", flush=True)
    with ExitStack() as stack:
        stele = stack.enter_context(fresh_stele(bench))
        rate = fill(bench, stele, events)
        postgres, sizes, report["without_postgres"] = beside_postgres(stack, bench, events, options)
        asker = Asker(stele, connect(stele))
        stack.callback(asker.connection.close)
        chosen = rare, frequent, three, comparison = choose(asker, events.n, options.filter)
        report["events"] = {"n": events.n, "bytes": events.bytes, "beside": events.part_n, "appended_per_s": rate}
        print(f"{events.n:,} events, {events.bytes / 1e6:,.0f} MB of JSON, appended at {rate:,.0f}/s"
              + (f"; * of the first {events.part_n:,}" if events.partial else "") + "\n")
        print(f"{'query':42}{'':10}{'stele':>10}  {'target':14}" + "".join(f"{n:>20}" for n in NAMES[1:]))
        rows = report["rows"] = []
        for name, questions in (("a rare value", rare), ("a frequent value", frequent), ("three that meet", three)):
            times = time_pages(asker, questions, options.seconds)
            show(rows, page_row(name, times, questions, events, postgres))
        show(rows, count_row(asker, frequent[0], events, postgres))
        show(rows, scan_row(asker, stele, comparison, events, postgres))
        for row in size_rows(stele, events, sizes):
            show(rows, row)
        pairs, said = while_arriving(bench, stele, asker, chosen, options)
        print(f"\n{'while events arrive':42}{'':10}{'alone':>10}{'together':>12}{'ratio':>8}")
        for pair in pairs:
            print(pair.line(), flush=True)
        report["arriving"] = {"pairs": [asdict(p) for p in pairs], **said}
        return rows


def main(argv):
    options = parse_options(argv)
    try:
        bench = Bench(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit(),
              "machine": machine(bench.scratch), "options": vars(options)}
    print(f"{report['machine']['cpu']}, {report['machine']['cores']} cores, {report['machine']['disk']}; "
          f"commit {report['commit'][:12]}; {options.seconds:g} s of each figure")
    if os.getloadavg()[0] > BUSY:
        print(f"others use this machine (load average {os.getloadavg()[0]:.1f}): expect noise")
    missed = 0
    with bench:
        try:
            missed = sum(not row.ok for row in measure(bench, options, report))
        except BenchError as error:
            bench.failed = True
            report["failure"] = str(error)
            print(f"FAILED: {error}; what the programs said is in {bench.scratch}")
    out = Path(options.json or bench.build / "bench-query.json")
    out.write_text(json.dumps({**report, "rows": [row.as_json() for row in report.get("rows", [])]},
                              indent=1, default=str) + "\n", encoding="utf-8")
    print(f"\n{missed} missed, {'1' if bench.failed else '0'} failed; all figures: {out}")
    return 1 if missed or bench.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
