#!/usr/bin/env python3
"""Counts test cases in meson's test logs and prints the closing line.

    tally.py TESTLOG.json...

Meson counts programs; a reader wants cases. Programs built on Check and scripts
built on unittest say how many cases they ran, so those numbers are taken from
their output. Any other program is one case. A program that failed without
naming a failed case (a crash, a time-out) is one failed case more.

Prints `N passed, N failed` or `N passed, N failed, N skipped`; exits 1 when a
case failed or nothing ran at all.
"""
import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
UNITTEST = re.compile(r"^Ran (\d+) tests? in .*\n\n(?:OK|FAILED)(?: \((.*)\))?", re.M)


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
    output = (result.get("stdout") or "") + "\n" + (result.get("stderr") or "")
    cases = cases_in(output)
    if cases is None:
        return (1, 0, 0) if good else (0, 1, 0)
    passed, failed, skipped = cases
    if not good and failed == 0:
        failed = 1
    return (passed, failed, skipped)


def main(paths):
    total = [0, 0, 0]
    for path in paths:
        try:
            with open(path, encoding="utf-8") as log:
                for line in log:
                    total = [a + b for a, b in zip(total, tally(json.loads(line)))]
        except FileNotFoundError:
            total[1] += 1
            print(f"tally: no test ran: {path} is missing", file=sys.stderr)
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
