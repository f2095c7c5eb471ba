#!/usr/bin/env python3
"""The cases of S3 Object Lock that have a meaning here, each under the name by which the suites of
S3's implementations know it, with what S3 answers and what is answered here.

A bucket's default retention is a log's policy, an object's retention the lock of a record, a version of
an object a record, the governance bypass a second principal. S3's days and years are periods here, and
what S3 puts on an object after it was stored is an extension. docs/retention.md has the table.

purge_plan_test.py has the deletions of single objects, and of several that are locked differently.
"""
import json
import os
import unittest

import purge_plan_test
from hold_case import HOLDS
from http_case import problem
from lib import JSON
from retention_case import COMPLIANCE, DAY_NS, Case, instant, ns_of

GOVERNANCE = {"mode": "governance", "retain": {"default": "1d"}}
HOUR_NS = 3600 * 10**9


class Defaults(Case):
    """PutObjectLockConfiguration, GetObjectLockConfiguration."""

    def create(self, policy, log="b"):
        return self.server.request("PUT", f"/api/v1/logs/{log}", json.dumps(policy), JSON)

    def invalid(self, policy):
        self.refused(self.create(policy), 422, "invalid-policy")
        self.refused(self.set_policy(policy), 422, "invalid-policy")

    def test_object_lock_put_obj_lock(self):
        """S3 200; here 201 at creation, 200 later."""
        self.assertEqual(self.create(GOVERNANCE).status, 201)
        self.assertEqual(self.set_policy({"retain": {"default": "2y"}}, log="b").status, 200)
        self.assertEqual(self.policy("b")["retain"], {"default": "2y"})

    def test_object_lock_get_obj_lock(self):
        self.create(GOVERNANCE)
        answer = self.server.get("/api/v1/logs/b/policy")
        self.assertEqual((answer.status, answer.json()["policy"]),
                         (200, {**GOVERNANCE, "public": False}))

    def test_object_lock_put_obj_lock_invalid_bucket(self):
        """S3 409 InvalidBucketState; here a log that is not there is 404."""
        self.refused(self.set_policy(GOVERNANCE, log="none"), 404, "unknown-log")
        self.refused(self.server.get("/api/v1/logs/none/policy"), 404, "unknown-log")

    def test_object_lock_get_obj_lock_invalid_bucket(self):
        """S3 404 ObjectLockConfigurationNotFoundError; here every log has a policy, if only of none."""
        self.refused(self.server.get("/api/v1/logs/none/policy"), 404, "unknown-log")
        self.create({"mode": "none"})
        self.assertEqual(self.server.get("/api/v1/logs/b/policy").json()["policy"]["mode"], "none")

    def test_bucket_create_naming(self):
        """S3 400 InvalidBucketName: what is no log's name, and what is the server's own."""
        for name in ("B", "-b", ".b", "b%20b", "b" * 64):
            self.refused(self.create(GOVERNANCE, log=name), 400, "invalid-log-name")
        self.refused(self.create(GOVERNANCE, log="_b"), 403, "reserved-log")

    def test_bucket_delete_nonempty(self):
        """S3 409 BucketNotEmpty; here no log is ever removed, nor are all of its records."""
        self.create(GOVERNANCE)
        for path in ("/api/v1/logs/b", "/api/v1/logs/b/records"):
            self.refused(self.server.request("DELETE", path), 405, "method-not-allowed")

    def test_object_lock_put_obj_lock_with_days_and_years(self):
        """S3 400 MalformedXML: a period is one of them; ISO 8601 spells both in order."""
        for period in ("1d1y", "1y1d", "P1D1Y", "1 y", ["1d", "1y"]):
            self.invalid({"retain": {"default": period}})
        self.assertEqual(self.create({"retain": {"default": "P1Y1D"}}).status, 201)

    def test_object_lock_put_obj_lock_invalid_days(self):
        """S3 400 InvalidRetentionPeriod. No time at all is a lock that is over at once."""
        for period in ("-1d", "1.5d", "d", "", 1, None):
            self.invalid({"retain": {"default": period}})
        self.assertEqual(self.create({"retain": {"min": "1d", "default": "1d"}}).status, 201)
        self.invalid({"retain": {"min": "1d", "default": "0d"}})

    def test_object_lock_put_obj_lock_invalid_years(self):
        """S3 400 InvalidRetentionPeriod."""
        for period in ("-1y", "y", "170y", "99999999999999999999y"):
            self.invalid({"retain": {"default": period}})

    def test_object_lock_put_obj_lock_invalid_mode(self):
        """S3 400 MalformedXML: modes are words in lower case."""
        for mode in ("abc", "GOVERNANCE", "Compliance", "", 1, None):
            self.invalid({"mode": mode})

    def test_object_lock_put_obj_lock_invalid_status(self):
        """S3 400 MalformedXML: what is not understood is refused, not passed over."""
        self.invalid({"ObjectLockEnabled": "Disabled"})
        self.invalid({"enabled": False})

    def test_object_lock_put_obj_lock_enable_after_create(self):
        """S3 200: a log that locked nothing begins to; what is there stays as it is."""
        self.create({"mode": "none"})
        before = self.stored(log="b")["index"]
        self.assertEqual(self.set_policy(GOVERNANCE, log="b").status, 200)
        self.assertFalse(self.why(before, "b")["locked"])
        self.assertTrue(self.why(self.stored(log="b")["index"], "b")["locked"])

    def test_object_lock_suspend_versioning(self):
        """S3 409 InvalidBucketState: nothing takes a lock away. A log is not made anew with
        another policy, and a policy that locks nothing leaves what is locked."""
        self.create(GOVERNANCE)
        index = self.stored(log="b")["index"]
        self.refused(self.create({"mode": "none"}), 409, "log-exists")
        self.assertEqual(self.set_policy({"mode": "none"}, log="b").status, 200)
        self.assertTrue(self.why(index, "b")["locked"])


class Retention(Case):
    """PutObject with a lock, PutObjectRetention, GetObjectRetention."""

    def test_object_lock_uploading_obj(self):
        """S3 200: an object that is stored with a lock of its own has it."""
        entry = self.stored(Retain_Until="2030-01-01T00:00:00Z")
        self.assertEqual((entry["retain_until"], entry["mode"]),
                         ("2030-01-01T00:00:00.000000000Z", "governance"))

    def test_object_lock_get_obj_metadata(self):
        """S3: HEAD tells mode and date; here the entry does, and why."""
        index = self.stored(Retain_Until="2030-01-01T00:00:00Z")["index"]
        entry = json.loads(self.server.get(f"{self.log}/records/{index}",
                                           {"Accept": "application/json"}).json()["entry"])
        why = self.why(index)
        self.assertEqual((why["mode"], why["until"]), (entry["mode"], entry["retain_until"]))

    def test_object_lock_put_obj_retention(self):
        """S3 200; here 201: an entry says so."""
        index = self.stored()["index"]
        done = self.extend([index], until="2030-01-01T00:00:00Z")
        self.assertEqual(done["until"], "2030-01-01T00:00:00.000000000Z")

    def test_object_lock_get_obj_retention(self):
        index = self.stored()["index"]
        self.extend([index], until="2030-01-01T00:00:00Z")
        self.assertEqual(self.why(index)["until"], "2030-01-01T00:00:00.000000000Z")

    def test_object_lock_get_obj_retention_iso8601(self):
        """S3: dates are ISO 8601. Here with nine digits, always UTC."""
        self.assertRegex(self.stored()["retain_until"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$")

    def test_object_lock_put_obj_retention_invalid_bucket(self):
        """S3 400 InvalidRequest: a bucket without object lock. Here a log of mode none."""
        self.server.create_log("none", {"mode": "none"})
        index = self.stored(log="none")["index"]
        answer = self.ask_longer([index], log="none", until="2030-01-01T00:00:00Z")
        self.refused(answer, 422, "invalid-retention")
        self.assertFalse(self.why(index, "none")["locked"])

    def test_object_lock_get_obj_retention_invalid_bucket(self):
        """S3 400 InvalidRequest; here why says that nothing locks it, and of what is not there, that."""
        self.server.create_log("none", {"mode": "none"})
        why = self.why(self.stored(log="none")["index"], "none")
        self.assertFalse(why["locked"])
        self.assertNotIn("until", {k for k, v in why.items() if v is not None})
        self.refused(self.server.get("/api/v1/logs/none/records/99/why"), 404, "unknown-record")
        self.refused(self.server.get("/api/v1/logs/nowhere/records/1/why"), 404, "unknown-log")

    def test_object_lock_put_obj_retention_invalid_mode(self):
        """S3 400 MalformedXML: the mode is the log's; a record names none."""
        index = self.stored()["index"]
        for mode in ("governance", "compliance", "abc"):
            answer = self.ask_longer([index], until="2030-01-01T00:00:00Z", mode=mode)
            self.refused(answer, 422, "invalid-retention")
        self.refused(self.append(status=422, Retain_Mode="compliance"), 422,
                     "retention-unsupported")

    def test_object_lock_put_obj_retention_versionid(self):
        """S3 200: of one version. Records are all there is: each has its index."""
        one, two = self.stored()["index"], self.stored()["index"]
        self.extend([one], until="2030-01-01T00:00:00Z")
        self.assertNotEqual(self.why(one)["until"], self.why(two)["until"])
        self.refused(self.ask_longer([99], until="2030-01-01T00:00:00Z"), 404, "unknown-record")

    def test_object_lock_put_obj_retention_override_default_retention(self):
        """S3 200: a lock of its own in the place of the default, shorter or longer."""
        default = self.stored()
        self.assert_lasts(default, DAY_NS)
        for period, ns in (("2h", 2 * HOUR_NS), ("9d", 9 * DAY_NS)):
            entry = self.stored(Retain_For=period)
            self.assert_lasts(entry, ns)

    def test_object_lock_put_obj_retention_increase_period(self):
        """S3 200, in both modes, by whoever may retain."""
        end = self.now_ns() + 9 * DAY_NS
        self.server.create_log("c", COMPLIANCE)
        for log in ("l", "c"):
            index = self.until(end, log)
            self.extend([index], until=instant(end + 2 * DAY_NS), log=log)
            self.assertEqual(self.why(index, log)["until"], instant(end + 2 * DAY_NS))

    def test_object_lock_put_obj_retention_shorten_period(self):
        """S3 403 AccessDenied without the bypass; here the second principal is asked for, and as
        an extension it is refused."""
        end = self.now_ns() + 9 * DAY_NS
        index = self.until(end)
        self.refused(self.ask_longer([index], until=instant(end - DAY_NS)), 422,
                     "invalid-retention")
        self.refused(self.ask_longer([index], until=instant(end - DAY_NS), shorten=True), 403,
                     "dual-control-required")
        self.assertEqual(self.why(index)["until"], instant(end))

    def test_object_lock_put_obj_retention_shorten_period_bypass(self):
        """S3 200 with the bypass, in governance; in compliance nothing bypasses."""
        end = self.now_ns() + 9 * DAY_NS
        index = self.until(end)
        self.assertEqual(self.shorten([index], until=instant(end - DAY_NS)).status, 200)
        self.assertEqual(self.why(index)["until"], instant(end - DAY_NS))
        self.server.create_log("c", COMPLIANCE)
        index = self.until(end, "c")
        answer = self.ask_longer([index], log="c", until=instant(end - DAY_NS), shorten=True)
        self.refused(answer, 403, "compliance-mode")
        self.assertEqual(self.why(index, "c")["until"], instant(end))

    def test_object_lock_put_obj_retention_past_date(self):
        """S3 400 InvalidArgument: the date must be in the future."""
        past = instant(self.now_ns() - 1)
        self.refused(self.append(status=422, Retain_Until=past), 422, "invalid-retention")
        index = self.stored()["index"]
        self.refused(self.ask_longer([index], until=past), 422, "invalid-retention")
        self.refused(self.ask_longer([index], until=past, shorten=True), 422, "invalid-retention")

    def test_object_lock_put_obj_retention_malformed(self):
        """S3 400: half of what is needed, or what cannot be read."""
        for headers in ({"Retain_Until": ""}, {"Retain_Until": "2030"}, {"Retain_For": ""}):
            self.refused(self.append(status=422, **headers), 422, "invalid-retention")
        answer = self.mine.post(self.log + "/extensions", b"{", JSON)
        self.assertEqual(problem(answer), (422, "invalid-retention"))


class Modes(Case):
    """PutObjectRetention with another mode."""

    def test_object_lock_changing_mode_from_governance_with_bypass(self):
        """S3 200. Here a mode is the log's, and changes for what comes; what is written keeps
        its own, and in compliance the log's mode is stronger than that of the record."""
        end = self.now_ns() + 900 * DAY_NS
        index = self.until(end)
        self.lock()
        self.wait(72)
        self.assertEqual(self.stored()["mode"], "compliance")
        self.assertEqual(self.why(index)["mode"], "governance")
        self.refused(self.ask_longer([index], until=instant(end - 1), shorten=True), 403,
                     "compliance-mode")

    def test_object_lock_changing_mode_from_governance_without_bypass(self):
        """S3 403 AccessDenied: to none, where the policy asks for a second principal."""
        self.server.create_log("g", {**GOVERNANCE, "dual_control": ["policy.change"]})
        asked = self.set_policy({"mode": "none"}, log="g")
        self.refused(asked, 403, "dual-control-required")
        self.assertEqual(self.policy("g")["mode"], "governance")
        self.refused(self.approve(self.mine, asked.json()), 403, "not-yours-to-approve")
        self.assertEqual(self.policy("g")["mode"], "governance")

    def test_object_lock_changing_mode_from_compliance(self):
        """S3 403 AccessDenied, with and without the bypass."""
        self.server.create_log("c", COMPLIANCE)
        index = self.stored(log="c")["index"]
        for mode in ("governance", "none"):
            policy = {**COMPLIANCE, "mode": mode}
            if mode == "none":
                policy = {"mode": "none"}
            self.refused(self.set_policy(policy, log="c"), 403, "compliance-mode")
        self.assertEqual(self.policy("c")["mode"], "compliance")
        self.assertEqual(self.why(index, "c")["mode"], "compliance")


class Holds(Case):
    """PutObjectLegalHold, GetObjectLegalHold. A hold is a thing of its own, which may cover much."""

    def place(self, **members):
        body = {"matter": "m", "name": "n", "logs": ["l"], "reason": "r", **members}
        return self.server.post(HOLDS, json.dumps(body), JSON)

    def test_object_lock_put_legal_hold(self):
        """S3 200, on and off; here 201 when it is placed, 200 when it is released."""
        index = self.stored()["index"]
        placed = self.place(records=[[index, index]])
        self.assertEqual(placed.status, 201, placed.body)
        self.assertEqual(self.why(index)["by"], "hold")
        path = f"{HOLDS}/{placed.json()['id']}/release"
        self.assertEqual(self.server.post(path, b'{"reason":"r"}', JSON).status, 200)
        self.assertEqual(self.why(index)["by"], "retention")
        self.refused(self.server.post(path, b'{"reason":"r"}', JSON), 409, "hold-conflict")

    def test_object_lock_put_legal_hold_invalid_bucket(self):
        """S3 400 InvalidRequest without object lock; here a hold needs no mode. A log that is not
        there is 404, and what can be no log's name 422."""
        self.server.create_log("none", {"mode": "none"})
        index = self.stored(log="none")["index"]
        self.assertEqual(self.place(logs=["none"], records=[[index, index]]).status, 201)
        self.assertTrue(self.why(index, "none")["locked"])
        self.refused(self.place(logs=["nowhere"]), 404, "unknown-log")
        self.refused(self.place(logs=["No Log"]), 422, "invalid-hold")

    def test_object_lock_put_legal_hold_invalid_status(self):
        """S3 400 MalformedXML: what is not understood is refused."""
        for more in ({"status": "ON"}, {"status": "abc"}, {"records": "all"}, {"records": [[2, 1]]}):
            self.refused(self.place(**more), 422, "invalid-hold")

    def test_object_lock_get_legal_hold(self):
        """S3 200 with ON or OFF; here its text, and when it was released."""
        index = self.stored()["index"]
        hold = self.place(records=[[index, index]]).json()["id"]
        self.assertNotIn("released", self.server.get(f"{HOLDS}/{hold}").json())
        self.assertEqual([h["id"] for h in self.why(index)["holds"]], [hold])
        self.server.post(f"{HOLDS}/{hold}/release", b'{"reason":"r"}', JSON)
        self.assertIn("released", self.server.get(f"{HOLDS}/{hold}").json())
        self.assertEqual(self.why(index)["holds"], [])

    def test_object_lock_get_legal_hold_invalid_bucket(self):
        """S3 400 InvalidRequest; here of a hold that is not there, 404."""
        self.refused(self.server.get(HOLDS + "/h-aaaaaaaaaa"), 404, "unknown-hold")

    def test_object_lock_uploading_obj_with_legal_hold(self):
        """S3 200: x-amz-object-lock-legal-hold. Here the header names a hold; the default lock
        is not skipped."""
        hold = self.place(open_ended=True, range=[90, None]).json()["id"]
        entry = self.stored(Legal_Hold=hold)
        self.assert_lasts(entry, DAY_NS)
        self.assertEqual(self.why(entry["index"])["by"], "hold")


class Deletions(purge_plan_test.Purges):
    """DeleteObject, DeleteObjects: a plan of what may go, which is approved as it was shown."""

    def upload(self):
        """A payload in a file of its own: what S3 takes in parts."""
        answer = self.server.post(f"{self.log}/records", os.urandom(1 << 20) * 2,
                                  {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["index"]

    def objects(self):
        return list((self.server.data / "objects/l").glob("*.obj"))

    def test_object_lock_delete_multipart_object_with_retention(self):
        """S3 403 AccessDenied."""
        index = self.upload()
        self.refused(self.approve_plan(self.plan()), 403, "retention-active")
        self.assertEqual((self.status(index), len(self.objects())), (200, 1))
        self.over()
        self.assertEqual(self.purge()["objects"], 1)
        self.assertEqual((self.status(index), self.objects()), (410, []))

    def test_object_lock_delete_multipart_object_with_legal_hold_on(self):
        """S3 403 AccessDenied."""
        index = self.upload()
        self.hold(records=[[index, index]])
        self.over()
        self.refused(self.approve_plan(self.plan()), 403, "legal-hold-active")
        self.assertEqual((self.status(index), len(self.objects())), (200, 1))

    def test_object_lock_delete_object_with_retention_bypass(self):
        """S3 204 in governance with the bypass. Here no lock is passed by: it is made shorter
        first, by two, and that is in the log."""
        index = self.until(self.now_ns() + 30 * DAY_NS)
        answer = self.server.request("DELETE", f"{self.log}/records/{index}", None,
                                     {"x-amz-bypass-governance-retention": "true"})
        self.refused(answer, 405, "method-not-allowed")
        answer = self.server.post(f"{self.log}/purge-plans", b'{"bypass":true}', JSON)
        self.refused(answer, 422, "invalid-plan")
        self.assertEqual(self.shorten([index], until=instant(self.now_ns() + HOUR_NS)).status, 200)
        self.refused(self.approve_plan(self.plan()), 403, "retention-active")
        self.wait(1.1)
        self.assertEqual(self.purge()["records"], 1)

    def test_object_lock_multi_delete_versions(self):
        """S3 deletes the versions that are not locked, and lists the others. Here one version is
        one record; a plan over all of them takes those that it may."""
        versions = [self.stored(Retain_For=period)["index"] for period in ("2h", "90d", "3h", "90d")]
        self.hold(records=[[versions[2], versions[2]]])
        self.wait(4)
        made = self.plan(range=[versions[0], versions[-1]])
        self.assertEqual((made["go"]["ranges"], made["stay"]["retention"], made["stay"]["hold"]),
                         ([[versions[0]] * 2], 2, 1))
        self.assertEqual(self.approve_plan(made).json()["records"], 1)
        self.assertEqual([self.status(i) for i in versions], [410, 200, 200, 200])


if __name__ == "__main__":
    unittest.main()
