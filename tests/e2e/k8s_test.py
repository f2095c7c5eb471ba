#!/usr/bin/env python3
"""The audit webhook of a Kubernetes API server: every event once, as it came, whatever happens."""
import gzip
import json
import os
import random
import shutil
import subprocess
import threading
import time
import unittest
from http.client import HTTPException

from http_case import MIB, Case, problem, statuses
from lib import JSON, SHARED, Client, Server, stele

DATA = SHARED / "data/k8s-audit.ndjson"
OCTETS = "application/octet-stream"
ITEMS = int(os.environ.get("STELE_K8S_ITEMS", 200_000))  # tiny ones, in one body
KILLS = int(os.environ.get("STELE_K8S_KILLS", 12))
BODY_BYTES = 64 * MIB


def event_list(items, more=b'"metadata":{}'):
    return (b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1",' + more + b',"items":['
            + b",".join(items) + b"]}\n")


def event(name, stage="ResponseComplete", **more):
    return json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": name,
                       "stage": stage, **more}).encode()


def metric(server, name):
    text = server.get("/metrics").text()
    return int(text.split(f'stele_intake_{name}_total{{path="k8s"}} ')[1].split()[0])


def entry(server, log, index):
    answer = server.get(f"/api/v1/logs/{log}/records/{index}", {"Accept": "application/json"})
    return json.loads(answer.json()["entry"])


class Webhook(Case):
    def setUp(self):
        name = self.id().split(".")[-1].lower()
        self.log = (name.replace("_", "-"))[:60]
        self.path = f"/k8s/audit/{self.log}"
        self.server.create_log(self.log)
        self.sender = Client(self.server.port, self.server.token(), timeout=120)
        self.addCleanup(self.sender.close)

    def send(self, body, headers=None, path=None):
        return self.sender.post(path or self.path, body, headers or JSON)

    def taken(self, answer, count, duplicates=0, unparsed=0):
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.json(), {"log": self.log, "count": count, "unparsed": unparsed,
                                         "duplicates": duplicates})

    def payloads(self, client=None):
        """All but entry 0, in order."""
        client = client or self.server
        size = client.get(f"/api/v1/logs/{self.log}").json()["size"]
        return [client.get(f"/api/v1/logs/{self.log}/records/{i}").body for i in range(1, size)]

    def test_real_events_are_kept_as_they_came_and_once(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is not there: no real events to test with")
        lines = DATA.read_bytes().splitlines()
        odd = sum("auditID" not in json.loads(line) for line in lines)
        self.assertGreater(len(lines) - odd, 40)
        self.taken(self.send(event_list(lines)), len(lines), unparsed=odd)
        self.assertEqual(self.payloads(), lines)
        for i, line in enumerate(lines):
            kind = entry(self.server, self.log, i + 1)["media_type"]
            self.assertEqual(kind, "application/json" if b"auditID" in line else OCTETS)
        self.taken(self.send(event_list(lines)), len(lines), len(lines), odd)
        self.taken(self.send(event_list(lines[::-1])), len(lines), len(lines) - odd, odd)
        self.assertEqual(len(self.payloads()), len(lines) + odd)

    def test_the_request_of_a_real_api_server_is_taken(self):
        """As client-go writes it: with its timeout in the query."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, */*",
                   "User-Agent": "kube-apiserver/v1.26.15"}
        answer = self.send(event_list([event("a")]), headers, self.path + "?timeout=30s")
        self.taken(answer, 1)
        self.assertEqual(problem(self.send(event_list([event("a")]), path=self.path + "?x=1")),
                         (400, "invalid-parameter"))

    def test_content_codings_are_the_usual_ones(self):
        body = event_list([event("a"), event("b")])
        self.taken(self.send(gzip.compress(body), {"Content-Encoding": "gzip"}), 2)
        self.taken(self.send(body), 2, 2)
        if shutil.which("zstd"):
            zipped = subprocess.run(["zstd", "-c"], input=body, capture_output=True, check=True)
            self.taken(self.send(zipped.stdout, {"Content-Encoding": "zstd"}), 2, 2)
        self.assertEqual(self.payloads(), [event("a"), event("b")])
        self.assertEqual(problem(self.send(body, {"Content-Encoding": "br"})),
                         (415, "unsupported-encoding"))
        more = event_list([event(str(i), x=os.urandom(99).hex()) for i in range(999)])
        self.taken(self.send(gzip.compress(more), {"Content-Encoding": "gzip"}), 999)
        self.assertIn("\nstele_body_bytes 0\n", self.server.get("/metrics").text())

    def test_what_was_cut_off_in_a_coding_is_kept_as_it_was_sent(self):
        cut = gzip.compress(event_list([event("a")]))[:-9]
        self.taken(self.send(cut, {"Content-Encoding": "gzip"}), 1, unparsed=1)
        self.taken(self.send(cut, {"Content-Encoding": "gzip"}), 1, 1, 1)
        self.assertEqual(self.payloads(), [cut])
        plain = event_list([event("a")])
        self.taken(self.send(plain, {"Content-Encoding": "gzip"}), 1)
        self.assertEqual(self.payloads(), [cut, event("a")])

    def test_a_bomb_and_a_body_too_large_are_413(self):
        bomb = gzip.compress(event_list([b'"' + b"x" * (40 * MIB) + b'"']))
        answer = self.send(bomb, {"Content-Encoding": "gzip"})
        self.assertEqual(problem(answer), (413, "body-too-large"))
        noise = os.urandom(MIB // 2).hex().encode()  # a ratio that is allowed
        large = gzip.compress(event_list([b'"' + noise + b'"'] * 65), 1)
        self.assertEqual(problem(self.send(large, {"Content-Encoding": "gzip"})),
                         (413, "body-too-large"))
        for bytes_, status in ((BODY_BYTES, 100), (BODY_BYTES + 1, 413)):
            head = (f"POST {self.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes_}\r\n"
                    f"Authorization: Bearer {self.server.token()}\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(statuses(self.server.raw(head.encode(), seconds=5))[:1], [status])
        self.assertEqual(self.payloads(), [])

    def test_an_item_that_cannot_be_read_refuses_nothing(self):
        items = [event("a"), b"{}", b'{"auditID":"x","stage":7}', b"null", event("b"), b"{'a':1}",
                 b'{"auditID":"x","stage":"y",}', b'"\xff"', event("c"), b"[" * 70 + b"]" * 70]
        before = metric(self.server, "unparsed")
        self.taken(self.send(event_list(items)), 10, unparsed=7)
        self.assertEqual(self.payloads(), items)
        kinds = [entry(self.server, self.log, i + 1)["media_type"] for i in range(10)]
        self.assertEqual([k == OCTETS for k in kinds], [0, 1, 1, 1, 0, 1, 1, 1, 0, 1])
        self.assertEqual(metric(self.server, "unparsed"), before + 7)
        self.taken(self.send(event_list(items)), 10, 10, 7)
        self.assertEqual(metric(self.server, "unparsed"), before + 7)
        said = self.said("intake.unparsed")
        token = self.server.get("/api/v1/tokens").json()["tokens"]
        self.assertEqual((said["path"], said["count"], said["first"], said["last"]),
                         ("k8s", 7, 2, 10))
        self.assertIn(said["by"]["token"], [t["id"] for t in token])

    def said(self, kind):
        """The act of that kind about this test's log, which is recorded within a second."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            size = self.server.get("/api/v1/logs/_system").json()["size"]
            for i in range(size - 1, 0, -1):
                act = self.server.get(f"/api/v1/logs/_system/records/{i}").json()
                if act.get("type") == kind and act.get("log") == self.log:
                    return act
            time.sleep(0.1)
        raise AssertionError(f"{kind} was not recorded")

    def test_a_body_that_cannot_be_taken_apart_is_one_record(self):
        bodies = [event_list([event("a"), event("b")])[:-40], b"{", b"no JSON at all",
                  event_list([event("a")]) + b"x", event_list([event("a") + event("b")])]
        for i, body in enumerate(bodies):
            self.taken(self.send(body), 1, unparsed=1)
            self.taken(self.send(body), 1, 1, 1)
            self.assertEqual(entry(self.server, self.log, i + 1)["media_type"], OCTETS)
        self.assertEqual(self.payloads(), bodies)

    def test_what_is_no_list_of_events_or_nothing_is_refused(self):
        for body in (b"", b" \n", event_list([]), event_list([]).replace(b"[]", b"null")):
            self.assertEqual(problem(self.send(body)), (400, "empty-batch"))
        for body in (b"{}", b"[]", b'{"receiver":"x","alerts":[]}', event("a"),
                     event_list([event("a")]).replace(b"audit.k8s.io/v1", b"v1", 1)):
            self.assertEqual(problem(self.send(body)), (400, "invalid-event"))
        self.assertEqual(self.payloads(), [])

    def test_a_header_that_would_change_what_is_stored_is_not_ignored(self):
        for name in ("Stele-Retain-For", "Stele-Legal-Hold", "stele-anything"):
            answer = self.send(event_list([event("a")]), {name: "7y"})
            self.assertEqual(problem(answer), (422, "retention-unsupported"))
        self.assertEqual(self.payloads(), [])

    def test_the_same_id_with_other_bytes_is_another_event(self):
        """Clients of the API server may choose an Audit-ID: nobody hides an event behind one."""
        one, other = event("a", verb="get"), event("a", verb="delete")
        later = event("a", "Panic", verb="get")
        self.taken(self.send(event_list([one, other, one, later, other])), 5, 2)
        self.taken(self.send(event_list([other, event("a", verb="list"), one])), 3, 2)
        self.assertEqual(self.payloads(), [one, other, later, event("a", verb="list")])

    def test_the_same_garbage_in_another_body_is_another_event(self):
        self.taken(self.send(event_list([b"null", b"null"])), 2, unparsed=2)
        self.taken(self.send(event_list([b"null", b"null", b"1"])), 3, unparsed=3)
        self.taken(self.send(event_list([b"null", b"null"])), 2, 2, 2)
        self.assertEqual(self.payloads(), [b"null"] * 4 + [b"1"])

    def test_large_events_and_large_bodies(self):
        wide = [event(f"w{i}", x="y" * (MIB + i)) for i in range(3)]
        huge = event("h", x="y" * (16 * MIB))
        items = [event("a"), wide[0], wide[1], event("b"), huge, event("c"), wide[2], wide[0]]
        answer = self.send(event_list(items))
        self.taken(answer, 8, 1, 1)
        self.assertEqual(self.payloads(), items[:-1])
        self.assertEqual(entry(self.server, self.log, 5)["media_type"], OCTETS)
        self.assertEqual(entry(self.server, self.log, 2)["media_type"], "application/json")
        self.taken(self.send(event_list(items)), 8, 8, 1)
        self.taken(self.send(event_list(items[2:4] + items[:1])), 3, 3)
        objects = [f for f in (self.server.data / "objects" / self.log).iterdir()]
        self.assertEqual(len(objects), 4)
        self.assertEqual(list((self.server.data / "objects/pending").iterdir()), [])

    def test_a_body_of_32_mib_is_taken(self):
        items = [event(f"{i:08}", x=os.urandom(512).hex()) for i in range(30_000)]
        body = event_list(items)
        self.assertGreater(len(body), 32 * MIB)
        self.taken(self.send(body), len(items))
        self.taken(self.send(event_list([*items, event("last")])), len(items) + 1, len(items))

    def test_a_million_tiny_items_are_no_more_than_what_they_are(self):
        answer = self.send(event_list([b"1"] * ITEMS))
        self.taken(answer, ITEMS, unparsed=ITEMS)
        size = self.server.get(f"/api/v1/logs/{self.log}").json()["size"]
        self.assertEqual(size, ITEMS + 1)

    def test_nesting_costs_nothing(self):
        deep = b'{"auditID":"a","stage":"b","x":' + b"[" * (8 * MIB) + b"]" * (8 * MIB) + b"}"
        for item in (deep, b"[" * (16 * MIB), b'{"a":' * MIB):
            begun = time.monotonic()
            self.taken(self.send(event_list([item])), 1, unparsed=1)
            self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(self.send(event_list([event("still there")])).status, 200)

    def test_many_at_once_are_each_taken_once(self):
        bodies = [event_list([event(f"{i % 7}-{k}") for k in range(200)]) for i in range(21)]

        def post(body):
            client = Client(self.server.port, self.server.token())
            answers.append(client.post(self.path, body, JSON).status)
            client.close()

        answers = []
        threads = [threading.Thread(target=post, args=(body,)) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(answers, [200] * 21)
        payloads = self.payloads()
        self.assertEqual(len(payloads), 1400)
        self.assertEqual(len(set(payloads)), 1400)


class Tokens(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for log in ("k8s", "other"):
            cls.server.create_log(log)

    def make(self, status=201, **body):
        answer = self.server.post("/api/v1/tokens", json.dumps(body), JSON)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def ask(self, text, path="/k8s/audit"):
        client = self.connect(text)
        answer = client.post(path, event_list([event("a")]), JSON)
        return answer.json()["log"] if answer.status == 200 else problem(answer)

    def test_it_opens_its_paths_and_nothing_else(self):
        made = self.make(scopes=["append"], logs=["k8s"], log="k8s", paths=["k8s"])
        self.assertEqual((made["log"], made["paths"]), ("k8s", ["k8s"]))
        text = made["token"]
        self.assertEqual(self.ask(text), "k8s")
        self.assertEqual(self.ask(text, "/k8s/audit/k8s"), "k8s")
        for path in ("/k8s/audit/other", "/api/v1/logs/k8s/records"):
            self.assertEqual(self.ask(text, path), (403, "insufficient-scope"))
        client = self.connect(text)
        for path in ("/api/v1/logs", "/api/v1/logs/k8s", "/metrics", "/logs/k8s/checkpoint"):
            self.assertEqual(client.get(path).status, 403)

    def test_without_paths_it_opens_what_its_grants_give(self):
        text = self.make(scopes=["append"], logs=["k8s"])["token"]
        self.assertEqual(self.ask(text), (400, "invalid-parameter"))
        self.assertEqual(self.ask(text, "/k8s/audit/k8s"), "k8s")
        self.assertEqual(self.ask(text, "/k8s/audit/other"), (403, "insufficient-scope"))
        text = self.make(scopes=["append"], logs=["*"], log="other")["token"]
        self.assertEqual(self.ask(text), "other")
        self.assertEqual(self.ask(text, "/k8s/audit/k8s"), "k8s")
        self.assertEqual(self.connect(text).post("/api/v1/logs/k8s/records", b"1").status, 201)

    def test_neither_gives_what_the_grants_do_not(self):
        for body in ({"scopes": ["append"], "logs": ["k8s"], "log": "other"},
                     {"scopes": ["read"], "logs": ["k8s"], "log": "k8s"},
                     {"scopes": ["read"], "logs": ["*"], "paths": ["k8s"]},
                     {"scopes": ["append"], "logs": ["* _*"], "log": "_system"},
                     {"scopes": ["append"], "logs": ["*"], "log": "No Name"},
                     {"scopes": ["append"], "logs": ["*"], "log": ""},
                     {"scopes": ["append"], "logs": ["*"], "paths": []},
                     {"scopes": ["append"], "logs": ["*"], "paths": ["splunk"]},
                     {"scopes": ["append"], "logs": ["*"], "paths": "k8s"}):
            answer = self.server.post("/api/v1/tokens", json.dumps(body), JSON)
            self.assertEqual(problem(answer), (422, "invalid-token-request"), body)
        made = self.make(scopes=["append"], logs=["*"], log="later", paths=["k8s"])
        self.assertEqual(self.ask(made["token"]), (404, "unknown-log"))
        self.server.create_log("later")
        self.assertEqual(self.ask(made["token"]), "later")
        self.narrow(made["principal"], "other")
        self.assertEqual(self.ask(made["token"]), (403, "insufficient-scope"))
        self.narrow(made["principal"], "later")
        self.assertEqual(self.ask(made["token"]), "later")
        self.assertEqual(self.ask(made["token"], "/api/v1/logs/later/records"),
                         (403, "insufficient-scope"))

    def narrow(self, principal, log):
        body = json.dumps({"grants": [{"scopes": ["append"], "logs": [log]}]})
        answer = self.server.request("PATCH", f"/api/v1/principals/{principal}", body, JSON)
        self.assertEqual(answer.status, 200, answer.body)

    def test_rotation_and_restarts_keep_them(self):
        made = self.make(scopes=["append"], logs=["k8s"], log="k8s", paths=["k8s"])
        path = f"/api/v1/tokens/{made['id']}/rotate"
        second = self.server.post(path, b"{}", JSON).json()
        self.assertEqual((second["log"], second["paths"]), ("k8s", ["k8s"]))
        for restart in (self.server.stop, self.server.kill):
            restart()
            self.server.start()
            for text in (made["token"], second["token"]):
                self.assertEqual(self.ask(text), "k8s")
                self.assertEqual(self.ask(text, "/api/v1/logs/k8s/records"),
                                 (403, "insufficient-scope"))
        self.narrow(made["principal"], "other")
        answer = self.server.post(path, b"{}", JSON)  # a secret is replaced, whatever it opens
        self.assertEqual(answer.status, 201, answer.body)

    def test_the_command_line(self):
        run = stele("token", "create", "--log", "k8s", "--path", "k8s", server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.ask(run.stdout.strip()), "k8s")
        rows = stele("token", "list", server=self.server).stdout.splitlines()
        name = run.stdout.split("_")[1]
        row = next(row for row in rows if row.startswith(name))
        self.assertTrue(row.endswith("  append k8s by k8s to k8s"), row)
        run = stele("token", "create", "--log", "k8s*", "--path", "k8s", "--default-log", "k8s",
                    server=self.server)
        self.assertEqual(self.ask(run.stdout.strip()), "k8s")
        run = stele("token", "create", "--log", "k8s*", "--path", "k8s", server=self.server)
        self.assertEqual(self.ask(run.stdout.strip()), (400, "invalid-parameter"))
        run = stele("token", "create", "--path", "k8s", server=self.server)
        self.assertEqual(run.returncode, 3)


class Trouble(unittest.TestCase):
    def test_what_was_purged_was_stored_and_what_is_damaged_is_stored_again(self):
        events = [event(str(i), x=os.urandom(99).hex()) for i in range(8)]
        with Server(options=["--min-free", "0"]) as server:
            server.create_log("k8s", {"retain": {"default": "1s"}})

            def send(part):
                answer = server.post("/k8s/audit/k8s", event_list(part), JSON)
                self.assertEqual(answer.status, 200, answer.body)
                return answer.json()["duplicates"]

            self.assertEqual(send(events[:3]), 0)
            time.sleep(2.5)  # until the lock is over, by all clocks
            made = server.post("/api/v1/logs/k8s/purge-plans", "{}", JSON).json()
            path = f"/api/v1/logs/k8s/purge-plans/{made['id']}/approve"
            answer = server.post(path, json.dumps({"digest": made["digest"]}), JSON)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(server.get("/api/v1/logs/k8s/records/1").status, 410)
            self.assertEqual([send(events[:3]), send(events), send(events)], [3, 3, 8])
            self.assertEqual(server.post("/api/v1/logs/k8s/seal", b"").status, 200)
            size = server.get("/api/v1/logs/k8s").json()["size"]
            server.stop()
            for path in (server.data / "segments/k8s").glob("*.seg"):
                os.chmod(path, 0o600)
                with open(path, "r+b") as file:
                    file.seek(path.stat().st_size // 2)
                    file.write(b"x" * 64)
            server.start()
            self.assertEqual(send(events[3:]), 0)
            kept = [server.get(f"/api/v1/logs/k8s/records/{size + i}").body for i in range(5)]
            self.assertEqual(kept, events[3:])

    def test_want_of_room_is_503_and_comes_again(self):
        with Server(options=["--min-free", "0"]) as server:
            server.create_log("small", {"quota": {"records": 4}})
            server.create_log("k8s")
            events = [event(str(i)) for i in range(9)]
            answer = server.post("/k8s/audit/small", event_list(events), JSON)
            self.assertEqual(problem(answer), (503, "not-ready"))
            self.assertIn("retry-after", answer.headers)
            server.stop()
            server.command += ["--min-free", str(1 << 49)]
            server.start()
            for body in (event_list(events), event_list([event("x", y="z" * (2 * MIB))])):
                answer = server.post("/k8s/audit/k8s", body, JSON)
                self.assertEqual(problem(answer), (503, "not-ready"))
                self.assertIn("retry-after", answer.headers)

    def test_a_rate_is_429(self):
        with Server(options=["--min-free", "0"]) as server:
            server.create_log("k8s")
            body = {"scopes": ["append"], "logs": ["k8s"], "log": "k8s", "paths": ["k8s"],
                    "requests_per_s": 1}
            made = server.post("/api/v1/tokens", json.dumps(body), JSON).json()
            client = server.connect(made["token"])
            answers = [client.post("/k8s/audit", event_list([event("a")]), JSON)
                       for _ in range(5)]
            self.assertEqual(problem(answers[-1]), (429, "rate-limited"))
            self.assertIn("retry-after", answers[-1].headers)
            client.close()

    def test_every_event_once_however_often_the_server_dies(self):
        """A sender that repeats what was not answered, as the API server does."""
        dice = random.Random(7)
        sent, answered = [], []
        with Server(options=["--min-free", "0"]) as server:
            server.create_log("k8s")
            stop = threading.Event()

            def send():
                number = 0
                while not stop.is_set():
                    size = 40_000 if number % 7 == 0 else 50
                    items = [event(f"{number}-{i}", x="y" * dice.randint(0, 99))
                             for i in range(size)]
                    if number % 3 == 0:
                        items.insert(9, b'{"odd":%d}' % number)
                        items.insert(20, event(f"{number}-big", x="z" * (3 * MIB // 2)))
                    sent.extend(items)
                    while self.try_once(server, event_list(items)) != 200:
                        time.sleep(0.01)
                    answered.append(number)
                    number += 1

            thread = threading.Thread(target=send, daemon=True)
            thread.start()
            for _ in range(KILLS):
                time.sleep(dice.uniform(0.05, 0.5))
                server.kill()
                server.start()
            before = len(answered)
            deadline = time.monotonic() + 60
            while len(answered) < before + 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            stop.set()
            thread.join(120)
            self.assertFalse(thread.is_alive())
            client = server.connect()
            size = client.get("/api/v1/logs/k8s").json()["size"]
            kept = [client.get(f"/api/v1/logs/k8s/records/{i}").body for i in range(1, size)]
            client.close()
            self.assertEqual(len(kept), len(set(kept)))
            self.assertEqual(set(kept), set(sent))
            self.assertGreater(len(answered), 3)

    def try_once(self, server, body):
        try:
            client = Client(server.port, server.token(), timeout=60)
            status = client.post("/k8s/audit/k8s", body, JSON).status
            client.close()
            return status
        except (OSError, HTTPException):
            return 0


if __name__ == "__main__":
    unittest.main()
