#!/usr/bin/env python3
"""stele verify on evidence bundles: true ones of all kinds hold, and each class of tampering is refused by the check
that guards against it, and by no other."""
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from verify_case import AT, CHECKS, KINDS, STELE, Case, by_time, failed, rich, selection, succeeded, verify

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
import bundle_zip  # noqa: E402
from bundle_maker import Bundle, lines, start, whole  # noqa: E402
from bundle_model import Server, b64, compact, inclusion, succession  # noqa: E402


class Valid(Case):
    def test_bundles_of_all_kinds_hold(self):
        for name, make in KINDS.items():
            with self.subTest(name):
                b = make()
                said = self.holds(b.archive(), b)
                self.assertEqual([c["name"] for c in said["checks"]], CHECKS)
                self.assertEqual(said["entries"], sum(len(p.indexes) for p in b.parts))

    def test_lines_say_what_was_found(self):
        b = rich()
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            path = Path(folder) / "b.zip"
            path.write_bytes(b.archive())
            run = subprocess.run([STELE, "verify", path, "--key", b.trusted.vkey], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("Every payload matches its commitment: 62 of 68; 6 purged", run.stdout)
        lines = [line.split() for line in run.stdout.split("\n")[1:15]]
        self.assertEqual([line[1] for line in lines], CHECKS)
        # without an older checkpoint, and of a selection, these had nothing to look at
        self.assertEqual([name for word, name, *_ in lines if word == "open"],
                         ["consistency", "timestamps"] + ([] if b.kind == "range" else ["completeness"]))
        self.assertIn(f" with the key {b.trusted.vkey}; SHA-256 of the file: {hashlib.sha256(b.archive()).hexdigest()}\n", run.stdout)

    def test_a_report_says_of_what_by_whom_and_with_which_key(self):
        b = rich()
        said = self.holds(b.archive(), b)
        version = subprocess.run([STELE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        self.assertEqual((said["sha256"], said["key"], said["verifier"]),
                         (hashlib.sha256(b.archive()).hexdigest(), b.trusted.vkey, version))
        # of one that does not hold, too
        broken = b.archive()[:-1]
        rc, said = verify(broken, b.trusted.vkey)
        self.assertEqual((rc, said["sha256"]), (1, hashlib.sha256(broken).hexdigest()))

    def test_pieces_are_read_as_one(self):
        b = rich()
        whole_one = b.archive()
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            cuts = [0, 1000, 1001, 30_000, len(whole_one)]
            for n, (a, z) in enumerate(zip(cuts, cuts[1:]), 1):
                (Path(folder) / f"b.zip.{n:03d}").write_bytes(whole_one[a:z])
            run = [STELE, "verify", Path(folder) / "b.zip.001", "--key", b.trusted.vkey]
            whole_two = subprocess.run(run, capture_output=True, text=True, check=False)
            self.assertEqual(whole_two.returncode, 0)
            self.assertIn(hashlib.sha256(whole_one).hexdigest(), whole_two.stdout)
            (Path(folder) / "b.zip.003").unlink()
            gone = subprocess.run(run, capture_output=True, text=True, check=False)
            self.assertEqual(gone.returncode, 1)
            self.assertIn("archive", gone.stdout)

    def test_without_a_key_it_says_where_to_get_one(self):
        b = bundle_maker.make("range")
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            path = Path(folder) / "b.zip"
            path.write_bytes(b.archive())
            run = subprocess.run([STELE, "verify", path], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, 3)
        self.assertIn("stele key show", run.stderr)


class Static(Case):
    """stele-verify, which is built where the static libraries are."""

    def test_needs_nothing_and_says_the_same(self):
        alone = STELE.parent / "stele-verify"
        if not alone.exists():
            self.skipTest("there is no static libcrypto, libsodium, libz or libjansson here")
        head = alone.read_bytes()
        self.assertNotIn(b"/lib64/ld-linux", head, "it asks for a dynamic linker")
        for name, make in {**KINDS, "certified": lambda: bundle_maker.make("certified")}.items():
            b = make()
            with self.subTest(name), tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
                path = Path(folder) / "b.zip"
                path.write_bytes(b.archive())
                said = [subprocess.run([*program, "--json", path, "--key", b.trusted.vkey], capture_output=True, env={}, check=False)
                        for program in ([STELE, "verify"], [alone], [alone, "verify"])]
                for each in said:
                    self.assertEqual((each.returncode, each.stdout), (0, said[0].stdout), each.stderr)


class Since(Case):
    def kept(self, text):
        f = tempfile.NamedTemporaryFile("w", prefix="stele-test-", suffix=".checkpoint")
        self.addCleanup(f.close)
        f.write(text)
        f.flush()
        return f.name

    def test_older_checkpoints(self):
        b = rich()
        log = b.parts[1].log
        key = [log.epochs[0].key]
        # by its line, by the entries of a run from 0 on (size 9 has no line), by equal roots
        for size in (7, 9, log.size - 3, log.size):
            said = self.holds(b.archive(), b, "--since", self.kept(log.checkpoint(size)))
            found = next(c for c in said["checks"] if c["name"] == "consistency")
            # the bundle's own checkpoint shows nothing
            self.assertEqual((found.get("open", False), found["result"]), (True, "open") if size == log.size else (False, "ok"))
            self.assertEqual("shows nothing of growth" in found["words"], size == log.size)
        said = self.holds(b.archive(), b, "--since", self.kept(log.checkpoint()), "--since", self.kept(log.checkpoint(9)))
        found = next(c for c in said["checks"] if c["name"] == "consistency")
        self.assertEqual(found["result"], "ok")
        self.assertIn("1 held against it; 1 more as large as the bundle's own", found["words"])
        self.holds(b.archive(), b, "--since", self.kept(log.checkpoint(9)), "--since", self.kept(b.parts[0].log.checkpoint(2)))
        other = rich(8).parts[1].log
        fork = log.checkpoint(9).replace(log.checkpoint(9).split("\n")[2], other.checkpoint(9).split("\n")[2])
        self.refused(b.archive(), b, "consistency", "--since", self.kept(fork))  # its signature does not fit
        twin = rich()
        t = twin.parts[1].log
        t.leaves[3] = bytes(32)
        self.refused(b.archive(), b, "consistency", "--since", self.kept(t.checkpoint(9, key)), why="forked")
        self.refused(b.archive(), b, "consistency", "--since", self.kept(t.checkpoint(7, key)), why="forked")

    def test_rolled_back_and_not_shown(self):
        b = by_time()
        log = b.parts[0].log
        self.refused(b.archive(), b, "consistency", "--since", self.kept(log.checkpoint(9)), why="export again")
        b.parts[0].since = [9]
        self.holds(b.archive(), b, "--since", self.kept(log.checkpoint(9)))
        size = log.size
        bundle_maker.events(log, random.Random(1), 3)
        newer = self.kept(log.checkpoint())
        old = by_time()
        self.assertEqual(old.parts[0].size, size)
        self.refused(old.archive(), old, "consistency", "--since", newer, why="rolled back")

    def test_of_another_log(self):
        b = rich()
        other = b.server.log("elsewhere")
        self.refused(b.archive(), b, "consistency", "--since", self.kept(other.checkpoint()), why="not in this bundle")


class Tampered(Case):
    """Without the server's key."""

    def test_every_byte_counts(self):
        b = bundle_maker.make("range")
        good = b.archive()
        rng = random.Random(1)
        for at in sorted(rng.sample(range(len(good)), 150)):
            bad = bytearray(good)
            bad[at] ^= 1 << rng.randrange(8)
            rc, said = verify(bytes(bad), b.trusted.vkey) if bad[:4] == b"PK\3\4" else (1, None)
            self.assertEqual(rc, 1, (at, said))

    def test_cut_anywhere(self):
        b = bundle_maker.make("range")
        good = b.archive()
        for n in (5, 100, len(good) // 2, len(good) - 22, len(good) - 1):
            self.refused(good[:n], b, "archive")
        self.refused(good + b"\0", b, "archive")

    def test_files(self):
        b = rich()
        files = b.files()
        record = AT + "records.ndjson"
        self.refused(b.archive({**files, record: files[record].replace(b'\\"n\\":1', b'\\"n\\":9', 1)}), b, "manifest")
        for name in files:
            less = {k: v for k, v in files.items() if k != name}
            self.refused(b.archive(less), b, "manifest" if name == AT + "consistency.ndjson" or "/files/" in name else "archive")
        self.refused(b.archive({**files, "extra": b""}), b, "archive")
        self.refused(b.archive(dict(reversed(files.items()))), b, "archive")
        names = list(files)
        first, second = (next(n for n in names if n.endswith(f"{i:015d}.bin")) for i in self.large(b))
        self.refused(b.archive(self.swapped(files, [first], [second])), b, "archive", why="order")
        logs = [[n for n in names if n.startswith(at)] for at in ("data/con.1/", AT)]
        logs[0] = logs[0] or [n for n in names if n.startswith("data/~con.1~/")] or [n for n in names if "con.1" in n]
        self.refused(b.archive(self.swapped(files, *logs)), b, "archive", why="ascending")
        self.refused(b.archive({**files, "bagit.txt": b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"}), b, "manifest")

    def large(self, b):
        return [r.index for r in b.parts[1].log.records if len(r.payload) > 65536]

    def swapped(self, files, one, other):
        """The files with two neighbouring rows of them in each other's place."""
        names = list(files)
        at = min(names.index(one[0]), names.index(other[0]))
        rest = [n for n in names if n not in one and n not in other]
        return {n: files[n] for n in [*rest[:at], *other, *one, *rest[at:]]}

    def test_manifests_of_a_lying_server(self):
        b = rich()
        sealed = b.seal(b.data())
        name = "manifest-sha256.txt"
        rows = sealed[name].split(b"\n")[:-1]
        for changed in (rows[:-1], rows[1:], [*rows, rows[0]], [rows[1], rows[0], *rows[2:]], [r.upper() for r in rows], [r.replace(b"  ", b" ") for r in rows]):
            self.refused(b.archive(b.sign({**sealed, name: b"\n".join(changed) + b"\n"})), b, "manifest")
        info = sealed["bag-info.txt"]
        oxum = next(line for line in info.split(b"\n") if line.startswith(b"Payload-Oxum"))
        for changed in (info.replace(oxum, oxum + b"1"), info + oxum + b"\n", info.replace(oxum + b"\n", b""), info + b"nothing\n", info[:-1]):
            self.refused(b.archive(b.sign({**sealed, "bag-info.txt": changed})), b, "manifest")

    def test_manifest_edited_to_match(self):
        b = rich()
        files = b.files()
        record = AT + "records.ndjson"
        data = {k: v for k, v in files.items() if k.startswith("data/")}
        data[record] = data[record].replace(b'\\"n\\":1', b'\\"n\\":9', 1)
        again = b.seal(data)
        again["signature"] = files["signature"]
        self.refused(b.archive(again), b, "signature")
        again["signature"] = b""
        self.refused(b.archive(again), b, "signature", why="unsigned is never valid")

    def test_signed_by_another(self):
        b = rich()
        stranger = Server(seed="stranger").identity
        self.refused(b.archive(b.seal(b.data(), signer=stranger)), b, "signature")
        self.refused(b.archive(b.seal(b.data(), signers=[b.signer, stranger])), b, "signature")
        self.refused(b.archive(b.seal(b.data(), signer=b.parts[1].log.key)), b, "signature")
        self.refused(b.archive(b.seal(b.data(), export="x-aaaaaaaaaa")), b, "manifest")
        sealed = b.seal(b.data())
        self.refused(b.archive(b.sign(sealed, export="x-aaaaaaaaaa")), b, "signature")
        self.refused(b.archive(b.sign(sealed, server="other.example.com")), b, "signature")
        other = rich(9)
        self.refused(other.archive(), b, "signature")
        rc, said = verify(b.archive(), b.parts[1].log.key.vkey)
        self.assertEqual((rc, failed(said)), (1, "signature"))

    def test_zip_tricks(self):
        b = bundle_maker.make("range")
        files = b.files()

        def members(**change):
            m = b.members(files)
            for k, v in change.items():
                setattr(m[3], k, v)
            return m

        for change in (
            {"local": {"flags": 8}}, {"local": {"flags": 1}, "central": {"flags": 1}}, {"central": {"crc": 1}}, {"local": {"crc": 1}},
            {"local": {"crc": 1}, "central": {"crc": 1}}, {"local": {"time": 1}, "central": {"time": 1}},
            {"central": {"comment": b"x"}}, {"central": {"attributes": 0xA1FF0000}}, {"central": {"made_by": 0x0014}},
            {"local": {"name": b"stele-x-bwwaim2apv/data/other"}}, {"central": {"extra": b"\x55\x54\x05\0\3\0\0\0\0"}},
            {"local": {"method": 12}, "central": {"method": 12}}, {"before": b"x"}, {"central": {"disk": 1}},
            {"central": {"version": 45}, "local": {"version": 45}}, {"packed": b"\x03\0 "}, {"packed": b"\x07"}, {"method": 0, "packed": b"abc"},
        ):
            with self.subTest(change):
                self.refused(bundle_zip.pack(members(**change)), b, "archive")
        deflated = next(m for m in b.members(files) if m.method == 8)
        at, good = b.members(files).index(deflated), deflated.pack()
        size = len(deflated.data)
        for change in ({"packed": good + b"x"}, {"packed": good[:-1]}, {"local": {"size": size + 1}, "central": {"size": size + 1}},
                       {"local": {"size": size - 1}, "central": {"size": size - 1}}):
            m = b.members(files)
            for k, v in change.items():
                setattr(m[at], k, v)
            self.refused(bundle_zip.pack(m), b, "archive")
        m = b.members(files)
        for more in ({"prefix": b"x"}, {"gap": b"x"}, {"comment": b"x"}, {"zip64": True}, {"here": 3},
                     {"directory": m[:-1]}, {"directory": [*m[1:], m[0]]}, {"start": 1}, {"disk": 1}):
            with self.subTest(more):
                archive = bundle_zip.pack(m, **more)
                if archive.startswith(b"PK\3\4"):
                    self.refused(archive, b, "archive")
        self.refused(bundle_zip.pack([*m, m[-1]]), b, "archive")

    def test_older_and_other_logs_files(self):
        b, other = rich(), rich(10)
        for name in ("checkpoint", "keys.txt", "records.ndjson", "controls.ndjson", "proofs.ndjson"):
            with self.subTest(name):
                files = b.files()
                files[AT + name] = other.files()[AT + name]
                self.refused(b.archive(files), b, "manifest" if name != "keys.txt" else "manifest")


class Forged(Case):
    """By who has the identity's key: what is signed is a lie."""

    def change_lines(self, bundle, name, change, check, **more):
        def apply(data):
            rows = [json.loads(l) for l in data[AT + name].decode().split("\n")[:-1]]
            data[AT + name] = lines(change(rows) or rows)

        return self.forged(bundle, apply, check, **more)

    def test_records(self):
        b = rich()

        def put(i, **more):
            def change(rows):
                rows[i] |= more
            return change

        def without(i):
            return lambda rows: rows[:i] + rows[i + 1:]

        salt = b64(bytes(16))
        for change, check in (
            (put(5, payload='{"n":7}'), "commitments"), (put(5, salt=salt), "commitments"), (put(1, extra=1), "entries"),
            (without(4), "entries"), (lambda rows: [rows[1], rows[0], *rows[2:]], "entries"), (lambda rows: rows + rows[-1:], "entries"),
            (lambda rows: [*rows[:3], {"entry": rows[3]["entry"], "withheld": "restricted"}, *rows[4:]], "entries"),
            (lambda rows: [{"entry": rows[1]["entry"], "withheld": "because"}, *rows[1:]], "entries"),
            (put(1, entry="{}"), "entries"),
        ):
            self.change_lines(b, "records.ndjson", change, check)
        found = self.change_lines(b, "records.ndjson", put(5, salt=salt), "commitments")
        self.assertEqual((found["path"], found["line"], found["index"]), (AT + "records.ndjson", 6, 5))

    def test_spelling(self):
        b = bundle_maker.make("range")

        def replace(name, old, new):
            def change(data):
                self.assertIn(old, data[name])
                data[name] = data[name].replace(old, new, 1)
            return change

        record = AT + "records.ndjson"
        for name, old, new in ((record, b'{"entry"', b'{ "entry"'), (record, b'\n', b'\r\n'), (record, b'\n', b'\n\n'),
                               (record, b',"salt"', b',"salt":"AAAAAAAAAAAAAAAAAAAAAA==","salt"'), (AT + "proofs.ndjson", b'"first":', b'"first":0'),
                               (AT + "controls.ndjson", b'"payload":"', b'"payload":"\\ud800'), ("data/bundle.json", b'{"v":1', b'{"v":2'),
                               ("data/bundle.json", b'"entries":', b'"entries":1'), ("data/bundle.json", b'"purged":0', b'"purged":1')):
            self.forged(b, replace(name, old, new), "entries")
        self.forged(b, lambda d: d.update({record: d[record][:-1]}), "entries")

    def test_proofs(self):
        b = selection()
        self.change_lines(b, "proofs.ndjson", lambda r: r[0].update(right=r[0]["right"][::-1]), "inclusion")
        self.change_lines(b, "proofs.ndjson", lambda r: r[1].update(left=[b64(bytes(32)), *r[1]["left"][1:]]), "inclusion")
        self.change_lines(b, "proofs.ndjson", lambda r: r[1].update(left=r[1]["left"][1:]), "inclusion")
        self.change_lines(b, "proofs.ndjson", lambda r: r[:1] + r[2:], "inclusion")
        self.change_lines(b, "proofs.ndjson", lambda r: r[:-1], "entries")
        log = b.parts[0].log
        other = {"tip": log.records[40].entry, "proof": [b64(h) for h in inclusion(40, log.leaves)]}
        self.change_lines(b, "proofs.ndjson", lambda r: [*r[:-1], other], "entries", why="last entry")
        self.change_lines(b, "proofs.ndjson", lambda r: r[-1].update(proof=r[-1]["proof"][::-1]), "inclusion")
        self.change_lines(b, "controls.ndjson", lambda r: r[1].update(proof=r[0]["proof"]), "inclusion")
        b.parts[0].since = [9, 12]
        self.change_lines(b, "consistency.ndjson", lambda r: r[0].update(proof=r[0]["proof"][1:]), "consistency")
        self.change_lines(b, "consistency.ndjson", lambda r: r[::-1], "entries")

    def test_altered_before_the_tree(self):
        for field, value, check in (('"origin":"', "ledger.example.com/other", "entries"), ('"size":', "0", "commitments")):
            rng, server, log = start(11)
            bundle_maker.events(log, rng, 5)
            r = log.records[-1]
            at = r.entry.index(field) + len(field)
            r.entry = r.entry[:at] + value + r.entry[r.entry.index('"' if check == "entries" else ",", at):]
            log.leaves[-1] = bundle_maker.hashlib.sha256(b"\0" + r.entry.encode()).digest()
            b = whole(server, [log])
            total = sum(json.loads(e.entry)["size"] for e in log.records)

            def fit(data, b=b, total=total):
                data["data/bundle.json"] = lines([b.document() | {"logs": [b.parts[0].summary() | {"bytes": total}]}])

            self.forged(b, fit, check)
        for field, value, check in (('"prev":"', b64(bytes(32)), "chain"), ('"ctl":', "2", "controls")):
            rng, server, log = start(11)
            bundle_maker.events(log, rng, 5)
            r = log.records[3]
            at = r.entry.index(field) + len(field)
            end = r.entry.index('"' if check == "chain" else ",", at)
            r.entry = r.entry[:at] + value + r.entry[end:]
            log.leaves[3] = bundle_maker.hashlib.sha256(b"\0" + r.entry.encode()).digest()
            b = whole(server, [log])
            # the entry after it does not name the altered one's hash; unless that is mended, too
            self.refused(b.archive(), b, "chain")
            if check == "controls":
                n = log.records[4]
                prev = n.entry.index('"prev":"') + 8
                n.entry = n.entry[:prev] + b64(log.leaves[3]) + n.entry[prev + 44:]
                log.leaves[4] = bundle_maker.hashlib.sha256(b"\0" + n.entry.encode()).digest()
                log.records[5:] = []
                log.leaves[5:] = []
                b = whole(server, [log])
                self.refused(b.archive(), b, "controls")

    def test_time_goes_back(self):
        rng, server, log = start(12)
        log.record(b"1")
        log.record(b"2", when=log.records[1].when - 1)
        b = whole(server, [log])
        self.refused(b.archive(), b, "chain", why="time")

    def test_controls(self):
        b = rich()
        self.change_lines(b, "controls.ndjson", lambda r: r[:2] + r[3:], "entries")

        def drop(data):
            rows = data[AT + "controls.ndjson"].decode().split("\n")
            data[AT + "controls.ndjson"] = "\n".join(rows[:2] + rows[3:]).encode()
            doc = json.loads(data["data/bundle.json"])
            doc["logs"][1]["controls"] -= 1
            data["data/bundle.json"] = lines([doc])

        self.forged(b, drop, "controls")
        self.without_controls(b, [0], "missing")
        rng, server, log = start(21)
        bundle_maker.events(log, rng, 3)
        self.without_controls(whole(server, [log]), [0], "no control entry")
        log.extend([[1, 1]], server.now + 10**15)
        self.without_controls(whole(server, [log]), [1], "")
        self.change_lines(b, "controls.ndjson", lambda r: r[0].update(payload=r[0]["payload"] + " "), "commitments")

    def without_controls(self, b, gone, why):
        """A bundle without these lines of controls.ndjson, in which all counts fit."""
        def change(data):
            rows = data[AT + "controls.ndjson"].decode().split("\n")[:-1]
            data[AT + "controls.ndjson"] = "".join(r + "\n" for i, r in enumerate(rows) if i not in gone).encode()
            doc = json.loads(data["data/bundle.json"])
            doc["logs"][-1]["controls"] -= len(gone)
            data["data/bundle.json"] = lines([doc])

        self.forged(b, change, "controls", why=why)

    def test_keys(self):
        b, other = rich(), rich(13)
        log = b.parts[1].log
        self.forged(b, lambda d: d.update({AT + "keys.txt": other.data()[AT + "keys.txt"]}), "keys")
        self.forged(b, lambda d: d.update({AT + "keys.txt": b"key AAAA"}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": other.data()[AT + "checkpoint"]}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": log.checkpoint(log.size - 1).encode()}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": log.checkpoint(keys=[log.epochs[0].key]).encode()}), "keys")
        small = b.parts[0].log
        other = b.seal(b.data() | {AT + "checkpoint": small.checkpoint().encode()})
        self.refused(b.archive(other), b, "keys")
        with tempfile.NamedTemporaryFile("w", prefix="stele-test-", suffix=".keys") as known:
            known.write(small.epochs[0].statement)
            known.flush()
            self.refused(b.archive(other), b, "keys", "--keys", known.name, why="not of this log")

    def test_successions(self):
        b = succeeded()
        self.holds(b.archive(), b)
        old = Bundle(b.server, "range", b.parts, b.request, trusted=b.server.identities[0], signer=b.server.identity)
        self.holds(old.archive(), old)
        self.refused(old.archive(), old, "signature", "--no-successions")
        forged = succession(b.server.identities[0], Server(seed="x").identity, 1, b.server.now)
        self.forged(b, lambda d: d.update({AT + "keys.txt": d[AT + "keys.txt"] + b"identity " + b64(forged.encode()).encode() + b"\n"}), "signature")

    def test_custody(self):
        b = rich()
        rows = b.custody.decode().split("\n")
        name = "data/custody.ndjson"
        for changed in ("", "\n".join(rows[1:]), "\n".join([rows[0], rows[2], rows[1], ""]), rich(14).custody.decode(),
                        b.custody.decode().replace("audit 2026", "audit 2025"), compact({k: v for k, v in json.loads(rows[0]).items() if k != "payload"}) + "\n", b.custody.decode().replace(":", ": ", 1)):
            self.forged(b, lambda d, text=changed: d.update({name: text.encode()}), "custody")
        other = rich()
        other.export = "x-aaaaaaaaaa"
        self.refused(other.archive(), other, "custody", why="begun by")
        other = rich()
        other.custody = b.custody
        other.request = other.request | {"reason": "another"}
        self.refused(other.archive(), other, "custody", why="request")


if __name__ == "__main__":
    unittest.main()
