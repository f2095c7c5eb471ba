#!/usr/bin/env python3
"""The store's own audit trail: nothing done without its record, nothing recorded that is not so."""
import hashlib
import json
import os
import time
import unittest

from http_case import problem
from lib import JSON, Client, Server, stele
from system_log import SystemLog, same, state_of

GRANT = {"scopes": ["read", "append"], "logs": ["pay*"]}


def status(server, token, path):
    client = Client(server.port, token)
    try:
        return client.get(path).status
    finally:
        client.close()


def principal(server, **more):
    body = {"kind": "person", "grants": [GRANT], **more}
    return server.post("/api/v1/principals", json.dumps(body), JSON).json()


class Audit(unittest.TestCase):
    def assert_agree(self, server, log=None):
        """The state in force is what `_system` makes of nothing."""
        log = log or SystemLog()
        log.read(server)
        principals, tokens, logs = state_of(server)
        self.assertEqual(same(principals), same(log.principals))
        self.assertEqual(same(tokens), same(log.tokens))
        self.assertEqual(logs, log.logs)
        return log

    def later(self, server, kind, seconds=60):
        """The acts of a type, when there are some."""
        log, deadline = SystemLog(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            log.read(server)
            if log.of_type(kind):
                break
            time.sleep(0.1)
        self.assertTrue(log.of_type(kind), kind)
        return log.of_type(kind)

    def test_the_trail_is_kept_as_long_as_what_it_tells_of(self):
        def default(server, log):
            policy = server.get("/api/v1/logs/" + log).json()["policy"]
            return policy.get("retain", {}).get("default")

        with Server() as server:
            self.assertIsNone(default(server, "_system"))
            for name, retain, want in (("a", {"default": "90d"}, "90d"),
                                       ("b", {"default": "30d"}, "90d"),
                                       ("c", {"min": "7y"}, "7y"), ("d", {}, "7y")):
                body = json.dumps({"retain": retain})
                answer = server.request("PUT", "/api/v1/logs/" + name, body, JSON)
                self.assertEqual(answer.status, 201)
                self.assertEqual([default(server, own) for own in ("_system", "_access")],
                                 [want] * 2)
            changes = self.later(server, "trail.keep")
            self.assertEqual([c["policy"]["retain"]["default"] for c in changes], ["90d", "7y"])
            size = server.get("/api/v1/logs/_system").json()["size"]
            self.assertEqual(principal(server)["kind"], "person")
            read = server.get(f"/api/v1/logs/_system/records/{size}",
                              headers={"Accept": "application/json"})
            self.assertIn("retain_until", json.loads(read.json()["entry"]))
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(default(server, "_system"), "7y")

    def test_every_act_is_recorded_with_its_actor(self):
        with Server() as server:
            server.create_log("pay")
            made = principal(server, token={"expires": "9d"}, matter="Case 7", ends="30d")
            self.assertEqual(made["matter"], "Case 7")
            other = principal(server, id="p-other")
            path = "/api/v1/principals/" + made["id"]
            self.assertEqual(server.request("PATCH", path, '{"matter":"Case 8"}', JSON).status,
                             200)
            body = json.dumps({"principal": made["id"], "scopes": ["read"], "logs": ["pay"]})
            token = server.post("/api/v1/tokens", body, JSON).json()
            new = server.post(f"/api/v1/tokens/{token['id']}/rotate", '{"overlap":"1h"}',
                              JSON).json()
            self.assertNotEqual(new["token"], token["token"])
            self.assertEqual(server.request("DELETE", "/api/v1/tokens/" + token["id"]).status, 204)
            answer = server.post(path + "/disable", json.dumps({"successor": other["id"]}), JSON)
            self.assertEqual(answer.json()["successor"], "p-other")
            self.assertEqual(server.post("/api/v1/logs/pay/seal", b"").status, 200)
            self.assertEqual(server.post("/api/v1/scrub", b"").status, 200)
            self.later(server, "segment.seal")
            log = self.assert_agree(server)
            admin = log.of_type("principal.create")[0]
            actor = {"principal": admin["principal"]["id"], "token": admin["token"]["id"]}
            self.assertNotIn("by", admin)
            for kind, n in {"log.create": 1, "principal.create": 3, "principal.change": 1,
                            "token.create": 1, "token.rotate": 1, "token.revoke": 1,
                            "principal.disable": 1, "log.seal": 1, "scrub.start": 1}.items():
                acts = log.of_type(kind)
                self.assertEqual(len(acts), n, kind)
                self.assertEqual(acts[-1]["by"], actor, kind)
            for entry, act in log.records:
                by = act.get("by", {"principal": "steled"})["principal"]
                self.assertEqual(entry["writer"], by)
            self.assertEqual(log.of_type("segment.seal")[0]["log"], "pay")
            text = json.dumps(log.records)
            for secret in (made["token"], token["token"], new["token"], server.token()):
                self.assertNotIn(secret.split("_")[2], text)
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assert_agree(server, log)
            self.assertEqual([a["after"] for a in self.later(server, "server.start")],
                             ["stop", "stop"])
            self.assertEqual(len(log.of_type("server.stop")), 1)

    def test_a_crash_loses_no_act_and_is_recorded(self):
        with Server() as server:
            log = SystemLog()
            for i in range(5):
                made = [principal(server, token={}) for _ in range(3)]
                server.create_log(f"log-{i}")
                server.post(f"/api/v1/principals/{made[0]['id']}/disable", b"")
                server.kill()
                server.start()
                self.assert_agree(server, log)
                self.assertEqual(status(server, made[1]["token"], "/api/v1/logs/pay"), 404)
                self.assertEqual(status(server, made[0]["token"], "/api/v1/logs/pay"), 401)
            log.read(server)
            self.assertEqual([a["after"] for a in self.later(server, "server.start")],
                             ["stop"] + ["crash"] * 5)

    def test_the_snapshot_is_only_a_short_cut(self):
        with Server() as server:
            made = principal(server, token={})
            server.stop()
            kept = (server.data / "keys/access").read_bytes()
            server.start()
            second = principal(server, token={})
            server.kill()
            (server.data / "keys/access").write_bytes(kept)
            server.start()
            self.assert_agree(server)
            for token in (made["token"], second["token"]):
                self.assertEqual(status(server, token, "/api/v1/logs"), 200)

    def test_without_the_key_of_the_hashes_all_tokens_are_dead_and_one_is_new(self):
        with Server() as server:
            made, old = principal(server, token={}), server.token()
            server.stop()
            os.unlink(server.data / "keys/access")
            server.start()
            self.assertNotEqual(server.token(), old)
            for token in (made["token"], old):
                self.assertEqual(status(server, token, "/api/v1/logs"), 401)
            log = self.assert_agree(server)
            self.assertEqual(len(log.of_type("access.reset")), 1)
            self.assertIn(made["id"], log.principals)

    def test_heads_cover_every_log_that_changes(self):
        with Server() as server:
            for name in ("a", "b"):
                server.create_log(name)
            for i in range(3):
                server.post("/api/v1/logs/a/records", b"%d" % i)
            size, root = 4, None
            deadline = time.monotonic() + 90
            while not root and time.monotonic() < deadline:
                log = SystemLog()
                log.read(server)
                seen = {h["log"]: h for act in log.of_type("heads") for h in act["heads"]}
                if seen.get("a", {}).get("size") == size:
                    root = seen["a"]["root"]
                time.sleep(0.1)
            checkpoint = server.get("/logs/a/checkpoint").text().split("\n")
            self.assertEqual((checkpoint[1], checkpoint[2]), (str(size), root))
            self.assertEqual(seen["b"]["size"], 1)
            self.assertNotIn("_system", seen)
            self.later(server, "scrub.end")  # the start's own pass, of low priority
            deadline, before, size = time.monotonic() + 90, None, 0
            while before != size:  # once the last of it is written, nothing is
                self.assertLess(time.monotonic(), deadline)
                before = size
                time.sleep(2.5)
                size = server.get("/api/v1/logs/_system").json()["size"]

    def test_every_read_of_a_payload_is_recorded_and_nothing_else(self):
        with Server() as server:
            server.create_log("pay")
            for i in range(9):
                server.post("/api/v1/logs/pay/records", b"%d" % i)
            server.post("/api/v1/logs/pay/records", b"x" * (3 << 20))
            made = principal(server, token={}, matter="Case 7",
                             grants=[{"scopes": ["read", "verify"], "logs": ["pay"]}])
            client = Client(server.port, made["token"])
            path = "/api/v1/logs/pay/records/"
            for index in (1, 2, 3, 7):
                self.assertEqual(client.get(f"{path}{index}").status, 200)
            tag = client.get(path + "9").headers["etag"]
            self.assertEqual(client.get(path + "9", {"If-None-Match": tag}).status, 304)
            self.assertEqual(client.request("HEAD", path + "5").status, 200)
            self.assertEqual(client.get(path + "6", {"Accept": "application/json"}).status, 200)
            self.assertEqual(client.get(path + "10", {"Accept": "application/json"}).status, 200)
            self.assertEqual(client.get(path + "10", {"Range": "bytes=5-9"}).status, 206)
            self.assertEqual(client.get(path + "11").status, 404)
            self.assertEqual(client.get("/logs/pay/checkpoint").status, 200)
            client.close()
            server.stop()
            server.start()
            size = server.get("/api/v1/logs/_access").json()["size"]
            reads = [server.get(f"/api/v1/logs/_access/records/{i}").json()
                     for i in range(1, size)]
            ranges = [r for read in reads for r in read["records"]]
            indexes = [i for first, last in ranges for i in range(first, last + 1)]
            self.assertEqual(indexes, [1, 2, 3, 7, 9, 6, 10])
            self.assertEqual(sum(read["count"] for read in reads), 7)
            for read in reads:
                self.assertEqual((read["type"], read["log"], read["matter"]),
                                 ("read", "pay", "Case 7"))
                self.assertEqual(read["by"]["principal"], made["id"])

    def test_every_query_is_recorded_by_the_digest_of_what_was_asked(self):
        with Server() as server:
            for log in ("pay", "k8s"):
                server.create_log(log)
                for i in range(5):
                    server.post(f"/api/v1/logs/{log}/records", b'{"a":%d}' % i)
            made = principal(server, token={}, matter="Case 7",
                             grants=[{"scopes": ["read"], "logs": ["pay", "k8s"]}])
            client = Client(server.port, made["token"])
            asked = client.get("/api/v1/records?limit=2&filter=a%3E1&logs=k8s,pay").json()
            client.get("/api/v1/logs/pay/records?count=true&filter=a%3E1")
            self.assertEqual(client.get("/api/v1/logs/pay/records?filter=%3D").status, 400)
            self.assertEqual(client.get("/api/v1/records?logs=_system").status, 403)
            client.close()
            server.stop()
            server.start()
            size = server.get("/api/v1/logs/_access").json()["size"]
            records = [server.get(f"/api/v1/logs/_access/records/{i}").json()
                       for i in range(1, size)]
            for record in records:
                self.assertEqual((record["by"]["principal"], record["matter"]),
                                 (made["id"], "Case 7"))
            first, second = [r for r in records if r["type"] == "query"]
            digest = hashlib.sha256(asked["filter"].encode()).hexdigest()
            self.assertEqual((first["logs"], first["filter"], first["rows"], first["scanned"],
                              first["matched"]), (["k8s", "pay"], digest, 2, asked["scanned"], asked["matched"]))
            self.assertEqual((second["logs"], second["filter"], second["rows"],
                              second["matched"]), (["pay"], digest, 0, 3))
            reads = [(r["log"], r["records"]) for r in records if r["type"] == "read"]
            self.assertEqual(reads, [(asked["records"][0]["log"], [[3, 4]])])

    def test_the_last_use_of_a_token_is_known_to_the_minute_and_written_for_none(self):
        with Server() as server:
            made = principal(server, token={})

            def used():
                (token,) = [t for t in server.get("/api/v1/tokens?limit=1000").json()["tokens"]
                            if t["principal"] == made["id"]]
                return token.get("used")

            self.assertIsNone(used())
            before = server.get("/api/v1/clock").json()["evidence"]
            size = server.get("/api/v1/logs/_system").json()["size"]
            client = server.connect(made["token"])
            for _ in range(20):
                client.get("/api/v1/logs")
            client.close()
            seen = used()
            self.assertRegex(seen, r":00\.000000000Z$")
            self.assertGreaterEqual(seen[:16], before[:16])
            log = SystemLog()
            log.read(server)
            self.assertEqual([act for entry, act in log.records
                              if entry["index"] >= size and "by" in act], [])
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(used(), seen)

    def test_refusals_are_counted_and_not_each_recorded(self):
        with Server() as server:
            server.create_log("pay")
            made = principal(server, token={})
            for token in ("none", None):
                client = Client(server.port, token)
                for _ in range(50):
                    self.assertEqual(client.get("/api/v1/logs/pay").status, 401)
            client = Client(server.port, made["token"])
            for _ in range(7):
                self.assertEqual(client.get("/api/v1/tokens").status, 403)
            server.stop()
            server.start()
            refused, denied = (self.later(server, kind) for kind in
                               ("access.refused", "access.denied"))
            self.assertLessEqual(len(refused), 3)  # one a minute, and one at the stop
            self.assertEqual(sum(a["no_token"] for a in refused), 50)
            self.assertEqual(sum(a["unknown"] for a in refused), 50)
            rows = [row for a in denied for row in a["denied"]]
            self.assertEqual(rows, [{"principal": made["id"], "token": rows[0]["token"],
                                     "method": "GET", "route": "/api/v1/tokens",
                                     "problem": "insufficient-scope", "count": 7}])

    def test_what_was_tried_and_may_not_be_done_is_recorded(self):
        with Server() as server:
            server.create_log("pay", {"retain": {"default": "1d"}})
            server.create_log("free")
            for log in ("pay", "free"):
                server.post(f"/api/v1/logs/{log}/records", b"x")
            free = "/api/v1/logs/free"
            plan = server.post(free + "/purge-plans", b'{"unlocked":true}', JSON).json()
            hold = {"matter": "m", "name": "n", "logs": ["free"], "range": [1, 1], "reason": "r"}
            self.assertEqual(server.post("/api/v1/holds", json.dumps(hold), JSON).status, 201)
            shorter = {"records": [1], "for": "1h", "shorten": True, "reason": "r"}
            asked = server.post("/api/v1/logs/pay/extensions", json.dumps(shorter), JSON).json()
            path = f"/api/v1/approvals/{asked['approval']}"
            digest = server.get(path).json()["digest"]
            for _ in range(3):
                answer = server.post(f"{free}/purge-plans/{plan['id']}/approve",
                                     json.dumps({"digest": plan["digest"]}), JSON)
                self.assertEqual(problem(answer), (403, "legal-hold-active"))
            answer = server.post(path + "/approve", json.dumps({"digest": digest}), JSON)
            self.assertEqual(problem(answer), (403, "not-yours-to-approve"))
            server.stop()
            server.start()
            rows = [row for a in self.later(server, "access.denied") for row in a["denied"]]
            self.assertEqual([(r.get("log"), r["problem"], r["count"]) for r in rows],
                             [("free", "legal-hold-active", 3), (None, "not-yours-to-approve", 1)])

    def test_an_act_that_cannot_be_recorded_does_not_happen(self):
        with Server() as server:
            made = principal(server, token={})
            server.stop()
            server.command += ["--min-free", str(1 << 49)]
            server.start()
            before = state_of(server)
            for method, path, body in (
                    ("POST", "/api/v1/principals", '{"kind":"job","grants":[]}'),
                    ("POST", f"/api/v1/principals/{made['id']}/disable", None),
                    ("PUT", "/api/v1/logs/new", "{}"), ("POST", "/api/v1/scrub", None)):
                answer = server.request(method, path, body, JSON if body else None)
                self.assertEqual(problem(answer), (507, "low-space"), path)
            self.assertEqual(state_of(server), before)
            self.assertEqual(status(server, made["token"], "/api/v1/logs"), 200)
            self.assertLessEqual(server.get("/api/v1/scrub").json()["passes"], 1)  # the start's own

    def test_nobody_writes_to_it_and_a_star_does_not_show_it(self):
        with Server() as server:
            self.assertEqual(problem(server.post("/api/v1/logs/_system/records", b"{}", JSON)),
                             (403, "reserved-log"))
            body = json.dumps({"scopes": ["read", "verify"], "logs": ["*"]})
            token = server.post("/api/v1/tokens", body, JSON).json()["token"]
            client = Client(server.port, token)
            self.assertEqual(client.get("/api/v1/logs/_system").status, 403)
            self.assertEqual(client.get("/api/v1/logs").json()["logs"], [])

    def test_the_last_one_who_gives_access_cannot_lock_everybody_out(self):
        with Server() as server:
            me = server.get("/api/v1/principals").json()["principals"][0]["id"]
            self.assertEqual(problem(server.post(f"/api/v1/principals/{me}/disable", b"")),
                             (409, "principal-conflict"))
            self.assertEqual(server.get("/api/v1/tokens").status, 200)


class Commands(unittest.TestCase):
    def run_ok(self, *arguments, server):
        run = stele(*arguments, server=server)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def test_principals_from_the_command_line(self):
        with Server() as server:
            server.create_log("pay")
            token = self.run_ok("principal", "create", "--kind", "service", "--id", "s-1",
                                "--grant", "append:pay", "--grant", "verify:pay,k8s-*",
                                "--token", server=server).strip()
            client = Client(server.port, token)
            self.assertEqual(client.post("/api/v1/logs/pay/records", b"1").status, 201)
            shown = self.run_ok("principal", "show", "s-1", server=server)
            self.assertIn("verify:pay,k8s-*", shown)
            guest = self.run_ok("principal", "invite", "--grant", "read:pay", "--ends", "9d",
                                "--matter", "Audit 4", "--json", server=server)
            self.assertEqual(json.loads(guest)["matter"], "Audit 4")
            self.run_ok("principal", "change", "s-1", "--grant", "verify:pay", server=server)
            self.assertEqual(client.post("/api/v1/logs/pay/records", b"1").status, 403)
            row = client.token.split("_")[1]
            new = self.run_ok("token", "rotate", row, "--overlap", "1h", server=server).strip()
            self.assertEqual(status(server, new, "/logs/pay/checkpoint"), 200)
            self.assertIn("s-1", self.run_ok("token", "list", server=server))
            self.run_ok("principal", "disable", "s-1", server=server)
            self.assertEqual(status(server, new, "/logs/pay/checkpoint"), 401)
            listing = self.run_ok("principal", "list", server=server)
            self.assertRegex(listing, r"s-1 +service +disabled +verify:pay")
            for wrong in (("principal", "create"), ("principal", "invite", "--grant", "read:*"),
                          ("principal", "create", "--kind", "job", "--grant", "read"),
                          ("principal", "change", "s-1"), ("token", "create")):
                self.assertEqual(stele(*wrong, server=server).returncode, 3, wrong)
            run = stele("principal", "show", "nobody", server=server)
            self.assertEqual(run.returncode, 1)


if __name__ == "__main__":
    unittest.main()
