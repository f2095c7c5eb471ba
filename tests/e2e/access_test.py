#!/usr/bin/env python3
"""Who may do what over HTTP: tokens, scopes, logs, and what is public."""
import json
import time
import unittest

from http_case import RECORDS, Case, problem, statuses
from lib import JSON


class Access(Case):
    def token(self, scopes, logs=("*",), **more):
        body = json.dumps({"scopes": scopes, "logs": list(logs), **more})
        answer = self.server.post("/api/v1/tokens", body, JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def test_without_a_token(self):
        client = self.connect("stele_aaaaaaaaaa_" + "b" * 52)
        for path in (RECORDS, "/api/v1/tokens"):
            answer = client.post(path, b"{}", JSON)
            self.refused(answer, 401, "unauthorized")
            self.assertIn("Bearer", answer.headers["www-authenticate"])
        for path in ("/api/v1/logs", "/api/v1/logs/log", "/metrics", "/logs/log/checkpoint",
                     RECORDS + "/0", "/logs/log/tile/0/000.p/1", "/logs/log/tile/entries/000.p/1",
                     "/api/v1/logs/log/proof/inclusion?index=0"):
            self.assertEqual(problem(client.get(path)), (401, "unauthorized"), path)
        self.assertEqual(client.get("/livez").status, 200)
        self.assertEqual(client.get("/readyz").status, 200)
        raw = self.server.raw(b"GET /api/v1/logs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertEqual(statuses(raw), [401])

    def test_no_scope_implies_another(self):
        calls = {
            "append": ("POST", RECORDS, b"1"),
            "read": ("GET", RECORDS + "/0", None),
            "verify": ("GET", "/logs/log/checkpoint", None),
            "policy": ("PUT", "/api/v1/logs/log", b"{}"),
            "access": ("GET", "/api/v1/tokens", None),
            "operate": ("GET", "/metrics", None),
        }
        for scope in calls:
            client = self.connect(self.token([scope])["token"])
            for needed, (method, path, body) in calls.items():
                if needed == scope == "append":
                    continue
                answer = client.request(method, path, body, JSON if body else None)
                if needed == scope:
                    self.assertEqual(answer.status, 200, answer.body)
                else:
                    self.refused(answer, 403, "insufficient-scope")

    def test_another_log_is_out_of_reach_and_out_of_sight(self):
        self.server.create_log("k8s-prod")
        client = self.connect(self.token(["read", "verify", "append"], ["k8s-*"])["token"])
        self.refused(client.post(RECORDS, b"1", JSON), 403, "insufficient-scope")
        self.assertEqual(problem(client.get("/api/v1/logs/log")), (403, "insufficient-scope"))
        self.assertEqual(problem(client.get("/api/v1/logs/nonesuch")),
                         (403, "insufficient-scope"))
        names = [log["log"] for log in client.get("/api/v1/logs").json()["logs"]]
        self.assertEqual(names, ["k8s-prod"])
        self.assertEqual(client.post("/api/v1/logs/k8s-prod/records", b"1", JSON).status, 201)
        client = self.connect(self.token(["append"])["token"])
        self.assertEqual(problem(client.get("/api/v1/logs")), (403, "insufficient-scope"))

    def test_tokens_expire_and_are_revoked_at_once(self):
        made = self.token(["read"], expires="1s")
        client = self.connect(made["token"])
        self.assertEqual(client.get(RECORDS + "/0").status, 200)
        time.sleep(1.1)
        self.assertEqual(client.get(RECORDS + "/0").status, 401)
        made = self.token(["read"], principal="svc-7", kind="service")
        self.assertEqual(made["principal"], "svc-7")
        client = self.connect(made["token"])
        self.assertEqual(client.get(RECORDS + "/0").status, 200)
        self.assertNotIn(made["token"], self.server.get("/api/v1/tokens").text())
        path = "/api/v1/tokens/" + made["id"]
        self.assertEqual(self.server.request("DELETE", path).status, 204)
        self.assertEqual(client.get(RECORDS + "/0").status, 401)
        self.assertEqual(problem(self.server.request("DELETE", path)), (404, "unknown-token"))
        for body in ("", "[]", "{}", '{"scopes":["read"]}', '{"scopes":["root"],"logs":["*"]}',
                     '{"scopes":["read"],"logs":["A"]}', '{"scopes":["read"],"logs":["*"],"x":1}',
                     '{"scopes":["read"],"logs":["*"],"expires":"never"}',
                     '{"scopes":["read"],"logs":["*"],"principal":"a b"}'):
            self.assertEqual(problem(self.server.post("/api/v1/tokens", body, JSON)),
                             (422, "invalid-token-request"), body)

    def test_a_token_has_its_rate_and_others_are_not_slowed(self):
        slow = self.connect(self.token(["read"], requests_per_s=5)["token"])
        statuses = [slow.get(RECORDS + "/0").status for _ in range(20)]
        self.assertEqual(statuses[:5], [200] * 5)
        self.assertIn(429, statuses)
        answer = slow.get(RECORDS + "/0")
        self.refused(answer, 429, "rate-limited")
        self.assertEqual(answer.headers["retry-after"], "1")
        free = self.connect(self.token(["read"])["token"])
        self.assertEqual({free.get(RECORDS + "/0").status for _ in range(20)}, {200})
        time.sleep(1.1)
        self.assertEqual(slow.get(RECORDS + "/0").status, 200)

    def test_a_large_body_is_taken_and_the_next_one_waits(self):
        for chunked in (False, True):
            self.server.create_log("rates")
            path = "/api/v1/logs/rates/records"
            client = self.connect(self.token(["append"], bytes_per_s=100)["token"])
            body = iter([b"x" * 4500]) if chunked else b"x" * 4500
            self.assertEqual(client.post(path, body).status, 201)
            answer = client.post(path, b"x")
            self.refused(answer, 429, "rate-limited")
            self.assertIn(int(answer.headers["retry-after"]), range(20, 45))
            for bad in (0, -1, "9", 1.5):
                body = {"scopes": ["read"], "logs": ["*"], "bytes_per_s": bad}
                self.refused(self.server.post("/api/v1/tokens", json.dumps(body), JSON), 422,
                             "invalid-token-request")

    def test_a_public_log_shows_what_holds_no_payload(self):
        self.server.create_log("open", {"public": True})
        self.server.post("/api/v1/logs/open/records", b"secret")
        client = self.connect("none")
        for path in ("/logs/open/checkpoint", "/logs/open/tile/0/000.p/2", "/api/v1/logs/open",
                     "/logs/open/tile/entries/000.p/2",
                     "/api/v1/logs/open/proof/inclusion?index=1",
                     "/api/v1/logs/open/proof/consistency?from=1"):
            answer = client.get(path)
            self.assertEqual(answer.status, 200, path)
            self.assertNotIn(b"secret", answer.body)
        self.assertEqual(client.get("/api/v1/logs/open/records/1").status, 401)
        answer = client.get("/api/v1/logs/open/proof/inclusion?index=1", {"Accept": "text/plain"})
        self.assertEqual(answer.status, 401)

    def test_unknown_things_and_wrong_methods(self):
        self.refused(self.server.post("/api/v1/logs/nonesuch/records", b"1"), 404, "unknown-log")
        self.refused(self.server.post("/api/v1/logs/No_Such/records", b"1"), 400,
                     "invalid-log-name")
        self.refused(self.server.post("/api/v1/logs/_system/records", b"1"), 403, "reserved-log")
        self.refused(self.server.request("PUT", "/api/v1/logs/_mine", b"{}"), 403, "reserved-log")
        self.refused(self.server.get("/nothing"), 404, "not-found")
        for index, name in (("99", "unknown-record"), ("9007199254740992", "invalid-parameter"),
                            ("01", "invalid-parameter"), ("x", "invalid-parameter")):
            self.assertEqual(problem(self.server.get(f"{RECORDS}/{index}"))[1], name)
        answer = self.server.request("DELETE", RECORDS)
        self.refused(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["allow"], "GET, HEAD, POST")
        self.refused(self.server.request("PATCH", "/api/v1/logs/log", b"{}"), 405,
                     "method-not-allowed")

    def test_logs_are_created_once(self):
        policy = {"mode": "governance", "retain": {"default": "7y"}}
        for status in (201, 200):
            answer = self.server.request("PUT", "/api/v1/logs/once", json.dumps(policy), JSON)
            self.assertEqual((answer.status, answer.json()["size"]), (status, 1))
        answer = self.server.request("PUT", "/api/v1/logs/once", b"{}", JSON)
        self.refused(answer, 409, "log-exists")
        self.assertEqual(answer.json()["policy"]["retain"], {"default": "7y"})
        for body, name in ((b"[]", "invalid-policy"), (b'{"mode":"x"}', "invalid-policy"),
                           (b'{"mode":"compliance"}', "invalid-policy")):
            self.assertEqual(problem(self.server.request("PUT", "/api/v1/logs/x", body, JSON)),
                             (422, name))
        self.assertEqual(
            problem(self.server.request("PUT", "/api/v1/logs/x", b"{}",
                                        {"Content-Type": "text/plain"})),
            (415, "unsupported-media-type"))
        self.assertEqual(problem(self.server.get("/api/v1/logs/x")), (404, "unknown-log"))

    def test_a_page_names_no_log_that_the_token_may_not_see(self):
        for name in ["seen-a", *(f"seen-a-not-{i}" for i in range(300)), "seen-b"]:
            self.server.create_log(name)
        client = self.connect(self.token(["read"], ["seen-a", "seen-b"])["token"])
        page = client.get("/api/v1/logs?limit=1").json()
        self.assertEqual([log["log"] for log in page["logs"]], ["seen-a"])
        self.assertEqual(page["next"], "seen-a")
        page = client.get("/api/v1/logs?limit=1&after=seen-a").json()
        self.assertEqual([log["log"] for log in page["logs"]], ["seen-b"])
        self.assertNotIn("next", page)

    def test_lists_come_in_pages(self):
        for i in range(5):
            self.server.create_log(f"page-{i}")
        names, after = [], ""
        while True:
            page = self.server.get(f"/api/v1/logs?limit=2&after={after}").json()
            self.assertLessEqual(len(page["logs"]), 2)
            names += [log["log"] for log in page["logs"]]
            if "next" not in page:
                break
            after = page["next"]
        self.assertEqual(names, sorted(set(names)))
        self.assertLessEqual({f"page-{i}" for i in range(5)}, set(names))
        self.assertEqual(problem(self.server.get("/api/v1/logs?limit=0"))[1], "invalid-parameter")


if __name__ == "__main__":
    unittest.main()
