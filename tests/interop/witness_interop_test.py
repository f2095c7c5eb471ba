#!/usr/bin/env python3
"""A stranger's witness cosigns our checkpoints: litewitness, in Go, from the module proxy."""
import base64
import contextlib
import hashlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from cosign import cosigned  # noqa: E402
from lib import BUILD, Server, until  # noqa: E402

MODULE, VERSION = "filippo.io/torchwood", "v0.6.1"
NAME = "litewitness.example.com"


def install():
    """Builds it, or skips with what is in the way; returns the program."""
    go, folder = shutil.which("go"), BUILD / "interop-go"
    for tool in ("ssh-agent", "ssh-add", "ssh-keygen"):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{tool} is not installed (Debian: openssh-client)")
    program = folder / "bin/litewitness"
    if program.exists():
        return program
    if not go:
        raise unittest.SkipTest("go is not installed")
    env = dict(os.environ, GOPATH=str(folder), GOBIN=str(folder / "bin"), GOFLAGS="-modcacherw",
               GOCACHE=str(BUILD / "go-cache"), GO111MODULE="on")
    package = f"{MODULE}/cmd/litewitness@{VERSION}"
    run = subprocess.run([go, "install", package], env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        raise unittest.SkipTest(f"{MODULE} cannot be built: {run.stderr.strip().splitlines()[-1]}")
    return program


class Stranger(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.litewitness = install()

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-lw-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def do(self, *command, **env):
        subprocess.run([str(c) for c in command], env={**os.environ, **env}, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def spawn(self, *command):
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def key(self):
        """A key in an agent of its own: fingerprint, and the verifier key of the witness."""
        agent, key = self.folder / "agent", self.folder / "key"
        self.spawn("ssh-agent", "-D", "-a", agent)
        until(agent.exists, "ssh-agent does not start")
        self.do("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        self.do("ssh-add", "-q", key, SSH_AUTH_SOCK=str(agent))
        blob = base64.b64decode(Path(f"{key}.pub").read_text().split()[1])
        typed = b"\x04" + blob[-32:]
        key_id = hashlib.sha256(NAME.encode() + b"\n" + typed).hexdigest()[:8]
        print_of = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        return "SHA256:" + print_of, f"{NAME}+{key_id}+{base64.b64encode(typed).decode()}"

    def witness(self, fingerprint, server, *logs):
        """litewitness for these logs; where it listens."""
        db = self.folder / "db"
        with socket.create_server(("127.0.0.1", 0)) as s:
            address = f"127.0.0.1:{s.getsockname()[1]}"
        self.spawn(self.litewitness, "-db", db, "-name", NAME, "-key", fingerprint,
                   "-ssh-agent", self.folder / "agent", "-listen", address)

        def listens():
            try:
                socket.create_connection(address.split(":"), timeout=1).close()
                return True
            except OSError:
                return False

        until(listens, "litewitness does not listen")
        empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
        with contextlib.closing(sqlite3.connect(db)) as rows, rows:  # as its witnessctl does
            for vkey in map(server.vkey, logs):
                origin = vkey.split("+")[0]
                rows.execute("INSERT INTO log VALUES (?, 0, ?)", (origin, empty))
                rows.execute("INSERT INTO key VALUES (?, ?)", (origin, vkey))
        return "http://" + address

    def test_it_cosigns_what_grows(self):
        fingerprint, vkey = self.key()
        server = Server(data=self.folder / "data", options=["--origin", "ledger.example.com"],
                        env={"no_proxy": "127.0.0.1"})
        self.addCleanup(lambda: server.running() and server.kill())
        server.start()
        server.create_log("grows")
        url = self.witness(fingerprint, server, "grows", "_system")
        policy = self.folder / "policy"
        policy.write_text(f"witness w {vkey} {url}/\nquorum w\n")
        self.assertEqual(server.stop(), 0)
        server.command += ["--witness-policy", str(policy), "--witness-require", "append"]
        server.start()

        def size():
            answer = server.get("/logs/grows/checkpoint")
            if answer.status != 200 or not cosigned(answer.text(), vkey):
                return 0
            return int(answer.text().split("\n")[1])

        until(lambda: size() == 1, "it does not cosign the first checkpoint")
        for n in (2, 5, 300, 301):
            lines = "".join(f'{{"n":{i}}}\n' for i in range(n - size()))
            answer = server.post("/api/v1/logs/grows/records", lines, {"Content-Type": "application/x-ndjson"})
            self.assertEqual(answer.status, 201, answer.body)
            until(lambda: size() == n, f"it does not cosign {n}")
        until(lambda: cosigned(server.get("/logs/_system/checkpoint").text(), vkey), "nor _system")
        # what it has seen is asked for when it is not known any more
        self.assertEqual(server.stop(), 0)
        shutil.rmtree(server.data / "cosigned")
        server.start()
        until(lambda: size() == 301, "it does not cosign again")


if __name__ == "__main__":
    unittest.main()
