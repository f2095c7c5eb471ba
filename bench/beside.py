"""What answers the same questions from the file: grep, which reads text, and jq, which reads JSON."""
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from statistics import median

from harness import BenchError

ROUNDS = 3
HAS_JQ = shutil.which("jq") is not None


@dataclass
class Run:
    """One run of a command."""

    seconds: float
    cpu_s: float
    lines: int  # it printed, or the number that it printed


def run(command, counts=False):
    """
    Runs a row of commands, each reading what the one before it wrote: the last one's lines, or the number
    that it says. A search that finds nothing is no failure.
    """
    began, before = time.monotonic(), os.times()
    processes, last = [], None
    for words in command:
        process = subprocess.Popen(words, stdin=last.stdout if last else subprocess.DEVNULL, stdout=subprocess.PIPE)
        if last:
            last.stdout.close()
        processes.append(process)
        last = process
    said = last.stdout.read()
    last.stdout.close()
    status = [p.wait() for p in processes]
    after = os.times()
    # 1: grep found nothing; SIGPIPE: head had enough. jq says 5 for a line that is no JSON, 2 for a bad file.
    if any(s not in (0, 1, -13) for s in status):
        raise BenchError(f"{' | '.join(' '.join(map(str, w)) for w in command)}: status {status}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(time.monotonic() - began, cpu, int(said) if counts else said.count(b"\n"))


def grep(values, file, *options):
    """Lines with all of some texts, by fixed strings: a row of commands."""
    first, *more = values
    return [["grep", "-F", *options, "-e", first, "--", str(file)], *(["grep", "-F", "-e", v] for v in more)]


def jq(values, file):
    """Lines in which each of some values is, anywhere."""
    args = [word for i, v in enumerate(values) for word in ("--arg", f"v{i}", v)]
    test = " and ".join(f"any(..; . == $v{i})" for i in range(len(values)))
    return [["jq", "-c", *args, f"select({test})", str(file)]]


def jq_number(path, operator, number, file):
    """Lines in which a number along a path compares so."""
    test = f"select((.{path}? | numbers) {'==' if operator == '=' else operator} {number})"
    return [["jq", "-c", test, str(file)]]


def seconds(command):
    """The median of a few runs."""
    return median(run(command).seconds for _ in range(ROUNDS))
