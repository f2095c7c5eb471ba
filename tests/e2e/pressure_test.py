#!/usr/bin/env python3
"""Slow clients, too many of them, a full queue, and a server that is asked to end."""
import re
import socket
import threading
import time
import unittest

from http_case import MIB, RECORDS, Case, problem, statuses
from lib import JSON, NDJSON, Server, sanitized

TIMEOUTS = ["--header-timeout", "1", "--body-timeout", "1", "--idle-timeout", "2",
            "--write-timeout", "1"]


class Slow(Case):
    options = TIMEOUTS

    def until_closed(self, data, trickle=None, seconds=8):
        """Sends data, then a byte of trickle now and then; what came back and how long it took."""
        start, received = time.monotonic(), b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=0.2) as s:
            s.sendall(data)
            while time.monotonic() - start < seconds:
                try:
                    piece = s.recv(4096)
                    if not piece:
                        break
                    received += piece
                except TimeoutError:
                    pass
                except ConnectionError:
                    break
                if trickle and not received:
                    try:
                        s.sendall(trickle)
                    except ConnectionError:
                        break
        return received, time.monotonic() - start

    def test_slow_heads_and_bodies_are_cut(self):
        for data, trickle in [
            (b"GET /livez HT", None),
            (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n"),
            (self.head("Content-Length: 100"), None),
            (self.head("Content-Length: 10000000"), b"x"),
            (self.head("Transfer-Encoding: chunked") + b"5\r\nhe", None),
            (self.head("Transfer-Encoding: chunked"), b"1\r\nx\r\n"),
        ]:
            with self.subTest(data=data[:20], trickle=trickle):
                raw, seconds = self.until_closed(data, trickle)
                self.assertEqual(statuses(raw), [408], raw)
                self.assertLess(seconds, 6)
        self.assertEqual(self.log_size(), self.size)

    def test_idle_connections_are_closed_without_a_word(self):
        raw, seconds = self.until_closed(b"")
        self.assertEqual(raw, b"")
        self.assertTrue(1.5 < seconds < 6, seconds)

    def test_a_reader_that_takes_nothing_is_cut(self):
        body = b"x" * MIB
        index = self.stored(self.server.post(RECORDS, body))["index"]
        get = (f"GET {RECORDS}/{index} HTTP/1.1\r\nHost: x\r\n"
               f"Authorization: Bearer {self.server.token()}\r\n\r\n").encode()
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", self.server.port))
            s.sendall(get * 20)
            time.sleep(4)
            received = 0
            try:
                while piece := s.recv(65536):
                    received += len(piece)
            except ConnectionError:
                pass
        self.assertLess(received, 20 * MIB)
        self.assertEqual(self.connect().get("/livez").status, 200)


class SlowReaders(Case):
    options = ["--answer-bytes", "16M"]

    def test_they_hold_no_more_memory_than_allowed(self):
        index = self.stored(self.server.post(RECORDS, b"\1" * MIB))["index"]
        get = (f"GET {RECORDS}/{index} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n"
               f"Authorization: Bearer {self.server.token()}\r\n\r\n").encode()
        held = [socket.socket() for _ in range(8)]
        try:
            for s in held:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.connect(("127.0.0.1", self.server.port))
                s.sendall(get)
            time.sleep(2)
            metrics = self.server.get("/metrics").text()
            self.assertLessEqual(self.metric(metrics, "stele_answer_bytes"), 16 * MIB)
            self.assertGreater(self.metric(metrics, "stele_answer_bytes"), 0)
            self.assertGreaterEqual(self.metric(metrics, "stele_http_answers_cut_total"), 6)
        finally:
            for s in held:
                s.close()
        time.sleep(1.5)
        self.assertEqual(self.metric(self.server.get("/metrics").text(), "stele_answer_bytes"), 0)

    @staticmethod
    def metric(text, name):
        return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


class Pressure(Case):
    options = ["--max-connections", "20", "--queue-bytes", "256K", "--body-bytes", "4M"]

    def test_connections_over_the_limit_are_told_to_come_back(self):
        held = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(30)]
        try:
            time.sleep(0.3)
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as s:
                raw = s.recv(4096)
            self.assertEqual(statuses(raw), [503])
            self.assertIn(b"Retry-After: 1", raw)
        finally:
            for s in held:
                s.close()
        time.sleep(0.3)
        self.assertEqual(self.connect().get("/livez").status, 200)

    def test_large_bodies_share_their_memory(self):
        held = []
        try:
            for _ in range(6):
                s = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
                s.sendall(self.head(f"Content-Length: {2 * MIB}",
                                    "Content-Type: application/x-ndjson") + b"1")
                held.append(s)
            time.sleep(0.3)
            last = held[-1].recv(4096)
            self.assertEqual(statuses(last), [503])
            self.assertIn(b"overloaded", last)
            self.assertIn(b"Retry-After", last)
        finally:
            for s in held:
                s.close()
        self.assertEqual(self.log_size(), self.size)

    def test_a_full_queue_refuses_whole_requests(self):
        body = b'{"a":"' + b"x" * 200_000 + b'"}'
        lock, taken, refused, other = threading.Lock(), [], [], []

        def client():
            c = self.server.connect()
            for _ in range(15):
                answer = c.post(RECORDS, body, {**JSON, "Prefer": "return=minimal"})
                with lock:
                    if answer.status == 201:
                        taken.append(answer.json()["index"])
                    elif answer.status == 503 and int(answer.headers["retry-after"]) > 0:
                        refused.append(problem(answer)[1])
                    else:
                        other.append(answer)
            c.close()

        threads = [threading.Thread(target=client) for _ in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(other, [])
        self.assertEqual(len(taken), len(set(taken)))
        self.assertEqual(len(taken) + len(refused), 180)
        self.assertGreater(len(taken), 0)
        self.assertEqual(set(refused) - {"overloaded"}, set())
        type(self).size += len(taken)
        self.assertEqual(self.log_size(), self.size)


class Drain(unittest.TestCase):
    def test_what_is_in_flight_is_answered_and_the_rest_is_let_go(self):
        with Server(options=["--min-free", "0", "--loops", "2"]) as server:
            server.create_log("log")
            stop, acknowledged = threading.Event(), []

            def client():
                c = server.connect()
                try:
                    while True:
                        answer = c.post(RECORDS, b'{"a":1}', JSON)
                        if answer.status == 201:
                            acknowledged.append(answer.json()["index"])
                        if stop.is_set() and answer.headers.get("connection") == "close":
                            break
                except OSError:
                    pass
                except Exception:  # the server let an idle connection go
                    pass

            threads = [threading.Thread(target=client) for _ in range(8)]
            idle = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            for t in threads:
                t.start()
            time.sleep(0.5)
            stop.set()
            start = time.monotonic()
            self.assertEqual(server.stop(), 0, server.log())
            self.assertLess(time.monotonic() - start, 8)
            for t in threads:
                t.join()
            self.assertEqual(idle.recv(10), b"")
            idle.close()
            self.assertGreater(len(acknowledged), 0)
            server.start()
            size = server.get("/api/v1/logs/log").json()["size"]
            self.assertGreater(size, max(acknowledged))
            self.assertEqual(len(acknowledged), len(set(acknowledged)))

    def test_a_slow_request_cannot_hold_the_drain_for_ever(self):
        with Server(options=["--min-free", "0"]) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as s:
                s.sendall(b"GET /livez HTTP/1.1\r\nHost")
                time.sleep(0.2)
                start = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - start, 15)



class Rest(unittest.TestCase):
    """What large batches needed is not kept for ever."""

    def own_kib(self, server):
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"RssAnon:\s+(\d+) kB", f.read()).group(1))

    def burst(self, server, name):
        client = server.connect()
        line = b'{"name":"%s","fill":"%s"}\n'
        for i in range(12):
            body = b"".join(line % (b"%s-%d-%d" % (name, i, k), b"x" * (k % 160))
                            for k in range(7000))
            answer = client.post(RECORDS, body, {**NDJSON, "Idempotency-Key": f"{name}-{i}"})
            if answer.status != 201:
                raise AssertionError(answer.body)
        client.close()

    @unittest.skipIf(sanitized(), "a sanitizer's allocator gives nothing back")
    def test_a_server_at_rest_gives_its_memory_back(self):
        with Server() as server:
            server.create_log("log")
            threads = [threading.Thread(target=self.burst, args=(server, b"%d" % i))
                       for i in range(6)]
            for t in threads:
                t.start()
            busy = 0
            while any(t.is_alive() for t in threads):
                busy = max(busy, self.own_kib(server))
                time.sleep(0.02)
            deadline = time.monotonic() + 90
            while self.own_kib(server) > busy * 0.85 and time.monotonic() < deadline:
                time.sleep(0.2)
            self.assertLess(self.own_kib(server), busy * 0.85)
            self.burst(server, b"again")


if __name__ == "__main__":
    unittest.main()
