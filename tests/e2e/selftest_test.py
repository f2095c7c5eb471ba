#!/usr/bin/env python3
"""No steled serves that permits what it must refuse: its self-test, before every start."""
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib import BUILD, JSON, Server

PERMISSIVE = BUILD / "tests/steled_permissive"
FAULTS = os.environ.get("STELE_FAULTS", str(BUILD / "tests/libfault.so"))


def passed(server):
    """What the metric says of this start's self-test."""
    return re.search(r"^stele_selftest_passed (\d)$", server.get("/metrics").text(), re.M).group(1)


class SelfTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.addCleanup(folder.cleanup)
        self.data, self.switch = Path(folder.name, "data"), Path(folder.name, "fault")

    def server(self):
        """One whose disk fails on command, for the self-test alone."""
        return Server(self.data, env={"LD_PRELOAD": FAULTS, "STELE_FAULT": str(self.switch),
                                      "STELE_FAULT_ROOT": str(self.data / "selftest")})

    def assert_works(self, server):
        server.create_log("log")
        answer = server.post("/api/v1/logs/log/records", b"{}", JSON)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(server.get("/api/v1/logs/log/records/1").body, b"{}")

    def assert_refuses(self, run, *words):
        """It has not begun to serve, and says why, in one line."""
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        for word in words:
            self.assertIn(word, run.stderr.splitlines()[-1])
        self.assertFalse((self.data / "selftest").exists())

    def run_program(self, program, **env):
        command = [program, "--data", self.data, "--listen", "127.0.0.1:0", "--unprotected"]
        return subprocess.run(list(map(str, command)), env={**os.environ, **env}, text=True,
                              capture_output=True, timeout=60, check=False)

    def test_what_permits_too_much_does_not_serve(self):
        for permitted, found in (("early", "purged before its time"),
                                 ("held", "under a legal hold can be purged"),
                                 ("shorten", "can be shortened"),
                                 ("forged", "can write a control entry"),
                                 ("last-ns", "ends before its time")):
            run = self.run_program(PERMISSIVE, STELE_PERMITS=permitted)
            self.assert_refuses(run, "The self-test found", found, "nothing is served")
        with Server(self.data) as server:  # a release that keeps its promises goes on there
            self.assertEqual(passed(server), "1")
            self.assert_works(server)

    def test_a_self_test_that_fails_by_itself_says_why(self):
        with self.server() as server:
            self.assertEqual(passed(server), "1")
            self.assertEqual(server.stop(), 0)
            self.switch.write_text("write")
            run = self.run_program(server.command[0], **server.env)
            self.assert_refuses(run, str(self.data / "selftest"), "input/output error")

    def test_without_room_for_it_all_else_goes_on_and_a_metric_says_so(self):
        self.switch.write_text("space")
        with self.server() as server:
            self.assertEqual(passed(server), "0")
            self.assertIn("warning: the disk is full, with no room for the self-test", server.log())
            self.assertFalse((self.data / "selftest").exists())
            self.assert_works(server)
            self.assertEqual(server.stop(), 0)
            self.switch.unlink()
            server.start()
            self.assertEqual(passed(server), "1")

    def test_what_a_killed_self_test_left_is_removed(self):
        left = self.data / "selftest/wal/00000001.wal"
        with Server(self.data) as server:
            self.assertEqual(server.stop(), 0)
            left.parent.mkdir(parents=True)
            left.write_bytes(b"half")
            server.start()
            self.assertEqual(passed(server), "1")
            self.assertFalse((self.data / "selftest").exists())


if __name__ == "__main__":
    unittest.main()
