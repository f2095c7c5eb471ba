"""Audit queries once more, as docs/queries.md has them: slow, plain, and nothing shared.

A filter is parsed into nested tuples, a payload by Python's own JSON parser into pairs (so that members that
are there twice stay), numbers are Fractions, times integers. Used by query_test.py.
"""
import ipaddress
import json
import re
from datetime import date
from fractions import Fraction

FIELDS = ["time", "receive_time", "writer", "actor", "action", "resource", "outcome", "source_ip", "trace_id",
          "event_id", "event_type", "severity"]
ANY = ["actor", "action", "resource", "outcome", "source_ip", "event_type", "event_id"]
MAX_NS = 9214646399999999999
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NO, UNKNOWN, YES = 0, 1, 2


class Refused(Exception):
    """The filter or the schema is none."""


# --- numbers, times, addresses ---------------------------------------------------------


def number(text):
    """A JSON number's exact value, or None. Far exponents become a stand-in that orders the same."""
    if not JSON_NUMBER.fullmatch(text):
        return None
    mantissa, _, exponent = text.lower().partition("e")
    exponent = int(exponent or 0)
    value = Fraction(mantissa)
    if value == 0:
        return Fraction(0)
    return value * Fraction(10) ** max(-20000, min(20000, exponent))


TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII)


def zone_minutes(text):
    if not text or text in ("Z", "z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError
    return (hours * 60 + minutes) * (-1 if text[0] == "-" else 1)


def instant_of_text(text):
    m = TIME.fullmatch(text)
    if not m:
        return None
    year, month, day = (int(g) for g in m.groups()[:3])
    hour, minute, second = (int(g or 0) for g in m.groups()[3:6])
    try:
        days = (date(year, month, day) - date(1970, 1, 1)).days
        offset = zone_minutes(m.group(8))
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset * 60
    ns = seconds * 10**9 + int((m.group(7) or "")[:9].ljust(9, "0"))
    return ns if 0 <= ns <= MAX_NS else None


def instant_of_number(text, unit=None):
    value = number(text)
    if value is None or value < 0:
        return None
    if unit is None:
        unit = "s" if value < 10**11 else "ms" if value < 10**14 else "us" if value < 10**17 else "ns"
    ns = int(value * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit])
    return ns if ns <= MAX_NS else None


def instant(text, unit=None):
    ns = instant_of_text(text)
    return instant_of_number(text, unit) if ns is None else ns


def address(text):
    if "%" in text:
        return None
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def network(text):
    """A network, an address being one of its own."""
    base, slash, bits = text.partition("/")
    if address(base) is None or (slash and not re.fullmatch("0|[1-9][0-9]*", bits, re.ASCII)):
        return None
    raw = ipaddress.ip_address(base)
    bits = int(bits) if slash else raw.max_prefixlen
    if bits > raw.max_prefixlen:
        return None
    if getattr(raw, "ipv4_mapped", None) and bits >= 96:
        raw, bits = raw.ipv4_mapped, bits - 96
    return ipaddress.ip_network((raw, bits), strict=False)


# --- filters ---------------------------------------------------------------------------

BLANK = " \t\r\n"
NAME = re.compile(r"[A-Za-z0-9_\-@$#/\u0080-\U0010ffff]+")
ESCAPES = {'"': '"', "'": "'", "\\": "\\", "/": "/", "*": "*", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Parser:
    def __init__(self, text):
        self.text, self.at, self.depth, self.terms = text, 0, 0, 0

    def peek(self):
        return self.text[self.at:self.at + 1]

    def blanks(self):
        while self.peek() and self.peek() in BLANK:
            self.at += 1

    def keyword(self, word):
        end = self.at + len(word)
        if self.text.startswith(word, self.at) and (end == len(self.text) or self.text[end] in BLANK + "("):
            self.at = end
            self.blanks()
            return True
        return False

    def filter(self):
        self.blanks()
        if self.at == len(self.text):
            return ("all",)
        tree = self.list("and", "AND", lambda: self.list("or", "OR", self.negation))
        if self.at < len(self.text):
            raise Refused("more after the filter")
        return tree

    def list(self, kind, word, item):
        items = [item()]
        self.blanks()
        while self.keyword(word):
            items.append(item())
            self.blanks()
        flat = []
        for child in items:
            flat += child[1] if child[0] == kind and len(items) > 1 else [child]
        return flat[0] if len(items) == 1 else (kind, flat)

    def deeper(self, read):
        self.depth += 1
        if self.depth > 32:
            raise Refused("too deep")
        result = read()
        self.depth -= 1
        return result

    def negation(self):
        negated = self.keyword("NOT")
        if not negated and self.peek() == "-":
            negated = True
            self.at += 1
            self.blanks()
        read = self.parentheses if self.peek() == "(" else self.term
        if not negated:
            return read()
        inner = self.deeper(lambda: (self.parentheses if self.peek() == "(" else self.term)())
        return inner[1] if inner[0] == "not" else ("not", inner)

    def parentheses(self):
        def inside():
            self.at += 1
            self.blanks()
            tree = self.list("and", "AND", lambda: self.list("or", "OR", self.negation))
            if self.peek() != ")":
                raise Refused("no )")
            self.at += 1
            return tree
        return self.deeper(inside)

    def string(self, star_means_prefix):
        quote, out, self.at = self.peek(), "", self.at + 1
        while True:
            c = self.peek()
            self.at += 1
            if c == "":
                raise Refused("no end of string")
            if c == quote:
                return out, False
            if c == "*" and star_means_prefix:
                if self.peek() != quote:
                    raise Refused("* in the middle")
                self.at += 1
                return out, True
            if c == "\\":
                out += self.escape()
            elif c < " ":
                raise Refused("control character")
            else:
                out += c

    def escape(self):
        c = self.peek()
        self.at += 1
        if c in ESCAPES and c:
            return ESCAPES[c]
        m = re.compile(r"[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})?").match(self.text, self.at) if c == "u" else None
        if not m:
            raise Refused("escape")
        high = int(m.group(0)[:4], 16)
        if not 0xd800 <= high <= 0xdfff:
            self.at += 4
            return chr(high)
        low = int(m.group(0)[6:] or "0", 16)
        if high > 0xdbff or not 0xdc00 <= low <= 0xdfff:
            raise Refused("surrogate")
        self.at += 10
        return chr(0x10000 + ((high - 0xd800) << 10) + low - 0xdc00)

    def name(self, first):
        if self.peek() and self.peek() in "\"'":
            return self.string(False)[0], True
        m = NAME.match(self.text, self.at)
        if not m or (first and (m.group(0)[0] == "-" or m.group(0) in ("AND", "OR", "NOT"))):
            raise Refused("name")
        if re.fullmatch("[0-9]+", m.group(0)):
            raise Refused("a name of digits")
        self.at = m.end()
        return m.group(0), False

    def path(self):
        first, quoted = self.name(True)
        steps = [first]
        while self.peek() == ".":
            self.at += 1
            steps.append(self.name(False)[0])
        if len(steps) > 32:
            raise Refused("long path")
        return tuple(steps), quoted

    def term(self):
        self.terms += 1
        if self.terms > 1000:
            raise Refused("too many terms")
        steps, quoted = self.path()
        field = steps[0] if not quoted and len(steps) == 1 and steps[0] in FIELDS + ["any"] else None
        self.blanks()
        m = re.compile("!=|<=|>=|[=<>:]").match(self.text, self.at)
        if not m:
            raise Refused("operator")
        self.at = m.end()
        self.blanks()
        if self.peek() and self.peek() in "\"'":
            text, prefix = self.string(True)
            plain = False
        else:
            text, prefix = self.word()
            plain = True
        return Term(field, steps, m.group(0), text, prefix, plain).checked()

    def word(self):
        m = re.compile(r"""[^\x00-\x20()"',=<>!\\]+""").match(self.text, self.at)
        if not m or m.group(0) in ("AND", "OR", "NOT"):
            raise Refused("literal")
        self.at = m.end()
        text = m.group(0)
        if "*" in text[:-1]:
            raise Refused("* in the middle")
        return (text[:-1], True) if text[-1] == "*" else (text, False)


class Term(tuple):
    """(kind "term", term) with what the literal can be read as."""

    def __new__(cls, *_):
        return super().__new__(cls, ("term",))

    def __init__(self, field, steps, op, text, prefix, plain):
        self.field, self.steps, self.op, self.text, self.prefix = field, steps, op, text, prefix
        self.number = None if prefix else number(text)
        self.instant = None if prefix else instant_of_text(text)
        self.word = text if plain and not prefix and text in ("true", "false", "null") else None
        self.plain = plain and not prefix and (self.number is not None or self.word is not None)
        self.network = network(text) if field in ("source_ip", "any") and not prefix else None

    def checked(self):
        orders = self.op in ("<", "<=", ">", ">=")
        if self.number is not None and "e" in self.text.lower():
            digits = re.sub(r"[-.]", "", self.text.lower().partition("e")[0])
            if digits.strip("0") and abs(int(self.text.lower().partition("e")[2])) > 999000:
                raise Refused("exponent")
        if self.field in ("time", "receive_time"):
            self.instant = None if self.prefix else instant(self.text)
            if self.instant is None or self.op == ":":
                raise Refused("time")
        elif orders and (self.prefix or self.word or self.field in ("source_ip", "any")):
            raise Refused("order")
        return self


def quote(text):
    out = ""
    for c in text:
        if c in '"\\*':
            out += "\\" + c
        elif c in "\b\f\n\r\t":
            out += "\\" + "bfnrt"["\b\f\n\r\t".index(c)]
        elif c < " ":
            out += f"\\u{ord(c):04x}"
        else:
            out += c
    return out


def write_name(name):
    plain = NAME.fullmatch(name) and not re.fullmatch("[0-9]+", name) and name[0] != "-"
    return name if plain and name not in ("AND", "OR", "NOT") else f'"{quote(name)}"'


def write_term(t):
    if t.field:
        left = t.field
    elif len(t.steps) == 1 and t.steps[0] in FIELDS + ["any"]:
        left = f'"{t.steps[0]}"'
    else:
        left = ".".join(write_name(s) for s in t.steps)
    op = ":" if t.op == ":" else f" {t.op} "
    if t.op == ":" and t.prefix and not t.text:
        return left + ":*"
    return left + op + (t.text if t.plain else f'"{quote(t.text)}{"*" if t.prefix else ""}"')


def write(tree, inside=False):
    """The canonical text."""
    if tree[0] == "all":
        return ""
    if tree[0] == "term":
        return write_term(tree)
    if tree[0] == "not":
        return "NOT " + write(tree[1], True)
    text = f" {tree[0].upper()} ".join(write(c, True) for c in tree[1])
    return f"({text})" if inside else text


def parse(text):
    """A filter's tree from its bytes; Refused."""
    if len(text) > 65536:
        raise Refused("long")
    try:
        tree = Parser(text.decode()).filter()
    except UnicodeDecodeError as e:
        raise Refused("UTF-8") from e
    if depth(tree) > 32 or len(write(tree).encode()) > 65536:
        raise Refused("deep or long when written out")
    return tree


def depth(tree):
    children = tree[1] if tree[0] in ("and", "or") else [tree[1]] if tree[0] == "not" else []
    return 1 + max(map(depth, children)) if children else 0


# --- payloads --------------------------------------------------------------------------


class Members(list):
    """An object: its (name, value) pairs, in order."""


class Number(str):
    """A number's text."""


def refuse_constant(name):
    raise ValueError(name)


def too_deep(value, level=0):
    if not isinstance(value, list):
        return False
    inner = [v for _, v in value] if isinstance(value, Members) else value
    return level >= 64 or any(too_deep(v, level + 1) for v in inner)


def load(payload):
    """The payload's value, or None when it is no JSON as stele has it. A value is boxed in a list."""
    if len(payload) > 16 << 20:
        return None
    try:
        text = payload.decode()
        value = json.loads(text, object_pairs_hook=Members, parse_int=Number, parse_float=Number,
                           parse_constant=refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()  # lone surrogates are refused here
    except (ValueError, RecursionError):
        return None
    return None if text.startswith("\ufeff") or too_deep(value) else [value]


def is_array(value):
    return isinstance(value, list) and not isinstance(value, Members)


def along(value, steps):
    """Everything a path leads to: elements of arrays, and the arrays too at its end."""
    if is_array(value):
        here = [] if steps else [value]
        return here + [hit for element in value for hit in along(element, steps)]
    if not steps:
        return [value]
    if not isinstance(value, Members):
        return []
    return [hit for name, member in value if name == steps[0] for hit in along(member, steps[1:])]


def has_twice(value):
    if isinstance(value, Members):
        names = [n for n, _ in value]
        return len(set(names)) < len(names) or any(has_twice(v) for _, v in value)
    return is_array(value) and any(has_twice(v) for v in value)


def text_of(value):
    """A scalar's text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def ordered(op, left, right):
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}.get(op, left == right)


def fits(t, value, is_address):
    """One value against one term, = for !=: the table of comparisons."""
    if t.op == ":" and t.prefix and not t.text:
        return True
    if isinstance(value, Members):
        return t.op == ":" and any(begins(t, name) for name, _ in value)
    if is_array(value):
        return False
    if value is None or t.word == "null":
        return value is None and t.word == "null"
    text, equality = text_of(value), t.op in ("=", "!=", ":")
    if t.prefix:
        return text.startswith(t.text)
    if isinstance(value, bool):
        return equality and text == t.text
    if isinstance(value, Number):
        return t.number is not None and ordered(t.op, number(value), t.number)
    if t.network is not None and is_address and address(text) is not None:
        return address(text) in t.network
    if t.plain and t.number is not None:
        return number(text) is not None and ordered(t.op, number(text), t.number)
    if t.instant is not None:
        ns = instant_of_text(text)
        return ns is not None and ordered(t.op, ns, t.instant)
    return ordered(t.op, text.encode(), t.text.encode())


def begins(t, name):
    return name.startswith(t.text) if t.prefix else name == t.text


# --- schemas ---------------------------------------------------------------------------


def path_of(text):
    p = Parser(text)
    steps, _ = p.path()
    if p.at < len(text):
        raise Refused("path")
    return steps


class Schema:
    def __init__(self, document):
        d = json.loads(document)
        self.name, self.when = d["name"], parse(d["when"].encode())
        self.nothing, self.fields = d.get("nothing", []), d["fields"]

    def place(self, doc, field, place):
        """The values of one place, as texts, Numbers and bools; of time as integers."""
        if isinstance(place, str):
            place = {"path": place}
        if "value" in place:
            return [place["value"]]
        out = []
        for value in along(doc, path_of(place["path"])):
            if value is None or isinstance(value, list):
                continue
            if not isinstance(value, (bool, Number)) and value in self.nothing + [""]:
                continue
            if field == "time":
                value = None if isinstance(value, bool) else instant(text_of(value), place.get("unit"))
            elif "map" in place:
                value = mapped(place["map"], text_of(value))
            out += [] if value is None else [value]
        return out

    def values(self, doc, field):
        for alternative in self.fields.get(field, []):
            places = alternative if isinstance(alternative, list) else [alternative]
            values = [v for place in places for v in self.place(doc, field, place)]
            if values:
                return values
        return []


def mapped(lines, text):
    for pattern, value in lines.items():
        if text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern:
            return value
    return None


# --- records ---------------------------------------------------------------------------


class Record:
    def __init__(self, payload, received, writer, schemas, chosen=-1):
        self.doc, self.received, self.writer = load(payload), received, writer
        self.schemas, self.schema = schemas, -1
        if self.doc:
            fitting = (i for i, s in enumerate(schemas) if self.truth(s.when) == YES)
            self.schema = chosen if chosen >= 0 else next(fitting, -1)

    def values(self, field):
        if field == "receive_time":
            return [self.received]
        if field == "writer":
            return [self.writer] if self.writer else []
        values = self.schemas[self.schema].values(self.doc[0], field) if self.schema >= 0 else []
        return values or ([self.received] if field == "time" else [])

    def term(self, t):
        if t.field is None:
            if not self.doc:
                return UNKNOWN
            found = any(fits(t, v, False) for v in along(self.doc[0], t.steps))
        elif t.field in ("time", "receive_time"):
            found = any(ordered(t.op, v, t.instant) for v in self.values(t.field))
        elif self.schema < 0 and t.field != "writer":
            return UNKNOWN
        else:
            found = any(fits(t, v, f == "source_ip") for f in (ANY if t.field == "any" else [t.field])
                        for v in self.values(f))
        return YES if found != (t.op == "!=") else NO

    def truth(self, tree):
        if tree[0] == "all":
            return YES
        if tree[0] == "term":
            return self.term(tree)
        if tree[0] == "not":
            return YES - self.truth(tree[1])
        return (min if tree[0] == "and" else max)(self.truth(c) for c in tree[1])

    def answer(self, tree):
        """(verdict, flags, schema) as proto/match.h numbers them."""
        verdict = {NO: 0, YES: 1, UNKNOWN: 2}[self.truth(tree)]
        flags = 1 if not self.doc else 2 if self.schema < 0 else 0
        if verdict == 1 and self.doc and has_twice(self.doc[0]):
            flags |= 4
        return verdict, flags, self.schema
