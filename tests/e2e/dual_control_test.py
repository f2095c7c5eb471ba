#!/usr/bin/env python3
"""Keys, the identity and the clocks under dual control: exactly what was shown happens, once."""
import json
import threading
import time
import unittest

import proof
from approvals_test import APPROVER, Case as Approvals
from http_case import problem
from lib import BUILD, JSON, stele
from system_log import SystemLog

OPERATOR = [{"scopes": ["operate", "approve"], "logs": ["*"]}]
HOUR = 3600
WAIT_S = 20
LATE = "2100-01-01T00:00:00.000000000Z"


class Case(Approvals):
    """One who operates, and the officers; a log l. Each kind of act in a class of its own."""

    kind = None  # of the act

    def setUp(self):
        super().setUp()
        self.server.create_log("l")
        self.operator, self.mine = self.made(OPERATOR)
        self.second, self.other = self.officers[0]
        self.wait(73)
        self.prepare()

    def prepare(self):
        if self.kind:
            self.turned_on(self.kind)

    # --- of each kind

    def asked(self, client=None):
        raise NotImplementedError

    def state(self):
        """What the act changes, as it is."""
        raise NotImplementedError

    # --- what they share

    def reconnect(self):
        for client in (self.mine, self.other, *(c for _, c in self.officers)):
            client.connection.close()
            client.connection.port = self.server.port

    def shown(self, approval):
        return self.other.get(f"/api/v1/approvals/{approval['approval']}").json()

    def of_type(self, kind):
        log = SystemLog()
        log.read(self.server)
        return log.of_type(kind)

    def granted(self, approval, client=None):
        answer = self.approve(client or self.other, approval)
        self.assertEqual((answer.status, answer.json().get("state")), (200, "granted"), answer.body)

    def listed(self, *acts):
        """These acts are under it from now on, others no more."""
        asked = self.ask("PUT", "/api/v1/dual-control", {"acts": acts})
        self.assertEqual(self.approve(self.other, asked).status, 200)

    def stale(self, approval):
        before = self.state()
        self.refused(self.approve(self.other, approval), 409, "approval-conflict")
        self.assertEqual(self.state(), before)
        self.assertEqual(self.shown(approval)["state"], "pending")


class Ways:
    """Every way round, for each kind of act."""

    def test_it_waits_and_happens_once_another_approves_also_after_a_crash(self):
        before = self.state()
        asked = self.asked()
        shown = self.shown(asked)
        self.assertEqual((shown["state"], shown["by"], shown["act"]["type"]),
                         ("pending", self.operator, self.kind))
        (listed,) = self.other.get("/api/v1/approvals").json()["approvals"]
        self.assertEqual(listed, shown)
        self.assertEqual(self.state(), before)
        self.server.kill()
        self.server.start()
        self.reconnect()
        self.assertEqual(self.state(), before)
        self.assertEqual(self.shown(asked)["digest"], shown["digest"])
        self.granted(asked)
        after = self.state()
        self.assertNotEqual(after, before)
        self.agree()
        self.reconnect()
        self.assertEqual(self.state(), after)
        self.refused(self.approve(self.other, asked), 409, "approval-conflict")
        self.assertEqual(self.state(), after)

    def test_one_principal_under_two_tokens(self):
        token = self.ask("POST", "/api/v1/tokens", {"principal": self.operator})
        self.granted(token)
        before, asked = self.state(), self.asked()
        for client in (self.mine, self.client(token["token"])):
            self.refused(self.approve(client, asked), 403, "not-yours-to-approve")
        self.assertEqual(self.state(), before)

    def test_a_digest_of_something_else(self):
        before, one, two = self.state(), self.asked(), self.asked()
        self.refused(self.approve(self.other, one, "0" * 64), 409, "approval-conflict")
        if (digest := self.shown(two)["digest"]) != self.shown(one)["digest"]:
            self.refused(self.approve(self.other, one, digest), 409, "approval-conflict")
        self.assertEqual(self.state(), before)

    def test_two_requests_for_one_thing_are_done_once(self):
        one, two = self.asked(), self.asked()
        self.granted(one)
        after = self.state()
        answer = self.approve(self.other, two)
        self.assertEqual(answer.status, 409, answer.body)
        self.assertEqual(self.state(), after)

    def test_refused_and_expired(self):
        before, refused, expired = self.state(), self.asked(), self.asked()
        path = f"/api/v1/approvals/{refused['approval']}"
        self.assertEqual(self.other.post(path + "/refuse", b"").json()["state"], "refused")
        self.refused(self.approve(self.other, refused), 409, "approval-conflict")
        self.wait(7 * 24 + 1)
        self.refused(self.approve(self.other, expired), 409, "approval-conflict")
        self.assertEqual(self.shown(expired)["state"], "expired")
        self.assertEqual(self.state(), before)

    def test_racing_it(self):
        asked = self.asked()
        digest, statuses, before = self.shown(asked)["digest"], [], self.state()

        def race(client):
            for _ in range(10):
                statuses.append(self.approve(client, asked, digest).status)

        threads = [threading.Thread(target=race, args=(c,)) for _, c in self.officers]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(statuses), [200] + [409] * 29)
        self.once(before)
        self.assertEqual(len(self.of_type("approval.grant")), 1)

    def test_an_approver_who_is_disabled_new_or_has_no_scope(self):
        before, asked = self.state(), self.asked()
        gone, gone_client = self.officers[1]
        answer = self.server.post(f"/api/v1/principals/{gone}/disable", b"")
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(self.approve(gone_client, asked, "0" * 64).status, 401)
        made = self.ask("POST", "/api/v1/principals",
                        {"kind": "person", "grants": APPROVER, "token": {}})
        self.granted(made)
        digest = self.shown(asked)["digest"]
        self.refused(self.approve(self.client(made["token"]), asked, digest), 403,
                     "not-yours-to-approve")
        self.assertEqual(self.state(), before)

    def test_an_asker_who_may_not_ask_any_more(self):
        before, asked = self.state(), self.asked()
        answer = self.server.request("PATCH", f"/api/v1/principals/{self.operator}",
                                     json.dumps({"grants": APPROVER}), JSON)
        self.assertEqual(answer.status, 200, answer.body)
        self.refused(self.approve(self.other, asked), 409, "approval-conflict")
        self.assertEqual(self.state(), before)


class LogKey(Ways, Case):
    kind = "log.key.rotate"
    path = "/api/v1/logs/l/key/rotate"

    def asked(self, client=None):
        return self.ask("POST", self.path, None, client or self.mine)

    def state(self):
        shown = self.server.get("/api/v1/logs/l").json()
        return shown["vkey"], len(shown["earlier_key_statements"])

    def once(self, before):
        self.assertEqual(self.state()[1], before[1] + 1)

    def test_it_shows_the_log_its_epochs_and_the_key_that_goes(self):
        act = self.shown(self.asked())["act"]
        self.assertEqual((act["log"], act["epoch"], act["was"]),
                         ("l", 1, {"epoch": 0, "vkey": self.state()[0]}))

    def test_a_rotation_that_happened_meanwhile_makes_it_stale(self):
        one, two = self.asked(), self.asked()
        self.granted(two)
        self.assertEqual(self.state()[1], 1)
        self.stale(one)
        self.assertEqual(self.shown(self.asked())["act"]["epoch"], 2)

    def test_another_log_does_not_and_its_scope_is_asked_for(self):
        self.server.create_log("m")
        body = {"kind": "person", "token": {},
                "grants": [{"scopes": ["approve"], "logs": ["m"]}]}
        made = self.ask("POST", "/api/v1/principals", body)
        self.granted(made)
        self.wait(73)
        asked = self.asked()
        self.granted(self.ask("POST", "/api/v1/logs/m/key/rotate", None, self.mine))
        digest = self.shown(asked)["digest"]
        self.refused(self.approve(self.client(made["token"]), asked, digest), 403,
                     "not-yours-to-approve")
        self.granted(asked)
        self.assertEqual(self.state()[1], 1)

    def test_while_it_is_not_listed_one_is_enough(self):
        self.listed("principal.disable")
        answer = self.mine.post(self.path, b"")
        self.assertEqual((answer.status, answer.json()["epoch"]), (200, 1))
        self.assertTrue(answer.json()["old_key_destroyed"])
        (act,) = self.of_type(self.kind)
        self.assertEqual((act["epoch"], act["was"]["epoch"]), (1, 0))

    def test_from_the_command_line(self):
        before = self.state()
        run = stele("--token", self.mine.token, "key", "rotate", "l", server=self.server)
        self.assertEqual(run.returncode, 1, run.stdout)
        name = run.stderr.split("/api/v1/approvals/")[1][:12]
        self.assertEqual(self.state(), before)
        run = stele("--token", self.other.token, "approval", "show", name, server=self.server)
        self.assertIn(before[0], run.stdout)
        self.granted({"approval": name})
        self.assertNotEqual(self.state(), before)


class Identity(Ways, Case):
    kind = "identity.rotate"
    path = "/api/v1/identity/rotate"

    def asked(self, client=None):
        return self.ask("POST", self.path, None, client or self.mine)

    def state(self):
        shown = self.server.get("/api/v1/identity").json()
        return shown["vkey"], shown["number"]

    def once(self, before):
        self.assertEqual(self.state()[1], before[1] + 1)

    def test_it_shows_the_identity_that_goes_and_the_record_says_who_agreed(self):
        old = self.state()[0]
        asked = self.asked()
        self.assertEqual(self.shown(asked)["act"]["was"], {"number": 0, "vkey": old})
        self.granted(asked)
        (act,) = self.of_type(self.kind)
        self.assertEqual((act["number"], act["by"]["principal"], act["approved_by"]),
                         (1, self.operator, self.second))
        self.assertEqual(act["vkey"], self.state()[0])
        for vkey in (old, act["vkey"]):
            proof.open_note(act["succession"], proof.Vkey.parse(vkey))
        # a start looks for that record, and for how many there were
        self.server.kill()
        self.server.start()
        self.assertEqual(self.state(), (act["vkey"], 1))
        self.assertEqual(self.server.stop(), 0)
        run = stele("fsck", self.server.data, "--key", old)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_a_rotation_that_happened_meanwhile_makes_it_stale(self):
        one, two = self.asked(), self.asked()
        self.granted(two)
        self.stale(one)
        self.assertEqual(self.shown(self.asked())["act"]["was"]["number"], 1)

    def test_while_it_is_not_listed_one_is_enough(self):
        self.listed("log.key.rotate")
        answer = self.mine.post(self.path, b"")
        self.assertEqual((answer.status, answer.json()["number"]), (200, 1))
        (act,) = self.of_type(self.kind)
        self.assertNotIn("approved_by", act)
        self.agree()

    def test_a_key_file_of_before_does_not_start(self):
        path = self.server.data / "keys" / "identity"
        old = path.read_bytes()
        self.granted(self.asked())
        self.assertEqual(self.server.stop(), 0)
        path.chmod(0o600)
        path.write_bytes(old)
        with self.assertRaisesRegex(RuntimeError, "identity was replaced"):
            self.server.start()


class Clocks(Case):
    """The wall clock was set: an hour forward."""

    def prepare(self):
        super().prepare()
        self.clock.step(HOUR)
        self.until(lambda now: "step" in now)

    def clocks(self):
        return self.server.get("/api/v1/clock").json()

    def until(self, condition):
        deadline = time.monotonic() + WAIT_S
        while not condition(now := self.clocks()):
            self.assertLess(time.monotonic(), deadline, now)
            time.sleep(0.05)
        return now


class Confirm(Ways, Clocks):
    kind = "clock.confirm"

    def prepare(self):
        super().prepare()
        self.mine_asked = []

    def asked(self, client=None):
        self.mine_asked.append(self.ask("POST", "/api/v1/clock/confirm",
                                        {"reason": "it is right"}, client or self.mine))
        return self.mine_asked[-1]

    def state(self):
        """The steps that evidence time has followed because somebody said so."""
        return [a for a in self.of_type("clock.step") if a.get("cause") == "operator"]

    def granted(self, approval, client=None):
        before = self.state()
        super().granted(approval, client)
        if approval in self.mine_asked:
            self.once(before)

    def once(self, before):
        """The event's record comes within a second."""
        deadline = time.monotonic() + WAIT_S
        while self.state() == before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(len(self.state()), len(before) + 1)

    def test_it_shows_the_step_and_the_clocks(self):
        act = self.shown(self.asked())["act"]
        self.assertIn(act["step_seconds"], (HOUR, HOUR - 1))
        self.assertEqual((act["state"], act["cause"], act["reason"]),
                         ("warn", "step", "it is right"))
        for name in ("evidence", "lock", "wall"):
            self.assertRegex(act[name], r"^\d{4}-.*Z$")
        self.assertLess(act["evidence"], act["wall"])

    def test_another_step_than_the_one_that_was_shown(self):
        asked = self.asked()
        self.clock.step(HOUR)
        self.until(lambda now: now["step"]["seconds"] > HOUR + 60)
        self.refused(self.approve(self.other, asked), 409, "no-clock-step")
        self.assertEqual(self.state(), [])

    def test_a_later_step_that_is_as_wide(self):
        asked = self.asked()
        self.wait(2)  # it is followed by itself, and then comes another one
        self.until(lambda now: "step" not in now)
        self.clock.step(HOUR)
        self.until(lambda now: "step" in now)
        self.stale(asked)
        self.granted(self.asked())
        self.assertEqual(len(self.state()), 1)

    def test_it_needs_a_second_once_anything_does(self):
        """It would let 72 hours pass at once."""
        self.listed("token.revoke")
        asked = self.asked()
        self.granted(asked)
        self.assertEqual(len(self.state()), 1)
        self.listed()
        self.clock.step(HOUR)
        self.until(lambda now: "step" in now)
        self.assertEqual(self.mine.post("/api/v1/clock/confirm", b"").status, 200)


class Credit(Clocks):
    """Nobody has ever turned dual control on."""

    def asked(self, until=LATE):
        return self.ask("POST", "/api/v1/clock/credit", {"until": until, "reason": "off"},
                        self.mine)

    def state(self):
        return len([a for a in self.of_type("clock.credit") if a["cause"] == "approval"])

    def test_every_credit_takes_two_whatever_is_listed(self):
        self.assertEqual(self.server.get("/api/v1/dual-control").json()["acts"], [])
        before = self.clocks()
        asked = self.asked()
        act = self.shown(asked)["act"]
        self.assertEqual((act["until"], act["state"], act["cause"]), (LATE, "warn", "step"))
        self.assertLess(act["lock"], act["wall"])
        self.refused(self.approve(self.mine, asked), 403, "not-yours-to-approve")
        self.assertLess(self.clocks()["lock"], before["wall"])
        self.assertEqual(self.state(), 0)
        self.assertEqual(self.mine.post("/api/v1/clock/confirm", b"").status, 200)
        self.granted(asked)
        self.assertGreater(self.clocks()["lock"], before["wall"])

    def test_a_freeze_that_nobody_was_shown_is_not_thawed(self):
        asked = self.asked()
        self.clock.step(-HOUR)
        self.assertEqual(self.server.stop(), 0)
        (self.server.data / "clock").unlink()
        self.server.start()
        self.reconnect()
        self.assertEqual(self.clocks()["cause"], "missing-state")
        self.stale(asked)
        self.assertEqual(self.clocks()["state"], "frozen")
        again = self.asked()
        self.assertEqual(self.shown(again)["act"]["cause"], "missing-state")
        self.granted(again)
        self.assertEqual(self.clocks()["state"], "ok")

    def test_what_fails_behind_the_record_of_its_grant_was_granted(self):
        """As `_system` says, which the next start believes."""
        switch = self.server.data.parent / "fault"
        self.server.env.update({
            "LD_PRELOAD": f"{self.clock.env['LD_PRELOAD']}:{BUILD / 'tests/libfault.so'}",
            "STELE_FAULT": str(switch), "STELE_FAULT_ROOT": str(self.server.data / "clock")})
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.reconnect()
        asked, before = self.asked(), self.clocks()
        self.assertEqual(self.mine.post("/api/v1/clock/confirm", b"").status, 200)
        switch.write_text("space")
        self.refused(self.approve(self.other, asked), 507, "low-space")
        switch.unlink()
        self.assertLess(self.clocks()["lock"], before["wall"])
        self.assertEqual(self.shown(asked)["state"], "granted")
        self.refused(self.approve(self.other, asked), 409, "approval-conflict")
        self.agree()


if __name__ == "__main__":
    unittest.main()
