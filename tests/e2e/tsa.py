"""A time-stamping authority (RFC 3161) for tests, by openssl(1), that can lie: an HTTP server on loopback.

    with Authority(folder) as authority:
        Server(options=["--timestamp-url", authority.url, "--timestamp-ca", authority.roots])
        authority.mode = "nonce"
"""
import http.server
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pki

CONFIG = """
[tsa]
default_tsa = t
[t]
serial = {serial}
default_policy = 1.2.3.4
digests = sha256
accuracy = secs:1
"""
EXTENSION = "extendedKeyUsage = {use}\nkeyUsage = critical,digitalSignature\n"
STAMP = "1.2.840.113549.1.9.16.1.4"
REQUEST = "application/timestamp-query"
HANG_S = 300


def der(tag, content):
    n = len(content)
    head = bytes([n]) if n < 128 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + head + content


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        authority = self.server.authority
        query = self.rfile.read(int(self.headers["Content-Length"]))
        mode = authority.mode
        authority.asked.append(mode)
        assert self.headers["Content-Type"] == REQUEST, self.headers
        if mode == "hang":
            authority.ended.wait(HANG_S)
            self.close_connection = True
            return
        if mode == "held":
            authority.released.wait(HANG_S)
            mode = "honest"
        status, body = authority.answer(query, mode)
        self.send_response(status)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # who asked has had enough
            self.close_connection = True

    def log_message(self, *_):
        pass


class Authority:
    """mode: honest, or how it lies: one of LIES; held: honest once it is released. asked: the mode at each request."""

    LIES = ("nonce", "imprint", "old", "mild", "client", "refused", "garbage", "huge", "status", "stranger")

    def __init__(self, folder, name="clock.example", days=800):
        """days: how long its certificate holds."""
        self.folder = Path(folder) / f"tsa-{name}"
        self.folder.mkdir()
        self.name, self.mode, self.asked, self.last = name, "honest", [], None
        self.serial = self.folder / "tsa-serial"
        self.serial.write_text("01\n")
        self.config = self.folder / "tsa.cnf"
        self.config.write_text(CONFIG.format(serial=self.serial))
        self.root = pki.Authority(self.folder, "root")
        self.other = pki.Authority(self.folder, "other")
        self.roots = self.root.pem
        self.signer("good", "critical,timeStamping", -1, days)
        self.signer("old", "critical,timeStamping", -20, -10)
        self.signer("mild", "timeStamping", -1, days)
        self.signer("client", "critical,clientAuth", -1, days)
        self.signer("stranger", "critical,timeStamping", -1, days, self.other)
        self.lock, self.ended, self.released = threading.Lock(), threading.Event(), threading.Event()
        self.listener = None

    def signer(self, name, use, start, end, root=None):
        key, request, extension = (self.folder / f"{name}.{kind}" for kind in ("key", "req", "ext"))
        pki.make_key(key)
        pki.openssl("req", "-new", "-key", key, "-subj", f"/CN={self.name}", "-out", request)
        extension.write_text(EXTENSION.format(use=use))
        (root or self.root).sign(request, extension, self.folder / f"{name}.pem", start, end)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, port=0):
        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.listener.daemon_threads = True
        self.listener.authority = self
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        self.port = self.listener.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/{self.name}"

    def stop(self):
        """Nobody listens there any more."""
        self.ended.set()
        if self.listener:
            self.listener.shutdown()
            self.listener.server_close()
        self.listener = None

    def reply(self, query, signer="good"):
        """openssl's response to a request, DER."""
        question, out = self.folder / "q.tsq", self.folder / "q.tsr"
        question.write_bytes(query)
        pki.openssl("ts", "-reply", "-config", self.config, "-queryfile", question, "-signer", self.folder / f"{signer}.pem",
                    "-inkey", self.folder / f"{signer}.key", "-sha256", "-out", out)
        return out.read_bytes()

    def signed_by(self, query, signer):
        """What openssl would not sign: the content of an honest token, by somebody else."""
        self.reply(query)
        token, info, cms = (self.folder / name for name in ("q.token", "q.info", "q.cms"))
        pki.openssl("ts", "-reply", "-config", self.config, "-in", self.folder / "q.tsr", "-token_out", "-out", token)
        pki.openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", token, "-out", info)
        pki.openssl("cms", "-sign", "-binary", "-nodetach", "-in", info, "-outform", "DER", "-econtent_type", STAMP, "-cades",
                    "-md", "sha256", "-signer", self.folder / f"{signer}.pem", "-inkey", self.folder / f"{signer}.key",
                    "-out", cms)
        return der(0x30, der(0x30, b"\x02\x01\x00") + cms.read_bytes())

    def answer(self, query, mode):
        with self.lock:
            if mode in ("honest", "stranger"):
                self.last = self.reply(query, "good" if mode == "honest" else "stranger")
                return 200, self.last
            if mode == "nonce":  # of the request before: the same checkpoint or not
                at = query.rindex(b"\x02\x09\x00")
                return 200, self.reply(query[:at + 3] + bytes([query[at + 3] ^ 1]) + query[at + 4:])
            if mode == "imprint":
                at = query.index(b"\x04\x20") + 2
                return 200, self.reply(query[:at] + bytes(32) + query[at + 32:])
            if mode in ("old", "mild", "client"):
                return 200, self.signed_by(query, mode)
            if mode == "refused":
                return 200, der(0x30, der(0x30, b"\x02\x01\x02"))
            if mode == "huge":
                return 200, self.reply(query) + bytes(70000)
            return (500, b"no") if mode == "status" else (200, b"<html>busy</html>")


def accepts(token, data, roots):
    """Whether `openssl ts -verify` does, of files."""
    run = subprocess.run([shutil.which("openssl"), "ts", "-verify", "-in", token, "-data", data, "-CAfile", roots],
                         capture_output=True, check=False)
    return run.returncode == 0


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found
