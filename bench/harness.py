"""Starts the programs that a measurement needs, asks them, and ends what it started."""
import http.client
import json
import os
import select
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

START_SECONDS = 20
STOP_SECONDS = 30


class BenchError(Exception):
    """A measurement that cannot be made, or an answer that was wrong; the text says which."""


class Server:
    """A child process that prints `NAME: listening on URL` once it accepts."""

    def __init__(self, command, log):
        self.name = Path(command[0]).name
        self.log = log
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        try:
            self.url = self._listening()
        except BenchError:
            self.process.kill()
            self.process.wait()
            raise

    def _listening(self):
        deadline = time.monotonic() + START_SECONDS
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
            got = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not got:
                raise BenchError(f"{self.name} did not start: see {self.log}")
            line += got
        words = line.split(b"\n")[0].decode().split(" listening on ")
        if len(words) != 2:
            raise BenchError(f"{self.name} said {line!r}")
        return words[1].strip()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        """SIGTERM, and the exit status must be 0; a server that stays is killed and reported."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BenchError(f"{self.name} did not end within {STOP_SECONDS} s of SIGTERM") from None
        finally:
            self.process.stdout.close()
        if status != 0:
            raise BenchError(f"{self.name} ended with status {status}: see {self.log}")


def certificate(folder):
    """A P-256 certificate for 127.0.0.1 that signs itself, and its key, as files in folder."""
    pem, key = folder / "tls.pem", folder / "tls.key"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=bench",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem],
                       check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"openssl made no certificate ({error}): install the package openssl") \
            from error
    return pem, key


class Stele(Server):
    """A steled on a fresh data directory, with one log, `bench`; in clear, or under TLS."""

    LOG = "bench"

    def __init__(self, bench, tls=False):
        self.data = Path(tempfile.mkdtemp(prefix="steled-", dir=bench.scratch))
        self.command = [str(bench.build / "steled"), "--unprotected", "--data", str(self.data / "data"),
                        "--listen", "127.0.0.1:0", "--origin", "bench.example.com"]
        self.ca = None
        if tls:
            self.ca, key = certificate(self.data)
            self.command += ["--tls-cert", str(self.ca), "--tls-key", str(key)]
        super().__init__(self.command, bench.scratch / "steled.log")
        try:
            self.token = (self.data / "data" / "admin.token").read_text().strip()
            self.ask("PUT", f"/api/v1/logs/{self.LOG}", b'{"mode":"none"}')
            self.acknowledged = 0
        except (OSError, BenchError) as error:
            self.process.kill()
            self.process.wait()
            raise BenchError(f"cannot create the log: {error}") from error

    def ask(self, method, path, body=None, timeout=30):
        """One request; the body of its 2xx answer. timeout is in seconds."""
        at = urllib.parse.urlsplit(self.url)
        if self.ca:
            context = ssl.create_default_context(cafile=self.ca)
            connection = http.client.HTTPSConnection(at.hostname, at.port, timeout=timeout,
                                                     context=context)
        else:
            connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
        fields = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            fields["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise BenchError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status // 100 != 2:
            raise BenchError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return text

    def restart(self, kill):
        """
        Ends it by SIGTERM and starts it again: seconds until it says that it listens. With kill
        by SIGKILL, and nothing of its files is left in the page cache, as after a reboot.
        """
        if kill:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            for path in self.data.rglob("*"):
                if path.is_file():
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        else:
            super().stop()
        began = time.monotonic()
        super().__init__(self.command, self.log)
        return time.monotonic() - began

    def append(self, log):
        """One small record."""
        self.ask("POST", f"/api/v1/logs/{log}/records", b'{"n":1}')
        self.acknowledged += log == self.LOG

    def metric(self, name):
        """The value of a metric without labels."""
        for line in self.ask("GET", "/metrics").decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise BenchError(f"/metrics has no {name}")

    def own_mib(self):
        """Memory of its own now: resident and backed by no file."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.split("RssAnon:")[1].split()[0]) / 1024

    def size(self):
        """The log's size, from its checkpoint's second line (C2SP tlog-checkpoint)."""
        return int(self.ask("GET", f"/logs/{self.LOG}/checkpoint").split(b"\n")[1])

    def check_size(self):
        """Every acknowledged record is in the log, and nothing else but its policy."""
        size = self.size()
        if size != self.acknowledged + 1:
            raise BenchError(f"the log has size {size}; {self.acknowledged} records were "
                             "acknowledged, and one entry is its policy")

    def disk_bytes(self):
        """What the data directory occupies."""
        return sum(f.stat().st_blocks * 512 for f in self.data.rglob("*") if f.is_file())

    def stop(self):
        try:
            super().stop()
        finally:
            shutil.rmtree(self.data, ignore_errors=True)


class Bench:
    """Where things are, how long to measure, and the programs as functions."""

    def __init__(self, options):
        self.build = Path(options.build).resolve()
        self.events = options.events
        self.rounds = options.rounds
        self.seconds = options.seconds
        self.memory_records = options.records
        for name in ("steled", "bench/stele-load", "bench/bench-echo", "bench/bench-pipe",
                     "bench/bench-flush"):
            if not (self.build / name).is_file():
                raise BenchError(f"{self.build / name} is not there: build first (./dev build)")
        where = Path(options.dir or self.build)
        where.mkdir(parents=True, exist_ok=True)
        self.where = where
        self.scratch = Path(tempfile.mkdtemp(prefix="stele-bench-", dir=where))
        self.echo = None
        self.failed = False

    def __enter__(self):
        self.echo = Server([str(self.build / "bench/bench-echo")], self.scratch / "echo.log")
        return self

    def __exit__(self, kind, value, trace):
        self.echo.stop()
        if kind is None and not self.failed:
            shutil.rmtree(self.scratch)

    def _run(self, name, arguments):
        command = [str(self.build / "bench" / name), *map(str, arguments)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise BenchError(f"{name}: {run.stderr.strip() or run.returncode}")
        return json.loads(run.stdout)

    def load(self, server, *arguments, measured=True):
        """One run of stele-load; adds `cpu_us`, the server's CPU per request in microseconds."""
        fixed = ["--url", server.url, "--pid", server.pid]
        if measured:
            fixed += ["--warmup", min(0.5, self.seconds / 4), "--duration", self.seconds]
        if isinstance(server, Stele):
            fixed += ["--token", server.token]
            fixed += ["--ca", server.ca] if server.ca else []
        else:
            fixed += ["--token", "stele_bench_0123456789abcdef0123456789abcdef", "--expect", "200"]
        result = self._run("stele-load", [*fixed, *arguments])
        if isinstance(server, Stele) and not {"--get", "--path"} & set(map(str, arguments)):
            server.acknowledged += result["acknowledged"]
        samples = result["samples"]
        used = samples[-1]["cpu_s"] - samples[0]["cpu_s"]
        result["cpu_us"] = round(used * 1e6 / max(1, result["requests"]), 3)
        return result

    def pipe(self, *arguments):
        return self._run("bench-pipe", ["--dir", self.scratch, "--duration", self.seconds,
                                        *arguments])

    def flush(self):
        return self._run("bench-flush", [self.scratch, self.seconds])
