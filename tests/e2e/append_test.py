#!/usr/bin/env python3
"""stele append against servers that misbehave: it must never lose count.

The server here is a fake with a script of faults; what it stored is compared
with what append says it stored.
"""
import contextlib
import json
import os
import pty
import subprocess
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lib import STELE, sanitized

LINES = [b'{"n":%d,"pad":"%s"}' % (n, b"x" * (n % 97)) for n in range(3000)]


class FakeServer(ThreadingHTTPServer):
    """Stores batches by idempotency key and line, as steled does.

    faults: one entry is used up by each request: None (serve it), ("status", N, RETRY_AFTER),
    "drop" (close without storing), "lose" (store, then close without an answer).
    """

    daemon_threads = True

    def __init__(self, faults=(), refuse=None):
        super().__init__(("127.0.0.1", 0), FakeHandler)
        self.lock = threading.Lock()
        self.faults = list(faults)
        self.refuse = refuse  # a line that is never accepted
        self.detail = "No such thing."
        self.stored = []
        self.by_key = {}
        self.requests = 0
        self.first_answer = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self):
        """What befalls this request. Faults begin once the first answer had time to arrive:
        append gives up at once on a server that never answered."""
        with self.lock:
            self.requests += 1
            fault = self.faults.pop(0) if self.faults else None
        if fault and self.requests > 1:
            self.first_answer.wait(10)
        return fault

    def store(self, key, body):
        with self.lock:
            indexes, duplicates = [], []
            for n, line in enumerate(x for x in body.replace(b"\r", b"").split(b"\n") if x):
                at = self.by_key.get((key, n))
                if at is None:
                    at = self.by_key[(key, n)] = len(self.stored)
                    self.stored.append(line)
                else:
                    duplicates.append(at)
                indexes.append(at)
            return indexes, duplicates


class FakeHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, document, headers=()):
        body = json.dumps(document).encode()
        self.send_response(status)
        kind = "application/json" if status < 300 else "application/problem+json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        if not self.server.first_answer.is_set():
            threading.Timer(0.1, self.server.first_answer.set).start()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.next_fault()
        if fault == "drop":
            self.close_connection = True
            return
        if isinstance(fault, tuple):
            headers = [("Retry-After", str(fault[2]))] if fault[2] is not None else []
            self.answer(fault[1], {"type": "urn:x", "detail": "Not now."}, headers)
            return
        if self.server.refuse is not None and self.server.refuse in body:
            lines = body.split(b"\n")
            detail = {"type": "urn:x", "detail": self.server.detail, "status": 422}
            self.answer(422, {**detail, "line": lines.index(self.server.refuse) + 1})
            return
        indexes, duplicates = self.server.store(self.headers["Idempotency-Key"], body)
        if fault == "lose":
            self.close_connection = True
            return
        answer = {"log": "x", "first": min(indexes), "last": max(indexes)}
        answer |= {"count": len(indexes), "duplicates": duplicates}
        if self.path.endswith("?proof=all"):
            answer["receipts"] = [{"index": i} for i in indexes]
        self.answer(201, answer)


class AppendTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.input = Path(self.folder.name) / "in.ndjson"
        self.input.write_bytes(b"\n".join(LINES) + b"\n")

    def tearDown(self):
        self.folder.cleanup()

    def append_to(self, server, *options, **streams):
        command = [str(STELE), "--json", "--server", server.url]
        command += ["append", "x", str(self.input), "--ndjson", "--batch-bytes", "10K", *options]
        return subprocess.run(command, text=True, timeout=60, check=False, **streams)

    def test_what_a_server_says_does_not_get_at_the_terminal(self):
        server = FakeServer(refuse=LINES[0])
        server.detail = "\x1b]0;mine\x07 \x9b31m \x7f\r caf\u00e9"
        run = self.append_to(server, capture_output=True)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("?]0;mine? ??31m ?? caf\u00e9", run.stderr)
        self.assertEqual([c for c in run.stderr if c < " " and c != "\n"], [])

    def append(self, server, *options):
        return self.append_to(
            server, *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def tally(self, run):
        tally = json.loads(run.stdout)
        self.assertEqual(tally["sent"], tally["stored"] + tally["duplicates"] + tally["failed"])
        return tally

    def assert_all_stored_once(self, server):
        self.assertEqual(sorted(server.stored), sorted(LINES))

    def test_one_connection_keeps_the_order(self):
        server = FakeServer()
        tally = self.tally(self.append(server, "--connections", "1"))
        self.assertEqual(server.stored, LINES)
        self.assertEqual(tally["stored"], len(LINES))
        self.assertEqual((tally["first"], tally["last"]), (0, len(LINES) - 1))
        self.assertGreater(server.requests, 10)

    def test_every_fault_that_passes_is_retried_and_nothing_is_stored_twice(self):
        faults = ["lose", "drop", ("status", 503, None), ("status", 429, 1), None, "lose"]
        faults += [("status", 507, 0), "drop", None, ("status", 502, None), "lose", None] * 3
        for connections in ("1", "4", "8"):
            server = FakeServer([None, *faults])
            run = self.append(server, "--connections", connections)
            tally = self.tally(run)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(tally["stored"], len(LINES))
            self.assertEqual((tally["duplicates"], tally["failed"]), (0, 0))
            self.assertGreaterEqual(tally["retries"], 8)  # libcurl makes some by itself
            self.assert_all_stored_once(server)

    def test_retry_after_is_honoured(self):
        server = FakeServer([("status", 503, 2)])
        start = time.monotonic()
        self.assertEqual(self.append(server, "--connections", "1").returncode, 0)
        self.assertGreaterEqual(time.monotonic() - start, 2)
        self.assert_all_stored_once(server)

    def test_a_server_that_stays_away_is_given_up_and_the_next_run_completes_it(self):
        server = FakeServer([None, None, "lose"] + ["drop"] * 1000)
        run = self.append(server, "--retry-for", "1")
        tally = self.tally(run)
        self.assertEqual(run.returncode, 1)
        self.assertGreater(tally["failed"], 0)
        self.assertIn("--key " + tally["key"], run.stderr)
        server.faults.clear()
        run = self.append(server, "--key", tally["key"], "--from", str(tally["resume_from"]))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assert_all_stored_once(server)

    def test_the_same_key_again_stores_nothing_and_says_so(self):
        server = FakeServer()
        self.append(server, "--key", "nightly")
        tally = self.tally(self.append(server, "--key", "nightly"))
        self.assertEqual((tally["stored"], tally["duplicates"]), (0, len(LINES)))
        self.assert_all_stored_once(server)

    def test_a_refused_batch_stops_it_and_names_the_line(self):
        server = FakeServer(refuse=LINES[1500])
        run = self.append(server, "--connections", "1")
        tally = self.tally(run)
        self.assertEqual(run.returncode, 1)
        self.assertIn("line 1501 of the input", run.stderr)
        self.assertIn("No such thing.", run.stderr)
        self.assertEqual(server.stored, LINES[: tally["stored"]])
        self.assertEqual(tally["resume_from"], sum(len(x) + 1 for x in LINES[: tally["stored"]]))

    def test_no_server_at_all_is_told_at_once(self):
        server = FakeServer()
        server.shutdown()
        server.server_close()
        start = time.monotonic()
        run = self.append(server)
        self.assertEqual(run.returncode, 4)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(self.tally(run)["stored"], 0)

    def test_an_answer_that_does_not_add_up_is_not_believed(self):
        server = FakeServer()
        server.store = lambda key, body: ([0], [])
        run = self.append(server, "--connections", "1")
        self.assertEqual(run.returncode, 1)
        self.assertEqual(self.tally(run)["stored"], 0)

    def test_a_receipt_for_every_record_with_its_line(self):
        self.input.write_bytes(b"\n\r\n".join(LINES))
        receipts = Path(self.folder.name) / "receipts"
        server = FakeServer(["lose", None, "drop"])
        run = self.append(server, "--retry-for", "30", "--receipts", str(receipts))
        self.assertEqual(run.returncode, 0, run.stderr)
        rows = [json.loads(line) for line in receipts.read_text().splitlines()]
        self.assertEqual(len(rows), len(LINES))
        lines = self.input.read_bytes().split(b"\n")
        for row in rows:
            self.assertEqual(lines[row["line"] - 1].rstrip(b"\r"), server.stored[row["index"]])

    def test_a_pipe_that_pauses_has_what_it_gave_sent(self):
        server = FakeServer()
        command = [str(STELE), "--server", server.url, "append", "x", "--ndjson"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            run.stdin.write(b'{"n":1}\n{"n":2}\n{"n":')
            run.stdin.flush()
            deadline = time.monotonic() + 60
            while len(server.stored) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertEqual(server.stored, [b'{"n":1}', b'{"n":2}'])
            run.stdin.write(b"3}")
            out, _ = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(server.stored[2:], [b'{"n":3}'])
        self.assertIn(b"sent 3, stored 3, duplicates 0, failed 0", out)

    def test_a_terminal_shows_progress(self):
        server = FakeServer([None, None, ("status", 503, 1)])
        ours, theirs = pty.openpty()
        run = self.append_to(server, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal's other end is gone
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        self.assertEqual(run.returncode, 0)
        self.assertRegex(shown, rb"\d+ records  .* records/s  .* MB/s  \d+ in flight, retrying")
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-80:])

    def test_ctrl_c_stops_reading_settles_and_says_how_to_go_on(self):
        server = FakeServer()
        command = [str(STELE), "--json", "--server", server.url, "append", "x", "--ndjson"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as run:
            run.stdin.write(b'{"n":1}\n')
            run.stdin.flush()
            while not server.stored:
                time.sleep(0.01)
            run.send_signal(2)
            out, err = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(json.loads(out)["stored"], 1)
        self.assertIn(b"--from 8", err)

    def test_input_that_cannot_be_a_record_stops_before_it(self):
        self.input.write_bytes(LINES[0] + b"\n" + b"1" * (1 << 20 | 1) + b"\n" + LINES[1])
        server = FakeServer()
        run = self.append(server)
        self.assertEqual(run.returncode, 1)
        self.assertIn("input line 2", run.stderr)
        self.assertEqual(server.stored, [LINES[0]])

    def test_a_line_that_is_no_json_stops_before_it_and_the_mended_file_completes(self):
        bad = LINES[:1700] + [b'{"n":'] + LINES[1701:]
        self.input.write_bytes(b"\n".join(bad) + b"\n")
        server = FakeServer()
        run = self.append(server)
        tally = self.tally(run)
        self.assertEqual(run.returncode, 1)
        self.assertIn("input line 1701: not a record of JSON", run.stderr)
        self.assertEqual((tally["stored"], tally["failed"]), (1700, 1))
        self.assertEqual(tally["resume_from"], sum(len(x) + 1 for x in LINES[:1700]))
        self.input.write_bytes(b"\n".join(LINES) + b"\n")
        run = self.append(server, "--key", tally["key"], "--from", str(tally["resume_from"]))
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assert_all_stored_once(server)

    def test_memory_does_not_grow_with_the_input(self):
        line = b'{"pad":"' + b"x" * 1000 + b'"}\n'
        server = FakeServer()
        server.store = lambda key, body: (range(body.count(b"\n")), [])
        command = [str(STELE), "--server", server.url, "append", "x", "--ndjson"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            for _ in range(60):
                run.stdin.write(line * 1000)
            run.stdin.close()
            run.stdin = None
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(run.returncode, 0)
        if not sanitized():
            self.assertLess(usage.ru_maxrss, 40 * 1024)


if __name__ == "__main__":
    unittest.main()
