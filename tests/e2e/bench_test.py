#!/usr/bin/env python3
"""The benchmark measures what it says: a wrong or lost answer fails it, and the report adds up.

A small steled in Python stands in for the real one, so that it can lie.
"""
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import unittest.mock
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import postgres  # noqa: E402
from harness import certificate  # noqa: E402

BUILD = Path(os.environ.get("STELE_BUILD", ROOT / "build")).resolve()
LOAD = BUILD / "bench" / "stele-load"
ECHO = BUILD / "bench" / "bench-echo"

LIAR = '''#!%s
import http.server, os, pathlib, re, signal, ssl, sys, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    size, lock, keys = 1, threading.Lock(), set()

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(201, b"{}")

    def do_GET(self):
        text = "bench.example.com/bench\\n%%d\\nroot\\n" %% Handler.size
        answers = {"/logs/bench/checkpoint": text, "/metrics": "stele_wal_files 2\\n"}
        self.reply(200, answers.get(self.path, "{}").encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        n = body.count(b"\\n") if "ndjson" in self.headers["Content-Type"] else 1
        key = self.headers.get("Idempotency-Key")
        if self.path.endswith("/seal"):
            return self.reply(200, b"{}")
        with Handler.lock:
            again = key is not None and key in Handler.keys
            Handler.keys.add(key)
            Handler.size += n
            lie = os.environ.get("LIE") if Handler.size > 50 else None
            if lie == "lose":
                Handler.size -= n
                os.environ.pop("LIE")
        if lie == "refuse" or again:
            self.reply(503, b"busy")
        else:
            self.reply(201, b"{}")

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
    tls = None

    def get_request(self):
        connection, address = super().get_request()
        if Server.tls:
            connection = Server.tls.wrap_socket(connection, server_side=True,
                                                do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, address):
        pass  # a client that is done resets its connection

if "--tls-cert" in sys.argv:
    Server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    Server.tls.load_cert_chain(*(sys.argv[sys.argv.index(f"--tls-{n}") + 1] for n in ("cert", "key")))
    if os.environ.get("LIE") == "forget":
        Server.tls.num_tickets = 0

data = pathlib.Path(sys.argv[sys.argv.index("--data") + 1])
data.mkdir()
(data / "admin.token").write_text("stele_x_y\\n")
server = Server(("127.0.0.1", 0), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("steled: listening on http%%s://127.0.0.1:%%d" %% ("s" if Server.tls else "", server.server_port), flush=True)
server.serve_forever()
''' % sys.executable


class Echo:
    def __enter__(self):
        self.process = subprocess.Popen([ECHO], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.url = re.fullmatch(r"bench-echo: listening on (http://127\.0\.0\.1:\d+)\n", line).group(1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.status = self.process.wait(10)
        self.process.stdout.close()


def load(url, *arguments):
    """(exit status, report, what it said on stderr) of one run of the load generator."""
    run = subprocess.run([LOAD, "--url", url, *map(str, arguments)], capture_output=True, text=True,
                         timeout=60, check=False)
    return run.returncode, json.loads(run.stdout) if run.stdout else None, run.stderr


class LoadTest(unittest.TestCase):
    def tls_server(self, folder):
        """A TLS server of Python's that answers GETs: its port, the file of its certificate."""
        pem, key = certificate(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(listener.close)

        def serve(plain):
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    while secure.recv(65536):  # a GET fits
                        secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                plain.close()

        def accept():
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(plain,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1], pem

    def test_under_tls_connections_are_kept_or_made_anew_and_sessions_resumed_as_asked(self):
        with tempfile.TemporaryDirectory() as folder:
            port, pem = self.tls_server(folder)
            for form, least, most in ((), 0, 0), (("--fresh",), 0, 0), (("--fresh", "--resume"), 92, 99):
                status, report, said = load(f"https://127.0.0.1:{port}", "--ca", pem, "--get", 8,
                                            "--count", 100, "--connections", 8, *form)
                self.assertEqual((0, 100), (status, report["requests"]), said)
                self.assertTrue(least <= report["resumed"] <= most, report)

    def test_a_server_whose_certificate_somebody_else_issued_is_not_spoken_to(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            port, _ = self.tls_server(folder)
            stranger, _ = certificate(Path(other))
            for form in ((), ("--fresh",)):
                status, report, said = load(f"https://127.0.0.1:{port}", "--ca", stranger, "--get", 8,
                                            "--count", 10, *form)
                self.assertEqual((1, 0), (status, report["requests"]))
                self.assertIn("certificate verify failed", said)

    def test_it_sends_the_count_asked_for_and_counts_every_answer(self):
        with Echo() as echo:
            status, report, _ = load(echo.url, "--count", 1000, "--connections", 7, "--expect", 200)
        self.assertEqual(0, status)
        self.assertEqual((1000, 1000, 0, 0), (report["requests"], report["acknowledged"],
                                              report["wrong"], report["unanswered"]))
        self.assertEqual(0, echo.status)

    def test_another_status_than_expected_is_counted_told_and_fails(self):
        with Echo() as echo:
            status, report, said = load(echo.url, "--count", 100, "--expect", 201)
        self.assertEqual(1, status)
        self.assertEqual((0, 100), (report["requests"], report["wrong"]))
        self.assertIn("status 200 where 201 was expected", said)

    def test_bodies_larger_than_a_socket_takes_arrive_whole(self):
        with Echo() as echo:
            status, report, _ = load(echo.url, "--count", 20, "--connections", 2, "--expect", 200,
                                     "--batch-bytes", 8_000_000, "--generate", "kubernetes:65536")
        self.assertEqual(0, status)
        self.assertEqual(20, report["requests"])
        self.assertGreater(report["body_bytes"], 100_000_000)

    def test_the_open_loop_keeps_its_rate(self):
        with Echo() as echo:
            status, report, _ = load(echo.url, "--rate", 2000, "--duration", 1, "--expect", 200)
        self.assertEqual(0, status)
        self.assertEqual(2000, report["requests"])

    def test_a_pause_of_the_server_is_felt_by_all_that_was_due_in_it(self):
        with Echo() as echo:
            run = subprocess.Popen([LOAD, "--url", echo.url, "--rate", "1000", "--duration", "2",
                                    "--connections", "1", "--expect", "200"],
                                   stdout=subprocess.PIPE, text=True)
            pause = "sleep 0.7; kill -STOP $0; sleep 0.5; kill -CONT $0"
            subprocess.run(["sh", "-c", pause, str(echo.process.pid)], check=True)
            report = json.loads(run.communicate(timeout=120)[0])
        self.assertEqual(2000, report["requests"])
        # A quarter of the arrivals fell into the pause; one connection alone met it.
        self.assertGreater(report["latency_us"]["p90"], 150_000)
        self.assertGreater(report["latency_us"]["max"], 450_000)

    def test_a_server_that_goes_away_fails_the_run(self):
        with Echo() as echo:
            run = subprocess.Popen([LOAD, "--url", echo.url, "--duration", "30", "--expect", "200"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while run.poll() is None and not os.path.exists(f"/proc/{run.pid}/fd/60"):
                pass
            echo.process.kill()
            _, said = run.communicate(timeout=120)
        self.assertEqual(1, run.returncode)
        self.assertRegex(said, "closed a connection|cannot receive|cannot send|cannot connect")


class ReportTest(unittest.TestCase):
    def bench(self, *arguments, **env):
        with tempfile.TemporaryDirectory(prefix="stele-bench-") as folder:
            build = Path(folder)
            (build / "bench").symlink_to(BUILD / "bench")
            (build / "steled").write_text(LIAR)
            (build / "steled").chmod(0o755)
            run = subprocess.run(
                [sys.executable, ROOT / "bench/run.py", "--build", build, "--rounds", "1",
                 "--seconds", "0.2", "--records", "1000", *arguments],
                capture_output=True, text=True, timeout=120, env={**os.environ, **env}, check=False)
            self.assertIn("all figures", run.stdout, run.stderr)
            left = [p.name for p in build.iterdir() if p.name.startswith("stele-bench-")]
            return run, json.loads((build / "bench.json").read_text()), left

    def test_every_workload_reports_figure_floor_and_ratio(self):
        run, report, left = self.bench("--only", "single", "--only", "batch", "--only", "latency",
                                       "--only", "memory", "--only", "read", "--only", "flat")
        self.assertEqual([], report["failures"], run.stdout)
        self.assertEqual(14, len(report["rows"]))
        for row in report["rows"]:
            self.assertGreater(row["figure"], 0)
            self.assertAlmostEqual(row["ratio"], row["figure"] / row["floor"], delta=row["ratio"] / 50)
            self.assertEqual(row["ok"], row["ratio"] >= row["target"] if row["at_least"]
                             else row["ratio"] <= row["target"])
        self.assertEqual([], left)
        self.assertEqual(1, run.returncode)  # the stand-in misses its targets
        self.assertIn("MISS", run.stdout)

    def test_tls_is_beside_the_same_in_clear_and_promises_nothing(self):
        run, report, _ = self.bench("--only", "tls", "--seconds", "0.6")  # the kernel counts in 10 ms
        self.assertEqual([], report["failures"], run.stdout)
        self.assertEqual(8, len(report["rows"]))
        for row in report["rows"]:
            self.assertEqual(("in clear", None, True), (row["floor_name"], row["target"], row["ok"]))
            self.assertGreater(row["figure"], 0)
        by_name = {row["name"]: row for row in report["rows"]}
        for rounds, resumed in (("full", False), ("resumed", True)):
            for both in by_name[f"TLS connection a GET, {rounds} handshake"]["rounds"]:
                self.assertEqual(resumed, both["stele"]["resumed"] > 0)
        self.assertEqual(0, run.returncode, run.stdout)
        self.assertIn("0 met, 0 missed, 0 failed", run.stdout)

    def test_handshakes_that_are_not_resumed_are_not_reported_as_such(self):
        run, report, _ = self.bench("--only", "tls", LIE="forget")
        self.assertEqual(1, run.returncode)
        self.assertIn("sessions were resumed: want all", report["failures"][0]["error"])

    def test_a_record_lost_under_tls_fails(self):
        run, report, _ = self.bench("--only", "tls", LIE="lose")
        self.assertEqual(1, run.returncode)
        self.assertIn("were acknowledged", report["failures"][0]["error"])

    def test_an_acknowledged_record_that_is_not_in_the_log_fails(self):
        run, report, left = self.bench("--only", "batch", LIE="lose")
        self.assertEqual(1, run.returncode)
        self.assertIn("were acknowledged", report["failures"][0]["error"])
        self.assertEqual(1, len(left))  # what the programs said is kept

    def test_a_refusal_fails(self):
        run, report, _ = self.bench("--only", "single", LIE="refuse")
        self.assertEqual(1, run.returncode)
        self.assertIn("status 503 where 201 was expected", report["failures"][0]["error"])


class QueryTest(unittest.TestCase):
    def bench(self, *arguments):
        with tempfile.TemporaryDirectory(prefix="stele-bench-") as folder:
            os.chmod(folder, 0o755)  # PostgreSQL may have to run as another user
            out = Path(folder) / "report.json"
            run = subprocess.run(
                [sys.executable, ROOT / "bench/query.py", "--build", BUILD, "--dir", folder, "--json", out,
                 "--seconds", "0.1", *arguments], capture_output=True, text=True, timeout=1200, check=False)
            self.assertIn("all figures", run.stdout, run.stderr)
            left = [p.name for p in Path(folder).iterdir() if p.name.startswith("stele-")]
            return run, json.loads(out.read_text()), left

    def test_every_figure_is_there_with_the_others_beside_it(self):
        run, report, left = self.bench("--events", "2000", "--rate", "40000")
        self.assertNotIn("failure", report, run.stdout)
        others = ["grep"] + ["jq"] * bool(shutil.which("jq"))
        if report["without_postgres"] is None:
            others.append("PostgreSQL")
        else:
            self.assertIn("without PostgreSQL: ", run.stdout)
        asked = report["rows"][:5]
        self.assertEqual(["ms"] * 4 + ["GB/s/core"], [row["unit"] for row in asked])
        for row in asked:
            for name in others:
                self.assertAlmostEqual(row["ratios"][name], row[name] / row["stele"])
        self.assertEqual([10, 10, 10, None, 1], [row["target"] for row in asked])
        for row in report["rows"]:
            self.assertEqual(row["ok"], row["target"] is None or (
                row["stele"] >= row["target"] if row["at_least"] else row["stele"] <= row["target"]))
        self.assertEqual(run.returncode, 0 if all(row["ok"] for row in report["rows"]) else 1)
        self.assertGreater(asked[3]["details"]["matched"], 1)
        self.assertTrue(all(len(q.split(" AND ")) == 3 for q in asked[2]["details"]["questions"]))
        index = report["rows"][5]
        self.assertEqual(0.1, index["target"])
        self.assertGreater(index["stele"], 0.01)
        self.assertGreater(index["details"]["sealed_index"], 2000)
        pairs = report["arriving"]["pairs"]
        self.assertEqual(7, len(pairs))
        self.assertTrue(all(pair["alone"] > 0 and pair["both"] > 0 for pair in pairs), pairs)
        self.assertEqual([], left)

    def test_a_size_that_the_server_does_not_say_is_none_and_no_ok(self):
        source = f"import sys; sys.path[:0] = [{str(ROOT / 'bench')!r}, {str(ROOT / 'tests/e2e')!r}]\nimport query\n"
        source += "memory = 'stele_index_memory_bytes 7\\n'\n"
        source += "sealed = memory + 'stele_sealed_file_bytes_total 50\\nstele_sealed_index_bytes_total 4\\n'\n"
        source += "print(query.sealed_bytes(memory), query.sealed_bytes(memory + 'stele_sealed_file_bytes_total 50'),"
        source += " query.sealed_bytes(sealed), query.Row('n', 'bytes', None, target=0.1).ok)"
        run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
        self.assertEqual("None None (4.0, 50.0) False\n", run.stdout)

    def test_an_answer_that_another_program_contradicts_fails(self):
        # jq takes a text for no number, stele compares it as one.
        event = {"Channel": "c", "SubjectUserName": "rare", "IpAddress": "10.0.0.1", "EventID": "4700"}
        with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
            for i in range(50):
                file.write(json.dumps({**event, "SubjectUserName": f"p{min(i, 9)}"}) + "\n\n")
            file.flush()
            run, report, left = self.bench("--file", file.name, "--no-postgres", "--rate", "40000")
        if shutil.which("jq"):
            self.assertIn("not the same number is found by all: {'stele': 50, 'jq': 0}", report["failure"])
            self.assertEqual((1, 1), (run.returncode, len(left)))
        self.assertEqual(50, report["events"]["n"])

    def test_without_postgres_the_reason_is_said(self):
        with unittest.mock.patch.object(postgres, "programs", lambda: None):
            with self.assertRaisesRegex(postgres.BenchError, "not installed"):
                postgres.Postgres(None)


if __name__ == "__main__":
    unittest.main()
