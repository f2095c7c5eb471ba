#!/usr/bin/env python3
"""TLS as clients meet it: what is spoken and what is refused, bodies, ends, stalls, reloads."""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

import pki
from http_case import MIB, RECORDS, Case, statuses
from lib import JSON, ROOT, STELED, Server, sanitized, until

PKI = None


def setUpModule():
    global PKI
    pki.needed()
    PKI = Pki(tempfile.mkdtemp(prefix="stele-pki-"))


def tearDownModule():
    if PKI:
        shutil.rmtree(PKI.folder)


class Pki:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca = pki.Authority(folder, "ca")
        self.certificate, self.key = self.ca.issue("server")
        self.other_certificate, self.other_key = self.ca.issue("renewed")
        self.old_certificate, self.old_key = self.ca.issue("old", begin=-3, end=-1)

    def context(self, **attributes):
        context = ssl.create_default_context(cafile=self.ca.pem)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TLS 1.0 is there to be refused
            for name, value in attributes.items():
                setattr(context, name, value)
        return context

    def server(self, *options, certificate=None, key=None):
        options = ["--min-free", "0", "--tls-cert", str(certificate or self.certificate),
                   "--tls-key", str(key or self.key), *map(str, options)]
        return Server(options=options, context=self.context())


def metric(server, name, **labels):
    text = ",".join(f'{k}="{v}"' for k, v in labels.items())
    want = f"stele_{name}{{{text}}} " if text else f"stele_{name} "
    client = server.connect()
    try:
        for line in client.get("/metrics").text().splitlines():
            if line.startswith(want):
                return float(line[len(want):])
    finally:
        client.close()
    raise AssertionError(f"no metric {want}")


def failures(server, reason):
    return metric(server, "tls_handshakes_failed_total", reason=reason)


def tls(server, context, **more):
    """A TLS connection; its end without close_notify is an error."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    try:
        return context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False,
                                   **more)
    except BaseException:
        plain.close()
        raise


def read_all(connection):
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


LIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class TlsCase(Case):
    options = []

    @classmethod
    def setUpClass(cls):
        cls.server = PKI.server(*cls.options).start()
        cls.server.create_log("log")
        cls.size = cls.log_size()

    def refused_handshake(self, context, reason, words):
        before = failures(self.server, reason)
        with self.assertRaisesRegex(ssl.SSLError, words):
            tls(self.server, context).close()
        self.assertEqual(failures(self.server, reason), before + 1)


class Versions(TlsCase):
    def test_1_3_and_1_2_are_spoken(self):
        for version in ("TLSv1_3", "TLSv1_2"):
            one = ssl.TLSVersion[version]
            context = PKI.context(minimum_version=one, maximum_version=one)
            with tls(self.server, context) as c:
                self.assertEqual(c.version().replace(".", "_"), version)
                self.assertIsNone(c.compression())
                c.sendall(LAST)
                self.assertEqual(statuses(read_all(c)), [200])

    def test_1_0_and_1_1_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = PKI.context(minimum_version=version, maximum_version=version)
            context.set_ciphers("ALL:@SECLEVEL=0")
            self.refused_handshake(context, "version", "(?i)protocol.version")

    def test_ciphers_without_forward_secrecy_or_aead_are_refused(self):
        rsa = PKI.ca.issue("rsa", kind=("RSA", "rsa_keygen_bits:2048"))
        with PKI.server(certificate=rsa[0], key=rsa[1]) as server:
            for cipher, good in (("ECDHE-RSA-AES128-GCM-SHA256", True),
                                 ("ECDHE-RSA-CHACHA20-POLY1305", True),
                                 ("AES128-GCM-SHA256", False),
                                 ("ECDHE-RSA-AES128-SHA256", False),
                                 ("ECDHE-RSA-AES256-SHA", False),
                                 ("DHE-RSA-AES128-GCM-SHA256", False),
                                 ("AECDH-AES128-SHA", False)):
                context = PKI.context(maximum_version=ssl.TLSVersion.TLSv1_2)
                context.set_ciphers(cipher + ":@SECLEVEL=0")
                if good:
                    with tls(server, context) as c:
                        self.assertEqual(c.cipher()[0], cipher)
                else:
                    with self.assertRaisesRegex(ssl.SSLError, "(?i)handshake.failure", msg=cipher):
                        tls(server, context).close()
            self.assertEqual(failures(server, "cipher"), 5)

    def test_alpn_is_http_1_1(self):
        for offer, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"),
                              ([], None)):
            context = PKI.context()
            if offer:
                context.set_alpn_protocols(offer)
            with tls(self.server, context) as c:
                self.assertEqual(c.selected_alpn_protocol(), chosen)
        context = PKI.context()
        context.set_alpn_protocols(["h2", "spdy/3"])
        self.refused_handshake(context, "protocol", "(?i)application.protocol")

    def test_sessions_resume_until_a_reload(self):
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            context = PKI.context(minimum_version=version, maximum_version=version)

            def reused(session):
                with tls(self.server, context, session=session) as c:
                    c.sendall(LIVE)
                    self.assertEqual(statuses(c.recv(4096)), [200])
                    return c.session_reused, c.session

            _, session = reused(None)
            before = metric(self.server, "tls_resumed_total")
            again, later = reused(session)
            self.assertTrue(again, version)
            self.assertEqual(metric(self.server, "tls_resumed_total"), before + 1)
            reload(self.server)
            self.assertFalse(reused(later)[0], version)

    def test_renegotiation_is_refused(self):
        run = subprocess.run(
            [pki.OPENSSL, "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2",
             "-CAfile", str(PKI.ca.pem)],
            input="R\n" + LAST.decode(), capture_output=True, text=True, timeout=120, check=False)
        self.assertIn("no renegotiation", run.stdout + run.stderr)
        self.assertEqual(self.server.get("/livez").status, 200)

    def test_keys_are_updated_when_the_client_asks(self):
        run = subprocess.Popen(
            [pki.OPENSSL, "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_3",
             "-CAfile", str(PKI.ca.pem)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # s_client takes a command at the begin of what it reads at once: one when the last is done
        self.until_said(run.stdout, b"Verify return code")
        for _ in range(2):
            run.stdin.write(b"K\n")
            run.stdin.flush()
            self.until_said(run.stderr, b"KEYUPDATE\n")
        run.stdin.write(LAST)
        run.stdin.flush()
        self.until_said(run.stdout, b"HTTP/1.1 200 OK")
        run.communicate(timeout=120)

    def until_said(self, stream, text):
        """Reads until that is said."""
        os.set_blocking(stream.fileno(), False)
        said = bytearray()
        until(lambda: said.extend(stream.read(4096) or b"") or text in said, text)


def reload(server):
    """Sends SIGHUP and waits until it is done."""
    before = server.log().count("reloaded")
    server.process.send_signal(signal.SIGHUP)
    until(lambda: server.log().count("reloaded") != before, "no reload")


class Bytes(TlsCase):
    options = ["--header-timeout", "2", "--write-timeout", "2"]

    def test_a_large_body_both_ways(self):
        for size in (100_000, 3 * MIB + 17, 40 * MIB):
            body = os.urandom(size)
            index = self.stored(self.server.post(RECORDS, body))["index"]
            answer = self.server.get(f"{RECORDS}/{index}")
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.body == body, f"{size} bytes came back changed")

    def test_a_large_batch_and_its_receipts(self):
        line = json.dumps({"n": 1, "text": "x" * 400}).encode() + b"\n"
        answer = self.server.post(RECORDS + "?proof=all", line * 4000,
                                  {"Content-Type": "application/x-ndjson"})
        self.stored(answer, 4000)
        self.assertGreater(len(answer.body), 4 * MIB)

    def test_requests_in_one_piece_are_answered_in_order(self):
        with tls(self.server, PKI.context()) as c:
            c.sendall(b"".join(LIVE if i % 2 else LIVE.replace(b"livez", b"no") for i in range(999))
                      + LAST)
            self.assertEqual(statuses(read_all(c)), [404, 200] * 499 + [404, 200])
        posts = self.head("Content-Type: application/json", "Content-Length: 1") + b"1"
        with tls(self.server, PKI.context()) as c:
            c.sendall(posts * 60 + LAST)
            self.assertEqual(statuses(read_all(c)), [201] * 60 + [200])
        type(self).size += 60

    def test_a_client_that_sends_and_takes_nothing_is_held_back(self):
        def resident():
            status = Path(f"/proc/{self.server.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10

        before, sent = resident(), 0
        with tls(self.server, PKI.context()) as c:
            c.settimeout(1)
            try:
                while sent < 300 * MIB:
                    sent += c.send(LIVE * 400)
            except (TimeoutError, ConnectionError, ssl.SSLError):
                pass
            self.assertLess(sent, 100 * MIB)
            if not sanitized():
                self.assertLess(resident() - before, 30 * MIB)

    def test_bytes_that_come_singly(self):
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = PKI.context().wrap_bio(inward, outward, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def step(act):
                while True:
                    try:
                        result = act()
                    except ssl.SSLWantReadError:
                        result = None
                    for byte in outward.read():
                        s.sendall(bytes([byte]))
                    if result is not None:
                        return result
                    inward.write(s.recv(1))

            step(lambda: session.do_handshake() or True)
            step(lambda: session.write(LIVE))
            self.assertEqual(statuses(step(lambda: session.read(4096))), [200])

    def test_a_close_is_said(self):
        with tls(self.server, PKI.context()) as c:
            c.sendall(LAST)
            self.assertEqual(statuses(read_all(c)), [200])  # a bare end would be an SSLEOFError
        with tls(self.server, PKI.context()) as c:  # an early refusal, too
            c.sendall(self.head("Content-Length: 99999999999999") + b"x" * 1000)
            self.assertEqual(statuses(read_all(c)), [413])
        with tls(self.server, PKI.context()) as c:  # and when the client says it first
            c.sendall(LIVE)
            self.assertEqual(statuses(c.recv(4096)), [200])
            c.unwrap().close()

    def test_a_request_whose_client_says_goodbye_at_once_is_answered(self):
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = PKI.context().wrap_bio(inward, outward, server_hostname="127.0.0.1")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as s:
            while True:
                try:
                    session.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    s.sendall(outward.read())
                    inward.write(s.recv(65536))
            session.write(self.head("Content-Type: application/json", "Content-Length: 1") + b"1")
            try:
                session.unwrap()
            except ssl.SSLWantReadError:
                pass
            s.sendall(outward.read())
            while piece := s.recv(65536):
                inward.write(piece)
            inward.write_eof()
            self.assertEqual(statuses(session.read(65536)), [201])
        type(self).size += 1

    def test_an_answer_that_is_cut_is_no_clean_end(self):
        body = os.urandom(30 * MIB)
        index = self.stored(self.server.post(RECORDS, body))["index"]
        token = self.server.token()
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        plain.connect(("127.0.0.1", self.server.port))
        plain.settimeout(10)
        with PKI.context().wrap_socket(plain, server_hostname="127.0.0.1",
                                       suppress_ragged_eofs=False) as c:
            c.sendall(f"GET {RECORDS}/{index} HTTP/1.1\r\nHost: x\r\n"
                      f"Authorization: Bearer {token}\r\n\r\n".encode())
            time.sleep(3.5)  # takes nothing for longer than --write-timeout
            with self.assertRaises((ssl.SSLEOFError, ConnectionError)):
                read_all(c)

    def test_an_answer_that_turns_out_damaged_is_no_clean_end(self):
        index = self.stored(self.server.post(RECORDS, os.urandom(20 * MIB)))["index"]
        name = max((self.server.data / "objects").rglob("*.obj"), key=lambda p: p.stat().st_mtime)
        name.chmod(0o600)
        with open(name, "r+b") as f:
            f.seek(15 * MIB)
            f.write(b"changed")
        token = self.server.token()
        with tls(self.server, PKI.context()) as c:
            c.sendall(f"GET {RECORDS}/{index} HTTP/1.1\r\nHost: x\r\n"
                      f"Authorization: Bearer {token}\r\n\r\n".encode())
            received = b""
            with self.assertRaises((ssl.SSLEOFError, ConnectionError)):
                while piece := c.recv(65536):
                    received += piece
        self.assertEqual(statuses(received), [200])
        self.assertLess(len(received), 16 * MIB)

    def test_a_slow_reader_gets_all_of_it(self):
        body = os.urandom(4 * MIB)
        index = self.stored(self.server.post(RECORDS, body))["index"]
        token = self.server.token()
        with tls(self.server, PKI.context()) as c:
            c.sendall(f"GET {RECORDS}/{index} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                      f"Authorization: Bearer {token}\r\n\r\n".encode())
            received = b""
            while piece := c.recv(16384):
                received += piece
                time.sleep(0.005)
        self.assertEqual(received.split(b"\r\n\r\n", 1)[1], body)


class Stalls(TlsCase):
    options = ["--header-timeout", "1", "--body-timeout", "1", "--max-connections", "8"]

    def closed_within(self, s, seconds):
        s.settimeout(seconds)
        begin = time.monotonic()
        try:
            while s.recv(65536):
                pass
        except ConnectionError:
            pass
        self.assertLess(time.monotonic() - begin, seconds)

    def test_a_handshake_that_stalls_is_ended(self):
        hello, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = PKI.context().wrap_bio(hello, outward, server_hostname="127.0.0.1")
        with self.assertRaises(ssl.SSLWantReadError):
            session.do_handshake()
        hello = outward.read()
        before = failures(self.server, "timeout")
        for sent in (b"", hello[:1], hello[:100], hello):
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                s.sendall(sent)
                self.assertEqual(self.server.get("/livez").status, 200)
                self.closed_within(s, 4)
        self.assertEqual(failures(self.server, "timeout"), before + 4)
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.sendall(hello[:100])
        until(lambda: failures(self.server, "closed") == 1, "closed")

    def test_a_handshake_that_creeps_is_ended_too(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            begin = time.monotonic()
            with self.assertRaises(ConnectionError):
                for byte in b"\x16\x03\x01\x02\x00\x01" + bytes(60):
                    s.sendall(bytes([byte]))
                    time.sleep(0.1)
            self.assertLess(time.monotonic() - begin, 4)

    def test_a_record_that_stalls_is_a_header_that_stalls(self):
        for piece in (b"\x17", b"\x17\x03\x03\x40\x00" + bytes(900)):
            plain = socket.create_connection(("127.0.0.1", self.server.port))
            with PKI.context().wrap_socket(plain, server_hostname="127.0.0.1") as c:
                os.write(c.fileno(), piece)
                self.closed_within(c, 4)  # 75 s were the deadline of an idle connection

    def test_what_is_not_tls_is_told_so_or_closed(self):
        raw = self.server.raw(LIVE)
        self.assertEqual(statuses(raw), [400])
        head, body = raw.split(b"\r\n\r\n", 1)
        self.assertIn(b"Content-Length: %d\r\n" % len(body), head)
        self.assertEqual(json.loads(body)["type"], "urn:stele:problem:tls-required")
        self.assertIn("https://", json.loads(body)["detail"])
        raw = self.server.raw(self.head("Content-Length: 200000") + b"x" * 200000)
        self.assertEqual(statuses(raw), [400])
        self.assertEqual(failures(self.server, "not-tls"), 2)
        for junk in (b"\x00" * 100, b"\x16\x03\x01\xff\xff" + bytes(200), b"\x80" * 5, b"\n\n\n\n\n"):
            self.assertNotIn(b"HTTP", self.server.raw(junk))
        self.assertEqual(self.server.get("/livez").status, 200)

    def test_one_connection_too_many_is_told_so(self):
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            self.closed_within(s, 4)  # what other tests left has ended, too
        held = [tls(self.server, PKI.context()) for _ in range(8)]
        with tls(self.server, PKI.context()) as c:
            self.assertEqual(statuses(read_all(c)), [503])
        for c in held:
            c.close()

    def test_a_fresh_connection_is_drained_at_once(self):
        with PKI.server() as server, socket.create_connection(("127.0.0.1", server.port)):
            with tls(server, PKI.context()) as c:
                time.sleep(0.1)
                begin = time.monotonic()
                self.assertEqual(server.stop(), 0)
                self.assertLess(time.monotonic() - begin, 5)
                self.assertEqual(c.recv(10), b"")  # said


class Reloads(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(dir=PKI.folder))
        self.certificate, self.key = self.folder / "c.pem", self.folder / "k.pem"
        self.show(PKI.certificate, PKI.key)
        self.server = PKI.server("--loops", "2", certificate=self.certificate, key=self.key).start()
        self.addCleanup(self.server.remove)
        self.server.create_log("log")

    def tearDown(self):
        self.assertEqual(self.server.stop(), 0, self.server.log())

    def show(self, certificate, key):
        for source, there in ((certificate, self.certificate), (key, self.key)):
            new = there.with_suffix(".new")
            shutil.copy(source, new)
            new.rename(there)

    def shown(self):
        with tls(self.server, PKI.context()) as c:
            return dict(pair[0] for pair in c.getpeercert()["subject"])["commonName"]

    def test_under_load_no_request_fails(self):
        trouble, done, over = [], [0, 0], threading.Event()

        def work(which, requests):
            while not over.is_set() and not trouble:
                client = self.server.connect()
                try:
                    for _ in range(requests):
                        if client.post(RECORDS, b'{"a":1}', JSON).status != 201:
                            raise AssertionError("not stored")
                        done[which] += 1
                except Exception as e:  # whatever it is, it is a failed request
                    trouble.append(repr(e))
                client.close()

        threads = [threading.Thread(target=work, args=(i % 2, 1 if i % 2 else 100))
                   for i in range(4)]
        for t in threads:
            t.start()
        names = set()
        for i in range(30):
            pair = (PKI.other_certificate, PKI.other_key) if i % 2 == 0 else (PKI.certificate, PKI.key)
            self.show(*pair)
            reload(self.server)
            names.add(self.shown())
        over.set()
        for t in threads:
            t.join()
        self.assertEqual(trouble, [])
        self.assertEqual(names, {"server", "renewed"})
        self.assertTrue(done[0] > 100 and done[1] > 30, done)
        self.assertEqual(metric(self.server, "tls_reloads_total"), 30)
        size = self.server.get("/api/v1/logs/log").json()["size"]
        self.assertEqual(size, 1 + sum(done))

    def test_what_is_wrong_changes_nothing(self):
        end = metric(self.server, "tls_certificate_expiry_seconds")
        self.assertAlmostEqual(end, time.time() + 86400, delta=600)
        junk, weak = self.folder / "junk", self.folder / "weak"
        junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        weak = PKI.ca.issue("weak", kind=("RSA", "rsa_keygen_bits:1024"))
        for i, (pair, words) in enumerate((
                ((junk, PKI.key), "no certificate in PEM"),
                ((PKI.other_certificate, PKI.key), "key"),
                ((PKI.certificate, junk), "key"),
                ((PKI.old_certificate, PKI.old_key), "its time is over"),
                (PKI.ca.issue("early", begin=1, end=2), "its time has not come"),
                (weak, "key too small"))):
            self.show(*pair)
            reload(self.server)
            line = self.server.log().strip().splitlines()[-1]
            self.assertIn("steled: error: nothing was reloaded: ", line)
            self.assertIn(words, line)
            self.assertEqual(self.shown(), "server")
            self.assertEqual(metric(self.server, "tls_reloads_failed_total"), i + 1)
        self.assertEqual(metric(self.server, "tls_certificate_expiry_seconds"), end)
        self.certificate.unlink()
        reload(self.server)
        self.assertIn("No such file", self.server.log())
        self.show(PKI.other_certificate, PKI.other_key)
        reload(self.server)
        self.assertEqual(self.shown(), "renewed")
        self.assertEqual(metric(self.server, "tls_reloads_total"), 1)


class Starts(unittest.TestCase):
    def start(self, *options):
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run([STELED, "--data", folder + "/d", "--listen", "127.0.0.1:0",
                                   *map(str, options)], capture_output=True, text=True,
                                  timeout=60, check=False)

    def refused(self, status, words, *options):
        run = self.start(*options)
        self.assertEqual((run.returncode, run.stdout), (status, ""), run.stderr)
        self.assertIn(words, run.stderr.strip().splitlines()[-1])

    def test_files_that_cannot_be_used(self):
        locked = PKI.folder / "locked.key"
        pki.openssl("pkey", "-in", PKI.key, "-aes128", "-passout", "pass:x", "-out", locked)
        upside_down = PKI.folder / "upside_down.pem"
        upside_down.write_text(PKI.ca.pem.read_text() + PKI.certificate.read_text())
        disordered = PKI.folder / "disordered.pem"
        disordered.write_text(PKI.certificate.read_text() + PKI.other_certificate.read_text())
        good = "--tls-cert", PKI.certificate, "--tls-key", PKI.key
        self.refused(1, "No such file", "--tls-cert", "/nonexistent", "--tls-key", PKI.key)
        self.refused(1, "key", "--tls-cert", PKI.certificate, "--tls-key", PKI.other_key)
        self.refused(1, "passphrase", "--tls-cert", PKI.certificate, "--tls-key", locked)
        self.refused(1, "key", "--tls-cert", upside_down, "--tls-key", PKI.key)
        self.refused(1, "did not issue", "--tls-cert", disordered, "--tls-key", PKI.key)
        self.refused(1, "no CA", *good, "--tls-client-ca", PKI.certificate)
        self.refused(1, "no certificate", *good, "--tls-client-ca", PKI.key)
        self.refused(1, "no revocation list in PEM", *good, "--tls-client-ca", PKI.ca.pem,
                     "--tls-crl", PKI.key)
        self.refused(3, "--tls-key", "--tls-cert", PKI.certificate)
        self.refused(3, "--tls-client-ca", *good, "--tls-crl", PKI.key)
        self.refused(3, "--tls-client-ca", *good, "--tls-client-required")

    def test_the_recipe_of_the_manual(self):
        page = (ROOT / "docs/operations.md").read_text()
        recipe = re.search(r"To try it out.*?```\n(.*?)```", page, re.S).group(1)
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["bash", "-ec", recipe], cwd=folder, capture_output=True, check=True)
            here = Path(folder)
            server = PKI.server(certificate=here / "chain.pem", key=here / "key.pem")
            server.context = ssl.create_default_context(cafile=here / "ca.pem")
            with server:
                self.assertEqual(server.get("/livez").status, 200)

    def test_a_start_with_what_is_over_says_so_and_serves(self):
        PKI.old_key.chmod(0o644)
        server = PKI.server(certificate=PKI.old_certificate, key=PKI.old_key)
        server.context.check_hostname = False
        server.context.verify_mode = ssl.CERT_NONE
        with server:
            self.assertIn("error: ", server.log())
            self.assertIn("its time is over", server.log())
            self.assertIn("chmod 600", server.log())
            self.assertEqual(server.get("/livez").status, 200)
            with self.assertRaisesRegex(ssl.SSLCertVerificationError, "expired"):
                tls(server, PKI.context())
            self.assertEqual(failures(server, "alert"), 1)


if __name__ == "__main__":
    unittest.main()
