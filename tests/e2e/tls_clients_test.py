#!/usr/bin/env python3
"""Certificates of clients, and stele over https: who is let in, and what is said to whoever is not."""
import http.client
import json
import os
import shutil
import ssl
import tempfile
import time
import unittest
from pathlib import Path

import pki
import tls_test
from http_case import RECORDS, statuses
from lib import JSON, Server, sanitized, stele
from tls_test import LIVE, failures, metric, read_all, reload, tls

PKI = None


def setUpModule():
    global PKI
    pki.needed()
    PKI = tls_test.PKI = Clients(tempfile.mkdtemp(prefix="stele-pki-"))


def tearDownModule():
    if PKI:
        shutil.rmtree(PKI.folder)


class Clients(tls_test.Pki):
    """Clients have CAs of their own: a root, and one below it that issues."""

    def __init__(self, folder):
        super().__init__(folder)
        self.root = pki.Authority(folder, "root")
        self.below = pki.Authority(folder, "below", self.root)
        self.stranger = pki.Authority(folder, "stranger")

    def with_certificate(self, pair, **attributes):
        context = self.context(**attributes)
        context.load_cert_chain(*pair)
        return context

    def lists(self, path, seconds=86400):
        """Both lists of now, in one file."""
        self.root.crl(path, seconds)
        one = path.read_text()
        self.below.crl(path, seconds)
        path.write_text(one + path.read_text())
        return path


def answered(server, context):
    """The status of a request; in TLS 1.3 a refused client learns of it when it reads."""
    with tls(server, context) as c:
        c.sendall(LIVE)
        return statuses(c.recv(4096))[0]


class Certificates(unittest.TestCase):
    def refused(self, server, context, reason, words="(?i)alert"):
        for version in ("TLSv1_3", "TLSv1_2"):
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.maximum_version = ssl.TLSVersion[version]
            before = failures(server, reason)
            with self.assertRaisesRegex(ssl.SSLError, words):
                answered(server, context)
            self.assertEqual(failures(server, reason), before + 1, reason)

    def test_one_is_asked_for_and_checked_when_it_comes(self):
        client = PKI.below.issue("client", "URI:spiffe://example.org/agent,DNS:a.example")
        with PKI.server("--tls-client-ca", PKI.root.pem) as server:
            self.assertEqual(answered(server, PKI.context()), 200)
            self.assertEqual(metric(server, "tls_client_certificates_total"), 0)
            self.assertEqual(answered(server, PKI.with_certificate(client)), 200)
            self.assertEqual(metric(server, "tls_client_certificates_total"), 1)
            issue = PKI.below.issue
            for pair, reason in (
                    (PKI.stranger.issue("client"), "bad-certificate"),
                    (issue("server only", usage="serverAuth"), "bad-certificate"),
                    (issue("old", begin=-3, end=-1), "certificate-time"),
                    (issue("early", begin=1, end=3), "certificate-time"),
                    (issue("odd", "URI:spiffe://example.org/a b"), "bad-certificate"),
                    (issue("many", ",".join(f"DNS:n{i}" for i in range(33))), "bad-certificate")):
                self.refused(server, PKI.with_certificate(pair), reason)
            enough = issue("enough", ",".join(f"DNS:n{i}" for i in range(32)))
            self.assertEqual(answered(server, PKI.with_certificate(enough)), 200)

    def test_a_certificate_alone_allows_nothing(self):
        client = PKI.below.issue("client")
        with PKI.server("--tls-client-ca", PKI.root.pem) as server:
            server.create_log("log")
            with tls(server, PKI.with_certificate(client)) as c:
                c.sendall(f"GET {RECORDS}/0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                self.assertEqual(statuses(read_all(c)), [401])

    def test_it_stands_for_the_principal_that_has_its_name(self):
        agent = PKI.below.issue("client", "URI:spiffe://example.org/agent,DNS:a.example")
        both = PKI.below.issue("client", "DNS:A.example,DNS:b.example")
        with PKI.server("--tls-client-ca", PKI.root.pem) as server:
            server.create_log("pay")

            def principal(name, *names):
                body = {"kind": "service", "id": name, "names": names,
                        "grants": [{"scopes": ["append"], "logs": ["pay"]}]}
                return server.post("/api/v1/principals", json.dumps(body), JSON).status

            def connect(pair):
                return http.client.HTTPSConnection(
                    "127.0.0.1", server.port, context=PKI.with_certificate(pair))

            def append(connection, path="/api/v1/logs/pay/records", body=b"1"):
                connection.request("POST", path, body)
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())

            connection = connect(agent)
            self.assertEqual(append(connection)[0], 401)
            self.assertEqual(principal("s-agent", "uri:spiffe://example.org/agent"), 201)
            status, receipt = append(connection)
            self.assertEqual(status, 201)
            self.assertEqual(json.loads(receipt["entry"])["writer"], "s-agent")
            self.assertEqual(append(connection, "/api/v1/tokens")[0], 403)
            listed = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1",
                                 "items": [{"auditID": "a", "stage": "Panic"}]})
            self.assertEqual(append(connection, "/k8s/audit/pay", listed)[0], 200)
            self.assertEqual(append(connection, "/k8s/audit/other", listed)[0], 403)
            self.assertEqual(append(connection, "/k8s/audit", listed)[0], 400)
            self.assertEqual(principal("s-b", "dns:b.example"), 201)
            second = connect(both)
            self.assertEqual(append(second)[0], 201)
            self.assertEqual(principal("s-a", "dns:a.example"), 201)
            self.assertEqual(append(second)[0], 401)  # of two: whose is it?
            self.assertEqual(append(connection)[0], 401)  # a.example is in that one, too
            self.assertEqual(principal("s-c", "dns:B.EXAMPLE"), 409)
            self.assertEqual(server.post("/api/v1/principals/s-a/disable", b"").status, 200)
            self.assertEqual([append(c)[0] for c in (connection, second)], [201, 201])
            answer = server.request("PATCH", "/api/v1/principals/s-agent", '{"names":[]}', JSON)
            self.assertEqual(answer.status, 200)
            self.assertEqual(append(connection)[0], 401)
            body = json.dumps({"names": ["uri:spiffe://example.org/agent"], "ends": "1s"})
            server.request("PATCH", "/api/v1/principals/s-agent", body, JSON)
            self.assertEqual(append(connection)[0], 201)
            time.sleep(1.1)
            self.assertEqual(append(connection)[0], 401)
            for bad in ("x", "dns:", "dns:a b", 7):
                self.assertEqual(principal("s-x", bad), 422)
            connection.close()
            second.close()

    def test_one_that_is_required(self):
        client = PKI.below.issue("client")
        server = PKI.server("--tls-client-ca", PKI.root.pem, "--tls-client-required")
        server.context = PKI.with_certificate(client)
        with server:
            self.assertEqual(answered(server, server.context), 200)
            self.refused(server, PKI.context(), "no-certificate")

    def test_an_authority_below_a_root_may_be_the_one(self):
        lists = PKI.below.crl(PKI.folder / "below.crl")
        for options in ((), ("--tls-crl", lists)):
            with PKI.server("--tls-client-ca", PKI.below.pem, *options) as server:
                good = PKI.below.issue("client")
                self.assertEqual(answered(server, PKI.with_certificate(good)), 200)
                self.refused(server, PKI.with_certificate(PKI.root.issue("of the root")),
                             "bad-certificate")

    def test_revocation_is_read_again(self):
        client, other = PKI.below.issue("client"), PKI.below.issue("other")
        lists = PKI.lists(PKI.folder / "lists.pem")
        with PKI.server("--tls-client-ca", PKI.root.pem, "--tls-crl", lists) as server:
            context = PKI.with_certificate(client)
            with tls(server, context) as kept, tls(server, PKI.context()) as bare:
                for c in (kept, bare):
                    c.sendall(LIVE)
                    self.assertNotIn(b"Connection: close", c.recv(4096))
                PKI.below.revoke(client[0])
                PKI.lists(lists)
                self.assertEqual(answered(server, context), 200)  # not read again yet
                reload(server)
                self.refused(server, PKI.with_certificate(client), "revoked")
                self.assertEqual(answered(server, PKI.with_certificate(other)), 200)
                kept.sendall(LIVE)  # what was verified by the old list: one more answer
                self.assertIn(b"Connection: close", read_all(kept))
                bare.sendall(LIVE)
                self.assertNotIn(b"Connection: close", bare.recv(4096))
            with self.assertRaises(ssl.SSLError):  # nor does a session from before resume
                with tls(server, context, session=kept.session) as c:
                    c.sendall(LIVE)
                    c.recv(4096)

    def test_an_authority_may_be_revoked_too(self):
        fallen = pki.Authority(PKI.folder, "fallen", PKI.root)
        client = PKI.with_certificate(fallen.issue("client"))
        lists = PKI.folder / "three.pem"

        def write_lists():
            PKI.lists(lists)
            two = lists.read_text()
            fallen.crl(lists)
            lists.write_text(two + lists.read_text())

        write_lists()
        with PKI.server("--tls-client-ca", PKI.root.pem, "--tls-crl", lists) as server:
            self.assertEqual(answered(server, client), 200)
            PKI.root.revoke(fallen.pem)
            write_lists()
            reload(server)
            self.refused(server, PKI.with_certificate(fallen.issue("client")), "revoked")

    def test_lists_that_are_missing_or_old(self):
        root_only = PKI.root.crl(PKI.folder / "root.crl")
        both = PKI.folder / "both.pem"
        both.write_text(PKI.root.pem.read_text() + PKI.below.pem.read_text())
        run = tls_test.Starts.start(self, "--tls-cert", PKI.certificate, "--tls-key", PKI.key,
                                    "--tls-client-ca", both, "--tls-crl", root_only)
        self.assertEqual(run.returncode, 1)
        self.assertIn("no revocation list of /CN=below", run.stderr)
        client = PKI.with_certificate(PKI.below.issue("client"))
        with PKI.server("--tls-client-ca", PKI.root.pem, "--tls-crl", root_only) as server:
            self.refused(server, client, "no-crl")
            self.assertEqual(answered(server, PKI.context()), 200)
        life_s = 20 if sanitized() else 3  # from now on: the server starts meanwhile
        ends = time.monotonic() + life_s
        lists = PKI.lists(PKI.folder / "short.pem", life_s)
        with PKI.server("--tls-client-ca", PKI.root.pem, "--tls-crl", lists) as server:
            self.assertEqual(answered(server, client), 200)
            self.assertGreater(metric(server, "tls_crl_expiry_seconds"), 1e9)
            time.sleep(max(0, ends + 1 - time.monotonic()))
            self.refused(server, PKI.with_certificate(PKI.below.issue("later")), "no-crl")
            reload(server)
            self.assertIn("next update is over", server.log())


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = PKI.server().start()
        cls.server.create_log("log")
        cls.folder = Path(tempfile.mkdtemp(dir=PKI.folder))

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        cls.server.remove()

    def run_it(self, *arguments, url=None, server=None, env=(), status=0, says=""):
        server = server or self.server
        run = stele("--server", url or server.url(), "--token", f"@{server.data}/admin.token",
                    *arguments, env={**os.environ, **dict(env)})
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertIn(says, run.stderr)
        return run.stdout

    def good(self, *arguments, **more):
        return self.run_it(*arguments, env={"STELE_CACERT": str(PKI.ca.pem)}, **more)

    def test_the_servers_certificate_is_checked(self):
        self.run_it("log", "list", status=4, says="--cacert FILE or STELE_CACERT")
        self.run_it("--cacert", PKI.root.pem, "log", "list", status=4, says="--cacert")
        self.run_it("log", "list", "--cacert", PKI.ca.pem)
        self.run_it(f"--cacert={PKI.ca.pem}", "log", "list")
        self.good("log", "list")
        self.run_it("log", "list", "--cacert", "/nonexistent", status=3, says="cannot read")
        self.run_it("log", "list", "--cacert", PKI.key, status=4, says="certificates in PEM")

    def test_a_name_that_is_not_in_the_certificate(self):
        pair = PKI.ca.issue("elsewhere", "DNS:elsewhere.example")
        server = PKI.server(certificate=pair[0], key=pair[1])
        server.context.check_hostname = False
        with server:
            self.good("log", "list", server=server, status=4,
                      says="must name the server as its certificate does")

    def test_a_certificate_whose_time_is_over(self):
        server = PKI.server(certificate=PKI.old_certificate, key=PKI.old_key)
        server.context.check_hostname, server.context.verify_mode = False, ssl.CERT_NONE
        with server:
            self.good("log", "list", server=server, status=4, says="renew its certificate")
            # retrying cannot help: it ends now, and not when --retry-for does
            source = self.folder / "file"
            source.write_bytes(b"1" * 100)
            begin = time.monotonic()
            self.good("put", "log", source, server=server, status=4, says="renew")
            self.good("append", "log", source, "--ndjson", "--retry-for", "600", server=server,
                      status=4, says="renew")
            self.assertLess(time.monotonic() - begin, 30)

    def test_http_and_https_mixed_up(self):
        self.good("log", "list", url=f"http://127.0.0.1:{self.server.port}", status=1,
                  says="use https://")
        with Server() as plain:
            self.good("log", "list", server=plain, url=f"https://127.0.0.1:{plain.port}", status=4,
                      says="is its URL http://?")

    def test_a_certificate_of_ones_own(self):
        certificate, key = PKI.below.issue("client")
        stranger = PKI.stranger.issue("client")
        both = self.folder / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        server = PKI.server("--tls-client-ca", PKI.root.pem, "--tls-client-required")
        server.context = PKI.with_certificate((certificate, key))
        with server:
            self.good("log", "list", "--cert", certificate, "--key-file", key, server=server)
            self.good("log", "list", "--cert", both, server=server)
            self.run_it("log", "list", server=server,
                        env={"STELE_CACERT": str(PKI.ca.pem), "STELE_CERT": str(certificate),
                             "STELE_KEY_FILE": str(key)})
            self.good("log", "list", server=server, status=4, says="--cert FILE and --key-file")
            self.good("log", "list", "--cert", stranger[0], "--key-file", stranger[1],
                      server=server, status=4, says="does not accept the certificate of --cert")
            self.good("log", "list", "--cert", certificate, "--key-file", stranger[1],
                      server=server, status=4, says="its key, without a passphrase")
            self.good("log", "list", "--key-file", key, server=server, status=3,
                      says="give --cert FILE too")

    def test_the_whole_story(self):
        events = self.folder / "events.ndjson"
        events.write_text("".join(json.dumps({"n": i}) + "\n" for i in range(3000)))
        receipts, large = self.folder / "receipts", self.folder / "large"
        self.good("append", "log", events, "--ndjson", "--receipts", receipts)
        large.write_bytes(os.urandom(5 << 20))
        index = json.loads(self.good("put", "log", large, "--json"))["index"]
        self.good("get", "log", index, "-o", self.folder / "back")
        self.assertEqual((self.folder / "back").read_bytes(), large.read_bytes())
        self.good("prove", "log", "7", "-o", self.folder / "one.json")
        vkey = self.good("key", "show").strip()
        run = stele("verify", self.folder / "one.json", "--key", vkey)
        self.assertEqual(run.returncode, 0, run.stderr)


if __name__ == "__main__":
    unittest.main()
