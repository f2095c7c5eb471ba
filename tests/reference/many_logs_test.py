#!/usr/bin/env python3
"""Queries over more logs than a cursor has room for, against the reference: some hundred logs of random sizes, filled by
many at once, in the WAL and sealed, forward and backward, at several page sizes; what comes in between the pages; cursors.

STELE_QUERY_SEED says with which seed.
"""
import base64
import csv
import io
import json
import random
import sys
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import query_api_test as api  # noqa: E402
import query_cases as cases  # noqa: E402
import query_reference as ref  # noqa: E402
from lib import JSON, NDJSON, Client, Server, stele  # noqa: E402

LOGS = [f"log-{n:04}" for n in range(240)]
WRITERS = 8
RARE, COMMON, NONE = 'rare = "yes"', "n >= 0", 'rare = "never"'


def event(chance):
    """One line of JSON."""
    if chance.random() < 0.5:
        return json.dumps({"n": chance.randrange(100), "rare": "yes" if chance.random() < 0.01 else "no"}).encode()
    while True:
        payload = cases.event(chance, api.SCHEMAS, ref.path_of)
        try:
            return json.dumps(json.loads(payload), ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            pass


class Many(api.Case):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(f"{api.SEED} {cls.__name__}")
        cls.server = Server().start()
        cls.records = {}
        cls.at_once(lambda client, chance, log: client.request("PUT", f"/api/v1/logs/{log}", b'{"mode":"none"}', JSON), LOGS)
        cls.server.create_log("apart")  # no pattern of these has it
        cls.fill(700)

    @classmethod
    def at_once(cls, do, items):
        """do(client, random, item) for each, by several connections at once, so that commits are of several logs."""
        items, failed = iter(list(items)), []

        def run(seed):
            client, chance = cls.server.connect(), random.Random(seed)
            for item in items:
                answer = do(client, chance, item)
                if answer.status not in (200, 201):
                    failed.append((item, answer))
            client.close()

        threads = [threading.Thread(target=run, args=(cls.random.random(),)) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed

    @classmethod
    def append(cls, batches):
        def post(client, chance, log):
            # a few logs get most, most a few, and some nothing
            body = b"\n".join(event(chance) for _ in range(chance.choice([1, 1, 2, 5, 30])))
            return client.request("POST", f"/api/v1/logs/{log}/records", body, NDJSON)

        some = LOGS[::3] * 2 + LOGS[:9] * 20
        cls.at_once(post, [cls.random.choice(some) for _ in range(batches)])

    @classmethod
    def fill(cls, batches):
        cls.append(batches)
        cls.learn()

    @classmethod
    def learn(cls):
        """What each log has, asked log by log."""
        cls.records = {}

        def read(client, _, log):
            parameters = {"limit": 1000}
            while True:
                answer = client.get(f"/api/v1/logs/{log}/records?" + "&".join(f"{k}={v}" for k, v in parameters.items()))
                page = answer.json()
                for row in page["records"]:
                    payload = row["payload"].encode()
                    key = log, row["index"]
                    cls.records[key] = ref.Record(payload, api.ns_of(row["receive_time"]), row["writer"], api.SCHEMAS)
                if "next" not in page:
                    return answer
                parameters["cursor"] = page["next"]

        cls.at_once(read, LOGS)

    def rows(self, page):
        return [(api.ns_of(r["receive_time"]), r["log"], r["index"]) for r in page["records"]]

    def check(self, text, logs="log-*", names=LOGS, **more):
        tree = ref.parse(text.encode())
        found, unparsed, scanned = self.expected(tree, set(names))
        order = more.setdefault("order", self.random.choice(["asc", "desc"]))
        more.setdefault("limit", self.random.choice([1000, 211, 40]))
        more.setdefault("index", self.random.choice(["true", "true", "false"]))
        got = self.pages(filter=text, logs=logs, view="summary", **more)
        self.assertEqual(self.rows(got), found[::-1] if order == "desc" else found, (text, more))
        self.assertEqual((got["scanned"], got["matched"], got["unparsed"]), (scanned, len(found), unparsed), (text, more))
        self.assertTrue(got["complete"])
        self.assertEqual(got["log_count"], len(names))
        self.assertNotIn("logs", got)
        return found

    def check_all(self):
        for order in ("asc", "desc"):
            self.check(COMMON, order=order, limit=1000)
            self.check(COMMON, order=order, limit=37)
            self.check(NONE, order=order)
            self.assertGreater(len(self.check(RARE, order=order, limit=5)), 5)
            self.check(RARE, order=order, limit=1)
        for _ in range(3):
            self.check(self.filter()[0])
        some = LOGS[5:130]
        self.check(COMMON, logs=",".join(some), names=some)
        self.check(COMMON, logs="log-00*,log-0100", names=[*LOGS[:100], LOGS[100]])


class Stages(Many):
    """One store's life: what is found stays the same however it lies."""

    def test_1_in_the_wal(self):
        self.check_all()

    def test_2_partly_sealed(self):
        for log in self.random.sample(LOGS, len(LOGS) // 2):
            self.assertEqual(self.server.post(f"/api/v1/logs/{log}/seal", b"").status // 100, 2)
        self.check_all()

    def test_3_sealed_with_more_behind(self):
        self.fill(300)
        self.check_all()

    def test_4_after_a_restart(self):
        self.server.stop()
        self.server.start()
        self.check_all()


class Answers(Many):
    """What is promised of cursors, of pages, of other forms; in one store that the tests add to."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for log in LOGS[:40]:
            assert cls.server.post(f"/api/v1/logs/{log}/seal", b"").status // 100 == 2

    def principal(self, *logs):
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": list(logs)}], "token": {}}
        made = self.server.post("/api/v1/principals", json.dumps(body), JSON).json()
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        return client, made["id"]

    def first(self, **more):
        return self.ask(**{"logs": "log-*", "limit": 5, "view": "summary", **more}).json()

    def test_what_comes_in_between_the_pages_is_not_seen(self):
        for order in ("asc", "desc"):
            for limit in (1000, 300):
                self.learn()
                found, _, scanned = self.expected(ref.parse(COMMON.encode()), set(LOGS))
                rows, parameters = [], {"filter": COMMON, "logs": "log-*", "view": "summary", "limit": limit, "order": order}
                name = f"log-new-{order}-{limit}"
                while True:
                    page = self.ask(**parameters).json()
                    rows += self.rows(page)
                    self.assertEqual(page["log_count"], len(LOGS))
                    if "next" not in page:
                        break
                    pinned = page["pinned"]
                    parameters["cursor"] = page["next"]
                    self.append(12)
                    for _ in range(9 if limit == 300 else 0):
                        self.first()  # where each log was is kept of the last eight only
                    if len(rows) <= limit:
                        self.server.create_log(name)
                        self.server.post(f"/api/v1/logs/{name}/records", event(self.random))
                self.assertEqual(page["pinned"], pinned)
                self.assertEqual(rows, found[::-1] if order == "desc" else found)
                self.assertEqual((page["scanned"], page["matched"]), (scanned, len(found)))
                # it may go on with what is there now, but for this name that is no part of LOGS
                LOGS.append(name)

    def test_a_cursor_is_of_one_query_of_one_principal(self):
        mine = self.first(filter=RARE)["next"]
        self.ask(logs="log-*", filter=RARE, cursor=mine)
        for other in ({"filter": COMMON}, {"logs": "log-0*"}, {"order": "desc"}, {"count": "true"}, {"by": "actor"}, {"logs": "log-0001"}):
            self.ask(400, **{"logs": "log-*", "filter": RARE, "cursor": mine, **other})
        client, _ = self.principal("*")
        self.ask(400, client=client, logs="log-*", filter=RARE, cursor=mine)
        raw = bytearray(base64.urlsafe_b64decode(mine + "=" * (-len(mine) % 4)))
        for at in range(len(raw)):
            forged = bytearray(raw)
            forged[at] ^= 1 << self.random.randrange(8)
            self.ask(400, logs="log-*", filter=RARE, cursor=base64.urlsafe_b64encode(forged).decode().rstrip("="))
            self.ask(400, logs="log-*", filter=RARE, cursor=base64.urlsafe_b64encode(raw[:at] or b"\0").decode().rstrip("="))
        self.ask(400, logs="log-*", filter=RARE, cursor=mine, certify="true")
        self.ask(400, logs="log-*", certify="true")
        self.ask(400, logs="log-*", as_of=1)
        self.assertEqual(self.server.get("/api/v1/tail?logs=log-*").status, 400)

    def test_a_cursor_goes_on_after_a_restart(self):
        self.learn()
        found, _, scanned = self.expected(ref.parse(COMMON.encode()), set(LOGS))
        for order in ("asc", "desc"):
            page = self.first(filter=COMMON, limit=700, order=order)
            rows = self.rows(page)
            self.server.stop()
            self.server.start()
            self.append(12)
            rest = self.pages(filter=COMMON, logs="log-*", limit=700, order=order, view="summary", cursor=page["next"])
            self.assertEqual(rows + self.rows(rest), found[::-1] if order == "desc" else found)
            self.assertEqual((rest["scanned"], rest["matched"], rest["complete"]), (scanned, len(found), True))
            self.learn()
            found, _, scanned = self.expected(ref.parse(COMMON.encode()), set(LOGS))

    def test_rights_that_change_end_it(self):
        client, who = self.principal("log-00*", "log-01*")
        asked = {"client": client, "logs": "*", "view": "summary", "limit": 20}
        page = self.ask(**asked).json()
        self.assertEqual(page["log_count"], len([log for log in LOGS if log[:6] in ("log-00", "log-01")]))
        again = self.ask(**asked, cursor=page["next"]).json()
        self.assertEqual(len(again["records"]), 20)
        self.ask(403, client=client, logs=",".join(LOGS[:70] + ["apart"]))
        for logs in (["log-00*", "log-010*"], ["log-00*", "log-01*", "log-02*"]):
            body = {"grants": [{"scopes": ["read"], "logs": logs}]}
            self.assertEqual(self.server.request("PATCH", f"/api/v1/principals/{who}", json.dumps(body), JSON).status, 200)
            refused = self.ask(403, **asked, cursor=page["next"]).json()
            self.assertIn("has changed since the first page", refused["detail"])

    def test_schemas_are_those_of_the_first_page(self):
        self.learn()
        asked = {"logs": "log-*", "filter": "actor:*", "view": "summary", "limit": 50}
        before = self.pages(**asked)
        page = self.ask(**asked).json()
        schema = {"name": "many", "when": "rare:*", "fields": {"actor": ["rare"]}}
        self.assertEqual(self.server.post("/api/v1/schemas", json.dumps(schema), JSON).status // 100, 2)
        rest = self.pages(**asked, cursor=page["next"])
        self.assertEqual(self.rows(page) + self.rows(rest), self.rows(before))
        self.assertGreater(self.ask(**asked, count="true").json()["matched"], before["matched"])
        chosen = LOGS[50]
        page = self.ask(**asked).json()
        done = self.server.request("PUT", f"/api/v1/logs/{chosen}/schema", b'{"schema":"syslog"}', JSON)
        self.assertEqual(done.status // 100, 2, done.body)
        self.pages(**asked, cursor=page["next"])
        self.assertEqual(self.server.post("/api/v1/schemas/many/retire", b"").status // 100, 2)

    def test_lines_tables_and_streams(self):
        self.learn()
        found, _, scanned = self.expected(ref.parse(COMMON.encode()), set(LOGS))
        for order in ("asc", "desc"):
            wanted = [(log, index) for _, log, index in (found[::-1] if order == "desc" else found)]
            asked = {"logs": "log-*", "filter": COMMON, "order": order, "view": "summary"}
            lines = [json.loads(line) for line in self.ask(**asked, format="ndjson", stream="true").text().splitlines()]
            self.assertEqual([(r["log"], r["index"]) for r in lines[:-1]], wanted)
            self.assertEqual((lines[-1]["summary"]["scanned"], lines[-1]["summary"]["complete"]), (scanned, True))
            table = csv.DictReader(io.StringIO(self.ask(**asked, format="csv", stream="true").text()))
            self.assertEqual([(r["log"], int(r["index"])) for r in table], wanted)
            for form in ("ndjson", "csv"):
                text, cursor = "", {}
                while True:
                    answer = self.ask(**asked, format=form, limit=900, **cursor)
                    text += answer.text()
                    if "stele-next" not in answer.headers:
                        break
                    cursor = {"cursor": answer.headers["stele-next"]}
                rows = csv.DictReader(io.StringIO(text)) if form == "csv" else map(json.loads, text.splitlines())
                self.assertEqual([(r["log"], int(r["index"])) for r in rows], wanted)

    def test_counts(self):
        self.learn()
        rows = self.pages(logs="log-*", filter="action:*", limit=1000)["records"]
        for asked in ({"count": "true"}, {"by": "action"}, {"by": "action", "order": "desc", "histogram": "1d"}):
            got = self.ask(logs="log-*", filter="action:*", **asked).json()
            self.assertTrue(got["complete"])
            self.assertEqual(got["matched"], len(rows))
            if "by" in asked:
                self.assertEqual(sum(v["count"] for v in got["values"]) + got["others"],
                                 sum(len(r["fields"].get("action", [])) for r in rows))
            if "histogram" in asked:
                self.assertEqual(sum(b["count"] for b in got["histogram"]) + got["later"], len(rows))

    def test_the_command_line(self):
        self.learn()
        found = self.expected(ref.parse(COMMON.encode()), set(LOGS))[0]
        done = stele("--json", "query", "log-*", "--filter", COMMON, "--limit", "1000000", server=self.server)
        self.assertEqual(done.returncode, 0, done.stderr)
        pages = map(json.loads, done.stdout.splitlines())
        got = [(r["log"], r["index"]) for page in pages for r in page["records"]]
        self.assertEqual(got, [(log, index) for _, log, index in found])

    def test_what_was_asked_is_recorded(self):
        page = self.first(filter=RARE)
        self.server.stop()  # all of it is written down
        self.server.start()
        last = self.ask(log="_access", filter="type = query", order="desc", limit=1).json()["records"][0]
        said = json.loads(last["payload"])
        self.assertEqual((said["asked"], said["log_count"], said["pinned"]), ("log-*", len(LOGS), page["pinned"]))
        self.assertEqual(said["rows"], len(page["records"]))
        self.assertNotIn("logs", said)


class Damaged(unittest.TestCase):
    """A segment that cannot be read is in every answer, wherever in its log it lies."""

    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.server.remove)
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        for log in LOGS[:70]:
            self.server.create_log(log)

    def put(self, log, count):
        body = b"\n".join(b'{"n":%d}' % n for n in range(count))
        self.assertEqual(self.server.post(f"/api/v1/logs/{log}/records", body, NDJSON).status, 201)

    def break_segments(self, log, ends=(".seg",)):
        self.assertEqual(self.server.post(f"/api/v1/logs/{log}/seal", b"").status, 200)
        self.server.stop()
        files = [f for f in (self.server.data / "segments" / log).iterdir() if f.suffix in ends]
        self.assertTrue(files)
        for file in files:
            file.chmod(0o600)
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        self.server.start()

    def whole(self, **asked):
        page, parameters = None, {"logs": "log-*", **asked}
        while page is None or "next" in page:
            if page:
                parameters["cursor"] = page["next"]
            page = self.server.get("/api/v1/records?" + "&".join(f"{k}={quote(str(v))}" for k, v in parameters.items())).json()
        return page["unreadable"], page["complete"]

    def check(self, least):
        for again in range(2):  # it is quarantined from the first one on
            for asked in ({"limit": 20}, {"limit": 7, "order": "desc"}, {"limit": 1000, "filter": NONE}, {"count": "true"}):
                with self.subTest(asked, again=again):
                    unreadable, complete = self.whole(**asked)
                    self.assertGreaterEqual(unreadable, least)
                    self.assertFalse(complete)

    def test_at_the_end_of_its_log(self):
        for n in range(30):
            self.put(LOGS[n], 5)
            self.put(LOGS[65], 20)
        for n in range(20):
            self.put(LOGS[n], 5)  # later than all of it
        self.break_segments(LOGS[65])
        self.check(600)

    def test_with_its_manifest(self):
        for n in range(30):
            self.put(LOGS[n], 5)
            self.put(LOGS[65], 20)
        for n in range(20):
            self.put(LOGS[n], 5)
        self.break_segments(LOGS[65], (".seg", ".manifest"))
        self.check(600)

    def test_with_later_records_behind_it(self):
        for n in range(30):
            self.put(LOGS[65], 20)
            self.put(LOGS[n], 5)
        self.break_segments(LOGS[65])
        self.put(LOGS[65], 3)
        self.put(LOGS[3], 40)
        self.check(600)

    def test_that_was_sealed_after_the_query_began(self):
        for n in range(30):
            self.put(LOGS[65], 20)
            self.put(LOGS[n], 20)
        first = self.server.get(f"/api/v1/records?logs=log-*&limit=20").json()
        self.put(LOGS[65], 100)
        self.break_segments(LOGS[65])
        unreadable, complete = self.whole(limit=20, cursor=first["next"])
        self.assertGreaterEqual(unreadable, 1)  # it does not know which of them were counted before
        self.assertFalse(complete)


class Slow(api.Case):
    """Looking takes many pages, which go on in the middle of a window with what they found; or find too much for that."""

    LOGS = [f"slow-{n:03}" for n in range(70)]

    @classmethod
    def append(cls, log, payload):
        super().append(log, payload)
        cls.payloads[log, cls.sizes[log] - 1] = payload

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.payloads = {}
        addresses = ",".join(['"10.0.0.1"'] * 20000)
        dear = ('{"auditID":"1","stage":"s","verb":"v","requestURI":"/","user":{"username":"u"},"sourceIPs":[%s]}' % addresses).encode()
        for log in cls.LOGS:
            cls.server.create_log(log)
        for n in range(3):
            for log in cls.random.sample(cls.LOGS, len(cls.LOGS)):
                cls.append(log, b'{"rare":"no"}')
                if cls.random.random() < 0.4:
                    cls.append(log, b'{"often":"yes","rare":"%s"}' % (b"yes" if cls.random.random() < 0.1 else b"no"))
                if n == 1:
                    cls.append(log, dear)

    def compare_slow(self, name):
        networks = " OR ".join(f'source_ip = "192.{n}.0.0/16"' for n in range(60))
        text = f'{name} = "yes" OR {networks}'
        found = sorted((r.received, *k) for k, r in self.records.items() if b'"%s":"yes"' % name.encode() in self.payloads[k])
        self.assertGreater(len(found), 2)
        for order in ("asc", "desc"):
            cursor, rows, pages, scanned = {}, [], 0, 0
            while True:
                page = self.ask(logs="slow-*", filter=text, order=order, view="summary", limit=1000, **cursor).json()
                rows += [(api.ns_of(r["receive_time"]), r["log"], r["index"]) for r in page["records"]]
                pages += 1
                if "next" not in page:
                    break
                cursor = {"cursor": page["next"]}
            self.assertEqual(rows, found[::-1] if order == "desc" else found)
            self.assertEqual((page["scanned"], page["matched"], page["complete"]), (len(self.records), len(found), True))
            self.assertGreater(pages, 1)

    def test_few_matches_go_on_with_the_cursor(self):
        self.compare_slow("rare")

    def test_many_matches_make_windows_shorter(self):
        self.compare_slow("often")

    def test_what_is_to_be_erased_since_it_was_found_is_not_shown(self):
        """The last test by name: others see all records."""
        body = json.dumps({"kind": "job", "grants": [{"scopes": ["read"], "logs": ["*"]}], "token": {}})
        reader = self.server.connect(self.server.post("/api/v1/principals", body, JSON).json()["token"])
        found = {k for k in self.records if b'"rare":"yes"' in self.payloads[k]}
        networks = " OR ".join(f'source_ip = "192.{n}.0.0/16"' for n in range(60))
        path = "/api/v1/records?logs=slow-*&limit=1000&filter=" + quote('rare = "yes" OR ' + networks)
        page, shown, restricted = reader.get(path).json(), set(), set()
        while True:
            shown |= {(r["log"], r["index"]) for r in page["records"]}
            if not restricted and page["matched"] > len(shown):  # the cursor has some
                restricted = found - shown
                for log, index in restricted:
                    place = {"records": [[index, index]], "logs": [log], "matter": "M", "name": f"{log} {index}", "reason": "r"}
                    self.assertEqual(self.server.post("/api/v1/holds", json.dumps(place), JSON).status, 201)
                    answer = self.server.post(f"/api/v1/logs/{log}/erasures", json.dumps({"case": "dsr-1", "records": [index]}), JSON)
                    self.assertEqual(answer.status, 201, answer.body)
            if "next" not in page:
                break
            page = reader.get(f"{path}&cursor={page['next']}").json()
        self.assertTrue(restricted, "no page ended with a match that it did not show")
        self.assertEqual(shown, found - restricted)
        self.assertEqual((page["matched"], page["restricted"]), (len(shown), len(restricted)))

    def test_counts_go_on_log_by_log(self):
        networks = " OR ".join(f'source_ip = "192.{n}.0.0/16"' for n in range(60))
        cursor, times = {}, 0
        while True:
            page = self.ask(logs="slow-*", filter=f'often = "yes" OR {networks}', by="writer", **cursor).json()
            times += sum(v["count"] for v in page["values"])
            if "next" not in page:
                break
            cursor = {"cursor": page["next"]}
        self.assertEqual(times, sum(b'"often":"yes"' in payload for payload in self.payloads.values()))
        self.assertEqual((page["matched"], page["scanned"]), (times, len(self.records)))


if __name__ == "__main__":
    unittest.main()
