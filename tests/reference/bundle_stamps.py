"""Timestamps in bundles (docs/formats.md section 10), and classes of tampering with them: by an outsider's authority, by a server
that has other heads, and by an authority that should not be believed."""
from dataclasses import dataclass, field

import bundle_tsa
from bundle_case import tampers
from bundle_maker import Bundle, Part, events, lines, request, start
from bundle_model import SECOND, b64, compact, consistency, tree_root


@dataclass
class Stamped:
    """A checkpoint of `_system` that authorities have seen: the files of its size."""

    bundle: Bundle
    heads: dict  # log -> size of the head that is recorded; a log that is not in it is not covered
    stampers: list
    earlier: list = field(default_factory=list)  # Stamped that this one renews
    wrong: dict = field(default_factory=dict)  # of the tokens: see bundle_tsa
    edit: object = lambda said: said  # of the lines

    def __post_init__(self):
        system, logs = self.bundle.system, self.bundle.server.logs
        said = [{"log": n, "size": k, "root": b64(tree_root(logs[n].leaves[:k]))} for n, k in sorted(self.heads.items()) if n != "_system"]
        self.records = [(said, system.record(compact({"type": "heads", "heads": said}).encode(), writer="steled"))] if said else []
        self.renewed = [system.record(compact({"type": "timestamp", "authority": "http://clock.example", "size": s.size, "checkpoint": s.note, "token": b64(t)}).encode(), writer="steled")
                        for s in self.earlier for t in s.tokens()[:1]]
        self.size, self.note, self.when = system.size, system.checkpoint(), self.bundle.server.now + 5 * SECOND

    def tokens(self):
        return [a.stamp(self.note.encode(), self.when, **self.wrong) for a in self.stampers]

    def lines(self):
        system = self.bundle.system
        said = [system.receipt(i, self.size) for i in sorted([i for _, i in self.records] + self.renewed)]
        for p in self.bundle.parts:
            name, head = p.log.name, self.heads.get(p.log.name)
            if name == "_system" and head is not None:
                head = self.size
            if head is None:
                said.append({"log": name})
                continue
            proof = [b64(h) for h in consistency(min(head, p.size), p.log.leaves[: max(head, p.size)])]
            record = {} if name == "_system" else {"record": self.records[0][1]}
            said.append({"log": name, "size": head} | record | {"proof": proof})
        return self.edit(said)

    def files(self):
        at = f"data/timestamps/{self.size:015d}"
        files = {f"{at}.checkpoint": self.note.encode(), f"{at}.ndjson": lines(self.lines())}
        return files | {f"{at}-{k}.tsr": t for k, t in enumerate(self.tokens(), 1)}


def make_stamped(seed):
    """Timestamps: of one checkpoint or of two, all entries covered or only some; by authorities of each kind."""
    rng, server, log = start(seed)
    events(log, rng, 12)
    logs = [log, *(server.log(n) for n in rng.sample(["access", "timestamps", "zz"], rng.randrange(3)))]
    stampers = rng.sample(bundle_tsa.authorities(), rng.choice([1, 1, 2]))
    early = rng.randrange(1, log.size)
    parts = [Part(x, list(range(x.size))) for x in logs]
    if rng.randrange(3) == 0:
        parts.append(Part(server.log("_system"), [0]))
    names = sorted(p.log.name for p in parts)
    asked = request("range", names) if len(parts) == len(logs) else request("selection", names)
    bundle = Bundle(server, asked["kind"], parts, asked)
    bundle.roots = bundle_tsa.root().pem
    first = Stamped(bundle, {"payments": early}, stampers)
    events(log, rng, rng.randrange(3))
    later = rng.randrange(3)
    bundle.stamped = [first] if later == 0 else [first, Stamped(bundle, {p.log.name: p.log.size for p in parts}, stampers[:1], [first] if later == 1 else [])]
    return bundle


# --- tampering -------------------------------------------------------------------


def stamped(function):
    """A class whose function changes the last Stamped of a bundle; False: that one has nothing for it."""

    def make(rng, case):
        if function(rng, case.bundle.stamped[-1], case.bundle) is False:
            return None
        case.files = case.bundle.files()
        case.roots = case.bundle.roots if rng.randrange(2) else None
        return case.files

    make.__name__ = function.__name__
    tampers("timestamps", kinds=["stamped"])(make)
    return function


@stamped
def stamp_of_something_else(rng, s, bundle):
    """The imprint is another one, or no SHA-256, or the checkpoint is another one than was stamped."""
    s.wrong = rng.choice([{"imprint": bytes(32)}, {"imprint_by": "sha512"}, {"imprint": b""}])


@stamped
def stamp_of_another_checkpoint(rng, s, bundle):
    true = s.note
    s.tokens = lambda: [a.stamp(true.replace("_system", "_access").encode(), s.when) for a in s.stampers]


@stamped
def stamp_that_was_not_granted(rng, s, bundle):
    s.wrong = {"status": rng.choice([2, 3, 5])}


@stamped
def stamp_of_another_form(rng, s, bundle):
    s.wrong = rng.choice([{"version": 2}, {"behind": b"\0"}, {"content": bundle_tsa.DATA}, {"type": bundle_tsa.DATA}, {"time": bundle_tsa.der(24, b"2026")},
                          {"accuracy": bundle_tsa.seq(bundle_tsa.integer(86401))}, {"signers": 2}, {"signers": 0}, {"certificates": []}])


@stamped
def stamp_with_another_signature(rng, s, bundle):
    """The signature, the message digest, or the time that was signed."""
    flip = rng.randrange(20, 60)
    s.wrong = rng.choice([{"signature": lambda x: x[:flip] + bytes([x[flip] ^ 1]) + x[flip + 1 :]}, {"message": b"other"}, {"signature": lambda x: x[:-1]}])


@stamped
def stamp_that_names_another_certificate(rng, s, bundle):
    """The signed attribute is another certificate's, or not there."""
    for a in s.stampers:
        if rng.randrange(3) == 0:
            a.named = "none"
    other = bundle_tsa.Certificate("clock.example", bundle_tsa.EcKey("other"), bundle_tsa.root())
    s.wrong = {} if all(a.named == "none" for a in s.stampers) else {"subject": other}


@stamped
def stamp_that_names_one_falsely(rng, s, bundle):
    """Of two attributes one names another certificate."""
    a = bundle_tsa.authorities()[1]
    other = bundle_tsa.Certificate("clock.example", bundle_tsa.EcKey("other"), bundle_tsa.root())
    whole = a.attribute_of_names
    pick = rng.randrange(2)
    a.attribute_of_names = lambda _=None: [whole()[pick], whole(other)[1 - pick]]
    s.stampers = [a]


@stamped
def stamp_by_a_key_for_something_else(rng, s, bundle):
    """Its certificate is not for timestamps, or not for them alone, or not critically, or not for signatures."""
    extensions = rng.choice([[bundle_tsa.use(bundle_tsa.STAMPS, critical=False)], [bundle_tsa.use(bundle_tsa.STAMPS, bundle_tsa.CLIENTS)], [bundle_tsa.key_usage(0x80)],
                             [bundle_tsa.use(bundle_tsa.CLIENTS)], [bundle_tsa.use(bundle_tsa.STAMPS), bundle_tsa.key_usage(0x20)]])
    s.stampers = [bundle_tsa.Authority(bundle_tsa.Certificate("x.example", bundle_tsa.EcKey("x"), bundle_tsa.root(), extensions))]


@stamped
def stamp_by_a_certificate_of_another_time(rng, s, bundle):
    begin, end = rng.choice([(s.when + SECOND, bundle_tsa.END), (bundle_tsa.BEGIN, s.when - SECOND)])
    s.stampers = [bundle_tsa.Authority(bundle_tsa.Certificate("x.example", bundle_tsa.EcKey("x"), bundle_tsa.root(), begin=begin, end=end))]


@stamped
def stamp_by_a_weak_key(rng, s, bundle):
    """Too short, on a curve that is not taken, or with a digest that its algorithm does not name."""
    key = rng.choice([bundle_tsa.RsaKey("weak", 1024), bundle_tsa.EcKey("odd", "k256"), bundle_tsa.EcKey("x")])
    s.stampers = [bundle_tsa.Authority(bundle_tsa.Certificate("x.example", key, bundle_tsa.root()))]
    s.wrong = {"signed_by": "sha384"} if isinstance(key, bundle_tsa.EcKey) and key.bytes == 32 and key.oid == "1.2.840.10045.3.1.7" else {}


@stamped
def head_that_is_not_recorded(rng, s, bundle):
    """The line has another size, another record or another proof."""
    def edit(said):
        found = [l for l in said if "record" in l]
        line = found[0]
        trick = rng.randrange(5)
        if trick == 0:
            line["record"] += 1
        elif trick == 1:
            line["size"] += 1
        elif trick == 2:
            line["proof"] = line["proof"][1:] if line["proof"] else [b64(bytes(32))]
        elif trick == 3:
            said.pop()
        else:
            said.append({"log": "zzz"})
        return said

    s.edit = edit


@stamped
def head_of_another_history(rng, s, bundle):
    """The record has a head that the log never had."""
    part = next(p for p in bundle.parts if p.log.name == "payments")
    if not s.records or s.heads["payments"] == part.size:
        return False
    said, index = s.records[0]
    system, head = bundle.system, next(h for h in said if h["log"] == "payments")
    head["root"] = b64(bytes(32))
    s.records = [(said, system.record(compact({"type": "heads", "heads": said}).encode(), writer="steled"))]
    s.size, s.note = system.size, system.checkpoint()
    return None


@stamped
def receipt_of_another_checkpoint(rng, s, bundle):
    """A receipt leads to another checkpoint, is no receipt, or is of another record; or nothing is covered."""
    trick = rng.randrange(4)
    system = bundle.system
    if trick == 3:
        s.edit = lambda said: [{"log": p.log.name} for p in bundle.parts]
        return
    other = system.record(b'{"type":"server.start"}')

    def edit(said):
        receipt = said[0]
        if trick == 0:
            said[0] = system.receipt(receipt["index"], system.size)
        elif trick == 1:
            said[0] = receipt | {"payload": receipt["payload"].replace("payments", "paymentz")}
        else:
            said.insert(1, said[0])
        return said

    s.edit = edit
    assert other


@stamped
def renewal_of_nothing(rng, s, bundle):
    """The record of a timestamp that is not in the bundle."""
    if not s.renewed:
        return False
    first = bundle.stamped[0]
    kept = first.tokens
    first.tokens = lambda: [t if i else first.stampers[0].stamp(first.note.encode(), first.when + SECOND) for i, t in enumerate(kept())]
    return None


@tampers("timestamps", kinds=["stamped"])
def stamp_by_a_stranger(rng, case):
    """Its certificate leads to a root that the auditor does not have, by none that the auditor has, or there are no timestamps at all."""
    other = bundle_tsa.Certificate("stranger.example", bundle_tsa.EcKey("stranger"), extensions=bundle_tsa.ROOT, serial=1)
    false = bundle_tsa.Certificate("root.example", bundle_tsa.EcKey("stranger"), extensions=bundle_tsa.ROOT, serial=1)
    old = bundle_tsa.Certificate("old.example", bundle_tsa.EcKey("old"), bundle_tsa.root(), bundle_tsa.ROOT, end=bundle_tsa.BEGIN + SECOND, serial=3)
    leaf = bundle_tsa.Certificate("leaf.example", bundle_tsa.EcKey("leaf"), bundle_tsa.root(), bundle_tsa.STAMPER, serial=4)
    by = rng.choice([other, false, old, leaf, None])
    s = case.bundle.stamped[-1]
    if by is None:
        case.bundle.stamped = []
    else:
        s.stampers = [bundle_tsa.Authority(bundle_tsa.Certificate("x.example", bundle_tsa.EcKey("x"), by), [by])]
    case.roots = case.bundle.roots
    return case.bundle.files()


@tampers("archive", kinds=["stamped"])
def stamp_in_another_place(rng, case):
    """A file of timestamps/ that is missing, too many, or not in its place."""
    files = {}
    paths = [p for p in case.files if p.startswith("data/timestamps/")]
    trick, one = rng.randrange(5), rng.choice(paths)
    for path, body in case.files.items():
        if trick == 0 and path == paths[0] or trick == 1 and path == paths[1] or trick == 2 and path in [p for p in paths[:4] if p.endswith(".tsr") and p[:31] == paths[0][:31]]:
            continue
        if trick == 3 and path == one:
            path = path.replace("timestamps/0", "timestamps/")
        if trick == 4 and path == paths[2]:
            path = path.replace("-1.tsr", "-9.tsr")
        files[path] = body
    return case.bundle.seal(files)
