#!/usr/bin/env python3
"""A step of the wall clock, which a timestamp (RFC 3161) confirms, or does not."""
import time
import unittest

from clock_test import DAY, HOUR, JSON, WAIT_S, Asking, Client, json, problem, seconds
from tsa import wait_for

AGES = 73 * HOUR  # that the officers of Case have been there for


class Token(Asking):
    """The machine's clock is behind, the authority's is not. Then somebody sets the machine's."""

    behind = AGES + 100 * HOUR

    def before(self):
        super().before()
        self.late = self.behind - AGES

    def followed(self):
        """Whether it is within some seconds; if not, another answer is asked for: a machine may be so slow that one was too
        old when it came."""
        deadline = time.monotonic() + 5
        while "step" in self.get():
            if time.monotonic() > deadline:
                self.server.post("/api/v1/timestamps", b"")
                return False
            time.sleep(0.05)
        return True

    def confirmed(self):
        """The act, once a timestamp that nobody asked for has confirmed the step."""
        self.timestamps(2)
        wait_for(self.followed)
        (act,) = self.records("clock.confirm")
        return act

    def not_confirmed(self):
        """The step still waits, and nobody has said that it is right."""
        now = self.get()
        self.assertIn("step", now)
        self.assertLess(now["evidence"], now["wall"])
        self.assertEqual(self.records("clock.confirm", 0), [])
        self.assertNotIn("followed", [r["what"] for r in self.records("clock.step", 1)])

    def test_it_is_followed_at_once_and_the_record_says_by_what(self):
        self.known()
        before = self.look()
        self.clock.step(self.late)
        act = self.confirmed()
        now = self.look()
        self.assertLess(abs(seconds(now["evidence"]) - time.time()), WAIT_S)
        self.assertAlmostEqual(self.moved(before, now, "evidence"), self.late, delta=WAIT_S + 120)
        self.assertLess(self.moved(before, now, "lock"), WAIT_S + 120)  # by no step
        self.assertEqual((now["state"], now["cause"]), ("frozen", "disagreement"))
        said = {t["index"]: t for t in self.timestamps(2)}[act["timestamp"]]
        self.assertEqual((act["timestamp_time"], act["authority"]), (said["time"], self.authority.url))
        self.assertLess(abs(seconds(act["wall"]) - seconds(said["time"])), 10)
        self.assertAlmostEqual(act["step_seconds"], self.late, delta=1)
        self.assertLess(act["evidence"], act["wall"])
        self.assertFalse({"by", "reason"} & set(act), act)
        steps = self.records("clock.step", 2)
        self.assertEqual([(r["what"], r.get("cause")) for r in steps], [("seen", None), ("followed", "timestamp")])
        self.restart(kill=True)
        self.assertEqual(self.look()["state"], "frozen")

    def test_backward(self):
        self.clock.step(self.behind)  # ahead, from here on
        self.until(lambda now: "step" in now, "seen")
        self.assertEqual(self.server.post("/api/v1/clock/confirm", b"", JSON).status, 200)
        self.known()
        self.clock.step(self.late - self.behind)
        self.timestamps(2)
        wait_for(self.followed)
        self.assertEqual([r.get("cause") for r in self.records("clock.step", 4)], [None, "operator", None, "timestamp"])
        self.look()

    def test_across_a_restart(self):
        """More than is taken without a confirmation."""
        self.known()
        self.restart(lambda: self.clock.reboot(self.late))
        self.assertEqual(self.confirmed()["state"], "frozen")

    def test_who_was_new_before_it_has_not_been_there_for_72_hours(self):
        """A stepped wall clock and an authority that lies make nobody an approver."""
        self.known()
        new = self.officer()
        self.clock.step(self.late)
        self.confirmed()
        path = self.credit({"seconds": 0, "reason": "r"}, approve=False)
        client = Client(self.server.port, new)
        self.addCleanup(client.close)
        digest = client.get(path).json()["digest"]
        answer = client.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(problem(answer), (403, "not-yours-to-approve"), answer.body)
        self.restart(kill=True)
        client = Client(self.server.port, new)
        self.addCleanup(client.close)
        answer = client.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(problem(answer), (403, "not-yours-to-approve"), answer.body)
        self.clock.forward(73)
        answer = client.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(answer.status, 200, answer.body)

    def test_another_time_confirms_nothing(self):
        self.known()
        self.clock.step(self.late + 23 * HOUR)
        self.timestamps(2)
        wait_for(lambda: "does not confirm it" in self.server.log())
        self.not_confirmed()

    def test_nor_does_one_whose_roots_nobody_knows(self):
        self.known(roots=False)
        self.clock.step(self.late)
        self.until(lambda now: "step" in now, "seen")
        self.server.post("/api/v1/timestamps", b"")
        self.timestamps(2)
        self.server.post("/api/v1/timestamps", b"")  # what comes of one is there before the next
        self.timestamps(3)
        self.not_confirmed()

    def test_nor_what_was_asked_before_the_step_was_seen(self):
        """The answer is right when it comes: the authority was slow, or keeps what it was asked for such a moment."""
        self.known()
        self.authority.mode = "held"
        self.server.post("/api/v1/timestamps", b"")
        wait_for(lambda: "held" in self.authority.asked)
        self.authority.mode = "refused"
        self.clock.step(self.late)
        self.until(lambda now: "step" in now, "seen")
        self.authority.released.set()
        self.timestamps(2)
        wait_for(lambda: "refused" in self.authority.asked)  # it is asked again at once
        wait_for(lambda: self.server.get("/api/v1/timestamps").json()["authorities"][0]["failed"] > 0)
        self.not_confirmed()

    def test_nor_is_there_anything_to_confirm_without_a_step(self):
        """The wall clock is right, as an operator has said."""
        self.clock.step(self.late)
        self.until(lambda now: "step" in now, "seen")
        self.assertEqual(self.server.post("/api/v1/clock/confirm", b"", JSON).status, 200)
        self.known()
        for n in (2, 3):
            self.server.post("/api/v1/timestamps", b"")
            self.timestamps(n)
        (confirmed,) = self.records("clock.confirm")
        self.assertIn("by", confirmed)
        self.assertEqual([r.get("cause") for r in self.records("clock.step", 2)], [None, "operator"])
        self.assertNotIn("could not be confirmed", self.server.log())


if __name__ == "__main__":
    unittest.main()
