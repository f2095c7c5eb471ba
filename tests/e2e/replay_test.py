"""What a restored server lost comes back from its producers' receipts, once."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lib import STELE, Server, stele

EVENT = {"specversion": "1.0", "type": "t", "source": "/s", "id": "e1", "data": {"n": 1}}


class Replay(unittest.TestCase):
    """A server restored from a backup of 500 records; 900 and some single ones came later."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.path("passphrase").write_text("a passphrase\n")
        with Server(options=["--origin", "replay.example.com"]) as server:
            server.create_log("l")
            server.create_log("other")
            server.create_log("locked", {"retain": {"default": "1d"}, "event_based": True})
            self.append(server, "first", range(500))
            self.do("backup", self.path("backup"), "--keyring", self.path("ring"),
                    "--passphrase-file", self.path("passphrase"), server=server)
            self.append(server, "second", range(500, 1400))
            self.path("text").write_text("not JSON\n")
            self.path("big").write_bytes(os.urandom(1 << 21))
            self.path("event").write_text(json.dumps(EVENT))
            self.do("append", "l", self.path("text"), "--type", "text/plain; charset=utf-8",
                    "--receipts", self.path("text.r"), server=server)
            self.do("put", "l", self.path("big"), "--receipt", self.path("big.r"), server=server)
            self.do("append", "l", self.path("event"), "--type", "application/cloudevents+json",
                    "--receipts", self.path("event.r"), server=server)
            self.do("prove", "l", "700", "-o", self.path("proof.r"), server=server)
            self.append(server, "elsewhere", range(3), "other")
            for name, lock in (("long", ["--retain-for", "9y"]), ("usual", []),
                               ("event", ["--retain-event", "e"])):
                self.do("append", "locked", self.path("text"), "--receipts",
                        self.path("locked." + name), *lock, server=server)
            self.identity = self.do("key", "show", server=server).stdout
        self.path("identity").write_text(self.identity)
        self.do("restore", self.path("backup"), "--data", self.path("data"), "--keyring",
                self.path("ring"), "--passphrase-file", self.path("passphrase"))
        self.server = Server(data=self.path("data"),
                             options=["--passphrase-file", str(self.path("passphrase"))]).start()

    def tearDown(self):
        if self.server.running():
            self.server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / name

    def do(self, *arguments, server=None, status=0):
        run = stele(*arguments, server=server)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def append(self, server, name, numbers, log="l"):
        self.path(name).write_text("".join(json.dumps({"i": i}) + "\n" for i in numbers))
        self.do("append", log, self.path(name), "--ndjson", "--batch-bytes", "4K", "--receipts",
                self.path(name + ".r"), server=server)

    def replay(self, *arguments, status=0):
        run = self.do("append", "l", *arguments, "--json", server=self.server, status=status)
        return json.loads(run.stdout), run.stderr

    def counts(self, document):
        return [document[k] for k in ("kept", "replayed", "duplicates", "unmatched", "refused")]

    def size(self):
        return self.server.get("/api/v1/logs/l").json()["size"]

    def payloads(self, first):
        """Of all records of the log from that index on."""
        return [self.server.get(f"/api/v1/logs/l/records/{i}").body
                for i in range(first, self.size())]

    def test_lost_records_come_back_once_and_those_that_are_there_are_left_alone(self):
        first = self.path("first")
        document, _ = self.replay(first, "--replay", self.path("first.r"))
        self.assertEqual(self.counts(document), [500, 0, 0, 0, 0])
        self.assertEqual(self.size(), 502)
        second, new = self.path("second"), self.path("new.r")
        document, _ = self.replay(second, "--replay", self.path("second.r"), "--receipts", new)
        self.assertEqual(self.counts(document), [0, 900, 0, 0, 0])
        for name in ("text", "big", "event"):
            document, _ = self.replay(self.path(name), "--replay", self.path(name + ".r"))
            self.assertEqual(self.counts(document), [0, 1, 0, 0, 0], name)
        self.assertEqual(self.size(), 1405)
        for name, there in (("second", 900), ("text", 1), ("big", 1), ("event", 1)):
            document, _ = self.replay(self.path(name), "--replay", self.path(name + ".r"))
            self.assertEqual(self.counts(document), [0, 0, there, 0, 0], name)
        document, _ = self.replay("--replay", self.path("proof.r"))  # brings its payload
        self.assertEqual(self.counts(document), [0, 0, 1, 0, 0])
        document, _ = self.replay(second, "--replay", new)
        self.assertEqual(self.counts(document), [900, 0, 0, 0, 0])
        self.assertEqual(self.size(), 1405)
        got = self.payloads(502)
        self.assertEqual(sorted(json.loads(p)["i"] for p in got[:900]), list(range(500, 1400)))
        self.assertEqual(got[900:], [self.path(n).read_bytes() for n in ("text", "big", "event")])
        types = [json.loads(json.loads(self.do("get", "l", i, "--json", server=self.server).stdout)
                            ["entry"])["media_type"] for i in (1402, 1403, 1404)]
        self.assertEqual(types, ["text/plain; charset=utf-8", "application/octet-stream",
                                 "application/cloudevents+json"])
        answer = self.server.post("/api/v1/logs/l/records", json.dumps(EVENT),
                                  {"Content-Type": "application/cloudevents+json"})
        self.assertEqual(answer.json()["index"], 1404)  # the producer's own retry finds it
        self.path("keys").write_text(
            self.do("key", "show", "l", "--statement", server=self.server).stdout)
        self.do("verify", new, "--payload", second, "--key", f"@{self.path('identity')}",
                "--keys", self.path("keys"))

    def test_a_lock_comes_back_as_it_was_promised(self):
        for index, name in enumerate(("long", "usual", "event"), 2):
            receipt = self.path("locked." + name)
            run = self.do("append", "locked", self.path("text"), "--replay", receipt, "--json",
                          server=self.server)
            self.assertEqual(json.loads(run.stdout)["replayed"], 1)
            old = json.loads(json.loads(receipt.read_text())["entry"])
            new = json.loads(json.loads(self.server.get(
                f"/api/v1/logs/locked/records/{index}",
                {"Accept": "application/json"}).body)["entry"])
            self.assertEqual(new.get("event"), old.get("event"))
            if name == "long":
                self.assertEqual(new["retain_until"], old["retain_until"])
            elif name == "usual":
                self.assertGreater(new["retain_until"], old["retain_until"])
                self.assertLess(new["retain_until"][:4], "2030")

    def test_one_connection_keeps_the_order(self):
        self.replay(self.path("second"), "--replay", self.path("second.r"), "--connections", "1")
        lines = [json.loads(t)["i"] for t in self.path("second").read_text().splitlines()]
        at = [json.loads(t)["line"] for t in self.path("second.r").read_text().splitlines()]
        self.assertEqual([json.loads(p)["i"] for p in self.payloads(502)],
                         [lines[line - 1] for line in at])

    def test_killed_it_goes_on_and_stores_nothing_twice(self):
        command = [str(STELE), "append", "l", str(self.path("second")), "--replay",
                   str(self.path("second.r")), "--connections", "2"]
        env = {**os.environ, "STELE_SERVER": f"http://127.0.0.1:{self.server.port}",
               "STELE_TOKEN": self.server.token()}
        for delay in (0.05, 0.1, 0.15):
            process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
        document, _ = self.replay(self.path("second"), "--replay", self.path("second.r"))
        self.assertEqual(document["replayed"] + document["duplicates"], 900)
        self.assertEqual(sorted(json.loads(p)["i"] for p in self.payloads(502)),
                         list(range(500, 1400)))

    def test_the_server_killed_meanwhile_loses_and_doubles_nothing(self):
        command = [str(STELE), "append", "l", str(self.path("second")), "--replay",
                   str(self.path("second.r")), "--retry-for", "0"]
        env = {**os.environ, "STELE_SERVER": f"http://127.0.0.1:{self.server.port}",
               "STELE_TOKEN": self.server.token()}
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        time.sleep(0.08)
        self.server.kill()
        _, said = process.communicate(timeout=60)
        if process.returncode:  # it was not done before
            self.assertEqual(process.returncode, 4, said)
            self.assertRegex(said, "stores nothing twice|cannot get the checkpoint")  # or not begun
        self.server.start()
        self.replay(self.path("second"), "--replay", self.path("second.r"))
        self.assertEqual(sorted(json.loads(p)["i"] for p in self.payloads(502)),
                         list(range(500, 1400)))

    def test_what_is_no_receipt_of_a_lost_record_is_named_and_the_rest_goes_on(self):
        lines = self.path("second.r").read_text().splitlines(keepends=True)
        text = self.path("second").read_text().splitlines(keepends=True)
        at = json.loads(lines[4])["line"]
        text[at - 1] = text[at - 1].replace('"i"', '"j"')
        self.path("second").write_text("".join(text))
        receipts = [*lines[:10], "no JSON\n", "{}\n", "\n",
                    self.path("elsewhere.r").read_text().splitlines(keepends=True)[0],
                    json.dumps({**json.loads(lines[11]), "line": 5000}) + "\n",
                    self.path("text.r").read_text().strip() + "\n",
                    lines[12][:300]]  # torn by a crash
        self.path("mixed").write_text("".join(receipts))
        document, said = self.replay(self.path("second"), "--replay", self.path("mixed"), status=1)
        self.assertEqual(self.counts(document), [0, 9, 0, 7, 0])
        for word in ("receipt 5: the payload is not the one", "receipt 11: it is not JSON",
                     "receipt 12: it has no entry", "receipt 14: it is of another log",
                     "receipt 15: the file has no line", "receipt 16: the file is not its payload",
                     "receipt 17: it is not JSON"):
            self.assertIn(word, said)
        document, said = self.replay("--replay", self.path("text.r"), status=1)
        self.assertIn("give the file", said)
        self.assertEqual(self.size(), 511)

    def test_wrong_usage_and_nobody_home(self):
        self.do("append", "l", "--replay", self.path("none"), server=self.server, status=3)
        self.do("append", "l", "--replay", self.path("first.r"), "--ndjson", server=self.server,
                status=3)
        self.do("append", "nolog", "--replay", self.path("first.r"), server=self.server, status=1)
        self.server.kill()
        self.do("append", "l", "--replay", self.path("first.r"), server=self.server, status=4)


if __name__ == "__main__":
    unittest.main()
