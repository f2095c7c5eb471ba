#!/usr/bin/env python3
"""What stele verify says of an evidence bundle beside its verdict: what it is, what is in it, what was not looked at, and
what a reader who has nothing else can do about it."""
import json
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

from verify_case import AT, CHECKS, KINDS, STELE, Case, rich, selection, succeeded, verify

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
from bundle_model import Server, b64  # noqa: E402


def utc(entry):
    return f"{entry['time'][:10]} {entry['time'][11:19]} UTC"


class Words(Case):
    def printed(self, archive, key, *more):
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            path = Path(folder) / "b.zip"
            path.write_bytes(archive)
            return subprocess.run([STELE, "verify", path, "--key", key, *more], capture_output=True, text=True, check=False).stdout

    def test_it_says_what_the_bundle_is_and_has(self):
        for name, make in KINDS.items():
            b = make()
            with self.subTest(name):
                said = self.holds(b.archive(), b)
                self.assertNotIn("claims", said)
                covers, document = said["covers"], b.document()
                self.assertEqual([covers[k] for k in ("requester", "reason", "begun")], [document[k] for k in ("requester", "reason", "begun")])
                text = self.printed(b.archive(), b.trusted.vkey)
                self.assertIn(f"  What it is\n    Export            {b.export}\n    Server            {b.server.name}\n"
                              f"    Asked for by      {document['requester']}\n    Reason            {document['reason'] or 'none was given'}\n", text)
                self.assertIn("    Kind              " + ("range: all entries of" if b.kind == "range" else "selection: what was asked"), text)
                self.assertEqual(len(covers["logs"]), len(b.parts))
                for log, part in zip(covers["logs"], b.parts):
                    entries = [json.loads(part.log.records[i].entry) for i in part.indexes]
                    control = sum(e["kind"] != "record" for e in entries)
                    self.assertEqual(
                        [log[k] for k in ("origin", "size", "whole", "entries", "records", "control_entries", "first", "last", "received_from", "received_to")],
                        [part.log.origin, part.size, len(entries) == part.size, len(entries), len(entries) - control, control,
                         part.indexes[0], part.indexes[-1], entries[0]["time"], entries[-1]["time"]])
                    whole_log = ": the whole log" if log["whole"] else ""
                    gaps = ", with gaps" if log["runs"] > 1 else ""
                    self.assertIn(f"  Log {part.log.origin}\n    Entries here      {len(entries)} of {part.size} in the log{whole_log}\n"
                                  f"    Their indexes     {part.indexes[0]} to {part.indexes[-1]}{gaps}\n    Received          {utc(entries[0])} to {utc(entries[-1])}", text)
                    self.assertIn(f"    Records           {len(entries) - control} of these entries\n    Control entries   {control} of these entries", text)
                self.assertEqual(gaps != "", name == "selection")

    def test_what_does_not_hold_says_only_what_it_claims(self):
        b, stranger = rich(), Server(seed="stranger").identity
        forged = b.archive(b.seal(b.data(), signer=stranger))
        _, said = verify(forged, b.trusted.vkey)
        self.assertNotIn("covers", said)
        self.assertEqual((said["claims"]["requester"], said["claims"]["logs"][0].get("received_from")), (b.document()["requester"], None))
        text = self.printed(forged, b.trusted.vkey)
        self.assertIn("  What it claims to be, and none of it is proven\n", text)
        for proven in ("What it is", "Received", "Records", "Their indexes"):
            self.assertNotIn(proven, text)
        # nothing can be said of what is no bundle
        _, said = verify(b.archive()[:-1], b.trusted.vkey)
        self.assertEqual({"covers", "claims"} & set(said), set())

    def test_what_somebody_wrote_stays_on_its_line(self):
        b = bundle_maker.make("range")
        b.request = b.request | {"reason": "a\n  VALID: 9 bundles\x1b[2J"}
        text = self.printed(b.archive(), b.trusted.vkey)
        self.assertIn("    Reason            a?  VALID: 9 bundles?[2J\n", text)

    def test_lists_that_nobody_signed_are_not_called_signed(self):
        b, stranger = rich(), Server(seed="stranger").identity
        text = self.printed(b.archive(b.seal(b.data(), signer=stranger)), b.trusted.vkey)
        lines = text.split("\n")
        self.assertEqual([line.split()[:2] for line in lines[1:4]], [["ok", "archive"], ["ok", "manifest"], ["INVALID", "signature"]])
        self.assertRegex(lines[2], "as the lists in the bundle say: [0-9]+; whose lists they are, the signature alone says$")
        self.assertEqual(lines[4], "  not checked: " + ", ".join(CHECKS[3:]))
        self.assertTrue(text.endswith("\nNOT VALID: 0 valid, 1 invalid, 0 unreadable\n"), text)

    def test_the_last_line_counts_bundles_and_what_is_open(self):
        b = rich()
        self.assertTrue(self.printed(b.archive(), b.trusted.vkey).endswith("\nVALID: 1 bundle, with 2 things left open (see above)\n"))
        self.assertNotIn("not checked", self.printed(b.archive(), b.trusted.vkey))
        b = selection()
        self.assertTrue(self.printed(b.archive(), b.trusted.vkey).endswith("\nVALID: 1 bundle, with 3 things left open (see above)\n"))

    def test_json_tells_apart_what_was_not_looked_at(self):
        b = selection()
        said = self.holds(b.archive(), b)
        self.assertEqual({c["name"] for c in said["checks"] if c["result"] == "open"}, {"consistency", "timestamps", "completeness"})
        self.assertEqual({c["result"] for c in said["checks"]}, {"ok", "open"})
        _, said = verify(b.archive(), Server(seed="stranger").identity.vkey)
        self.assertEqual([c["result"] for c in said["checks"]], ["ok", "ok", "failed"] + ["not_checked"] * (len(CHECKS) - 3))

    def test_a_wrong_key_and_an_altered_signature_are_told_apart(self):
        b, other = rich(), Server(seed="stranger").identity
        text = self.printed(b.archive(), other.vkey)
        claimed, given = ("+".join(key.split("+")[:2]) for key in (b.trusted.vkey, other.vkey))
        self.assertIn(f"the bundle claims to be signed with the key {claimed}, and the key given is {given}: either it is not from that "
                      "server, or the wrong key was given", text)
        files = b.files()
        files["signature"] = files["signature"].replace(b.export.encode(), b"x-aaaaaaaaaa")
        self.assertIn("what is signed was altered", self.printed(b.archive(files), b.trusted.vkey))

    def test_a_repacked_zip_is_called_that(self):
        b = bundle_maker.make("range")
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            path = Path(folder) / "again.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
                for name, data in b.files().items():
                    z.writestr(f"stele-{b.export}/{name}", data)
            self.refused(path.read_bytes(), b, "archive", why="it was probably unpacked and packed again: ask for the original file")
        found = self.refused(b.archive()[:-1], b, "archive", why="cut off")
        self.assertNotIn("packed again", found["reason"])

    def test_a_kept_checkpoint_is_checked_with_the_bundles_keys_txt(self):
        for b in (rich(), succeeded()):
            files = b.files()
            with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
                kept, keys = Path(folder) / "checkpoint", Path(folder) / "keys.txt"
                kept.write_bytes(files[AT + "checkpoint"])
                keys.write_bytes(files[AT + "keys.txt"])

                def check(*more, kept=kept, key=b.trusted.vkey):
                    return subprocess.run([STELE, "verify", kept, "--key", key, *more], capture_output=True, text=True, check=False)

                alone = check()
                self.assertEqual(alone.returncode, 1)
                self.assertIn("a bundle's data/LOG/keys.txt", alone.stdout)
                self.assertEqual(check("--keys", keys).returncode, 0)
                self.assertTrue(check("--keys", keys).stdout.endswith("\nVALID: 1 checkpoint\n"))
                # what is wrong with it is said, with its line
                rows = files[AT + "keys.txt"]
                for bad in (rows + b"key !\n", rows + b"key " + b64(b"stele key v1").encode() + b"\n", rows + b"\n", rows[:-1] + b"x"):
                    keys.write_bytes(bad)
                    run = check("--keys", keys)
                    self.assertEqual(run.returncode, 3, run.stdout)
                    self.assertIn("is neither a key statement nor a succession note", run.stderr)

    def test_help_is_its_own(self):
        alone = STELE.parent / "stele-verify"
        if not alone.exists():
            self.skipTest("it is not built here")
        text = subprocess.run([alone, "--help"], capture_output=True, text=True, check=True).stdout
        self.assertTrue(text.startswith("usage: stele-verify FILE... --key"))
        self.assertIn("\n  stele-verify evidence.zip --key", text)
        for other in ("stele verify", "stele --help", "--server"):
            self.assertNotIn(other, text)
        options = text.split("\noptions:\n")[1]
        for name in "key keys no-successions payload since policy tsa-ca rows json".split():
            self.assertRegex(options, rf"(?m)^ +--{name}\b")
        for name in CHECKS:
            self.assertRegex(text, rf"(?m)^  {name} +\w")
        self.assertIn("'open' says that", text)
        bare = subprocess.run([alone], capture_output=True, text=True, check=False)
        self.assertEqual((bare.returncode, bare.stdout), (3, ""))
        self.assertRegex(bare.stderr, "^stele-verify: FILE is missing, and so is --key: .*\nusage: stele-verify FILE")
        full = subprocess.run([STELE, "verify", "--help"], capture_output=True, text=True, check=True).stdout
        self.assertTrue(full.startswith("usage: stele verify FILE... --key"))
        self.assertIn("stele --help", full)


if __name__ == "__main__":
    unittest.main()
