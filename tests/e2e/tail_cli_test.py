#!/usr/bin/env python3
"""stele tail: what it prints, how it comes back, how it ends."""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from lib import JSON, STELE, Server, until


class Following:
    """A stele tail that runs; its lines as they come."""

    def __init__(self, server, *arguments, token=None):
        env = {**os.environ, "STELE_SERVER": server.url(), "STELE_TOKEN": token or f"@{server.data}/admin.token"}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(STELE), "tail", *map(str, arguments)], env=env, text=True,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def end(self, signum=None):
        """Its exit status, once it has ended."""
        if signum:
            self.process.send_signal(signum)
        status = self.process.wait(60)
        self.reader.join()
        self.process.stdout.close()
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.end()
        self.errors.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.remove)
        # the next start is where this one was
        self.server.command = [a.replace("127.0.0.1:0", f"127.0.0.1:{self.server.port}") for a in self.server.command]
        self.server.create_log("a")

    def remove(self):
        if self.server.running():
            self.assertEqual(self.server.stop(), 0, self.server.log())
        self.server.remove()

    def append(self, payload=b"{}", client=None):
        answer = (client or self.server).post("/api/v1/logs/a/records", payload, JSON)
        self.assertEqual(answer.status, 201)
        return answer.json()["index"]

    def tail(self, *arguments, **how):
        following = Following(self.server, *arguments, **how)
        self.addCleanup(following.close)
        return following

    def indexes(self, following):
        return [json.loads(line)["index"] for line in following.lines]


class Prints(Case):
    def test_lines_of_json_with_ids_to_go_on_behind(self):
        for n in range(5):
            self.append(b'{"n":%d}' % n)
        first = self.tail("a", "--from", "0", "--json", "--limit", "2")
        self.assertEqual(first.end(), 0, first.said())
        self.assertEqual(self.indexes(first), [1, 2])
        row = json.loads(first.lines[1])
        rows = self.server.get("/api/v1/logs/a/records").json()["records"]
        self.assertEqual({k: v for k, v in row.items() if k != "id"}, rows[1])
        rest = self.tail("a", "--after", row["id"], "--json", "--limit", "3")
        self.assertEqual((rest.end(), self.indexes(rest)), (0, [3, 4, 5]))

    def test_a_table_and_what_was_not_shown(self):
        self.append(b'{"kind":"Event","n":1}')
        self.server.post("/api/v1/logs/a/records", b"\xff", {"Content-Type": "a/b"})
        last = self.append(b'{"n":1}')
        table = self.tail("a", "--from", "0", "--filter", "n = 1")
        until(lambda: len(table.lines) == 3, "a head and two rows")
        self.assertEqual(table.end(signal.SIGINT), 0)
        self.assertTrue(table.lines[0].startswith("TIME") and "OUTCOME" in table.lines[0])
        self.assertEqual(table.lines[2].split()[1:3], ["a", str(last)])
        self.assertEqual(table.said(), "1 records cannot be judged\n")

    def test_it_begins_now_and_ends_by_a_signal(self):
        self.append()
        for signum in (signal.SIGINT, signal.SIGTERM):
            following = self.tail("--json")
            until(lambda: "stele_tails 1" in self.server.get("/metrics").text(), "it is there")
            index = self.append()
            until(lambda: following.lines, "a line")
            self.assertEqual(following.end(signum), 0)
            self.assertEqual((self.indexes(following), following.said()), ([index], ""))


class ComesBack(Case):
    def test_over_crashes_and_stops_every_record_is_printed_once(self):
        following = self.tail("a", "--from", "0", "--json")
        last = 0
        for way in (self.server.kill, self.server.stop, self.server.kill):
            def write():
                client = self.server.connect()
                try:
                    while True:
                        self.append(client=client)
                except Exception:  # the server has ended
                    client.close()

            writers = [threading.Thread(target=write) for _ in range(3)]
            for w in writers:
                w.start()
            before = len(following.lines)
            until(lambda: len(following.lines) > before + 30, "records come")
            way()
            for w in writers:
                w.join()
            self.server.start()
            last = self.append()
        until(lambda: following.lines and self.indexes(following)[-1] == last, "the last one comes")
        self.assertEqual(following.end(signal.SIGINT), 0)
        self.assertEqual(self.indexes(following), list(range(1, last + 1)))
        self.assertIn("the connection is lost", following.said())

    def test_ctrl_c_while_the_server_is_away(self):
        following = self.tail("a")
        until(lambda: "stele_tails 1" in self.server.get("/metrics").text(), "it is there")
        self.server.kill()
        until(lambda: "trying again" in following.said(), "it says so")
        time.sleep(0.3)
        self.assertEqual(following.end(signal.SIGINT), 0)


class Refused(Case):
    def test_exit_statuses(self):
        self.assertEqual(self.tail("none").end(), 1)
        self.assertEqual(self.tail("a", "--filter", "=").end(), 1)
        self.assertEqual(self.tail("a", "--from", "x ago").end(), 3)
        self.assertEqual(self.tail("a", "--from", "0", "--after", "x").end(), 3)
        self.assertEqual(self.tail("a", "--limit", "0").end(), 3)
        self.assertEqual(self.tail("a", "--after", "x").end(), 1)
        self.server.kill()
        self.assertEqual(self.tail("a").end(), 4)
        self.server.start()

    def test_a_token_that_is_revoked(self):
        made = self.server.post("/api/v1/tokens", json.dumps({"scopes": ["read"], "logs": ["a"]}), JSON).json()
        following = self.tail("a", "--json", token=made["token"])
        until(lambda: "stele_tails 1" in self.server.get("/metrics").text(), "it is there")
        self.assertEqual(self.server.request("DELETE", f"/api/v1/tokens/{made['id']}").status, 204)
        self.assertEqual(following.end(), 1)
        self.assertIn("revoked", following.said())


if __name__ == "__main__":
    unittest.main()
