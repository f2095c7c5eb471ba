#!/usr/bin/env python3
"""Requests of erasure: what they are about is restricted at once, and goes when nothing locks it."""
import json
import time
import unittest

from http_case import problem
from lib import JSON, NDJSON, Clock, Server, stele

ERASURES = "/api/v1/logs/pay/erasures"
RECORDS = "/api/v1/logs/pay/records"


def put_log(server, name="pay", **policy):
    answer = server.request("PUT", f"/api/v1/logs/{name}", json.dumps(policy), JSON)
    assert answer.status == 201, answer.body


def append(server, events, log="pay"):
    lines = "".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events)
    answer = server.post(f"/api/v1/logs/{log}/records", lines, NDJSON)
    assert answer.status == 201, answer.body
    return answer.json()


def append_text(server, text, log="pay"):
    answer = server.post(f"/api/v1/logs/{log}/records", text, {"Content-Type": "text/plain"})
    assert answer.status == 201, answer.body


def ask(server, **body):
    return server.post(ERASURES, json.dumps({"case": "dsr-1", **body}), JSON)


def erase(server, **body):
    answer = ask(server, **body)
    assert answer.status == 201, answer.body
    return answer.json()


def show(server, made):
    answer = server.get(f"{ERASURES}/{made['id']}")
    assert answer.status == 200, answer.body
    return answer.json()


def wait_for(server, made, seconds=60, **want):
    """What it is once its members are these."""
    end = time.monotonic() + seconds
    while True:
        now = show(server, made)
        if all(now.get(k) == v for k, v in want.items()) or time.monotonic() > end:
            return now
        time.sleep(0.05)


def token_of(server, scopes, logs=("*",)):
    body = json.dumps({"scopes": list(scopes), "logs": list(logs)})
    return server.post("/api/v1/tokens", body, JSON).json()["token"]


def hold(server, **more):
    body = {"matter": "M-1", "name": "n", "reason": "r", "logs": ["pay"], **more}
    answer = server.post("/api/v1/holds", json.dumps(body), JSON)
    assert answer.status == 201, answer.body
    return answer.json()["id"]


def release(server, identity):
    answer = server.post(f"/api/v1/holds/{identity}/release", json.dumps({"reason": "over"}), JSON)
    assert answer.status == 200, answer.body


def acts(server, kind):
    """What `_system` says of that type."""
    size = server.get("/api/v1/logs/_system").json()["size"]
    found = []
    for i in range(size):
        body = server.get(f"/api/v1/logs/_system/records/{i}").body
        if f'"type":"{kind}"'.encode() in body:
            found.append(json.loads(body))
    return found


class Erasure(unittest.TestCase):
    def test_restricted_at_once_and_after_a_restart_and_gone_when_retention_ends(self):
        clock = Clock()
        with Server(env=clock.env) as server:
            put_log(server, retain={"default": "30d"})
            append(server, [{"i": i} for i in range(1, 11)])
            made = erase(server, records=[7, 3, [7, 8]], reason="asked by letter")
            self.assertEqual((made["records"], made["purged"], made["done"]), (3, 0, False))
            self.assertEqual(made["locked"], {"retention": 3, "hold": 0, "event": 0, "doubt": 0})
            self.assertEqual((made["ranges"], made["case"], made["reason"]),
                             ([[3, 3], [7, 8]], "dsr-1", "asked by letter"))
            self.assertEqual(made["next"], made["until"])
            reading = token_of(server, ["read", "verify", "purge"])
            self.check_restricted(server, reading, made)
            server.stop()
            server.start()
            self.check_restricted(server, reading, made)
            server.kill()
            server.start()
            self.check_restricted(server, reading, made)
            clock.forward(31 * 24)
            erase(server, records=[1])  # it looks after all of them then
            done = wait_for(server, made, done=True)
            self.assertEqual((done["done"], done["purged"], done["free"]), (True, 3, 0), done)
            self.assertIn("ended", done)
            reader = server.connect(reading)
            for i in (3, 7, 8):
                self.assertEqual(problem(reader.get(f"{RECORDS}/{i}")), (410, "purged"))
            for i in (2, 4, 6, 9, 10):
                self.assertEqual(reader.get(f"{RECORDS}/{i}").body, b'{"i": %d}' % i)
            went = acts(server, "purge")
            self.assertIn((made["id"], [[3, 3], [7, 8]]),
                          [(a["erasure"], a["ranges"]) for a in went])
            self.assertIn(made["id"], [a["id"] for a in acts(server, "erasure.end")])
            server.stop()
            server.start()
            self.assertEqual(show(server, made), done)
        clock.remove()

    def test_what_a_crash_took_out_of_the_segments_goes_when_its_retention_is_over(self):
        clock = Clock()
        with Server(env=clock.env) as server:
            put_log(server, retain={"default": "30d"})
            append(server, [{"i": i} for i in range(1, 4)])
            made = erase(server, records=[2])
            server.kill()  # before the catalogue knows the segment
            server.start()
            self.assertIn("removed segments/pay/", server.log())
            clock.forward(31 * 24)
            release(server, hold(server, records=[[3, 3]]))  # it looks then
            done = wait_for(server, made, done=True)
            self.assertEqual((done["done"], done["purged"]), (True, 1), done)
        clock.remove()

    def test_it_goes_by_itself_when_its_retention_is_over(self):
        with Server() as server:
            put_log(server, retain={"default": "2s"})
            append(server, [{"i": i} for i in range(1, 4)])
            made = erase(server, records=[2])
            self.assertEqual(made["done"], False)
            done = wait_for(server, made, done=True)
            self.assertEqual((done["done"], done["purged"]), (True, 1), done)
            self.assertEqual(server.get(f"{RECORDS}/1").body, b'{"i": 1}')

    def check_restricted(self, server, token, made):
        """For who may read it is not there; who may hold it, and every proof, is as before."""
        reader = server.connect(token)
        for i in (3, 7, 8):
            for headers in ({}, {"Accept": "application/json"}, {"Range": "bytes=0-1"}):
                answer = reader.get(f"{RECORDS}/{i}", headers)
                self.assertEqual(problem(answer), (403, "restricted"))
                self.assertEqual(answer.json()["erasure"], made["id"])
                self.assertNotIn(b'"i"', answer.body)
                etag = server.get(f"{RECORDS}/{i}").headers["etag"]
                answer = reader.get(f"{RECORDS}/{i}", {**headers, "If-None-Match": etag})
                self.assertEqual(problem(answer), (403, "restricted"))
            self.assertEqual(reader.request("HEAD", f"{RECORDS}/{i}").status, 403)
            self.assertEqual(server.get(f"{RECORDS}/{i}").body, b'{"i": %d}' % i)
            proof = reader.get(f"/api/v1/logs/pay/proof/inclusion?index={i}")
            self.assertEqual(proof.status, 200)
        for i in (2, 4, 6, 9):
            self.assertEqual(reader.get(f"{RECORDS}/{i}").status, 200)
        grants = [{"scopes": ["read"], "logs": ["*"]}, {"scopes": ["hold"], "logs": ["other"]}]
        body = json.dumps({"kind": "job", "grants": grants, "token": {}})
        elsewhere = server.post("/api/v1/principals", body, JSON).json()["token"]
        answer = server.connect(elsewhere).get(f"{RECORDS}/3")
        self.assertEqual(problem(answer), (403, "restricted"))

    def test_a_large_payload_is_restricted_too(self):
        with Server() as server:
            put_log(server, retain={"default": "1d"})
            big = b"x" * (2 << 20)
            server.post(RECORDS, big, {"Content-Type": "application/octet-stream"})
            reader = server.connect(token_of(server, ["read"]))
            self.assertEqual(reader.get(f"{RECORDS}/1").body, big)
            erase(server, range=[1, 1])
            for headers in ({}, {"Accept": "application/json"}, {"Range": "bytes=5-9"}):
                self.assertEqual(problem(reader.get(f"{RECORDS}/1", headers)),
                                 (403, "restricted"))
            self.assertEqual(server.get(f"{RECORDS}/1").body, big)

    def test_each_part_goes_when_its_last_lock_ends(self):
        with Server() as server:
            put_log(server)
            append(server, [{"i": i} for i in range(1, 7)])
            first = hold(server, records=[[2, 3]])
            second = hold(server, records=[[3, 4]])
            made = erase(server, range=[1, 5])
            self.assertEqual(made["holds"], sorted([first, second]))
            now = wait_for(server, made, purged=2)
            self.assertEqual((now["purged"], now["locked"]["hold"]), (2, 3), now)
            release(server, first)
            now = wait_for(server, made, purged=3)
            self.assertEqual((now["purged"], now["locked"]["hold"], now["holds"], now["done"]),
                             (3, 2, [second], False), now)
            self.assertEqual(server.get(f"{RECORDS}/3").status, 200)
            release(server, second)
            now = wait_for(server, made, done=True)
            self.assertEqual((now["purged"], now["done"]), (5, True), now)
            self.assertEqual(server.get(f"{RECORDS}/6").status, 200)

    def test_what_the_examiner_lets_go_goes_at_once(self):
        with Server(options=["--hold-after", "3"]) as server:
            put_log(server)
            hold(server, filter='who = "alice"', open_ended=True)
            # where they are, they say: the examiner's entries may come between
            first, last = (server.post(RECORDS, json.dumps({"who": who}), JSON).json()["index"] for who in ("alice", "bob"))
            made = erase(server, records=[first, last])
            self.assertIn(made["locked"]["hold"], (1, 2), made)  # 1: the examiner came first
            now = wait_for(server, made, purged=1)
            self.assertEqual((now["purged"], now["locked"]["hold"]), (1, 1), now)
            self.assertEqual(server.get(f"{RECORDS}/{first}").status, 200)

    def test_a_record_under_two_erasures(self):
        with Server() as server:
            put_log(server)
            append(server, [{"i": i} for i in range(1, 7)])
            held = hold(server, records=[[1, 6]])
            one = erase(server, records=[1, 2, 3])
            two = erase(server, records=[3, 4])
            reader = server.connect(token_of(server, ["read"]))
            for i in (1, 2, 3, 4):
                self.assertEqual(problem(reader.get(f"{RECORDS}/{i}")), (403, "restricted"))
            listed = server.get(ERASURES).json()["erasures"]
            self.assertEqual([e["id"] for e in listed], sorted([one["id"], two["id"]]))
            page = server.get(ERASURES + "?limit=1").json()
            self.assertEqual((len(page["erasures"]), page["next"]), (1, listed[0]["id"]))
            rest = server.get(f"{ERASURES}?limit=1&after={page['next']}").json()
            self.assertEqual([e["id"] for e in rest["erasures"]], [listed[1]["id"]])
            self.assertNotIn("next", rest)
            release(server, held)
            for made, n in ((one, 3), (two, 2)):
                done = wait_for(server, made, done=True)
                self.assertEqual((done["done"], done["purged"]), (True, n), done)
            self.assertEqual(server.get(ERASURES).json()["erasures"], [])
            self.assertEqual(len(server.get(ERASURES + "?state=done").json()["erasures"]), 2)
            self.assertEqual(reader.get(f"{RECORDS}/5").status, 200)

    def test_a_filter_finds_what_matches_and_is_nowhere_written_down(self):
        with Server() as server:
            put_log(server)
            append(server, [{"who": "alice" if i % 3 == 0 else "bob"} for i in range(1, 10)])
            append_text(server, "alice, perhaps")
            held = hold(server, records=[[3, 3]])
            made = erase(server, filter='who = "alice"')
            self.assertEqual((made["ranges"], made["looked"], made["unread"], made["gone"]),
                             ([[3, 3], [6, 6], [9, 9]], 10, 1, 0))
            now = wait_for(server, made, purged=2)
            self.assertEqual(now["purged"], 2, now)
            self.assertEqual(server.get(f"{RECORDS}/10").body, b"alice, perhaps")
            again = erase(server, filter='who = "alice"', range=[2, 8])
            self.assertEqual((again["ranges"], again["gone"]), ([[3, 3]], 1))
            said = json.dumps(acts(server, "erasure.request")).encode()
            for text in (said, server.get(ERASURES).body, server.log().encode()):
                self.assertNotIn(b"alice", text)
            release(server, held)
            self.assertTrue(wait_for(server, made, done=True)["done"])
            self.assertTrue(wait_for(server, again, done=True)["done"])
            nobody = ask(server, filter='who = "alice"')
            self.assertEqual(problem(nobody), (422, "invalid-erasure"))

    def test_what_cannot_be_asked_changes_nothing(self):
        with Server() as server:
            put_log(server)
            append(server, [{"i": i} for i in range(1, 9000)])
            for body in ({}, {"records": []}, {"records": ["1"]}, {"records": [[2, 1]]},
                         {"records": [-1]}, {"records": [0]}, {"records": [9000]},
                         {"range": [1]}, {"range": [3, 9000]}, {"filter": 7},
                         {"filter": "who = "}, {"records": [1], "range": [1, 2]},
                         {"records": [1], "filter": "i = 1"}, {"records": [1], "reason": ""},
                         {"records": [1], "reason": 7}, {"records": [1], "case": ""},
                         {"records": [1], "case": "a\nb"}, {"records": [1], "who": "x"},
                         {"records": list(range(1, 8999, 2))}):
                self.assertEqual(problem(ask(server, **body)), (422, "invalid-erasure"), body)
            self.assertIn("range beside the filter",
                          ask(server, records=list(range(1, 8999, 2))).json()["detail"])
            self.assertEqual(acts(server, "erasure.request"), [])
            self.assertEqual(problem(server.get(ERASURES + "/e-aaaaaaaaaa")),
                             (404, "unknown-erasure"))
            self.assertEqual(problem(server.get(ERASURES + "?state=x")),
                             (400, "invalid-parameter"))
            system = server.post("/api/v1/logs/_system/erasures",
                                 json.dumps({"case": "c", "range": [0, 1]}), JSON)
            self.assertEqual(problem(system), (403, "reserved-log"))
            for scope in ("read", "hold", "append", "policy", "operate"):
                other = server.connect(token_of(server, [scope]))
                self.assertEqual(problem(ask(other, records=[1])), (403, "insufficient-scope"))
                self.assertEqual(problem(other.get(ERASURES)), (403, "insufficient-scope"))

    def test_where_two_must_look_it_is_left_to_people(self):
        clock = Clock()
        with Server(env=clock.env) as server:
            body = json.dumps({"kind": "person", "token": {}, "grants": [
                {"scopes": ["approve", "purge", "access"], "logs": ["*"]}]})
            others = [server.connect(server.post("/api/v1/principals", body, JSON).json()["token"])
                      for _ in range(2)]
            clock.forward(73)
            put_log(server, dual_control=["purge"], retain={"default": "1d"})
            append(server, [{"i": i} for i in range(1, 4)])
            clock.forward(25)
            made = erase(server, records=[2])
            self.assertEqual((made["waits_for"], made["free"]), ("second-principal", 1))
            time.sleep(0.5)
            self.assertEqual(show(server, made)["purged"], 0)
            self.assertEqual(server.get(f"{RECORDS}/2").status, 200)
            plan = server.post("/api/v1/logs/pay/purge-plans",
                               json.dumps({"range": [2, 2], "unlocked": True}), JSON).json()
            answer = server.post(f"/api/v1/logs/pay/purge-plans/{plan['id']}/approve",
                                 json.dumps({"digest": plan["digest"]}), JSON)
            self.approve(others[0], answer)
            done = wait_for(server, made, done=True)
            self.assertEqual((done["done"], done["purged"]), (True, 1), done)
            body = json.dumps({"acts": ["erasure.request"]})
            self.assertEqual(server.request("PUT", "/api/v1/dual-control", body, JSON).status, 200)
            put_log(server, "free")
            append(server, [{"i": 1}], "free")
            answer = server.post("/api/v1/logs/free/erasures",
                                 json.dumps({"case": "c", "records": [1]}), JSON)
            self.assertEqual(server.get("/api/v1/logs/free/erasures").json()["erasures"], [])
            self.approve(others[1], answer)
            end = time.monotonic() + 60
            while (server.get("/api/v1/logs/free/records/1").status != 410
                   and time.monotonic() < end):
                time.sleep(0.05)
            (made,) = server.get("/api/v1/logs/free/erasures?state=all").json()["erasures"]
            self.assertEqual(made["purged"], 1, made)
            body = json.dumps({"acts": ["erasure.request", "purge"]})  # now of every log
            self.assertEqual(server.request("PUT", "/api/v1/dual-control", body, JSON).status, 200)
            append(server, [{"i": 2}], "free")
            index = server.get("/api/v1/logs/free").json()["size"] - 1
            self.approve(others[0], server.post("/api/v1/logs/free/erasures", json.dumps(
                {"case": "other", "records": [index]}), JSON))
            (made,) = [e for e in server.get("/api/v1/logs/free/erasures").json()["erasures"]
                       if e["case"] == "other"]
            made = server.get(f"/api/v1/logs/free/erasures/{made['id']}").json()
            self.assertEqual((made["waits_for"], made["free"]), ("second-principal", 1), made)
            for client in others:
                client.close()
        clock.remove()

    def approve(self, client, answer):
        self.assertEqual(problem(answer), (403, "dual-control-required"))
        path = f"/api/v1/approvals/{answer.json()['approval']}"
        digest = client.get(path).json()["digest"]
        answer = client.post(path + "/approve", json.dumps({"digest": digest}), JSON)
        self.assertEqual(answer.status, 200, answer.body)

    def test_with_frozen_clocks_it_waits(self):
        clock = Clock()
        with Server(env=clock.env) as server:
            put_log(server)
            append(server, [{"i": i} for i in range(1, 4)])
            held = hold(server, records=[[2, 2]])
            made = erase(server, records=[2])
            clock.step(10 * 365 * 86400)
            now = wait_for(server, made, waits_for="clock")
            self.assertEqual(now.get("waits_for"), "clock")
            release(server, held)
            time.sleep(0.5)
            now = show(server, made)
            self.assertEqual((now["purged"], now["free"], now["done"]), (0, 1, False))
            self.assertEqual(server.get(f"{RECORDS}/2").status, 200)
            reader = server.connect(token_of(server, ["read"]))
            self.assertEqual(problem(reader.get(f"{RECORDS}/2")), (403, "restricted"))
        clock.remove()

    def test_the_command_line(self):
        with Server() as server:
            put_log(server)
            append(server, [{"who": "alice"}, {"who": "bob"}, {"who": "alice"}])
            held = hold(server, records=[[1, 1]])
            run = stele("erasure", "request", "pay", "--case", "dsr-7", "--filter", 'who = "alice"',
                        "--reason", "a letter", server=server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("2 records", run.stdout)
            self.assertIn(held, run.stdout)
            run = stele("erasure", "list", "pay", "--json", server=server)
            made = json.loads(run.stdout)["erasures"][0]
            self.assertEqual((made["case"], made["records"]), ("dsr-7", 2))
            run = stele("erasure", "list", "pay", server=server)
            self.assertIn(made["id"], run.stdout)
            run = stele("erasure", "show", "pay", made["id"], server=server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertIn("legal hold", run.stdout)
            release(server, held)
            wait_for(server, made, done=True)
            run = stele("erasure", "show", "pay", made["id"], server=server)
            self.assertIn("done", run.stdout)
            run = stele("erasure", "list", "pay", "--state", "done", server=server)
            self.assertIn(made["id"], run.stdout)
            for words, status in ((("request", "pay", "--records", "1"), 3),
                                  (("request", "pay", "--case", "x"), 3),
                                  (("request", "pay", "--case", "x", "--records", "a"), 3),
                                  (("request", "pay", "--case", "x", "--records", "99"), 1),
                                  (("show", "pay", "e-aaaaaaaaaa"), 1)):
                run = stele("erasure", *words, server=server)
                self.assertEqual(run.returncode, status, (words, run.stdout, run.stderr))


if __name__ == "__main__":
    unittest.main()
