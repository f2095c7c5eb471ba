#!/usr/bin/env python3
"""Dual control: what needs a second principal waits for one, and no way leads round it."""
import json
import threading
import unittest

from http_case import problem
from lib import JSON, Client, Clock, Server, stele
from system_log import SystemLog, same, state_of

READER = [{"scopes": ["read"], "logs": ["*"]}]
OFFICER = [{"scopes": ["access", "approve"], "logs": ["*"]}]
APPROVER = [{"scopes": ["approve"], "logs": ["*"]}]


class Case(unittest.TestCase):
    """Three officers who have been there for long, and a clock that is set at will."""

    def setUp(self):
        self.clock = Clock()
        self.server = Server(env=self.clock.env).start()
        self.addCleanup(self.end)
        self.officers = [self.made(OFFICER) for _ in range(3)]
        self.wait(73)

    def end(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        self.clock.remove()

    def wait(self, hours):
        self.clock.forward(hours)

    def made(self, grants, client=None, **more):
        """A new principal with a client: (its id, the client)."""
        body = json.dumps({"kind": "person", "grants": grants, "token": {}, **more})
        answer = (client or self.server).post("/api/v1/principals", body, JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["id"], self.client(answer.json()["token"])

    def client(self, token):
        client = Client(self.server.port, token)
        self.addCleanup(client.close)
        return client

    def set_dual_control(self, acts, client=None):
        return (client or self.server).request("PUT", "/api/v1/dual-control",
                                               json.dumps({"acts": acts}), JSON)

    def turned_on(self, *acts):
        self.assertEqual(self.set_dual_control(acts or ["principal.disable"]).status, 200)

    def ask(self, method, path, body, client=None):
        """An act that needs a second principal: its approval."""
        body = b"" if body is None else json.dumps(body)
        answer = (client or self.server).request(method, path, body, JSON)
        self.assertEqual(problem(answer), (403, "dual-control-required"))
        return answer.json()

    def approve(self, client, approval, digest=None):
        path = f"/api/v1/approvals/{approval['approval']}"
        digest = digest or client.get(path).json()["digest"]
        return client.post(path + "/approve", json.dumps({"digest": digest}), JSON)

    def refused(self, answer, status, name):
        self.assertEqual(problem(answer), (status, name), answer.body)

    def agree(self):
        """The state is what `_system` makes of nothing, also after a crash."""
        for _ in range(2):
            log = SystemLog()
            log.read(self.server)
            principals, tokens, _ = state_of(self.server)
            self.assertEqual(same(principals), same(log.principals))
            self.assertEqual(same(tokens), same(log.tokens))
            shown = self.server.get("/api/v1/approvals?state=all").json()["approvals"]
            self.assertEqual([(a["id"], a["state"], a["act"]) for a in shown],
                             [(a["id"], a["state"], a["act"]) for a in log.approvals.values()])
            self.assertEqual(self.server.get("/api/v1/dual-control").json()["acts"], log.dual)
            self.server.kill()
            self.server.start()


class Acts(Case):
    def test_an_act_waits_is_shown_and_happens_when_another_approves(self):
        (one, asker), (two, other) = self.officers[:2]
        self.turned_on("principal.disable")
        asked = self.ask("POST", f"/api/v1/principals/{two}/disable", {}, asker)
        self.assertEqual(other.get("/api/v1/tokens").status, 200)
        (shown,) = other.get("/api/v1/approvals").json()["approvals"]
        self.assertEqual((shown["id"], shown["state"], shown["by"]),
                         (asked["approval"], "pending", one))
        self.assertEqual(shown["act"], {"type": "principal.disable", "id": two,
                                        "by": {"principal": one,
                                               "token": asker.token.split("_")[1]}})
        answer = self.approve(self.officers[2][1], asked)
        self.assertEqual((answer.status, answer.json()["state"]), (200, "granted"))
        self.assertEqual(other.get("/api/v1/tokens").status, 401)
        self.assertEqual(asker.get("/api/v1/approvals").json()["approvals"], [])
        self.agree()

    def test_a_token_that_is_asked_for_opens_once_it_is_approved(self):
        self.turned_on("token.create")
        one = self.officers[0][0]
        asked = self.ask("POST", "/api/v1/tokens", {"principal": one, "expires": "9d"})
        client = self.client(asked["token"])
        self.assertEqual(client.get("/api/v1/tokens").status, 401)
        self.assertEqual(self.approve(self.officers[1][1], asked).status, 200)
        self.assertEqual(client.get("/api/v1/tokens").status, 200)
        self.agree()

    def test_what_is_refused_or_expired_never_happens(self):
        self.turned_on("principal.create")
        body = {"kind": "person", "grants": READER, "token": {}}
        asked = [self.ask("POST", "/api/v1/principals", body) for _ in range(2)]
        path = f"/api/v1/approvals/{asked[0]['approval']}"
        officer = self.officers[0][1]
        self.assertEqual(officer.post(path + "/refuse", b"").json()["state"], "refused")
        self.refused(self.approve(officer, asked[0]), 409, "approval-conflict")
        self.wait(7 * 24 + 1)
        self.refused(self.approve(officer, asked[1]), 409, "approval-conflict")
        shown = officer.get("/api/v1/approvals?state=all").json()["approvals"]
        self.assertEqual([a["state"] for a in shown], ["refused", "expired"])
        for asked_for in asked:
            self.assertEqual(self.client(asked_for["token"]).get("/api/v1/logs").status, 401)


class WaysRound(Case):
    def test_the_same_principal_under_two_tokens(self):
        me, mine = self.officers[0]
        answer = mine.post("/api/v1/tokens", json.dumps({"principal": me}), JSON)
        second = self.client(answer.json()["token"])
        self.turned_on()
        asked = self.ask("POST", f"/api/v1/principals/{self.officers[1][0]}/disable", {}, mine)
        for client in (mine, second):
            self.refused(self.approve(client, asked), 403, "not-yours-to-approve")
        self.assertEqual(self.officers[1][1].get("/api/v1/tokens").status, 200)

    def test_a_principal_made_for_the_purpose(self):
        mine, other = self.officers[0][1], self.officers[1][1]
        self.turned_on()
        body = {"kind": "person", "grants": APPROVER, "token": {}}
        asked = self.ask("POST", "/api/v1/principals", body, mine)  # under it, listed or not
        self.assertEqual(self.approve(other, asked).status, 200)
        helper = self.client(asked["token"])
        victim = self.ask("POST", f"/api/v1/principals/{self.officers[2][0]}/disable", {}, mine)
        self.refused(self.approve(helper, victim), 403, "not-yours-to-approve")
        self.wait(71)
        self.refused(self.approve(helper, victim), 403, "not-yours-to-approve")
        self.wait(2)
        self.assertEqual(self.approve(helper, victim).status, 200)

    def test_a_principal_widened_for_the_purpose_and_the_token_of_an_approver(self):
        mine = self.officers[0][1]
        reader, client = self.made(READER)
        self.wait(100)
        self.turned_on()
        path = f"/api/v1/principals/{reader}"
        asked = self.ask("PATCH", path, {"grants": READER + APPROVER}, mine)
        self.assertEqual(client.get("/api/v1/approvals").status, 403)
        self.assertEqual(self.approve(self.officers[1][1], asked).status, 200)
        self.assertEqual(client.get("/api/v1/approvals").status, 200)
        victim = self.ask("POST", f"/api/v1/principals/{self.officers[2][0]}/disable", {}, mine)
        self.refused(self.approve(client, victim), 403, "not-yours-to-approve")  # widened
        approver = self.officers[1][0]
        for body in ({"principal": approver}, {"principal": reader}):
            self.ask("POST", "/api/v1/tokens", body, mine)
        token = self.officers[1][1].token.split("_")[1]
        self.ask("POST", f"/api/v1/tokens/{token}/rotate", {}, mine)
        answer = mine.post("/api/v1/principals",
                           json.dumps({"kind": "person", "grants": READER}), JSON)
        self.assertEqual(answer.status, 201)  # what is not powerful needs nobody

    def test_a_token_of_an_approver_made_for_the_purpose(self):
        """Where no list asks for two, only the act itself: a shorter lock."""
        _, mine = self.made([{"scopes": ["access", "retain"], "logs": ["*"]}])
        self.server.request("PUT", "/api/v1/logs/l", json.dumps({"retain": {"default": "7y"}}), JSON)
        self.server.post("/api/v1/logs/l/records", b"x")
        body = {"records": [1], "for": "9d", "shorten": True, "reason": "r"}
        asked = self.ask("POST", "/api/v1/logs/l/extensions", body, mine)
        approvers = [self.made(APPROVER)[0] for _ in range(2)]
        self.wait(73)
        answer = mine.post("/api/v1/tokens", json.dumps({"principal": approvers[0]}), JSON)
        token = self.client(answer.json()["token"])
        self.refused(self.approve(token, asked), 403, "not-yours-to-approve")
        policy = {"retain": {"default": "7y"}, "dual_control": ["purge"]}
        self.server.request("PUT", "/api/v1/logs/m", json.dumps(policy), JSON)
        for grants in (APPROVER, [{"scopes": ["purge"], "logs": ["m"]}]):
            body = {"kind": "person", "grants": grants, "token": {}}
            self.ask("POST", "/api/v1/principals", body, mine)  # once a log's policy asks for two
        self.ask("POST", "/api/v1/tokens", {"principal": approvers[1]}, mine)

    def test_a_changed_request_a_replay_and_a_wrong_digest(self):
        mine, other = self.officers[0][1], self.officers[1][1]
        self.turned_on("principal.create")
        small, large = ({"kind": "person", "grants": g} for g in (READER, OFFICER))
        one = self.ask("POST", "/api/v1/principals", small, mine)
        two = self.ask("POST", "/api/v1/principals", large, mine)
        digest = other.get(f"/api/v1/approvals/{one['approval']}").json()["digest"]
        self.refused(self.approve(other, two, digest), 409, "approval-conflict")
        self.refused(self.approve(other, one, "0" * 64), 409, "approval-conflict")
        path = f"/api/v1/approvals/{one['approval']}/approve"
        for body in (b"", b"{}", b'{"digest":1}', b'{"digest":"x","also":1}'):
            self.refused(other.post(path, body, JSON), 422, "invalid-approval")
        n = len(state_of(self.server)[0])
        self.assertEqual(self.approve(other, one).status, 200)
        self.refused(self.approve(other, one), 409, "approval-conflict")
        self.refused(self.approve(self.officers[2][1], one), 409, "approval-conflict")
        self.assertEqual(len(state_of(self.server)[0]), n + 1)
        self.refused(self.approve(other, {"approval": "a-nonesuch22"}, digest), 404,
                     "unknown-approval")

    def test_a_principal_that_has_changed_since_it_was_shown(self):
        mine, other = self.officers[0][1], self.officers[1][1]
        reader, _ = self.made(READER)
        path = f"/api/v1/principals/{reader}"
        self.turned_on()
        asked = self.ask("PATCH", path, {"grants": READER + APPROVER}, mine)
        shown = other.get(f"/api/v1/approvals/{asked['approval']}").json()["act"]
        self.assertEqual(shown["was"]["grants"], READER)
        answer = mine.request("PATCH", path, '{"grants":[]}', JSON)
        self.assertEqual(answer.status, 200)
        self.refused(self.approve(other, asked), 409, "approval-conflict")
        self.assertEqual(self.server.get(path).json()["grants"], [])

    def test_racing_it(self):
        self.turned_on("principal.create")
        asked = self.ask("POST", "/api/v1/principals", {"kind": "person", "grants": READER})
        digest = self.server.get(f"/api/v1/approvals/{asked['approval']}").json()["digest"]
        statuses, n = [], len(state_of(self.server)[0])

        def race(client):
            for _ in range(10):
                statuses.append(self.approve(client, asked, digest).status)

        threads = [threading.Thread(target=race, args=(client,)) for _, client in self.officers]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(sorted(statuses), [200] + [409] * 29)
        self.assertEqual(len(state_of(self.server)[0]), n + 1)
        self.agree()

    def test_a_disabled_approver_and_an_asker_who_is_disabled_meanwhile(self):
        (_, mine), (two, other), (three, third) = self.officers
        asked_by, asker = self.made(OFFICER)
        self.wait(100)
        self.turned_on("principal.create")
        asked = self.ask("POST", "/api/v1/principals", {"kind": "job", "grants": READER}, asker)
        late = self.ask("POST", "/api/v1/principals", {"kind": "job", "grants": READER}, mine)
        self.assertEqual(mine.post(f"/api/v1/principals/{three}/disable", b"").status, 200)
        self.assertEqual(self.approve(third, late, "0" * 64).status, 401)
        self.assertEqual(mine.post(f"/api/v1/principals/{asked_by}/disable", b"").status, 200)
        self.refused(self.approve(other, asked), 409, "approval-conflict")
        self.assertEqual(self.approve(other, late).status, 200)
        # two who can approve stay: the first one of all, and one more, are there yet
        self.assertEqual(mine.post(f"/api/v1/principals/{two}/disable", b"").status, 200)
        path = f"/api/v1/principals/{self.officers[0][0]}"
        self.refused(self.server.post(path + "/disable", b""), 409, "principal-conflict")
        self.refused(self.server.request("PATCH", path, '{"grants":[]}', JSON), 409,
                     "principal-conflict")

    def test_weakening_it_needs_a_second_and_strengthening_does_not(self):
        mine, other = self.officers[0][1], self.officers[1][1]
        self.turned_on("principal.disable", "token.revoke")
        self.turned_on("principal.disable", "token.revoke", "principal.change")
        for acts in ([], ["principal.disable", "token.revoke"]):
            asked = self.ask("PUT", "/api/v1/dual-control", {"acts": acts}, mine)
            self.refused(self.approve(mine, asked), 403, "not-yours-to-approve")
        self.assertEqual(len(self.server.get("/api/v1/dual-control").json()["acts"]), 3)
        self.assertEqual(self.approve(other, asked).status, 200)
        self.assertEqual(self.server.get("/api/v1/dual-control").json()["acts"], acts)
        self.refused(self.set_dual_control(["log.seal"]), 422, "invalid-dual-control")
        self.refused(self.set_dual_control("all"), 422, "invalid-dual-control")
        self.agree()

    def test_scopes_are_needed_for_each_part(self):
        _, reader = self.made(READER)
        _, approver = self.made(APPROVER)
        _, giver = self.made([{"scopes": ["access"], "logs": ["*"]}])
        self.turned_on("principal.create")
        asked = self.ask("POST", "/api/v1/principals", {"kind": "job", "grants": []}, giver)
        path = f"/api/v1/approvals/{asked['approval']}"
        for client in (approver, giver):
            self.assertEqual(client.get(path).status, 200)
        self.assertEqual(reader.get(path).status, 403)
        self.assertEqual(giver.post(path + "/refuse", b"").status, 403)
        self.assertEqual(self.set_dual_control([], approver).status, 403)


class First(unittest.TestCase):
    def test_it_cannot_be_turned_on_by_one_alone(self):
        with Server() as server:
            body = json.dumps({"acts": ["principal.create"]})
            answer = server.request("PUT", "/api/v1/dual-control", body, JSON)
            self.assertEqual(problem(answer), (409, "principal-conflict"))


class Commands(Case):
    def run_as(self, client, *arguments, status=0):
        run = stele("--token", client.token, *arguments, server=self.server)
        self.assertEqual(run.returncode, status, run.stderr)
        return run

    def test_from_the_command_line(self):
        mine, other = self.officers[0][1], self.officers[1][1]
        self.run_as(mine, "dual-control", "set", "principal.disable,token.revoke")
        self.assertIn("token.revoke", self.run_as(other, "dual-control", "show").stdout)
        run = self.run_as(mine, "principal", "disable", self.officers[2][0], status=1)
        name = run.stderr.split("/api/v1/approvals/")[1][:12]
        self.assertIn(name, self.run_as(other, "approval", "list").stdout)
        shown = self.run_as(other, "approval", "show", name).stdout
        self.assertIn(self.officers[2][0], shown)
        digest = json.loads(self.run_as(other, "--json", "approval", "show", name).stdout)["digest"]
        self.assertEqual(self.run_as(other, "approve", name, status=3).stdout, "")
        self.run_as(other, "approve", name, "--digest", "0" * 64, status=1)
        self.run_as(other, "approve", name, "--digest", digest)
        run = self.run_as(mine, "token", "revoke", other.token.split("_")[1], status=1)
        name = run.stderr.split("/api/v1/approvals/")[1][:12]
        self.run_as(other, "approval", "refuse", name)
        self.assertIn("refused", self.run_as(other, "approval", "list", "--all").stdout)


if __name__ == "__main__":
    unittest.main()
