#!/usr/bin/env python3
"""Audit queries against the reference: the same filters, events, schemas and times, the same answers.

STELE_QUERIES says how many filters are tried in each test (400), STELE_QUERY_SEED with which seed.
"""
import hashlib
import json
import os
import random
import subprocess
import unittest
from pathlib import Path

import query_cases as cases
import query_reference as ref

ROOT = Path(__file__).resolve().parents[2]
PROBE = os.environ.get("STELE_QUERY_PROBE", ROOT / "build/tests/query_probe")
SHARED = Path(os.environ.get("STELE_SHARED", ROOT.parent.parent / "shared"))
COUNT = int(os.environ.get("STELE_QUERIES", "400"))
SEED = int(os.environ.get("STELE_QUERY_SEED", "1"))
BUILT_IN = ["kubernetes-audit", "cloudtrail", "gitlab-audit", "ocsf", "windows-event", "cloudevents", "ecs", "syslog"]
DOCUMENTS = [(ROOT / "proto/schemas" / f"{name}.json").read_bytes() for name in BUILT_IN]
OWN = json.dumps({
    "name": "own", "when": "a:* OR b:* OR ts:*", "nothing": ["-", "n/a"],
    "fields": {
        "time": [{"path": "ts", "unit": "ms"}, ["a", "b"], "UtcTime"],
        "actor": [["user.name", "a"], "username", {"path": "nested.a", "map": {"al*": "alice", "*": "other"}}],
        "action": [{"path": "status", "map": {"2*": "success", "42": "answer"}}, {"value": "none"}],
        "source_ip": ["IpAddress", "sourceIPs"], "event_id": ["id", "\"x.y\""], "severity": ["b"]}}).encode()


class Probe:
    """The program under test, a command at a time."""

    def __init__(self):
        self.process = subprocess.Popen([str(PROBE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the probe died of: {words}")
        return line.rstrip("\n")

    def filter(self, text, chosen=-1):
        """The canonical text, or None when it is refused."""
        answer = self.ask("filter", chosen, text.hex())
        return bytes.fromhex(answer[3:]) if answer.startswith("ok ") else None

    def match(self, payload, received, writer, parsed=0):
        answer = self.ask("match", received, parsed, "x" + writer.encode().hex(), "x" + payload.hex())
        return tuple(int(n) for n in answer.split())

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        return self.process.returncode


class QueryCase(unittest.TestCase):
    def setUp(self):
        self.probe = Probe()
        self.use(DOCUMENTS)
        self.random = random.Random(f"{SEED} {self.id()}")

    def tearDown(self):
        self.assertEqual(self.probe.close(), 0)

    def use(self, documents):
        answer = self.probe.ask("schemas", *(() if documents is DOCUMENTS else [d.hex() for d in documents]))
        self.assertNotIn("-", answer)
        self.schemas = [ref.Schema(d) for d in documents]

    def how(self):
        return self.schemas, ref.path_of, ref.write_name

    def parse_both(self, text):
        """The reference's tree, when both read it; both must agree about that and about the text."""
        printed = self.probe.filter(text)
        try:
            tree = ref.parse(text)
        except ref.Refused as e:
            self.assertIsNone(printed, f"{text!r} is refused by the reference: {e}")
            return None
        self.assertEqual(printed, ref.write(tree).encode(), text)
        return tree

    def compare(self, text, tree, payload, chosen=-1):
        received = self.random.choice([0, 1600563723000000000, 1700000000123456789])
        writer = self.random.choice(["", "s-7k2m9q", "alice", "42"])
        record = ref.Record(payload, received, writer, self.schemas, chosen)
        expected = record.answer(tree)
        self.assertEqual(self.probe.match(payload, received, writer), expected, (text, payload))
        if record.schema >= 0 and chosen < 0:
            got = self.probe.match(payload, received, writer, parsed=1)
            if got[1] & 8:
                self.assertEqual(expected[0], 0, ("skipped, and it matches", text, payload))
            else:
                self.assertEqual(got, expected, (text, payload))
        return expected[0]


class Random(QueryCase):
    def run_random(self, n_events):
        seen = [0, 0, 0]
        for _ in range(COUNT):
            text = cases.balanced(cases.filter_text(self.random, self.how())).encode()
            tree = self.parse_both(text)
            for _ in range(n_events if tree else 0):
                seen[self.compare(text, tree, cases.event(self.random, self.schemas, ref.path_of))] += 1
        self.assertTrue(all(n > COUNT // 2 for n in seen), seen)  # each verdict was met often

    def test_built_in_schemas(self):
        self.run_random(25)

    def test_a_schema_of_ones_own(self):
        self.use([OWN])
        self.run_random(25)

    def test_a_chosen_schema(self):
        for _ in range(COUNT):
            text = cases.balanced(cases.filter_text(self.random, self.how())).encode()
            chosen = self.random.randrange(len(self.schemas))
            tree = self.parse_both(text)
            if tree:
                self.probe.filter(text, chosen)
                for _ in range(5):
                    self.compare(text, tree, cases.event(self.random, self.schemas, ref.path_of), chosen)

    def test_values_meet_literals(self):
        """Each kind of literal against each kind of value, by path and by field."""
        values = [json.dumps(t) for t in cases.TEXTS + cases.TIMES] + cases.NUMBERS + ["true", "false", "null", "{}", "[]"]
        self.use([json.dumps({"name": "one", "when": "", "fields": {
            f: ["v"] for f in ("time", "actor", "source_ip")}}).encode()])
        for _ in range(COUNT):
            op = self.random.choice(["=", "!=", "<", "<=", ">", ">=", ":"])
            for left in ("v", "actor", "source_ip", "time", "any"):
                text = f"{left} {op} {cases.literal(self.random)}".encode()
                tree = self.parse_both(text)
                for v in values if tree else []:
                    self.compare(text, tree, f'{{"v":{v}}}'.encode())

    def test_gibberish_is_read_and_refused_alike(self):
        read = 0
        for _ in range(COUNT * 25):
            read += self.parse_both(cases.gibberish(self.random)) is not None
        self.assertGreater(read, COUNT // 4)


class Real(QueryCase):
    """Real events, filters of their own values; skipped where they are not."""

    def events(self, name, limit):
        path = SHARED / "data" / name
        if not path.exists():
            self.skipTest(f"no {path}")
        if name.endswith(".zst"):
            lines = subprocess.run(["zstdcat", str(path)], capture_output=True, check=True).stdout
        else:
            lines = path.read_bytes()
        lines = [line for line in lines.split(b"\n") if line.strip()]
        return self.random.sample(lines, min(limit, len(lines)))

    def leaves(self, value, path=()):
        if isinstance(value, ref.Members):
            for name, member in value:
                yield from self.leaves(member, path + (name,))
        elif isinstance(value, list):
            for element in value:
                yield from self.leaves(element, path)
        elif path:
            yield path, value

    def term(self, event):
        path, value = self.random.choice(list(self.leaves(ref.load(event)[0])))
        text = ref.text_of(value) if value is not None else "null"
        cut = text[:self.random.randrange(len(text) + 1)]
        right = self.random.choice([f'"{ref.quote(text)}"', f'"{ref.quote(cut)}*"', f'"{ref.quote(cut)}"', "*"])
        if isinstance(value, ref.Number):
            right = self.random.choice([text, text, right])
        left = ".".join(ref.write_name(s) for s in path)
        left = f'"{path[0]}"' if left in ref.FIELDS else left
        if self.random.random() < 0.3:
            left = self.random.choice(["actor", "any", "resource", "source_ip", "action", "outcome"])
        op = ":" if right == "*" else self.random.choice(["=", "=", "!=", ":"] + ["<", ">="] * (left[0] not in "as"))
        return f"{left} {op} {right}"

    def run_real(self, name, limit, schema):
        events = self.events(name, limit)
        matched = unparsed = 0
        for _ in range(max(COUNT // 20, 5)):
            word = self.random.choice([" AND ", " OR "])
            text = word.join(self.term(self.random.choice(events)) for _ in range(self.random.choice([1, 1, 2, 3])))
            tree = self.parse_both(text.encode())
            for event in events if tree else []:
                verdict = self.compare(text, tree, event)
                matched += verdict == 1
                unparsed += verdict == 2
        self.assertGreater(matched, 0)
        fits = [ref.Record(e, 0, "", self.schemas).schema for e in events]
        self.assertGreater(fits.count(BUILT_IN.index(schema)), 0.95 * len(events))

    def test_windows(self):
        self.run_real("windows-security.ndjson.zst", 150, "windows-event")

    def test_cloudtrail(self):
        self.run_real("cloudtrail.ndjson", 103, "cloudtrail")

    def test_kubernetes(self):
        self.run_real("k8s-audit.ndjson", 52, "kubernetes-audit")


def canonical_number(text):
    """The spelling of a number that the index looks up, by way of its digits."""
    value = ref.number(text)
    if value == 0:
        return "0"
    mantissa, _, exponent = text.lower().lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    shift = int(exponent or 0) - len(fraction)
    shift += len(digits) - len(digits.rstrip("0"))
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if shift >= 0 and len(digits) + shift <= 40:
        return sign + digits + "0" * shift
    return f"{sign}{digits}e{shift}"


class Terms(QueryCase):
    FAR = {"1e999999999999999999999", "1e18446744073709551616", "1e-999999999999999999999"}

    def expected(self, record):
        pairs = {("writer", record.writer.encode())} if record.writer else set()
        for field in ref.FIELDS[3:] if record.schema >= 0 else []:
            for value in record.values(field):
                text = ref.text_of(value)
                spellings = [text]
                if ref.number(text) is not None:
                    spellings.append(canonical_number(text))
                elif field == "source_ip" and ref.address(text) is not None:
                    spellings.append(str(ref.address(text)))
                pairs |= {(field, s.encode()[:255]) for s in spellings}
        times = record.values("time") if record.schema >= 0 else [record.received]
        return pairs, times

    def test_all_pairs_are_listed(self):
        for _ in range(COUNT * 3):
            payload = cases.event(self.random, self.schemas, ref.path_of)
            if any(far.encode() in payload for far in self.FAR):
                continue
            record = ref.Record(payload, 12345, self.random.choice(["", "w"]), self.schemas)
            words = self.probe.ask("terms", 12345, "x" + record.writer.encode().hex(), "x" + payload.hex()).split()
            pairs, times = self.expected(record)
            got = [tuple(w.split("=")) for w in words[5:]]
            self.assertEqual({(f, bytes.fromhex(t)) for f, t in got}, pairs, payload)
            self.assertEqual(len(got), len(pairs), payload)
            self.assertEqual([int(w) for w in words[2:5]], [times[0], min(times), max(times)], payload)
            flags = 1 if not record.doc else 2 if record.schema < 0 else 0
            flags |= 4 if record.doc and ref.has_twice(record.doc[0]) else 0
            self.assertEqual([int(w) for w in words[:2]], [record.schema, flags])


class Schemas(QueryCase):
    def test_canonical_text_says_the_same_and_is_its_own(self):
        for i, document in enumerate(DOCUMENTS):
            text = bytes.fromhex(self.probe.ask("canonical", i))
            mine, theirs = json.loads(document), json.loads(text)
            self.assertEqual(list(theirs["fields"]), [f for f in ref.FIELDS if f in mine["fields"]])
            self.assertEqual(theirs["when"], ref.write(ref.parse(mine["when"].encode())))
            self.assertEqual({k: v for k, v in theirs.items() if k != "when"},
                             {k: v for k, v in mine.items() if k != "when"})
            probe = Probe()
            self.assertEqual(probe.ask("schemas", text.hex()), "0")
            self.assertEqual(bytes.fromhex(probe.ask("canonical", 0)), text)
            probe.close()
            print(f"{mine['name']} {hashlib.sha256(text).hexdigest()}")


class Simple(QueryCase):
    def simple(self, **terms):
        words = []
        for name, values in terms.items():
            for v in values if isinstance(values, list) else [values]:
                name = name.rstrip("_")
                words.append(f"{name}={v if isinstance(v, int) else v.encode().hex()}")
        answer = self.probe.ask("simple", *words)
        return bytes.fromhex(answer[3:]).decode() if answer.startswith("ok ") else answer

    def test_simple_terms_are_the_same_language(self):
        day = 86400 * 10**9
        self.assertEqual(self.simple(), "")
        self.assertEqual(self.simple(from_=day, to=2 * day),
                         'time >= "1970-01-02T00:00:00.000000000Z" AND time < "1970-01-03T00:00:00.000000000Z"')
        self.assertEqual(self.simple(actor=["alice", "b\"ob*"], event_type="4624", action="true"),
                         '(actor = "alice" OR actor = "b\\"ob*") AND action = "true" AND event_type = 4624')
        self.assertEqual(self.simple(source_ip="10.0.0.0/8", filter="a = 1 OR b = 2 AND c:*"),
                         'source_ip = "10.0.0.0/8" AND (a = 1 OR b = 2) AND c:*')
        self.assertEqual(self.simple(any="*", writer="w", filter=" "), 'writer = "w" AND any = "*"')
        self.assertTrue(self.simple(actor="a*b").startswith("error -3 2 "))
        self.assertTrue(self.simple(actor="").startswith("error -3 1 "))
        self.assertTrue(self.simple(actor="x", filter="a b").startswith("error -3 3 "))


if __name__ == "__main__":
    unittest.main(verbosity=2)
