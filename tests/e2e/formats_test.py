#!/usr/bin/env python3
"""docs/formats.md against a verifier that shares no code with stele."""
import base64
import json
import re
import unittest

import proof
from lib import ROOT

DOC = (ROOT / "docs/formats.md").read_text(encoding="utf-8")


def vector(name):
    return re.search(rf"<!-- vector: {name} -->\n```\n(.*?)```\n", DOC, re.S).group(1)


class Formats(unittest.TestCase):
    def setUp(self):
        self.identity = proof.Vkey.parse(vector("identity vkey").strip())
        self.key = proof.Vkey.parse(vector("log vkey").strip())
        self.leaves = [proof.leaf_hash(e.encode()) for e in vector("entries").splitlines()]
        self.checkpoint = proof.open_checkpoint(vector("checkpoint"), self.key)

    def test_the_identity_names_the_log_key(self):
        text = proof.open_note(vector("key statement"), self.identity)
        self.assertEqual(text, f"stele key v1\n{vector('log vkey').strip()}\n0\n1\n")
        payload = json.loads(vector("policy payload"))
        self.assertEqual(payload["key_statement"], vector("key statement"))

    def test_the_identity_names_the_next_key(self):
        for name, *numbers in (("key payload", "1", "7"), ("restore payload", "1795450200", "5")):
            statement = json.loads(vector(name))["key_statement"]
            lines = proof.open_note(statement, self.identity).splitlines()
            self.assertEqual(lines[0], "stele key v1")
            self.assertEqual(proof.Vkey.parse(lines[1]).name, self.key.name)
            self.assertEqual(lines[2:], numbers)

    def test_one_identity_takes_over_from_another(self):
        lines = vector("succession").splitlines()
        self.assertEqual(lines[0], "stele identity v1")
        self.assertEqual(lines[1], vector("identity vkey").strip())
        self.assertEqual(lines[3:5], ["1", "2026-11-23T16:48:00.000000000Z"])
        for key in map(proof.Vkey.parse, lines[1:3]):
            self.assertEqual(key.name, self.identity.name)
            self.assertEqual(proof.open_note(vector("succession"), key).splitlines(), lines[:5])

    def test_entries_chain_and_hash_to_the_root(self):
        rows = [line.split() for line in vector("entry hashes").splitlines()]
        self.assertEqual([bytes.fromhex(row[1]) for row in rows], self.leaves)
        self.assertEqual(proof.tree_root(self.leaves), self.checkpoint.root)
        self.assertEqual(len(self.leaves), self.checkpoint.size)
        previous = proof.tree_root([])
        for leaf, line in zip(self.leaves, vector("entries").splitlines()):
            self.assertEqual(base64.b64decode(json.loads(line)["prev"]), previous)
            previous = leaf

    def test_a_purge_entry_names_what_went_and_its_root(self):
        entry = json.loads(vector("purge payload"))
        gone = [self.leaves[i] for first, last in entry["ranges"] for i in range(first, last + 1)]
        self.assertEqual(len(gone), entry["count"])
        self.assertEqual(proof.tree_root(gone), base64.b64decode(entry["root"]))

    def test_the_proof_and_the_payload_hold(self):
        head, note = vector("tlog-proof").split("\n\n", 1)
        magic, extra, index, *hashes = head.split("\n")
        self.assertEqual(magic, "c2sp.org/tlog-proof@v1")
        entry, salt = base64.b64decode(extra.removeprefix("extra ")).split(b"\n")
        at = int(index.removeprefix("index "))
        checkpoint = proof.open_checkpoint(note, self.key)
        self.assertTrue(
            proof.verify_inclusion(
                at, checkpoint.size, proof.leaf_hash(entry), proof.hashes(hashes), checkpoint.root
            )
        )
        rows = dict(re.split(r" +", line, maxsplit=1) for line in vector("commitment").splitlines())
        payload = rows["payload"].encode()
        self.assertEqual(base64.b64decode(salt), bytes.fromhex(rows["salt"]))
        got = proof.commitment(bytes.fromhex(rows["salt"]), payload)
        self.assertEqual(got, bytes.fromhex(rows["commitment"]))
        self.assertEqual(got, base64.b64decode(json.loads(entry)["commitment"]))

    def test_the_log_grew(self):
        old = proof.open_checkpoint(vector("older checkpoint"), self.key)
        grown = json.loads(vector("consistency"))
        self.assertEqual((grown["from"], grown["to"]), (old.size, self.checkpoint.size))
        self.assertTrue(
            proof.verify_consistency(
                old.size, self.checkpoint.size, old.root, self.checkpoint.root,
                proof.hashes(grown["proof"]),
            )
        )


if __name__ == "__main__":
    unittest.main()
