#!/usr/bin/env python3
"""Purge plans: what may go goes as it was shown, what is locked stays, and the log says what went."""
import json
import os
import re
import time
import unittest
from pathlib import Path

from hold_case import HOLDS
from lib import JSON, NDJSON, stele
from retention_case import DAY_NS, POLICY, Case, instant, ns_of
from system_log import SystemLog

PLANS = "/api/v1/logs/l/purge-plans"
PURGER = [{"scopes": ["purge", "approve", "read"], "logs": ["*"]}]
HOUR_NS = 3600 * 10**9


class Purges(Case):
    """A log whose records are locked for a day; the clock is the test's."""

    def fill(self, n, log="l"):
        """Records 1 to n behind what is there: their indexes."""
        lines = "".join(f'{{"i":{i}}}\n' for i in range(n))
        answer = self.server.post(f"/api/v1/logs/{log}/records", lines, NDJSON)
        self.assertEqual(answer.status, 201, answer.body)
        return range(answer.json()["first"], answer.json()["last"] + 1)

    def plan(self, log="l", client=None, **body):
        answer = (client or self.server).post(f"/api/v1/logs/{log}/purge-plans", json.dumps(body),
                                              JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def approve_plan(self, made, client=None):
        path = f"/api/v1/logs/{made['log']}/purge-plans/{made['id']}/approve"
        return (client or self.server).post(path, json.dumps({"digest": made["digest"]}), JSON)

    def purge(self, **body):
        answer = self.approve_plan(self.plan(**body))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertTrue(answer.json()["destroyed"])
        return answer.json()

    def hold(self, **members):
        body = {"matter": "m", "name": "n", "logs": ["l"], "reason": "r", **members}
        answer = self.server.post(HOLDS, json.dumps(body), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["id"]

    def status(self, index):
        return self.server.get(f"{self.log}/records/{index}").status

    def until_status(self, index, status, seconds=90):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.status(index) != status:
            self.server.post(self.log + "/seal", b"")
            time.sleep(0.2)
        self.assertEqual(self.status(index), status)

    def over(self):
        """The default lock of what is there is over."""
        self.wait(25)


class Plans(Purges):
    def test_what_is_over_goes_and_everything_else_stays(self):
        first = self.fill(300)
        early = self.plan()
        self.assertEqual((early["go"]["records"], early["stay"]["retention"]), (0, 300))
        answer = self.approve_plan(early)
        self.refused(answer, 403, "retention-active")
        self.assertEqual(answer.json()["until"], early["next"])
        self.over()
        later = self.fill(10)
        made = self.plan()
        self.assertEqual(made["go"]["ranges"], [[first[0], first[-1]]])
        self.assertEqual({k: v for k, v in made["stay"].items() if k != "bytes"},
                         {"retention": 10, "hold": 0, "event": 0, "unlocked": 0, "control": 1})
        self.assertTrue(made["complete"])
        proof = f"{self.log}/proof/inclusion?index=7&size=311"
        before = self.server.get(proof).json()["proof"]
        done = self.approve_plan(made)
        self.assertEqual(done.status, 200, done.body)
        self.assertEqual((done.json()["records"], done.json()["destroyed"]), (300, True))
        for i in (first[0], 150, first[-1]):
            answer = self.server.get(f"{self.log}/records/{i}")
            self.refused(answer, 410, "purged")
            self.assertEqual(answer.json()["purge"], done.json()["entry"])
        self.assertEqual(self.server.get(f"{self.log}/records/{later[0]}").body, b'{"i":0}')
        self.assertEqual(self.server.get(proof).json()["proof"], before)
        self.assertEqual((self.plan()["gone"], self.plan()["go"]["records"]), (300, 0))

    def test_one_nanosecond_decides(self):
        """Before its end a record stays; at its end it goes. The clock stands between two looks."""
        until = self.now_ns() + 2 * HOUR_NS
        early, late = self.until(until), self.until(until + 3600 * 10**9)
        self.wait(2.01)
        self.assertEqual(self.plan()["go"]["ranges"], [[early, early]])
        self.assertEqual(self.plan()["next"], instant(until + HOUR_NS))
        self.wait(1)
        self.assertEqual(self.plan()["go"]["ranges"], [[early, late]])

    def test_a_plan_is_what_was_shown(self):
        self.fill(5)
        self.over()
        made = self.plan()
        other = dict(made, digest="0" * 64)
        self.refused(self.approve_plan(other), 409, "plan-conflict")
        self.purge()
        self.refused(self.approve_plan(made), 409, "plan-conflict")  # again: it is gone
        self.server.kill()
        self.server.start()
        self.refused(self.approve_plan(made), 404, "unknown-plan")

    def test_what_never_had_a_retention_goes_only_when_that_is_asked_for(self):
        self.server.create_log("free", {})
        self.fill(5, log="free")
        self.assertEqual(self.plan(log="free")["stay"]["unlocked"], 5)
        self.assertEqual(self.plan(log="free", unlocked=True)["go"]["ranges"], [[1, 5]])

    def test_the_act_is_recorded_with_the_entry(self):
        self.fill(5)
        self.over()
        done = self.purge()
        log = SystemLog()
        log.read(self.server)
        (act,) = log.of_type("purge")
        self.assertEqual((act["log"], act["ranges"], act["records"]), ("l", [[1, 5]], 5))
        answer = self.server.get(f"{self.log}/records/{done['entry']}")
        entry = answer.json()
        self.assertEqual((entry["type"], entry["ranges"], entry["count"]), ("purge", [[1, 5]], 5))
        self.assertEqual(entry["by"], act["by"]["principal"])
        self.assertEqual(list(entry), ["type", "ranges", "count", "root", "policy", "allowed_by",
                                       "clock", "plan", "by"])
        self.assertEqual((entry["policy"], entry["allowed_by"], entry["plan"]),
                         (0, 0, act["plan"]))

    def test_the_entry_says_what_allowed_it(self):
        asker, client = self.made(PURGER)
        self.fill(5)
        dual = {**POLICY, "dual_control": ["purge"]}
        self.assertEqual(self.set_policy(dual).status, 200)
        hold = self.hold(range=[2, 2])
        done = self.server.post(f"{HOLDS}/{hold}/release", b'{"reason":"r"}', JSON)
        self.assertEqual(done.status, 200, done.body)
        self.over()
        before = self.now_ns()
        made = self.plan(client=client)
        asked = self.approve_plan(made, client=client)
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        # 6 the policy, 7 the hold, 8 its release, 9 this
        entry = self.server.get(f"{self.log}/records/9").json()
        self.assertEqual((entry["type"], entry["policy"], entry["allowed_by"], entry["plan"]),
                         ("purge", 6, 8, made["id"]))
        self.assertEqual((entry["by"], entry["approved_by"]),
                         (asker, self.officers[1][0]))
        clock = entry["clock"]
        self.assertEqual((list(clock), clock["state"]), (["state", "evidence", "lock"], "ok"))
        for name in ("evidence", "lock"):
            self.assertTrue(0 <= ns_of(clock[name]) - before < 60 * 10**9, (clock, before))

    def test_the_command_line(self):
        self.fill(5)
        self.over()
        made = stele("--json", "purge", "plan", "l", server=self.server)
        self.assertEqual(made.returncode, 0, made.stderr)
        plan = json.loads(made.stdout)
        shown = stele("purge", "plan", "l", "--range", "1-3", server=self.server)
        self.assertIn("goes      3 records", shown.stdout)
        done = stele("purge", "approve", "l", plan["id"], server=self.server)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("5 records", done.stdout)
        again = stele("purge", "run", "l", server=self.server)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(stele("purge", "plan", "l", "--range", "9", server=self.server).returncode,
                         3)
        self.assertEqual(stele("purge", "approve", "l", "g-none", server=self.server).returncode, 1)


class Locked(Purges):
    """worm.md section 5, and S3 Object Lock's cases of deletion by their names."""

    def test_a_hold_racing_a_purge(self):
        self.fill(5)
        self.over()
        made = self.plan()
        hold = self.hold(range=[3, 3])
        answer = self.approve_plan(made)
        self.refused(answer, 403, "legal-hold-active")
        self.assertEqual(answer.json()["holds"], [hold])
        self.assertEqual([self.status(i) for i in range(1, 6)], [200] * 5)

    def test_where_some_of_many_are_locked_the_answer_lists_each(self):
        self.fill(6)
        self.over()
        made = self.plan()
        until = instant(self.now_ns() + 5 * DAY_NS)
        self.extend([2, 6], until=until)
        one, two = self.hold(range=[3, 4]), self.hold(range=[4, 6])
        answer = self.approve_plan(made)
        self.refused(answer, 403, "legal-hold-active")
        self.assertEqual(answer.json()["refused"], 5)
        rows = {row.pop("index"): row for row in answer.json()["records"]}
        self.assertEqual({i: (r["why"], r.get("holds")) for i, r in rows.items()},
                         {2: ("retention", None), 3: ("hold", [one]),
                          4: ("hold", sorted([one, two])), 5: ("hold", [two]),
                          6: ("hold", [two])})
        self.assertEqual([rows[i]["until"] for i in (2, 6)], [until, until])
        self.assertEqual([self.status(i) for i in range(1, 7)], [200] * 6)
        run = stele("purge", "approve", "l", made["id"], server=self.server)
        self.assertEqual(run.returncode, 1)
        self.assertEqual([line.removeprefix("stele:   ") for line in run.stderr.splitlines()[1:]],
                         [f"record 2: retention, until {until}",
                          f"record 3: hold, until {rows[3]['until']}, held by {one}",
                          f"record 4: hold, until {rows[4]['until']}, held by "
                          + " ".join(sorted([one, two])),
                          f"record 5: hold, until {rows[5]['until']}, held by {two}",
                          f"record 6: hold, until {until}, held by {two}"])

    def test_the_list_of_what_is_locked_has_an_end(self):
        self.fill(150)
        self.over()
        made = self.plan()
        self.extend((1, 150), until=instant(self.now_ns() + DAY_NS))
        answer = self.approve_plan(made)
        self.refused(answer, 403, "retention-active")
        self.assertEqual(answer.json()["refused"], 150)
        self.assertEqual([r["index"] for r in answer.json()["records"]], list(range(1, 101)))
        run = stele("purge", "approve", "l", made["id"], server=self.server)
        self.assertEqual(run.stderr.splitlines()[-1], "stele:   and 50 more")

    def test_an_extension_racing_a_purge(self):
        self.fill(5)
        self.over()
        made = self.plan()
        until = instant(self.now_ns() + 5 * DAY_NS)
        self.extend([2], until=until)
        answer = self.approve_plan(made)
        self.refused(answer, 403, "retention-active")
        self.assertEqual(answer.json()["until"], until)
        self.assertEqual(self.plan()["go"]["ranges"], [[1, 1], [3, 5]])

    def test_two_holds_and_one_released(self):
        self.fill(5)
        self.over()
        one, two = self.hold(range=[2, 2]), self.hold()
        self.assertEqual(self.plan()["stay"]["hold"], 5)
        for hold, ranges in ((two, [[1, 1], [3, 5]]), (one, [[1, 5]])):
            answer = self.server.post(f"{HOLDS}/{hold}/release", '{"reason":"r"}', JSON)
            self.assertEqual(answer.status, 200)
            self.assertEqual(self.plan()["go"]["ranges"], ranges)

    def test_a_record_that_waits_for_its_event(self):
        index = self.stored(Retain_Event="closed")["index"]
        self.wait(24 * 400)
        self.assertEqual(self.plan()["stay"]["event"], 1)
        self.assertEqual(self.event("closed").status, 201)
        self.assertEqual(self.plan()["stay"]["retention"], 1)
        self.over()
        self.assertEqual(self.plan()["go"]["ranges"], [[index, index]])

    def test_object_lock_delete_object_with_retention(self):
        """S3 403 AccessDenied; here it is in no plan, and the plan says when it will be. One that
        is approved all the same is 403, too."""
        end = self.now_ns() + 30 * DAY_NS
        index = self.until(end)
        made = self.plan(range=[index, index])
        self.assertEqual((made["go"]["records"], made["stay"]["retention"]), (0, 1))
        answer = self.approve_plan(made)
        self.refused(answer, 403, "retention-active")
        self.assertEqual(answer.json()["until"], instant(end))
        self.assertEqual(self.status(index), 200)

    def test_object_lock_delete_object_with_retention_and_marker(self):
        """S3 puts a marker before it; here nothing hides a record: DELETE is no method."""
        index = self.until(self.now_ns() + 30 * DAY_NS)
        answer = self.server.request("DELETE", f"{self.log}/records/{index}")
        self.refused(answer, 405, "method-not-allowed")

    def test_object_lock_multi_delete_object_with_retention(self):
        """S3 deletes those that it may and lists the others; here a plan says both beforehand."""
        self.fill(3)
        self.over()
        self.until(self.now_ns() + 30 * DAY_NS)
        made = self.plan()
        self.assertEqual((made["go"]["records"], made["stay"]["retention"]), (3, 1))
        self.assertEqual(self.approve_plan(made).json()["records"], 3)
        self.assertEqual([self.status(i) for i in range(1, 5)], [410, 410, 410, 200])

    def test_object_lock_delete_object_with_legal_hold_on(self):
        """S3 403; here it is in no plan."""
        self.fill(1)
        self.over()
        hold = self.hold(records=[[1, 1]])
        made = self.plan()
        self.assertEqual((made["go"]["records"], made["stay"]["hold"]), (0, 1))
        self.refused(self.approve_plan(made), 403, "legal-hold-active")
        self.server.post(f"{HOLDS}/{hold}/release", '{"reason":"r"}', JSON)
        self.assertEqual(self.purge()["records"], 1)

    def test_object_lock_delete_object_with_legal_hold_off(self):
        self.fill(1)
        self.over()
        self.assertEqual(self.purge()["records"], 1)

    def test_object_lock_delete_in_compliance(self):
        """Before the end nobody, afterwards as in governance."""
        self.server.create_log("c", {"mode": "compliance", "retain": {"default": "1d", "max": "9y"},
                                     "quota": {"records": 99}})
        self.fill(2, log="c")
        self.assertEqual(self.plan(log="c")["go"]["records"], 0)
        self.over()
        made = self.plan(log="c")
        self.assertEqual(self.approve_plan(made).json()["records"], 2)

    def test_control_entries_stay(self):
        self.fill(1)
        self.over()
        self.hold(range=[99, 99])
        made = self.plan(unlocked=True)
        self.assertEqual((made["go"]["ranges"], made["stay"]["control"]), ([[1, 1]], 2))

    def test_nothing_goes_while_the_clocks_are_frozen(self):
        self.fill(2)
        self.over()
        made = self.plan()
        self.clock.step(-36000)
        deadline = time.monotonic() + 90
        while self.server.get("/api/v1/clock").json()["state"] != "frozen":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.refused(self.approve_plan(made), 409, "clock-frozen")
        self.clock.step(36000)


class Second(Purges):
    def setUp(self):
        super().setUp()
        self.purgers = [self.made(PURGER)[1] for _ in range(2)]
        self.wait(73)

    def test_a_log_that_asks_for_a_second_principal(self):
        self.assertEqual(self.set_policy({"retain": {"default": "1d"}, "dual_control": ["purge"]},
                                         ).status, 200)
        all_five = self.fill(5)
        self.over()
        made = self.plan(client=self.purgers[0])
        asked = self.approve_plan(made, self.purgers[0])
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.status(all_five[0]), 200)
        self.assertEqual(self.approve(self.purgers[0], asked.json()).status, 403)  # the same one
        hold = self.hold(records=[[all_five[2], all_five[2]]])
        answer = self.approve(self.purgers[1], asked.json())
        self.refused(answer, 403, "legal-hold-active")
        self.server.post(f"{HOLDS}/{hold}/release", '{"reason":"r"}', JSON)
        self.assertEqual(self.approve(self.purgers[1], asked.json()).status, 200)
        self.assertEqual([self.status(i) for i in all_five], [410] * 5)

    def test_scopes(self):
        self.fill(1)
        for scopes, status in ((["read"], 403), (["purge"], 201)):
            token = self.made([{"scopes": scopes, "logs": ["l"]}])[1]
            self.assertEqual(token.post(PLANS, "{}", JSON).status, status)


class Acts(Purges):
    """`_system` is the state of who may do what: no way to purge leads to it."""

    OFFICER = [{"scopes": ["purge", "read", "verify"], "logs": ["*", "_*"]}]

    def seen(self):
        """The status of each record of `_system`."""
        size = self.server.get("/api/v1/logs/_system").json()["size"]
        return {self.server.get(f"/api/v1/logs/_system/records/{i}").status
                for i in range(1, size)}

    def test_no_plan_is_made_of_it(self):
        client = self.made(self.OFFICER)[1]
        self.wait(200 * 24)
        for body in ({}, {"unlocked": True}, {"range": [1, 2], "unlocked": True}):
            answer = client.post("/api/v1/logs/_system/purge-plans", json.dumps(body), JSON)
            self.refused(answer, 403, "reserved-log")
        self.assertEqual(self.why(2, "_system")["by"], "kind")
        self.assertEqual(self.why(2, "_system")["lifted_by"], [])
        answer = client.post("/api/v1/logs/_access/purge-plans", "{}", JSON)
        self.assertEqual(answer.status, 201, answer.body)

    def test_the_timer_leaves_it_and_its_backup_can_be_started(self):
        self.server.kill()
        self.server.command += ["--purge-every", "1"]
        self.server.start()
        first, = self.fill(1)
        for log in ("_system", "_access"):
            self.server.post(f"/api/v1/logs/{log}/seal", b"")
        self.over()
        self.until_status(first, 410)
        passes = self.passes()
        self.server.post("/api/v1/logs/_system/seal", b"")
        while self.passes() < passes + 2:
            time.sleep(0.1)
        self.assertEqual(self.seen(), {200})
        own = Path(self.server.own)
        (own / "pw").write_text("a passphrase for it\n")
        ring = ["--keyring", own / "ring", "--passphrase-file", own / "pw"]
        run = stele("backup", own / "b", *ring, server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.server.stop()
        run = stele("restore", own / "b", "--data", own / "again", *ring,
                    env={**os.environ, **self.clock.env})
        self.assertEqual(run.returncode, 0, run.stderr)
        os.unlink(self.server.data / "keys/access")  # all of _system is read again
        self.server.start()
        self.assertEqual(self.seen(), {200})
        self.server.stop()
        self.server.command[self.server.command.index("--data") + 1] = str(own / "again")
        self.server.command += ["--passphrase-file", str(own / "pw")]
        self.server.start()

    def passes(self):
        metrics = self.server.get("/metrics").body.decode()
        return int(re.search(r"^stele_purge_passes_total (\d+)$", metrics, re.M)[1])


class FullDisk(Purges):
    def test_the_reserve_is_for_holds_purges_and_acts(self):
        """Below --min-free, and above half of it."""
        self.fill(3)
        self.over()
        self.server.kill()
        disk = os.statvfs(self.server.data)
        free = disk.f_bavail * disk.f_frsize
        self.server.command += ["--min-free", str(free * 3 // 2)]
        self.server.start()
        self.refused(self.server.post(self.log + "/records", b"{}", JSON), 507,
                     "low-space")
        hold = self.hold(records=[[2, 2]])
        made = self.plan()
        self.assertEqual(made["go"]["ranges"], [[1, 1], [3, 3]])
        self.assertEqual(self.approve_plan(made).status, 200)
        self.assertEqual(self.server.post(f"{HOLDS}/{hold}/release", '{"reason":"r"}', JSON).status,
                         200)
        self.made(PURGER)
        self.assertEqual([self.status(i) for i in (1, 2, 3)], [410, 200, 410])

    def test_below_the_reserve_only_reads_go_on(self):
        self.fill(3)
        self.over()
        self.server.kill()
        self.server.command += ["--min-free", "1000T"]
        self.server.start()
        self.refused(self.server.post(PLANS, "{}", JSON), 507, "low-space")
        body = json.dumps({"matter": "m", "name": "n", "logs": ["l"], "reason": "r"})
        self.refused(self.server.post(HOLDS, body, JSON), 507, "low-space")
        self.assertEqual(self.status(1), 200)


class Job(Purges):
    """steled --purge-every."""

    def test_what_is_over_goes_by_itself(self):
        self.server.kill()
        self.server.command += ["--purge-every", "1"]
        self.server.start()
        self.server.create_log("two", {"retain": {"default": "1d"}, "dual_control": ["purge"]})
        self.server.create_log("free", {})
        for log in ("l", "two", "free"):
            self.fill(3, log=log)
        self.over()
        self.until_status(1, 410)
        self.assertEqual(self.server.get("/api/v1/logs/two/records/1").status, 200)
        self.assertEqual(self.server.get("/api/v1/logs/free/records/1").status, 200)
        metrics = self.server.get("/metrics").body.decode()
        # who read what may be over, too
        self.assertGreaterEqual(
            int(re.search(r"^stele_purge_pass_records_total (\d+)$", metrics, re.M)[1]), 3)


if __name__ == "__main__":
    unittest.main()
