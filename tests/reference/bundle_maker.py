#!/usr/bin/env python3
"""Makes evidence bundles (docs/formats.md section 10) of a server that never was. Standard library only.

    bundle_maker.py KIND OUT.zip [SEED]     writes the bundle, and the trusted identity's key to OUT.zip.key (roots of authorities to OUT.zip.roots)
    bundle_maker.py --list                  what kinds there are, but for those that take gigabytes and minutes:
                                            zip64-size, zip64-offset, zip64-count
"""
import hashlib
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path

import bundle_index
import bundle_zip
from bundle_model import (
    BY, OTHER, POLICY, SECOND, Server, b64, compact, consistency, inclusion, instant, note, subtrees, tree_root)

DAY = 86400
LARGE = 65536
TEXT = {
    "README.txt": b"What this is, and how to check it.\n",
    "certificate.html": b"<!doctype html><title>Certificate</title>\n",
    "verify.html": b"<!doctype html><title>Verifier</title>\n",
}


def folder(log):
    """LOG in paths."""
    first = log.split(".")[0]
    odd = first in ("con", "prn", "aux", "nul") or first[:3] in ("com", "lpt") and len(first) == 4 and first[3].isdigit()
    odd = odd or log in ("bundle.json", "custody.ndjson", "certificate.search", "timestamps") or log.endswith(".")
    return f"~{log}~" if odd else log


def lines(values):
    return "".join(compact(v) + "\n" for v in values).encode()


@dataclass
class Part:
    """What is shown of one log."""

    log: object
    indexes: list  # of records.ndjson, ascending
    size: int = 0  # of the checkpoint
    withheld: dict = field(default_factory=dict)  # index -> reason
    since: list = field(default_factory=list)  # sizes of older trees
    checkpoint: str = ""
    keys: list = None  # statements

    def __post_init__(self):
        self.size = self.size or self.log.size
        self.checkpoint = self.checkpoint or self.log.checkpoint(self.size)
        if self.keys is None:
            self.keys = [e.statement for e in self.log.epochs if e.first_size <= self.size]

    @property
    def leaves(self):
        return self.log.leaves[: self.size]

    @property
    def controls(self):
        return [r for r in self.log.records[: self.size] if r.kind != "record"]

    def runs(self):
        found = []
        for i in self.indexes:
            if found and found[-1][1] == i - 1:
                found[-1][1] = i
            else:
                found.append([i, i])
        return found

    def line(self, i):
        """A line of records.ndjson and, when it is a file's, the file's payload."""
        r = self.log.records[i]
        if self.log.purged.get(i, self.size) < self.size:
            return {"entry": r.entry, "purged": self.log.purged[i]}, None
        if i in self.withheld:
            return {"entry": r.entry, "withheld": self.withheld[i]}, None
        said = {"entry": r.entry, "salt": b64(r.salt)}
        if len(r.payload) > LARGE:
            return said | {"file": f"{i:015d}.bin"}, r.payload
        try:
            return said | {"payload": r.payload.decode()}, None
        except UnicodeDecodeError:
            return said | {"payload_b64": b64(r.payload)}, None

    def proofs(self):
        leaves = self.leaves
        for first, last in self.runs():
            left, right = subtrees(leaves, 0, first), subtrees(leaves, last + 1, self.size)
            yield {"first": first, "last": last, "left": [b64(h) for h in left], "right": [b64(h) for h in right]}
        tip = self.log.records[self.size - 1]
        yield {"tip": tip.entry, "proof": [b64(h) for h in inclusion(tip.index, leaves)]}

    def control_lines(self):
        for r in self.controls:
            shown = {"entry": r.entry, "salt": b64(r.salt), "payload": r.payload.decode()}
            yield shown | {"proof": [b64(h) for h in inclusion(r.index, self.leaves)]}

    def summary(self):
        """This log in bundle.json."""
        shown = [self.line(i)[0] for i in self.indexes]
        paid = [i for i, l in zip(self.indexes, shown) if "salt" in l]
        return {
            "log": self.log.name,
            "size": self.size,
            "entries": len(shown),
            "payloads": len(paid),
            "purged": sum("purged" in l for l in shown),
            "withheld": sum("withheld" in l for l in shown),
            "controls": len(self.controls),
            "bytes": sum(len(self.log.records[i].payload) for i in paid),
        }

    def files(self):
        """path -> bytes, in the archive's order."""
        at = f"data/{folder(self.log.name)}/"
        notes = [f"identity {b64(n.encode())}\n" for n in self.log.server.successions]
        notes += [f"key {b64(n.encode())}\n" for n in self.keys]
        files = {at + "checkpoint": self.checkpoint.encode(), at + "keys.txt": "".join(notes).encode()}
        if self.since:
            proofs = [(n, consistency(n, self.leaves)) for n in sorted(self.since)]
            files[at + "consistency.ndjson"] = lines({"from": n, "proof": [b64(h) for h in p]} for n, p in proofs)
        files[at + "controls.ndjson"] = lines(self.control_lines())
        files[at + "proofs.ndjson"] = lines(self.proofs())
        shown = [self.line(i) for i in self.indexes]
        files[at + "records.ndjson"] = lines(l for l, _ in shown)
        files[at + "records.csv"] = b"index\n" + b"".join(b"%d\n" % i for i in self.indexes)
        return files | {f"{at}files/{l['file']}": payload for l, payload in shown if payload is not None}


@dataclass
class Bundle:
    """A bundle to be: its model, from which files() makes all files and archive() the ZIP."""

    server: Server
    kind: str
    parts: list
    request: dict
    export: str = "x-bwwaim2apv"
    trusted: object = None  # the identity that the reader has
    signer: object = None  # the identity that signs
    earlier: int = 0  # exports of the same records before
    certificate: bytes = None
    custody: bytes = None
    timestamps: dict = field(default_factory=dict)  # files of data/timestamps/, path -> bytes
    stamped: list = field(default_factory=list)  # of bundle_stamps.Stamped: more of them
    roots: str = None  # of timestamp authorities, that the auditor has

    def __post_init__(self):
        self.signer = self.signer or self.server.identity
        self.trusted = self.trusted or self.server.identity
        self.parts.sort(key=lambda p: p.log.name.encode())
        self.system = self.server.log("_system")
        if self.custody is None:
            self.custody = self.make_custody()

    def make_custody(self):
        """Records what custody.ndjson tells in `_system`."""
        finished = [
            self.system.record(finish(n))
            for n in range(self.earlier)]
        begun = {"type": "export.begin", "export": self.export, "request": self.request, "by": {"principal": BY}}
        self.begun = self.system.record(compact(begun).encode(), writer=BY)
        self.begun_at = self.system.records[self.begun].when
        return lines(self.system.receipt(i) for i in [self.begun, *reversed(finished)])

    def document(self):
        return {
            "v": 1,
            "export": self.export,
            "server": self.server.name,
            "kind": self.kind,
            "request": self.request,
            "requester": BY,
            "reason": self.request.get("reason", ""),
            "begun": instant(self.begun_at),
            "software": {"version": "0.1.0", "sha256": hashlib.sha256(b"software").hexdigest()},
            "logs": [p.summary() for p in self.parts],
        }

    def data(self):
        """The files under data/, path -> bytes."""
        files = {"data/bundle.json": lines([self.document()]), "data/custody.ndjson": self.custody}
        files |= {"data/certificate.search": self.certificate} if self.certificate is not None else {}
        files |= self.timestamps
        for each in [*self.stamped, *self.parts]:
            files |= each.files()
        return files

    def files(self):
        return self.seal(self.data())

    def seal(self, data, **other):
        """All files around those of data/: manifests and signature say what is there. other: export, signer, server, time."""
        data = {path: body for path, body in data.items() if path.startswith("data/")}
        export = other.get("export", self.export)
        oxum = f"{sum(map(len, data.values()))}.{len(data)}"
        info = f"Bag-Software-Agent: stele 0.1.0\nBagging-Date: 2026-11-26\nExternal-Identifier: {export}\nPayload-Oxum: {oxum}\n"
        files = {"bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n", **data, **TEXT}
        files |= {"bag-info.txt": info.encode(), "manifest-sha256.txt": manifest(data)}
        return self.sign(files, **other)

    def sign(self, files, **other):
        """The tag manifest and the signature anew."""
        drop = ("tagmanifest-sha256.txt", "signature")
        files = {path: body for path, body in files.items() if path not in drop}
        tags = manifest({path: body for path, body in files.items() if not path.startswith("data/")})
        files["tagmanifest-sha256.txt"] = tags
        text = f"stele bundle v1\n{other.get('server', self.server.name)}\n{other.get('export', self.export)}\n"
        text += f"{instant(other.get('time', self.server.now))}\n{b64(hashlib.sha256(tags).digest())}\n"
        files["signature"] = note(text, *other.get("signers", [other.get("signer", self.signer)])).encode()
        return files

    def members(self, files):
        top = f"stele-{self.export}/".encode()
        return [bundle_zip.Member(top + path.encode(), body, 0 if len(body) < 64 else 8) for path, body in files.items()]

    def write(self, path):
        """The archive as a file, and the trusted key beside it; what is huge stays out of memory."""
        with open(path, "wb") as out:
            for piece in bundle_zip.pieces(self.members(self.files())):
                out.write(piece)
        Path(f"{path}.key").write_text(self.trusted.vkey + "\n")
        write_roots(path, self.roots)

    def archive(self, files=None):
        return bundle_zip.pack(self.members(self.files() if files is None else files))


def write_roots(path, roots):
    """Beside the archive, where there are any."""
    at = Path(f"{path}.roots")
    at.unlink(missing_ok=True)
    if roots:
        at.write_text(roots)


def finish(n):
    """What `_system` says of an export that was made before."""
    said = {"type": "export.finish", "export": f"x-{n:0>10}".translate(DIGITS), "by": {"principal": BY}}
    return compact(said).encode()


def manifest(files):
    paths = sorted(files, key=str.encode)
    return "".join(f"{hashlib.sha256(files[p]).hexdigest()}  {p}\n" for p in paths).encode()


# --- kinds -----------------------------------------------------------------------


def events(log, rng, count, seconds=7 * 365 * DAY):
    """Some records; their indexes."""
    made = []
    for n in range(count):
        said = {"actor": rng.choice(["alice", "bob", "zo\u00eb"]), "action": "pay", "amount": f"{rng.randrange(10**5)}.50", "n": n}
        made.append(log.record(compact(said).encode(), seconds=seconds))
    return made


def start(seed, name="payments", policy=None):
    rng = random.Random(f"bundle {seed}")
    server = Server(seed=str(seed))
    return rng, server, server.log(name, policy)


def request(kind, logs, **more):
    order = ["kind", "logs", "first", "last", "received_from", "received_to", "from", "to", "filter", "records", "hold",
             "matter", "since", "certify", "reason"]
    said = {"kind": kind, "logs": sorted(logs)} | more
    return {k: said[k] for k in order if k in said}


def whole(server, logs, **more):
    """A range bundle of everything that is in these logs."""
    names = [log.name for log in logs]
    return Bundle(server, "range", [Part(log, list(range(log.size))) for log in logs], request("range", names, reason="audit 2026"), **more)


def make_range(seed):
    """Some entries in the middle of a log."""
    rng, server, log = start(seed)
    events(log, rng, 12 + rng.randrange(30))
    first = rng.randrange(1, 6)
    last = rng.randrange(first + 3, log.size - 2)
    return Bundle(server, "range", [Part(log, list(range(first, last + 1)))], request("range", ["payments"], first=first, last=last))


def make_whole(seed):
    """Several logs from their beginning to their end, one of them with an odd name, one with nothing but its policy."""
    rng, server, log = start(seed)
    logs = [log, *(server.log(name) for name in ("k8s.prod", "con.audit", "custody.ndjson", "zz."))]
    for each in logs[:4]:
        events(each, rng, rng.randrange(1, 12))
    return whole(server, logs)


def make_time(seed):
    """A range by time: one entry more at each end."""
    rng, server, log = start(seed)
    events(log, rng, 20)
    log.policy(POLICY | {"dual_control": ["purge"]})
    events(log, rng, 5)
    first, last = rng.randrange(2, 8), rng.randrange(12, 20)
    times = {"received_from": instant(log.records[first].when), "received_to": instant(log.records[last].when + 1)}
    part = Part(log, list(range(first - 1, last + 2)), withheld={first - 1: "not_requested", last + 1: "not_requested"})
    return Bundle(server, "range", [part], request("range", ["payments"], **times))


def make_filter(seed):
    """A range with a filter: what does not match is there without its payload; and all the other reasons to withhold."""
    rng, server, log = start(seed)
    records = events(log, rng, 24)
    reasons = ["not_requested", "not_permitted", "restricted", "unreadable", None, None]
    part = Part(log, list(range(log.size)), withheld={i: r for i in records if (r := reasons[i % 6])})
    return Bundle(server, "range", [part], request("range", ["payments"], filter='actor = "alice"', reason="caf\u00e9"))


def make_listed(seed):
    """A range of which some records were asked for by their indexes."""
    rng, server, log = start(seed)
    events(log, rng, 24)
    asked = [[2, 4], [9, 9], [12, 15]]
    shown = {i for first, last in asked for i in range(first, last + 1)}
    withheld = {i: "not_requested" for i in range(1, log.size) if i not in shown}
    part = Part(log, list(range(log.size)), withheld=withheld)
    return Bundle(server, "range", [part], request("range", ["payments"], records={"payments": asked}))


def make_selection(seed):
    """Single records of two logs; of a third none."""
    rng, server, log = start(seed)
    other, none = server.log("access"), server.log("empty")
    parts = [Part(none, [])]
    for each in (log, other):
        chosen = rng.sample(events(each, rng, 30), 9)
        parts.append(Part(each, sorted(chosen)))
    return Bundle(server, "selection", parts, request("selection", ["access", "empty", "payments"], filter='outcome = "failure"'))


def search_statement(bundle_logs, chosen, server, more="", **wrong):
    """A search certificate (section 9) of which everything was scanned, and no index is shown."""
    evidence, text = "stele search evidence v1\n", ""
    evidence += "".join(f"identity {b64(n.encode())}\n" for n in server.successions)
    for log in bundle_logs:
        found = chosen[log.name]
        evidence += f"log {log.origin}\n" + "".join(f"key {b64(e.statement.encode())}\n" for e in log.epochs)
        evidence += f"checkpoint {b64(log.checkpoint().encode())}\ngrown\nscanned 0 {log.size - 1}\n"
        evidence += "matched" + "".join(f" {a}-{b}" if b > a else f" {a}" for a, b in Part(log, found).runs()) + "\n"
        digest = hashlib.sha256("".join(f"{i}\n" for i in found).encode()).digest()
        records = sum(r.kind == "record" for r in log.records)
        text += f"log {log.origin}\nsize {log.size}\nroot {b64(tree_root(log.leaves))}\nscanned {records}\n"
        text += f"matched {len(found)}\nunparsed 0\npurged 0\nrestricted 0\nunreadable 0\nmatches {b64(digest)}\n"
    evidence += more
    one = bundle_logs[0].key if len(bundle_logs) == 1 else server.identity
    head = f"stele search v1\n{one.name}\ntime {instant(server.now)}\nfilter actor = \"alice\"\nmapping {b64(bytes(32))}\n"
    text = wrong.get("text", head + text)
    text += f"evidence_bytes {len(evidence.encode())}\nevidence {b64(hashlib.sha256(evidence.encode()).digest())}\n"
    return (evidence + "\n" + note(text, wrong.get("key", one))).encode()


def make_certified(seed):
    """A selection with a search certificate; of one log, or of two."""
    rng, server, log = start(seed)
    logs = [log] if rng.randrange(2) else [server.log("access"), log]
    chosen = {each.name: sorted(rng.sample(events(each, rng, 20), 7)) for each in logs}
    asked = request("selection", chosen, filter='actor = "alice"', certify=True)
    certificate = search_statement(logs, chosen, server)
    return Bundle(server, "selection", [Part(each, chosen[each.name]) for each in logs], asked, certificate=certificate)


ASKED = [
    'actor = "alice"', 'actor = "nobody"', 'actor = "nobody" AND action = "pay"', 'actor = "bob" AND action = "pay"', "event_id = 7.0", 'event_id:"7"', 'any = "zo\u00eb"',
    'actor = "alice" OR actor = "bob"', '(actor = "alice" OR amount = "5.50") AND action = "pay"', 'NOT action = "pay" AND actor = "alice"',
    'receive_time >= "2026-11-23"', 'time < "2026-11-23T15:50:00Z" AND actor = "bob"', 'source_ip = "10.0.0.0/8" AND severity = "high"', 'trace_id = "a" OR writer = "p-4x8w2c"',
    'source_ip = "::ffff:10.0.0.7"', 'actor = "al*" AND event_id = "3"', 'time = 1795449000 AND any = 1e1']


def search(rng, log, asked):
    """A Certificate of that search: segments whose indexes are shown, then what is not sealed."""
    segments = [256, log.size - 256 - rng.randrange(4)] if log.size > 260 else [log.size - rng.randrange(4)]
    return bundle_index.Certificate(rng, log, asked, segments, bundle_index.payload_terms, entries_of_page=rng.choice([1, 3, 40]),
                                    bare=rng.choice([2, 4, 1000]))


def searched(log, asked, certificate):
    """The selection of what a search found."""
    said = request("selection", [log.name], filter=asked, certify=True)
    return Bundle(log.server, "selection", [Part(log, certificate.found)], said, certificate=certificate.bytes())


def make_indexed(seed):
    """A selection with a search certificate that shows indexes of segments: one, or two."""
    rng, server, log = start(seed)
    for n in range(rng.choice([20, 40, 300])):
        said = {"actor": rng.choice(["alice", "bob", "zo\u00eb"]), "action": rng.choice(["pay", "login"]), "n": n, "amount": "5.50"}
        said |= {"from": f"10.0.0.{n % 9}"} if n % 5 == 0 else {}
        log.record(compact(said).encode() if n % 11 else b"no JSON", seconds=7 * 365 * DAY)
    asked = ASKED[seed % len(ASKED)] if isinstance(seed, int) else rng.choice(ASKED)
    return searched(log, asked, search(rng, log, asked))


def make_purged(seed):
    """Purges of records whose locks were over: by time, shortened, by an event, after a hold, and none at all."""
    rng, server, log = start(seed, policy=POLICY | {"dual_control": ["purge"]})
    short = events(log, rng, 6, seconds=1)
    bare = events(log, rng, 3, seconds=None)
    waiting = [log.record(b"{}", event="case-17-closed") for _ in range(2)]
    long = events(log, rng, 4)
    log.hold("h-bwwaim2apv", [[short[0], short[2]]], mapping=b64(b"1" * 32), filter=b64(b"2" * 16))
    log.hold("h-cwwaim2apv", [[short[1], short[1]]], open_from=log.size + 1)
    log.hold("h-cwwaim2apv", [[long[0], long[0]]])
    log.event("case-17-closed", server.now, server.now + 2 * SECOND)
    log.extend([[bare[0], bare[0]], [waiting[0], waiting[0]]], server.now + 3 * SECOND)
    log.extend([[long[1], long[1]]], server.now + SECOND, shorten=True, reason="stored by mistake", approved_by=OTHER)
    log.release("h-bwwaim2apv")
    log.release("h-cwwaim2apv")
    server.tick(9 * SECOND)
    log.purge([[short[0], short[3]]], approved_by=OTHER)
    events(log, rng, 3)
    log.purge([[bare[0], bare[2]], [waiting[0], waiting[1]]], approved_by=OTHER)
    log.purge([[long[1], long[1]]], approved_by=OTHER)
    if rng.randrange(2):
        return whole(server, [log])
    return Bundle(server, "selection", [Part(log, [short[1], bare[0], long[0], long[1], long[2]])], request("selection", ["payments"]))


def make_restored(seed):
    """A log after a restore: another epoch, and a purge that was done again."""
    rng, server, log = start(seed)
    old = events(log, rng, 6)
    log.restore()
    log.purge([[old[1], old[2]]], policy=None, allowed_by=None, clock=None, plan=None, by=None, restored={"entry": 9})
    events(log, rng, 3)
    return whole(server, [log])


def make_files(seed):
    """Payloads that are large, not UTF-8, empty, or of odd characters."""
    rng, server, log = start(seed)
    for size in (LARGE, LARGE + 1, 200_000):
        log.record(rng.randbytes(size), seconds=DAY, media_type="application/octet-stream")
    log.record(b"x" * (LARGE + 1), seconds=DAY, media_type="text/plain; charset=utf-8")
    log.record(b"x" * LARGE, seconds=DAY, media_type="text/plain")
    log.record(b"")
    log.record("\u0000\u001f\"\\\U0001f600\u2028\ufeff".encode(), mode="compliance", seconds=DAY)
    log.record(b"\xff\xfe", writer='s-\\"7 k2')
    return whole(server, [log, server.log("second")])


def make_rotated(seed):
    """The log's key was replaced, and the server's identity too."""
    rng, server, log = start(seed)
    events(log, rng, 4)
    log.rotate()
    trusted = server.identity
    events(log, rng, 4)
    if rng.randrange(2):
        server.succeed()
        log.rotate()
        server.log("later")
        server.succeed()
        server.log("latest")
    events(log, rng, 4)
    logs = list(server.logs.values())
    trusted = rng.choice([trusted, server.identity])
    return whole(server, logs, trusted=trusted)


def make_since(seed):
    """With proofs that the tree grew out of older ones."""
    rng, server, log = start(seed)
    events(log, rng, 40)
    sizes = sorted({1, 2, 16, log.size, *rng.sample(range(3, log.size), 5)})
    first = rng.choice([0, 17])
    asked = request("range", ["payments"], first=first, since={"payments": sizes})
    return Bundle(server, "range", [Part(log, list(range(first, log.size)), since=sizes)], asked)


def make_custody(seed):
    """Some of the records had been exported before; the checkpoint is older than the log."""
    rng, server, log = start(seed)
    events(log, rng, 20)
    asked = request("range", ["payments"], first=3, last=9)
    part = Part(log, list(range(3, 10)), size=rng.randrange(12, 20))
    return Bundle(server, "range", [part], asked, earlier=rng.randrange(1, 9), export=f"x-{seed:0>10}"[:12].translate(DIGITS))


def make_compliance(seed):
    """Compliance began; policies after that are as strict or stricter."""
    rng, server, log = start(seed)
    events(log, rng, 3)
    begin = instant(server.now + 5 * SECOND)
    rule = {"mode": "governance", "retain": {"default": "365d", "min": "90d", "max": "30y"}, "dual_control": ["purge"],
            "quota": {"bytes": 5 * 10**11}, "public": False}
    log.policy(rule | {"compliance_from": begin})
    server.tick(10 * SECOND)
    for _ in range(4):
        log.record(b"{}", seconds=365 * DAY, mode="compliance")
    rule["retain"] = {"default": "P1Y6M", "min": "4mo", "max": "P40Y"}
    log.policy(rule | {"mode": "compliance", "dual_control": ["policy.change", "purge"]})
    log.extend([[4, 500]], server.now + 10**6 * SECOND)
    events(log, rng, 3)
    return whole(server, [log])


def make_stamped(seed):
    """With timestamps."""
    import bundle_stamps  # which is made of what is here

    return bundle_stamps.make_stamped(seed)


DIGITS = str.maketrans("0189", "abcd")
KINDS = {
    "range": make_range, "whole": make_whole, "time": make_time, "filter": make_filter, "listed": make_listed,
    "selection": make_selection, "certified": make_certified, "indexed": make_indexed, "purged": make_purged, "restored": make_restored,
    "files": make_files, "rotated": make_rotated, "since": make_since, "custody": make_custody,
    "compliance": make_compliance, "stamped": make_stamped}


def make(kind, seed=1):
    """The Bundle of a kind; the same one for the same seed."""
    import bundle_huge  # which is made of what is here

    return (KINDS.get(kind) or bundle_huge.KINDS[kind])(seed)


def main(argv):
    import bundle_huge

    if argv[1:] == ["--list"]:
        print("\n".join(KINDS))
        return 0
    if len(argv) not in (3, 4) or argv[1] not in KINDS and argv[1] not in bundle_huge.KINDS:
        print(__doc__, file=sys.stderr)
        return 3
    bundle = make(argv[1], argv[3] if len(argv) == 4 else 1)
    bundle.write(argv[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
