#!/usr/bin/env python3
"""Who may call what: every operation of docs/openapi.yaml, well-formed, with every scope, on the
right log and on wrong ones, in the path, the query and the body, with every kind of token or
certificate that opens something and of those that open nothing: exactly the documented answer.

A new route cannot be forgotten: openapi_test.py holds the description to the routes, and what is
described must be in matrix_case.py.
"""
import json
import shutil
import ssl
import tempfile
import unittest
import unittest.mock
from http.client import HTTPException
from pathlib import Path

import pki
from http_case import problem
from lib import JSON, Client
from matrix_case import ABSENT, CASES, LOG, OPERATIONS, OTHER, SCOPES, World, documented, example
from system_log import SystemLog

DENIED, UNAUTHORIZED = (403, "insufficient-scope"), (401, "unauthorized")
MINE = [LOG, "loose", "sealed", "lock*"]


def needed(name):
    return OPERATIONS[name][2]["x-stele-scopes"]


def in_path(name):
    return "{log}" in OPERATIONS[name][1]


class Whole(unittest.TestCase):
    def test_every_operation_has_a_case(self):
        self.assertEqual(set(CASES), set(OPERATIONS))
        for name, (_, _, operation) in OPERATIONS.items():
            body = operation.get("requestBody", {}).get("content", {})
            if "schema" in body.get("application/json", {}):
                self.assertIsNotNone(example(name), name)


def token_of(world, scopes, logs, **more):
    if "append" in scopes and LOG in logs:
        more["log"] = LOG
    body = {"scopes": scopes, "logs": logs, **more}
    return world.post("/api/v1/tokens", body)["token"]


class Base(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        cls.world.end()

    @property
    def server(self):
        return self.world.server

    def connect(self, token, context=None):
        client = Client(self.server.port, token, context=context or self.world.context)
        self.addCleanup(client.close)
        return client

    def call(self, client, name, log=LOG, fresh=False, **instead):
        self.world.actor = client
        method, path, body, headers = self.world.request(name, log, fresh, **instead)
        answer = client.request(method, path, body, headers)
        self.assertEqual(documented(name, answer), [], (name, log))
        if method == "GET":
            head = client.request("HEAD", path)
            self.assertEqual((head.status, head.body), (answer.status, b""), name)
        return answer

    def does(self, client, name, **more):
        """What is documented of it done well."""
        case, answer = CASES[name], self.call(client, name, fresh=True, **more)
        self.assertEqual(answer.status, case.status, (name, answer.body))
        if case.problem:
            self.assertEqual(problem(answer), (case.status, case.problem))

    def refused(self, want, client, name, log=LOG, **instead):
        answer = self.call(client, name, log, **instead)
        self.assertEqual(problem(answer), want, (name, log, answer.body))
        if want == UNAUTHORIZED:
            self.assertIn("Bearer", answer.headers["www-authenticate"])
        return answer

    def alike(self, one, two):
        """Byte for byte the same of a log that is there and of one that is not."""
        self.assertEqual(one.status, two.status)
        self.assertEqual(one.body.replace(OTHER.encode(), ABSENT.encode()), two.body)
        for answer in (one, two):
            answer.headers.pop("date", None)
            answer.headers.pop("connection", None)  # closed when the body had not come yet
        self.assertEqual(one.headers, two.headers)

    def refused_elsewhere(self, want, client, name):
        """In the path: other logs than those of the token."""
        if not in_path(name) or not needed(name):
            return
        self.alike(*(self.refused(want, client, name, log) for log in (OTHER, ABSENT)))
        for log in ("_system", "_access", "_nonesuch"):
            self.refused(want, client, name, log)

    def refused_within(self, client, name):
        """In the query and the body, by whoever may do it to logs of his own."""
        for how, said in CASES[name].in_body:
            answers = []
            for log in (OTHER, ABSENT):
                filled = json.loads(json.dumps(said).replace("%s", log))
                answers.append(self.call(client, name, **{how: filled}))
            self.assertIn(problem(answers[0]), (DENIED, (404, "unknown-log")), (name, said))
            self.alike(*answers)

    def row(self, client, scope):
        """All operations by one that has one scope on its own logs."""
        for name in OPERATIONS:
            with self.subTest(scope=scope, operation=name):
                if not needed(name) or scope in needed(name) and scope in CASES[name].enough:
                    self.does(client, name)
                    self.refused_within(client, name)
                else:
                    self.refused(DENIED, client, name)
                self.refused_elsewhere(DENIED, client, name)

    def nothing_opens(self, client, kind):
        for name in OPERATIONS:
            with self.subTest(opened_by=kind, operation=name):
                if needed(name):
                    self.refused(UNAUTHORIZED, client, name)
                else:
                    self.does(client, name)
                self.refused_elsewhere(UNAUTHORIZED, client, name)

    def no_act_since(self, log):
        """No refused request has left one."""
        self.assertEqual([act for act in log.read(self.server) if "by" in act], [])


class Tokens(Base):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.tokens = {scope: token_of(cls.world, [scope], MINE) for scope in SCOPES}
        cls.world.clock.forward(73)  # what is new approves nothing

    def test_every_scope_opens_what_it_says_and_nothing_else(self):
        for scope, text in self.tokens.items():
            self.row(self.connect(text), scope)

    def test_a_token_for_vendor_paths_opens_these_and_nothing_else(self):
        """Whatever its scopes are, and whatever needs no token at all."""
        client = self.connect(token_of(self.world, SCOPES, MINE, paths=["k8s"]))
        for name, (_, _, operation) in OPERATIONS.items():
            with self.subTest(operation=name):
                if operation.get("x-stele-vendor") == "k8s" or not needed(name):
                    self.does(client, name)
                else:
                    self.refused(DENIED, client, name)
                self.refused_elsewhere(DENIED, client, name)

    def test_a_log_that_is_not_there_or_cannot_be(self):
        """By whoever may do everything everywhere."""
        client = self.connect(token_of(self.world, SCOPES, ["*", "_*"]))
        for name in filter(in_path, OPERATIONS):
            with self.subTest(operation=name):
                self.refused((400, "invalid-log-name"), client, name, "No!")
                if name == "createLog":
                    self.assertEqual(self.call(client, name, "created").status, 201)
                else:
                    self.refused((404, "unknown-log"), client, name, ABSENT)
                if {"append", "policy"} & set(needed(name)):
                    self.refused((403, "reserved-log"), client, name, "_system")

    def test_what_is_of_all_logs_is_done_by_who_may_on_all(self):
        client = self.connect(token_of(self.world, ["policy"], ["*"]))
        for name, case in CASES.items():
            if not case.enough:
                with self.subTest(operation=name):
                    self.does(client, name)

    def test_a_public_log_opens_what_is_described_so(self):
        self.server.create_log("townhall", {"public": True})
        self.world.post("/api/v1/logs/townhall/records", "1")
        client = self.connect(None)
        for name in filter(in_path, OPERATIONS):
            with self.subTest(operation=name):
                if OPERATIONS[name][2].get("x-stele-public"):
                    self.assertEqual(self.call(client, name, "townhall").status, CASES[name].status)
                else:
                    self.refused(UNAUTHORIZED, client, name, "townhall")

class Dead(Base):
    """What opens nothing, on a server where nothing else is done meanwhile."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()

    def dead(self):
        """Tokens that open nothing, by what is wrong with them."""
        w = self.world
        live = token_of(w, ["read"], MINE)
        expired = token_of(w, ["read"], MINE, expires="1h")
        ended = w.principal((["read"], MINE), ends="1h", token={})["token"]
        revoked = w.post("/api/v1/tokens", {"scopes": ["read"], "logs": MINE})
        self.server.request("DELETE", f"/api/v1/tokens/{revoked['id']}")
        disabled = w.principal((["read"], MINE), token={})
        w.post(f"/api/v1/principals/{disabled['id']}/disable")
        w.clock.forward(2)
        return {"no": None, "bad": "x", "unknown": "stele_aaaaaaaaaa_" + "b" * 52,
                "wrong": live[:-1] + ("a" if live[-1] != "a" else "b"), "expired": expired,
                "revoked": revoked["token"], "disabled": disabled["token"], "ended": ended}

    def test_what_opens_nothing_opens_nothing_anywhere(self):
        dead = self.dead()
        for name in OPERATIONS:
            self.world.request(name)  # all that is to be there is there
        log = SystemLog()
        log.read(self.server)
        for kind, text in dead.items():
            self.nothing_opens(self.connect(text), kind)
        self.no_act_since(log)


class Lists(Base):
    """What is about many logs tells of those alone that are the reader's."""

    @classmethod
    def setUpClass(cls):
        cls.world = w = World()
        cls.asked, longer = {}, example("extendLocks")
        for log in (LOG, OTHER):
            path = f"/api/v1/logs/{log}/extensions"
            w.post(path, longer)
            made = w.post(path, {**longer, "shorten": True, "for": "25h"}, status=(403,))
            cls.asked[log] = f"/api/v1/approvals/{made['approval']}"

    def see(self, scope, path):
        return self.connect(token_of(self.world, [scope], [LOG])).get(path).text()

    def test_only_who_might_approve_sees_and_refuses(self):
        path = self.asked[OTHER]
        for scopes, logs, shown, done in (
                (["approve"], [LOG], (404, "unknown-approval"), (403, "not-yours-to-approve")),
                (["access"], [LOG], None, DENIED),
                (["approve"], ["*"], None, None)):
            client = self.connect(token_of(self.world, scopes, logs))
            for answer, want in ((client.get(path), shown),
                                 (client.post(path + "/refuse", b""), done)):
                if want:
                    self.assertEqual(problem(answer), want)
                else:
                    self.assertTrue(path.endswith(answer.json()["id"]))
        self.assertEqual(self.server.get(path).json()["state"], "refused")

    def test_lists(self):
        w = self.world
        said = {k: v for k, v in example("placeHold").items() if k != "range"}
        both = w.post("/api/v1/holds", {**said, "logs": [LOG, OTHER]})["id"]
        theirs = w.post("/api/v1/holds", {**said, "logs": [OTHER]})["id"]
        for scope, path in (("read", "/api/v1/logs"), ("verify", "/api/v1/logs"),
                            ("read", "/api/v1/records"), ("read", "/api/v1/records?logs=*"),
                            ("approve", "/api/v1/approvals"),
                            ("approve", "/api/v1/approvals?state=all")):
            text = self.see(scope, path)
            self.assertIn(LOG, text, path)
            self.assertNotIn(OTHER, text, path)
        listed = self.see("hold", "/api/v1/holds")
        self.assertIn(both, listed)
        self.assertNotIn(theirs, listed)
        covers = json.loads(self.see("hold", f"/api/v1/holds/{both}"))
        self.assertEqual([c["log"] for c in covers["covers"]], [LOG])
        self.assertEqual(covers["covered"]["logs"], 1)


class Certificates(Base):
    """The same by certificates of clients."""

    @classmethod
    def setUpClass(cls):
        pki.needed()
        cls.folder = Path(tempfile.mkdtemp(prefix="stele-pki-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.ca = pki.Authority(cls.folder, "ca")
        certificate, key = cls.ca.issue("server")
        cls.pairs = {name: cls.ca.issue(name, f"DNS:{name}.example", end=400)
                     for name in ("mapped", "unmapped", "disabled", "ended", "revoked")}
        cls.pairs["expired"] = cls.ca.issue("expired", "DNS:expired.example", begin=-3, end=-1)
        stranger = pki.Authority(cls.folder, "stranger")
        cls.pairs["stranger"] = stranger.issue("stranger", "DNS:stranger.example")
        cls.ca.revoke(cls.pairs["revoked"][0])
        lists = cls.ca.crl(cls.folder / "lists.pem", 400 * 86400)
        options = ("--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", cls.ca.pem,
                   "--tls-crl", lists)
        cls.world = World(options=options, context=cls.context())
        cls.who = {}
        for name in set(cls.pairs) - {"unmapped"}:
            more = {"names": [f"dns:{name}.example"]}
            if name == "ended":
                more["ends"] = "1h"
            cls.who[name] = cls.world.principal((SCOPES, MINE), **more)["id"]
        cls.world.post(f"/api/v1/principals/{cls.who['disabled']}/disable")
        cls.world.clock.forward(2)

    @classmethod
    def context(cls, name=None):
        context = ssl.create_default_context(cafile=cls.ca.pem)
        if name:
            context.load_cert_chain(*cls.pairs[name])
        return context

    def test_one_stands_for_its_principal_and_no_more(self):
        client = self.connect(None, self.context("mapped"))
        path = f"/api/v1/principals/{self.who['mapped']}"
        for scope in SCOPES:
            body = json.dumps({"grants": [{"scopes": [scope], "logs": MINE}]})
            answer = self.server.request("PATCH", path, body, JSON)
            self.assertEqual(answer.status, 200, answer.body)
            if scope == "approve":
                self.world.clock.forward(73)
            # a certificate has no log for a vendor path that names none
            with unittest.mock.patch.dict(CASES, k8sAuditDefault=NO_DEFAULT):
                self.row(client, scope)

    def test_one_that_stands_for_nobody_opens_nothing(self):
        for name in ("unmapped", "disabled", "ended"):
            self.nothing_opens(self.connect(None, self.context(name)), name)

    def test_one_whose_time_is_up_opens_nothing_on_its_old_connection(self):
        self.pairs["leaving"] = self.ca.issue("leaving", "DNS:leaving.example", end=400)
        self.addCleanup(self.pairs.pop, "leaving")
        self.world.principal((["read"], [LOG]), names=["dns:leaving.example"], ends="1h")
        client = self.connect(None, self.context("leaving"))
        for _ in range(2):  # found out, and remembered
            self.assertEqual(client.get(f"/api/v1/logs/{LOG}").status, 200)
        self.world.clock.forward(2)
        self.assertEqual(problem(client.get(f"/api/v1/logs/{LOG}")), UNAUTHORIZED)

    def test_one_that_is_not_good_does_not_come_in(self):
        """Not with a token either, and not to what is open to everybody."""
        for name in ("expired", "revoked", "stranger"):
            for operation in OPERATIONS:
                client = self.connect(self.server.token(), self.context(name))
                method, path, body, headers = self.world.request(operation, fresh=False)
                with self.subTest(certificate=name, operation=operation), self.assertRaises(
                        (ssl.SSLError, ConnectionError, HTTPException)):
                    client.request(method, path, body, headers)


NO_DEFAULT = CASES["k8sAuditDefault"].__class__(
    400, CASES["k8sAuditDefault"].ready, "invalid-parameter")


if __name__ == "__main__":
    unittest.main()
