#!/usr/bin/env python3
"""Recorder and replay tell a program that flushes from one that does not.

Toy programs keep records and acknowledge each with a mark; one does it right,
each of the others makes one mistake that real programs made.
"""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from replay import mark, read_trace, replay

HERE = Path(__file__).resolve().parent
RECORDER = os.environ.get("STELE_RECORDER", HERE.parents[1] / "build/tests/librecorder.so")
RECORDS = 12
RECORD_BYTES = 1000  # crosses sectors, so that it can be torn


def record(i):
    return bytes([65 + i]) * RECORD_BYTES


def toy_log(folder, trace, flags=0, flush=True, flush_folder=True):
    """Appends records to one file."""
    fd = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY | flags, 0o600)
    if flush_folder:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(at)
    for i in range(RECORDS):
        os.pwrite(fd, record(i), i * RECORD_BYTES)
        if flush:
            os.fdatasync(fd)
        mark(trace, str(i))


def toy_files(folder, trace, flush=True, flush_folder=True):
    """Writes each record to a file of its own, under another name first."""
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.mkdir(folder + "/sub", 0o700)
    os.fsync(at)
    sub = os.open(folder + "/sub", os.O_RDONLY | os.O_DIRECTORY)
    for i in range(RECORDS):
        fd = os.open("new", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=sub)
        os.write(fd, record(i))
        if flush:
            os.fsync(fd)
        os.close(fd)
        os.rename("new", str(i), src_dir_fd=sub, dst_dir_fd=sub)
        if flush_folder:
            os.fsync(sub)
        mark(trace, str(i))


def toy_overwrite(folder, trace):
    """Overwrites one record in place, flushing each time: a torn write shows."""
    fd = os.open(folder + "/log", os.O_CREAT | os.O_WRONLY, 0o600)
    os.fsync(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))
    for i in range(RECORDS):
        os.pwrite(fd, record(i), 0)
        os.fsync(fd)
        mark(trace, str(i))


def judge_log(folder, marks):
    log = Path(folder, "log")
    content = log.read_bytes() if log.exists() else b""
    for m in marks:
        i = int(m)
        if content[i * RECORD_BYTES : (i + 1) * RECORD_BYTES] != record(i):
            return f"record {i} was acknowledged and is not there"
    return None


def judge_files(folder, marks):
    for m in marks:
        path = Path(folder, "sub", m)
        if not path.exists() or path.read_bytes() != record(int(m)):
            return f"record {m} was acknowledged and is not there"
    return None


def judge_overwrite(folder, _):
    log = Path(folder, "log")
    content = log.read_bytes() if log.exists() else b""
    return "two records are mixed" if len(set(content)) > 1 else None


class PowerLoss(unittest.TestCase):
    def violations(self, toy, judge, states=600, **options):
        """Runs toy under the recorder, in a process of its own, and replays it."""
        with tempfile.TemporaryDirectory() as work:
            folder, trace = os.path.join(work, "data"), os.path.join(work, "trace")
            os.mkdir(folder)
            env = dict(
                os.environ, LD_PRELOAD=str(RECORDER), STELE_TRACE=trace, STELE_TRACE_ROOT=folder
            )
            call = f"import powerloss_selftest as t; t.{toy.__name__}({folder!r}, {trace!r}, **{options!r})"
            subprocess.run([sys.executable, "-c", call], cwd=HERE, env=env, check=True)
            self.records = read_trace(trace)
            return replay(trace, judge, states)

    def test_a_log_that_is_flushed_loses_nothing(self):
        self.assertEqual(self.violations(toy_log, judge_log), [])

    def test_a_log_that_is_not_flushed_is_caught(self):
        self.assertTrue(self.violations(toy_log, judge_log, flush=False))

    def test_a_log_whose_name_is_not_flushed_is_caught(self):
        self.assertTrue(self.violations(toy_log, judge_log, flush_folder=False))

    def test_a_synchronous_file_needs_no_flush(self):
        found = self.violations(toy_log, judge_log, flags=os.O_DSYNC, flush=False)
        self.assertEqual(found, [])

    def test_renamed_files_that_are_flushed_are_kept(self):
        self.assertEqual(self.violations(toy_files, judge_files), [])

    def test_a_renamed_file_that_is_not_flushed_is_caught(self):
        self.assertTrue(self.violations(toy_files, judge_files, flush=False))

    def test_a_rename_whose_folder_is_not_flushed_is_caught(self):
        self.assertTrue(self.violations(toy_files, judge_files, flush_folder=False))

    def test_a_torn_write_is_seen(self):
        found = self.violations(toy_overwrite, judge_overwrite)
        self.assertIn("two records are mixed", {v.reason for v in found})

    def test_the_same_seed_gives_the_same_losses(self):
        first = self.violations(toy_log, judge_log, flush=False)
        again = self.violations(toy_log, judge_log, flush=False)
        self.assertEqual([str(v) for v in first], [str(v) for v in again])


if __name__ == "__main__":
    unittest.main()
