#!/usr/bin/env python3
"""Measures stele beside its floors, in one run on one machine, and says how the ratios stand.

The floors: `echo` answers 200 to the same requests and does nothing else; `pipe` is SHA-256,
zstd level 1 and one flushed append per batch over the same events; `flush` is 4 KiB written into
a prewritten file and flushed. Floor and stele take turns; figures are medians of the rounds.
Every answer's status is checked, and afterwards the log's size against what was acknowledged.
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from harness import Bench, BenchError
from workloads import WORKLOADS

EXAMPLES = """examples:
  ./dev bench                               everything, about ten minutes
  ./dev bench --quick                       the same, short: a first look, not a figure to quote
  ./dev bench --only single --rounds 9      one workload, with more rounds
  ./dev bench --only start --records 50000000   a large store's start; a quarter of an hour
  ./dev bench --only file --events a.ndjson.zst

Exit status: 0 every target met, 1 one missed or a measurement failed, 3 usage.
"""
BUSY = 0.5  # load average above which a figure should not be quoted


def parse_options(argv):
    parser = argparse.ArgumentParser(
        prog="bench/run.py", description=__doc__,
        epilog="workloads:\n" + "".join(f"  {n:10}{f.__doc__}\n" for n, f in WORKLOADS.items())
        + "\n" + EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", metavar="DIR", help="build folder (build)")
    parser.add_argument("--dir", metavar="DIR", help="on the disk to measure (the build folder)")
    parser.add_argument("--events", metavar="FILE", help="NDJSON, plain or .zst, for `file`")
    parser.add_argument("--json", metavar="OUT", help="the report (bench.json in the build folder)")
    parser.add_argument("--only", action="append", choices=list(WORKLOADS), metavar="WORKLOAD",
                        help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, metavar="N", help="(5, quick 3)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each run (3, quick 1)")
    parser.add_argument("--records", type=int, metavar="N",
                        help="for `memory`, `flat`, `start` (2,000,000, quick 200,000)")
    parser.add_argument("--quick", action="store_true", help="shorter runs, fewer of them")
    options = parser.parse_args(argv)
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.records = options.records or (200_000 if options.quick else 2_000_000)
    if options.rounds < 1 or options.seconds < 0.1 or options.records < 1000:
        parser.error("at least 1 round, 0.1 seconds and 1,000 records")
    if options.events and not Path(options.events).is_file():
        parser.error(f"no such file: {options.events}")
    return options


def command_text(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True,
                             cwd=Path(__file__).parent)
        return run.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine(directory):
    """What a reader must know to compare: processor, memory, kernel, disk."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in open("/proc/meminfo", encoding="ascii"))
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": memory // 1024,
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "disk": command_text("findmnt", "-no", "FSTYPE,SOURCE", "--target", str(directory)),
    }


def commit():
    text = command_text("git", "rev-parse", "HEAD")
    changed = command_text("git", "status", "--porcelain", "--untracked-files=no")
    return text + (" with changes" if changed not in ("", "unknown") else "")


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def line_of(row):
    target, verdict = "", ""
    if row.target is not None:
        target = f"{'>=' if row.at_least else '<='} {row.target:.2f}"
        verdict = "ok" if row.ok else "MISS"
    floor = f"{number(row.floor)} {row.floor_name}"
    return (f"{row.name:38}{number(row.figure):>11} {row.unit:10}{floor:>19}{row.ratio:>8.2f}"
            f"  {target:8} {verdict}".rstrip())


def run_one(bench, workload, rows, failures):
    try:
        for row in workload(bench):
            rows.append(row)
            print(line_of(row), flush=True)
    except BenchError as error:
        bench.failed = True
        failures.append({"workload": workload.__name__, "error": str(error)})
        print(f"{workload.__name__:38}FAILED: {error}", flush=True)


def main(argv):
    options = parse_options(argv)
    rows, failures = [], []
    try:
        bench = Bench(options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
              "commit": commit(), "machine": machine(bench.scratch), "rounds": options.rounds,
              "seconds": options.seconds, "events": options.events}
    print(f"{report['machine']['cpu']}, {report['machine']['cores']} cores, "
          f"{report['machine']['disk']}; commit {report['commit'][:12]}; "
          f"{options.rounds} rounds of {options.seconds:g} s")
    if os.getloadavg()[0] > BUSY:
        print(f"others use this machine (load average {os.getloadavg()[0]:.1f}): expect noise")
    print()
    print(f"{'workload':38}{'stele':>11} {'':10}{'floor':>19}{'ratio':>8}  target", flush=True)
    with bench:
        for name in options.only or WORKLOADS:
            run_one(bench, WORKLOADS[name], rows, failures)
    report["rows"] = [row.as_json() for row in rows]
    report["failures"] = failures
    out = Path(options.json or Path(options.build) / "bench.json")
    out.write_text(json.dumps(report, indent=1) + "\n")
    missed = sum(not row.ok for row in rows)
    met = sum(row.ok and row.target is not None for row in rows)
    print(f"\n{met} met, {missed} missed, {len(failures)} failed; all figures: {out}")
    if failures:
        print(f"what the programs said is in {bench.scratch}")
    return 1 if missed or failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
