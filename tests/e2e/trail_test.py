#!/usr/bin/env python3
"""`_system` and `_access` are kept at least as long as what they tell of."""
import json
import time
import unittest

from lib import JSON
from retention_case import COMPLIANCE, DAY_NS, Case, instant, ns_of
from system_log import SystemLog

YEAR_NS = 365 * DAY_NS
PLAIN = {"mode": "governance", "retain": {"default": "1d"}}
OWN = ("_system", "_access")


class Trail(Case):
    """The case's log has a default of a day and records that may wait for events."""

    def policy_of(self, log):
        return self.server.get("/api/v1/logs/" + log).json()["policy"]

    def period(self):
        """The default of both, which is one."""
        periods = {self.policy_of(log)["retain"]["default"] for log in OWN}
        self.assertEqual(len(periods), 1, periods)
        return periods.pop()

    def size(self, log="_access"):
        return self.server.get("/api/v1/logs/" + log).json()["size"]

    def keeps(self):
        """The acts that made the trail's locks longer."""
        log = SystemLog()
        log.read(self.server)
        return log.of_type("trail.keep")

    def read(self, index, log="l"):
        """Reads a payload: the index of the record of `_access` that says so."""
        before = self.size()
        self.assertEqual(self.server.get(f"/api/v1/logs/{log}/records/{index}").status, 200)
        deadline = time.monotonic() + 60
        while self.size() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        found = [i for i in range(before, self.size()) if self.tells(i, log)]
        self.assertEqual(len(found), 1)
        return found[0]

    def tells(self, index, log):
        """Whether the record of `_access` is of that log: this look at it becomes one, too."""
        path = f"/api/v1/logs/_access/records/{index}"
        if self.why(index, "_access")["kind"] != "record":
            return False
        return self.server.get(path).json()["log"] == log

    def ends(self, index, log="_access"):
        """When a record's lock ends."""
        return ns_of(self.why(index, log)["until"])

    def now(self):
        return ns_of(self.why(0)["now"])

    def act(self):
        self.server.post("/api/v1/principals", '{"kind":"job","grants":[]}', JSON)


class Periods(Trail):
    def test_what_was_there_before_the_first_long_lock_is_locked_as_long(self):
        index = self.stored()["index"]
        old = self.read(index)
        self.assertEqual(self.period(), "1d")
        self.server.create_log("strict", {"retain": {"default": "7y"}})
        self.assertEqual(self.period(), "7y")
        first = self.stored(log="strict")["index"]
        self.assertGreaterEqual(self.ends(old), self.ends(first, "strict"))
        self.assertGreaterEqual(self.ends(self.read(first, "strict")), self.ends(first, "strict"))
        self.assertEqual(self.why(1, "_system")["by"], "kind")

    def test_a_period_with_leap_days_is_no_shorter_for_one_without(self):
        self.server.create_log("days", {"retain": {"default": "365d"}})
        self.assertEqual(self.period(), "365d")
        self.server.create_log("year", {"retain": {"default": "1y"}})
        self.assertEqual(self.period(), "1y")
        self.server.create_log("days7", {"retain": {"min": "2557d"}})  # seven, two of them leap
        self.server.create_log("years7", {"retain": {"default": "7y"}})
        self.assertEqual(self.period(), "8y")

    def test_nothing_is_done_again_and_a_start_does_nothing(self):
        self.server.create_log("strict", {"retain": {"default": "7y"}})
        self.extend([self.stored()["index"]], **{"for": "3y"})
        before = self.keeps()
        self.server.create_log("same", {"retain": {"default": "7y"}})
        for _ in range(3):
            self.act()
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
        self.server.kill()
        self.server.start()
        self.assertEqual(self.keeps(), before)

    def test_an_approved_policy_counts_too(self):
        self.server.create_log("g", {"retain": {"default": "1d", "max": "10y"},
                                     "dual_control": ["policy.change"]})
        body = json.dumps({"retain": {"default": "5y", "max": "9y"}})
        asked = self.mine.request("PUT", "/api/v1/logs/g/policy", body, JSON)
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.period(), "1d")
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        self.assertEqual(self.period(), "5y")


class Longer(Trail):
    """Locks that are longer than any policy's default."""

    def setUp(self):
        super().setUp()
        self.server.create_log("free", PLAIN)

    def test_a_lock_in_a_header_is_the_trails_before_it_is_answered(self):
        old = self.read(self.stored(log="free")["index"], "free")
        entry = self.stored(log="free", Retain_For="30y")
        self.server.kill()  # whatever was to come later does not
        self.server.start()
        self.assertEqual(self.period(), "30y")
        self.assertGreaterEqual(self.ends(old), self.now() + 30 * YEAR_NS)
        until = ns_of(entry["retain_until"])
        self.assertGreaterEqual(self.ends(self.read(entry["index"], "free")), until)

    def test_an_end_is_reached_and_not_just_missed(self):
        year = self.now() + YEAR_NS + 5 * DAY_NS  # beyond a year, with a leap day or without
        index = self.until(year, "free")
        self.assertEqual(self.period(), "2y")
        self.assertGreaterEqual(self.ends(self.read(index, "free")), year)
        self.until(self.now() + YEAR_NS + 6 * DAY_NS, "free")
        self.assertEqual(self.period(), "2y")

    def test_many_ends_are_few_changes(self):
        before = len(self.keeps())
        for day in range(1, 80, 2):
            self.until(self.now() + day * DAY_NS + DAY_NS // 2, "free")
        self.assertEqual(self.period(), "3mo")
        self.assertLessEqual(len(self.keeps()) - before, 3)

    def test_what_is_refused_changes_nothing(self):
        self.append(log="l", status=422, Retain_For="30y")  # its policy has a longest period
        self.append(self.made([{"scopes": ["append"], "logs": ["*"]}])[1], log="free", status=403,
                    Retain_For="30y")
        self.assertEqual(self.period(), "1d")

    def test_an_extension_reaches_the_reads_that_came_before_it(self):
        index = self.stored()["index"]
        old = self.read(index)
        until = self.now() + 9 * YEAR_NS
        self.extend([index], until=instant(until))
        self.assertGreaterEqual(self.ends(old), until)
        later = self.read(index)
        self.assertGreaterEqual(self.ends(later), until)
        self.wait(48)
        # within what the trail's default gives now, and beyond what it gave then
        until = self.ends(later) + 1
        self.assertGreater(self.now() + 9 * YEAR_NS + 4 * DAY_NS, until)
        self.extend([index], until=instant(until))
        self.assertGreaterEqual(self.ends(old), until)
        self.assertGreaterEqual(self.ends(later), until)

    def test_reads_of_what_waits_for_its_event_stay_until_it_has_come(self):
        index = self.stored(Retain_Event="closed")["index"]
        old = self.read(index)
        for _ in range(5):
            self.wait(20)
            self.act()
            self.assertGreater(self.ends(old), self.now() + DAY_NS // 2 - 1)
        self.assertEqual(self.event("closed").status, 201)
        self.assertGreaterEqual(self.ends(old), self.ends(index, "l"))

    def test_the_server_itself_looks_once_a_minute(self):
        old = self.read(self.stored(Retain_Event="closed")["index"])
        self.wait(20)
        deadline = time.monotonic() + 75
        while self.ends(old) <= self.now() + DAY_NS // 2 and time.monotonic() < deadline:
            time.sleep(0.5)
        self.assertGreater(self.ends(old), self.now() + DAY_NS // 2)


class Compliance(Trail):
    def mode(self):
        modes = {self.policy_of(log)["mode"] for log in OWN}
        self.assertEqual(len(modes), 1)
        return modes.pop()

    def begins(self):
        return {self.policy_of(log).get("compliance_from") for log in OWN}

    def assert_nobody_shortens(self, index):
        officer = self.made([{"scopes": ["retain", "read"], "logs": ["_*"]}])[1]
        answer = self.ask_longer([index], officer, "_access", shorten=True, **{"for": "1h"})
        self.refused(answer, 403, "compliance-mode")

    def test_a_log_in_compliance_makes_the_trail_so_at_once(self):
        old = self.read(self.stored()["index"])
        self.assertEqual(self.mode(), "governance")
        self.server.create_log("c", COMPLIANCE)
        self.assertEqual(self.mode(), "compliance")
        self.assert_nobody_shortens(old)
        self.assert_nobody_shortens(self.read(self.stored(log="c")["index"], "c"))
        self.server.create_log("longer", {"retain": {"default": "7y"}})  # it goes on growing
        self.assertEqual((self.mode(), self.period()), ("compliance", "7y"))
        for own in OWN:
            answer = self.server.request("PUT", f"/api/v1/logs/{own}/policy", "{}", JSON)
            self.refused(answer, 403, "reserved-log")

    def test_it_begins_with_the_first_log_and_is_called_off_with_it(self):
        old = self.read(self.stored()["index"])
        self.server.create_log("m", self.policy_of("l"))
        for log in ("l", "m"):
            answer = self.mine.post(f"/api/v1/logs/{log}/policy/lock", b"")
            self.assertEqual(answer.status, 200, answer.body)
            self.wait(1)
        first, second = (self.policy_of(log)["compliance_from"] for log in ("l", "m"))
        self.assertLess(first, second)
        self.assertEqual(self.begins(), {first})
        self.mine.request("DELETE", "/api/v1/logs/l/policy/lock")
        self.assertEqual(self.begins(), {second})
        self.mine.request("DELETE", "/api/v1/logs/m/policy/lock")
        self.assertEqual(self.begins(), {None})
        self.assertNotIn("quota", self.policy_of("_access"))
        self.mine.post("/api/v1/logs/l/policy/lock", b"")
        self.assertEqual(self.mode(), "governance")
        self.wait(73)
        self.assertEqual(self.mode(), "compliance")  # with no act in between
        self.assert_nobody_shortens(old)
        self.act()
        self.assertEqual(self.mode(), "compliance")


if __name__ == "__main__":
    unittest.main()
