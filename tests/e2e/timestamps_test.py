#!/usr/bin/env python3
"""Timestamps by authorities (RFC 3161): they come, are checked and recorded; no authority is in anybody's way."""
import base64
import json
import tempfile
import time
import unittest
from pathlib import Path

import pki
from http_case import problem
from lib import Clock, Server, stele
from system_log import SystemLog
from tsa import Authority, accepts, wait_for


def setUpModule():
    pki.needed()


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-tsa-"))
        self.addCleanup(lambda: pki.shutil.rmtree(self.folder))
        self.authority = self.make("clock.example")

    def make(self, name, **more):
        made = Authority(self.folder, name, **more)
        made.start()
        self.addCleanup(made.stop)
        return made

    def serve(self, *options, authorities=None, trust=True, data=None, env=None):
        urls = ",".join(a.url for a in authorities or [self.authority])
        more = ["--timestamp-ca", str(self.authority.roots)] if trust else []
        server = Server(data, options=["--timestamp-url", urls, *more, *options], env=env).start()
        self.addCleanup(server.remove)
        self.addCleanup(lambda: server.running() and server.stop())
        return server

    def shown(self, server):
        answer = server.get("/api/v1/timestamps")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def now(self, server):
        answer = server.post("/api/v1/timestamps", b"")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def granted(self, server, n, which=0):
        return wait_for(lambda: (s := self.shown(server))["authorities"][which]["granted"] >= n and s)

    def failed(self, server, n, which=0):
        return wait_for(lambda: (s := self.shown(server))["authorities"][which]["failed"] >= n and s)

    @staticmethod
    def recorded(server):
        log = SystemLog()
        log.read(server)
        return [(entry, act) for entry, act in log.records if act["type"] == "timestamp"]


class Honest(Case):
    def test_a_timestamp_of_the_newest_checkpoint_is_recorded_and_openssl_agrees(self):
        server = self.serve()
        self.granted(server, 1)
        (entry, act), = self.recorded(server)
        self.assertEqual(entry["writer"], "steled")
        self.assertEqual((act["authority"], act["name"], act["trusted"]), (self.authority.url, "clock.example", True))
        self.assertNotIn("before", act)
        origin, size = act["checkpoint"].split("\n")[:2]
        self.assertTrue(origin.endswith("/_system"))
        self.assertEqual(int(size), act["size"])
        self.assertLess(act["size"], entry["index"] + 1)
        self.assertEqual(base64.b64decode(act["token"]), self.authority.last)
        (self.folder / "t").write_bytes(self.authority.last)
        (self.folder / "c").write_text(act["checkpoint"])
        self.assertTrue(accepts(self.folder / "t", self.folder / "c", self.authority.roots))
        self.assertFalse(accepts(self.folder / "t", self.authority.roots, self.authority.roots))

    def test_the_next_one_says_where_the_one_before_is_across_a_restart(self):
        server = self.serve()
        self.granted(server, 1)
        self.now(server)
        self.granted(server, 2)
        server.stop()
        server.start()
        first = self.shown(server)
        self.assertEqual(len(first["timestamps"]), 2)
        self.assertEqual(first["authorities"][0]["newest"], first["timestamps"][0]["index"])
        time.sleep(3)
        self.assertEqual(self.shown(server)["authorities"][0]["asked"], 0)  # the last one is young
        self.now(server)
        self.granted(server, 1)
        rows = self.recorded(server)
        indexes = [entry["index"] for entry, _ in rows]
        self.assertEqual([act.get("before") for _, act in rows], [None, *indexes[:2]])
        self.assertEqual([t["index"] for t in self.shown(server)["timestamps"]], indexes[::-1])
        for (entry, _), (_, later) in zip(rows, rows[1:]):
            self.assertGreater(later["size"], entry["index"])  # it covers the record of the one before

    def test_it_comes_again_by_itself_when_the_log_has_grown_and_not_when_it_has_not(self):
        server = self.serve("--timestamp-every", "10")
        self.granted(server, 1)
        server.create_log("a")
        self.granted(server, 2)
        def still():  # nothing reads payloads meanwhile: that would be recorded
            asked = len(self.authority.asked)
            time.sleep(21)  # more than twice as often
            return len(self.authority.asked) == asked

        wait_for(still)

    def test_without_roots_the_signature_counts_and_the_log_says_so(self):
        self.authority.mode = "stranger"
        server = self.serve(trust=False)
        self.granted(server, 1)
        self.assertIs(self.recorded(server)[0][1]["trusted"], False)
        self.assertIn("whose it is is not checked", server.log_path.read_text())

    def test_of_two_authorities_one_that_is_down_is_in_nobodys_way(self):
        other = self.make("other.example")
        other.stop()
        server = self.serve(authorities=[self.authority, other], trust=False)
        self.granted(server, 1)
        state = self.failed(server, 2, which=1)
        self.assertNotIn("newest", state["authorities"][1])
        self.assertIn("error", state["authorities"][1])
        other.start(other.port)
        self.granted(server, 1, which=1)  # by itself: it is asked again
        self.assertNotIn("error", self.shown(server)["authorities"][1])
        self.assertEqual(server.log_path.read_text().count("no timestamp by"), 1)  # said once an hour

    def test_figures_say_how_old_and_until_when(self):
        server = self.serve()
        self.granted(server, 1)
        text = server.get("/metrics").text()
        self.assertIn("stele_timestamps_total 1\n", text)
        self.assertIn("stele_timestamps_late 0\n", text)
        line, = [row for row in text.splitlines() if row.startswith("stele_timestamp_expires_seconds ")]
        self.assertGreater(int(line.split()[1]), 799 * 86400)
        self.assertIs(server.get("/readyz").json()["timestamps_late"], False)

    def test_after_a_restart_a_time_ahead_of_the_machine_keeps_no_alert_off(self):
        clock = Clock()
        self.addCleanup(clock.remove)
        clock.step(-100 * 3600)
        server = self.serve("--timestamp-every", "10", env=clock.env)
        self.granted(server, 1)
        server.stop()
        self.authority.stop()
        server.start()
        wait_for(lambda: self.shown(server)["late"])  # three times as often

    def test_a_certificate_that_ends_soon_is_an_alert(self):
        soon = self.make("soon.example", days=20)
        server = self.serve(authorities=[soon], trust=False)
        self.granted(server, 1)
        self.assertIs(self.shown(server)["late"], True)
        self.assertIs(server.get("/readyz").json()["timestamps_late"], True)
        self.assertIn("stele_timestamps_late 1\n", server.get("/metrics").text())
        wait_for(lambda: "no timestamp has a certificate that holds for 30 days more" in server.log_path.read_text())


class Lies(Case):
    def test_none_of_them_is_recorded_and_the_truth_after_it_is(self):
        server = self.serve()
        self.granted(server, 1)
        for n, lie in enumerate(Authority.LIES, 1):
            with self.subTest(lie):
                self.authority.mode = lie
                self.now(server)
                state = self.failed(server, n)["authorities"][0]
                self.assertEqual(state["granted"], 1)
                self.assertIn(WHY[lie], state["error"])
        self.assertEqual(len(self.recorded(server)), 1)
        self.authority.mode = "honest"
        self.now(server)
        self.granted(server, 2)

    def test_one_that_hangs_delays_neither_records_nor_the_end(self):
        self.authority.mode = "hang"
        server = self.serve()
        wait_for(lambda: self.authority.asked)
        server.create_log("a")
        self.assertEqual(server.post("/api/v1/logs/a/records", b"{}").status, 201)
        begun = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - begun, 25)  # its time would be 30 s

    def test_a_restart_is_told_of_wrong_settings(self):
        for options, why in ((("--timestamp-url", "ftp://a/"), "http"), (("--timestamp-url", ","), "http"),
                             (("--timestamp-url", "http://a/,http://a/"), "twice"),
                             (("--timestamp-url", "http://a/", "--timestamp-ca", "/dev/null"), "PEM"),
                             (("--timestamp-ca", "/dev/null"), "--timestamp-url"),
                             (("--timestamp-url", "http://a/", "--timestamp-every", "1"), "timestamp-every")):
            with self.subTest(options):
                server = Server(options=options)
                self.addCleanup(server.remove)
                server.spawn()
                self.assertNotEqual(server.process.wait(60), 0)
                server.process.stdout.close()
                self.assertIn(why, server.log_path.read_text())


WHY = {"nonce": "nonce differs", "imprint": "imprint differs", "old": "not valid at that time",
       "mild": "not one for timestamps alone", "client": "not one for timestamps alone", "refused": "did not grant",
       "garbage": "no TimeStampResp", "huge": "", "status": "HTTP status 500", "stranger": "leads to none of the roots"}


class Without(unittest.TestCase):
    def test_a_server_that_asks_nobody_says_so(self):
        with Server() as server:
            self.assertEqual(server.get("/api/v1/timestamps").json(), {"late": False, "authorities": [], "timestamps": []})
            answer = server.post("/api/v1/timestamps", b"")
            self.assertEqual(answer.status, 404)
            self.assertEqual(problem(answer), (404, "not-found"))
            self.assertIn("--timestamp-url", answer.json()["detail"])


class Command(Case):
    def test_stele_lists_them_and_has_one_made(self):
        server = self.serve()
        self.granted(server, 1)
        run = stele("timestamp", "now", server=server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("clock.example", run.stdout)
        run = stele("timestamp", "list", server=server)
        self.assertEqual(len([row for row in run.stdout.splitlines() if ", record " in row]), 2, run.stdout)
        self.authority.mode = "garbage"
        run = stele("timestamp", "now", server=server)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("no TimeStampResp", run.stderr)
        self.assertEqual(len(json.loads(stele("timestamp", "list", "--json", server=server).stdout)["timestamps"]), 2)


if __name__ == "__main__":
    unittest.main()
