#!/usr/bin/env python3
"""The cases of S3 Object Lock that have a meaning here, each under the name by which the suites of
S3's implementations know it, with what S3 answers and what is answered here.

A bucket's default retention is a log's policy, an object's retention the lock of a record, the
governance bypass a second principal. S3's days and years are periods here, and what S3 puts on an
object after it was stored is an extension. Holds and deletions have tests of their own: here are
retention, modes, defaults and periods.
"""
import json
import unittest

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


if __name__ == "__main__":
    unittest.main()
