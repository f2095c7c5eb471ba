"""What an evidence bundle is made of, written from docs/formats.md alone: keys, notes, trees, logs, receipts.

No code of stele is used here; Ed25519's arithmetic and the Merkle trees are those of tests/e2e/proof.py. Logs made here
say whatever they are told to, lies too: nothing is judged.
"""
import base64
import hashlib
import json
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
import proof  # noqa: E402
from proof import EMPTY_ROOT, leaf_hash, node_hash, tree_root  # noqa: E402,F401

SECOND = 10**9


def b64(data):
    return base64.b64encode(data).decode()


def compact(value):
    """One compact JSON document; texts stand as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def instant(ns):
    """An instant, nanoseconds since 1970, as entries spell it."""
    seconds, rest = divmod(ns, SECOND)
    when = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


# --- Ed25519, RFC 8032 section 5.1.6 ---------------------------------------------


def _doublings():
    point, all_of_them = proof.BASE, []
    for _ in range(256):
        all_of_them.append(point)
        point = proof._add(point, point)
    return all_of_them


BASE_DOUBLED = _doublings()


def _times_base(scalar):
    result = proof.IDENTITY
    for i in range(scalar.bit_length()):
        if scalar >> i & 1:
            result = proof._add(result, BASE_DOUBLED[i])
    return result


def _encode(point):
    inverse = pow(point[2], proof.P - 2, proof.P)
    x, y = point[0] * inverse % proof.P, point[1] * inverse % proof.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """A signing key (section 2), made from a seed of 32 bytes."""

    def __init__(self, name, seed):
        h = hashlib.sha512(seed).digest()
        a = int.from_bytes(h[:32], "little")
        self.scalar = a & (1 << 254) - 8 | 1 << 254
        self.prefix = h[32:]
        self.public = _encode(_times_base(self.scalar))
        self.name = name
        self.key_id = hashlib.sha256(name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def vkey(self):
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([1]) + self.public)}"

    def sign(self, message):
        r = int.from_bytes(hashlib.sha512(self.prefix + message).digest(), "little") % proof.L
        big_r = _encode(_times_base(r))
        k = int.from_bytes(hashlib.sha512(big_r + self.public + message).digest(), "little")
        return big_r + ((r + k * self.scalar) % proof.L).to_bytes(32, "little")


def note(text, *keys):
    """A signed note over text, which ends in a newline."""
    lines = [f"\u2014 {k.name} {b64(k.key_id + k.sign(text.encode()))}\n" for k in keys]
    return text + "\n" + "".join(lines)


def key_statement(identity, key, epoch, first_size):
    return note(f"stele key v1\n{key.vkey}\n{epoch}\n{first_size}\n", identity)


def succession(old, new, number, when):
    return note(f"stele identity v1\n{old.vkey}\n{new.vkey}\n{number}\n{instant(when)}\n", old, new)


# --- Merkle trees, RFC 9162 section 2.1 ------------------------------------------


def inclusion(index, leaves):
    """The inclusion proof of leaf index, from the leaf's sibling upward (section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if index < k:
        return inclusion(index, leaves[:k]) + [tree_root(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [tree_root(leaves[:k])]


def consistency(size, leaves, whole=True):
    """The proof that the tree of all leaves grew out of the first size ones (section 2.1.4.1)."""
    if size == len(leaves):
        return [] if whole else [tree_root(leaves)]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if size <= k:
        return consistency(size, leaves[:k], whole) + [tree_root(leaves[k:])]
    return consistency(size - k, leaves[k:], False) + [tree_root(leaves[:k])]


def subtrees(leaves, begin, end):
    """Roots of the largest complete subtrees that cover [begin, end), from left to right (section 10)."""
    roots = []
    while begin < end:
        width = 1
        while begin % (2 * width) == 0 and begin + 2 * width <= end:
            width *= 2
        roots.append(tree_root(leaves[begin : begin + width]))
        begin += width
    return roots


# --- a log -----------------------------------------------------------------------


@dataclass
class Record:
    """An entry with what it commits to."""

    index: int
    kind: str
    entry: str
    salt: bytes
    payload: bytes
    when: int


@dataclass
class Epoch:
    number: int
    first_size: int
    key: Key
    statement: str


@dataclass
class Server:
    """A server's identities and logs; all of it follows from the seed."""

    name: str = "ledger.example.com"
    seed: str = "1"
    now: int = 1795448880 * SECOND
    identities: list = field(default_factory=list)
    successions: list = field(default_factory=list)  # (note, time)
    logs: dict = field(default_factory=dict)

    def __post_init__(self):
        self.identities.append(Key(self.name, self.bytes("identity 0")))

    def bytes(self, what):
        return hashlib.sha256(f"{self.seed}/{self.name}/{what}".encode()).digest()

    @property
    def identity(self):
        return self.identities[-1]

    def tick(self, ns=1_500_000_000):
        self.now += ns
        return self.now

    def succeed(self):
        """Another identity takes over."""
        number = len(self.identities)
        new = Key(self.name, self.bytes(f"identity {number}"))
        self.successions.append(succession(self.identity, new, number, self.tick()))
        self.identities.append(new)

    def log(self, name, policy=None):
        if name not in self.logs:
            self.logs[name] = Log(self, name, policy)
        return self.logs[name]


POLICY = {"mode": "governance", "retain": {"default": "7y"}, "public": False}
BY, OTHER = "p-4x8w2c", "p-9d3f7h"


class Log:
    """A log: every act appends an entry. `claims` of acts go into payloads as they are."""

    def __init__(self, server, name, policy=None):
        self.server, self.name = server, name
        self.origin = f"{server.name}/{name}"
        self.records, self.leaves, self.epochs = [], [], []
        self.purged = {}  # index -> the purge entry's
        self.ctl = 0
        self.next_epoch(0, 1)
        self.control("policy", {"policy": policy or POLICY, "key_statement": self.epochs[0].statement})

    @property
    def size(self):
        return len(self.records)

    @property
    def key(self):
        return self.epochs[-1].key

    def next_epoch(self, number, first_size):
        key = Key(self.origin, self.server.bytes(f"{self.name} {number}"))
        statement = key_statement(self.server.identity, key, number, first_size)
        self.epochs.append(Epoch(number, first_size, key, statement))

    def append(self, kind, payload, *, media_type="application/json", writer=BY, lock="", when=None):
        """lock: the end of the entry's text, as `lock` of the grammar."""
        when = self.server.tick() if when is None else when
        index = self.size
        salt = self.server.bytes(f"salt {self.name} {index}")[:16]
        prev = self.leaves[-1] if self.leaves else EMPTY_ROOT
        entry = (
            f'{{"v":1,"origin":"{self.origin}","index":{index},"kind":"{kind}","ctl":{self.ctl}'
            f',"time":"{instant(when)}","prev":"{b64(prev)}"'
            f',"commitment":"{b64(proof.commitment(salt, payload))}","size":{len(payload)}'
            f',"media_type":"{media_type}","writer":"{writer}"{lock}}}'
        )
        self.records.append(Record(index, kind, entry, salt, payload, when))
        self.leaves.append(leaf_hash(entry.encode()))
        if kind != "record":
            self.ctl = index
        return index

    def record(self, payload, *, seconds=None, event=None, mode="governance", **more):
        """A record; locked for so many seconds from its time, or from an event on, or not at all."""
        when = self.server.tick() if "when" not in more else more.pop("when")
        lock = ""
        if event is not None:
            lock = f',"event":"{event}","mode":"{mode}"'
        elif seconds is not None:
            lock = f',"retain_until":"{instant(when + seconds * SECOND)}","mode":"{mode}"'
        return self.append("record", payload, lock=lock, when=when, **more)

    def control(self, kind, payload, **more):
        return self.append(kind, compact(payload).encode(), **more)

    def policy(self, policy, by=BY):
        return self.control("policy", {"policy": policy, "by": by})

    def extend(self, ranges, until, by=BY, **more):
        """more: shorten, reason, approved_by."""
        said = {"type": "extend", "ranges": ranges, "until": instant(until)}
        said |= {"shorten": True} if more.get("shorten") else {}
        said |= {"reason": more.get("reason", "audit 2026"), "by": by}
        said |= {"approved_by": more["approved_by"]} if "approved_by" in more else {}
        return self.control("extend", said)

    def event(self, name, at, until):
        said = {"type": "event", "event": name, "at": instant(at), "until": instant(until), "by": BY}
        return self.control("event", said)

    def hold(self, hold, ranges, open_from=None, **more):
        said = {"type": "hold", "hold": hold, "ranges": ranges}
        said |= {} if open_from is None else {"open_from": open_from}
        return self.control("hold", said | more | {"by": BY})

    def release(self, hold, by=BY):
        return self.control("release", {"type": "release", "hold": hold, "by": by})

    def rotate(self):
        """The log's key is replaced."""
        self.next_epoch(self.epochs[-1].number + 1, self.size + 1)
        return self.control("key", {"key_statement": self.epochs[-1].statement})

    def restore(self):
        number = self.server.now // SECOND
        begun, ended = instant(self.server.tick()), instant(self.server.tick())
        self.next_epoch(number, self.size + 1)
        backup = {"begun": begun, "ended": ended, "commit": 17}
        said = {"key_statement": self.epochs[-1].statement, "backup": backup}
        return self.control("restore", said | {"newest_checkpoint": None, "lost": None})

    def purge(self, ranges, /, **claims):
        """Purges what is in the ranges; claims take the place of the entry's members, None leaves one out."""
        indexes = [i for first, last in ranges for i in range(first, last + 1)]
        policies = [r.index for r in self.records if r.kind == "policy"]
        when = self.server.tick()
        clock = {"state": "ok", "evidence": instant(when), "lock": instant(when)}
        said = {
            "type": "purge",
            "ranges": ranges,
            "count": len(indexes),
            "root": b64(tree_root([self.leaves[i] for i in indexes])),
            "policy": policies[-1],
            "allowed_by": self.ctl,
            "clock": clock,
            "plan": "g-bwwaim2apv",
            "by": BY,
        }
        said = {k: v for k, v in (said | claims).items() if v is not None}
        index = self.control("purge", said, when=when)
        self.purged |= {i: index for i in indexes}
        return index

    # --- what is shown of it -----------------------------------------------------

    def checkpoint(self, size=None, keys=None):
        """The signed checkpoint of that size (the newest), by the key of its time unless told otherwise."""
        size = self.size if size is None else size
        text = f"{self.origin}\n{size}\n{b64(tree_root(self.leaves[:size]))}\n"
        if keys is None:
            keys = [max((e for e in self.epochs if e.first_size <= size), key=lambda e: e.number).key]
        return note(text, *keys)

    def receipt(self, index, size=None):
        """A receipt (section 4) with all that proves it."""
        size = self.size if size is None else size
        r = self.records[index]
        said = {
            "log": self.name,
            "index": index,
            "time": instant(r.when),
            "entry": r.entry,
            "salt": b64(r.salt),
            "proof": [b64(h) for h in inclusion(index, self.leaves[:size])],
            "checkpoint": self.checkpoint(size),
            "payload": r.payload.decode(),
            "keys": [e.statement for e in self.epochs],
        }
        return said | ({"identities": self.server.successions} if self.server.successions else {})
