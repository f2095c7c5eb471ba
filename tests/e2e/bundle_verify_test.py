#!/usr/bin/env python3
"""stele verify on evidence bundles: true ones of all kinds hold, and each class of tampering is refused by the check
that guards against it. The bundles are made by tests/reference/bundle_maker.py, which knows nothing of stele's code."""
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
import bundle_zip  # noqa: E402
from bundle_maker import Bundle, Part, lines, request, start, whole  # noqa: E402
from bundle_model import BY, OTHER, SECOND, Server, b64, instant, succession  # noqa: E402

STELE = Path(os.environ.get("STELE_BUILD", "build")) / "stele"
DAY = 86400
CHECKS = ("archive manifest signature keys entries chain commitments inclusion consistency controls rules custody "
          "completeness").split()
AT = "data/payments/"


# --- bundles ---------------------------------------------------------------------


def rich(seed=3):
    """A log in which everything happens, and another one of an awkward name."""
    policy = {"mode": "governance", "retain": {"default": "7y"}, "event_based": True, "dual_control": ["purge"], "public": False}
    rng, server, log = start(seed, policy=policy)
    free = [log.record(b'{"n":%d,"x":"\xc3\xab"}' % n, seconds=2) for n in range(8)]
    log.record(b"\xff\xfe binary", media_type="application/octet-stream")
    log.record(b"")
    log.record(rng.randbytes(70_000), media_type="application/octet-stream")
    waits = log.record(b'{"case":17}', event="case-17")
    log.hold("h-bwwaim2apv", [[free[0], free[1]]], open_from=log.size + 20)
    server.tick(3600 * SECOND)
    log.purge([[free[2], free[3]], [free[5], free[5]]], approved_by=OTHER)
    log.release("h-bwwaim2apv")
    log.event("case-17", server.now, server.now)
    log.rotate()
    log.extend([[free[6], free[7]]], server.now + DAY * SECOND)
    log.extend([[free[7], free[7]]], server.now, shorten=True, approved_by=OTHER)
    server.tick(3600 * SECOND)
    log.purge([[free[0], free[0]], [free[7], free[7]], [waits, waits]], approved_by=OTHER)
    bundle_maker.events(log, rng, 40)
    small = server.log("con.1")
    bundle_maker.events(small, rng, 5)
    b = whole(server, [log, small], earlier=2)
    b.parts[1].since = [1, 7, 16, log.size - 3]
    return b


def selection(seed=4):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 60)
    log.purge([[5, 6], [30, 30]], clock={"state": "ok", "evidence": "2100-01-01T00:00:00.000000000Z", "lock": "2100-01-01T00:00:00.000000000Z"})
    shown = [0, 3, 4, 6, 20, 21, 22, 40, log.size - 1]
    part = Part(log, shown, withheld={4: "restricted", 21: "unreadable", 40: "not_permitted"})
    return Bundle(server, "selection", [part], request("selection", ["payments"], records={"payments": [[i, i] for i in shown]}))


def by_time(seed=5, first=10, last=20):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 40)
    when = [r.when for r in log.records]
    asked = request("range", ["payments"], received_from=instant(when[first]), received_to=instant(when[last] + 1))
    part = Part(log, list(range(first - 1, last + 2)), withheld={first - 1: "not_requested", last + 1: "not_requested"})
    return Bundle(server, "range", [part], asked)


def succeeded(seed=6):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 9)
    server.succeed()
    bundle_maker.events(log, rng, 9)
    server.log("_system").rotate()
    log.rotate()
    return whole(server, [log])


def restored(seed=7):
    rng, server, log = start(seed)
    server.log("_system")
    bundle_maker.events(log, rng, 9)
    log.restore()
    log.purge([[2, 4]], policy=None, allowed_by=None, clock=None, plan=None, by=None, restored={"entry": 12})
    return whole(server, [log])


KINDS = {"range": lambda: bundle_maker.make("range"), "rich": rich, "selection": selection, "by_time": by_time,
         "succeeded": succeeded, "restored": restored}


# --- the program -----------------------------------------------------------------


def verify(archive, key, *more, name="b.zip"):
    """Exit status, and what --json says."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        path = Path(folder) / name
        path.write_bytes(archive)
        run = subprocess.run([STELE, "verify", "--json", str(path), "--key", key, *map(str, more)], capture_output=True,
                             text=True, timeout=300, check=False)
    try:
        return run.returncode, json.loads(run.stdout)
    except json.JSONDecodeError as e:
        raise AssertionError(f"{run.returncode} {run.stdout!r} {run.stderr!r}") from e


def failed(said):
    bad = [c["name"] for c in said["checks"] if c["ok"] is False]
    return bad[0] if bad else None


class Case(unittest.TestCase):
    def refused(self, archive, bundle, check, *more, why=None):
        rc, said = verify(archive, bundle.trusted.vkey, *more)
        self.assertEqual(failed(said), check, said)
        self.assertEqual(rc, 2 if check == "completeness" else 1)
        found = next(c for c in said["checks"] if c["name"] == check)
        self.assertGreater(len(found["reason"]), 10)
        if why:
            self.assertIn(why, found["reason"])
        i = CHECKS.index(check)
        self.assertEqual([c["ok"] for c in said["checks"]], [True] * i + [False] + [None] * (len(CHECKS) - i - 1))
        return found

    def holds(self, archive, bundle, *more):
        rc, said = verify(archive, bundle.trusted.vkey, *more)
        self.assertEqual((rc, said["verdict"], failed(said)), (0, "valid", None), said)
        return said

    def forged(self, bundle, change, check, **more):
        """What a server's own key signs, after change(files of data/)."""
        data = bundle.data()
        change(data)
        return self.refused(bundle.archive(bundle.seal(data)), bundle, check, **more)


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
        self.assertIn("Every payload matches its commitment: 61 of 67; 6 purged", run.stdout)
        self.assertEqual([line.split()[1] for line in run.stdout.split("\n")[1:14]], CHECKS)

    def test_pieces_are_read_as_one(self):
        b = rich()
        whole_one = b.archive()
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            cuts = [0, 1000, 1001, 30_000, len(whole_one)]
            for n, (a, z) in enumerate(zip(cuts, cuts[1:]), 1):
                (Path(folder) / f"b.zip.{n:03d}").write_bytes(whole_one[a:z])
            run = [STELE, "verify", Path(folder) / "b.zip.001", "--key", b.trusted.vkey]
            self.assertEqual(subprocess.run(run, capture_output=True, check=False).returncode, 0)
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
            self.holds(b.archive(), b, "--since", self.kept(log.checkpoint(size)))
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
        self.refused(b.archive({**files, "bagit.txt": b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"}), b, "manifest")

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
        m = b.members(files)
        for more in ({"prefix": b"x"}, {"gap": b"x"}, {"suffix": b"x"}, {"comment": b"x"}, {"zip64": True}, {"here": 3},
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
        self.change_lines(b, "proofs.ndjson", lambda r: r[-1].update(proof=r[-1]["proof"][::-1]), "inclusion")
        self.change_lines(b, "controls.ndjson", lambda r: r[1].update(proof=r[0]["proof"]), "inclusion")
        b.parts[0].since = [9, 12]
        self.change_lines(b, "consistency.ndjson", lambda r: r[0].update(proof=r[0]["proof"][1:]), "consistency")
        self.change_lines(b, "consistency.ndjson", lambda r: r[::-1], "entries")

    def test_altered_before_the_tree(self):
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
        self.change_lines(b, "controls.ndjson", lambda r: r[0].update(payload=r[0]["payload"] + " "), "commitments")

    def test_keys(self):
        b, other = rich(), rich(13)
        log = b.parts[1].log
        self.forged(b, lambda d: d.update({AT + "keys.txt": other.data()[AT + "keys.txt"]}), "keys")
        self.forged(b, lambda d: d.update({AT + "keys.txt": b"key AAAA"}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": other.data()[AT + "checkpoint"]}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": log.checkpoint(log.size - 1).encode()}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": log.checkpoint(keys=[log.epochs[0].key]).encode()}), "keys")
        self.forged(b, lambda d: d.update({AT + "checkpoint": b.parts[0].log.checkpoint().encode()}), "keys")

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
                        b.custody.decode().replace("audit 2026", "audit 2025"), json.dumps({k: v for k, v in json.loads(rows[0]).items() if k != "payload"}) + "\n"):
            self.forged(b, lambda d, text=changed: d.update({name: text.encode()}), "custody")
        other = rich()
        other.custody = b.custody
        other.request = other.request | {"reason": "another"}
        self.refused(other.archive(), other, "custody", why="request")


class Rules(Case):
    """What a server did, and may not do."""

    def done(self, act, why, policy=None):
        rng, server, log = start(20, policy=policy)
        act(log, server)
        b = whole(server, [log])
        self.refused(b.archive(), b, "rules", why=why)

    def allowed(self, act, policy=None):
        rng, server, log = start(20, policy=policy)
        act(log, server)
        b = whole(server, [log])
        self.holds(b.archive(), b)

    def test_purges(self):
        def purge(seconds=1, before=None, **claims):
            def act(log, server):
                i = log.record(b"1", seconds=seconds)
                log.record(b"2", seconds=seconds)
                if before:
                    before(log, i)
                server.tick(10 * SECOND)
                log.purge([[i, i + 1]], **claims)
            return act

        asks = {"mode": "governance", "retain": {"default": "7y"}, "dual_control": ["purge"], "public": False}
        early = {"state": "ok", "evidence": "2100-01-01T00:00:00.000000000Z", "lock": "2026-11-23T15:48:01.000000000Z"}
        self.allowed(purge())
        self.done(purge(1000), "locked until")
        self.done(purge(clock=early), "locked until")
        self.done(purge(before=lambda log, i: log.hold("h-bwwaim2apv", [[i, i]])), "legal hold")
        self.allowed(purge(before=lambda log, i: (log.hold("h-bwwaim2apv", [[i, i]]), log.release("h-bwwaim2apv"))))
        self.done(purge(before=lambda log, i: log.hold("h-bwwaim2apv", [], open_from=i + 1)), "legal hold")
        self.done(purge(before=lambda log, i: log.extend([[i, i]], log.server.now + 10**12)), "locked until")
        self.done(purge(before=lambda log, i: log.hold("h-bwwaim2apv", [[i, i]]), allowed_by=0), "all entries on locks")
        self.done(purge(root=b64(bytes(32))), "root")
        self.done(purge(count=3), "what went")
        self.done(purge(policy=1), "policy")
        self.done(purge(restored={"entry": 3}), "restore")
        self.done(purge(clock=None), "by what")
        self.done(purge(), "second principal", asks)
        self.done(purge(approved_by=BY), "second principal", asks)
        self.allowed(purge(approved_by=OTHER), asks)

    def test_purged_twice_and_controls(self):
        def twice(log, server):
            i = log.record(b"1")
            log.purge([[i, i]])
            log.purge([[i, i]])

        def control(log, server):
            log.record(b"1")
            log.purge([[0, 1]])
            log.purged.pop(0)

        self.done(twice, "twice")
        self.done(control, "control entry")

    def test_events(self):
        def event(name, until):
            def act(log, server):
                i = log.record(b"1", event="case")
                if name:
                    log.event(name, server.now, server.now + until * SECOND)
                server.tick(10 * SECOND)
                log.purge([[i, i]])
            return act

        self.done(event(None, 0), "waited")
        self.done(event("other", 0), "waited")
        self.done(event("case", 1000), "locked until")
        self.allowed(event("case", 1))

    def test_what_purges_took_and_left(self):
        def lie(change):
            b = selection()
            change(b.parts[0].log.purged)
            return b.archive(), b

        self.refused(*lie(lambda p: p.pop(6)), "rules", why="took the payload")
        self.refused(*lie(lambda p: p.update({20: p[6]})), "rules", why="no purge entry")
        self.refused(*lie(lambda p: p.update({6: 3})), "rules")
        b = selection()
        b.parts[0].log.purged.pop(6)
        b.parts[0].withheld[6] = "restricted"
        self.refused(b.archive(), b, "rules", why="took the payload")

    def test_policies_and_locks(self):
        strict = {"mode": "governance", "retain": {"default": "7y", "max": "10y"}, "quota": {"bytes": 10**9}, "public": False}
        begun = strict | {"compliance_from": "2026-11-23T15:48:00.000000000Z"}
        weaker = begun | {"retain": {"default": "5y", "max": "10y"}}
        self.done(lambda log, server: (log.policy(begun), log.policy(weaker)), "weaker", strict)
        self.allowed(lambda log, server: (log.policy(begun), log.policy(begun)), strict)
        later = begun | {"compliance_from": "2027-11-23T15:48:00.000000000Z"}
        self.allowed(lambda log, server: (log.policy(later), log.policy(strict)), strict)

        def shorten(seconds=1000, approved=OTHER, **more):
            def act(log, server):
                i = log.record(b"1", seconds=seconds, **more)
                said = {"approved_by": approved} if approved else {}
                log.extend([[i, i]], server.now, shorten=True, **said)
            return act

        self.allowed(shorten())
        self.done(shorten(approved=None), "second principal")
        self.done(shorten(approved=BY), "second principal")
        self.done(shorten(mode="compliance"), "compliance")
        self.done(shorten(seconds=None, event="case"), "event")
        self.done(lambda log, server: (log.policy(begun), shorten()(log, server)), "compliance", strict)


class Complete(Case):
    def test_ranges(self):
        def cut(change, why=None):
            b = by_time()
            change(b.parts[0])
            self.refused(b.archive(), b, "completeness", why=why)

        cut(lambda p: p.indexes.pop(0), "nothing shows")
        cut(lambda p: p.indexes.pop(), "nothing shows")
        cut(lambda p: p.indexes.pop(5), "missing")
        cut(lambda p: p.withheld.update({14: "not_requested"}), "was requested")
        cut(lambda p: p.indexes.insert(0, p.indexes[0] - 1), "further")
        cut(lambda p: p.indexes.clear(), "nothing of it")

    def test_logs(self):
        b = rich()
        lost = Bundle(b.server, "range", b.parts[1:], b.request)
        self.refused(lost.archive(), lost, "completeness")
        more = Bundle(b.server, "range", b.parts, request("range", ["payments"]))
        self.refused(more.archive(), more, "completeness")

    def test_kind(self):
        b = selection()
        said = self.holds(b.archive(), b)
        self.assertIn("not claimed", said["checks"][-1]["words"])
        b.kind = "range"
        self.refused(b.archive(), b, "entries")

    def test_a_forged_certificate(self):
        b = selection()
        b.certificate = b"stele search evidence v1\n\nnothing\n"
        self.refused(b.archive(), b, "completeness")


if __name__ == "__main__":
    unittest.main()
