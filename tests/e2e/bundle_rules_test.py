#!/usr/bin/env python3
"""stele verify on what a server did and may not do, and on bundles that leave something out."""
import hashlib
import sys
import tempfile
import unittest
from pathlib import Path

from verify_case import Case, by_time, rich, selection

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
from bundle_maker import Bundle, request, start, whole  # noqa: E402
from bundle_model import BY, OTHER, SECOND, Key, b64  # noqa: E402


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
        self.done(purge(clock=early | {"evidence": early["lock"], "lock": early["evidence"]}), "locked until")
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


class Witnesses(Case):
    """A C2SP tlog-policy: who must have cosigned the checkpoints (C2SP tlog-cosignature v1)."""

    def witness(self, n):
        key = Key(f"witness{n}.example.com", bytes([n]) * 32)
        key.key_id = hashlib.sha256(key.name.encode() + b"\n\x04" + key.public).digest()[:4]
        key.cosigner = f"{key.name}+{key.key_id.hex()}+{b64(bytes([4]) + key.public)}"
        return key

    def cosigned(self, note, *witnesses):
        text, when = note.split("\n\n")[0] + "\n", 1795448880
        for w in witnesses:
            signed = w.sign(f"cosignature/v1\ntime {when}\n{text}".encode())
            note += f"\u2014 {w.name} {b64(w.key_id + when.to_bytes(8, 'big') + signed)}\n"
        return note

    def test_quorums(self):
        a, b, c = (self.witness(n) for n in (1, 2, 3))
        names = "".join(f"witness {n} {w.cosigner} https://{w.name}/\n" for n, w in zip("abc", (a, b, c)))
        bundle = by_time()
        plain = bundle.parts[0].checkpoint
        key = bundle.parts[0].log.key.vkey
        for rules, by, holds in (
            ("quorum none", "", True), ("quorum a", "a", True), ("quorum a", "bc", False), ("quorum a", "", False),
            ("group g 2 a b c\nquorum g", "ac", True), ("group g 2 a b c\nquorum g", "c", False),
            ("group g any a b\ngroup h all g c\nquorum h", "bc", True), ("group g any a b\ngroup h all g c\nquorum h", "ab", False),
            (f"log {key}\nquorum none", "", True), (f"log {self.renamed(bundle)}\nquorum none", "", False),
        ):
            with self.subTest(rules=rules, by=by):
                bundle.parts[0].checkpoint = self.cosigned(plain, *({"a": a, "b": b, "c": c}[n] for n in by))
                policy = self.file(f"# ours\n\n{names}{rules}\n")
                if holds:
                    self.holds(bundle.archive(), bundle, "--policy", policy)
                else:
                    self.refused(bundle.archive(), bundle, "keys", "--policy", policy)
        good = self.cosigned(plain, a)
        forged = self.cosigned(plain.replace("payments", "payment"), a).split("\n")[-2]
        bundle.parts[0].checkpoint = good.rsplit("\n", 2)[0] + "\n" + forged + "\n"
        self.refused(bundle.archive(), bundle, "keys", "--policy", self.file(names + "quorum none\n"), why="does not fit")

    def renamed(self, bundle):
        return Key(bundle.parts[0].log.origin, bytes([9]) * 32).vkey

    def file(self, text):
        f = tempfile.NamedTemporaryFile("w", prefix="stele-test-", suffix=".policy")
        self.addCleanup(f.close)
        f.write(text)
        f.flush()
        return f.name


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
        another = Bundle(b.server, "range", b.parts, request("range", ["payments", "con.2"]))
        self.refused(another.archive(), another, "completeness", why="was not asked for")
        more = Bundle(b.server, "range", b.parts, request("range", ["payments"]))
        self.refused(more.archive(), more, "completeness")

    def test_kind(self):
        b = selection()
        said = self.holds(b.archive(), b)
        self.assertIn("not claimed", said["checks"][-1]["words"])
        b.kind = "range"
        self.refused(b.archive(), b, "entries")

    def test_other_records_than_a_certificate_has(self):
        b = bundle_maker.make("certified")
        self.assertEqual(b.kind, "selection")
        self.holds(b.archive(), b)
        part = b.parts[0]
        records = [r.index for r in part.log.records[: part.size] if r.kind == "record"]
        good = list(part.indexes)
        part.indexes = good[:-1]
        self.refused(b.archive(), b, "completeness", why="matches")
        part.indexes = sorted([*good, next(i for i in records if i not in good)])
        self.refused(b.archive(), b, "completeness", why="none of the search certificate's")

    def test_a_forged_certificate(self):
        b = selection()
        b.certificate = b"stele search evidence v1\n\nnothing\n"
        self.refused(b.archive(), b, "completeness")


if __name__ == "__main__":
    unittest.main()
