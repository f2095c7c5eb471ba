#!/usr/bin/env python3
"""The verifier of proof.py against other people's vectors: it judges the server, so who judges it?"""
import base64
import json
import unittest

import proof
from lib import SHARED

# RFC 8032 section 7.1, test 2
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def vectors(name):
    path = SHARED / "vectors" / name
    if not path.exists():
        raise unittest.SkipTest(f"{path} is not there")
    return [json.loads(line) for line in path.read_text().splitlines()]


def bytes_of(text):
    return base64.b64decode(text or "")


class Proof(unittest.TestCase):
    def test_ed25519_accepts_a_signature_of_rfc_8032_and_no_change_of_it(self):
        self.assertTrue(proof.ed25519_verify(PUBLIC, b"\x72", SIGNATURE))
        self.assertFalse(proof.ed25519_verify(PUBLIC, b"\x73", SIGNATURE))
        for i in (0, 31, 32, 63):
            changed = bytearray(SIGNATURE)
            changed[i] ^= 1
            self.assertFalse(proof.ed25519_verify(PUBLIC, b"\x72", bytes(changed)))

    def test_the_published_vkey_is_its_own(self):
        self.assertEqual(proof.Vkey.parse(VKEY).name, "example.com/foo")
        with self.assertRaises(ValueError):
            proof.Vkey.parse(VKEY.replace("530d", "530e"))

    def test_inclusion_vectors_hold_as_they_say(self):
        for v in vectors("merkle-inclusion.ndjson"):
            with self.subTest(v.get("desc")):
                held = proof.verify_inclusion(
                    v["leafIdx"],
                    v["treeSize"],
                    bytes_of(v["leafHash"]),
                    [bytes_of(h) for h in v["proof"] or []],
                    bytes_of(v["root"]),
                )
                self.assertEqual(held, not v["wantErr"])

    def test_consistency_vectors_hold_as_they_say(self):
        for v in vectors("merkle-consistency.ndjson"):
            with self.subTest(v.get("desc")):
                held = proof.verify_consistency(
                    v["size1"],
                    v["size2"],
                    bytes_of(v["root1"]),
                    bytes_of(v["root2"]),
                    [bytes_of(h) for h in v["proof"] or []],
                )
                self.assertEqual(held, not v["wantErr"])


if __name__ == "__main__":
    unittest.main()
