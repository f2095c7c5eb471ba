#!/usr/bin/env python3
"""Events that locks wait for, why a record is locked, that all of it outlives the server, and the
commands."""
import json
import os
import unittest

from lib import JSON, stele
from retention_case import DAY_NS, POLICY, Case, instant, ns_of
from system_log import SystemLog

HOUR_NS = 3600 * 10**9


class Events(Case):
    def setUp(self):
        super().setUp()
        self.index = self.stored(Retain_Event="closed")["index"]

    def test_locked_until_it_comes_and_then_for_the_default_period(self):
        why = self.why(self.index)
        self.assertEqual((why["by"], why["event"]), ("event", {"name": "closed"}))
        self.assertNotIn("until", why)
        self.wait(24 * 400)
        self.assertEqual(self.why(self.index)["by"], "event")
        answer = self.event("closed")
        self.assertEqual(answer.status, 201, answer.body)
        said = answer.json()
        self.assertEqual(ns_of(said["until"]) - ns_of(said["at"]), DAY_NS)
        why = self.why(self.index)
        self.assertEqual((why["by"], why["rule"], why["until"]),
                         ("retention", "event", said["until"]))
        self.assertEqual(why["event"], {"name": "closed", "index": said["index"],
                                        "at": said["at"], "until": said["until"]})
        self.assertEqual(self.server.get(self.log + "/retention-events/closed").json(), said)
        entry = json.loads(self.server.get(f"{self.log}/records/{said['index']}").body)
        self.assertEqual(entry, {"type": "event", "event": "closed", "at": said["at"],
                                 "until": said["until"], "by": self.officers[0][0]})
        self.wait(25)
        self.assertFalse(self.why(self.index)["locked"])

    def test_only_ever_later_to_the_nanosecond(self):
        at = self.now_ns() + 5 * DAY_NS
        self.assertEqual(self.event("closed", instant(at)).status, 201)
        for ns in (at - 1, at):
            answer = self.event("closed", instant(ns))
            self.refused(answer, 422, "invalid-retention")
            self.assertEqual(answer.json()["until"], instant(at + DAY_NS))
        self.refused(self.event("closed"), 422, "invalid-retention")
        self.assertEqual(self.event("closed", instant(at + 1)).json()["entries"], 2)
        self.assertEqual(self.why(self.index)["until"], instant(at + 1 + DAY_NS))

    def test_what_comes_after_it_waits_for_the_next_one(self):
        self.event("closed")
        later = self.stored(Retain_Event="closed")["index"]
        other = self.stored(Retain_Event="other")["index"]
        self.assertEqual([self.why(i)["by"] for i in (self.index, later, other)],
                         ["retention", "event", "event"])
        self.assertEqual(self.why(later)["event"], {"name": "closed"})
        self.event("closed")
        self.assertEqual([self.why(i)["by"] for i in (self.index, later, other)],
                         ["retention", "retention", "event"])

    def test_an_extension_holds_beyond_the_event(self):
        end = self.now_ns() + 9 * DAY_NS
        self.extend([self.index], until=instant(end))
        self.assertEqual(self.why(self.index)["by"], "event")
        self.event("closed")
        why = self.why(self.index)
        self.assertEqual((why["until"], why["rule"]), (instant(end), "extension"))

    def test_a_late_report(self):
        now = self.now_ns()
        self.refused(self.event("closed", instant(now - 2 * DAY_NS)), 422, "invalid-retention")
        self.set_policy({**POLICY, "retain": {"default": "1y", "max": "10y"},
                         "dual_control": ["retain.shorten"]})
        asked = self.event("closed", instant(now - 8 * DAY_NS))
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.event("closed", instant(now - 6 * DAY_NS)).status, 201)
        self.refused(self.approve(self.other, asked.json()), 422, "invalid-retention")
        self.lock()
        self.wait(73)
        late = instant(self.now_ns() - 8 * DAY_NS)
        self.refused(self.event("other", late), 403, "compliance-mode")
        self.assertEqual(self.event("other").status, 201)

    def test_names_and_what_is_not_understood(self):
        path = self.log + "/retention-events/"
        self.refused(self.server.get(path + "nonesuch"), 404, "unknown-event")
        for name in ("a%20b", "x" * 64, "a%22b", "a%5Cb", "a%zz", "%C3%A4"):
            self.refused(self.server.get(path + name), 400, "invalid-parameter")
            self.refused(self.mine.post(path + name, b"{}", JSON), 400, "invalid-parameter")
        self.assertEqual(self.mine.post(path + "a%2Fb+c", b"").json()["event"], "a/b+c")
        self.assertEqual(self.server.get(path + "a%2fb%2Bc").status, 200)
        for body in ('{"at":"soon"}', '{"at":1}', '{"when":"now"}', "[]", '{"at":"2262-01-01"}',
                     '{"at":"2261-12-31T23:00:00Z"}'):
            self.refused(self.mine.post(path + "closed", body, JSON), 422, "invalid-retention")
        self.server.create_log("plain", {})
        self.refused(self.event("e", log="plain"), 422, "invalid-retention")

    def test_a_policy_that_came_later_shortens_nothing(self):
        """Neither one person alone, nor with a record that came under it."""
        self.set_policy({**POLICY, "retain": {"default": "7y", "max": "10y"}})
        waits = self.stored(Retain_Event="other")["index"]
        for weaker in ("1m", "2m"):
            answer = self.set_policy({**POLICY, "retain": {"default": weaker, "max": "10y"}})
            self.assertEqual(answer.status, 200, answer.body)
        self.restarted()
        said = self.event("other").json()
        self.assertGreater(ns_of(said["until"]) - ns_of(said["at"]), 7 * 365 * DAY_NS)
        self.assertEqual(self.why(waits)["until"], said["until"])

    def test_the_end_that_was_shown_is_the_one_that_counts(self):
        body = json.dumps({"acts": ["retain.event"]})
        self.assertEqual(self.mine.request("PUT", "/api/v1/dual-control", body, JSON).status, 200)
        asked = self.event("closed")
        self.refused(asked, 403, "dual-control-required")
        self.set_policy({**POLICY, "retain": {"default": "3d", "max": "10y"}})
        self.refused(self.approve(self.other, asked.json()), 409, "policy-conflict")
        asked = self.event("closed")
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        self.assertEqual(self.why(self.index)["by"], "retention")


class Why(Case):
    def test_each_state_and_what_would_lift_it(self):
        index = self.stored(Retain_For="2d")["index"]
        why = self.why(index)
        self.assertEqual({k: why[k] for k in ("log", "index", "kind", "locked", "by", "rule",
                                              "mode", "holds")},
                         {"log": "l", "index": index, "kind": "record", "locked": True,
                          "by": "retention", "rule": "entry", "mode": "governance", "holds": []})
        self.assertEqual(len(why["lifted_by"]), 2)
        self.wait(49)
        why = self.why(index)
        self.assertEqual((why["locked"], why["by"], why["lifted_by"]), (False, "nothing", []))
        why = self.why(0)
        self.assertEqual((why["locked"], why["by"], why["kind"]), (True, "kind", "policy"))
        for path, status, name in (("records/99/why", 404, "unknown-record"),
                                   ("records/x/why", 400, "invalid-parameter")):
            self.refused(self.server.get(f"{self.log}/{path}"), status, name)

    def test_in_compliance_nothing_but_time_lifts_it(self):
        index = self.stored(Retain_For="900d")["index"]
        self.lock()
        self.wait(73)
        self.assertEqual(len(self.why(index)["lifted_by"]), 1)
        self.assertIn("time", self.why(index)["lifted_by"][0])

    def test_a_hold_is_named_to_those_who_may_see_it(self):
        index = self.stored()["index"]
        self.server.create_log("m")
        body = {"matter": 'Case "7"', "name": "Smith", "logs": ["l", "m"], "reason": "r"}
        hold = self.server.post("/api/v1/holds", json.dumps(body), JSON).json()["id"]
        names = {"matter": 'Case "7"', "name": "Smith"}
        for grants, seen in (([("hold", "l")], True), ([("read", "l"), ("hold", "m")], True),
                             ([("read,retain,purge", "*")], False),
                             ([("read", "l"), ("hold", "n")], False)):
            _, client = self.made([{"scopes": s.split(","), "logs": [log]} for s, log in grants])
            why = client.get(f"{self.log}/records/{index}/why").json()
            self.assertEqual(client.get(f"/api/v1/holds/{hold}").status == 200, seen, grants)
            placed = why["holds"][0]["placed"]
            self.assertEqual(why["holds"],
                             [{"id": hold, "placed": placed, **(names if seen else {})}], grants)
        run = stele("why", "l", str(index), server=self.server)
        self.assertIn(f'{hold}, placed by entry {placed}: Case "7", Smith\n', run.stdout)

    def test_who_may_ask(self):
        index = self.stored()["index"]
        for scope, status in (("read", 200), ("hold", 200), ("retain", 200), ("purge", 200),
                              ("verify", 403), ("append", 403)):
            _, client = self.made([{"scopes": [scope], "logs": ["l"]}])
            self.assertEqual(client.get(f"{self.log}/records/{index}/why").status, status)


class Kept(Case):
    """What was said is said again by every next server."""

    def state(self):
        size = self.server.get(self.log).json()["size"]
        whys = [{k: v for k, v in self.why(i).items() if k != "now"} for i in range(size)]
        return whys, self.policy(), self.server.get(self.log + "/retention-events/closed").json()

    def build(self):
        end = self.now_ns() + 900 * DAY_NS
        first, last = self.until(end), self.until(end)
        self.stored(Retain_Event="closed")
        self.extend((first, last), until=instant(end + 5))
        self.shorten([last], until=instant(end - 5))
        self.event("closed")
        self.set_policy({**POLICY, "retain": {"default": "2d", "min": "1h", "max": "9y"}})
        self.stored()
        self.lock()

    def test_after_a_crash_a_stop_and_a_seal(self):
        self.build()
        state = self.state()
        self.restarted()
        self.assertEqual(self.state(), state)
        self.server.stop()
        self.server.start()
        self.assertEqual(self.state(), state)
        self.assertEqual(self.server.post(self.log + "/seal", b"").status, 200)
        self.assertEqual(self.state(), state)
        self.restarted()
        self.assertEqual(self.state(), state)

    def test_after_the_catalogue_was_made_anew(self):
        self.build()
        self.server.post(self.log + "/seal", b"")
        state = self.state()
        self.server.stop()
        (self.server.data / "catalog.mdb").unlink()
        self.server.start()
        self.assertEqual(self.state(), state)
        self.server.stop()
        run = stele("fsck", self.server.data, "--rebuild", env={**os.environ, **self.clock.env})
        self.assertEqual(run.returncode, 0, run.stderr)
        self.server.start()
        self.assertEqual(self.state(), state)

    def test_each_act_is_a_record_in_the_same_commit(self):
        self.build()
        log = SystemLog()
        log.read(self.server)
        (changed, locked) = (a for a in log.of_type("policy.change") if a["log"] == "l")
        self.assertEqual((changed["log"], changed["policy"]["retain"]["default"],
                          changed["was"]["retain"]["default"]), ("l", "2d", "1d"))
        self.assertEqual(locked["compliance_after"], "72h")
        (extended,) = log.of_type("retain.extend")
        self.assertEqual((extended["ranges"], extended["reason"], extended["by"]["principal"]),
                         ([[1, 2]], "a test", self.officers[0][0]))
        self.assertEqual(log.of_type("retain.shorten"), [])  # it is in its request
        asked = log.of_type("approval.request")[-1]
        self.assertEqual((asked["act"]["type"], asked["act"]["ranges"]),
                         ("retain.shorten", [[2, 2]]))
        (event,) = log.of_type("retain.event")
        self.assertEqual((event["log"], event["event"]), ("l", "closed"))
        policy = log.logs["l"]
        self.assertEqual({**self.policy(), "compliance_from": 0}, {**policy, "compliance_from": 0})


class Commands(Case):
    def run_as(self, client, *arguments, status=0, **more):
        run = stele("--token", client.token, *arguments, server=self.server, **more)
        self.assertEqual(run.returncode, status, run.stderr)
        return run

    def test_policies(self):
        run = self.run_as(self.mine, "log", "create", "c", "--retain", "6y", "--max", "30y",
                          "--event-based", "--quota-bytes", "1G", "--quota-records", "5",
                          "--dual-control", "policy.change,purge")
        self.assertIn("1 of 5 records (20.0 %)", run.stdout)
        self.assertEqual(self.policy("c"), {
            "mode": "governance", "retain": {"default": "6y", "max": "30y"}, "event_based": True,
            "dual_control": ["policy.change", "purge"],
            "quota": {"bytes": 1 << 30, "records": 5}, "public": False})
        self.run_as(self.mine, "policy", "set", "c", "--retain", "7y", "--public")
        self.assertEqual(self.policy("c")["retain"], {"default": "7y", "max": "30y"})
        self.assertTrue(self.policy("c")["public"])
        self.run_as(self.mine, "policy", "set", "c", "--private", "--quota-records", "none",
                    "--no-event-based")
        self.assertEqual(self.policy("c")["quota"], {"bytes": 1 << 30})
        self.assertNotIn("event_based", self.policy("c"))
        run = self.run_as(self.mine, "policy", "lock", "c")
        self.assertIn("begins at", run.stdout)
        self.assertIn("COMPLIANCE BEGINS", self.run_as(self.mine, "log", "show", "c").stdout)
        shown = json.loads(self.run_as(self.mine, "--json", "policy", "show", "c").stdout)
        self.assertGreater(shown["compliance"]["seconds"], 71 * 3600)
        run = self.run_as(self.mine, "policy", "unlock", "c", status=1)
        self.assertIn("dual-control-required", run.stderr)
        self.run_as(self.mine, "policy", "set", "l", "--min", "none", "--dual-control", "none")
        self.assertEqual(self.policy()["retain"], {"default": "1d", "max": "10y"})
        self.run_as(self.mine, "policy", "lock", "l")
        self.run_as(self.mine, "policy", "unlock", "l")
        self.assertNotIn("compliance_from", self.policy())
        self.run_as(self.mine, "policy", "set", "l", "--quota-bytes", "many", status=3)

    def test_locks_of_what_is_sent(self):
        run = self.run_as(self.mine, "append", "l", "--retain-for", "5d", "--receipts",
                          str(self.server.data) + ".r", input="{}")
        self.assertIn("stored", run.stdout)
        self.run_as(self.mine, "append", "l", "--ndjson", "--retain-until",
                    "2033-01-31T00:00:00Z", input="1\n2\n")
        self.run_as(self.mine, "append", "l", "--retain-event", "e", input="{}")
        large = self.server.data.parent / "large"
        large.write_bytes(b"x" * (2 << 20))
        self.run_as(self.mine, "put", "l", str(large), "--retain-for", "6d")
        self.run_as(self.mine, "put", "l", str(self.server.data) + ".r", "--retain-for", "6d")
        run = self.run_as(self.mine, "put", "l", str(large), "--retain-for", "11y", status=1)
        self.assertIn("retain.max", run.stderr)
        whys = [self.why(i) for i in range(1, 7)]
        self.assertEqual([w["by"] for w in whys], ["retention"] * 3 + ["event"] + ["retention"] * 2)
        self.assertEqual(whys[1]["until"], "2033-01-31T00:00:00.000000000Z")
        self.assertEqual(whys[2]["until"], whys[1]["until"])
        for index in (0, 4, 5):
            days = (ns_of(whys[index]["until"]) - self.now_ns()) / DAY_NS
            self.assertAlmostEqual(days, 6 if index else 5, delta=0.01)
        self.run_as(self.mine, "append", "l", "--retain-for", "1d", "--retain-event", "e",
                    input="{}", status=3)
        self.run_as(self.mine, "append", "l", "--retain-for", "1d\nX: y", input="{}", status=3)

    def test_longer_shorter_events_and_why(self):
        index = str(self.until(self.now_ns() + 9 * DAY_NS))
        run = self.run_as(self.mine, "why", "l", index)
        self.assertIn("LOCKED", run.stdout)
        run = self.run_as(self.mine, "retain", "extend", "l", "--range", f"{index}-{index}",
                          "--for", "20d", "--reason", "audit")
        self.assertIn("locked until", run.stdout)
        run = self.run_as(self.mine, "retain", "extend", "l", "--records", f"{index},{index}",
                          "--for", "2d", "--reason", "audit", status=1)
        self.assertIn("invalid-retention", run.stderr)
        run = self.run_as(self.mine, "retain", "shorten", "l", "--records", index, "--for", "2d",
                          "--reason", "by mistake", status=1)
        name = run.stderr.split("/api/v1/approvals/")[1][:12]
        shown = self.run_as(self.other, "--json", "approval", "show", name).stdout
        self.run_as(self.other, "approve", name, "--digest", json.loads(shown)["digest"])
        self.assertIn("shortened by entry", self.run_as(self.mine, "why", "l", index).stdout)
        self.run_as(self.mine, "append", "l", input='{"user":"alice"}')
        run = self.run_as(self.mine, "retain", "extend", "l", "--filter", 'user = "alice"',
                          "--for", "9d", "--reason", "audit")
        self.assertIn("1 records matched; of 1 it could not be told", run.stdout)
        waiting = str(self.stored(Retain_Event="e/1")["index"])
        self.assertIn("has not come", self.run_as(self.mine, "why", "l", waiting).stdout)
        self.run_as(self.mine, "retain", "event", "l", "e/1", status=1)
        run = self.run_as(self.mine, "retain", "event", "l", "e/1", "--at", "now")
        self.assertIn("came at", run.stdout)
        self.assertEqual(self.run_as(self.mine, "retain", "event", "l", "e/1").stdout, run.stdout)
        said = json.loads(self.run_as(self.mine, "--json", "why", "l", waiting).stdout)
        self.assertEqual(said["rule"], "event")
        for arguments in (["extend", "l", "--for", "1d", "--reason", "r"],
                          ["extend", "l", "--records", "1", "--filter", "a = 1", "--for", "1d",
                           "--reason", "r"],
                          ["extend", "l", "--records", "1", "--for", "1d"],
                          ["extend", "l", "--records", "x", "--for", "1d", "--reason", "r"],
                          ["extend", "l", "--range", "5", "--for", "1d", "--reason", "r"],
                          ["shorten", "l", "--records", "1", "--reason", "r"]):
            self.run_as(self.mine, "retain", *arguments, status=3)


if __name__ == "__main__":
    unittest.main()
