"""Indexes of segments, and search certificates that show some of them, from docs/formats.md section 9 alone.

What a record's terms are is said by whoever makes an index: a schema's work is not done here.
"""
import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction

import query_reference
from bundle_model import b64, consistency, inclusion, instant, note, tree_root
from proof import leaf_hash

TILE = 256
RUN_DIGITS = 6


# --- bits ------------------------------------------------------------------------


class Bits:
    """Bits, the lowest of each byte first."""

    def __init__(self):
        self.value, self.n = 0, 0

    def put(self, value, n):
        self.value |= value << self.n
        self.n += n

    def code(self, value, k):
        q = (value >> k) + 1
        m = q.bit_length() - 1
        self.put(0, m)
        self.put(1, 1)
        self.put(q - (1 << m), m)
        self.put(value & (1 << k) - 1, k)

    def posting(self, rng, ordinals, count):
        """The set as it is listed, or by those that are not in it: a reader takes both."""
        others = len(ordinals) > count // 2
        listed = sorted(set(range(count)) - set(ordinals)) if others else sorted(ordinals)
        k = rng.randrange(8)
        self.put(others, 1)
        self.code(len(listed), 0)
        self.put(k, 5)
        low = 0
        for ordinal in listed:
            self.code(ordinal - low, k)
            low = ordinal + 1

    def runs(self, ordinals, count):
        """The runs that the set lies in: what says whether they are several is the entry's."""
        digits, numbers = runs_of(ordinals)
        n, last = len(numbers), count - 1 >> digits
        if n == 1:
            self.put(numbers[0], last.bit_length())
            return
        self.code(n - 2, 0)
        k, low = max(((last + 1) // (n + 1)).bit_length() - 1, 0), 0
        for number in numbers:
            self.code(number - low, k)
            low = number + 1

    def bytes(self):
        return self.value.to_bytes((self.n + 7) // 8, "little")


def runs_of(ordinals):
    """Runs of a power of two of records, at most 64 in all: (its logarithm, their numbers)."""
    for digits in range(RUN_DIGITS, -1, -1):
        numbers = sorted({o >> digits for o in ordinals})
        if len(numbers) << digits <= 1 << RUN_DIGITS:
            return digits, numbers
    raise ValueError(len(ordinals))


def varint(v):
    out = b""
    while v >= 0x80:
        out += bytes([v & 0x7f | 0x80])
        v >>= 7
    return out + bytes([v])


def signed(v):
    return varint(2 * v if v >= 0 else -2 * v - 1)


# --- an index --------------------------------------------------------------------


@dataclass
class Index:
    """The index of `count` records. terms: {(field, text): {ordinal}}; times of entries."""

    rng: object
    count: int
    times: list
    terms: dict
    unsure: set = field(default_factory=set)
    controls: set = field(default_factory=set)
    mapping: bytes = bytes(32)
    entries_of_page: int = 3
    bare: int = 4  # ordinals from which on a posting has a box of its own
    runs: float = 0.5  # of the entries that may have runs have some

    def __post_init__(self):
        self.salt = self.rng.randbytes(32)
        self.n_terms = len(self.terms)
        self.bits = self.n_terms.bit_length() + 2
        table = {}
        for (name, text), ordinals in self.terms.items():
            table.setdefault(self.digest(name, text), set()).update(ordinals)
        self.table = sorted(table.items())
        cut = [self.table[i : i + self.entries_of_page] for i in range(0, len(self.table), self.entries_of_page)]
        self.lowest = [part[0][0] if i else 0 for i, part in enumerate(cut)]
        self.postings = {}  # digest -> the plain bytes of its box
        self.boxes = {}  # a set of ordinals -> the same: terms may share it
        self.runny = {d for d, ordinals in self.table if len(ordinals) <= 1 << RUN_DIGITS and self.rng.random() < self.runs}
        self.pages = [self.page(i, part) for i, part in enumerate(cut)]
        self.head = self.make_head()

    def digest(self, name, text):
        name = "id" if name in ("trace_id", "event_id") else name
        sum_ = hashlib.sha256(b"stele-term-1\n" + self.salt + name.encode() + b"\n" + text.encode()).digest()
        return int.from_bytes(sum_[:8], "big") >> 64 - self.bits

    def page_of(self, digest):
        return max(i for i, low in enumerate(self.lowest) if low <= digest)

    def next_lowest(self, number):
        return self.lowest[number + 1] if number + 1 < len(self.lowest) else 1 << self.bits

    def page(self, number, entries):
        """The plain bytes of a page with these entries, (digest, ordinals)."""
        low, w = self.lowest[number], Bits()
        for digest, ordinals in entries:
            w.code(digest - low, 2)
            low = digest + 1
            self.entry(w, digest, ordinals)
        ends = self.lowest[number].to_bytes(8, "little") + self.next_lowest(number).to_bytes(8, "little")
        return self.rng.randbytes(16) + ends + len(entries).to_bytes(2, "little") + w.bytes()

    def entry(self, w, digest, ordinals):
        if digest in self.runny:
            several = len(runs_of(ordinals)[1]) > 1
            w.put(several, 1 + several)
            w.runs(ordinals, self.count)
        elif len(ordinals) < self.bare:
            w.put(0b011, 3)
            w.posting(self.rng, ordinals, self.count)
        else:
            box = Bits()
            box.posting(self.rng, ordinals, self.count)
            plain = self.rng.randbytes(16) + box.bytes()
            self.postings[digest] = self.boxes.setdefault(frozenset(ordinals), plain) if self.rng.randrange(3) else plain
            w.put(0b111, 3)
            w.put(self.rng.randrange(1 << 40), 48)
            w.put(len(self.postings[digest]) + 40, 32)
            w.put(int.from_bytes(hashlib.sha256(self.postings[digest]).digest(), "little"), 256)

    def make_head(self):
        out = b"\x02" + self.salt + self.mapping + varint(self.count) + varint(self.n_terms) + bytes([self.bits])
        before = 0
        for i in range(0, self.count, TILE):
            first, *_, last = self.times[i : i + TILE] * 2
            out += signed(first - before) + varint(last - first) + signed(0) + varint(last - first)
            before = last
        for ordinals in (self.unsure, self.controls):
            w = Bits()
            w.posting(self.rng, ordinals, self.count)
            out += w.bytes()
        out += varint(len(self.pages))
        before = 0
        for low, page in zip(self.lowest, self.pages):
            out += varint(0) + varint(len(page) + 40) + varint(low - before)
            before = low
        return out

    @property
    def leaves(self):
        return [leaf_hash(p) for p in [*self.pages, self.head]]

    # --- asking ------------------------------------------------------------------

    def ask(self, tree, pages, postings):
        """The ordinals that a filter's part finds, None: nothing to go by. What was needed is added to pages and postings (digests)."""
        kind = tree[0]
        if kind == "or":
            found = set()
            for part in tree[1]:
                more = self.ask(part, pages, postings)
                if more is None:
                    return None
                found |= more
            return found
        if kind == "and":
            found = None
            for part in tree[1]:
                if found is not None and not found:
                    break
                more = self.ask(part, pages, postings)
                found = more if found is None else found if more is None else found & more
            return found
        return self.ask_term(tree, pages, postings) if kind == "term" else None

    def ask_term(self, t, pages, postings):
        if t.field in ("time", "receive_time"):
            return self.ask_time(t) if t.op not in ("!=", ":") else None
        texts = terms_of(t)
        if t.field is None or t.op not in ("=", ":") or not texts:
            return None
        found = set()
        for name in query_reference.ANY if t.field == "any" else [t.field]:
            for text in texts:
                found |= self.find(self.digest(name, text), pages, postings)
        return found

    def ask_time(self, t):
        found = set()
        for i in range(0, self.count, TILE):
            times = self.times[i : i + TILE]
            ends = {"<": times[0] < t.instant, "<=": times[0] <= t.instant, ">": times[-1] > t.instant, ">=": times[-1] >= t.instant,
                    "=": times[0] <= t.instant <= times[-1]}
            found |= set(range(i, i + len(times))) if ends[t.op] else set()
        return found

    def find(self, digest, pages, postings):
        if not self.lowest:
            return set()
        pages.add(self.page_of(digest))
        postings |= {digest} & set(self.postings)
        ordinals = dict(self.table).get(digest, set())
        if digest not in self.runny:
            return ordinals
        digits, numbers = runs_of(ordinals)
        return {o for n in numbers for o in range(n << digits, min(n + 1 << digits, self.count))}

    def needed(self, postings):
        """The plain bytes of these digests' postings, each once."""
        return list(dict.fromkeys(self.postings[d] for d in sorted(postings)))


def terms_of(t):
    """A literal's terms: none when an index cannot be asked for it."""
    network = t.network
    if t.prefix or t.instant is not None or t.word == "null" or not t.text or network and network.prefixlen < network.max_prefixlen:
        return []
    other = spelled(t.text) if t.number is not None else str(network.network_address) if network else t.text
    return list(dict.fromkeys(x.encode()[:255].decode(errors="surrogateescape") for x in (t.text, other)))


def spelled(text):
    """The one spelling of equal numbers."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits, ten = (whole + fraction).lstrip("0"), int(exponent or 0) - len(fraction)
    short = digits.rstrip("0")
    if not short:
        return "0"
    ten += len(digits) - len(short)
    sign = "-" if Fraction(mantissa) < 0 else ""
    return sign + (short + "0" * ten if ten >= 0 and len(short) + ten <= 40 else f"{short}e{ten}")


# --- certificates ----------------------------------------------------------------


@dataclass
class Shown:
    """A segment whose index is shown. What a liar changes is changed here, before text() and manifest() make of it what is signed."""

    log: object
    first: int
    index: Index
    pages: list = None  # numbers of those that are shown
    postings: list = None  # plain bytes
    plain: dict = field(default_factory=dict)  # number -> what is shown for that page, of which the tree does not know
    tree: list = None  # leaves, where they are not the index's
    edit: object = lambda text: text  # of the manifest

    def manifest(self):
        last = self.first + self.index.count
        leaves = self.log.leaves[:last]
        records = self.log.records[self.first : last]
        key = max((e for e in self.log.epochs if e.first_size <= last), key=lambda e: e.number).key
        prev = leaves[self.first - 1] if self.first else hashlib.sha256().digest()
        text = f"stele segment v1\n{self.log.origin}\nlog 1\nfirst {self.first}\ncount {self.index.count}\ngeneration 1\n"
        text += f"prev {b64(prev)}\nlast {b64(leaves[-1])}\nsize {last}\nroot {b64(tree_root(leaves))}\nctl 0\n"
        text += f"from {instant(records[0].when)}\nto {instant(records[-1].when)}\npayload_bytes {sum(len(r.payload) for r in records)}\n"
        text += "data_key 7\nfile_bytes 24576\n"
        for part in ("file", "blocks", "columns", "index", "tiles", "dict", "keys", "terms"):
            text += f"{part} {b64(hashlib.sha256(part.encode()).digest())}\n"
        text += f"terms_root {b64(tree_root(self.tree or self.index.leaves))}\nsoftware steled/0.1.0\n"
        return note(self.edit(text), key)

    def text(self):
        leaves, size = self.tree or self.index.leaves, self.log.size
        grown = consistency(self.first + self.index.count, self.log.leaves[:size])
        out = f"segment {b64(self.manifest().encode())}\n{hashes('grown', grown)}head {b64(self.index.head)}\n"
        out += hashes("proof", inclusion(len(leaves) - 1, leaves))
        for number in self.pages:
            page = self.plain.get(number, self.index.pages[number])
            out += f"page {number} {b64(page)}\n{hashes('proof', inclusion(number, leaves))}"
        return out + "".join(f"posting {b64(p)}\n" for p in self.postings)


def hashes(name, values):
    return name + "".join(f" {b64(h)}" for h in values) + "\n"


def ranges(indexes):
    found = []
    for i in indexes:
        if found and found[-1][1] == i - 1:
            found[-1][1] = i
        else:
            found.append([i, i])
    return "matched" + "".join(f" {a}-{b}" if b > a else f" {a}" for a, b in found) + "\n"


class Certificate:
    """A search of one log, whose first entries are in segments with indexes. change(): lies, before text() signs."""

    def __init__(self, rng, log, asked, segments, terms, **more):
        """segments: counts of entries, one behind the other; terms(payload): the (field, text) of a record."""
        self.rng, self.log, self.filter = rng, log, asked
        self.tree = query_reference.parse(asked.encode())
        self.parts, self.may, first = [], set(), 0
        for count in segments:
            shown = Shown(log, first, make_index(rng, log, first, count, terms, **more))
            self.needed(shown)
            self.parts.append(shown)
            first += count
        self.may |= {r.index for r in log.records[first:] if r.kind == "record"}
        self.scanned_from = first
        self.found = sorted(i for i in self.may if rng.randrange(3))
        self.said = {"unparsed": 0, "purged": 0, "restricted": 0}

    def needed(self, shown):
        pages, postings = set(), set()
        index = shown.index
        may = self.ask(index, pages, postings)
        shown.pages = sorted(pages)
        shown.postings = index.needed(postings)
        records = range(index.count)
        self.may |= {shown.first + o for o in records if o in may | index.unsure and o not in index.controls}

    def ask(self, index, pages, postings):
        return index.ask(self.tree, pages, postings) or set()

    def evidence(self):
        log, last = self.log, self.log.size - 1
        text = "stele search evidence v1\n" + "".join(f"identity {b64(n.encode())}\n" for n in log.server.successions)
        text += f"log {log.origin}\n" + "".join(f"key {b64(e.statement.encode())}\n" for e in log.epochs)
        text += f"checkpoint {b64(log.checkpoint().encode())}\ngrown\n"
        for shown in self.parts:
            end = shown.first + shown.index.count
            text += shown.text() + ranges([i for i in self.found if shown.first <= i < end])
        if self.scanned_from <= last:
            text += f"scanned {self.scanned_from} {last}\n" + ranges([i for i in self.found if i >= self.scanned_from])
        return text.encode()

    def bytes(self):
        log, evidence = self.log, self.evidence()
        digest = hashlib.sha256("".join(f"{i}\n" for i in self.found).encode()).digest()
        said = {"scanned": sum(r.kind == "record" for r in log.records), "matched": len(self.found)} | self.said
        text = f"stele search v1\n{log.origin}\ntime {instant(log.server.now)}\nfilter {self.filter}\nmapping {b64(bytes(32))}\n"
        text += f"log {log.origin}\nsize {log.size}\nroot {b64(tree_root(log.leaves))}\n"
        text += "".join(f"{name} {said[name]}\n" for name in ("scanned", "matched", "unparsed", "purged", "restricted"))
        text += f"unreadable 0\nmatches {b64(digest)}\n"
        text += f"evidence_bytes {len(evidence)}\nevidence {b64(hashlib.sha256(evidence).digest())}\n"
        return evidence + b"\n" + note(text, log.key).encode()


def make_index(rng, log, first, count, terms, **more):
    records = log.records[first : first + count]
    found, unsure, controls = {}, set(), set()
    for ordinal, r in enumerate(records):
        if r.kind != "record":
            controls.add(ordinal)
            unsure.add(ordinal)
            continue
        said = terms(r.payload)
        if said is None:
            unsure.add(ordinal)
            continue
        for term in said:
            found.setdefault(term, set()).add(ordinal)
    return Index(rng, count, [r.when for r in records], found, unsure, controls, **more)


def payload_terms(payload):
    """What a schema might say of the events that bundle_maker makes; None: the index is not sure of it."""
    try:
        said = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(said, dict) or "actor" not in said:
        return None
    terms = {("writer", "p-4x8w2c"), ("actor", said["actor"]), ("action", said["action"]), ("event_id", str(said["n"]))}
    return terms | ({("source_ip", said["from"])} if "from" in said else set())
