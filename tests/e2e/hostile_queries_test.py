#!/usr/bin/env python3
"""Queries that mean harm, and records that were written against them: bounded time and memory, a clear answer.

Time is the server's CPU time, so that a loaded machine does not matter, with bounds that only what grows faster
than its input can pass.
"""
import base64
import json
import os
import socket
import subprocess
import threading
import time
import unittest
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

from http_case import MIB, RECORDS, Case, problem
from lib import BUILD, JSON, NDJSON, Client, sanitized, thread_sanitized

BINARY = {"Content-Type": "application/octet-stream"}
SLOWER = 15 if sanitized() else 1
DEEPEST = 32

# A filter, the column (in characters, from 1) and what was expected there.
REFUSED = [
    ("(" * 900, DEEPEST + 1, "at most 32 parentheses and NOTs"),
    ("(" * 33 + "a=1" + ")" * 33, 33, "at most 32 parentheses and NOTs"),
    ("NOT (" * 33 + "a=1" + ")" * 33, 85, "at most 32 parentheses and NOTs"),
    ("-" * 50 + "a=1", 2, "a field, or a path"),
    ("a = = 1", 5, "a value"),
    ("a =", 4, "a value"),
    ("a", 2, "one of = != < <= > >= :"),
    ("a b", 3, "one of = != < <= > >= :"),
    ("AND", 1, "a field, or a path"),
    ("a=1 AND", 8, "a field, or a path"),
    ("a=1 a=2", 5, "AND, OR (in capitals) or the end"),
    ("a=1)", 4, "AND, OR (in capitals) or the end"),
    ("f(a)", 2, "one of = != < <= > >= :"),
    (".a=1", 1, "a field, or a path"),
    ("a..b=1", 3, "a name after the point"),
    (".".join("a" * 33) + "=1", 65, "at most 32 names"),
    ("a=*x", 3, "a * at the end only"),
    ("a=" + "*" * 1000, 3, "a * at the end only"),
    ("a=" + "x*" * 500, 4, "a * at the end only"),
    ('é="x*y*"', 5, "a * at the end only"),
    ('a<"x*"', 3, "no * behind < <= > >="),
    ("a>true", 3, "a text, a number or a time"),
    ("a=1e1000001", 3, "a smaller exponent"),
    ("a=" + "1" * 500 + "e" + "9" * 500, 3, "a smaller exponent"),
    ("time = 5y", 8, "a time from 1970 to 2261"),
    ("time > NaN", 8, "a time from 1970 to 2261"),
    ("receive_time:*", 14, "every record has a time"),
    ('source_ip > "10.0.0.1"', 13, "= != or :"),
    (r'a="\ud800"', 4, "both halves of a surrogate pair"),
    (r'a="\u12"', 4, "four hex digits"),
    (r'a="\x"', 4, 'one of " \' \\ / * b f n r t u'),
    ('a="' + "x" * 3000, 3, "a quote that ends this string"),
    ('a="\x01"', 4, "an escape in place of a control character"),
]
# The same for bytes that are no text, as they are sent.
NOT_TEXT = [("%ff", 1), ("a=%22%ff%22", 4), ("a=%22%C0%80%22", 4), ("a=%22%ED%A0%80%22", 4), ("%C3%A9=%22%f5%22", 4)]

BIG = "9" * 400
NUMBERS = ["9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0", BIG, BIG[:-1] + "8",
           "1e400", "1E+401", "-1e400", "1e-400", "0", "-0.0", "1e999999999999999999999", '"9007199254740993"', '"NaN"', '"Infinity"']
ASKED = {  # which of them
    "n = 9007199254740992": [1], "n = 9007199254740993": [2, 3, 13], "n = 900719925474099300e-2": [2, 3, 13],
    f"n = {BIG}": [4], f"n > {BIG[:-1]}8": [4, 7, 6, 12], "n = 1e400": [6], "n = 10e399": [6], "n > 1e400": [7, 12],
    "n < 0": [8], "n = 0": [10, 11], "n > 0 AND n < 1": [9], "n = NaN": [14], "n = Infinity": [15], "n = -Infinity": [],
    "n = 1e999999": [], "n > 9007199254740991 AND n < 9007199254740993": [1],
}
# Written by what a JSON parser takes and RFC 8259 does not, or not all of it: no field, no path, unparsed.
NOT_JSON = [b'{"n":NaN}', b'{"n":Infinity}', b'{"n":01}', b'{"n":1.}', b'{"n":"\\ud800"}', b'{"n":"\xff"}', b'{"n":"\xc0\x80"}',
            b'{"n":"\x01"}', b'{"n":"\\x41"}', b'{"n":1', b'{"n":1}}', b"{'n':1}", b'{"n":' + b"[" * 100 + b"]" * 100 + b"}"]


class Asking(Case):
    def ask(self, filter_text, log="log", **more):
        parameters = {"filter": filter_text, **more}
        query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in parameters.items())
        return self.server.get(f"/api/v1/logs/{log}/records?{query}")

    def whole(self, filter_text, log, **more):
        """All pages counted: the last of them."""
        while True:
            answer = self.ask(filter_text, log, count="true", **more)
            self.assertEqual(answer.status, 200, answer.body[:300])
            page = answer.json()
            if "next" not in page:
                return page
            more["cursor"] = page["next"]

    def indexes(self, filter_text, log):
        answer = self.ask(filter_text, log, limit=1000)
        self.assertEqual(answer.status, 200, (filter_text, answer.body[:300]))
        return answer.json()

    def cpu_s(self):
        stat = Path(f"/proc/{self.server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def own_mib(self):
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024

    def mark(self, filter_text, **more):
        answer = self.ask(filter_text, **more)
        self.assertEqual(problem(answer), (400, "invalid-filter"), (filter_text[:60], answer.body))
        return answer.json()


class Filters(Asking):
    def test_what_is_wrong_is_refused_with_its_column_and_what_was_expected(self):
        for text, column, expected in REFUSED:
            said = self.mark(text)
            self.assertEqual(said["column"], column, (text[:60], said))
            self.assertIn(expected, said["detail"], text[:60])

    def test_bytes_that_are_no_text_are_refused_where_they_are(self):
        for sent, column in NOT_TEXT:
            answer = self.server.get(f"{RECORDS}?filter={sent}")
            self.assertEqual(problem(answer), (400, "invalid-filter"), sent)
            self.assertEqual((answer.json()["column"], answer.json()["detail"]), (column, f"At character {column}: expected UTF-8."))
        for sent in ("%", "a=%zz", "%4"):
            answer = self.server.get(f"{RECORDS}?filter={sent}")
            self.assertEqual(problem(answer), (400, "invalid-parameter"), sent)
            self.assertIn("percent-encoded", answer.json()["detail"])

    def test_what_is_longer_than_a_request_may_be_is_refused_before_it_is_read(self):
        before = self.cpu_s()
        for text in ("a=1" + " OR a=1" * 9999, "a=" + "x" * 60000, "(" * 60000):
            self.assertEqual(problem(self.ask(text)), (414, "target-too-long"))
        self.assertLess(self.cpu_s() - before, SLOWER)

    def test_ten_thousand_terms_are_refused_where_they_become_too_many(self):
        def place(text):
            body = {"matter": "m", "name": "n", "reason": "r", "logs": ["log"], "filter": text}
            return self.server.post("/api/v1/holds", json.dumps(body), JSON)

        before = self.cpu_s()
        for text, column, expected in (
                ("a=1 OR " * 9300 + "a=1", 7 * 1000 + 1, "at most 1000 terms"),
                ("a=1" + " OR a=1" * 9999, 1, "at most 65536 bytes"),
                ("a=" + "x" * 70000, 1, "at most 65536 bytes"),
                ("(" * 60000, DEEPEST + 1, "at most 32")):
            answer = place(text)
            self.assertEqual(problem(answer), (422, "invalid-hold"), answer.body[:300])
            self.assertIn(f"character {column}:", answer.json()["detail"], text[:40])
            self.assertIn(expected, answer.json()["detail"])
        self.assertLess(self.cpu_s() - before, 5 * SLOWER)

    def test_a_field_that_is_nowhere_is_false_and_no_error(self):
        self.server.create_log("fields")
        self.server.post("/api/v1/logs/fields/records", b'{"a":1}\n{"b":null}\n', NDJSON)
        for text, found in (("zz = 1", []), ("NOT zz:*", [1, 2]), ("zz != 1", [1, 2]), ("a.b.c.d < 5", []), ("b = null", [2]), ("zz = null", [])):
            page = self.indexes(text, "fields")
            self.assertEqual(([r["index"] for r in page["records"]], page["unparsed"]), (found, 0), text)
        page = self.indexes("actor = x", "fields")  # no schema: nobody can tell
        self.assertEqual((page["matched"], page["unparsed"], page["complete"]), (0, 2, True))

    def test_numbers_compare_exactly_however_large(self):
        self.server.create_log("numbers")
        lines = "".join(f'{{"n":{n}}}\n' for n in NUMBERS).encode()
        self.assertEqual(self.server.post("/api/v1/logs/numbers/records", lines, NDJSON).status, 201)
        for text, which in ASKED.items():
            got = [r["index"] - 1 for r in self.indexes(text, "numbers")["records"]]
            self.assertEqual(got, sorted(which), text[:60])

    def test_what_is_no_json_matches_nothing_and_is_counted(self):
        self.server.create_log("broken")
        for payload in NOT_JSON:
            self.assertEqual(self.server.post("/api/v1/logs/broken/records", payload, BINARY).status, 201, payload)
        for text in ("n:*", "NOT n:*", "n = NaN", "n != 1", "actor:*", "n = 1 OR n > 0"):
            page = self.whole(text, "broken")
            self.assertEqual((page["matched"], page["unparsed"], page["complete"]), (0, len(NOT_JSON), True), text)


class Cursors(Asking):
    def cursor(self, client=None, log="log", text="a:*"):
        answer = (client or self.server).get(f"/api/v1/logs/{log}/records?limit=1&filter={quote(text)}")
        return answer.json()["next"]

    def refused_cursor(self, cursor, client=None, log="log", text="a:*"):
        answer = (client or self.server).get(f"/api/v1/logs/{log}/records?limit=1&filter={quote(text)}&cursor={quote(cursor)}")
        self.assertEqual(problem(answer), (400, "invalid-parameter"), (cursor, answer.body))
        self.assertIn("cursor is not one of this query", answer.json()["detail"])

    def test_only_the_very_cursor_goes_on(self):
        for log in ("log", "other"):
            self.server.create_log(log)
            self.assertEqual(self.server.post(f"/api/v1/logs/{log}/records", b'{"a":1}\n' * 9, NDJSON).status, 201)
        mine = self.cursor()
        raw = base64.urlsafe_b64decode(mine + "=" * (-len(mine) % 4))

        def text(data):
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        self.assertEqual(text(raw), mine)
        for n in range(1, len(raw)):
            self.refused_cursor(text(raw[:n]))
        for forged in (bytes([raw[0] - 1]) + raw[1:],  # of an older version
                       bytes([raw[0] + 1]) + raw[1:], raw + b"\0", b"\0" * len(raw), os.urandom(len(raw)),
                       raw[:-16] + bytes(16), b"\xff" * 2000, raw * 20):
            self.refused_cursor(text(forged))
        for words in ("A", "=", "%%", "null", "-" * 2800, "é", mine + "=", " " + mine):
            self.refused_cursor(words)
        self.refused_cursor(self.cursor(log="other"))
        self.refused_cursor(self.cursor(text="a = 1"))
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": ["*"]}], "token": {}}
        made = self.server.post("/api/v1/principals", json.dumps(body), JSON).json()
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        self.refused_cursor(mine, client)
        self.refused_cursor(self.cursor(client))
        again = self.server.get(f"{RECORDS}?limit=9&filter=a%3A*&cursor={mine}")
        self.assertEqual([r["index"] for r in again.json()["records"]], list(range(2, 10)))


# Records of about a megabyte each, written against whoever looks into them: {name: (record, filters it fits)}.
K8S = '{"auditID":"1","stage":"s","verb":"v","requestURI":"/","user":{"username":"u"},'
RECORDS_OF_HARM = {
    "nested-arrays": ('{"a":' + "[" * 60 + '"x",' * 240000 + '"y"' + "]" * 60 + "}", ["a:*", 'a = "y"']),
    "nested-objects": ('{"a":' * 60 + "{" + ",".join(f'"b{i}":1' for i in range(90000)) + "}" * 61, ["a.a:*"]),
    "one-name-100000-times": ("{" + ",".join(['"a":1'] * 100000) + "}", ["a:*", "a = 1"]),
    "escaped-names": ("{" + ",".join(['"\\u0061":1'] * 80000) + "}", ["a = 1"]),
    "many-names": ("{" + ",".join(f'"n{i}":1' for i in range(80000)) + "}", ["n79999 = 1"]),
    "escapes": ('{"a":"' + "\\u0061" * 160000 + '"}', ['a = "aa*"']),
    "backslashes": ('{"a":"' + "\\\\" * 480000 + '"}', ["a:*"]),
    "nearly-the-text": ('{"a":["' + '","'.join(["a" * 500] * 1900) + '"]}', ["a:*"]),
    "elements": ('{"a":[' + ",".join(["[[1]]"] * 160000) + "]}", ["a = 1"]),
    "digits": ('{"a":' + "9" * 1000000 + "}", ["a > 5"]),
    "numbers": ('{"a":[' + ",".join(["9" * 400] * 2400) + "]}", ["a > 5", "a = " + "9" * 400]),
    "exponents": ('{"a":[' + ",".join(["1e-999999999"] * 75000) + "]}", ["a > 0"]),
    "addresses": (K8S + '"sourceIPs":[' + ",".join(['"10.0.0.1"'] * 80000) + "]}", ['source_ip = "10.0.0.0/9"', "any = 10.0.0.1"]),
    "actors": (K8S + '"user":{"username":[' + ",".join(['"alice"'] * 100000) + "]}}", ["actor = alice"]),
    "times": ('{"a":[' + ",".join(['"2020-09-20T01:02:03Z"'] * 40000) + "]}", ["a >= 2020-01-01"]),
}
SEARCHES = ['zz = "nothing"', 'a = "' + "a" * 499 + 'b"', "a = 5.5", 'a = "q*"', "a >= 2099-01-01", 'any = "192.0.2.0/24"',
            " OR ".join(f"a.n{i} = {i}" for i in range(90)), " OR ".join(f'a = "b{i}*"' for i in range(90))]
COPIES = 4


@unittest.skipIf(thread_sanitized(), "one query at a time: there is no race to find")
class Records(Asking):
    def fill(self, log, line, copies):
        self.server.create_log(log)
        self.assertLess(len(line), MIB)
        for _ in range(copies):
            answer = self.server.post(f"/api/v1/logs/{log}/records", line + "\n", NDJSON)
            self.assertEqual(answer.status, 201, answer.body[:200])

    def test_records_that_were_written_against_the_matcher_take_linear_time_and_memory(self):
        for log, (line, fits) in RECORDS_OF_HARM.items():
            self.fill(log, line, COPIES)
        memory = self.own_mib()
        for log, (_, fits) in RECORDS_OF_HARM.items():
            before = self.cpu_s()
            for text in fits:
                self.assertEqual(self.whole(text, log)["matched"], COPIES, (log, text[:40]))
            for text in SEARCHES:
                self.assertEqual(self.whole(text, log)["matched"], 0, (log, text[:40]))
            self.assertEqual(self.whole("", log, by="actor", histogram="1d")["matched"], COPIES)
            row = self.ask("", log, limit=1).json()["records"][0]
            self.assertEqual("duplicate_names" in row, log in ("one-name-100000-times", "escaped-names", "actors"), log)
            # 14 passes over 4 MB; each took some 10 ms a record.
            self.assertLess(self.cpu_s() - before, 15 * SLOWER, log)
        if not sanitized():
            self.assertLess(self.own_mib() - memory, 150)

    def test_a_page_ends_in_time_also_in_the_middle_of_a_tile(self):
        """A page is a second of looking. Each of these records takes a good part of one."""
        line = RECORDS_OF_HARM["addresses"][0]
        self.fill("slow", line, 48)
        text = " AND ".join(f'NOT any = "{i}.0.0.0/8"' for i in range(60, 120))
        for order in ("asc", "desc"):
            page = self.ask(text, "slow", count="true", order=order).json()
            self.assertIn("next", page)
            self.assertLess(page["scanned"], 36, order)
            self.assertGreater(page["scanned"], 0, order)
            again = self.ask(text, "slow", count="true", order=order, cursor=page["next"]).json()
            self.assertGreater(again["scanned"], page["scanned"])


class Memory(Asking):
    """Readers by the hundred that ask for the largest pages and do not take them."""

    options = ["--answer-bytes", "16M"]
    ROWS = 300

    def test_pages_that_are_made_and_not_taken_share_a_bound(self):
        line = b'{"a":"' + b"x y" * 13000 + b'"}\n'
        for _ in range(self.ROWS // 20):
            self.assertEqual(self.server.post(RECORDS, line * 20, NDJSON).status, 201)
        before, peak, token = self.own_mib(), 0, self.server.token()
        head = f"GET {RECORDS}?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        with ExitStack() as stack:
            for _ in range(200):
                reader = stack.enter_context(socket.socket())
                reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                reader.connect(("127.0.0.1", self.server.port))
                reader.sendall(head)
                peak = max(peak, self.own_mib())
            until = time.monotonic() + 3
            while time.monotonic() < until:
                peak = max(peak, self.own_mib())
                time.sleep(0.02)
        if not sanitized():
            self.assertLess(peak - before, 300)  # here 60 to 120; 200 pages of 4 MiB, made within a second, are 800
        rows, parameters = 0, {}
        while "cursor" not in parameters or parameters["cursor"]:  # and everything is still there
            page = self.ask("", limit=1000, **parameters).json()
            rows += len(page["records"])
            parameters["cursor"] = page.get("next", "")
        self.assertEqual(rows, self.ROWS)
        until = time.monotonic() + 60
        while b"\nstele_answer_bytes 0\n" not in self.server.get("/metrics").body:
            self.assertLess(time.monotonic(), until, "answers are given up, and still counted")
            time.sleep(0.05)


class Parallel(Asking):
    """Long scans beside which others must go on."""

    def scan(self, client, done):
        parameters = {"count": "true", "filter": 'zz.b = "nothing" OR actor = "n0body"'}
        while not done.is_set():
            query = "&".join(f"{k}={quote(v)}" for k, v in parameters.items())
            page = client.get(f"/api/v1/logs/scanned/records?{query}").json()
            parameters["cursor"] = page.get("next", "")
            self.pages += 1

    def read_beside(self, scans):
        """The median time of a read beside so many scans at once."""
        done, self.pages, times = threading.Event(), 0, []
        clients = [self.server.connect() for _ in range(scans)]
        threads = [threading.Thread(target=self.scan, args=(c, done)) for c in clients]
        for t in threads:
            t.start()
        client = self.server.connect()
        while self.pages < scans // 2 or len(times) < 40:
            begun = time.monotonic()
            self.assertEqual(client.get(f"/api/v1/logs/scanned/records/{len(times) % 1000 + 1}").status, 200)
            times.append(time.monotonic() - begun)
            self.assertEqual(client.post(RECORDS, b'{"a":1}', JSON).status, 201)
        done.set()
        for t in threads:
            t.join()
        for c in (client, *clients):
            c.close()
        return sorted(times)[len(times) // 2]

    def test_reads_beside_many_scans_wait_no_longer_than_beside_a_few(self):
        self.server.create_log("scanned")
        made = subprocess.run([BUILD / "bench/bench-events", "mixed:10000"], capture_output=True, check=True).stdout
        lines = made.splitlines(keepends=True)
        for i in range(0, len(lines), 1000):
            answer = self.server.post("/api/v1/logs/scanned/records", b"".join(lines[i:i + 1000]), NDJSON)
            self.assertEqual(answer.status, 201)
        for _ in range(3):  # others use the machine as well
            few, many = self.read_beside(3), self.read_beside(32)
            if many < 4 * few + 0.02:
                return
        self.fail(f"a read takes {many:.3f} s beside 32 scans, {few:.3f} s beside 3")


if __name__ == "__main__":
    unittest.main()
