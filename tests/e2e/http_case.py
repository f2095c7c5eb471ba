"""What the tests of HTTP share: a server for each class, and what an answer must look like."""
import re
import unittest

from lib import Server

RECORDS = "/api/v1/logs/log/records"
PROBLEM = "urn:stele:problem:"
MIB = 1 << 20


def problem(answer):
    """(status, name) of an answer that must be a problem, with all that RFC 9457 wants."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    assert body["status"] == answer.status and body["title"] and body["detail"], body
    assert body["type"].startswith(PROBLEM), body
    return answer.status, body["type"][len(PROBLEM):]


def statuses(raw):
    """The statuses of all answers in what came back on a connection."""
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)]


class Case(unittest.TestCase):
    options = []

    @classmethod
    def setUpClass(cls):
        cls.server = Server(options=["--min-free", "0", *cls.options]).start()
        cls.server.create_log("log")
        cls.size = cls.log_size()

    @classmethod
    def tearDownClass(cls):
        status = cls.server.stop()
        log = cls.server.log()
        cls.server.remove()
        assert status == 0, f"exit status {status}\n{log}"

    @classmethod
    def log_size(cls):
        client = cls.server.connect()  # the server's own may have idled out
        try:
            return client.get("/api/v1/logs/log").json()["size"]
        finally:
            client.close()

    def refused(self, answer, status, name):
        self.assertEqual(problem(answer), (status, name), answer.body)
        self.assertEqual(self.log_size(), self.size, "something was stored")

    def stored(self, answer, n=1):
        self.assertEqual(answer.status, 201, answer.body)
        type(self).size += n
        self.assertEqual(self.log_size(), self.size)
        return answer.json()

    def connect(self, token=None):
        client = self.server.connect(token)
        self.addCleanup(client.close)
        return client

    def head(self, *lines):
        token = self.server.token()
        lines = [f"POST {RECORDS} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *lines]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"
