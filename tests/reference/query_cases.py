"""Random events and filters, out of few names and values so that they meet; for query_test.py."""

NAMES = ["user", "name", "username", "a", "b", "id", "type", "eventSource", "eventName", "eventVersion", "auditID",
         "stage", "verb", "requestURI", "sourceIPs", "ts", "status", "message", "host", "appname", "é", "x.y", "",
         "time", "actor", "EventID", "Channel", "nested", "UtcTime", "eventTime", "IpAddress", "n\"q", "tab\t"]
TEXTS = ["alice", "alice ", "Alice", "al", "bob", "-", "", "é", "日本", "😀", "a/b", "C:\\x", "say \"hi\"", "null", "true",
         "10.0.0.1", "10.1.2.3", "::ffff:10.0.0.1", "::ffff:a00:1", "fe80::1", "FE80:0::1", "10.0.0.01", "not an ip",
         "AUDIT_SUCCESS", "success", "failure", "2xx", "42", "042", "4.2e1", "-0", "1e400", "9007199254740993", "x*y",
         "\u0000", "line\nline", "a" * 300, "S-1-0-0", "allow", "forbid", "Success"]
NUMBERS = ["0", "-0", "0.0", "1", "42", "42.0", "4.2e1", "420e-1", "-42", "41.999999999999999999999999", "200", "404",
           "9007199254740992", "9007199254740993", "9007199254740993.0", "1e15", "1000000000000000", "1E-7",
           "0.0000001", "1e400", "1e401", "-1e400", "123456789012345678901234567890", "0.1", "1e-400",
           "1600000000", "1600000000000", "1600000000000000", "1600000000000000000", "1600000000.5", "99999999999",
           "100000000000", "1e999999999999999999999", "1e-999999999999999999999", "1e18446744073709551616", "0e999999999999999999999"]
TIMES = ["2020-09-20T01:02:03Z", "2020-09-20T03:02:03+02:00", "2020-09-20 01:02:03", "2020-09-20", "2020-09-20T00:00Z",
         "2020-09-20T01:02:03.000000000Z", "2020-09-20T01:02:03,0Z", "2020-09-20T01:02:03.123456789Z",
         "2020-09-20T01:02:03.1234567891Z", "2020-09-20t01:02:03z", "2020-09-20 01:02:03 UTC", "2020-09-20T01:02:60Z",
         "2020-02-30T00:00:00Z", "2020-09-20T24:00:00Z", "1969-12-31T23:30:00-01:00", "1970-01-01T00:00:00+01:00",
         "2261-12-31T23:59:59.999999999Z", "2262-01-01T00:00:00Z", "2020-9-20", "Sep 20 01:02:03", "1600563723",
         "2020-09-20T01:02:03+0200", "2020-09-20T01:02:03-02", "2020-09-20T01:02:03.Z", "2020-09-20T", "0000-00-00"]


def spell(r, text, quote='"'):
    """A JSON string of text, some characters escaped that need not be."""
    out = ""
    for c in text:
        code = ord(c)
        style = r.random()
        if c in '"\\' or code < 0x20 or style < 0.08:
            units = [code] if code < 0x10000 else [0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff)]
            short = {'"': '\\"', "\\": "\\\\", "/": "\\/", "\n": "\\n", "\t": "\\t"}.get(c)
            long = "".join(r.choice(("\\u%04x", "\\u%04X")) % u for u in units)
            out += short if short and style < 0.7 else long
        else:
            out += c
    return quote + out + quote


def scalar(r):
    kind = r.randrange(10)
    if kind < 4:
        return spell(r, r.choice(TEXTS))
    if kind < 6:
        return spell(r, r.choice(TIMES))
    return r.choice(NUMBERS) if kind < 9 else r.choice(["true", "false", "null"])


def blank(r):
    return r.choice(["", "", "", " ", "\n", "  \t"])


def value(r, depth=0):
    kind = r.random()
    if depth > 4 or kind < 0.6:
        return scalar(r)
    if kind < 0.75:
        return "[" + blank(r) + ",".join(value(r, depth + 1) for _ in range(r.randrange(4))) + blank(r) + "]"
    return members(r, [(r.choice(NAMES), value(r, depth + 1)) for _ in range(r.randrange(4))])


def members(r, pairs):
    return "{" + ",".join(f"{blank(r)}{spell(r, n)}{blank(r)}:{blank(r)}{v}{blank(r)}" for n, v in pairs) + "}"


def nest(r, path, leaf):
    """(name, JSON) that leads along a path to a leaf, arrays thrown in."""
    for name in reversed(path[1:]):
        leaf = members(r, [(name, leaf)])
        if r.random() < 0.15:
            leaf = "[" + leaf + "]"
    return path[0], leaf


def schema_paths(schema):
    out = []
    for alternatives in schema.fields.values():
        for alternative in alternatives:
            for place in alternative if isinstance(alternative, list) else [alternative]:
                place = {"path": place} if isinstance(place, str) else place
                out += [place["path"]] if "path" in place else []
    return out


def terms_of(tree):
    if tree[0] == "term":
        return [tree]
    children = tree[1] if tree[0] in ("and", "or") else [tree[1]] if tree[0] == "not" else []
    return [t for c in children for t in terms_of(c)]


def event(r, schemas, path_of):
    """An event of one of the schemas, more or less; sometimes of none, sometimes no JSON."""
    kind = r.random()
    if kind < 0.1:
        text = value(r)
    else:
        schema = r.choice(schemas)
        pairs = [nest(r, t.steps, scalar(r)) for t in terms_of(schema.when) if r.random() < 0.9]
        for path in schema_paths(schema):
            if r.random() < 0.3:
                pairs.append(nest(r, path_of(path), value(r, 3)))
        pairs += [(r.choice(NAMES), value(r)) for _ in range(r.randrange(3))]
        if r.random() < 0.5:
            r.shuffle(pairs)
        text = members(r, pairs)
    payload = text.encode()
    if r.random() < 0.05:
        payload = broken(r, payload)
    return payload


def broken(r, payload):
    at = r.randrange(len(payload) + 1)
    junk = r.choice([b"", b"\xff", b'"', b"NaN", b"\\u12", b"}", b"[" * 70, b"\x01", b",", b"\xed\xa0\x80"])
    return payload[:at] + junk + payload[at + r.randrange(2):]


def literal(r):
    kind = r.random()
    if kind < 0.15:
        return r.choice(NUMBERS[:-4])
    if kind < 0.3:
        return r.choice(["true", "false", "null", "alice", "10.0.0.0/8", "10.0.0.1", "::ffff:0:0/96", "0.0.0.0/0", "al*",
                         "4*", "*", "fe80::/10", "2020-09-20", "2020-09-20T01:02:03Z", "::ffff:10.0.0.0/104"])
    text = r.choice(TIMES if kind < 0.5 else TEXTS + NUMBERS[:6])
    if r.random() < 0.2:
        text = text[:r.randrange(len(text) + 1)]
    body = spell(r, text).replace("*", "\\*")[1:-1]
    return f'"{body}{r.choice(["", "", "", "*"])}"'


def left(r, schemas, path_of, write_name):
    kind = r.random()
    if kind < 0.5:
        return r.choice(["time", "receive_time", "writer", "actor", "action", "resource", "outcome", "source_ip",
                         "trace_id", "event_id", "event_type", "severity", "any", "any", "source_ip", "time"])
    if kind < 0.8:
        steps = path_of(r.choice(schema_paths(r.choice(schemas))))
        steps = steps[:r.randrange(1, len(steps) + 1)]
    else:
        steps = [r.choice(NAMES) for _ in range(r.choice([1, 1, 2, 3]))]
    text = ".".join(write_name(s) for s in steps)
    return text if len(steps) > 1 or r.random() < 0.5 else spell(r, steps[0])


def term(r, *how):
    op = r.choice(["=", "=", "=", "!=", ":", ":", "<", "<=", ">", ">="])
    right = "*" if op == ":" and r.random() < 0.4 else literal(r)
    return left(r, *how) + blank(r) + op + blank(r) + right


def texts_in_one_place(r, how):
    """A list of texts for one place, other terms among them."""
    place, field = left(r, *how), r.choice(["actor", "any", "outcome"])
    ops = ["=", "=", "=", "=", "=", "!=", ":"]
    items = [f"{r.choice([place, field])} {r.choice(ops)} {literal(r)}" for _ in range(r.randrange(4, 14))]
    return "(" + " OR ".join(items) + ")"


def filter_text(r, how, depth=0):
    kind = r.random()
    if kind < 0.06:
        return texts_in_one_place(r, how)
    if depth > 3 or kind < 0.45:
        return term(r, *how)
    if kind < 0.6:
        return r.choice(["NOT ", "-", "NOT(", "-("]) + filter_text(r, how, 4) + " " * r.randrange(2)
    word = r.choice([" AND ", " OR "])
    items = [filter_text(r, how, depth + 1) for _ in range(r.choice([2, 2, 3]))]
    items = [f"({i})" if r.random() < 0.4 else i for i in items]
    return word.join(items)


def balanced(text):
    """Closes what NOT( left open, outside strings: good enough to be read most of the time."""
    depth, inside = 0, False
    for i, c in enumerate(text):
        if c == '"' and (i == 0 or text[i - 1] != "\\"):
            inside = not inside
        depth += (c == "(") - (c == ")") if not inside else 0
    return text + ")" * max(depth, 0)


TOKENS = ["AND", "OR", "NOT", "-", "(", ")", "=", "!=", "<", ">=", ":", "*", "a", "a.b", "actor", "time", "any", "\"x\"",
          "'y*'", "\"\\u00e9\"", "42", "-1", "true", "null", "é", ".", ",", "\"", "\\", " ", " ", " ", "\n", "007", "a.0",
          "AND.a", "b*", "2020-01-01", "source_ip", "10.0.0.0/8", "and", "\x00", "\x7f", "!", "\"\\ud83d\\ude00\"", "\"\\q\""]


def gibberish(r):
    text = "".join(r.choice(TOKENS) + r.choice(["", " "]) for _ in range(r.randrange(1, 12))).encode()
    return broken(r, text) if r.random() < 0.1 else text
