#!/usr/bin/env python3
"""stele export: one command to a file, in pieces, encrypted, broken off, and what is there already."""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from bundle_files import Bundle
from exports_test import Case
from lib import stele, until

AGE = shutil.which("age", path=f"{os.environ['PATH']}:{os.environ.get('STELE_AGE', '')}")


class CommandLine(Case):
    def run_export(self, *arguments, status=0):
        run = stele(*arguments, server=self.server, cwd=self.folder)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def test_export_in_one_command(self):
        self.append([{"user": {"name": "alice" if i % 2 else "bob"}} for i in range(1, 11)])
        checkpoint = self.folder / "old"
        checkpoint.write_bytes(self.server.get("/logs/pay/checkpoint").body)
        self.append([{"n": 11}])
        text = self.run_export("export", "pay", "--since", checkpoint, "--reason", "Case 7", "-o", "all.zip")
        bundle = Bundle((self.folder / "all.zip").read_bytes())
        self.assertIn(bundle.json["export"], text)
        self.assertEqual(len(bundle.records("pay")), 12)
        self.assertEqual([line["from"] for line in bundle.lines("data/pay/consistency.ndjson")], [11])
        self.run_export("export", "pay", "--filter", 'user.name = "alice"', "--certify", "-o", "some.zip")
        self.assertEqual(len(Bundle((self.folder / "some.zip").read_bytes()).records("pay")), 5)
        self.run_export("export", "pay", "--records", "2,4-5", "-o", "named.zip")
        self.assertEqual(list(Bundle((self.folder / "named.zip").read_bytes()).records("pay")), [2, 4, 5])
        doc = json.loads(self.run_export("--json", "export", "pay", "--first", "1", "--last", "2"))
        self.assertEqual(doc["files"], [f"stele-{doc['id']}.zip"])
        self.assertIn(doc["id"], self.run_export("export", "list"))
        self.assertIn("finished", self.run_export("export", "show", doc["id"]))
        self.run_export("export", "remove", doc["id"])
        self.assertIn("removed", self.run_export("export", "show", doc["id"]))
        self.run_export("export", "get", doc["id"], status=1)
        for wrong in (["export"], ["export", "pay", "--records", "x"], ["export", "pay", "--encrypt-to", "age1x"],
                      ["export", "pay", "--split", "1"]):
            self.run_export(*wrong, status=3)
        self.assertEqual(list(self.folder.glob("*.part")), [])

    def test_a_download_goes_on_where_it_broke_off(self):
        self.append([{"n": i, "x": "y" * 90} for i in range(5000)])
        made = self.bundle(logs=["pay"])
        part = self.folder / f"b.zip.{made.shown['sha256'][:8]}.part"
        part.write_bytes(made.data[:30000])
        self.run_export("export", "get", made.shown["id"], "-o", "b.zip")
        self.assertEqual((self.folder / "b.zip").read_bytes(), made.data)
        downloads = [json.loads(r["payload"]) for r in self.access() if '"download"' in r["payload"]]
        self.assertIn(30000, [d["from"] for d in downloads])
        (self.folder / "b.zip").unlink()
        part.write_bytes(b"x" + made.data[1:30000])  # not of this bundle
        self.assertIn("Nothing was", self.run_export("export", "get", made.shown["id"], "-o", "b.zip", status=1))
        self.assertFalse(part.exists())

    def access(self):
        rows = []

        def are_there():
            rows[:] = self.server.get("/api/v1/logs/_access/records?limit=1000").json()["records"]
            return sum('"download"' in r["payload"] for r in rows) >= 2

        until(are_there, "downloads are recorded")
        return rows

    def test_pieces_joined_are_the_bundle(self):
        self.append([{"n": i, "x": base64.b64encode(os.urandom(30)).decode()} for i in range(500)])
        doc = json.loads(self.run_export("--json", "export", "pay", "--split", "4K", "-o", "b.zip"))
        names = sorted(self.folder.glob("b.zip.*"))
        self.assertEqual([str(n.name) for n in names], [Path(f).name for f in doc["files"]])
        self.assertEqual([n.name for n in names][:2], ["b.zip.001", "b.zip.002"])
        self.assertEqual({n.stat().st_size for n in names[:-1]}, {4096})
        joined = b"".join(n.read_bytes() for n in names)
        self.assertEqual(hashlib.sha256(joined).hexdigest(), doc["sha256"])
        self.run_export("export", "get", doc["id"], "--split", "1K", "-o", "c.zip")
        self.assertEqual(b"".join(n.read_bytes() for n in sorted(self.folder.glob("c.zip.*"))), joined)

    def test_what_is_there_already_is_kept(self):
        self.append([{"n": i, "x": base64.b64encode(os.urandom(30)).decode()} for i in range(100)])
        doc = json.loads(self.run_export("--json", "export", "pay", "-o", "b.zip"))
        bundle = (self.folder / "b.zip").read_bytes()
        again = ["export", "get", doc["id"], "-o"]
        self.assertIn("b.zip is there already", self.run_export(*again, "b.zip", status=3))
        # a piece behind the last one would go on where they end
        stale = self.folder / f"c.zip.{len(bundle) // 4096 + 2:03}"
        stale.write_text("of an earlier time")
        self.assertIn(f"{stale.name} is there already", self.run_export(*again, "c.zip", "--split", "4K", status=3))
        self.assertEqual([f.name for f in self.folder.glob("c.zip*")], [stale.name])
        # nor is a name followed that somebody laid out for the bytes under way
        part = self.folder / f"d.zip.{doc['sha256'][:8]}.part"
        victim = self.folder / "victim"
        victim.write_text("kept")
        part.symlink_to(victim)
        self.run_export(*again, "d.zip", status=3)
        part.unlink()
        os.mkfifo(part)
        self.assertIn("is no file", self.run_export(*again, "d.zip", status=3))
        self.assertEqual(victim.read_text(), "kept")
        self.assertEqual((self.folder / "b.zip").read_bytes(), bundle)

    @unittest.skipUnless(AGE, "the package age is not installed")
    def test_age_opens_what_is_encrypted(self):
        keys = []
        for name in ("one", "two"):
            keygen = subprocess.run([Path(AGE).with_name("age-keygen"), "-o", self.folder / name],
                                    capture_output=True, text=True, check=True)
            keys.append(keygen.stderr.split()[-1])
        self.append([{"n": i, "x": base64.b64encode(os.urandom(60)).decode()} for i in range(3000)])
        to = [word for key in keys for word in ("--encrypt-to", key)]
        doc = json.loads(self.run_export("--json", "export", "pay", *to, "--split", "50K", "-o", "b.age"))
        joined = b"".join(Path(self.folder, f).read_bytes() for f in doc["files"])
        self.assertGreater(len(doc["files"]), 1)
        for name in ("one", "two"):
            run = subprocess.run([AGE, "-d", "-i", self.folder / name], input=joined, capture_output=True, check=False)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(hashlib.sha256(run.stdout).hexdigest(), doc["sha256"])
        self.assertEqual(list(self.folder.glob("*.part")), [])


if __name__ == "__main__":
    unittest.main()
