#!/usr/bin/env python3
"""Whatever happens to the machine's clock, no record goes before its time, though it is tried; and
what is due goes once the clocks are trusted. By people, who plan and approve, and by the timer."""
import json
import os
import re
import tempfile
import time
import unittest
from pathlib import Path

import clock_test
from clock_test import DAY, HOUR, YEARS
from http_case import problem
from lib import JSON, Server, stele
from retention_case import ns_of

WAIT_S = 60


class Case(clock_test.Case):
    """One record in a log for half an hour, one for a week, one for two years: 1 of each log."""

    options = ("--purge-every", "1")
    logs = {"soon": "30m", "week": "7d", "years": "2y"}

    def setUp(self):
        super().setUp()
        for log, period in self.logs.items():
            self.server.create_log(log, {"retain": {"default": period}})
            answer = self.server.post(f"/api/v1/logs/{log}/records", b"{}", JSON)
            self.assertEqual(answer.status, 201, answer.body)
            self.server.post(f"/api/v1/logs/{log}/seal", b"")

    def status(self, log):
        return self.server.get(f"/api/v1/logs/{log}/records/1").status

    def passes(self):
        text = self.server.get("/metrics").text()
        return int(re.search(r"^stele_purge_passes_total (\d+)$", text, re.M).group(1))

    def timer_passes(self):
        """The timer has looked at all logs, from begin to end."""
        before, deadline = self.passes(), time.monotonic() + WAIT_S
        while self.passes() < before + 2:
            self.assertLess(time.monotonic(), deadline, self.server.log())
            time.sleep(0.05)

    def try_to_purge(self, log):
        """What is planned for the log's record, and the answer to an approval of that."""
        path = f"/api/v1/logs/{log}/purge-plans"
        plan = self.server.post(path, b'{"range":[1,1]}', JSON)
        self.assertEqual(plan.status, 201, plan.body)
        plan = plan.json()
        answer = self.server.post(f"{path}/{plan['id']}/approve",
                                  json.dumps({"digest": plan["digest"]}), JSON)
        return plan, answer

    def assert_locked(self, *logs):
        """Their records do not go: people are refused, with the time, and the timer leaves them."""
        for log in logs:
            plan, answer = self.try_to_purge(log)
            self.assertEqual((plan["go"]["records"], plan["stay"]["retention"]), (0, 1), log)
            self.assertEqual(problem(answer), (403, "retention-active"), answer.body)
            why = self.server.get(f"/api/v1/logs/{log}/records/1/why").json()
            self.assertEqual((why["locked"], why["until"]), (True, answer.json()["until"]))
        self.timer_passes()
        self.assertEqual([self.status(log) for log in logs], [200] * len(logs))

    def assert_waits_for_the_clock(self, *logs):
        """Their records are due, and nobody is believed that they are."""
        for log in logs:
            plan, answer = self.try_to_purge(log)
            self.assertEqual(plan["go"]["records"], 1, log)
            self.assertEqual(problem(answer), (409, "clock-frozen"), answer.body)
        self.timer_passes()
        self.assertEqual([self.status(log) for log in logs], [200] * len(logs))

    def assert_goes(self, *logs):
        """By the timer, as people see it: 410."""
        deadline = time.monotonic() + WAIT_S
        while any(self.status(log) != 410 for log in logs):
            self.assertLess(time.monotonic(), deadline, self.server.log())
            self.assertEqual({self.status(log) for log in logs} - {200, 410}, set())
            time.sleep(0.05)


class Running(Case):
    def test_an_hour_forward(self):
        self.clock.step(HOUR)
        self.until_state("warn")
        self.assert_locked("soon", "week", "years")
        self.clock.forward(0.6)  # a warning stops nothing
        self.assert_goes("soon")
        self.assert_locked("week", "years")

    def test_an_hour_that_one_person_confirms(self):
        """Evidence time is ahead of the lock clock by then, and the purge entry says so."""
        self.clock.step(HOUR)
        self.until_state("warn")
        answer = self.server.post("/api/v1/clock/confirm", b"", JSON)
        self.assertEqual(answer.status, 200, answer.body)
        self.until(lambda now: ns_of(now["evidence"]) - ns_of(now["lock"]) > 50 * 60 * 10**9, "followed")
        self.assert_locked("soon")
        self.clock.forward(0.6)
        self.assert_goes("soon")
        index = self.server.get("/api/v1/logs/soon/records/1").json()["purge"]
        clock = self.server.get(f"/api/v1/logs/soon/records/{index}").json()["clock"]
        self.assertEqual(clock["state"], "warn")
        ahead = ns_of(clock["evidence"]) - ns_of(clock["lock"])
        self.assertAlmostEqual(ahead, HOUR * 10**9, delta=60 * 10**9)

    def test_ten_years_forward(self):
        self.clock.step(YEARS)
        self.until_state("frozen")
        self.assert_locked("soon", "week", "years")
        self.clock.forward(1)
        self.assert_waits_for_the_clock("soon")
        self.clock.step(-YEARS)
        self.until_state("ok")
        self.assert_goes("soon")
        self.assert_locked("week", "years")

    def test_ten_years_that_one_person_confirms(self):
        """Evidence time follows; the lock clock does not, and stays frozen."""
        self.clock.step(YEARS)
        self.until_state("frozen")
        answer = self.server.post("/api/v1/clock/confirm", b"", JSON)
        self.assertEqual(answer.status, 200, answer.body)
        self.until(lambda now: now["evidence"] > "2034", "followed")
        self.assert_locked("soon", "week", "years")

    def test_back(self):
        self.clock.step(-DAY)
        self.until_state("frozen")
        self.assert_locked("soon", "week", "years")
        self.clock.forward(1)
        self.assert_waits_for_the_clock("soon")
        self.clock.step(DAY)
        self.until_state("ok")
        self.assert_goes("soon")
        self.assert_locked("week", "years")


class Restarting(Case):
    def test_a_month_off(self):
        self.restart(lambda: self.clock.reboot(30 * DAY), kill=True)
        self.until_state("frozen")
        self.assert_locked("soon", "week", "years")  # evidence time has not followed
        run = stele("clock", "confirm", server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assert_waits_for_the_clock("soon")  # 72 hours were credited
        self.assert_locked("week", "years")
        self.credit({"until": "2100-01-01T00:00:00.000000000Z", "reason": "off for a month"})
        self.until_state("ok")
        self.assert_goes("soon", "week")
        self.assert_locked("years")

    def test_the_state_deleted(self):
        self.restart(lambda: ((self.server.data / "clock").unlink(), self.clock.step(YEARS)))
        self.until_state("frozen")
        self.assert_locked("soon", "week", "years")
        self.clock.forward(1)
        self.assert_waits_for_the_clock("soon")
        self.clock.step(-YEARS)
        self.restart()  # which does not help
        self.assert_waits_for_the_clock("soon")
        self.credit({"seconds": 0, "reason": "lost with the disk"})
        self.until_state("ok")
        self.assert_goes("soon")
        self.assert_locked("week", "years")

    def new_token(self, officer):
        """Those from before a restore open nothing."""
        answer = self.server.post("/api/v1/tokens", json.dumps({"principal": officer}), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["token"]

    def restored(self, folder, sealed, name):
        run = stele("restore", folder / "b", "--data", folder / name, *sealed,
                    env={**os.environ, **self.clock.env})
        self.assertEqual(run.returncode, 0, run.stderr)
        self.server = Server(folder / name, env=self.clock.env,
                             options=[*self.options, *map(str, sealed[2:])]).start()
        self.assertEqual(self.get()["cause"], "restore")
        self.assert_locked("soon", "week", "years")

    def test_a_restore(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-clock-")
        self.addCleanup(folder.cleanup)
        folder = Path(folder.name)
        sealed = ["--keyring", folder / "ring", "--passphrase-file", folder / "passphrase"]
        (folder / "passphrase").write_text("a passphrase for the copies\n")
        run = stele("backup", folder / "b", *sealed, server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        officers = [p["id"] for p in self.server.get("/api/v1/principals").json()["principals"]
                    if p["grants"] == [{"scopes": ["approve"], "logs": ["*"]}]]
        self.server.kill()
        self.addCleanup(self.server.remove)
        self.clock.step(YEARS)  # evidence time follows, the lock clock does not
        self.restored(folder, sealed, "late")
        self.server.kill()
        self.clock.step(-YEARS)
        self.restored(folder, sealed, "data")
        self.officers = [self.new_token(officer) for officer in officers]
        self.clock.forward(73)
        self.assert_waits_for_the_clock("soon")
        self.credit({"seconds": 0, "reason": "it is restored"})
        self.until_state("ok")
        self.assert_goes("soon")
        self.assert_locked("week", "years")


if __name__ == "__main__":
    unittest.main()
