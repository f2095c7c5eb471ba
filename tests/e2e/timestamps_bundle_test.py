#!/usr/bin/env python3
"""Timestamps in evidence bundles of a real server: they are there when they fit, openssl takes them, and stele verify says what
they prove. What a verifier refuses is timestamps_verify_test.py's."""
import json
import unittest

import exports_test
import pki
from lib import STELE, Server
from tsa import Authority, accepts, wait_for


def setUpModule():
    pki.needed()


class Stamped(exports_test.Case):
    days = 800

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder, days=self.days)
        self.authority.start()
        self.addCleanup(self.authority.stop)
        self.server.stop()
        self.again(self.authority)
        wait_for(lambda: self.granted() >= 1)

    def again(self, *authorities):
        """The same store, which asks these."""
        if self.server.running():
            self.server.stop()
        options = ["--timestamp-url", ",".join(a.url for a in authorities), "--timestamp-every", "86400"]
        self.server = Server(self.folder / "data", ["--min-free", "0", *options]).start()

    def granted(self):
        return sum(a["granted"] for a in self.server.get("/api/v1/timestamps").json()["authorities"])

    def rows(self, log, first=0):
        path = f"/api/v1/logs/{log}/records/{{}}"
        size = self.server.get(f"/api/v1/logs/{log}").json()["size"]
        for i in range(first, size):
            answer = self.server.get(path.format(i)).text()
            yield i, json.loads(answer) if answer.startswith("{") else None

    def stamp(self, n=1):
        """Once all that is in the log `pay` is in a head, has it timestamped by all."""
        size = self.server.get("/api/v1/logs/pay").json()["size"]

        def recorded():
            return any(row and row.get("type") == "heads" and any(h["log"] == "pay" and h["size"] >= size for h in row["heads"])
                       for _, row in self.rows("_system"))

        wait_for(recorded)
        before = self.granted()
        self.assertEqual(self.server.post("/api/v1/timestamps", b"").status, 200)
        wait_for(lambda: self.granted() >= before + n)

    def sizes(self, bundle):
        return [name for name in bundle.files if name.endswith(".checkpoint") and "/timestamps/" in name]

    def check(self, bundle, *more, status=0):
        file = self.folder / "b.zip"
        file.write_bytes(bundle.data)
        said = []
        for program in ("stele", "stele-verify"):
            if not (STELE.parent / program).exists():
                continue
            run = pki.subprocess.run([STELE.parent / program, "verify", file, "--key", self.server_key(), *map(str, more)],
                                     capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, status, run.stdout + run.stderr)
            said.append(run.stdout)
        self.assertEqual(len(set(said)), 1)
        return next(line for line in said[0].splitlines() if " timestamps " in line)

    def openssl_accepts(self, bundle, name, roots):
        for part in (name, name.rsplit("-", 1)[0] + ".checkpoint"):
            (self.folder / part.rsplit("/", 1)[1]).write_bytes(bundle.files[part])
        token = self.folder / name.rsplit("/", 1)[1]
        return accepts(token, self.folder / (token.name.rsplit("-", 1)[0] + ".checkpoint"), roots)


class Covered(Stamped):
    def test_entries_existed_no_later_than_that(self):
        self.append([{"n": n} for n in range(5)])
        self.stamp()
        self.append([{"late": 1}])
        early = self.bundle(logs=["pay"], kind="range", first=0, last=5)
        checkpoint, = self.sizes(early)
        token = checkpoint.replace(".checkpoint", "-1.tsr")
        self.assertEqual(early.files[token], self.authority.last)
        self.assertTrue(self.openssl_accepts(early, token, self.authority.roots))
        self.assertFalse(self.openssl_accepts(early, token, self.authority.other.pem))
        line = self.check(early, "--tsa-ca", self.authority.roots)
        self.assertRegex(line, r"ok +timestamps +6 of 6 entries existed no later than 20\S+Z according to clock\.example$")
        self.assertIn("nobody has judged that authority", self.check(early))
        self.assertIn("leads to none of the roots", self.check(early, "--tsa-ca", self.authority.other.pem, status=1))
        late = self.bundle(logs=["pay"], kind="range")
        self.assertRegex(self.check(late), r"6 of 7 entries existed .*; 1 are younger than what was timestamped")

    def test_the_earliest_that_covers_is_taken_and_not_the_newest(self):
        self.append([{"n": 1}])
        self.stamp()
        first = self.authority.last
        for n in range(3):
            self.append([{"more": n}])
            self.stamp()
        bundle = self.bundle(logs=["pay"], kind="selection", records={"pay": [[1, 1]]})
        checkpoint, = self.sizes(bundle)
        self.assertEqual(bundle.files[checkpoint.replace(".checkpoint", "-1.tsr")], first)
        self.check(bundle, "--tsa-ca", self.authority.roots)
        whole = self.bundle(logs=["pay"], kind="range")
        self.assertEqual(whole.files[self.sizes(whole)[0].replace(".checkpoint", "-1.tsr")], self.authority.last)

    def test_several_logs_with_one_that_is_not_covered_and_one_of_an_awkward_name(self):
        self.server.create_log("timestamps")
        self.append([{"n": 1}], "timestamps")
        self.append([{"n": 1}])
        self.stamp()
        self.server.create_log("young")
        self.append([{"n": 1}], "young")
        bundle = self.bundle(logs=["pay", "timestamps", "young"], kind="range")
        self.assertIn("data/~timestamps~/records.ndjson", bundle.files)
        lines = bundle.lines(self.sizes(bundle)[0].replace(".checkpoint", ".ndjson"))
        self.assertEqual([line["log"] for line in lines if "entry" not in line], ["pay", "timestamps", "young"])
        self.assertEqual(lines[-1], {"log": "young"})
        self.assertIn("4 of 6 entries", self.check(bundle, "--tsa-ca", self.authority.roots))
        none = self.bundle(logs=["young"], kind="range")
        self.assertEqual(self.sizes(none), [])
        self.assertRegex(self.check(none), r"open +timestamps +Not checked: there are no timestamps here")
        self.assertIn("roots of authorities were given", self.check(none, "--tsa-ca", self.authority.roots, status=1))

    def test_the_trail_itself_is_covered_by_the_checkpoint(self):
        bundle = self.bundle(logs=["_system"], kind="range", first=0, last=3)
        lines = bundle.lines(self.sizes(bundle)[0].replace(".checkpoint", ".ndjson"))
        self.assertEqual(len(lines), 1)
        self.assertEqual(set(lines[0]), {"log", "size", "proof"})
        self.assertIn("4 of 4 entries", self.check(bundle, "--tsa-ca", self.authority.roots))

    def test_two_authorities_share_a_checkpoint_and_survive_a_new_key(self):
        other = Authority(self.folder, "other.example")
        other.start()
        self.addCleanup(other.stop)
        self.append([{"n": 1}])
        self.again(self.authority, other)
        wait_for(lambda: self.granted() >= 1)
        self.stamp(2)
        self.assertEqual(self.server.post("/api/v1/logs/_system/key/rotate", b"").status, 200)
        self.assertEqual(self.server.post("/api/v1/identity/rotate", b"").status, 200)
        self.append([{"n": 2}])
        bundle = self.bundle(logs=["pay"], kind="range", first=0, last=1)
        names = {name.rsplit("-", 1)[1] for name in bundle.files if name.endswith(".tsr")}
        self.assertEqual(names, {"1.tsr", "2.tsr"})
        roots = self.folder / "both.pem"
        roots.write_text(self.authority.roots.read_text() + other.roots.read_text())
        self.check(bundle, "--tsa-ca", roots)
        self.assertIn("leads to none", self.check(bundle, "--tsa-ca", other.roots, status=1))


class Renewed(Stamped):
    days = 300

    def test_a_later_timestamp_covers_one_whose_certificate_ends(self):
        self.append([{"n": 1}])
        self.stamp()
        first = self.authority.last
        self.append([{"n": 2}])
        self.stamp()
        self.append([{"n": 3}])
        self.stamp()
        bundle = self.bundle(logs=["pay"], kind="range", first=0, last=1)
        old, new = self.sizes(bundle)
        self.assertEqual(bundle.files[old.replace(".checkpoint", "-1.tsr")], first)
        self.assertEqual(bundle.files[new.replace(".checkpoint", "-1.tsr")], self.authority.last)
        payloads = [json.loads(line["payload"]) for line in bundle.lines(new.replace(".checkpoint", ".ndjson"))
                    if "entry" in line]
        self.assertEqual({row["type"] for row in payloads}, {"heads", "timestamp"})
        earlier, = [row for row in payloads if row["type"] == "timestamp"]
        self.assertEqual(earlier["checkpoint"].encode(), bundle.files[old])
        self.check(bundle, "--tsa-ca", self.authority.roots)



if __name__ == "__main__":
    unittest.main()
