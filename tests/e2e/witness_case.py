"""Servers that witness each other, and what they say: for witness_test.py and cosigner_test.py."""
import shutil
import tempfile
import unittest
from pathlib import Path

from cosign import cosigned
from lib import Server

ENV = {"no_proxy": "127.0.0.1"}
LOG = "payments"


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-witness-"))
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            if server.running():
                server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def server(self, name, *options, context=None):
        server = Server(data=self.folder / name, options=["--origin", name, *options], env=ENV,
                        context=context)
        self.servers.append(server)
        return server.start()

    def again(self, server, *options):
        """The same server, started anew with more options."""
        if server.running():
            self.assertEqual(server.stop(), 0)
        server.command += options
        return server.start()

    def keep_port(self, server):
        """From its next start on it is where it is now."""
        server.command[server.command.index("127.0.0.1:0")] = f"127.0.0.1:{server.port}"

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def log_server(self, name="log.example.com", log=LOG):
        server = self.server(name)
        server.create_log(log)
        return server

    def witness_of(self, name, *vkeys, options=(), context=None):
        """A steled that cosigns these logs, and its verifier key."""
        logs = self.file(f"{name}.logs", "# logs\n" + "".join(f"log {v}\n" for v in vkeys))
        server = self.server(name, "--witness-for", str(logs), *options, context=context)
        return server, server.get("/api/v1/witness").json()["vkey"]

    def policy(self, quorum, *witnesses):
        """witnesses: (vkey, url)."""
        names = [f"w{i}" for i in range(len(witnesses))]
        lines = [f"witness {n} {v} {u}" for n, (v, u) in zip(names, witnesses)]
        lines += [f"group q {quorum} {' '.join(names)}", "quorum q"]
        return str(self.file("policy", "\n".join(lines) + "\n"))

    def append(self, server, text="x", log=LOG, key=None):
        headers = {"Idempotency-Key": key} if key else {}
        return server.post(f"/api/v1/logs/{log}/records", text, headers)

    def checkpoint(self, server, log=LOG):
        return server.get(f"/logs/{log}/checkpoint")

    def size(self, server, log=LOG):
        return int(self.checkpoint(server, log).text().split("\n")[1])

    def is_cosigned(self, server, vkey, size=None, log=LOG):
        answer = self.checkpoint(server, log)
        if answer.status != 200 or (size and int(answer.text().split("\n")[1]) != size):
            return False
        return bool(cosigned(answer.text(), vkey))

    def state(self, server):
        return server.get("/api/v1/witness").json()
