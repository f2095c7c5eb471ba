#!/usr/bin/env python3
"""HTTP as hostile, slow or careless clients speak it: each gets its clear answer, and nothing
of what was refused is stored."""
import gzip
import hashlib
import os
import json
import re
import socket
import unittest
import zlib

from http_case import MIB, PROBLEM, RECORDS, Case, problem, statuses
from lib import JSON, NDJSON


class Malformed(Case):
    def refused_raw(self, data, status, name="malformed-http", stays=0):
        raw = self.server.raw(data)
        got = statuses(raw)
        self.assertEqual(got[-1:], [status], raw)
        self.assertEqual(len(got), stays + 1, raw)
        self.assertIn(PROBLEM.encode() + name.encode(), raw)
        self.assertIn(b"Connection: close", raw)
        self.assertEqual(self.log_size(), self.size, "something was stored")

    def test_lengths_that_two_parsers_could_read_differently(self):
        chunk = b"5\r\nhello\r\n0\r\n\r\n"
        for lines, body in [
            (("Content-Length: 5", "Transfer-Encoding: chunked"), chunk),
            (("Transfer-Encoding: chunked", "Content-Length: 5"), chunk),
            (("Content-Length: 5", "Content-Length: 5"), b"hello"),
            (("Content-Length: 5", "Content-Length: 6"), b"hello"),
            (("Content-Length: 5,5",), b"hello"),
            (("Content-Length: +5",), b"hello"),
            (("Content-Length: 5 ", "Content-Length:"), b"hello"),
            (("Content-Length: 0x5",), b"hello"),
            (("Content-Length: 18446744073709551621",), b"hello"),
            (("Transfer-Encoding: gzip",), b"hello"),
            (("Transfer-Encoding: gzip, chunked",), chunk),
            (("Transfer-Encoding: chunked, identity",), chunk),
            (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), chunk),
            (("Transfer-Encoding : chunked",), chunk),
            (("Transfer-Encoding:\x0bchunked",), chunk),
            (("X: y\r\n Content-Length: 5",), b"hello"),
            (("X: y\r\n\tz",), b""),
            (("X: y\rContent-Length: 5",), b"hello"),
            (("X: y\nContent-Length: 5",), b"hello"),
            (("X: \0",), b""),
            (("Host: y",), b""),
            (("Transfer-Encoding: chunked",), b"5\nhello\r\n0\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"5\r\nhello\n0\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"5\r\nhelloXX0\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"-5\r\nhello\r\n0\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"0x5\r\nhello\r\n0\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
            (("Transfer-Encoding: chunked",), b"fffffffffffffffff\r\nhello"),
        ]:
            with self.subTest(lines=lines, body=body):
                self.refused_raw(self.head(*lines) + body, 400)

    def test_a_request_hidden_behind_another_is_not_answered(self):
        hidden = self.head("Content-Length: 5") + b"hello"
        self.refused_raw(
            self.head("Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + hidden,
            400)

    def test_what_is_not_http(self):
        self.refused_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400)
        self.refused_raw(b"GET / HTTP/1.1\r\n\r\n", 400)
        self.refused_raw(b"GET / HTTP/1.1\nHost: x\n\n", 400)
        self.refused_raw(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400)
        self.refused_raw(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, "unknown-method")
        self.refused_raw(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "http-version")
        self.refused_raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version")
        self.refused_raw(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", 417,
                         "expectation-failed")

    def test_heads_beyond_their_limits(self):
        self.refused_raw(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414,
                         "target-too-long")
        self.refused_raw(self.head("X: " + "a" * 20000), 431, "headers-too-large")
        self.refused_raw(self.head(*[f"X{i}: y" for i in range(80)]), 431, "headers-too-large")


class Forms(Case):
    def test_pipelined_requests_are_answered_in_order(self):
        one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        record = self.head("Content-Length: 7", "Content-Type: application/json") + b'{"a":1}'
        none = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        raw = self.server.raw(one + record * 20 + none + one + last)
        self.assertEqual(statuses(raw), [200] + [201] * 20 + [404, 200, 200])
        indexes = [int(i) for i in re.findall(rb'"log","index":(\d+)', raw)]
        self.assertEqual(indexes, list(range(self.size, self.size + 20)))
        type(self).size += 20

    def test_bodies_in_every_shape(self):
        body = b'{"a":"' + b"x" * 5000 + b'"}'
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in
                          [body[i:i + 700] for i in range(0, len(body), 700)])
        raw = self.server.raw(self.head("Transfer-Encoding: chunked", "Connection: close",
                                        "Content-Type: application/json") + chunks + b"0\r\n\r\n")
        self.assertEqual(statuses(raw), [201])
        type(self).size += 1
        self.assertEqual(self.server.get(f"{RECORDS}/{self.size - 1}").body, body)
        self.stored(self.server.post(RECORDS, gzip.compress(body),
                                     {**JSON, "Content-Encoding": "gzip"}))
        self.assertEqual(self.server.get(f"{RECORDS}/{self.size - 1}").body, body)
        self.stored(self.server.post(RECORDS, b""))
        self.assertEqual(self.server.get(f"{RECORDS}/{self.size - 1}").body, b"")
        blob = bytes(range(256)) * 4096
        self.stored(self.server.post(RECORDS, blob, {"Content-Type": "Image/PNG"}))
        answer = self.server.get(f"{RECORDS}/{self.size - 1}")
        self.assertEqual(answer.body, blob)
        self.assertEqual(answer.headers["content-type"], "image/png")

    def test_a_body_that_comes_after_100_continue(self):
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:
            s.sendall(self.head("Content-Length: 5", "Expect: 100-continue", "Connection: close"))
            self.assertEqual(s.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            s.sendall(b"hello")
            self.assertEqual(statuses(s.recv(100)), [201])
        type(self).size += 1
        raw = self.server.raw(f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                              "Expect: 100-continue\r\n\r\n".encode())
        self.assertEqual(statuses(raw), [401])

    def test_http_1_0_and_head(self):
        raw = self.server.raw(b"GET /livez HTTP/1.0\r\n\r\n")
        self.assertEqual(statuses(raw), [200])
        self.assertIn(b"Connection: close", raw)
        raw = self.server.raw(b"HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(raw.endswith(b"\r\n\r\n"), raw)
        self.assertRegex(raw, rb"Content-Length: +15\r\n")

    def test_one_byte_at_a_time(self):
        data = self.head("Content-Length: 7", "Content-Type: application/json",
                         "Connection: close") + b'{"a":1}'
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                s.sendall(data[i:i + 1])
            self.assertEqual(statuses(s.recv(4096)), [201])
        type(self).size += 1

    def test_a_client_that_leaves_early_harms_nobody(self):
        for cut in (10, 60, 200):
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                s.sendall((self.head("Content-Length: 100000") + b"x" * 100)[:cut])
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.sendall(self.head("Content-Length: 5") + b"hello")
            s.shutdown(socket.SHUT_WR)
            self.assertEqual(statuses(s.recv(4096)), [201])
        type(self).size += 1
        self.assertEqual(self.log_size(), self.size)


class Records(Case):
    def test_a_batch_line_that_is_not_json_is_named(self):
        good = b'{"a":1}\n'
        for body, line, offset in [
            (good * 3 + b'{"a":}\n' + good, 4, 24 + 5),
            (good + b'{"a":"\xff"}\n', 2, 8 + 6),
            (good + b"\n\n" + b"?\n", 4, 10),
            (b"\xef\xbb\xbf" + good, 1, 0),
            (good + b'{"a":1} {"b":2}\n', 2, 16),
            (good + b'{"a":\n1}\n', 2, 13),
            (good + b"[" * 100 + b"]" * 100, 2, None),
        ]:
            with self.subTest(body=body[:60]):
                answer = self.server.post(RECORDS, body, NDJSON)
                self.refused(answer, 400, "invalid-json")
                self.assertEqual(answer.json()["line"], line)
                if offset is not None:
                    self.assertEqual(answer.json()["offset"], offset, answer.body)

    def test_a_single_record_that_is_not_json(self):
        for body in (b"", b"{", b'{"a":01}', b'"\xed\xa0\x80"', b"{} {}", b"\xef\xbb\xbf{}"):
            for kind in ("application/json", "application/vnd.x+json; charset=utf-8"):
                self.refused(self.server.post(RECORDS, body, {"Content-Type": kind}), 400,
                             "invalid-json")

    def test_sizes_beyond_their_limits(self):
        big = b'"' + b"a" * MIB + b'"'
        coded = gzip.compress(b'"' + os.urandom(MIB // 2).hex().encode() + b'"')
        for kind in (JSON, {}):
            self.refused(self.server.post(RECORDS, coded, {**kind, "Content-Encoding": "gzip"}),
                         413, "record-too-large")
        answer = self.server.post(RECORDS, b"{}\n" + big + b"\n", NDJSON)
        self.refused(answer, 413, "record-too-large")
        self.assertEqual((answer.json()["line"], answer.json()["limit"]), (2, MIB))
        self.refused(self.server.post(RECORDS, b"1\n" * 65537 + b"\n", NDJSON), 413,
                     "batch-too-large")
        self.refused(self.server.post(RECORDS + "?proof=all", b"1\n" * 4097, NDJSON), 413,
                     "batch-too-large")
        raw = self.server.raw(self.head("Content-Type: application/x-ndjson",
                                        f"Content-Length: {16 * MIB + 1}"))
        self.assertEqual(statuses(raw), [413])
        self.assertIn(b"body-too-large", raw)
        for body in (b"", b"\n\n \r\n"):
            self.refused(self.server.post(RECORDS, body, NDJSON), 400, "empty-batch")

    def test_the_largest_of_each_kind_is_taken(self):
        self.stored(self.server.post(RECORDS, b"x" * MIB))
        self.stored(self.server.post(RECORDS, b"1\n" * 65536, NDJSON), 65536)
        got = self.stored(self.server.post(RECORDS + "?proof=all", b"1\n" * 4096, NDJSON), 4096)
        self.assertEqual(len(got["receipts"]), 4096)
        line = b'"' + b"a" * (MIB - 2) + b'"\n'
        self.stored(self.server.post(RECORDS, line * 15, NDJSON), 15)

    def test_bombs_and_damaged_codings(self):
        bomb = gzip.compress(b"0" * (200 * MIB))
        self.assertLess(len(bomb), MIB)
        for kind in (NDJSON, JSON, {}):
            self.refused(self.server.post(RECORDS, bomb, {**kind, "Content-Encoding": "gzip"}),
                         413, "body-too-large")
        good = gzip.compress(b'{"a":1}')
        for body, coding in [(good[:-3], "gzip"), (b"x" + good, "gzip"), (good + b"x", "gzip"),
                             (good, "zstd"), (zlib.compress(b"{}"), "gzip"), (b"", "gzip")]:
            self.refused(self.server.post(RECORDS, body, {**JSON, "Content-Encoding": coding}),
                         400, "invalid-encoding")
        for coding in ("br", "gzip, zstd", "deflate", ""):
            answer = self.server.post(RECORDS, good, {**JSON, "Content-Encoding": coding})
            self.refused(answer, 415, "unsupported-encoding")
            self.assertEqual(answer.headers["accept-encoding"], "gzip, zstd")

    def test_the_same_key_means_the_same_record(self):
        key = {**JSON, "Idempotency-Key": "k 1"}
        first = self.stored(self.server.post(RECORDS, b'{"a":1}', key))
        again = self.server.post(RECORDS, b'{"a":1}', key)
        self.assertEqual(again.headers["idempotent-replayed"], "true")
        again = self.stored(again, 0)
        for member in ("index", "entry", "salt", "time"):
            self.assertEqual(first[member], again[member])
        answer = self.server.post(RECORDS, b'{"a":2}', key)
        self.refused(answer, 422, "idempotency-conflict")
        self.assertEqual(answer.json()["index"], first["index"])
        for bad in ("", "x" * 256):
            self.refused(self.server.post(RECORDS, b"1", {**JSON, "Idempotency-Key": bad}), 400,
                         "invalid-header")

    def test_a_key_covers_each_line_of_a_batch(self):
        key = {**NDJSON, "Idempotency-Key": "batch"}
        first = self.stored(self.server.post(RECORDS, b"1\n2\n3\n", key), 3)
        self.assertEqual(first["duplicates"], [])
        again = self.stored(self.server.post(RECORDS, b"1\n2\n3\n", key), 0)
        self.assertEqual(again["duplicates"], [first["first"] + i for i in range(3)])
        longer = self.stored(self.server.post(RECORDS + "?proof=all", b"1\n2\n3\n4\n", key), 1)
        self.assertEqual(longer["count"], 4)
        self.assertEqual([r.get("duplicate", False) for r in longer["receipts"]],
                         [True] * 3 + [False])
        self.refused(self.server.post(RECORDS, b"1\n2\n4\n", key), 422, "idempotency-conflict")

    def test_cloudevents_are_known_by_source_and_id(self):
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"a": 1}}
        kind = {"Content-Type": "application/cloudevents+json"}
        batch = {"Content-Type": "application/cloudevents-batch+json"}
        first = self.stored(self.server.post(RECORDS, json.dumps(event), kind))
        again = self.stored(self.server.post(RECORDS, json.dumps(event), kind), 0)
        self.assertEqual(first["entry"], again["entry"])
        other = json.dumps({**event, "data": 2})
        self.refused(self.server.post(RECORDS, other, kind), 422, "idempotency-conflict")
        two = json.dumps([event, {**event, "id": "2"}])
        got = self.stored(self.server.post(RECORDS, two, batch), 1)
        self.assertEqual((got["count"], got["duplicates"]), (2, [first["index"]]))
        binary = {"ce-specversion": "1.0", "ce-id": "3", "ce-source": "/s", "ce-type": "t", **JSON}
        got = self.stored(self.server.post(RECORDS, b'{"a":1}', binary))
        self.stored(self.server.post(RECORDS, b'{"a":1}', dict(reversed(binary.items()))), 0)
        stored = self.server.get(f"{RECORDS}/{got['index']}")
        self.assertEqual(stored.headers["content-type"], "application/cloudevents+json")
        self.assertEqual(stored.json(), {**event, "id": "3",
                                         "datacontenttype": "application/json"})
        for bad in ("{}", "[]", json.dumps({**event, "specversion": "0.3"}),
                    json.dumps({**event, "id": ""})):
            self.refused(self.server.post(RECORDS, bad, kind), 400, "invalid-event")
        answer = self.server.post(RECORDS, json.dumps([event, {}]), batch)
        self.refused(answer, 400, "invalid-event")
        self.assertEqual(answer.json()["event"], 2)
        self.refused(self.server.post(RECORDS, "[]", batch), 400, "empty-batch")
        self.refused(self.server.post(RECORDS, "{}", batch), 400, "invalid-json")
        del binary["ce-id"]
        self.refused(self.server.post(RECORDS, b"{}", binary), 400, "invalid-event")

    def test_what_is_not_offered_is_refused(self):
        for name in ("Stele-Retain-Forever", "Stele-Legal-Holds", "Stele-X"):
            self.refused(self.server.post(RECORDS, b"1", {**JSON, name: "1y"}), 422,
                         "retention-unsupported")
        self.refused(self.server.post(RECORDS + "?prof=all", b"1", JSON), 400,
                     "invalid-parameter")
        self.refused(self.server.post(RECORDS + "?proof=some", b"1", JSON), 400,
                     "invalid-parameter")
        self.refused(self.server.post(RECORDS, b"1", {"Content-Type": "not a type"}), 400,
                     "invalid-header")

    def test_ranges_and_validators(self):
        index = self.stored(self.server.post(RECORDS, b"0123456789"))["index"]
        path = f"{RECORDS}/{index}"
        whole = self.server.get(path)
        etag = whole.headers["etag"]
        entry = self.server.get(path, {"Accept": "application/json"}).json()["entry"].encode()
        self.assertEqual(etag, f'"{hashlib.sha256(bytes(1) + entry).hexdigest()[:32]}"')
        self.assertEqual(whole.headers["x-content-type-options"], "nosniff")
        self.assertIn("sandbox", whole.headers["content-security-policy"])
        answer = self.server.get(path, {"Range": "bytes=2-4"})
        self.assertEqual((answer.status, answer.body), (206, b"234"))
        self.assertEqual(answer.headers["content-range"], "bytes 2-4/10")
        self.assertEqual(self.server.get(path, {"Range": "bytes=-3"}).body, b"789")
        self.assertEqual(problem(self.server.get(path, {"Range": "bytes=10-"})),
                         (416, "range-not-satisfiable"))
        for ignored in ("bytes=1-2,4-5", "lines=1-2", "bytes=4-2"):
            self.assertEqual(self.server.get(path, {"Range": ignored}).body, b"0123456789")
        stale = {"Range": "bytes=2-4", "If-Range": '"other"'}
        self.assertEqual(self.server.get(path, stale).status, 200)
        answer = self.server.get(path, {"If-None-Match": f'"x", {etag}'})
        self.assertEqual((answer.status, answer.body), (304, b""))


if __name__ == "__main__":
    unittest.main()
