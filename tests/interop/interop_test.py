#!/usr/bin/env python3
"""A stranger's client verifies us: Go's golang.org/x/mod/sumdb against a growing log."""
import os
import shutil
import subprocess
import sys
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from lib import BUILD, NDJSON, Server  # noqa: E402

GOPATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev is
GO = "/usr/bin/go" if os.path.exists("/usr/bin/go") else shutil.which("go")
ROUNDS = 12
GROWTH = 3000  # records in all: the client verifies every one, in each round


def build_client():
    """Compiles main.go; returns the program's path."""
    if not GO:
        raise unittest.SkipTest("go is not installed (Debian: golang-go)")
    if not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        raise unittest.SkipTest("golang-golang-x-mod-dev is not installed")
    program = BUILD / "interop-client"
    env = dict(
        os.environ, GO111MODULE="off", GOPATH=str(GOPATH), GOFLAGS="", GOCACHE=str(BUILD / "go-cache")
    )
    subprocess.run([GO, "build", "-o", program, "main.go"], cwd=HERE, env=env, check=True)
    return program


class Appender(threading.Thread):
    """Appends batches of odd sizes until told to stop, or until it is enough."""

    def __init__(self, server):
        super().__init__()
        self.client = server.connect()
        self.stopping = threading.Event()
        self.appended = 0

    def run(self):
        sizes = [1, 3, 250, 7, 1, 64, 600]
        while not self.stopping.wait(0.05) and self.appended < GROWTH:
            n = sizes[self.appended % len(sizes)]
            lines = "".join(f'{{"n":{self.appended + i}}}\n' for i in range(n))
            answer = self.client.post("/api/v1/logs/grows/records", lines, NDJSON)
            if answer.status != 201:
                raise RuntimeError(f"{answer.status}: {answer.body!r}")
            self.appended += n

    def stop(self):
        self.stopping.set()
        self.join()
        self.client.close()


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.program = build_client()
        cls.server = Server().start()
        cls.server.create_log("grows")
        cls.vkey = cls.server.vkey("grows")

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        cls.server.remove()

    def verify(self, vkey, rounds):
        command = [self.program, "-server", f"http://127.0.0.1:{self.server.port}", "-log", "grows"]
        command += ["-vkey", vkey, "-token", self.server.token(), "-rounds", str(rounds)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def test_a_strangers_client_verifies_a_log_while_it_grows(self):
        appender = Appender(self.server)
        appender.start()
        try:
            run = self.verify(self.vkey, ROUNDS)
        finally:
            appender.stop()
        self.assertEqual(run.returncode, 0, run.stderr)
        sizes = [int(line.split()[1].rstrip(":")) for line in run.stdout.splitlines()]
        self.assertEqual(len(sizes), ROUNDS)
        self.assertEqual(sizes, sorted(sizes))
        self.assertGreater(sizes[-1], sizes[0] + 256, "it did not grow across a tile")

    def test_it_refuses_a_checkpoint_by_another_key(self):
        other = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
        run = self.verify(other, 1)
        self.assertEqual(run.returncode, 1)
        self.assertIn("checkpoint:", run.stderr)


if __name__ == "__main__":
    unittest.main()
