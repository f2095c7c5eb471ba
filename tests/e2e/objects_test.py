"""Payloads of any size: streamed in and out, resumed, found again, and never half there."""
import hashlib
import http.client
import os
import re
import socket
import threading
import time
import unittest
from pathlib import Path

from lib import JSON, Client, Server, stele

MIB = 1 << 20
LOG = "/api/v1/logs/scans"
RECORDS = LOG + "/records"
PARTIAL = {"Content-Type": "application/partial-upload"}
OCTETS = {"Content-Type": "application/octet-stream"}


def noise(n, seed=1):
    """n bytes that differ for each seed and do not compress."""
    return hashlib.shake_128(str(seed).encode()).digest(n)


def pieces(payload, step=100_003):
    for i in range(0, len(payload), step):
        yield payload[i:i + step]


class Case(unittest.TestCase):
    options = ["--min-free", "0"]

    @classmethod
    def setUpClass(cls):
        cls.server = Server(options=cls.options).start()
        cls.server.create_log("scans")

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()

    def files(self, folder="scans"):
        path = self.server.data / "objects" / folder
        return sorted(p.name for p in path.iterdir()) if path.is_dir() else []

    def eventually(self, what, seconds=60):
        deadline = time.monotonic() + seconds
        while not what() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertTrue(what())

    def stored(self, answer, status=201):
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def refused(self, answer, status, name):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.json()["type"], "urn:stele:problem:" + name)
        return answer.json()

    def payload_of(self, index, headers=None):
        return self.server.get(f"{RECORDS}/{index}", headers)


class Plain(Case):
    def test_any_size_goes_in_and_comes_out(self):
        for n in (MIB, MIB + 1, MIB + 256 * 1024, 5 * MIB + 17, 33 * MIB):
            payload = noise(n, n)
            for body in (payload, pieces(payload)):
                index = self.stored(self.server.post(RECORDS, body, OCTETS))["index"]
                answer = self.payload_of(index)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers["content-length"], str(n))
                self.assertTrue(answer.body == payload, n)
        self.assertEqual(self.files("pending"), [])

    def test_ranges_are_read_alone(self):
        n = 3 * MIB + 5
        payload = noise(n, "ranges")
        index = self.stored(self.server.post(RECORDS, payload, OCTETS))["index"]
        for first, last in ((0, 0), (n - 1, n - 1), (262143, 262144), (10, 2 * MIB), (0, n - 1)):
            answer = self.payload_of(index, {"Range": f"bytes={first}-{last}"})
            self.assertEqual(answer.status, 206)
            self.assertEqual(answer.headers["content-range"], f"bytes {first}-{last}/{n}")
            self.assertTrue(answer.body == payload[first:last + 1], (first, last))
        answer = self.payload_of(index, {"Range": f"bytes={n}-"})
        self.assertEqual(self.refused(answer, 416, "range-not-satisfiable")["size"], n)
        answer = self.server.request("HEAD", f"{RECORDS}/{index}")
        self.assertEqual((answer.status, answer.headers["content-length"], answer.body),
                         (200, str(n), b""))
        etag = self.payload_of(index).headers["etag"]
        self.assertEqual(self.payload_of(index, {"If-None-Match": etag}).status, 304)

    def test_the_receipt_leaves_the_payload_out_and_says_where_it_is(self):
        payload = noise(2 * MIB)
        sent = self.stored(self.server.post(RECORDS, payload, OCTETS))
        got = self.payload_of(sent["index"], {"Accept": "application/json"}).json()
        self.assertEqual((got["entry"], got["salt"]), (sent["entry"], sent["salt"]))
        self.assertIn(f'"size":{2 * MIB},', got["entry"])
        self.assertNotIn("payload", got)
        self.assertTrue(self.server.get(got["payload_url"]).body == payload)

    def test_json_that_streams_is_stored_as_sent_and_the_answer_says_so(self):
        body = b'{"a":' + b" " * MIB + b"nonsense"
        answer = self.server.post(RECORDS, body, JSON)
        self.assertEqual(answer.headers["stele-validated"], "false")
        self.assertEqual(self.payload_of(self.stored(answer)["index"]).body, body)
        self.refused(self.server.post(RECORDS, b'{"a":nonsense', JSON), 400, "invalid-json")

    def test_a_repeated_key_stores_nothing_twice(self):
        payload, key = noise(3 * MIB, "key"), {**OCTETS, "Idempotency-Key": "once"}
        first = self.stored(self.server.post(RECORDS, payload, key))
        before = self.files()
        answer = self.server.post(RECORDS, pieces(payload), key)
        self.assertEqual(answer.headers["idempotent-replayed"], "true")
        again = self.stored(answer)
        for member in ("index", "entry", "salt", "time"):
            self.assertEqual(first[member], again[member])
        for other in (payload[:-1], payload + b"x", b"small", payload[:-1] + b"!"):
            answer = self.server.post(RECORDS, other, key)
            self.assertEqual(self.refused(answer, 422, "idempotency-conflict")["index"],
                             first["index"])
        self.eventually(lambda: (self.files(), self.files("pending")) == (before, []))

    def test_an_upload_that_breaks_off_leaves_nothing(self):
        size, before = self.server.get(LOG).json()["size"], self.files()
        for head in (f"Content-Length: {30 * MIB}", "Transfer-Encoding: chunked"):
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                s.sendall((f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\n{head}\r\n"
                           f"Authorization: Bearer {self.server.token()}\r\n\r\n").encode())
                body = noise(5 * MIB)
                s.sendall(body if "Length" in head else b"500000\r\n" + body)
                self.eventually(lambda: len(self.files("pending")) == 1)
            self.eventually(lambda: self.files("pending") == [])
        self.assertEqual((self.server.get(LOG).json()["size"], self.files()), (size, before))

    def test_bad_framing_in_the_middle_stores_nothing(self):
        size = self.server.get(LOG).json()["size"]
        raw = self.server.raw(
            f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
            f"Authorization: Bearer {self.server.token()}\r\n\r\n200000\r\n".encode()
            + noise(2 * MIB) + b"oops")
        self.assertIn(b"malformed-http", raw)
        self.eventually(lambda: self.files("pending") == [])
        self.assertEqual(self.server.get(LOG).json()["size"], size)

    def test_a_payload_is_found_by_its_sha256(self):
        payload = noise(2 * MIB, "find")
        digest = hashlib.sha256(payload).hexdigest()
        want = [self.stored(self.server.post(RECORDS, payload, OCTETS))["index"]
                for _ in range(3)]
        answer = self.server.get(f"{RECORDS}?sha256={digest}").json()
        self.assertEqual([r["index"] for r in answer["records"]], want)
        self.assertEqual(answer["records"][0]["size"], len(payload))
        self.assertNotIn("next", answer)
        one = self.server.get(f"{RECORDS}?sha256={digest}&limit=1").json()
        self.assertEqual([r["index"] for r in one["records"]], want[:1])
        rest = self.server.get(f"{RECORDS}?sha256={digest}&from={one['next']}").json()
        self.assertEqual([r["index"] for r in rest["records"]], want[1:])
        self.assertEqual(self.server.get(f"{RECORDS}?sha256={'0' * 64}").json()["records"], [])
        for query in ("?sha256=", "?sha256=" + digest.upper(), f"?sha256={digest}&limit=0",
                      f"?sha256={digest}&from=x", f"?sha256={digest}&actor=x"):
            self.refused(self.server.get(RECORDS + query), 400, "invalid-parameter")

    def test_nothing_on_disk_shows_payload_or_digest(self):
        payload = b"a sentence to look for, " * 60000
        self.stored(self.server.post(RECORDS, payload, OCTETS))
        needles = (payload[:64], hashlib.sha256(payload).digest(),
                   hashlib.sha256(payload).hexdigest().encode())
        for path in self.server.data.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                self.assertFalse(any(n in content for n in needles), path)

    def test_memory_stays_flat_and_reads_wait_for_slow_readers(self):
        def resident():
            status = Path(f"/proc/{self.server.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) * 1024

        piece = noise(MIB)
        before = resident()
        answer = self.server.post(RECORDS, (piece for _ in range(200)), OCTETS)
        index = self.stored(answer)["index"]
        self.assertLess(resident() - before, 24 * MIB)
        slow = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        slow.request("GET", f"{RECORDS}/{index}",
                     headers={"Authorization": f"Bearer {self.server.token()}"})
        got = slow.getresponse()
        self.assertEqual(got.read(MIB), piece)
        time.sleep(0.5)
        self.assertLess(resident() - before, 24 * MIB)
        for _ in range(199):
            self.assertTrue(got.read(MIB) == piece)
        self.assertEqual(got.read(1), b"")
        slow.close()


class Damage(Case):
    def test_a_damaged_object_is_an_error_and_never_wrong_bytes(self):
        payload = noise(3 * MIB)
        index = self.stored(self.server.post(RECORDS, payload, OCTETS))["index"]
        good = self.stored(self.server.post(RECORDS, payload, OCTETS))["index"]
        name = [n for n in self.files()]
        first = min((self.server.data / "objects/scans" / n for n in name),
                    key=lambda p: p.stat().st_mtime_ns)
        first.chmod(0o600)
        whole = first.read_bytes()
        at = 48 + 2 * (262144 + 40) + 1000  # in the third chunk
        first.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        self.assertTrue(self.payload_of(index, {"Range": "bytes=0-524287"}).body
                        == payload[:524288])
        self.refused(self.payload_of(index, {"Range": "bytes=524288-524290"}), 500, "damaged")
        with self.assertRaises(http.client.IncompleteRead) as cut:
            self.payload_of(index)
        self.assertTrue(payload.startswith(cut.exception.partial))
        first.write_bytes(whole[:-1])
        self.refused(self.payload_of(index), 500, "damaged")
        self.refused(self.payload_of(index, {"Range": "bytes=0-0"}), 500, "damaged")
        first.unlink()
        self.refused(self.payload_of(index), 500, "damaged")
        self.assertIn("it is missing", self.server.log())
        self.assertTrue(self.payload_of(good).body == payload)
        metrics = self.server.get("/metrics").text()
        self.assertNotIn("stele_damaged_reads_total 0\n", metrics)


class Resumed(Case):
    options = ["--min-free", "0", "--max-object", "16M", "--upload-timeout", "2"]

    def create(self, body=b"", complete="?0", **headers):
        headers = {"Content-Type": "video/mp4", "Upload-Complete": complete,
                   **{k.replace("_", "-"): v for k, v in headers.items()}}
        return self.server.post(RECORDS, body, headers)

    def patch(self, url, offset, body, complete="?0", client=None):
        headers = {**PARTIAL, "Upload-Offset": str(offset), "Upload-Complete": complete}
        return (client or self.server).request("PATCH", url, body, headers)

    def test_parts_become_one_record(self):
        payload = noise(4 * MIB + 3, "parts")
        answer = self.create(payload[:1000], Upload_Length=str(len(payload)),
                             Idempotency_Key="parts")
        url = answer.headers["location"]
        self.assertEqual(answer.headers["upload-offset"], "1000")
        self.assertEqual(answer.headers["upload-complete"], "?0")
        self.assertIn(f"max-size={16 * MIB}", answer.headers["upload-limit"])
        self.assertEqual(self.stored(answer)["offset"], 1000)
        answer = self.patch(url, 1000, payload[1000:3 * MIB])
        self.assertEqual((answer.status, answer.headers["upload-offset"]), (204, str(3 * MIB)))
        problem = self.refused(self.patch(url, 5, b"x"), 409, "mismatching-upload-offset")
        self.assertEqual((problem["expected-offset"], problem["provided-offset"]), (3 * MIB, 5))
        answer = self.server.request("HEAD", url)
        self.assertEqual((answer.status, answer.headers["upload-offset"], answer.body),
                         (200, str(3 * MIB), b""))
        self.assertEqual(answer.headers["cache-control"], "no-store")
        receipt = self.stored(self.patch(url, 3 * MIB, pieces(payload[3 * MIB:]), "?1"))
        self.assertIn('"media_type":"video/mp4"', receipt["entry"])
        self.assertTrue(self.payload_of(receipt["index"]).body == payload)
        state = self.server.get(url)  # for a client that missed the answer
        self.assertEqual(state.headers["upload-complete"], "?1")
        self.assertEqual(state.json()["index"], receipt["index"])
        self.refused(self.patch(url, len(payload), b"", "?1"), 409, "completed-upload")
        again = self.server.post(RECORDS, payload, {"Content-Type": "video/mp4",
                                                    "Idempotency-Key": "parts"})
        self.assertEqual(self.stored(again)["index"], receipt["index"])

    def test_small_and_empty_ones_are_ordinary_records(self):
        self.eventually(lambda: self.files("pending") == [])  # of other tests
        before = self.files()
        for payload in (b"", b"x", noise(65536)):
            receipt = self.stored(self.create(payload, "?1"))
            self.assertEqual(self.payload_of(receipt["index"]).body, payload)
            url = self.create().headers["location"]
            receipt = self.stored(self.patch(url, 0, payload, "?1"))
            self.assertEqual(self.payload_of(receipt["index"]).body, payload)
        self.eventually(lambda: (self.files(), self.files("pending")) == (before, []))

    def test_an_answered_one_is_not_busy_whatever_is_left_to_do_for_its_files(self):
        stop, body = threading.Event(), noise(4 * MIB, "busy")

        def keep_workers_busy():
            client = self.server.connect()
            while not stop.is_set() and client.post(RECORDS, body, OCTETS).status == 201:
                pass
            client.close()

        threads = [threading.Thread(target=keep_workers_busy) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            for i in range(40):
                url = self.create(Upload_Length="1").headers["location"]
                self.refused(self.patch(url, 5, b"x"), 409, "mismatching-upload-offset")
                receipt = self.stored(self.patch(url, 0, b"%d" % (i % 10), "?1"))
                self.refused(self.patch(url, 1, b"", "?1"), 409, "completed-upload")
                self.assertEqual(self.stored(self.server.get(url), 200)["index"], receipt["index"])
        finally:
            stop.set()
            for t in threads:
                t.join()

    def test_a_connection_that_breaks_is_resumed(self):
        payload = noise(8 * MIB, "breaks")
        with socket.create_connection(("127.0.0.1", self.server.port)) as s:
            s.sendall((f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(payload)}\r\n"
                       f"Authorization: Bearer {self.server.token()}\r\n"
                       "Upload-Complete: ?1\r\n\r\n").encode() + payload[:5 * MIB + 1])
            interim = s.recv(4096).decode()
            self.assertTrue(interim.startswith("HTTP/1.1 104 Upload Resumption Supported\r\n"))
            url = re.search(r"Location: (\S+)", interim).group(1)
            self.refused(self.server.get(url), 409, "upload-busy")
            self.refused(self.patch(url, 0, b"x"), 409, "upload-busy")
        self.eventually(lambda: self.server.get(url).status == 200)
        offset = self.server.get(url).json()["offset"]
        self.assertEqual(offset, 5 * MIB + 1)  # nothing that arrived is sent twice
        receipt = self.stored(self.patch(url, offset, payload[offset:], "?1"))
        self.assertTrue(self.payload_of(receipt["index"]).body == payload)

    def test_what_does_not_fit_together_is_refused(self):
        self.refused(self.create(complete="yes"), 400, "invalid-header")
        self.refused(self.create(b"x", "?1", Upload_Length="2"), 400, "invalid-header")
        self.refused(self.create(b"xyz", Upload_Length="2"), 400, "invalid-header")
        self.refused(self.create(Upload_Length="-1"), 400, "invalid-header")
        self.refused(self.create(Upload_Length=str(16 * MIB + 1)), 413, "body-too-large")
        self.refused(self.create(Content_Encoding="gzip"), 400, "invalid-header")
        self.refused(self.create(Content_Type="application/x-ndjson"), 400, "invalid-header")
        url = self.create(Upload_Length="10").headers["location"]
        self.refused(self.patch(url, 0, b"x" * 11), 400, "invalid-header")
        self.refused(self.patch(url, 0, b"x" * 9, "?1"), 400, "invalid-header")
        self.refused(self.server.request("PATCH", url, b"x", {
            **OCTETS, "Upload-Offset": "0", "Upload-Complete": "?0"}), 415,
            "unsupported-media-type")
        self.refused(self.server.request("PATCH", url, b"x", {
            **PARTIAL, "Upload-Complete": "?0"}), 400, "invalid-header")
        self.assertEqual(self.server.get(url).json()["offset"], 0)
        raw = self.server.raw(
            f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: {16 * MIB + 1}\r\n"
            f"Authorization: Bearer {self.server.token()}\r\n\r\n".encode())
        self.assertIn(b"body-too-large", raw)
        answer = self.server.post(RECORDS, pieces(noise(17 * MIB)), OCTETS)
        self.refused(answer, 413, "body-too-large")

    def test_another_principal_cannot_touch_it(self):
        made = stele("token", "create", "--scope", "append", "--log", "scans", "--json",
                     server=self.server)
        self.assertEqual(made.returncode, 0, made.stderr)
        token = re.search(r"stele_\w+", made.stdout).group(0)
        other = Client(self.server.port, token)
        url = self.create().headers["location"]
        for answer in (other.get(url), other.request("DELETE", url),
                       self.patch(url, 0, b"x", client=other)):
            self.refused(answer, 404, "unknown-upload")
        self.refused(self.server.get(url[:-1] + "g"), 404, "unknown-upload")
        self.assertEqual(self.server.get(url).status, 200)
        other.close()

    def metric(self, name):
        text = self.server.get("/metrics").text()
        return int(re.search(rf"(?m)^stele_{name} (\d+)$", text).group(1))

    def test_what_comes_waits_is_stored_or_dropped_is_counted(self):
        names = ("uploads", "upload_bytes_total", "uploads_dropped_total", "objects_stored_total")
        self.eventually(lambda: self.metric("uploads") == 0)
        before = [self.metric(name) for name in names]
        url = self.create(noise(2 * MIB)).headers["location"]
        self.assertEqual(self.metric("uploads"), 1)
        self.assertEqual(self.server.request("DELETE", url).status, 204)
        self.stored(self.server.post(RECORDS, noise(3 * MIB), OCTETS))
        self.eventually(lambda: self.metric("uploads") == 0)
        after = [self.metric(name) for name in names]
        self.assertEqual([b - a for a, b in zip(before, after)], [0, 5 * MIB, 1, 1])

    def test_cancelled_ones_leave_nothing(self):
        url = self.create(noise(2 * MIB)).headers["location"]
        self.assertNotEqual(self.files("pending"), [])
        self.assertEqual(self.server.request("DELETE", url).status, 204)
        self.refused(self.server.get(url), 404, "unknown-upload")
        self.refused(self.server.request("DELETE", url), 404, "unknown-upload")

    def test_forgotten_ones_are_removed_in_time(self):
        url = self.create(noise(2 * MIB)).headers["location"]
        self.assertEqual(self.server.get(url).status, 200)
        self.eventually(lambda: self.files("pending") == [])
        self.refused(self.server.get(url), 404, "unknown-upload")


class Ends(unittest.TestCase):
    def begun(self, server):
        answer = server.post(RECORDS, noise(2 * MIB), {"Upload-Complete": "?0"})
        self.assertEqual(answer.status, 201)
        pending = server.data / "objects/pending"
        self.assertEqual(len(list(pending.iterdir())), 1)
        return pending

    def test_a_stop_removes_what_waits_and_a_start_what_a_kill_left(self):
        with Server(options=["--min-free", "0"]) as server:
            server.create_log("scans")
            pending = self.begun(server)
            self.assertEqual(server.stop(), 0)
            self.assertEqual(list(pending.iterdir()), [])
            server.start()
            self.begun(server)
            server.kill()
            self.assertEqual(len(list(pending.iterdir())), 1)
            server.start()
            self.assertEqual(list(pending.iterdir()), [])
            self.assertIn("an upload that did not end; removed", server.log())
            server.stop()

    def test_a_payload_larger_than_the_free_space_is_refused_before_its_body(self):
        with Server(options=["--min-free", "0", "--max-object", "1024T"]) as server:
            server.create_log("scans")
            time.sleep(0.3)
            raw = server.raw(
                f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 49}\r\n"
                f"Authorization: Bearer {server.token()}\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertIn(b"507", raw)
            self.assertNotIn(b"100 Continue", raw)


if __name__ == "__main__":
    unittest.main()
