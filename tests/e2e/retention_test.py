#!/usr/bin/env python3
"""Policies, locks at append, longer and shorter locks, events, and why: the cases of worm.md."""
import json
import time
import unittest

from http_case import problem
from lib import JSON, NDJSON, Server, stele
from retention_case import (COMPLIANCE, DAY_NS, OFFICER, POLICY, Case, instant, ns_of)
from system_log import SystemLog

YEAR = 366 * DAY_NS


class Append(Case):
    def test_the_wish_is_in_the_entry(self):
        t = self.now_ns() + 9 * DAY_NS
        entry = self.stored(Retain_Until=instant(t))
        self.assertEqual((entry["retain_until"], entry["mode"]), (instant(t), "governance"))
        entry = self.stored(Retain_Until="2033-01-31T00:00:00Z")
        self.assertEqual(entry["retain_until"], "2033-01-31T00:00:00.000000000Z")
        entry = self.stored(Retain_For="P3DT1S")
        self.assert_lasts(entry, 3 * DAY_NS + 10**9)
        entry = self.stored(Retain_Event="case-17-closed")
        self.assertEqual((entry["event"], entry["mode"]), ("case-17-closed", "governance"))
        self.assertNotIn("retain_until", entry)
        entry = self.stored()
        self.assert_lasts(entry, DAY_NS)

    def test_every_form_of_append_takes_it(self):
        lock = {"Stele-Retain-For": "5d"}
        event = json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t"})
        forms = [(b"1\n2\n3", NDJSON), (event, {"Content-Type": "application/cloudevents+json"}),
                 ("[" + event.replace('"1"', '"2"') + "]",
                  {"Content-Type": "application/cloudevents-batch+json"}),
                 (b"{}", {**JSON, "ce-specversion": "1.0", "ce-id": "3", "ce-source": "s",
                          "ce-type": "t"}),
                 (b"x" * (3 << 20), {}), (b"y" * (3 << 20), {"Upload-Complete": "?1"})]
        for body, headers in forms:
            headers = {"Content-Type": "application/octet-stream", **headers, **lock}
            first = self.server.get(self.log).json()["size"]
            answer = self.server.post(self.log + "/records", body, headers)
            self.assertEqual(answer.status, 201, answer.body)
            for index in range(first, self.server.get(self.log).json()["size"]):
                record = self.server.get(f"{self.log}/records/{index}",
                                         {"Accept": "application/json"}).json()
                entry = json.loads(record["entry"])
                self.assert_lasts(entry, 5 * DAY_NS)

    def test_an_upload_has_the_lock_of_the_request_that_began_it(self):
        begin = {"Upload-Complete": "?0", "Stele-Retain-For": "5d"}
        made = self.server.post(self.log + "/records", b"ab", begin).json()
        path = f"{self.log}/uploads/{made['upload']}"
        part = {"Content-Type": "application/partial-upload", "Upload-Offset": "2",
                "Upload-Complete": "?1"}
        answer = self.server.request("PATCH", path, b"c", {**part, "Stele-Retain-For": "1d"})
        self.refused(answer, 400, "invalid-header")
        answer = self.server.request("PATCH", path, b"c", part)
        entry = json.loads(answer.json()["entry"])
        self.assert_lasts(entry, 5 * DAY_NS)
        answer = self.server.post(self.log + "/records", b"ab",
                                  {"Upload-Complete": "?0", "Stele-Retain-For": "11y"})
        self.refused(answer, 422, "invalid-retention")

    def test_what_the_policy_does_not_offer_is_refused_with_its_sentence(self):
        size = self.server.get(self.log).json()["size"]
        for headers, word in (({"Retain_Until": "2020-01-01T00:00:00Z"}, "over already"),
                              ({"Retain_For": "59m"}, "retain.min"),
                              ({"Retain_For": "11y"}, "retain.max"),
                              ({"Retain_For": "0s"}, "over already")):
            answer = self.append(status=422, **headers)
            self.refused(answer, 422, "invalid-retention")
            self.assertIn(word, answer.json()["detail"])
            self.assertEqual(answer.json()["policy"]["retain"], POLICY["retain"])
        self.server.create_log("none", {"mode": "none"})
        self.refused(self.append(log="none", status=422, Retain_For="1d"), 422, "invalid-retention")
        self.server.create_log("plain", {})
        self.refused(self.append(log="plain", status=422, Retain_Event="e"), 422,
                     "invalid-retention")
        self.assertEqual(self.server.get(self.log).json()["size"], size)

    def test_durations_that_overflow_and_other_nonsense_are_no_short_lock(self):
        self.server.create_log("free", {})
        for value in ("300y", "99999999999999999999y", "18446744073709551615s", "9999999999mo",
                      "-1d", "1.5y", "1 d", "1", "d", "P", "", "P1D1Y", "7Y"):
            self.refused(self.append(log="free", status=422, Retain_For=value), 422,
                         "invalid-retention")
        for value in ("2262-01-01T00:00:00Z", "2033-02-29T00:00:00Z", "2033-01-31", "2033",
                      "2033-01-31T00:00:00", "2033-01-31T00:00:00+00:00", "tomorrow",
                      "2033-01-31T24:00:00Z", "2033-01-31T00:00:00.Z"):
            self.refused(self.append(log="free", status=422, Retain_Until=value), 422,
                         "invalid-retention")
        for value in ("", "a b", "x" * 64, 'a"b', "a\\b"):
            self.refused(self.append(log="free", status=422, Retain_Event=value), 422,
                         "invalid-retention")
        self.refused(self.append(status=422, Retain_For="1d", Retain_Event="e"), 422,
                     "invalid-retention")
        self.refused(self.append(status=422, Retain_Whatever="1d"), 422, "retention-unsupported")

    def test_leap_days_never_land_earlier(self):
        hours = (ns_of("2028-02-29T12:00:00.000000000Z") - self.now_ns()) // (3600 * 10**9)
        self.server.create_log("leap", {})
        self.wait(hours)
        for period, end in (("1y", "2029-03-01"), ("4y", "2032-02-29"), ("1mo", "2028-03-29")):
            entry = self.stored(log="leap", Retain_For=period)
            self.assertEqual(entry["time"][:10], "2028-02-29")
            ahead = ns_of(entry["retain_until"]) - ns_of(end + entry["time"][10:])
            self.assertTrue(0 <= ahead < 10**9, entry)
        self.assertEqual(self.stored(log="leap", Retain_For="12mo")["retain_until"][:10],
                         "2029-03-01")

    def test_an_append_token_sending_retention_headers(self):
        _, client = self.made([{"scopes": ["append"], "logs": ["*"]}])
        for name, value in (("Retain_For", "2d"), ("Retain_Event", "e"),
                            ("Retain_Until", "2033-01-31T00:00:00Z")):
            answer = self.append(client, status=403, **{name: value})
            self.refused(answer, 403, "insufficient-scope")
            self.assertIn("retain", answer.json()["detail"])
        large = b"x" * (2 << 20)
        self.refused(self.append(client, large, status=403, Retain_For="2d"), 403,
                     "insufficient-scope")
        self.append(client)
        _, elsewhere = self.made([{"scopes": ["append"], "logs": ["*"]},
                                  {"scopes": ["retain"], "logs": ["other"]}])
        self.append(elsewhere, status=403, Retain_For="2d")
        _, both = self.made([{"scopes": ["append", "retain"], "logs": ["l"]}])
        self.append(both, Retain_For="2d")

    def test_a_retry_gets_its_record_and_no_shorter_lock_than_it_asks_for(self):
        soon = instant(self.now_ns() + 2 * 3600 * 10**9)
        path, key = self.log + "/records", {"Idempotency-Key": "k"}
        first = self.server.post(path, b"x", {**key, "Stele-Retain-Until": soon}).json()
        later = self.server.post(path, b"x", {**key, "Stele-Retain-Until": soon})
        self.assertEqual((later.status, later.json()["index"]), (201, first["index"]))
        self.assertEqual(self.server.post(path, b"x", key).json()["index"], first["index"])
        for lock in ({"Stele-Retain-For": "3h"}, {"Stele-Retain-Event": "e"},
                     {"Stele-Retain-Until": "2033-01-31T00:00:00Z"}):
            answer = self.server.post(path, b"x", {**key, **lock})
            self.refused(answer, 422, "idempotency-conflict")
            self.assertEqual(answer.json()["index"], first["index"])
        self.wait(3)  # its end is in the past: the record is there all the same
        later = self.server.post(path, b"x", {**key, "Stele-Retain-Until": soon})
        self.assertEqual((later.status, later.json()["index"]), (201, first["index"]))
        period = {"Idempotency-Key": "p", "Stele-Retain-For": "2h"}
        one = self.server.post(path, b"y", period).json()["index"]
        self.wait(5)  # a period counts from when it was stored
        self.assertEqual(self.server.post(path, b"y", period).json()["index"], one)

    def test_a_quota_refuses_what_is_beyond_it(self):
        self.server.create_log("q", {"quota": {"records": 4}})
        for _ in range(3):  # its policy is an entry, too
            self.append(log="q")
        answer = self.append(log="q", status=403)
        self.refused(answer, 403, "quota-exceeded")
        self.assertEqual(answer.json()["quota"], {"records": 4})
        self.assertEqual(answer.json()["used"]["records"], 4)
        self.assertEqual(self.server.get("/api/v1/logs/q").json()["used"]["records"], 4)
        self.assertEqual(self.set_policy({"quota": {"bytes": 1000}}, log="q").status, 200)
        used = self.server.get("/api/v1/logs/q").json()["used"]["bytes"]
        self.append(body=b"x" * (1000 - used), log="q")
        self.refused(self.append(log="q", status=403), 403, "quota-exceeded")
        self.refused(self.append(body=b"x" * (2 << 20), log="q", status=403), 403,
                     "quota-exceeded")
        self.append(body=b"", log="q")

    def test_a_forged_control_entry_posted_by_a_client(self):
        index = self.until(self.now_ns() + YEAR)
        before = self.why(index)
        forged = [{"kind": "extend", "type": "extend", "ranges": [[0, index]],
                   "until": "2000-01-01T00:00:00.000000000Z", "shorten": True},
                  {"kind": "policy", "policy": {"mode": "none"}},
                  {"type": "event", "event": "e", "at": instant(0), "until": instant(1)},
                  {"type": "purge", "ranges": [[0, index]]}]
        for body in forged:
            for kind in ("application/json", "application/x-ndjson",
                         "application/vnd.stele.control+json"):
                answer = self.server.post(self.log + "/records", json.dumps(body),
                                          {"Content-Type": kind})
                self.assertEqual(answer.status, 201)
        size = self.server.get(self.log).json()["size"]
        for at in range(index + 1, size):
            record = self.server.get(f"{self.log}/records/{at}", {"Accept": "application/json"})
            entry = json.loads(record.json()["entry"])
            self.assertEqual((entry["kind"], entry["ctl"]), ("record", 0))
        for _ in range(2):
            after = self.why(index)
            self.assertEqual({**after, "now": 0}, {**before, "now": 0})
            self.assertEqual(self.policy()["mode"], "governance")
            self.restarted()


class Extending(Case):
    def test_only_ever_later_to_the_nanosecond(self):
        t = self.now_ns() + 9 * DAY_NS
        index = self.until(t)
        for ns in (t - 1, t):
            answer = self.ask_longer([index], until=instant(ns))
            self.refused(answer, 422, "invalid-retention")
            self.assertEqual(answer.json()["records"],
                             [{"index": index, "why": "not-later", "until": instant(t)}])
        done = self.extend([index], until=instant(t + 1))
        why = self.why(index)
        self.assertEqual((why["until"], why["rule"], why["extension"], why["retain_until"]),
                         (instant(t + 1), "extension", done["index"], instant(t)))
        entry = json.loads(self.server.get(f"{self.log}/records/{done['index']}").body)
        self.assertEqual(entry, {"type": "extend", "ranges": [[index, index]],
                                 "until": instant(t + 1), "reason": "a test",
                                 "by": self.officers[0][0]})

    def test_one_of_many_is_in_the_way_and_the_answer_lists_each(self):
        t = self.now_ns() + 9 * DAY_NS
        short = [self.until(t) for _ in range(3)]
        long = [self.until(t + YEAR) for _ in range(2)]
        answer = self.ask_longer((short[0], long[1]), until=instant(t + 1))
        self.refused(answer, 422, "invalid-retention")
        self.assertEqual([r["index"] for r in answer.json()["records"]], long)
        self.assertEqual(answer.json()["refused"], 2)
        self.assertEqual([self.why(i)["until"] for i in short], [instant(t)] * 3)
        self.extend(short[::-1] + short, until=instant(t + 1))
        self.assertEqual([self.why(i)["until"] for i in short], [instant(t + 1)] * 3)
        self.assertEqual(self.why(long[0])["until"], instant(t + YEAR))

    def test_what_was_over_or_never_locked_can_be_locked(self):
        self.server.create_log("free", {})
        index = self.stored(log="free")["index"]
        self.assertEqual(self.why(index, "free")["locked"], False)
        self.extend([index], **{"for": "2d"}, log="free")
        self.assertEqual(self.why(index, "free")["by"], "retention")
        self.wait(49)
        self.assertEqual(self.why(index, "free")["locked"], False)
        self.extend([index], **{"for": "2d"}, log="free")
        self.assertEqual(self.why(index, "free")["locked"], True)

    def ask_filter(self, text, **more):
        body = {"filter": text, "reason": "a test", "for": "9d", **more}
        return self.mine.post(self.log + "/extensions", json.dumps(body), JSON)

    def test_by_filter_it_becomes_the_records_that_match_now(self):
        for user in ("alice", "bob", "alice"):
            self.server.post(self.log + "/records", json.dumps({"user": {"name": user}}), JSON)
        self.append(body=b"no JSON")
        answer = self.ask_filter('user.name = "alice"')
        self.assertEqual(answer.status, 201, answer.body)
        done = answer.json()
        self.assertEqual((done["records"], done["unread"]), (2, 1))
        self.assertEqual([self.why(i)["rule"] for i in (1, 2, 3, 4)],
                         ["extension", "entry", "extension", "entry"])
        entry = json.loads(self.server.get(f"{self.log}/records/{done['index']}").body)
        self.assertEqual(entry["ranges"], [[1, 1], [3, 3]])
        self.assertNotIn("alice", json.dumps(entry))
        self.server.post(self.log + "/records", b'{"user":{"name":"alice"}}', JSON)
        answer = self.ask_filter('user.name = "alice"', range=[2, 6], **{"for": "20d"})
        self.assertEqual(answer.json()["records"], 2)
        asked = self.ask_filter('user.name = "alice"', shorten=True, **{"for": "2d"})
        self.refused(asked, 403, "dual-control-required")
        for text, more in (('user.name = "carol"', {}), ("user.name =", {}), ("", {}), (7, {}),
                           ('user.name = "alice"', {"range": [3, 2]})):
            self.refused(self.ask_filter(text, **more), 422, "invalid-retention")
        self.refused(self.ask_filter('user.name = "alice"', range=[0, 99]), 404,
                     "unknown-record")

    def test_bounds_and_what_is_not_understood(self):
        index = self.until(self.now_ns() + 9 * DAY_NS)
        now = self.now_ns()
        for more in ({"for": "11y"}, {"until": instant(now - DAY_NS)}, {"until": "soon"},
                     {"for": "300y"}, {}, {"for": "1y", "until": instant(now + YEAR)},
                     {"for": "1y", "filter": "a = 1"}, {"for": "1y", "shorten": "yes"},
                     {"for": "1y", "": 1},
                     {"for": "1y", "reason": ""}, {"for": "1y", "reason": "x" * 1001},
                     {"for": "1y", "records": []}, {"for": "1y", "records": [-1]},
                     {"for": "1y", "records": ["1"]}, {"for": "1y", "range": [1, 1]},
                     {"for": "1y", "records": None}):
            self.refused(self.ask_longer([index], **more), 422, "invalid-retention")
        for records in ((5, 4), (1,), (0, 262144), "x", [2**53]):
            self.refused(self.ask_longer(records, **{"for": "1y"}), 422, "invalid-retention")
        self.refused(self.ask_longer([99], **{"for": "1y"}), 404, "unknown-record")
        self.refused(self.ask_longer([0], **{"for": "1y"}), 422, "invalid-retention")
        self.assertIn("control entries", self.ask_longer([0], **{"for": "1y"}).json()["detail"])
        self.server.create_log("none", {"mode": "none"})
        self.append(log="none")
        self.refused(self.ask_longer([1], log="none", **{"for": "1y"}), 422, "invalid-retention")
        self.assertEqual(self.server.get(self.log).json()["size"], 2)


class Shortening(Case):
    def setUp(self):
        super().setUp()
        self.t = self.now_ns() + 900 * DAY_NS
        self.index = self.until(self.t)

    def test_governance_with_and_without_the_second_principal(self):
        sooner = instant(self.t - 1)
        asked = self.ask_longer([self.index], shorten=True, until=sooner)
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.why(self.index)["until"], instant(self.t))
        self.refused(self.approve(self.mine, asked.json()), 403, "not-yours-to-approve")
        self.assertEqual(self.why(self.index)["until"], instant(self.t))
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        why = self.why(self.index)
        self.assertEqual((why["until"], why["rule"]), (sooner, "shortened"))
        entry = json.loads(self.server.get(f"{self.log}/records/{why['extension']}").body)
        self.assertEqual((entry["shorten"], entry["by"], entry["approved_by"], entry["reason"]),
                         (True, self.officers[0][0], self.officers[1][0], "a test"))

    def test_the_same_person_with_two_tokens(self):
        body = json.dumps({"principal": self.officers[0][0]})
        second = self.client(self.mine.post("/api/v1/tokens", body, JSON).json()["token"])
        asked = self.ask_longer([self.index], shorten=True, **{"for": "2d"}).json()
        self.refused(self.approve(second, asked), 403, "not-yours-to-approve")
        self.assertEqual(self.why(self.index)["until"], instant(self.t))

    def test_a_principal_made_an_hour_ago(self):
        _, young = self.made(OFFICER)
        self.wait(1)
        asked = self.ask_longer([self.index], shorten=True, **{"for": "90d"}).json()
        self.refused(self.approve(young, asked), 403, "not-yours-to-approve")
        self.assertEqual(self.why(self.index)["until"], instant(self.t))
        elsewhere = [{"scopes": ["approve"], "logs": ["other"]}]
        _, stranger = self.made(elsewhere)
        self.wait(80)
        shown = self.other.get(f"/api/v1/approvals/{asked['approval']}").json()
        self.refused(self.approve(stranger, asked, shown["digest"]), 403, "not-yours-to-approve")
        self.assertEqual(self.approve(young, asked).status, 200)

    def test_who_asked_may_not_ask_any_more(self):
        name, asker = self.made([{"scopes": ["retain"], "logs": ["l"]}])
        asked = self.ask_longer([self.index], asker, shorten=True, **{"for": "2d"}).json()
        self.assertEqual(self.mine.request("PATCH", f"/api/v1/principals/{name}",
                                           '{"grants":[]}', JSON).status, 200)
        self.refused(self.approve(self.other, asked), 409, "approval-conflict")
        self.assertEqual(self.why(self.index)["until"], instant(self.t))

    def test_not_longer_not_below_min_not_past_and_not_what_waits(self):
        for ns in (self.t, self.t + 1):
            answer = self.ask_longer([self.index], shorten=True, until=instant(ns))
            self.refused(answer, 422, "invalid-retention")
            self.assertEqual(answer.json()["records"][0]["why"], "not-sooner")
        waiting = self.stored(Retain_Event="e")["index"]
        answer = self.ask_longer([waiting], shorten=True, **{"for": "2d"})
        self.assertEqual(answer.json()["records"][0]["why"], "event")
        fresh = self.stored(Retain_For="2d")
        least = ns_of(fresh["time"]) + 3600 * 10**9
        answer = self.ask_longer([fresh["index"]], shorten=True, until=instant(least - 1))
        self.assertEqual(answer.json()["records"][0]["why"], "below-min")
        self.assertEqual(self.shorten([fresh["index"]], until=instant(least)).status, 200)
        past = instant(self.now_ns() - 1)
        self.refused(self.ask_longer([self.index], shorten=True, until=past), 422,
                     "invalid-retention")

    def test_frozen_clocks_make_nothing_shorter(self):
        asked = self.ask_longer([self.index], shorten=True, **{"for": "90d"}).json()
        self.clock.step(3650 * 86400)
        deadline = time.monotonic() + 90
        while self.server.get("/api/v1/clock").json()["state"] != "frozen":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.refused(self.ask_longer([self.index], shorten=True, **{"for": "90d"}), 409,
                     "clock-frozen")
        self.refused(self.approve(self.other, asked), 409, "clock-frozen")
        self.extend([self.index], until=instant(self.t + 1))
        self.assertEqual(self.why(self.index)["until"], instant(self.t + 1))

    def test_what_changed_between_asking_and_approving_counts(self):
        asked = self.ask_longer([self.index], shorten=True, **{"for": "90d"}).json()
        self.assertEqual(self.shorten([self.index], **{"for": "30d"}).status, 200)
        answer = self.approve(self.other, asked)
        self.refused(answer, 422, "invalid-retention")
        self.assertEqual(answer.json()["records"][0]["why"], "not-sooner")


class Compliance(Case):
    def begun(self):
        """l in compliance, by the grace that ran out; a record of before and one of after."""
        before = self.until(self.now_ns() + 900 * DAY_NS)
        self.assertEqual(self.lock().status, 200)
        self.wait(72)
        after = self.stored(Retain_For="900d")
        self.assertEqual(after["mode"], "compliance")
        return before, after["index"]

    def assert_fast(self, index, **how):
        answer = self.ask_longer([index], shorten=True, **how)
        self.refused(answer, 403, "compliance-mode")
        return answer

    def test_the_grace_cancelled(self):
        asked = self.lock()
        begins = asked.json()["policy"]["compliance_from"]
        self.assertAlmostEqual(ns_of(begins) - self.now_ns(), 72 * 3600 * 10**9, delta=10**10)
        self.assertAlmostEqual(asked.json()["compliance"]["seconds"], 72 * 3600, delta=10)
        self.assertEqual(self.lock().json()["policy"]["compliance_from"], begins)
        self.wait(71)
        self.assertEqual(self.lock(body=b'{"cancel":true}').status, 200)
        self.wait(9)
        self.assertEqual(self.policy(), {**POLICY, "public": False})
        self.assertEqual(self.stored()["mode"], "governance")
        self.refused(self.lock(body=b'{"cancel":true}'), 409, "policy-conflict")
        self.refused(self.mine.request("DELETE", self.log + "/policy/lock"), 409,
                     "policy-conflict")

    def test_the_grace_run_out(self):
        self.begun()
        self.assertEqual(self.policy(), {**COMPLIANCE, "public": False})
        self.refused(self.mine.request("DELETE", self.log + "/policy/lock"), 403,
                     "compliance-mode")
        self.refused(self.lock(body=b'{"cancel":true}'), 403, "compliance-mode")
        self.refused(self.lock(), 409, "policy-conflict")

    def test_shorten_by_changing_mode(self):
        before, after = self.begun()
        for policy in (POLICY, {"mode": "none"}, {**COMPLIANCE, "mode": "governance"}, {}):
            self.refused(self.set_policy(policy), 403, "compliance-mode")
        for index in (before, after):
            self.assert_fast(index, **{"for": "2d"})

    def test_shorten_by_the_same_mode_with_an_earlier_date(self):
        _, after = self.begun()
        end = ns_of(self.why(after)["until"])
        self.assert_fast(after, until=instant(end - 1))
        self.refused(self.set_policy({**COMPLIANCE, "retain": {"default": "1h", "max": "10y"}}),
                     403, "compliance-mode")
        self.assertEqual(self.why(after)["until"], instant(end))
        self.extend([after], until=instant(end + 1))
        self.assert_fast(after, until=instant(end))

    def test_shorten_within_the_same_second(self):
        self.server.create_log("c", COMPLIANCE)
        entry = self.stored(log="c", Retain_For="2d")
        self.refused(self.ask_longer([entry["index"]], log="c", shorten=True,
                                     until=instant(ns_of(entry["retain_until"]) - 1)),
                     403, "compliance-mode")
        key = {"Idempotency-Key": "k", "Stele-Retain-For": "2d"}
        path = "/api/v1/logs/c/records"
        first = self.server.post(path, b"x", key).json()
        again = self.server.post(path, b"x", {**key, "Stele-Retain-For": "1d"}).json()
        self.assertEqual((again["index"], again["entry"]), (first["index"], first["entry"]))

    def test_shorten_within_the_expired_window(self):
        index = self.until(self.now_ns() + 900 * DAY_NS)
        asked = self.ask_longer([index], shorten=True, **{"for": "100d"}).json()
        self.lock()
        self.wait(72)  # asked for in governance, approved in compliance
        self.refused(self.approve(self.other, asked), 403, "compliance-mode")
        self.assertEqual(self.why(index)["until"][:4], "2029")

    def test_a_record_of_compliance_stays_so_wherever_it_is_asked(self):
        self.begun()
        mixed = self.ask_longer((1, 3), shorten=True, **{"for": "2d"})
        self.refused(mixed, 403, "compliance-mode")

    def test_stricter_is_fine_and_calls_nobody(self):
        self.begun()
        strict = {**COMPLIANCE, "retain": {"default": "2d", "min": "2h", "max": "20y"},
                  "quota": {"records": 2000}, "dual_control": ["purge"]}
        self.assertEqual(self.set_policy(strict).status, 200)
        self.assertEqual(self.policy(), {**strict, "public": False})
        for weaker in ({**strict, "dual_control": []}, COMPLIANCE,
                       {**strict, "retain": {"default": "2d", "min": "2h", "max": "19y"}}):
            self.refused(self.set_policy(weaker), 403, "compliance-mode")
        self.refused(self.set_policy({**strict, "quota": None}), 422, "invalid-policy")

    def test_what_compliance_needs(self):
        for policy in ({"mode": "compliance"}, {**COMPLIANCE, "quota": None},
                       {**COMPLIANCE, "retain": {"default": "1d"}},
                       {**COMPLIANCE, "compliance_from": instant(10**18)},
                       {**POLICY, "compliance_from": instant(10**18)}):
            answer = self.server.request("PUT", "/api/v1/logs/c", json.dumps(policy), JSON)
            self.refused(answer, 422, "invalid-policy")
        self.refused(self.set_policy(COMPLIANCE), 422, "invalid-policy")  # not without its grace
        self.server.create_log("c", {})
        self.refused(self.lock("c"), 422, "invalid-policy")
        self.refused(self.lock(body=b'{"cancel":1}'), 422, "invalid-policy")
        self.refused(self.lock(body=b'{"now":true}'), 422, "invalid-policy")

    def test_a_server_without_a_name_keeps_none(self):
        with Server() as demo:
            answer = demo.request("PUT", "/api/v1/logs/c", json.dumps(COMPLIANCE), JSON)
            self.assertEqual(problem(answer), (422, "invalid-policy"))
            demo.create_log("l", POLICY)
            answer = demo.post("/api/v1/logs/l/policy/lock", b"")
            self.assertEqual(problem(answer), (422, "invalid-policy"))

    def test_the_clock_set_back_takes_nothing_away(self):
        _, after = self.begun()
        self.clock.step(-80 * 3600)
        self.refused(self.set_policy(POLICY), 403, "compliance-mode")
        self.refused(self.mine.request("DELETE", self.log + "/policy/lock"), 403,
                     "compliance-mode")
        self.assert_fast(after, **{"for": "2d"})
        self.assertEqual(self.stored()["mode"], "compliance")


class Policies(Case):
    def test_a_change_is_an_entry_and_never_touches_what_is_written(self):
        old = self.stored(Retain_For="2d")
        answer = self.set_policy({"mode": "none"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.why(old["index"])["until"], old["retain_until"])
        self.assertNotIn("mode", self.stored())
        entry = json.loads(self.server.get(f"{self.log}/records/{answer.json()['index']}").body)
        self.assertEqual((entry["policy"]["mode"], entry["by"]), ("none", self.officers[0][0]))
        size = self.server.get(self.log).json()["size"]
        self.assertEqual(self.set_policy({"mode": "none"}).status, 200)  # it is so already
        self.assertEqual(self.server.get(self.log).json()["size"], size)
        self.assertEqual(self.mine.post(self.log + "/policy", json.dumps(POLICY), JSON).status, 200)
        self.assertEqual(self.policy(), {**POLICY, "public": False})

    def test_weakening_needs_a_second_where_the_policy_says_so(self):
        guarded = {**POLICY, "dual_control": ["policy.change"]}
        self.assertEqual(self.set_policy(guarded).status, 200)
        asked = self.set_policy(POLICY)
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.policy()["dual_control"], ["policy.change"])
        stricter = {**guarded, "retain": {"default": "2d", "min": "1h", "max": "10y"}}
        self.assertEqual(self.set_policy(stricter).status, 200)
        self.refused(self.approve(self.other, asked.json()), 409, "policy-conflict")
        asked = self.set_policy({"mode": "none"})
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        self.assertEqual(self.policy()["mode"], "none")

    def test_calling_compliance_off_is_weaker_and_may_come_too_late(self):
        self.set_policy({**POLICY, "dual_control": ["policy.change"]})
        self.assertEqual(self.lock().status, 200)
        asked = self.mine.request("DELETE", self.log + "/policy/lock")
        self.refused(asked, 403, "dual-control-required")
        self.wait(72)
        self.refused(self.approve(self.other, asked.json()), 403, "compliance-mode")

    def test_a_change_in_the_grace_keeps_it(self):
        begins = self.lock().json()["policy"]["compliance_from"]
        changed = {**POLICY, "retain": {"default": "2d", "max": "10y"}}
        self.assertEqual(self.set_policy(changed).json()["policy"]["compliance_from"], begins)
        self.assertEqual(self.set_policy(self.policy()).status, 200)
        for policy in ({**changed, "compliance_from": instant(ns_of(begins) + 1)},
                       {"mode": "none"}, {**changed, "quota": None}):
            self.refused(self.set_policy(policy), 422, "invalid-policy")
        self.refused(self.mine.request("PUT", self.log + "/policy", b""), 422, "invalid-policy")
        self.assertEqual(self.policy()["compliance_from"], begins)

    def test_the_grace_of_a_lock_that_was_approved_late_is_whole(self):
        body = json.dumps({"acts": ["policy.change"]})
        self.assertEqual(self.mine.request("PUT", "/api/v1/dual-control", body, JSON).status, 200)
        asked = self.lock()
        self.refused(asked, 403, "dual-control-required")
        self.wait(100)
        self.assertEqual(self.approve(self.other, asked.json()).status, 200)
        left = ns_of(self.policy()["compliance_from"]) - self.now_ns()
        self.assertAlmostEqual(left, 72 * 3600 * 10**9, delta=10**10)

    def test_scopes(self):
        _, reader = self.made([{"scopes": ["read", "append"], "logs": ["*"]}])
        _, stranger = self.made([{"scopes": ["policy", "retain"], "logs": ["other"]}])
        for client in (reader, stranger):
            for answer in (self.set_policy(POLICY, client), self.ask_longer([1], client),
                           self.event("e", client=client),
                           client.post(self.log + "/policy/lock", b"")):
                self.refused(answer, 403, "insufficient-scope")


if __name__ == "__main__":
    unittest.main()
