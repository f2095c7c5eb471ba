#!/usr/bin/env python3
"""stele verify: what holds, what does not, and that nothing altered passes."""
import json
import random
import tempfile
import unittest
from pathlib import Path

from cli_test import REFUSED, USAGE, CliTest
from lib import Server, stele


class Evidence(CliTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared = tempfile.TemporaryDirectory(prefix="stele-test-")
        cls.addClassCleanup(cls.shared.cleanup)
        here = Path(cls.shared.name)
        stele("log", "create", "evidence", server=cls.server)
        cls.payload = here / "payload"
        cls.payload.write_text('{"actor":"alice","action":"pay"}')
        cls.lines = here / "lines.ndjson"
        cls.lines.write_text("".join(f'{{"n":{n}}}\n\n' for n in range(40)))
        cls.receipt, cls.receipts = here / "append.receipt", here / "all.receipts"
        stele("append", "evidence", cls.payload, "--receipts", cls.receipt, server=cls.server)
        cls.kept = here / "kept.checkpoint"
        stele("checkpoint", "evidence", "-o", cls.kept, server=cls.server)
        stele(
            "append", "evidence", cls.lines, "--ndjson", "--receipts", cls.receipts,
            server=cls.server,
        )
        cls.json, cls.text = here / "one.json", here / "one.tlog-proof"
        cls.grown = here / "grown.json"
        stele("prove", "evidence", 1, "-o", cls.json, server=cls.server)
        stele("prove", "evidence", 1, "-o", cls.text, server=cls.server)
        stele("checkpoint", "evidence", "--since", cls.kept, "-o", cls.grown, server=cls.server)
        cls.identity = stele("key", "show", server=cls.server).stdout.strip()
        cls.key = stele("key", "show", "evidence", server=cls.server).stdout.strip()
        cls.keys = here / "keys"
        cls.keys.write_text(stele("key", "show", "evidence", "--statement", server=cls.server).stdout)

    def test_all_forms_verify_without_a_server(self):
        payload = ["--payload", self.payload]
        for arguments in (
            [self.json, "--key", self.identity],
            [self.json, "--key", self.key],
            [self.receipt, *payload, "--key", self.key],
            [self.receipt, *payload, "--key", self.identity, "--keys", self.keys],
            [self.text, *payload, "--key", self.key],
            [self.text, *payload, "--key", self.identity, "--keys", self.keys],
            [self.receipts, "--payload", self.lines, "--key", self.key],
            [self.kept, "--key", self.key],
            [self.kept, self.text, *payload, self.json, "--key", self.key],
            [self.grown, "--since", self.kept, "--key", self.key],
            [self.json, "--key", f"@{self.file('vkey', self.identity)}"],
        ):
            run = self.offline("verify", *arguments)
            self.assertRegex(run.stdout, r"(?m)^VALID: (1 receipt|\d+ receipts|1 checkpoint|2 receipts, 1 checkpoint)$")

    def test_a_payload_that_is_not_there_is_called_open(self):
        run = self.offline("verify", self.text, "--key", self.key)
        self.assertRegex(run.stdout, r"open +payload +NOT checked")
        self.assertIn("1 without their payload", run.stdout)
        verdict = self.offline("--json", "verify", self.receipts, "--key", self.key).stdout
        self.assertEqual(json.loads(verdict.splitlines()[-1])["payloads_not_checked"], 40)

    def test_json_says_every_check(self):
        run = self.offline("--json", "verify", self.json, "--key", self.identity)
        rows = [json.loads(line) for line in run.stdout.splitlines()]
        checks = [row["check"] for row in rows[:-1]]
        expected = "entry claims checkpoint key signature origin inclusion payload".split()
        self.assertEqual(checks, expected)
        self.assertEqual({row["result"] for row in rows[:-1]}, {"ok"})
        self.assertEqual(rows[-1]["verdict"], "valid")

    def test_the_wrong_key_is_refused(self):
        other = Server(options=["--origin", "ledger.example.com"]).start()
        try:
            other.create_log("evidence")
            identity = stele("key", "show", server=other).stdout.strip()
            key = stele("key", "show", "evidence", server=other).stdout.strip()
        finally:
            other.kill()
            other.remove()
        self.offline("verify", self.json, "--key", identity, status=REFUSED)
        run = self.offline("verify", self.text, "--key", key, status=REFUSED)
        self.assertRegex(run.stdout, r"INVALID +signature")
        run = self.offline("verify", self.text, "--key", self.identity, status=REFUSED)
        self.assertRegex(run.stdout, r"INVALID +key .*--keys")

    def flips(self, source, *arguments, every):
        """Flips one bit at a time; no altered file may verify. Returns how many were tried."""
        data, tried = source.read_bytes(), 0
        rng = random.Random(source.name)
        for at in range(0, len(data), every):
            changed = bytearray(data)
            changed[at] ^= 1 << rng.randrange(8)
            path = self.file("flipped" + source.suffix, bytes(changed))
            run = stele("verify", *[path if a is source else a for a in arguments])
            self.assertIn(run.returncode, (REFUSED, USAGE), f"bit in byte {at}\n{run.stdout}")
            tried += 1
        return tried

    def test_a_payload_that_nothing_was_held_against_is_not_passed_over(self):
        run = self.offline(
            "verify", self.kept, "--payload", self.payload, "--key", self.key, status=USAGE
        )
        self.assertIn("NOT VALID", run.stdout)

    def test_no_altered_proof_payload_or_checkpoint_verifies(self):
        text = [self.text, "--payload", self.payload, "--key", self.key]
        self.assertGreater(self.flips(self.text, *text, every=7), 100)
        self.flips(self.payload, *text, every=1)
        self.flips(self.kept, self.kept, "--key", self.key, every=1)
        since = [self.grown, "--since", self.kept, "--key", self.key]
        self.flips(self.kept, *since, every=3)

    def test_no_altered_member_of_a_receipt_verifies(self):
        whole = json.loads(self.json.read_text())
        for name in ("entry", "salt", "checkpoint", "payload", "log", "time",
                     "media_type"):
            changed = dict(whole)
            letter = "A" if changed[name][9 % len(changed[name])] != "A" else "B"
            changed[name] = changed[name][: 9 % len(whole[name])] + letter + changed[name][10:]
            path = self.file("changed.json", json.dumps(changed))
            self.offline("verify", path, "--key", self.identity, status=REFUSED)
        for change in (
            {"index": 2},
            {"proof": whole["proof"][:-1]},
            {"proof": whole["proof"][::-1]},
            {"checkpoint": ""},
            {"keys": []},
        ):
            path = self.file("changed.json", json.dumps(whole | change))
            self.offline("verify", path, "--key", self.identity, status=REFUSED)
        for name in ("entry", "salt", "checkpoint", "keys"):
            less = {k: v for k, v in whole.items() if k != name}
            path = self.file("changed.json", json.dumps(less))
            self.offline("verify", path, "--key", self.identity, status=REFUSED)

    def test_one_bad_receipt_among_many_is_named(self):
        rows = self.receipts.read_text().splitlines()
        row = json.loads(rows[17])
        row["salt"] = json.loads(rows[18])["salt"]
        rows[17] = json.dumps(row)
        path = self.file("many", "\n".join(rows) + "\n")
        run = self.offline(
            "verify", path, "--payload", self.lines, "--key", self.key, status=REFUSED
        )
        self.assertIn("line 18", run.stdout)
        self.assertIn("39 valid, 1 invalid", run.stdout)

    def test_what_is_no_evidence_is_unreadable(self):
        for content in ("{", '{"a":1}x', "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v9\n"):
            self.offline("verify", self.file("x", content), "--key", self.key, status=USAGE)
        self.offline("verify", self.file("none"), "--key", self.key, status=USAGE)
        self.offline("verify", self.file("empty", ""), "--key", self.key, status=USAGE)
        for content in ("hello\n", "# A page\n\nwith text\n", "\x7fELF"):
            run = self.offline("verify", self.file("x", content), "--key", self.key, status=USAGE)
            self.assertIn("it is no evidence", run.stdout)
        # Not signed at all: that is not unreadable, that is invalid.
        bare = self.file("bare", self.kept.read_text().split("\n\n")[0] + "\n")
        self.offline("verify", bare, "--key", self.key, status=REFUSED)

    def test_key_statements_beyond_the_limit_are_not_passed_over(self):
        receipt = json.loads(self.json.read_text())
        own = receipt["keys"]
        for others, status in ((1024 - len(own), 0), (1024, USAGE)):
            receipt["keys"] = [f"{n}" for n in range(others)] + (own if status == 0 else [])
            run = self.offline("verify", self.file("many.json", json.dumps(receipt)), "--key",
                               self.identity, "--keys", self.keys, status=status)
        self.assertIn("more than 1024 key statements", run.stdout)

    def test_a_file_of_many_logs_statements_finds_its_own(self):
        others = self.keys.read_text().replace("/evidence+", "/other+")  # proves nothing, harms nothing
        self.assertIn("/other+", others)
        many = self.file("many.keys", others.rstrip("\n") + "\n" + self.keys.read_text())
        receipt = json.loads(self.json.read_text())
        del receipt["keys"]
        bare = self.file("bare.json", json.dumps(receipt))
        self.offline("verify", bare, "--key", self.identity, "--keys", many)
        statement = "stele key v1\nx/o{}+00000000+AA\n0\n0\n\n\u2014 x AAAAAAA=\n"
        most = "".join(statement.format(n) for n in range(1023)) + self.keys.read_text()
        self.offline("verify", bare, "--key", self.identity, "--keys", self.file("1024", most))
        run = self.offline("verify", bare, "--key", self.identity, "--keys",
                           self.file("1025", statement.format("x") + most), status=USAGE)
        self.assertIn("more than 1024 key statements", run.stderr)

    def test_wrong_files_are_named_without_their_content(self):
        run = self.offline("verify", self.folder, "--key", self.key, status=USAGE)
        self.assertIn("it is a folder: give the bundle's ZIP file itself", run.stdout)
        self.assertIn("\nNOTHING CHECKED: 1 unreadable\n", run.stdout)
        run = self.offline("verify", self.json, "--key", f"@{self.receipts}", status=USAGE)
        self.assertNotIn("alice", run.stderr)
        run = self.offline("verify", self.json, "--key", f"@{self.kept}", status=USAGE)
        self.assertIn(str(self.kept), run.stderr)
        self.assertLess(len(run.stderr), 300)

    def test_a_given_payload_is_checked_beside_the_one_in_the_receipt(self):
        key = ["--key", self.key]
        self.offline("verify", self.json, "--payload", self.payload, *key)
        other = self.file("other", self.payload.read_text().replace("alice", "mallo"))
        run = self.offline("verify", self.json, "--payload", other, *key, status=REFUSED)
        self.assertRegex(run.stdout, r"INVALID +payload")
        changed = json.loads(self.json.read_text())
        changed["payload"] = other.read_text()
        path = self.file("changed.json", json.dumps(changed))
        for given in (self.payload, other):
            run = self.offline("verify", path, "--payload", given, *key, status=REFUSED)
            self.assertRegex(run.stdout, r"INVALID +payload")

    def test_a_file_of_receipts_has_its_sum(self):
        run = self.offline("verify", self.receipts, "--payload", self.lines, "--key", self.key)
        self.assertIn(f"{self.receipts}: 40 valid receipts of ledger.example.com/evidence, "
                      "index 2 to 41, in signed trees of up to 42 entries\n", run.stdout)
        run = self.offline("verify", self.receipts, "--key", self.key)
        self.assertIn("; 40 without their payload\n", run.stdout)

    def test_failures_alike_are_counted_not_repeated(self):
        run = self.offline("verify", self.receipts, "--key", self.identity, status=REFUSED)
        self.assertEqual(run.stdout.count("INVALID"), 3)
        self.assertIn("and 37 more receipts fail at: key", run.stdout)
        self.assertIn("0 valid, 40 invalid", run.stdout)
        run = self.offline("--json", "verify", self.receipts, "--key", self.identity, status=REFUSED)
        self.assertEqual(run.stdout.count("INVALID"), 40)

    def test_growth_is_proven_and_its_absence_said(self):
        run = self.offline("verify", self.grown, "--since", self.kept, "--key", self.key)
        self.assertRegex(run.stdout, r"ok +consistency")
        now = self.file("now.checkpoint")
        self.run_stele("checkpoint", "evidence", "-o", now)
        run = self.offline("verify", now, "--since", self.kept, "--key", self.key, status=REFUSED)
        self.assertIn("no proof", run.stdout)
        run = self.offline("verify", self.kept, "--since", now, "--key", self.key, status=REFUSED)
        self.assertIn("rolled back", run.stdout)
        proof = self.file("proof.json")
        self.run_stele("prove", "evidence", 1, "--since", self.kept, "-o", proof)
        self.offline("verify", proof, "--since", self.kept, "--key", self.identity)
        self.run_stele("checkpoint", "evidence", "--since", self.payload, status=USAGE)

    def test_prove_can_leave_the_payload_out(self):
        path = self.file("bare.json")
        self.run_stele("prove", "evidence", 1, "--no-payload", "-o", path)
        self.assertNotIn("alice", path.read_text())
        self.offline("verify", path, "--payload", self.payload, "--key", self.identity)


if __name__ == "__main__":
    unittest.main()
