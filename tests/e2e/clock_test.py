#!/usr/bin/env python3
"""The store's two clocks, in a steled whose machine's clocks are set, lost, and boot again."""
import json
import os
import re
import shutil
import tempfile
import time
import unittest
from datetime import datetime, timezone
from pathlib import Path

import pki
from http_case import problem
from lib import JSON, Client, Clock, Server, stele
from system_log import SystemLog
from tsa import Authority, wait_for

HOUR, DAY = 3600, 86400
YEARS = 3650 * DAY
WAIT_S = 20
SLOT, APART = 512, 4096


def seconds(instant):
    """An instant as whole and fractional seconds since 1970."""
    whole, fraction = instant.rstrip("Z").split(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return moment.timestamp() + int(fraction) / 1e9


class Case(unittest.TestCase):
    """A steled with one log and three officers who have been there for long."""

    options = ()

    def setUp(self):
        self.clock = Clock()
        self.before()
        self.server = Server(env=self.clock.env, options=self.options).start()
        self.addCleanup(self.end)
        self.server.create_log("a", {"retain": {"default": "7d"}})
        self.server.create_log("b")
        self.server.post("/api/v1/logs/b/records", b"{}", JSON)  # and no other
        self.officers = [self.officer() for _ in range(2)]
        self.clock.forward(73)
        self.times, self.locks = [], []
        self.look()

    def before(self):
        """What is to be there at the first start."""

    def end(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        self.clock.remove()

    def officer(self):
        body = {"kind": "person", "grants": [{"scopes": ["approve"], "logs": ["*"]}], "token": {}}
        answer = self.server.post("/api/v1/principals", json.dumps(body), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["token"]

    def get(self):
        answer = self.server.get("/api/v1/clock")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def look(self):
        """Appends, and sees that nothing goes back: the clocks as they are then."""
        answer = self.server.post("/api/v1/logs/a/records", b"{}", JSON)
        self.assertEqual(answer.status, 201, answer.body)
        self.times.append(json.loads(answer.json()["entry"])["time"])
        self.assertEqual(self.times, sorted(self.times))
        now = self.get()
        self.assertGreaterEqual(now["evidence"], self.times[-1])
        self.locks.append(now["lock"])
        self.assertEqual(self.locks, sorted(self.locks))
        return now

    def until(self, condition, what):
        """What the clocks say once that holds of it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            now = self.get()
            if condition(now):
                return now
            time.sleep(0.05)
        self.fail(f"not {what}: {now}\n{self.server.log()}")

    def until_state(self, state):
        return self.until(lambda now: now["state"] == state, state)

    def moved(self, before, after, name):
        return seconds(after[name]) - seconds(before[name])

    def assert_stands(self, before, after, passed=0):
        """Both clocks moved by what passed, and by no step."""
        for name in ("evidence", "lock"):
            self.assertLess(abs(self.moved(before, after, name) - passed), WAIT_S + 10, name)

    def assert_locks_begin_and_end(self, earlier, later):
        """A period counts from the later clock, and whether it is over the earlier one says."""
        now = self.get()
        self.assertGreater(self.moved({"x": now[earlier]}, {"x": now[later]}, "x"), HOUR)
        answer = self.server.post("/api/v1/logs/b/extensions", json.dumps(
            {"records": [1], "for": "1h", "reason": "both clocks"}), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        why = self.server.get("/api/v1/logs/b/records/1/why").json()
        self.assertTrue(why["locked"])
        self.assertAlmostEqual(seconds(why["now"]), seconds(now[earlier]), delta=WAIT_S)
        self.assertAlmostEqual(seconds(why["until"]), seconds(now[later]) + HOUR, delta=WAIT_S)

    def records(self, kind, n=1):
        """Those of that type, in _system: n of them, once they are there; or, with 0, none."""
        deadline = time.monotonic() + (WAIT_S if n else 0)
        while True:
            log = SystemLog()
            log.read(self.server)
            found = log.of_type(kind)
            if len(found) >= n or time.monotonic() >= deadline:
                self.assertEqual(len(found), n, found)
                return found
            time.sleep(0.1)

    def metric(self, name):
        text = self.server.get("/metrics").body.decode()
        return float(re.search(rf"^stele_{name} (\S+)$", text, re.M).group(1))

    def restart(self, between=None, kill=False):
        if kill:
            self.server.kill()
        else:
            self.assertEqual(self.server.stop(), 0)
        if between:
            between()
        self.server.start()

    def credit(self, body, approve=True):
        """Asks for credit, and has it approved."""
        asked = self.server.post("/api/v1/clock/credit", json.dumps(body), JSON)
        self.assertEqual(problem(asked), (403, "dual-control-required"), asked.body)
        path = f"/api/v1/approvals/{asked.json()['approval']}"
        if not approve:
            return path
        with_token = Client(self.server.port, self.officers[0])
        self.addCleanup(with_token.close)
        digest = with_token.get(path).json()["digest"]
        answer = with_token.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual((answer.status, answer.json().get("state")), (200, "granted"), answer.body)
        return path


class Running(Case):
    def test_all_is_well_at_a_first_start(self):
        now = self.get()
        self.assertEqual(now["state"], "ok")
        self.assertNotIn("cause", now)
        self.assertNotIn("step", now)
        self.assertLess(abs(seconds(now["evidence"]) - seconds(now["wall"])), 1)
        self.assertEqual(now["credit"], {"each_seconds": 72 * HOUR, "year_seconds": 14 * DAY,
                                         "left_seconds": 14 * DAY, "since_start_seconds": 0})
        self.assertEqual(self.metric("clock_state"), 0)
        self.assertEqual(self.records("clock.state", 0), [])

    def test_an_hour_forward_warns_and_moves_nothing_until_it_is_confirmed(self):
        before = self.look()
        self.clock.step(HOUR)
        now = self.until_state("warn")
        self.assert_stands(before, self.look())
        self.assertEqual(now["cause"], "step")
        self.assertIn(now["step"]["seconds"], (HOUR, HOUR - 1))
        self.assertIn(now["step"]["wait_seconds"], (HOUR, HOUR - 1))
        self.assertEqual(self.metric("clock_state"), 1)
        self.assertEqual(self.metric("clock_step_pending"), 1)
        self.assertAlmostEqual(self.metric("clock_disagreement_seconds"), HOUR, delta=1)
        (seen,) = self.records("clock.step")
        self.assertEqual(seen["what"], "seen")
        (state,) = self.records("clock.state")
        self.assertEqual((state["state"], state["was"], state["cause"]), ("warn", "ok", "step"))
        wrong = self.server.post("/api/v1/clock/confirm", b'{"step_seconds":7200}', JSON)
        self.assertEqual(problem(wrong), (409, "no-clock-step"))
        run = stele("clock", "confirm", "--reason", "the hypervisor slept", server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("warn (disagreement)", run.stdout)
        after = self.look()
        self.assertAlmostEqual(self.moved(now, after, "evidence"), HOUR, delta=WAIT_S)
        self.assertLess(self.moved(now, after, "lock"), WAIT_S)
        (confirmed,) = self.records("clock.confirm")
        self.assertEqual(confirmed["reason"], "the hypervisor slept")
        self.assertIn("principal", confirmed["by"])
        self.assertEqual([r["what"] for r in self.records("clock.step", 2)], ["seen", "followed"])

    def test_a_step_that_stands_is_followed_by_itself(self):
        self.clock.step(30 * 60)
        self.until_state("warn")
        self.clock.forward(0.4)
        before = self.get()
        self.assertIn("step", before)
        self.assert_stands(before, self.look())
        self.clock.forward(0.2)
        after = self.until(lambda now: "step" not in now, "followed")
        self.assertAlmostEqual(seconds(after["evidence"]), seconds(after["wall"]), delta=1)
        self.assertAlmostEqual(seconds(after["wall"]) - seconds(after["lock"]), 1800, delta=1)
        self.look()
        self.assertEqual([(r["what"], r.get("cause")) for r in self.records("clock.step", 2)],
                         [("seen", None), ("followed", "persistence")])

    def test_ten_years_forward_freeze_and_stop_no_append_and_no_read(self):
        before = self.look()
        self.clock.step(YEARS)
        self.until_state("frozen")
        now = self.look()
        self.assert_stands(before, now)
        self.assertEqual(self.server.get("/readyz?for=append").status, 200)
        self.assertEqual(self.server.get("/api/v1/logs/a/records/1").status, 200)
        entry = json.loads(self.server.get("/api/v1/logs/a/records/1", {
            "Accept": "application/json"}).json()["entry"])
        self.assertLess(seconds(entry["retain_until"]), seconds(now["lock"]) + 8 * DAY)
        self.assertEqual(self.metric("clock_state"), 2)
        self.assertIn("clocks: frozen", self.server.log())
        self.clock.step(-YEARS)
        self.assertEqual(self.until_state("ok")["disagreement_seconds"], 0)
        self.assert_stands(before, self.look())
        states = self.records("clock.state", 2)
        self.assertEqual([r["state"] for r in states], ["frozen", "ok"])
        self.assertEqual([r["what"] for r in self.records("clock.step", 2)], ["seen", "gone"])

    def test_back_freezes_and_confirmed_evidence_time_slows_down(self):
        before = self.look()
        self.clock.step(-DAY)
        self.until_state("frozen")
        self.assert_stands(before, self.look())
        answer = self.server.post("/api/v1/clock/confirm", b"", JSON)
        self.assertEqual(answer.status, 200, answer.body)
        before = self.look()
        self.clock.forward(10)
        after = self.look()
        self.assertAlmostEqual(self.moved(before, after, "evidence"), 5 * HOUR, delta=WAIT_S)
        self.assertAlmostEqual(self.moved(before, after, "lock"), 10 * HOUR, delta=WAIT_S)
        self.assert_locks_begin_and_end(earlier="evidence", later="lock")
        # a lock begins at the later of both
        answer = self.server.post("/api/v1/logs/a/records", b"{}", JSON).json()
        entry = json.loads(answer["entry"])
        self.assertAlmostEqual(seconds(entry["retain_until"]), seconds(after["lock"]) + 7 * DAY,
                               delta=WAIT_S)

    def test_a_new_approver_does_not_get_old_by_a_step(self):
        body = {"kind": "person", "grants": [{"scopes": ["approve"], "logs": ["*"]}], "token": {}}
        made = self.server.post("/api/v1/principals", json.dumps(body), JSON).json()
        path = self.credit({"seconds": 0, "reason": "try"}, approve=False)
        self.clock.step(100 * HOUR)
        self.until_state("frozen")
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        digest = client.get(path).json()["digest"]
        answer = client.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(problem(answer), (403, "not-yours-to-approve"))

    def test_what_is_not_understood_is_refused(self):
        for what, body in (("confirm", b'{"step_seconds":"1"}'), ("confirm", b'{"step_seconds":0}'),
                           ("confirm", b'{"step":1}'), ("confirm", b'{"reason":""}'),
                           ("confirm", b'{"step_seconds":9223372036854775807}'),
                           ("confirm", b"[]"), ("credit", b"{}"), ("credit", b""),
                           ("credit", b'{"seconds":1}'), ("credit", b'{"reason":"r"}'),
                           ("credit", b'{"seconds":-1,"reason":"r"}'),
                           ("credit", b'{"seconds":9223372036,"reason":"r"}'),
                           ("credit", b'{"until":"soon","reason":"r"}'),
                           ("credit", b'{"until":"2026-01-01T00:00:00.000000000Z","seconds":1,'
                                      b'"reason":"r"}'),
                           ("credit", json.dumps({"seconds": 1, "reason": "r" * 501}).encode())):
            answer = self.server.post(f"/api/v1/clock/{what}", body, JSON)
            self.assertEqual(problem(answer), (422, "invalid-clock-request"), body)
        answer = self.server.post("/api/v1/clock/confirm", b"{}", JSON)
        self.assertEqual(problem(answer), (409, "no-clock-step"))
        self.assertEqual(self.records("clock.confirm", 0), [])
        reader = self.server.post("/api/v1/tokens", json.dumps({
            "kind": "service", "scopes": ["read", "approve"], "logs": ["*"]}), JSON).json()
        client = Client(self.server.port, reader["token"])
        self.addCleanup(client.close)
        for method, path in (("GET", ""), ("POST", "/confirm"), ("POST", "/credit")):
            answer = client.request(method, "/api/v1/clock" + path, b"", JSON)
            self.assertEqual(problem(answer), (403, "insufficient-scope"))


class Restarting(Case):
    def test_the_same_boot_loses_nothing_and_believes_no_step(self):
        before = self.look()
        self.restart(lambda: (self.clock.forward(5), self.clock.step(YEARS)))
        self.until_state("frozen")
        self.assert_stands(before, self.look(), passed=5 * HOUR)
        self.assertEqual(self.records("clock.credit", 0), [])
        self.restart(lambda: self.clock.step(-YEARS))
        self.assertEqual(self.get()["state"], "ok")
        self.assert_stands(before, self.look(), passed=5 * HOUR)

    def test_kills_leave_the_clocks_as_they_are(self):
        before = self.look()
        for _ in range(3):
            self.restart(kill=True)
            self.assertEqual(self.look()["state"], "ok")
        self.assert_stands(before, self.look())

    def test_another_boot_is_credited(self):
        before = self.look()
        self.restart(lambda: self.clock.reboot(2 * HOUR))
        now = self.look()
        self.assertEqual(now["state"], "ok")
        self.assert_stands(before, now, passed=2 * HOUR)
        (credit,) = self.records("clock.credit")
        self.assertEqual(credit["cause"], "start")
        self.assertIn(credit["credit_seconds"], range(2 * HOUR, 2 * HOUR + WAIT_S))
        self.assertIn(now["credit"]["left_seconds"], range(14 * DAY - 2 * HOUR - WAIT_S, 14 * DAY))
        self.assertAlmostEqual(self.metric("clock_credit_seconds_total"), 2 * HOUR, delta=WAIT_S)

    def test_after_a_month_off_two_agree(self):
        before = self.look()
        self.restart(lambda: self.clock.reboot(30 * DAY), kill=True)
        now = self.until_state("frozen")
        self.assertAlmostEqual(self.moved(before, self.look(), "lock"), 72 * HOUR, delta=WAIT_S)
        self.assertLess(self.moved(before, now, "evidence"), WAIT_S)
        self.assertAlmostEqual(now["step"]["seconds"], 30 * DAY, delta=WAIT_S)
        run = stele("clock", "confirm", server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertAlmostEqual(self.moved(before, self.look(), "evidence"), 30 * DAY, delta=WAIT_S)
        self.assertEqual(self.get()["state"], "frozen")
        self.assert_locks_begin_and_end(earlier="lock", later="evidence")
        self.credit({"until": "2100-01-01T00:00:00.000000000Z", "reason": "off for a month"})
        now = self.until_state("ok")
        self.assertLess(abs(seconds(now["lock"]) - seconds(now["wall"])), 1)
        self.look()
        credits = self.records("clock.credit", 2)
        self.assertEqual([c["cause"] for c in credits], ["start", "approval"])
        self.restart(kill=True)
        self.assertEqual(self.look()["state"], "ok")

    def test_a_boot_whose_time_went_back_is_frozen(self):
        self.restart(lambda: (self.clock.forward(-60), self.clock.step(60 * HOUR)))
        now = self.look()
        self.assertEqual((now["state"], now["cause"]), ("frozen", "boot-back"))

    def test_without_its_state_it_is_frozen_until_two_agree(self):
        before = self.look()
        self.restart(lambda: ((self.server.data / "clock").unlink(), self.clock.step(YEARS)))
        now = self.look()
        self.assertEqual((now["state"], now["cause"]), ("frozen", "missing-state"))
        self.assert_stands(before, now)
        self.clock.step(-YEARS)
        self.restart()  # which does not help
        self.assertEqual(self.get()["cause"], "missing-state")
        # one alone, even with the scope approve, cannot
        path = self.credit({"seconds": 0, "reason": "lost with the disk"}, approve=False)
        digest = self.server.get(path).json()["digest"]
        answer = self.server.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(problem(answer), (403, "not-yours-to-approve"))
        self.assertEqual(self.get()["state"], "frozen")
        run = stele("clock", "credit", "--seconds", "0", "--reason", "r", server=self.server)
        self.assertEqual(run.returncode, 1)
        self.assertIn("second principal", run.stderr)
        self.credit({"seconds": 0, "reason": "lost with the disk"})
        self.assertEqual(self.until_state("ok")["state"], "ok")
        shown = stele("clock", "show", server=self.server)
        self.assertIn("state     ok", shown.stdout)
        self.restart(kill=True)
        self.assertEqual(self.look()["state"], "ok")

    def test_a_damaged_state_is_never_believed(self):
        path = self.server.data / "clock"
        for at in (0, 24, 72, 88, 92, 479, 511):
            self.assertEqual(self.server.stop(), 0)
            right = bytearray(path.read_bytes())
            for slot in (at, APART + at):
                right[slot] ^= 0x10
            path.write_bytes(right)
            self.server.start()
            now = self.look()
            self.assertEqual((now["state"], now["cause"]), ("frozen", "damaged-state"), at)
            self.credit({"seconds": 0, "reason": "put right"})

    def test_an_old_copy_of_the_state_gives_no_credit_twice(self):
        self.assertEqual(self.server.stop(), 0)
        old = (self.server.data / "clock").read_bytes()
        self.clock.reboot(DAY)
        self.server.start()
        self.assertEqual(self.look()["state"], "ok")
        self.restart(lambda: ((self.server.data / "clock").write_bytes(old),
                              self.clock.reboot(60)))
        now = self.look()
        self.assertEqual((now["state"], now["cause"]), ("frozen", "stale-state"))


class Restored(Case):
    def test_a_restored_store_is_frozen_until_two_agree(self):
        with tempfile.TemporaryDirectory(prefix="stele-clock-") as name:
            folder = Path(name)
            sealed = ["--keyring", folder / "ring", "--passphrase-file", folder / "passphrase"]
            (folder / "passphrase").write_text("a passphrase for the copies\n")
            run = stele("backup", folder / "b", *sealed, server=self.server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.server.kill()
            run = stele("restore", folder / "b", "--data", folder / "data", *sealed,
                        env={**os.environ, **self.clock.env})
            self.assertEqual(run.returncode, 0, run.stderr)
            restored = Server(folder / "data", env=self.clock.env,
                              options=["--passphrase-file", str(folder / "passphrase")]).start()
            self.addCleanup(restored.kill)
            self.server, before = restored, self.server
            self.addCleanup(before.remove)
            now = self.get()
            self.assertEqual((now["state"], now["cause"]), ("frozen", "restore"))
            self.assertEqual(self.records("clock.state")[0]["cause"], "restore")
            restored.stop()


class NoCredit(Case):
    options = ("--clock-credit", "0", "--clock-freeze", "100000")

    def test_credit_can_be_turned_off(self):
        before = self.look()
        self.restart(lambda: self.clock.reboot(HOUR))
        now = self.until_state("warn")
        self.assertLess(self.moved(before, now, "lock"), WAIT_S)
        self.assertAlmostEqual(self.moved(before, now, "evidence"), HOUR, delta=WAIT_S)


class Asking(Case):
    """An authority says what time it is; the machine is behind, as one that was off."""

    behind = 100 * HOUR

    def before(self):
        pki.needed()
        self.folder = Path(tempfile.mkdtemp(prefix="stele-clock-"))
        self.addCleanup(lambda: shutil.rmtree(self.folder))
        self.authority = Authority(self.folder, "clock.example")
        self.clock.step(-self.behind)

    def known(self, roots=True):
        """The authority answers from now on, and its roots are known: the first timestamp."""
        self.authority.start()
        self.addCleanup(self.authority.stop)
        self.server.command += ["--timestamp-url", self.authority.url]
        self.server.command += ["--timestamp-ca", str(self.authority.roots)] if roots else []
        self.restart()
        return self.timestamps(1)[0]

    def timestamps(self, n):
        """All of them, the newest first, once there are so many."""
        return wait_for(lambda: len(found := self.server.get("/api/v1/timestamps").json()["timestamps"]) >= n and found)


class Evidence(Asking):
    def refused(self, body, status):
        answer = self.server.post("/api/v1/clock/credit", json.dumps(body), JSON)
        self.assertEqual(problem(answer), status, answer.body)
        return answer

    def test_credit_goes_no_further_than_an_authority_says_that_it_is(self):
        said = self.known()
        self.server.command += ["--clock-credit", "0", "--clock-freeze", "1000000"]
        self.restart(lambda: self.clock.reboot(20 * HOUR))
        before = self.look()
        beyond = {"until": "2100-01-01T00:00:00.000000000Z", "reason": "off for a day"}
        told = self.refused(beyond, (409, "no-timestamp")).json()["detail"]
        self.assertIn(said["time"][:13], told)
        self.credit({"until": said["time"], "reason": "off for a day"})
        now = self.until(lambda now: self.moved(before, now, "lock") > 19 * HOUR, "credited")
        self.assertLess(now["lock"], said["time"])
        (asked,) = self.records("approval.request")
        self.assertEqual((asked["act"]["timestamp"], asked["act"]["timestamp_time"]), (said["index"], said["time"]))

    def test_an_authority_that_never_answered_is_no_evidence_and_moving_nothing_needs_none(self):
        self.server.command += ["--timestamp-url", "http://127.0.0.1:9/", "--timestamp-ca", str(self.authority.roots)]
        self.restart()
        self.assertIn("None of the authorities", self.refused({"seconds": 60, "reason": "r"}, (409, "no-timestamp")).json()["detail"])
        self.refused({"seconds": 0, "reason": "r"}, (403, "dual-control-required"))

    def test_whose_roots_nobody_knew_does_not_count(self):
        self.known(roots=False)
        beyond = {"until": "2100-01-01T00:00:00.000000000Z", "reason": "r"}
        self.refused(beyond, (403, "dual-control-required"))  # as without authorities
        self.server.command += ["--timestamp-ca", str(self.authority.roots)]
        self.restart()
        said = self.server.get("/api/v1/timestamps").json()["timestamps"][0]
        self.assertFalse(said["trusted"])
        told = self.refused({"seconds": 1, "reason": "r"}, (409, "no-timestamp")).json()["detail"]
        self.assertIn("None of the authorities", told)

    def test_what_was_asked_before_is_looked_at_when_it_is_approved(self):
        path = self.credit({"until": "2100-01-01T00:00:00.000000000Z", "reason": "r"}, approve=False)
        self.known()
        with_token = Client(self.server.port, self.officers[0])
        self.addCleanup(with_token.close)
        digest = with_token.get(path).json()["digest"]
        answer = with_token.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(problem(answer), (409, "no-timestamp"), answer.body)


if __name__ == "__main__":
    unittest.main()
