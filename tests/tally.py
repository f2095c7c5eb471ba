#!/usr/bin/env python3
"""Counts test cases in meson's test logs and prints the closing line.

    tally.py TESTLOG.json...
    tally.py --again TESTLOG.json

Meson counts programs; a reader wants cases. Programs built on Check and scripts
built on unittest say how many cases they ran, so those numbers are taken from
their output. Any other program is one case. A program that failed without
naming a failed case (a crash, a time-out) is one failed case more. Where a
program is in several logs, the last one counts, and what failed before is said.

Prints a line for each program that failed, then `N passed, N failed` or
`N passed, N failed, N skipped`; exits 1 when a case failed or nothing ran at all.

With --again, prints the names of those that failed and may be run once more, alone:
tests that wait for a server among whatever else the machine does. None in which a
sanitizer found something, and none that throws dice: there a failure is a finding.
"""
import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?", re.M)
BAD_CASE = re.compile(r"^(?:FAIL|ERROR): (\w+)|^\S+:\d+:[FE]:\w+:(\w+):", re.M)
FINDING = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error: ")
AGAIN = {"e2e", "page", "bench", "interop"}


def cases_in(output):
    """(passed, failed, skipped) as the program's own summaries say, or None."""
    passed = failed = skipped = 0
    found = False
    for ran, failures, errors in CHECK.findall(output):
        found = True
        bad = int(failures) + int(errors)
        failed += bad
        passed += int(ran) - bad
    for ran, details in UNITTEST.findall(output):
        found = True
        count = {k: int(n) for k, n in re.findall(r"([a-z][a-z ]*)=(\d+)", details)}
        bad = count.get("failures", 0) + count.get("errors", 0)
        failed += bad
        skipped += count.get("skipped", 0)
        passed += max(0, int(ran) - bad - count.get("skipped", 0))
    return (passed, failed, skipped) if found else None


def tally(result):
    """(passed, failed, skipped) of one line of testlog.json."""
    status = result["result"]
    if status == "SKIP":
        return (0, 0, 1)
    good = status in ("OK", "EXPECTEDFAIL")
    cases = cases_in(output_of(result))
    if cases is None:
        return (1, 0, 0) if good else (0, 1, 0)
    passed, failed, skipped = cases
    if not good and failed == 0:
        failed = 1
    return (passed, failed, skipped)


def output_of(result):
    return (result.get("stdout") or "") + "\n" + (result.get("stderr") or "")


def is_bad(result):
    return result["result"] not in ("OK", "EXPECTEDFAIL", "SKIP")


def said(result):
    """One line: which program failed, how, and in which cases."""
    cases = sorted({a or b for a, b in BAD_CASE.findall(output_of(result))})
    return ": ".join([result["name"], result["result"], *filter(None, [", ".join(cases)])])


def suite_and_name(result):
    """`stele:e2e / cli_test` is of meson's names: project, suites joined by +, name."""
    suites, _, name = result["name"].rpartition(" / ")
    return set(suites.rpartition(":")[2].split("+")), name


def read(path):
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def again(path):
    """The names of those that may be run once more."""
    names = []
    for result in read(path):
        suites, name = suite_and_name(result)
        if is_bad(result) and suites <= AGAIN and not FINDING.search(output_of(result)):
            names.append(name)
    return names


def main(paths):
    results, missing = {}, 0
    for path in paths:
        try:
            for result in read(path):
                before = results.get(result["name"])
                if before and is_bad(before):
                    print(f"failed beside others, run again alone: {said(before)}")
                results[result["name"]] = result
        except FileNotFoundError:
            missing += 1
            print(f"tally: no test ran: {path} is missing", file=sys.stderr)
    for result in filter(is_bad, results.values()):
        print(f"failed: {said(result)}")
    passed, failed, skipped = (sum(n) for n in zip((0, missing, 0), *map(tally, results.values())))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--again"]:
        for name in again(sys.argv[2]):
            print(name)
    else:
        sys.exit(main(sys.argv[1:]))
