"""A steled to test against, and a client for it. Python's standard library only.

    with Server() as server:
        server.create_log("payments")
        receipt = server.post("/api/v1/logs/payments/records", b"hello").json()

The programs come from $STELE_BUILD (build/). Every server runs on a free port
of 127.0.0.1 with its data in a temporary folder, and is stopped at the end.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("STELE_BUILD", ROOT / "build")).resolve()
SHARED = Path(os.environ.get("STELE_SHARED", ROOT.parent / "shared"))
STELED = BUILD / "steled"
STELE = BUILD / "stele"
START_SECONDS = 30  # a sanitizer's build on a loaded machine
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def sanitized():
    """Whether the programs are a sanitizer's build: its memory is not stele's."""
    program = STELE.read_bytes()
    return b"__asan_init" in program or b"__tsan_init" in program


def thread_sanitized():
    """Whether they are the thread sanitizer's, ten times slower: for what has one thread to look at."""
    return b"__tsan_init" in STELE.read_bytes()


@dataclass
class Answer:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        return json.loads(self.body)

    def text(self):
        return self.body.decode()


class FinalResponse(http.client.HTTPResponse):
    """An answer as RFC 9110 section 15.2 has it read: interim ones before it are passed over
    (http.client knows 100 alone)."""

    def _read_status(self):
        while True:
            version, status, reason = super()._read_status()
            if not 101 < status < 200:
                return version, status, reason
            while self.fp.readline(65537).strip():
                pass


class Client:
    """One keep-alive connection to a server; not shared between threads."""

    def __init__(self, port, token=None, timeout=120, context=None):
        """timeout: of an answer, in seconds, long enough for a sanitizer's build.
        context: an ssl.SSLContext; None: in clear."""
        make, more = http.client.HTTPConnection, {}
        if context:
            make, more = http.client.HTTPSConnection, {"context": context}
        self.connection = make("127.0.0.1", port, timeout=timeout, **more)
        self.connection.response_class = FinalResponse
        self.token = token

    def request(self, method, path, body=None, headers=None):
        """Sends a request and reads its whole answer, of events only the head. Raises OSError or HTTPException when
        the connection breaks; whether the server took the request is then unknown."""
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            endless = method != "HEAD" and answer.headers.get_content_type() == "text/event-stream"
            if endless:  # has no end: its head alone
                self.connection.close()
            return Answer(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                b"" if endless else answer.read(),
            )
        except Exception:
            self.connection.close()
            raise

    def get(self, path, headers=None):
        return self.request("GET", path, None, headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def close(self):
        self.connection.close()


class Server:
    """A steled process and its data folder."""

    def __init__(self, data=None, options=(), env=None, wrapper=(), protect=False, context=None):
        """data: a folder to use and keep; None makes one that goes away at the end.
        options: more of steled's flags. env: more environment. wrapper: a command in front.
        protect: segments become immutable, which whoever removes the folder must take back.
        context: how to speak TLS to it, an ssl.SSLContext; the options have the certificate."""
        self.own = None if data else tempfile.mkdtemp(prefix="stele-test-")
        self.data = Path(data or Path(self.own) / "data")
        self.command = [*wrapper, str(STELED), "--data", str(self.data)]
        self.command += ["--listen", "127.0.0.1:0", *options]
        self.command += [] if protect else ["--unprotected"]
        self.env = {**os.environ, **(env or {})}
        self.log_path = Path(f"{self.data}.log")
        self.context = context
        self.scheme = "https" if context else "http"
        self.process = self.port = self.client = None
        self.known_token = None  # instead of what is in DATA/admin.token

    def spawn(self):
        """Starts steled and waits for nothing."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=log, env=self.env
            )

    def start(self):
        """Starts steled and waits until it accepts connections."""
        self.spawn()
        line = self._first_line()
        m = re.fullmatch(rf"steled: listening on {self.scheme}://127\.0\.0\.1:(\d+)\n", line)
        if not m:
            self.kill()
            raise RuntimeError(f"steled did not start: {line!r}\n{self.log()}")
        self.port = int(m.group(1))
        self.client = self.connect()
        return self

    def _first_line(self):
        deadline = time.monotonic() + START_SECONDS
        fd = self.process.stdout.fileno()
        os.set_blocking(fd, False)
        line = b""
        while not line.endswith(b"\n") and time.monotonic() < deadline:
            try:
                piece = os.read(fd, 4096)
            except BlockingIOError:
                time.sleep(0.002)
                continue
            if not piece:
                break
            line += piece
        return line.decode()

    def token(self):
        """The first token, which the server leaves for its operator."""
        return self.known_token or (self.data / "admin.token").read_text().strip()

    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def connect(self, token=None):
        return Client(self.port, token or self.token(), context=self.context)

    def stop(self):
        """Asks the server to drain; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._wait(START_SECONDS)

    def kill(self):
        """Ends the server at once, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        return self._wait(START_SECONDS)

    def _wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            if self.client:
                self.client.close()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        """What the server said on stderr so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.running():
            self.kill()
        if kind is not None:
            print(self.log())
        self.remove()

    def remove(self):
        """Removes the data folder, unless the caller brought it."""
        if self.own:
            shutil.rmtree(self.own, ignore_errors=True)

    # --- requests over the server's own connection --------------------------------

    def get(self, path, headers=None):
        return self.client.get(path, headers)

    def post(self, path, body, headers=None):
        return self.client.post(path, body, headers)

    def request(self, method, path, body=None, headers=None):
        return self.client.request(method, path, body, headers)

    def create_log(self, log, policy=None):
        answer = self.request("PUT", f"/api/v1/logs/{log}", json.dumps(policy or {}), JSON)
        if answer.status not in (200, 201):
            raise RuntimeError(f"log {log} was not created: {answer.status} {answer.body!r}")
        return answer.json()

    def vkey(self, log):
        """The log's verifier key, as the command line shows it."""
        run = stele("key", "show", log, server=self)
        if run.returncode:
            raise RuntimeError(f"stele key show {log}: {run.stderr}")
        return run.stdout.strip()

    def raw(self, data, seconds=10):
        """Sends bytes as they are and returns all that comes back until the server closes
        the connection, or nothing has come for that long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as s:
            received = b""
            try:
                s.sendall(data)
                while piece := s.recv(65536):
                    received += piece
            except (TimeoutError, ConnectionError):
                pass
            return received


class Clock:
    """The clocks of a steled's machine (tests/crash/clock.c), ahead of the system's at will."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="stele-clock-")
        self.file = Path(self.folder) / "clock"
        self.wall_s = self.boot_s = 0
        self.boot_id = bytes(16)
        self.write()
        self.env = {"STELE_CLOCK": str(self.file), "LD_PRELOAD": str(BUILD / "tests/libclock.so")}

    def write(self):
        words = struct.pack("=qq16s", round(self.wall_s * 10**9), round(self.boot_s * 10**9),
                            self.boot_id)
        with open(self.file, "r+b" if self.file.exists() else "wb") as f:
            f.write(words)

    def forward(self, hours):
        """Time passes, on all clocks."""
        self.wall_s += hours * 3600
        self.boot_s += hours * 3600
        self.write()

    def step(self, seconds):
        """Somebody sets the wall clock."""
        self.wall_s += seconds
        self.write()

    def reboot(self, gap_s):
        """Another boot, which begins so much later: only while steled does not run."""
        self.wall_s += gap_s
        self.boot_s -= int(time.clock_gettime(time.CLOCK_BOOTTIME)) + self.boot_s - 10
        self.boot_id = os.urandom(16)
        self.write()

    def remove(self):
        shutil.rmtree(self.folder)


def until(condition, what, seconds=90):
    """Waits until that holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def stele(*arguments, server=None, env=None, **options):
    """Runs the command line; returns the CompletedProcess with text output."""
    env = dict(env or os.environ)
    if server:
        env["STELE_SERVER"] = server.url()
        env["STELE_TOKEN"] = f"@{server.data}/admin.token"
    command = [str(STELE), *map(str, arguments)]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False, **options
    )


def stele_prints(*arguments, status=0, server=None):
    """Runs the command line, which must end with that status: all that it prints."""
    run = stele(*arguments, server=server)
    assert run.returncode == status, (run.returncode, run.stdout, run.stderr)
    return run.stdout + run.stderr
