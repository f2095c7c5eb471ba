#!/usr/bin/env python3
"""All rows of a query in one answer: whole, or said not to be."""
import csv
import http.client
import io
import json
import re
import socket
import unittest

from lib import JSON, NDJSON, Server, stele, until

ROWS = 6000


def metric(server, name):
    return float(re.search(rf"^stele_{name} (\S+)$", server.get("/metrics").text(), re.M).group(1))


class Stream:
    """An answer that is read as one likes."""

    def __init__(self, server, query, token=None, buffer=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        if buffer:
            self.connection.sock = socket.socket()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.connection.sock.settimeout(60)
            self.connection.sock.connect(("127.0.0.1", server.port))
        self.connection.request("GET", "/api/v1/records?stream=true&" + query,
                                headers={"Authorization": "Bearer " + (token or server.token())})
        self.answer = self.connection.getresponse()

    def lines(self):
        """All of them; and whether it was cut off."""
        try:
            return self.answer.read().decode().splitlines(), False
        except http.client.IncompleteRead as e:
            return e.partial.decode().splitlines(), True

    def rows(self):
        """Rows, the summary; None when it was cut off."""
        lines, cut = self.lines()
        rows = [json.loads(line) for line in (lines[:-1] if cut else lines)]
        return (rows, None) if cut else (rows[:-1], rows[-1]["summary"])

    def close(self):
        self.answer.close()
        self.connection.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.addCleanup(self.remove)
        for log in ("a", "b"):
            self.server.create_log(log)
        for part in range(12):
            lines = b"\n".join(b'{"n":%d,"x":"%s"}' % (part * 500 + i, b"x" * 2000) for i in range(500))
            answer = self.server.post(f"/api/v1/logs/{'ab'[part % 2]}/records", lines, NDJSON)
            self.assertEqual(answer.status, 201)

    def remove(self):
        if self.server.running():
            self.assertEqual(self.server.stop(), 0, self.server.log())
        self.server.remove()

    def stream(self, query, **how):
        stream = Stream(self.server, query, **how)
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.status, 200)
        return stream

    def pages(self, query):
        rows, cursor = [], ""
        while cursor is not None:
            page = self.server.get(f"/api/v1/records?{query}&limit=1000{cursor}").json()
            rows += page["records"]
            cursor = "&cursor=" + page["next"] if "next" in page else None
        return rows

    def payloads(self, rows):
        return [json.loads(r["payload"])["n"] for r in rows]


class Whole(Case):
    def test_it_has_the_rows_of_all_pages_and_says_that_it_is_whole(self):
        for query in ("logs=a,b", "logs=a,b&order=desc", "logs=b&filter=n%20>%2030"):
            rows, summary = self.stream(query + "&format=ndjson").rows()
            self.assertEqual(rows, self.pages(query))
            self.assertEqual((summary["rows"], summary["matched"], summary["complete"]), (len(rows), len(rows), True))
            self.assertNotIn("next", summary)
        rows, summary = self.stream("logs=a&filter=n%20<%200&format=ndjson").rows()
        self.assertEqual((rows, summary["scanned"], summary["complete"]), ([], 3000, True))

    def test_a_table(self):
        lines, cut = self.stream("logs=a,b&format=csv").lines()
        self.assertFalse(cut)
        table = list(csv.DictReader(io.StringIO("\n".join(lines))))
        self.assertEqual([(r["log"], int(r["index"])) for r in table],
                         [(r["log"], r["index"]) for r in self.pages("logs=a,b")])
        head = f"Host: x\r\nAuthorization: Bearer {self.server.token()}\r\nConnection: close\r\n\r\n"
        raw = self.server.raw(f"GET /api/v1/records?logs=a&stream=true&format=csv HTTP/1.1\r\n{head}".encode())
        trailer = raw[raw.rindex(b"\r\n0\r\n") + 5:].decode()
        self.assertTrue(trailer.startswith("Stele-Query: {") and trailer.endswith("}\r\n\r\n"), trailer)
        self.assertEqual(json.loads(trailer[13:])["rows"], 3000)
        only = self.server.raw(f"HEAD /api/v1/records?logs=a&stream=true&format=csv HTTP/1.1\r\n{head}".encode())
        self.assertTrue(only.endswith(b"\r\n\r\n") and only.count(b"\r\n\r\n") == 1, only)

    def test_it_goes_on_from_a_page(self):
        page = self.server.get("/api/v1/records?logs=a,b&limit=777").json()
        rows, summary = self.stream(f"logs=a,b&format=ndjson&cursor={page['next']}").rows()
        self.assertEqual(sorted(self.payloads(page["records"] + rows)), list(range(ROWS)))
        self.assertEqual((summary["rows"], summary["scanned"]), (ROWS - 777, ROWS))

    def test_memory_is_that_of_a_piece(self):
        stream = self.stream("logs=a,b&format=ndjson", buffer=4096)
        until(lambda: metric(self.server, "answer_bytes") > 0, "it waits for its reader")
        self.assertLess(metric(self.server, "answer_bytes"), 1 << 20)
        self.assertEqual(len(stream.rows()[0]), ROWS)

    def test_what_is_refused(self):
        for query in ("stream=true", "stream=true&format=csv&limit=9", "stream=true&format=ndjson&count=true",
                      "stream=maybe&format=csv"):
            self.assertEqual(self.server.get("/api/v1/records?" + query).status, 400, query)
        self.assertEqual(self.server.get("/api/v1/records?logs=none&stream=true&format=csv").status, 404)
        old = self.server.raw(b"GET /api/v1/records?stream=true&format=csv HTTP/1.0\r\nAuthorization: Bearer "
                              + self.server.token().encode() + b"\r\n\r\n")
        self.assertIn(b"505 ", old.split(b"\r\n")[0])

    def test_who_asked_is_recorded_once(self):
        self.stream("logs=a&format=ndjson").rows()
        found = []

        def told():
            rows = self.server.get("/api/v1/logs/_access/records?limit=1000").json()["records"]
            found[:] = [q for q in (json.loads(r["payload"]) for r in rows) if q["type"] == "query" and q["logs"] == ["a"]]
            return found

        until(told, "it is recorded")
        self.assertEqual([(q["rows"], q["scanned"]) for q in found], [(3000, 3000)])


class NotWhole(Case):
    def test_a_stop_says_where_to_go_on(self):
        stream = self.stream("logs=a,b&format=ndjson", buffer=4096)
        until(lambda: metric(self.server, "answer_bytes") > 0, "it waits for its reader")
        self.server.process.terminate()
        rows, summary = stream.rows()
        self.assertEqual(self.server._wait(30), 0)
        self.assertLess(len(rows), ROWS)
        self.assertFalse(summary["complete"])
        self.server.start()
        rest, after = self.stream(f"logs=a,b&format=ndjson&cursor={summary['next']}").rows()
        self.assertEqual(sorted(self.payloads(rows + rest)), list(range(ROWS)))
        self.assertTrue(after["complete"])

    def test_a_token_that_is_revoked_cuts_it_off_and_no_others(self):
        made = self.server.post("/api/v1/tokens", json.dumps({"scopes": ["read"], "logs": ["*"]}), JSON).json()
        ours = self.stream("logs=a,b&format=ndjson", buffer=4096)
        theirs = self.stream("logs=a,b&format=ndjson", buffer=4096, token=made["token"])
        until(lambda: metric(self.server, "answer_bytes") > 1 << 18, "both wait for their readers")
        self.assertEqual(self.server.request("DELETE", f"/api/v1/tokens/{made['id']}").status, 204)
        self.assertIsNone(theirs.rows()[1])
        self.assertTrue(ours.rows()[1]["complete"])

    def test_a_kill_cuts_it_off(self):
        stream = self.stream("logs=a,b&format=ndjson", buffer=4096)
        until(lambda: metric(self.server, "answer_bytes") > 0, "it waits for its reader")
        self.server.kill()
        self.assertIsNone(stream.rows()[1])

    def test_what_is_damaged_is_said(self):
        self.assertEqual(stele("log", "seal", "b", server=self.server).returncode, 0)
        self.assertEqual(self.server.stop(), 0)
        for file in (self.server.data / "segments/b").glob("*.seg"):
            file.chmod(0o644)
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        self.server.start()
        rows, summary = self.stream("logs=a,b&format=ndjson").rows()
        self.assertEqual((len(rows), summary["complete"], summary["unreadable"]), (3000, False, 3001))
        lines, cut = self.stream("logs=a,b&format=csv").lines()
        self.assertEqual((len(lines), cut), (3001, True))


if __name__ == "__main__":
    unittest.main()
