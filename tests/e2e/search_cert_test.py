#!/usr/bin/env python3
"""Certificates of searches: what the server states holds offline, and nothing else does."""
import hashlib
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from lib import BUILD, JSON, NDJSON, Server, stele, until

RECORDS = 700
HOLDS, REFUSED, INCOMPLETE, USAGE = 0, 1, 2, 3


def event(i, kind=None):
    return {"specversion": "1.0", "id": f"id-{i}", "source": "/s", "subject": f"u{i % 3}",
            "type": kind or f"t{i % 50}"}


class Certificates(unittest.TestCase):
    def setUp(self):
        self.server = Server(options=["--min-free", "0"]).start()
        self.addCleanup(self.server.remove)
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server.create_log("a")
        self.server.create_log("b")
        self.key = stele("key", "show", server=self.server).stdout.strip()

    def fill(self, log="a", n=RECORDS, kind=None):
        lines = "\n".join(json.dumps(event(i, kind)) for i in range(n))
        answer = self.server.post(f"/api/v1/logs/{log}/records", lines, NDJSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["first"]

    def seal(self, log="a"):
        self.assertEqual(stele("log", "seal", log, server=self.server).returncode, 0)

    def query(self, *arguments, name="search"):
        """Asks with --certify: certificate and rows, as files."""
        certificate, rows = self.folder / f"{name}.cert", self.folder / f"{name}.rows"
        run = stele("--json", "query", *arguments, "--certify", certificate, server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        rows.write_text(run.stdout)
        return certificate, rows

    def verify(self, certificate, *more, key=None, status=HOLDS):
        run = stele("verify", certificate, "--key", key or self.key, *more)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout

    def certified(self, *arguments, name="search"):
        certificate, rows = self.query(*arguments, name=name)
        return self.verify(certificate, "--rows", rows)

    def test_what_is_found_and_what_is_not_holds_before_and_after_sealing(self):
        self.fill()
        for kind, found in (("t7", 14), ("nobody", 0)):
            said = self.certified("a", "--event-type", kind)
            self.assertIn(f"{found} of {RECORDS} records match", said)
            self.assertRegex(said, r"open +scanned .* 701 entries")
        self.seal()
        for kind, found in (("t7", 14), ("nobody", 0)):
            said = self.certified("a", "--event-type", kind)
            self.assertIn(f"{found} of {RECORDS} records match", said)
            self.assertRegex(said, r"ok +index .*1 signed segments have 701 entries")
            self.assertNotIn("open", said)

    def test_older_certificates_hold_when_records_come_segments_merge_and_keys_change(self):
        self.fill()
        self.seal()
        old = self.query("a", "--event-type", "t7", name="old")
        self.fill(n=50)
        self.seal()
        self.assertEqual(stele("key", "rotate", "a", server=self.server).returncode, 0)
        self.fill(n=20)
        said = self.certified("a", "--event-type", "t7")
        self.assertRegex(said, r"ok +index .*entries")
        self.assertRegex(said, r"open +scanned")
        self.verify(old[0], "--rows", old[1])
        self.seal()
        self.assertNotIn("open", self.certified("a", "--event-type", "t7"))
        self.assertEqual(
            stele("key", "rotate", "--identity", server=self.server).returncode, 0)
        self.certified("a", "--event-type", "t7")
        several = self.query("a", "b", "--event-type", "t7", name="several")
        self.verify(*several[:1], "--rows", several[1])
        self.verify(several[0], "--no-successions", status=REFUSED)

    def test_all_of_a_filter_is_said_however_long(self):
        self.fill(n=9)
        asked = " OR ".join(f'event_type = "é{i}"' for i in range(60))
        self.assertIn(f"  {asked}\n", self.certified("a", "--filter", asked))

    def test_several_logs_are_signed_for_by_the_identity_and_one_by_its_own_key(self):
        for log in ("a", "b"):
            self.fill(log)
        self.seal("a")
        both, rows = self.query("a", "b", "--event-type", "t7", "--desc")
        said = self.verify(both, "--rows", rows)
        self.assertEqual(said.count("14 of 700 records match"), 2)
        log_key = self.server.vkey("a")
        self.verify(both, key=log_key, status=REFUSED)
        one, rows = self.query("a", "--event-type", "t7")
        self.verify(one, "--rows", rows, key=log_key)
        self.verify(one, key=self.server.vkey("b"), status=REFUSED)
        for wrong in (["--rows", both], ["--since", one]):
            self.verify(one, *wrong, status=USAGE)

    def test_rows_are_exactly_the_matches(self):
        self.fill()
        self.seal()
        certificate, rows = self.query("a", "--event-type", "t7")
        page = json.loads(rows.read_text())
        lines = [json.dumps(row) for row in page["records"]]
        other = self.folder / "other.rows"
        other.write_text("\n".join(reversed(lines)))
        self.verify(certificate, "--rows", other)
        other.write_text("\n".join(lines[1:]))
        self.assertIn("1 matches are not among the rows",
                      self.verify(certificate, "--rows", other, status=REFUSED))
        more = json.dumps({**page["records"][0], "index": 3})
        other.write_text("\n".join([*lines, more]))
        self.assertIn("record 3 of a is among the rows, and not certified",
                      self.verify(certificate, "--rows", other, status=REFUSED))
        other.write_text("\n".join([*lines, lines[0]]))
        self.verify(certificate, "--rows", other, status=USAGE)
        other.write_text("{}")
        self.verify(certificate, "--rows", other, status=USAGE)

    def test_rows_come_beside_it_all(self):
        self.fill(n=2100, kind="t1")
        self.seal()
        said = self.certified("a", "--event-type", "t1")
        self.assertIn("2100 of 2100 records match", said)

    def test_nothing_of_one_may_be_altered_or_of_another(self):
        self.fill()
        self.seal()
        certificate, _ = self.query("a", "--event-type", "t7")
        older = certificate.read_bytes()
        self.fill(n=10)
        newer = self.query("a", "--event-type", "t7")[0].read_bytes()
        other = self.query("a", "--event-type", "t8")[0].read_bytes()
        cut = older.index(b"\n\n") + 1
        bad = [older[:cut] + newer[newer.index(b"\n\n") + 1:],
               older[:cut] + other[other.index(b"\n\n") + 1:],
               older[:-1], older + b"\n", older + older.splitlines(True)[-1], older[cut + 1:]]
        lines = older.splitlines(True)
        for i, line in enumerate(lines):
            bad.append(b"".join(lines[:i] + lines[i + 1:]))
            bad.append(b"".join(lines[:i] + [line] + lines[i:]))
        for at in range(0, len(older), len(older) // 40):
            bad.append(older[:at] + bytes([older[at] ^ 1]) + older[at + 1:])
        file = self.folder / "bad.cert"
        for n, text in enumerate(bad):
            file.write_bytes(text)
            run = stele("verify", file, "--key", self.key)
            self.assertIn(run.returncode, (REFUSED, USAGE), (n, run.stdout))

    def test_it_is_recorded_who_had_one_with_its_digest(self):
        self.fill()
        certificate, _ = self.query("a", "--event-type", "t7")
        digest = hashlib.sha256(certificate.read_bytes()).hexdigest()

        def records():
            size = self.server.get("/api/v1/logs/_access").json()["size"]
            return [self.server.get(f"/api/v1/logs/_access/records/{i}").body for i in range(1, size)]

        until(lambda: any(digest.encode() in r for r in records()), "a record of it")
        [record] = [json.loads(r) for r in records() if digest.encode() in r]
        self.assertEqual(record["type"], "query")
        self.assertIs(record["certified"], True)
        self.assertEqual(record["certificate"], digest)
        self.assertEqual((record["matched"], record["rows"]), (14, 0))

    def test_only_who_may_read_all_of_the_logs_gets_one(self):
        body = json.dumps({"scopes": ["read"], "logs": ["a"]})
        token = self.server.post("/api/v1/tokens", body, JSON).json()["token"]
        reader = self.server.connect(token)
        self.addCleanup(reader.close)
        path = "/api/v1/records?certify=true&logs="
        self.assertEqual(reader.get(path + "a").status, 200)
        self.assertEqual(reader.get(path + "a,b").status, 403)
        text = reader.get(path + "*").body
        self.assertIn(b"/a\n", text)
        self.assertNotIn(b"/b\n", text)
        body = json.dumps({"scopes": ["verify"], "logs": ["a"]})
        token = self.server.post("/api/v1/tokens", body, JSON).json()["token"]
        other = self.server.connect(token)
        self.addCleanup(other.close)
        self.assertEqual(other.get(path + "a").status, 403)

    def test_the_index_of_what_waits_for_its_erasure_is_not_shown(self):
        policy = {"mode": "governance", "retain": {"default": "1d"}}
        self.server.create_log("kept", policy)
        self.fill("kept")
        self.seal("kept")
        answer = self.server.post("/api/v1/logs/kept/erasures",
                                  json.dumps({"case": "c", "records": [[8, 8]]}), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        body = json.dumps({"scopes": ["read"], "logs": ["kept"]})
        reader = self.server.connect(self.server.post("/api/v1/tokens", body, JSON).json()["token"])
        self.addCleanup(reader.close)
        file = self.folder / "restricted.cert"
        answer = reader.get("/api/v1/logs/kept/records?certify=true&event_type=t7")
        self.assertEqual(answer.status, 200)
        self.assertNotIn(b"\nhead ", answer.body)
        file.write_bytes(answer.body)
        said = self.verify(file)
        self.assertIn("13 of 700 records match", said)
        self.assertIn("1 wait for their erasure", said)
        self.assertRegex(said, r"open +scanned .* 701 entries")

    def test_what_was_purged_is_counted_and_the_rest_still_certified(self):
        self.fill()
        self.seal()
        self.assertEqual(self.server.stop(), 0)
        purge = subprocess.run([BUILD / "tests/purge_store", self.server.data, "a", "8", "8"],
                               capture_output=True, text=True, check=False)
        self.assertEqual(purge.returncode, 0, purge.stdout + purge.stderr)
        self.server.start()
        said = self.certified("a", "--event-type", "t7")
        self.assertIn("13 of", said)
        self.assertIn("1 are purged", said)

    def test_cursors_pin_the_same_trees_and_questions_without_sense_are_refused(self):
        self.fill()
        path = "/api/v1/logs/a/records?event_type=t7&limit=5"
        first = self.server.get(path).json()
        self.fill(n=100)
        answer = self.server.get(f"{path}&certify=true&cursor={first['next']}")
        self.assertEqual(answer.status, 200)
        self.assertIn(b"\nsize 701\n", answer.body)
        self.assertNotIn("stele-next", answer.headers)
        pinned = self.server.get(f"{path}&certify=true&as_of=300")
        self.assertIn(b"\nsize 300\n", pinned.body)
        rows = self.server.get(f"{path}&as_of=300&cursor={pinned.headers['stele-next']}")
        self.assertEqual(rows.json()["logs"], [{"log": "a", "size": 300}])
        for query, status in (("certify=maybe", 400), ("certify=true&as_of=0", 400),
                              ("certify=true&stream=true&format=ndjson", 400),
                              ("certify=true&sha256=" + 64 * "0", 400)):
            self.assertEqual(self.server.get(f"/api/v1/logs/a/records?{query}").status, status)
        self.assertEqual(self.server.get("/api/v1/records?logs=zz*&certify=true").status, 400)

    def test_a_table_beside_a_certificate_has_its_first_line_once(self):
        self.fill()
        for order in ([], ["--desc"]):
            run = stele("query", "a", "--event-type", "t7", "--csv", *order, "--certify",
                        self.folder / "csv.cert", server=self.server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(len(run.stdout.splitlines()), 1 + 14)
            self.assertTrue(run.stdout.startswith("log,"), run.stdout[:80])

    def test_a_filter_with_any_character_is_stated_on_one_line(self):
        self.fill()
        certificate, _ = self.query("a", "--filter", 'subject = "a\\nb\\u0001" OR type = "t7"')
        self.assertIn("14 of", self.verify(certificate))


class Memory(unittest.TestCase):
    def test_certificates_that_are_being_made_count_among_the_answers(self):
        asked = "/api/v1/logs/a/records?certify=true&filter=a%3D"
        lines = "\n".join(f'{{"a":{i % 2}}}' for i in range(10000))
        with Server(options=["--min-free", "0", "--answer-bytes", "1M"]) as server:
            server.create_log("a")
            for _ in range(8):  # 40,000 runs of one match take more than half of it
                answer = server.post("/api/v1/logs/a/records", lines, NDJSON)
                self.assertEqual(answer.status, 201, answer.body)
            self.assertEqual(server.get(asked + "1").status, 503)
            self.assertEqual(server.get(asked + "2").status, 200)
            self.assertIn(b"\nstele_answer_bytes 0\n", server.get("/metrics").body)


if __name__ == "__main__":
    unittest.main()
