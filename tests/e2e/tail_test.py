#!/usr/bin/env python3
"""Tails: every record once and in order, however the reader, the writers and the server behave."""
import json
import re
import shutil
import tempfile
import threading
import time
import unittest
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pki
from lib import JSON, NDJSON, Client, Server, sanitized, until
from tail_case import Tail

WRITERS = 4


def metric(server, name):
    text = server.get("/metrics").text()
    return float(re.search(rf"^stele_{name} (\S+)$", text, re.M).group(1))


def by_log(places):
    found = defaultdict(list)
    for log, index in places:
        found[log].append(index)
    return dict(found)


class Case(unittest.TestCase):
    options = ()

    def setUp(self):
        self.server = Server(options=self.options).start()
        self.addCleanup(self.remove)
        self.server.create_log("a")

    def remove(self):
        if self.server.running():
            self.assertEqual(self.server.stop(), 0, self.server.log())
        self.server.remove()

    def append(self, payload=b"{}", log="a", client=None):
        answer = (client or self.server).post(f"/api/v1/logs/{log}/records", payload, JSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["index"]

    def append_many(self, n, log="a", payload=b"{}"):
        body = b"\n".join([payload] * n)
        answer = self.server.post(f"/api/v1/logs/{log}/records", body, {**NDJSON, "Prefer": "return=minimal"})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["last"]

    def size(self, log="a"):
        return self.server.get("/api/v1/logs/" + log).json()["size"]

    def tail(self, path="/api/v1/logs/a/tail", **how):
        tail = Tail(self.server, path, **how)
        self.addCleanup(tail.close)
        self.assertEqual(tail.status, 200, None if tail.status == 200 else tail.answer.read())
        return tail

    def refused(self, status=400, path="/api/v1/logs/a/tail", **how):
        tail = Tail(self.server, path, **how)
        self.addCleanup(tail.close)
        self.assertEqual(tail.status, status)
        return json.loads(tail.answer.read())

    def principal(self, *grants, name="person"):
        """A new one, and a token of it."""
        made = self.server.post("/api/v1/principals", json.dumps({"kind": name, "grants": list(grants)}), JSON)
        self.assertEqual(made.status, 201, made.body)
        token = self.server.post("/api/v1/tokens", json.dumps({"principal": made.json()["id"]}), JSON)
        self.assertEqual(token.status, 201, token.body)
        return made.json()["id"], token.json()

    def write(self, logs, n):
        """n records by each of several writers at once."""
        def some(k):
            client = self.server.connect()
            for i in range(n):
                self.append(b'{"writer":%d,"n":%d}' % (k, i), logs[(k + i) % len(logs)], client)
            client.close()

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(some, range(WRITERS)))


class Order(Case):
    def test_what_several_writers_append_comes_once_and_in_order(self):
        logs = ["a", "b", "c"]
        for log in logs[1:]:
            self.server.create_log(log)
        one, all_three = self.tail(), self.tail("/api/v1/tail", logs="a,b,c")
        n = 40 if sanitized() else 150
        self.write(logs, n)
        total = WRITERS * n
        found = by_log(all_three.places(total))
        self.assertEqual(found, {log: list(range(1, self.size(log))) for log in logs})
        self.assertEqual(one.places(self.size("a") - 1), [("a", i) for i in range(1, self.size("a"))])

    def test_who_begins_anywhere_while_records_come_misses_nothing(self):
        self.append_many(700)
        n, stop = 30 if sanitized() else 120, threading.Event()

        def write():
            self.write(["a"], n)
            stop.set()

        writer = threading.Thread(target=write)
        writer.start()
        tails = []
        while not stop.is_set() and len(tails) < 40:
            tails.append(self.tail(start=[0, 1, 650, 700, "now"][len(tails) % 5]))
        writer.join()
        last = self.append()
        for tail in tails:
            first = max(tail.begin.data["logs"][0]["next"], 1)  # entry 0 is no record
            self.assertEqual(tail.places(last - first + 1), [("a", i) for i in range(first, last + 1)])
        until(lambda: metric(self.server, "tail_feeds") == 1, "those that ask the same share one feed")

    def test_rows_are_those_of_queries(self):
        self.append(b'{"kind":"Event","a":1,"a":2}')
        self.server.post("/api/v1/logs/a/records", b"\xff", {"Content-Type": "a/b"})
        rows = self.server.get("/api/v1/logs/a/records").json()["records"]
        tail = self.tail(start=0)
        self.assertEqual([tail.record().data for _ in rows], rows)
        summary = self.tail(start=0, view="summary")
        self.assertNotIn("payload", summary.record().data)

    def test_where_it_begins(self):
        indexes = [self.append() for _ in range(5)]
        rows = self.server.get("/api/v1/logs/a/records").json()["records"]
        self.assertEqual(self.tail(start=indexes[3]).places(2), [("a", i) for i in indexes[3:]])
        self.assertEqual(self.tail(start=rows[2]["receive_time"]).places(3), [("a", i) for i in indexes[2:]])
        self.assertEqual(self.tail(start="2026-01-01").places(5), [("a", i) for i in indexes])
        later = self.tail(start="2200-01-01")
        self.assertEqual(later.begin.data["logs"], [{"log": "a", "next": indexes[-1] + 1}])
        now = self.tail()
        index = self.append()
        self.assertEqual(now.places(1), [("a", index)])
        self.server.create_log("b")
        self.assertEqual(set(self.tail("/api/v1/tail", logs="*", start=0).places(6)), {("a", i) for i in range(1, 7)})

    def test_what_is_refused(self):
        self.refused(start=9)
        self.refused(start="yesterday")
        self.refused(filter="=")
        self.refused(limit=3)
        self.refused(404, path="/api/v1/logs/none/tail")
        self.refused(404, path="/api/v1/tail", logs="a,none")
        self.server.create_log("b")
        self.refused(path="/api/v1/tail", logs="a,b", start=1)
        _, token = self.principal({"scopes": ["read"], "logs": ["b"]})
        self.refused(403, token=token["token"])
        self.refused(403, path="/api/v1/tail", logs="a,b", token=token["token"])
        head = f"Host: x\r\nAuthorization: Bearer {self.server.token()}\r\n\r\n"
        old = self.server.raw(f"GET /api/v1/logs/a/tail HTTP/1.0\r\n{head}".encode())
        self.assertIn(b"505 ", old.split(b"\r\n")[0])
        only = self.server.raw(f"HEAD /api/v1/logs/a/tail HTTP/1.1\r\n{head}".encode())
        self.assertTrue(only.endswith(b"\r\n\r\n") and only.count(b"\r\n\r\n") == 1, only)


class TwoLoops(Case):
    options = ("--loops", "2")

    def test_both_hear_of_every_commit(self):
        tails = [self.tail() for _ in range(24)]
        until(lambda: metric(self.server, "tail_feeds") <= 2, "each loop has one feed at most")
        n = 20 if sanitized() else 60
        self.write(["a"], n)
        for tail in tails:
            self.assertEqual(tail.places(WRITERS * n), [("a", i) for i in range(1, WRITERS * n + 1)])
        for tail in tails[::2]:
            tail.close()
        last = self.append()
        for tail in tails[1::2]:
            self.assertEqual(tail.places(1), [("a", last)])


class Filters(Case):
    options = ("--tail-heartbeat", "1")

    def test_only_what_matches_and_what_cannot_be_judged_is_counted(self):
        tail = self.tail(filter="n >= 7", start=0)
        for i in range(10):
            self.append(b'{"n":%d}' % i)
        self.server.post("/api/v1/logs/a/records", b"\xff", {"Content-Type": "a/b"})
        self.assertEqual([tail.record().data["payload"] for _ in range(3)], ['{"n":7}', '{"n":8}', '{"n":9}'])
        while not tail.statuses:
            self.assertIsNotNone(tail.event())
        self.assertEqual(tail.statuses, [{"unparsed": 1, "purged": 0, "restricted": 0, "unreadable": 0}])

    def test_silence_is_broken_and_says_where_to_go_on(self):
        tail = self.tail(filter="n = 1")
        last = self.append_many(300)
        until(lambda: tail.event() is not None and tail.id != tail.begin.id, "an id beyond what did not match")
        self.assertGreater(tail.comments, 0)
        again = self.tail(filter="n = 1", id=tail.id)
        self.assertEqual(again.begin.data["logs"], [{"log": "a", "next": last + 1}])

    def test_what_waits_for_its_erasure_is_for_who_may_hold(self):
        secret, plain = self.append(b'{"secret":1}'), self.append(b'{"n":1}')
        hold = {"matter": "m", "name": "n", "logs": ["a"], "range": [secret, secret], "reason": "it would go else"}
        self.assertEqual(self.server.post("/api/v1/holds", json.dumps(hold), JSON).status, 201)
        asked = self.server.post("/api/v1/logs/a/erasures", json.dumps({"case": "c", "records": [secret]}), JSON)
        self.assertEqual(asked.status, 201, asked.body)
        _, token = self.principal({"scopes": ["read"], "logs": ["a"]})
        tail = self.tail(token=token["token"], start=0)
        self.assertEqual(tail.places(1), [("a", plain)])
        self.assertEqual(tail.statuses, [{"unparsed": 0, "purged": 0, "restricted": 1, "unreadable": 0}])

    def test_logs_that_are_born_are_followed_from_their_begin(self):
        tail = self.tail("/api/v1/tail", logs="k8s-*")
        self.assertEqual(tail.begin.data["logs"], [])
        self.server.create_log("k8s-one")
        index = self.append(log="k8s-one")
        self.assertEqual(tail.places(1), [("k8s-one", index)])
        id = tail.id
        tail.close()
        self.server.create_log("k8s-two")
        self.append_many(3, "k8s-two")
        again = self.tail("/api/v1/tail", logs="k8s-*", id=id)
        self.assertEqual(again.places(3), [("k8s-two", i) for i in (1, 2, 3)])

    def test_logs_that_may_be_read_since_are_followed_from_now(self):
        for log in ("k8s-one", "k8s-two"):
            self.server.create_log(log)
            self.append_many(5, log)
        who, token = self.principal({"scopes": ["read"], "logs": ["k8s-one"]})
        tail = self.tail("/api/v1/tail", logs="k8s-*", token=token["token"])
        self.assertEqual(tail.begin.data["logs"], [{"log": "k8s-one", "next": 6}])
        grants = [{"scopes": ["read"], "logs": ["k8s-*"]}]
        changed = self.server.request("PATCH", f"/api/v1/principals/{who}", json.dumps({"grants": grants}), JSON)
        self.assertEqual(changed.status, 200, changed.body)
        self.assertEqual((tail.rest(), tail.ended), ([], "access"))  # what it may is another now
        again = self.tail("/api/v1/tail", logs="k8s-*", token=token["token"], id=tail.id)
        self.assertEqual(again.begin.data["logs"], [{"log": "k8s-one", "next": 6}, {"log": "k8s-two", "next": 6}])


class Ends(Case):
    options = ("--tail-heartbeat", "3600")  # so that nothing is noticed by one

    def test_a_token_that_is_revoked_ends_its_tails_and_no_others(self):
        _, token = self.principal({"scopes": ["read"], "logs": ["a"]})
        theirs, ours = self.tail(token=token["token"]), self.tail()
        self.assertEqual(self.server.request("DELETE", f"/api/v1/tokens/{token['id']}").status, 204)
        self.assertEqual((theirs.rest(), theirs.ended), ([], "access"))
        index = self.append()
        self.assertEqual(ours.places(1), [("a", index)])

    def test_a_disabled_principal(self):
        who, token = self.principal({"scopes": ["read"], "logs": ["a"]})
        tail = self.tail(token=token["token"])
        gone = self.server.post(f"/api/v1/principals/{who}/disable", b"{}", JSON)
        self.assertEqual(gone.status, 200, gone.body)
        self.assertEqual((tail.rest(), tail.ended), ([], "access"))

    def test_a_token_whose_time_is_over(self):
        who, _ = self.principal({"scopes": ["read"], "logs": ["a"]})
        made = self.server.post("/api/v1/tokens", json.dumps({"principal": who, "expires": "2s"}), JSON)
        self.assertEqual(made.status, 201, made.body)
        tail = self.tail(token=made.json()["token"])
        self.assertEqual((tail.rest(), tail.ended), ([], "access"))

    def test_a_stop_ends_them_and_they_go_on_at_the_next_start(self):
        tail = self.tail()
        first = self.append()
        self.assertEqual(tail.places(1), [("a", first)])
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual((tail.rest(), tail.ended), ([], "shutdown"))
        self.server.start()
        second = self.append()
        self.assertEqual(self.tail(id=tail.id).places(1), [("a", second)])

    def test_who_leaves_is_forgotten(self):
        tails = [self.tail() for _ in range(10)]
        self.assertEqual((metric(self.server, "tails"), metric(self.server, "tails_opened_total")), (10, 10))
        for tail in tails:
            tail.close()
        until(lambda: metric(self.server, "tails") == metric(self.server, "tail_feeds") == 0, "all have left")
        self.assertEqual(metric(self.server, "tails_dropped_total"), 0)

    def test_who_follows_what_is_recorded(self):
        tail = self.tail(filter="n = 1")
        index = self.append(b'{"n":1}')
        tail.places(1)
        tail.close()
        found = []

        def told():
            rows = self.server.get("/api/v1/logs/_access/records?limit=1000").json()["records"]
            found[:] = [json.loads(r["payload"]) for r in rows]
            return any(r.get("tail") == "ended" for r in found)

        until(told, "the end is recorded")
        begun, ended = [r for r in found if "tail" in r]
        self.assertEqual((begun["tail"], begun["logs"], ended["rows"]), ("begun", ["a"], 1))
        self.assertEqual(begun["filter"], ended["filter"])
        self.assertIn([[index, index]], [r.get("records") for r in found])


class Ids(Case):
    def test_an_id_is_of_its_question_and_its_principal(self):
        self.server.create_log("b")
        self.append()
        id = self.tail(filter="n = 1").id
        self.tail(filter="n = 1", id=id)
        self.tail(filter="n=1", after=id, view="summary")  # the same question
        self.refused(filter="n = 2", id=id)
        self.refused(path="/api/v1/logs/b/tail", filter="n = 1", id=id)
        self.refused(path="/api/v1/tail", logs="a,b", filter="n = 1", id=id)
        _, token = self.principal({"scopes": ["read"], "logs": ["*"]})
        self.refused(filter="n = 1", id=id, token=token["token"])
        cursor = self.server.get("/api/v1/logs/a/records?limit=1").json()
        self.append()
        cursor = self.server.get("/api/v1/logs/a/records?limit=1").json()["next"]
        self.refused(id=cursor)

    def test_an_id_that_somebody_made_up_is_refused(self):
        self.append()
        id = self.tail().id
        for place in range(0, len(id)):
            other = "B" if id[place] != "B" else "C"
            self.refused(id=id[:place] + other + id[place + 1:])
        for made_up in (id[:-1], id + "A", id + "AAAA", "A", "=" * 8, "..", "A" * 4000, "\u00ff" * 9):
            self.refused(id=made_up)

    def test_the_field_counts_more_than_the_url(self):
        index = self.append()
        first = self.tail()
        last = self.append()
        first.places(1)
        again = self.tail(id=first.id, after="nonsense", start=0)
        next = self.append()
        self.assertEqual(again.places(1), [("a", next)])
        self.assertLess(index, last)


class Slow(Case):
    def test_who_does_not_read_is_dropped_and_comes_back_without_a_gap(self):
        slow, quick = self.tail(buffer=4096), self.tail()
        payload = b'"' + b"x" * 8000 + b'"'
        last = 0
        while metric(self.server, "tails_dropped_total") == 0:
            last = self.append_many(200, payload=payload)
            self.assertLess(last, 30000, "nobody was dropped")
            self.assertEqual(len(quick.places(200)), 200)
        found = slow.rest()
        self.assertIsNone(slow.ended)
        self.assertLess(len(found), last)
        again = self.tail(id=slow.id)
        found += again.places(last - len(found))
        self.assertEqual(found, [("a", i) for i in range(1, last + 1)])
        until(lambda: metric(self.server, "answer_bytes") == 0, "nothing is kept")

    def test_memory_is_that_of_one_page_for_who_reads_history_slowly(self):
        payload = b'"' + b"x" * 8000 + b'"'
        for _ in range(8):
            last = self.append_many(500, payload=payload)
        tail = self.tail(start=0, buffer=4096)
        time.sleep(0.5)
        self.assertLess(metric(self.server, "answer_bytes"), 1 << 20)
        self.assertEqual(tail.places(last), [("a", i) for i in range(1, last + 1)])


class Many(Case):
    def test_hundreds_of_tails_get_everything_from_one_feed(self):
        n, records = (60, 40) if sanitized() else (300, 100)
        with ThreadPoolExecutor(16) as pool:
            tails = list(pool.map(lambda _: self.tail(), range(n)))
            self.write(["a"], records // WRITERS)
            want = [("a", i) for i in range(1, records // WRITERS * WRITERS + 1)]
            for found in pool.map(lambda t: t.places(len(want)), tails):
                self.assertEqual(found, want)
        until(lambda: metric(self.server, "tail_feeds") == 1, "one feed")
        self.assertEqual(metric(self.server, "tails"), n)
        self.assertEqual(metric(self.server, "tail_rows_total"), n * len(want))
        # each round is of all of them: there were not more than records, and what joining took
        self.assertLess(metric(self.server, "tail_rounds_total"), 3 * n + 2 * len(want))


class Crash(Case):
    def test_kills_leave_no_gap_and_no_duplicate(self):
        found, stop = [], threading.Event()

        def follow():
            tail = Tail(self.server, "/api/v1/logs/a/tail", start=0)
            while True:
                while (event := tail.record()) is not None:
                    found.append(event.place())
                tail.close()
                if stop.is_set():
                    return
                id = tail.id
                while True:
                    try:
                        tail = Tail(self.server, "/api/v1/logs/a/tail", id=id)
                        assert tail.status == 200, tail.answer.read()
                        break
                    except OSError:
                        time.sleep(0.05)

        def write():
            client = self.server.connect()
            try:
                while True:
                    self.append(client=client)
            except Exception:  # the kill
                client.close()

        reader = threading.Thread(target=follow)
        reader.start()
        for _ in range(3):
            writers = [threading.Thread(target=write) for _ in range(WRITERS)]
            for w in writers:
                w.start()
            before = len(found)
            until(lambda: len(found) > before + 50, "records come")
            self.server.kill()
            for w in writers:
                w.join()
            self.server.start()
        last = self.append()
        until(lambda: found and found[-1] == ("a", last), "the last one comes")
        stop.set()
        self.assertEqual(self.server.stop(), 0)
        reader.join()
        self.assertEqual(found, [("a", i) for i in range(1, last + 1)])


class Tls(Case):
    def setUp(self):
        pki.needed()
        import ssl
        folder = tempfile.mkdtemp(prefix="stele-pki-")
        self.addCleanup(shutil.rmtree, folder)
        ca = pki.Authority(folder, "ca")
        certificate, key = ca.issue("server")
        self.server = Server(options=["--tls-cert", str(certificate), "--tls-key", str(key), "--tail-heartbeat", "3600"],
                             context=ssl.create_default_context(cafile=ca.pem)).start()
        self.addCleanup(self.remove)
        self.server.create_log("a")

    def test_it_is_the_same_under_tls(self):
        tail, left = self.tail(), self.tail()
        payload = b'"' + b"x" * 8000 + b'"'
        last = self.append_many(300, payload=payload)
        self.assertEqual(tail.places(last), [("a", i) for i in range(1, last + 1)])
        left.close()
        until(lambda: metric(self.server, "tails") == 1, "who leaves is forgotten")


if __name__ == "__main__":
    unittest.main()
