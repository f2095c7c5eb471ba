#!/usr/bin/env python3
"""The server's queries against the reference: random events in several logs, random filters, the same answers at
every page size, forward and backward, before and after sealing, a restart, making the index anew and a purge; with the
index and without.

STELE_QUERIES says how many filters are tried at each stage (120), STELE_QUERY_SEED with which seed.
"""
import csv
import io
import json
import os
import random
import sys
import unittest
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import query_cases as cases  # noqa: E402
import query_reference as ref  # noqa: E402
from lib import JSON, NDJSON, ROOT, Client, Server, stele  # noqa: E402

COUNT = int(os.environ.get("STELE_QUERIES", "120"))
SEED = int(os.environ.get("STELE_QUERY_SEED", "1"))
BUILT_IN = ["kubernetes-audit", "cloudtrail", "gitlab-audit", "ocsf", "windows-event", "cloudevents", "ecs", "syslog"]
SCHEMAS = [ref.Schema((ROOT / "proto/schemas" / f"{name}.json").read_bytes()) for name in BUILT_IN]
HOW = (SCHEMAS, ref.path_of, ref.write_name)
LOGS = ["alpha", "beta", "gamma"]
BINARY = {"Content-Type": "application/octet-stream"}
FIELDS = ["actor", "action", "resource", "outcome", "source_ip", "trace_id", "event_id", "event_type", "severity"]


def ns_of(text):
    date = datetime.fromisoformat(text[:19])
    return int((date - datetime(1970, 1, 1)).total_seconds()) * 10**9 + int(text[20:29])


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(f"{SEED} {cls.__name__}")
        cls.server = Server().start()
        cls.records = {}  # (log, index) -> ref.Record
        cls.sizes = {log: 1 for log in LOGS}
        for log in LOGS:
            cls.server.create_log(log)

    @classmethod
    def tearDownClass(cls):
        if cls.server.running():
            cls.server.stop()
        cls.server.remove()

    @classmethod
    def append(cls, log, payload):
        answer = cls.server.post(f"/api/v1/logs/{log}/records", payload, BINARY)
        entry = json.loads(answer.json()["entry"])
        cls.records[log, entry["index"]] = ref.Record(payload, ns_of(entry["time"]), entry["writer"], SCHEMAS)
        cls.sizes[log] = entry["index"] + 1

    @classmethod
    def fill(cls, n):
        for _ in range(n):
            cls.append(cls.random.choice(LOGS), cases.event(cls.random, SCHEMAS, ref.path_of))

    # --- asking ----------------------------------------------------------------------------

    def ask(self, status=200, log=None, client=None, **parameters):
        path = f"/api/v1/logs/{log}/records" if log else "/api/v1/records"
        query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in parameters.items())
        answer = (client or self.server).get(f"{path}?{query}")
        self.assertEqual(answer.status, status, (parameters, answer.body))
        return answer

    def pages(self, **parameters):
        """All pages of a query: the last one, with the records of all."""
        rows = []
        while True:
            page = self.ask(**parameters).json()
            rows += page["records"]
            if "next" not in page:
                return {**page, "records": rows}
            self.assertFalse(page["complete"])
            parameters["cursor"] = page["next"]

    def expected(self, tree, logs):
        """What the reference finds, in the order of receiving; and how many it cannot judge."""
        answers = {k: r.answer(tree) for k, r in self.records.items() if k[0] in logs}
        found = sorted((self.records[k].received, *k) for k, a in answers.items() if a[0] == 1)
        return found, sum(a[0] == 2 for a in answers.values()), len(answers)

    def filter(self):
        """A random one that both read, short enough for a request."""
        while True:
            text = cases.balanced(cases.filter_text(self.random, HOW))
            if len(quote(text, safe="")) < 1500:
                try:
                    return text, ref.parse(text.encode())
                except ref.Refused:
                    pass

    def compare(self, text, tree):
        logs = self.random.choice([LOGS, LOGS, LOGS[:2], LOGS[1:2]])
        backward = self.random.random() < 0.5
        found, unparsed, scanned = self.expected(tree, logs)
        got = self.pages(filter=text, logs=",".join(logs), limit=self.random.choice([1, 2, 3, 7, 50, 1000]),
                         order="desc" if backward else "asc", view=self.random.choice(["full", "summary"]))
        rows = [(ns_of(r["receive_time"]), r["log"], r["index"]) for r in got["records"]]
        self.assertEqual(rows, found[::-1] if backward else found, text)
        self.assertEqual((got["scanned"], got["matched"], got["unparsed"]), (scanned, len(found), unparsed), text)
        self.assertTrue(got["complete"])
        self.assertEqual(got["filter"], ref.write(tree), text)
        for row in got["records"]:
            record = self.records[row["log"], row["index"]]
            self.assertEqual(row.get("duplicate_names", False), record.answer(tree)[1] & 4 != 0)
        counted = self.ask(filter=text, logs=",".join(logs), count="true").json()
        self.assertEqual((counted["matched"], counted["unparsed"], counted["complete"]), (len(found), unparsed, True))
        self.assertEqual(self.ask(filter=text, logs=",".join(logs), count="true", index="false").json(), counted)
        return len(found)

    def compare_many(self):
        seen = sum(self.compare(*self.filter()) > 0 for _ in range(COUNT))
        self.assertGreater(seen, COUNT // 4)


class Stages(Case):
    """One store's life: what is found stays the same however it lies."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fill(700)

    def test_1_in_the_wal(self):
        self.compare_many()

    def test_2_sealed_with_a_tail(self):
        for log in LOGS[:2]:
            self.assertEqual(stele("log", "seal", log, server=self.server).returncode, 0)
        self.fill(150)
        self.compare_many()

    def test_3_sealed_again_and_restarted(self):
        for log in LOGS:
            self.assertEqual(stele("log", "seal", log, server=self.server).returncode, 0)
        self.server.kill()
        self.server.start()
        self.compare_many()

    def test_4_what_was_purged_is_no_match_and_is_counted(self):
        gone = [i for log, i in self.records if log == "alpha"][5:90]
        made = self.server.post("/api/v1/logs/alpha/purge-plans", json.dumps({"range": [gone[0], gone[-1]], "unlocked": True}), JSON)
        self.assertEqual(made.status, 201, made.body)
        plan = made.json()
        done = self.server.post(f"/api/v1/logs/alpha/purge-plans/{plan['id']}/approve",
                                json.dumps({"digest": plan["digest"]}), JSON)
        self.assertEqual(done.status, 200, done.body)
        for i in gone:
            self.records["alpha", i].doc = None
            self.records["alpha", i].schema = -1
        for _ in range(COUNT):
            text, tree = self.filter()
            found, unparsed, scanned = self.expected(tree, LOGS)
            got = self.pages(filter=text, limit=97, logs=",".join(LOGS))
            rows = [(ns_of(r["receive_time"]), r["log"], r["index"]) for r in got["records"]]
            self.assertEqual(rows, found, text)
            self.assertEqual((got["scanned"], got["unparsed"] + got["purged"]), (scanned, unparsed), text)
            for row in got["records"]:
                self.assertEqual("purged" in row, row["log"] == "alpha" and row["index"] in gone, row)
                self.assertNotEqual("purged" in row, "payload" in row or "payload_b64" in row, row)

    def test_5_what_is_damaged_is_counted_and_the_answer_is_not_whole(self):
        # A kill right after a seal may undo it: the records are in the write-ahead log still.
        self.assertEqual(stele("log", "seal", "beta", server=self.server).returncode, 0)
        self.assertEqual(self.server.stop(), 0)
        for file in (Path(self.server.data) / "segments/beta").glob("*.seg"):
            file.chmod(0o644)
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        self.server.start()
        size = self.sizes["beta"]
        for order in ("asc", "desc"):
            got = self.pages(logs=",".join(LOGS), limit=100, order=order)
            self.assertEqual((got["unreadable"], got["complete"]), (size, False))
            self.assertEqual(got["scanned"], sum(log != "beta" for log, _ in self.records))
            self.assertEqual({r["log"] for r in got["records"]}, {"alpha", "gamma"})
        done = stele("query", "--count", "beta", server=self.server)
        self.assertEqual((done.returncode, done.stdout), (2, "0\n"), done.stderr)
        self.assertIn(f"{size} cannot be read", done.stderr)


class Index(Case):
    """Many tiles in one log and some in another, sealed: pages with the index are those without it, byte by byte."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for _ in range(800):
            cls.append("alpha", cases.event(cls.random, SCHEMAS, ref.path_of))
        for _ in range(270):
            cls.append("beta", cases.event(cls.random, SCHEMAS, ref.path_of))
        for log in LOGS:
            assert stele("log", "seal", log, server=cls.server).returncode == 0

    def metric(self, name):
        text = self.server.get("/metrics").body.decode()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"stele_{name} "))

    def narrow(self):
        """A filter whose parts are in the index: values that are there, and some that are not."""
        r = self.random
        parts = []
        for _ in range(r.choice([1, 1, 2, 3])):
            record = r.choice(list(self.records.values()))
            field = r.choice(FIELDS + ["any", "writer", "time", "receive_time"])
            values = record.values(field if field != "any" else r.choice(FIELDS))
            value = r.choice(values) if values and r.random() < 0.9 else r.choice(["nobody", "42", "10.9.8.7"])
            if field in ("time", "receive_time"):
                ns = value if isinstance(value, int) else record.received
                parts.append(f"{field} {r.choice(['<', '<=', '>', '>=', '='])} {max(ns, 10**18)}")
            else:
                text = ref.text_of(value) if not isinstance(value, str) else value
                parts.append(f"{field} = {json.dumps(text.replace('*', ''))}" if text else f"{field} = x")
        return r.choice([" AND ", " AND ", " OR "]).join(parts)

    def same_pages(self, text, **more):
        """Page after page with and without, as long as no page is ended by the clock. How far one looked beyond
        its last row depends on how fast that was: rows are the same, and on the last page all."""
        cursor, limit = {}, self.random.choice([2, 10, 50])
        ask = {"filter": text, "logs": "alpha,beta", "limit": limit, "view": "summary", **more}
        while True:
            pages = [self.ask(**ask, **cursor, index=index).json() for index in ("true", "false")]
            if any(len(p["records"]) < limit and not p["complete"] for p in pages):
                return
            self.assertEqual(*(p["records"] for p in pages), (text, more))
            if all(p["complete"] for p in pages):
                self.assertEqual(*pages, (text, more))
                return
            if any(p["complete"] for p in pages):  # the other has only no more rows to come
                other = next(p for p in pages if not p["complete"])
                rest = self.ask(**ask, cursor=other["next"]).json()
                self.assertEqual((rest["records"], rest["complete"]), ([], True), (text, more))
                return
            cursor = {"cursor": pages[0]["next"]}

    def compare_narrow(self):
        passed, seen = self.metric("query_records_passed_total"), 0
        for _ in range(COUNT // 4):
            text = self.narrow()
            try:
                tree = ref.parse(text.encode())
            except ref.Refused:
                continue
            seen += self.compare(text, tree) > 0
            self.same_pages(text, order=self.random.choice(["asc", "desc"]))
        self.assertGreater(seen, COUNT // 20)
        self.assertGreater(self.metric("query_records_passed_total") - passed, 1000)

    def test_1_sealed(self):
        self.compare_narrow()

    def test_2_what_cannot_be_asked_of_it_is_looked_at_whole(self):
        for text in ("actor != x", "NOT actor = x", "actor = x*", "a.b = 1", "actor = x OR a.b = 1", "actor:*",
                     "source_ip = 10.0.0.0/8", "actor > x", " OR ".join(f"any=v{i}" for i in range(160))):
            passed = self.metric("query_records_passed_total")
            self.compare(text, ref.parse(text.encode()))
            self.assertEqual(self.metric("query_records_passed_total"), passed, text)

    def test_3_what_waits_for_its_erasure_is_counted_as_without_it(self):
        policy = {"mode": "governance", "retain": {"default": "7y"}}
        self.assertEqual(self.server.request("PUT", "/api/v1/logs/held", json.dumps(policy), JSON).status, 201)
        events = [json.dumps({"eventVersion": "1", "eventSource": "s", "eventName": f"n{i % 40}", "eventTime": "2026-01-01",
                              "userIdentity": {"userName": f"u{i % 7}"}, "eventID": f"id{i}"}) for i in range(900)]
        self.assertEqual(self.server.post("/api/v1/logs/held/records", "\n".join(events), NDJSON).status, 201)
        body = {"case": "c", "records": [[300, 420], [700, 701]]}
        made = self.server.post("/api/v1/logs/held/erasures", json.dumps(body), JSON)
        self.assertEqual(made.status, 201, made.body)
        grants = [{"scopes": ["read"], "logs": ["*"]}]
        body = {"kind": "person", "grants": grants, "token": {}}
        client = Client(self.server.port, self.server.post("/api/v1/principals", json.dumps(body), JSON).json()["token"])
        self.addCleanup(client.close)
        hidden = 0
        for _ in range(COUNT // 4):
            text = f"actor = u{self.random.randrange(9)} AND action = n{self.random.randrange(45)}"
            answers = [client.get(f"/api/v1/records?logs=alpha,held&limit=1000&filter={quote(text, safe='')}&index={index}")
                       for index in ("true", "false")]
            pages = [a.json() for a in answers]
            if all(p["complete"] for p in pages):
                self.assertEqual(*pages, text)
                hidden += pages[0]["restricted"]
        self.assertGreater(hidden, 100)

    def test_4_made_anew(self):
        names = lambda: sorted(p.name for p in (Path(self.server.data) / "segments/alpha").glob("*.manifest"))  # noqa: E731
        before = names()
        done = stele("log", "reindex", "alpha", server=self.server)
        self.assertEqual((done.returncode, names()), (0, before), done.stderr)
        self.assertIn("was as it should be", done.stdout)
        done = stele("log", "reindex", "alpha", "--all", server=self.server)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(set(names()) - set(before))
        self.compare_narrow()
        self.server.kill()
        self.server.start()
        self.compare_narrow()


class Answers(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fill(300)

    def test_rows_have_the_fields_of_the_reference(self):
        for row in self.pages(limit=1000)["records"]:
            if row["log"] not in LOGS:
                continue
            record = self.records[row["log"], row["index"]]
            self.assertEqual(row.get("schema"), BUILT_IN[record.schema] if record.schema >= 0 else None)
            self.assertEqual(ns_of(row["time"]), record.values("time")[0])
            for field in FIELDS:
                texts = [ref.text_of(v) for v in record.values(field)]
                self.assertEqual(row["fields"].get(field, []), texts, (field, row))

    def test_values_and_bars_add_up(self):
        for field in FIELDS + ["writer"]:
            got = self.ask(logs=",".join(LOGS), by=field, histogram="1d").json()
            values, bars = {}, {}
            for record in self.records.values():
                for value in record.values(field):
                    values[ref.text_of(value)] = values.get(ref.text_of(value), 0) + 1
                day = record.values("time")[0] // (86400 * 10**9)
                bars[day] = bars.get(day, 0) + 1
            self.assertEqual({v["value"]: v["count"] for v in got["values"]}, values, field)
            self.assertEqual({ns_of(b["from"]) // (86400 * 10**9): b["count"] for b in got["histogram"]}, bars)
            counts = [v["count"] for v in got["values"]]
            self.assertEqual(counts, sorted(counts, reverse=True))

    def test_lines_and_tables_have_the_same_rows(self):
        listed = self.pages(limit=1000, logs="alpha")["records"]
        for form in ("ndjson", "csv"):
            rows, cursor = [], {}
            while True:
                answer = self.ask(logs="alpha", limit=7, format=form, **cursor)
                said = json.loads(answer.headers["stele-query"])
                text = answer.body.decode()
                rows += text.splitlines() if form == "ndjson" else list(csv.reader(io.StringIO(text, newline="")))
                self.assertEqual(said["complete"], "stele-next" not in answer.headers)
                if said["complete"]:
                    break
                cursor = {"cursor": answer.headers["stele-next"]}
            if form == "ndjson":
                self.assertEqual([json.loads(line) for line in rows], listed)
            else:
                self.assertEqual([(r[0], int(r[1])) for r in rows[1:]], [(r["log"], r["index"]) for r in listed])
                self.assertTrue(all(len(r) == len(rows[0]) for r in rows))
                self.assertEqual(rows[0][0], "log")

    def test_a_cell_that_looks_like_a_formula_is_text(self):
        event = {"eventVersion": "1", "eventSource": "s", "eventName": '=cmd|"/c calc"!A1', "eventTime": "2026-01-01",
                 "userIdentity": {"userName": "+1,2"}, "eventID": "-1", "requestID": "@x"}
        self.append("gamma", json.dumps(event).encode())
        text = self.ask(filter='action = "=cmd|\\"/c calc\\"!A1"', format="csv").body.decode()
        row = list(csv.DictReader(io.StringIO(text, newline="")))[0]
        self.assertEqual((row["action"], row["actor"], row["event_id"]), ('\'=cmd|"/c calc"!A1', "'+1,2", "'-1"))

    def test_simple_terms_are_the_filter(self):
        zone = self.ask(logs="alpha", **{"from": "2020-09-20", "to": "2020-09-21T00:00", "tz": "+02:00"}).json()
        self.assertEqual((zone["from"], zone["to"]), ("2020-09-19T22:00:00.000000000Z", "2020-09-20T22:00:00.000000000Z"))
        answer = self.server.get("/api/v1/records?logs=alpha&actor=alice&actor=b*&outcome=success").json()
        self.assertEqual(answer["filter"], '(actor = "alice" OR actor = "b*") AND outcome = "success"')
        found, _, _ = self.expected(ref.parse(answer["filter"].encode()), ["alpha"])
        self.assertEqual([r["index"] for r in answer["records"]], [i for _, _, i in found][:100])

    def test_trees_are_pinned_on_the_first_page(self):
        first = self.ask(logs="beta", limit=1).json()
        size = first["logs"][0]["size"]
        self.append("beta", b"{}")
        rest = self.pages(logs="beta", limit=1000, cursor=first["next"])
        self.assertEqual(rest["logs"], [{"log": "beta", "size": size}])
        self.assertEqual(max(r["index"] for r in rest["records"]), size - 1)
        self.assertEqual(self.ask(log="beta", as_of=5).json()["logs"], [{"log": "beta", "size": 5}])
        self.ask(400, log="beta", as_of=10**6)
        self.ask(400, logs="alpha,beta", as_of=5)


class Refusals(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.fill(30)

    def cursor(self, **parameters):
        return self.ask(limit=1, **parameters).json()["next"]

    def test_a_cursor_is_of_one_query_and_one_principal(self):
        mine = self.cursor(logs="alpha", filter="writer:*")
        for other in ({"logs": "beta", "filter": "writer:*"}, {"logs": "alpha", "filter": "b:*"}, {"logs": "alpha"},
                      {"logs": "alpha", "filter": "writer:*", "order": "desc"},
                      {"logs": "alpha", "filter": "writer:*", "count": "true"}):
            self.ask(400, cursor=mine, **other)
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": ["*"]}], "token": {}}
        token = self.server.post("/api/v1/principals", json.dumps(body), JSON).json()["token"]
        client = Client(self.server.port, token)
        self.addCleanup(client.close)
        self.ask(400, client=client, logs="alpha", filter="writer:*", cursor=mine)
        self.ask(200, logs="alpha", filter="writer:*", cursor=mine)

    def test_every_changed_character_of_a_cursor_is_refused(self):
        mine = self.cursor(logs="alpha,beta")
        for i, c in enumerate(mine):
            other = mine[:i] + ("A" if c != "A" else "B") + mine[i + 1:]
            self.ask(400, logs="alpha,beta", cursor=other)
        for other in (mine[:-1], mine + "A", mine[1:], "", "A", "=" * 8, mine * 40, "é"):
            self.ask(400 if other else 200, logs="alpha,beta", cursor=other)

    def test_rights_that_were_taken_away_end_a_query(self):
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": ["alpha", "beta"]}], "token": {}}
        made = self.server.post("/api/v1/principals", json.dumps(body), JSON).json()
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        mine = self.ask(client=client, limit=1).json()
        self.assertEqual([s["log"] for s in mine["logs"]], ["alpha", "beta"])  # of all, what it may read
        self.ask(403, client=client, logs="alpha,gamma")
        self.ask(403, client=client, logs="no-such-log")  # there or not, the same
        self.ask(403, client=client, log="gamma")
        narrower = {"grants": [{"scopes": ["read"], "logs": ["alpha"]}]}
        self.server.request("PATCH", f"/api/v1/principals/{made['id']}", json.dumps(narrower), JSON)
        self.ask(403, client=client, limit=1, cursor=mine["next"])
        self.ask(404, logs="no-such-log")

    def test_what_is_wrong_is_said_with_its_place(self):
        answer = self.ask(400, filter="actor = = x").json()
        self.assertEqual((answer["type"], answer["column"]), ("urn:stele:problem:invalid-filter", 9))
        for wrong in ({"from": "yesterday"}, {"tz": "Mars"}, {"limit": 0}, {"limit": 1001}, {"order": "up"},
                      {"by": "time"}, {"by": "any"}, {"by": "colour"}, {"histogram": "1y"}, {"histogram": "1ms"},
                      {"format": "xml"}, {"count": "true", "format": "csv"}, {"as_of": "x"}, {"view": "none"},
                      {"logs": "UPPER"}):
            self.assertGreaterEqual(self.ask(404 if "logs" in wrong else 400, **wrong).status, 400)

    def test_hostile_filters_are_answered_at_once(self):
        for text in ("(" * 2000, "NOT " * 900 + "a=1", "a=" + "9" * 3000, "a = 1e999999999999", "writer:*" + " OR a:*" * 400,
                     ".".join("a" * 40) + "=1", 'a="' + "\\u0000" * 400 + '"'):
            answer = self.server.get(f"/api/v1/records?filter={quote(text[:1300])}")
            self.assertIn(answer.status, (200, 400), answer.body[:200])
            if answer.status == 400:
                self.assertEqual(answer.json()["type"], "urn:stele:problem:invalid-filter")
        answer = self.server.get("/api/v1/records?" + "&".join(["actor=x"] * 65))
        self.assertEqual(answer.status, 400)

    def test_a_restricted_record_is_not_looked_at_by_others(self):
        self.append("alpha", b'{"a":"secret7"}')
        log = "/api/v1/logs/alpha"
        index = self.sizes["alpha"] - 1
        hold = {"matter": "m", "name": "n", "logs": ["alpha"], "range": [index, index], "reason": "r"}
        self.assertEqual(self.server.post("/api/v1/holds", json.dumps(hold), JSON).status, 201)
        erasure = {"case": "c", "records": [index]}
        self.assertEqual(self.server.post(log + "/erasures", json.dumps(erasure), JSON).status, 201)
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": ["*"]}], "token": {}}
        client = Client(self.server.port, self.server.post("/api/v1/principals", json.dumps(body), JSON).json()["token"])
        self.addCleanup(client.close)
        theirs = self.ask(client=client, filter='a = "secret7"', logs="alpha").json()
        self.assertEqual((theirs["records"], theirs["matched"], theirs["restricted"]), ([], 0, 1))
        mine = self.ask(filter='a = "secret7"', logs="alpha").json()
        self.assertEqual(([r["index"] for r in mine["records"]], mine["restricted"]), ([index], 0))


if __name__ == "__main__":
    unittest.main()
