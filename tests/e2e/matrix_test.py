#!/usr/bin/env python3
"""Who may call what: every operation of docs/openapi.yaml, with every scope, on the right log and
on another one, and with every kind of token that opens nothing. A new route cannot be forgotten:
it is here as soon as it is described, and openapi_test.py holds the description to the routes."""
import json
import time
import unittest

import yaml
from http_case import problem
from lib import JSON, ROOT, Client, Server

DOCUMENT = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
SCOPES = DOCUMENT["components"]["schemas"]["Scope"]["enum"]
FILL = {"log": "mine", "index": "1", "path": "0/000.p/1", "file": "0-1.1.seg", "id": "none"}


def operations():
    for path, item in DOCUMENT["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield method.upper(), path, item[method]


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        for log in ("mine", "other"):
            cls.server.create_log(log)
            cls.server.post(f"/api/v1/logs/{log}/records", b"1", JSON)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def token(self, scope, log, **more):
        body = {"scopes": [scope], "logs": [log], **more}
        answer = self.server.post("/api/v1/tokens", json.dumps(body), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def call(self, client, method, path, log="mine"):
        for name, value in {**FILL, "log": log}.items():
            path = path.replace("{%s}" % name, value)
        return client.request(method, path, b"{" if method != "GET" else None, JSON)

    def outcome(self, client, method, path, log="mine"):
        """401, 403 for a scope that is missing, or None: it got past both."""
        answer = self.call(client, method, path, log)
        if answer.status == 401:
            self.assertEqual(problem(answer), (401, "unauthorized"))
            self.assertIn("Bearer", answer.headers["www-authenticate"])
            return 401
        if answer.status == 403 and problem(answer)[1] == "insufficient-scope":
            return 403
        return None

    def test_every_scope_opens_what_it_says_and_nothing_else(self):
        for scope in SCOPES:
            client = Client(self.server.port, self.token(scope, "mine")["token"])
            for method, path, operation in operations():
                needed = operation.get("x-stele-scopes", [])
                allowed = not needed or scope in needed
                with self.subTest(scope=scope, operation=operation["operationId"]):
                    self.assertEqual(self.outcome(client, method, path),
                                     None if allowed else 403)
                    if "{log}" in path and needed:
                        self.assertEqual(self.outcome(client, method, path, "other"), 403)
                        self.assertEqual(self.outcome(client, method, path, "nonesuch"), 403)
                        self.assertEqual(self.outcome(client, method, path, "_system"), 403)
            client.close()

    def test_a_token_for_vendor_paths_opens_these_and_nothing_else(self):
        """Whatever its scopes are, and whatever needs no token at all."""
        body = {"scopes": SCOPES, "logs": ["mine"], "log": "mine", "paths": ["k8s"]}
        made = self.server.post("/api/v1/tokens", json.dumps(body), JSON).json()
        client = Client(self.server.port, made["token"])
        for method, path, operation in operations():
            free = "k8s" == operation.get("x-stele-vendor") or not operation["x-stele-scopes"]
            with self.subTest(operation=operation["operationId"]):
                self.assertEqual(self.outcome(client, method, path), None if free else 403)
        client.close()

    def dead(self):
        """Tokens that open nothing, by what is wrong with them."""
        live = self.token("read", "mine")
        expired = self.token("read", "mine", expires="1s")
        revoked, orphan = self.token("read", "mine"), self.token("read", "mine")
        self.server.request("DELETE", f"/api/v1/tokens/{revoked['id']}")
        path = f"/api/v1/principals/{orphan['principal']}/disable"
        self.assertEqual(self.server.post(path, b"").status, 200)
        body = json.dumps({"kind": "person", "ends": "1s", "token": {}, "grants": [
            {"scopes": ["read"], "logs": ["mine"]}]})
        guest = self.server.post("/api/v1/principals", body, JSON).json()
        time.sleep(1.1)
        text = live["token"]
        return {"no": None, "bad": "x", "unknown": "stele_aaaaaaaaaa_" + "b" * 52,
                "wrong": text[:-1] + ("a" if text[-1] != "a" else "b"),
                "expired": expired["token"], "revoked": revoked["token"],
                "disabled": orphan["token"], "ended": guest["token"]}

    def test_what_opens_nothing_opens_nothing_anywhere(self):
        for name, text in self.dead().items():
            client = Client(self.server.port, text)
            for method, path, operation in operations():
                with self.subTest(token=name, operation=operation["operationId"]):
                    needed = operation.get("x-stele-scopes", [])
                    for log in ("mine", "nonesuch"):
                        self.assertEqual(self.outcome(client, method, path, log),
                                         401 if needed else None)
            client.close()

    def test_without_read_or_verify_nothing_of_a_log_is_learned(self):
        """Not its size, and not whether it is there."""
        for scope in set(SCOPES) - {"read", "verify"}:
            client = Client(self.server.port, self.token(scope, "mine")["token"])
            for method, path, operation in operations():
                if "{log}" not in path or scope in operation["x-stele-scopes"]:
                    continue
                answers = [self.call(client, method, path, log) for log in ("mine", "nonesuch")]
                self.assertEqual(answers[0].body.replace(b"mine", b"nonesuch"), answers[1].body)
            listed = client.get("/api/v1/logs")
            self.assertEqual(problem(listed), (403, "insufficient-scope"))
            client.close()

    def test_a_public_log_opens_what_is_described_so(self):
        self.server.create_log("open", {"public": True})
        self.server.post("/api/v1/logs/open/records", b"1", JSON)
        client = Client(self.server.port, None)
        for method, path, operation in operations():
            if "{log}" in path:
                public = operation.get("x-stele-public", False)
                with self.subTest(operation=operation["operationId"]):
                    self.assertEqual(self.outcome(client, method, path, "open"),
                                     None if public else 401)
        client.close()


if __name__ == "__main__":
    unittest.main()
