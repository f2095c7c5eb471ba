#!/usr/bin/env python3
"""Legal holds beside everything else: appends that name them, second principals, kills, rebuilds."""
import json
import os
import random
import threading
import time
import unittest
from http.client import HTTPException

from hold_case import ALICE, BOB, BY_ALICE, Case, SystemLogs
from lib import JSON, NDJSON, Clock, stele


class Appends(Case):
    def test_records_are_under_the_holds_that_their_append_names(self):
        one, two = self.place(range=[0, 0]), self.place(range=[0, 0])
        answer = self.server.post("/api/v1/logs/payments/records", b'{"a":1}\n{"a":2}\n{"a":3}\n',
                                  {**NDJSON, "Stele-Legal-Hold": f"{one}, {two}"})
        self.assertEqual(answer.status, 201, answer.body)
        first, last = answer.json()["first"], answer.json()["last"]
        log = self.log()
        self.assertEqual(log.held(one), list(range(first, last + 1)))
        self.assertEqual(log.held(one), log.held(two))
        (act,) = SystemLogs(self.server).of_type("hold.append")
        self.assertEqual((act["holds"], act["log"], act["records"]), ([one, two], "payments", 3))
        self.restart()
        self.assertEqual(self.log().held(one), list(range(first, last + 1)))

    def test_a_hold_that_is_elsewhere_comes_into_the_log_and_leaves_it(self):
        self.server.create_log("other")
        hold = self.place(logs=["other"])
        (index,) = self.append(ALICE, headers={"Stele-Legal-Hold": hold})
        self.assertEqual(self.log().by(index), {hold})
        self.assertEqual([c["log"] for c in self.released(hold)["covers"]], ["other", "payments"])
        self.assertEqual(self.log().by(index), set())

    def test_what_is_open_stays_open(self):
        hold = self.place(open_ended=True)
        (named,) = self.append(ALICE, headers={"Stele-Legal-Hold": hold})
        (later,) = self.append(BOB)
        self.assertEqual(self.log().held(hold), [named, later])
        waiting = self.place(filter=BY_ALICE, open_ended=True)
        self.examined(waiting)
        (named,) = self.append(BOB, headers={"Stele-Legal-Hold": waiting})
        (later,) = self.append(ALICE)
        self.examined(waiting, later + 1)
        self.assertTrue({named, later} <= set(self.log().held(waiting)))

    def test_a_key_that_repeats_puts_the_record_under_the_hold(self):
        hold = self.place(range=[0, 0])
        (index,) = self.append(ALICE, headers={"Idempotency-Key": "k"})
        self.assertEqual(self.log().by(index), set())
        for _ in range(2):
            self.assertEqual(self.append(ALICE, headers={
                "Idempotency-Key": "k", "Stele-Legal-Hold": hold}), [index])
        log = self.log()
        self.assertEqual(log.by(index), {hold})
        self.assertEqual(len(log.controls), 2)  # the hold's first one, and one for the record
        self.assertEqual(log.records(), [index])

    def test_a_large_payload_is_under_its_hold(self):
        hold = self.place(range=[0, 0])
        answer = self.server.post("/api/v1/logs/payments/records", os.urandom(3 << 20),
                                  {"Stele-Legal-Hold": hold})
        self.assertEqual(self.log().by(self.stored(answer)), {hold})

    def test_a_hold_header_needs_the_scope_and_a_hold(self):
        hold = self.place()
        over = self.place()
        self.released(over)
        client = self.client([{"scopes": ["append"], "logs": ["*"]}])
        size = len(self.log().entries)
        for client, value, status, name in [
                (client, hold, 403, "insufficient-scope"),
                (self.server, "h-aaaaaaaaaa", 404, "unknown-hold"),
                (self.server, f"{hold},h-aaaaaaaaaa", 404, "unknown-hold"),
                (self.server, over, 409, "hold-conflict"),
                (self.server, "", 400, "invalid-header"),
                (self.server, f"{hold},", 400, "invalid-header")]:
            answer = client.post("/api/v1/logs/payments/records", b"{}",
                                 {**JSON, "Stele-Legal-Hold": value})
            self.refused(answer, status, name)
        self.assertEqual(len(self.log().entries), size)


class DualControl(Case):
    def setUp(self):
        self.clock = Clock()
        self.addCleanup(self.clock.remove)
        self.env = self.clock.env
        super().setUp()

    def approve(self, approver, answer):
        path = f"/api/v1/approvals/{answer.json()['approval']}"
        digest = approver.get(path).json()["digest"]
        return approver.post(path + "/approve", json.dumps({"digest": digest}), JSON)

    def test_a_policy_asks_for_two_to_release(self):
        self.server.create_log("two", {"dual_control": ["hold.release"]})
        approver = self.client([{"scopes": ["approve", "hold"], "logs": ["*"]}])
        self.clock.forward(73)
        (index,) = self.append(ALICE, log="two")
        hold = self.place(logs=["payments", "two"])
        answer = self.release(hold)
        self.refused(answer, 403, "dual-control-required")
        self.assertEqual(self.log("two").by(index), {hold})
        self.assertEqual(self.approve(approver, answer).status, 200)
        log = self.log("two")
        self.assertEqual(log.by(index), set())
        self.assertIn("approved_by", log.controls[-1][1])
        self.assertEqual(self.show(hold)["state"], "released")
        alone = self.place(logs=["payments"])
        self.released(alone)
        self.agree()

    def test_what_was_approved_is_what_was_shown(self):
        approver = self.client([{"scopes": ["approve", "access"], "logs": ["*"]}])
        self.client([{"scopes": ["approve", "access"], "logs": ["*"]}])
        self.clock.forward(73)
        body = json.dumps({"acts": ["hold.place"]})
        self.assertEqual(self.server.request("PUT", "/api/v1/dual-control", body, JSON).status,
                         200)
        answer = self.ask(logs=["pay*"])
        self.refused(answer, 403, "dual-control-required")
        self.assertEqual(self.listed(), [])
        self.server.create_log("pay-later")
        self.refused(self.approve(approver, answer), 409, "hold-conflict")
        answer = self.ask(logs=["pay*"])
        self.assertEqual(self.approve(approver, answer).status, 200)
        self.assertEqual(len(self.listed()), 1)
        self.agree()


class Survival(Case):
    def test_12_logs_or_none_when_it_is_killed_between(self):
        logs = [f"k8s-{i}" for i in range(12)]
        for log in logs:
            self.server.create_log(log)
        dice = random.Random(7)
        outcomes = set()
        for _ in range(16):
            client = self.server.connect()
            thread = threading.Thread(target=self.place_or_not, args=(client,))
            thread.start()
            time.sleep(dice.random() * 0.008)
            self.server.kill()
            thread.join()
            client.close()
            self.server.start()
            for hold in [h["id"] for h in self.listed()]:
                self.assertEqual([c["log"] for c in self.show(hold)["covers"]], sorted(logs))
            outcomes.add(len(self.listed()))
        counts = {len(self.log(log).controls) for log in logs}
        self.assertEqual(counts, {len(self.listed())})
        self.assertGreater(len(outcomes), 2, "no kill came before, or none after, the commit")
        self.agree()

    def place_or_not(self, client):
        try:
            self.ask(client, logs=["k8s-*"])
        except (OSError, HTTPException):
            pass

    def test_holds_stay_over_restarts_crashes_and_a_rebuild(self):
        matching = self.append(ALICE, ALICE)
        self.append(BOB)
        one, two = self.place(filter=BY_ALICE), self.place(range=[1, None], open_ended=True)
        gone = self.place()
        self.released(gone)
        self.examined(one)

        def same():
            (later,) = self.append(BOB)
            log = self.log()
            self.assertEqual(log.held(one), matching)
            self.assertIn(later, log.held(two))
            self.assertEqual(self.show(two)["covered"]["records"], len(log.entries) - 1)
            self.assertEqual([h["id"] for h in self.listed()], sorted([one, two]))
            self.agree()

        same()
        self.restart()
        same()
        self.assertEqual(self.server.post("/api/v1/logs/payments/seal", b"").status, 200)
        self.server.stop()
        self.server.start()
        same()
        self.server.kill()
        (self.server.data / "catalog.mdb").unlink()
        self.server.start()
        same()
        self.assertEqual(self.server.stop(), 0)
        run = stele("fsck", self.server.data, "--rebuild")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.server.start()
        same()

    def test_a_lost_snapshot_is_made_anew_from_system(self):
        hold = self.place(logs=["*"], open_ended=True, owner="Counsel", review_by="1y")
        shown = self.show(hold)
        self.server.kill()
        os.remove(self.server.data / "keys/access")
        self.server.start()
        again = self.show(hold)
        self.assertEqual({k: again[k] for k in again if k != "covers" and k != "covered"},
                         {k: shown[k] for k in shown if k != "covers" and k != "covered"})
        self.agree()

    def test_an_examination_goes_on_where_a_kill_ended_it(self):
        lines = "".join(json.dumps(ALICE if i % 7 == 0 else BOB) + "\n" for i in range(20000))
        for _ in range(8):
            answer = self.server.post("/api/v1/logs/payments/records", lines.encode(), NDJSON)
            self.assertEqual(answer.status, 201)
        hold = self.place(filter=BY_ALICE)
        self.append(ALICE)  # held meanwhile, and not in the end: it came later
        self.assertGreater(self.show(hold)["covers"][0]["pending"], 0)
        steps = []
        while not steps or steps[-1]["pending"]:
            before = self.show(hold)["covers"][0]
            if steps and before["examined"] == steps[-1]["examined"]:
                time.sleep(0.01)
                continue
            self.restart()
            steps.append(self.show(hold)["covers"][0])
            self.assertGreaterEqual(steps[-1]["examined"], before["examined"])
            if steps[-1]["pending"]:
                self.assertGreater(steps[-1]["pending"] + steps[-1]["examined"], 160000)
        self.assertEqual(self.examined(hold)["covers"][0]["records"], 8 * 2858)
        self.assertGreaterEqual(len(steps), 3)
        firsts = [act["first"] for act in SystemLogs(self.server).of_type("hold.cover")]
        self.assertEqual(firsts, sorted(set(firsts)), "something was examined twice")


class FullDisk(Case):
    def setUp(self):
        folder = os.statvfs("/tmp")
        free = folder.f_bavail * folder.f_frsize
        self.options = ["--min-free", "0"]
        super().setUp()
        self.append(ALICE)
        self.server.stop()
        self.server.command += ["--min-free", str(free * 3 // 2)]
        self.server.start()

    def test_holds_are_placed_and_released_where_appends_find_no_room(self):
        answer = self.server.post("/api/v1/logs/payments/records", b"{}", JSON)
        self.refused(answer, 507, "low-space")
        hold = self.place(open_ended=True)
        self.assertEqual(self.log().held(hold), [1])
        self.released(hold)
        answer = self.server.request("PUT", "/api/v1/logs/new", b"{}", JSON)
        self.refused(answer, 507, "low-space")


if __name__ == "__main__":
    unittest.main()
