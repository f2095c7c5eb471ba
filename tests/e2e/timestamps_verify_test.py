#!/usr/bin/env python3
"""stele verify on timestamps in bundles that are made by tests/reference: true ones hold, and each way to change one, or how
the logs hang on it, is refused by the check `timestamps`, though the server itself signed the bundle anew."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pki
from tsa import Authority
from verify_case import STELE, Case, rich, selection, verify

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
import bundle_timestamps as stamps  # noqa: E402
from bundle_maker import Part, request, start, whole  # noqa: E402
from bundle_model import b64, consistency, tree_root  # noqa: E402


def setUpModule():
    pki.needed()


class Stamped(Case):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="stele-tsa-")
        cls.folder = Path(cls.temporary.name)
        cls.authority = Authority(cls.folder)

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def query(self, data):
        (self.folder / "data").write_bytes(data)
        pki.openssl("ts", "-query", "-data", self.folder / "data", "-sha256", "-cert", "-out", self.folder / "q")
        return (self.folder / "q").read_bytes()

    def stamp(self, data):
        return self.authority.reply(self.query(data))

    def one(self, bundle=None, sizes=None, **more):
        """A bundle with one timestamp, and that."""
        b = bundle or rich()
        record = stamps.heads(b, sizes)
        t = stamps.Timestamped(b, self.stamp, **more).show(record, sizes)
        return stamps.add(b, t), t

    def words(self, said):
        return next(c for c in said["checks"] if c["name"] == "timestamps")["words"]

    def unless(self, change, why, t=None, b=None, check="timestamps"):
        """It is refused once change(t) was made to the one timestamp of a true bundle."""
        if not t:
            b, t = self.one()
        change(t)
        b.timestamps = t.files()
        found = self.refused(b.archive(), b, check)
        self.assertIn(why, found["reason"])
        return found


class True_(Stamped):
    def test_kinds_hold_and_say_who_and_how_many(self):
        for make in (rich, selection, lambda: bundle_maker.make("purged"), lambda: bundle_maker.make("rotated", 3)):
            b, _ = self.one(make())
            said = self.holds(b.archive(), b, "--tsa-ca", self.authority.roots)
            self.assertRegex(self.words(said), r"^(\d+) of \1 entries existed no later than 20[^ ]*Z according to clock.example$")
            self.assertIn("nobody has judged", self.words(self.holds(b.archive(), b)))
            self.refused(b.archive(), b, "timestamps", "--tsa-ca", self.authority.other.pem)

    def test_what_is_younger_is_counted(self):
        b = rich()
        size = max(p.log.size for p in b.parts) - 5
        sizes = {p.log.name: size for p in b.parts if p.log.size > size} | {"con.1": 0}
        b, _ = self.one(b, sizes)
        entries = sum(len(p.indexes) for p in b.parts)
        left = 5 + sum(len(p.indexes) for p in b.parts if p.log.name == "con.1")
        self.assertIn(f"{entries - left} of {entries} entries", self.words(self.holds(b.archive(), b)))

    def test_a_head_beyond_the_bundles_checkpoint_covers_all(self):
        rng, server, log = start(3)
        bundle_maker.events(log, rng, 20)
        b = bundle_maker.Bundle(server, "range", [Part(log, list(range(10)), size=13)], request("range", ["payments"], first=0, last=9))
        b, _ = self.one(b)
        self.assertIn("10 of 10", self.words(self.holds(b.archive(), b)))

    def test_the_trail_hangs_on_its_own_checkpoint(self):
        rng, server, log = start(3)
        bundle_maker.events(log, rng, 4)
        b = whole(server, [server.log("_system"), log])
        b, _ = self.one(b)
        self.holds(b.archive(), b)

    def test_a_later_one_renews_an_earlier_one(self):
        b = rich()
        record = stamps.heads(b)
        first = stamps.Timestamped(b, self.stamp, authorities=(1, 3)).show(record)
        kept = first.record(3)
        later = stamps.Timestamped(b, self.stamp).show(record, more=[kept])
        stamps.add(b, first, later)
        self.holds(b.archive(), b)
        for change, why in ((lambda f: f | {"token": b64(first.tokens[3][:-1])}, "no earlier timestamp"),
                            (lambda f: f | {"checkpoint": later.note}, "no earlier timestamp"),
                            (lambda f: f | {"type": "timestamps"}, "neither of heads")):
            act = json.loads(b.system.records[kept].payload)
            other = b.system.record(bundle_maker.compact(change(act)).encode())
            bad = stamps.Timestamped(b, self.stamp).show(record, more=[other])
            b.timestamps = first.files() | bad.files()
            self.assertIn(why, self.refused(b.archive(), b, "timestamps")["reason"])

    def test_roots_are_for_bundles_and_want_timestamps(self):
        b = bundle_maker.make("range")
        self.refused(b.archive(), b, "timestamps", "--tsa-ca", self.authority.roots, why="it has no timestamps")
        rc, _ = verify_text(b.parts[0].checkpoint.encode(), b.trusted.vkey, "--tsa-ca", self.authority.roots)
        self.assertEqual(rc, 3)
        rc, _ = verify_text(b.archive(), b.trusted.vkey, "--tsa-ca", __file__)
        self.assertEqual(rc, 3)


def verify_text(data, key, *more):
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        path = Path(folder) / "f"
        path.write_bytes(data)
        run = subprocess.run([STELE, "verify", path, "--key", key, *map(str, more)], capture_output=True,
                             text=True, check=False)
    return run.returncode, run.stdout + run.stderr


class Tokens(Stamped):
    def test_of_something_else_or_by_nobody_for_it(self):
        def other(t):
            t.tokens[1] = self.stamp(t.note.encode() + b"\n")

        self.unless(other, "imprint differs")
        for lie, why in (("old", "not valid at that time"), ("mild", "not one for timestamps alone"),
                         ("client", "not one for timestamps alone")):
            def by(t, lie=lie):
                t.tokens[1] = self.authority.signed_by(self.query(t.note.encode()), lie)

            self.unless(by, why)
        self.unless(lambda t: t.tokens.update({1: b""}), "empty")
        self.unless(lambda t: t.tokens.update({1: t.tokens[1] + b"\0"}), "something follows")
        self.unless(lambda t: t.tokens.update({1: t.tokens[1] + bytes(70000)}), "larger")

    def test_each_of_several_has_to_hold(self):
        b, t = self.one(authorities=(1, 2))
        t.tokens[2] = t.tokens[2][:100] + bytes([t.tokens[2][100] ^ 1]) + t.tokens[2][101:]
        self.unless(lambda t: None, "", t, b)

    def test_changed_bytes_are_refused_or_say_the_same(self):
        b, t = self.one(bundle_maker.make("range"))
        good, n = t.tokens[1], 0
        said = self.words(self.holds(b.archive(), b))
        for at in range(0, len(good), 41):
            t.tokens[1] = good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1:]
            b.timestamps = t.files()
            rc, now = verify(b.archive(), b.trusted.vkey)
            if rc == 0:
                self.assertEqual(self.words(now), said)
                n += 1
        self.assertLess(n, 3)


class Hung(Stamped):
    """How the logs hang on the checkpoint."""

    def row(self, change, why, **more):
        """With the first line of a log changed."""
        def of(t):
            at = next(i for i, r in enumerate(t.rows) if "proof" in r)
            t.rows[at] = change(dict(t.rows[at]))

        return self.unless(of, why, **more)

    def test_a_head_that_no_record_has(self):
        self.row(lambda r: r | {"record": r["record"] - 1}, "no record here")
        self.row(lambda r: r | {"size": r["size"] - 1}, "no record here")

    def test_a_head_of_another_log(self):
        b = rich()
        said = [{"log": p.log.name + "-", "size": p.log.size, "root": b64(tree_root(p.log.leaves))} for p in b.parts]
        record = b.system.record(bundle_maker.compact({"type": "heads", "heads": said}).encode())
        t = stamps.Timestamped(b, self.stamp).show(record)
        self.unless(lambda t: None, "no record here", t, b)

    def test_a_head_of_another_history(self):
        b = rich()
        log = b.parts[1].log
        said = [{"log": p.log.name, "size": p.log.size, "root": b64(tree_root(p.log.leaves) if p.log is not log else bytes(32))}
                for p in b.parts]
        record = b.system.record(bundle_maker.compact({"type": "heads", "heads": said}).encode())
        t = stamps.Timestamped(b, self.stamp).show(record)
        self.unless(lambda t: None, "not of one history", t, b)

    def test_proofs_that_are_not_what_they_have_to_be(self):
        rng, server, log = start(3)
        bundle_maker.events(log, rng, 20)
        for n in (7, 16):
            b = whole(server, [log])
            b, t = self.one(b, {"payments": n})
            self.holds(b.archive(), b)
            self.row(lambda r: r | {"proof": r["proof"][:-1]}, "not of one history", t=t, b=b)
            b, t = self.one(whole(server, [log]), {"payments": n})
            self.row(lambda r: r | {"proof": [*r["proof"], b64(bytes(32))]}, "not of one history", t=t, b=b)
            b, t = self.one(whole(server, [log]), {"payments": n})
            self.row(lambda r: r | {"proof": [b64(h) for h in consistency(n - 1, log.leaves)]}, "not of one history", t=t, b=b)

    def test_lines_are_as_the_format_has_them(self):
        self.row(lambda r: {"size": r["size"], "log": r["log"]}, "")
        self.row(lambda r: r | {"more": 1}, "")
        self.row(lambda r: {k: v for k, v in r.items() if k != "record"}, "which record")
        self.row(lambda r: r | {"log": "zz"}, "comes next")
        self.unless(lambda t: t.rows.pop(), "a line for each log")
        self.unless(lambda t: t.rows.append(t.rows[-1]), "more lines")
        self.unless(lambda t: t.rows.reverse(), "comes next")

        def nothing(t):
            t.rows = [{"log": r["log"]} for r in t.rows]
            t.receipts = []

        self.unless(nothing, "covers nothing")

    def test_records_are_proven_in_that_very_checkpoint(self):
        b, t = self.one()
        stamps.heads(b)
        t.receipts[0] = b.system.receipt(t.receipts[0]["index"])  # true, and in another one
        self.unless(lambda t: None, "another checkpoint", t, b)
        self.unless(lambda t: t.receipts[0].update(payload=t.receipts[0]["payload"].replace("heads", "sdaeh")), "")
        self.unless(lambda t: t.receipts[0].pop("payload"), "without its payload")
        self.unless(lambda t: t.receipts.append(t.receipts[0]), "ascending order")
        self.unless(lambda t: t.receipts[0].update(proof=t.receipts[0]["proof"][:-1]), "")
        b, t = self.one()
        unused = t.receipts[0]["index"] - 1
        t.receipts.insert(0, b.system.receipt(unused, t.size))
        self.unless(lambda t: None, "neither of heads", t, b)  # the export's begin
        b = rich()
        first, second = stamps.heads(b), stamps.heads(b)
        t = stamps.Timestamped(b, self.stamp).show(second, more=[first])
        self.unless(lambda t: None, "no line names", t, b)

    def test_the_checkpoint_is_of_the_trail_and_of_its_size(self):
        b, t = self.one()
        t.note = b.parts[1].log.checkpoint()
        t.tokens[1] = self.stamp(t.note.encode())
        self.unless(lambda t: None, "no checkpoint of the server's _system", t, b)
        b = rich()
        access = b.server.log("_access")  # a name as long as _system
        record = stamps.heads(b)
        t = stamps.Timestamped(b, self.stamp).show(record)
        while access.size < t.size:
            access.record(b"{}")
        t.note = access.checkpoint(t.size)
        t.tokens[1] = self.stamp(t.note.encode())
        self.unless(lambda t: None, "no checkpoint of the server's _system", t, b)
        b, t = self.one()
        t.size += 1
        self.unless(lambda t: None, "of the size in its name", t, b)
        b, t = self.one()
        forged = b.system.checkpoint(t.size, [bundle_maker.Server(seed="x").log("_system").epochs[0].key])
        t.note, t.tokens = forged, {1: self.stamp(forged.encode())}
        for r in t.receipts:
            r["checkpoint"] = forged
        self.unless(lambda t: None, "", t, b)


class Files(Stamped):
    """Where the files may be: the check `archive`."""

    def moved(self, change):
        b, t = self.one(authorities=(1, 2))
        files = change(t.files(), f"data/timestamps/{t.size:015d}", b, t)
        b.timestamps = files
        self.refused(b.archive(), b, "archive")

    def test_each_is_there_once_and_in_order(self):
        self.moved(lambda f, at, b, t: {k: v for k, v in f.items() if not k.endswith(".ndjson")})
        self.moved(lambda f, at, b, t: {k: v for k, v in f.items() if not k.endswith(".tsr")})
        self.moved(lambda f, at, b, t: {k: v for k, v in f.items() if not k.endswith(".checkpoint")})
        self.moved(lambda f, at, b, t: dict(reversed(f.items())))
        self.moved(lambda f, at, b, t: {k.replace("-2.tsr", "-9.tsr"): v for k, v in f.items()})
        self.moved(lambda f, at, b, t: {k.replace("-1.tsr", "-0.tsr"): v for k, v in f.items()})
        self.moved(lambda f, at, b, t: {k.replace("-1.tsr", "-3.tsr"): v for k, v in f.items()})
        self.moved(lambda f, at, b, t: {k.replace(".checkpoint", ".note"): v for k, v in f.items()})
        self.moved(lambda f, at, b, t: {k.replace("/0", "/", 1): v for k, v in f.items()})
        self.moved(lambda f, at, b, t: {k.replace(at, f"data/timestamps/{t.size + 1:015d}") if k.endswith(".tsr") else k: v
                                        for k, v in f.items()})

        self.moved(lambda f, at, b, t: {k.replace(at, f"data/timestamps/{0:015d}"): v for k, v in f.items()})

    def test_a_log_of_that_name_has_another_folder(self):
        rng, server, log = start(3, "timestamps")
        bundle_maker.events(log, rng, 4)
        b, _ = self.one(whole(server, [log]))
        self.holds(b.archive(), b)
        files = {k.replace("data/~timestamps~/", "data/timestamps/"): v for k, v in b.data().items()}
        self.refused(b.archive(b.seal(files)), b, "archive")

    def test_sizes_ascend_and_are_sixteen_at_most(self):
        b = rich()
        record, made = stamps.heads(b), []
        for _ in range(17):
            made.append(stamps.Timestamped(b, self.stamp).show(record))
            stamps.heads(b)
        stamps.add(b, *made[:16])
        self.holds(b.archive(), b)
        stamps.add(b, made[16])
        self.refused(b.archive(), b, "archive", why="more than 16")
        b.timestamps = made[1].files() | made[0].files()
        self.refused(b.archive(), b, "archive")


if __name__ == "__main__":
    unittest.main()
