"""What a verifier needs, from the published documents alone: no code of stele is used here.

Ed25519 (RFC 8032), Merkle proofs (RFC 9162 section 2.1), C2SP signed notes and
checkpoints, and the commitment of docs/formats.md. Python's standard library only.
"""
import base64
import hashlib
import json
from dataclasses import dataclass

# --- Ed25519, RFC 8032 section 5.1 -----------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def _add(p, q):
    """Sum of two points in extended coordinates (X, Y, Z, T)."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _decode_point(data):
    """The point of 32 bytes, or None when they encode none."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P == -u % P:
        x = x * SQRT_MINUS_1 % P
    if v * x * x % P != u or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = _decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def ed25519_verify(public, message, signature):
    """True when signature (64 bytes) is public's (32 bytes) over message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    a, r = _decode_point(public), _decode_point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], 1, P - a[3])
    both = _add(BASE, minus_a)
    q = IDENTITY  # becomes [s]B - [k]A, which must be R
    for bit in range(252, -1, -1):
        q = _add(q, q)
        pair = (s >> bit & 1, k >> bit & 1)
        if pair != (0, 0):
            q = _add(q, {(1, 0): BASE, (0, 1): minus_a, (1, 1): both}[pair])
    return (q[0] * r[2] - r[0] * q[2]) % P == 0 and (q[1] * r[2] - r[1] * q[2]) % P == 0


# --- Merkle trees, RFC 9162 section 2.1 ------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()


def tree_root(leaves):
    """The root over leaf hashes, by the definition (section 2.1.1)."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(tree_root(leaves[:k]), tree_root(leaves[k:]))


def verify_inclusion(index, size, leaf, proof, root):
    """True when leaf is at index in the tree of that size and root (section 2.1.3.2)."""
    if not 0 <= index < size or any(len(h) != 32 for h in [leaf, root, *proof]):
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def verify_consistency(size1, size2, root1, root2, proof):
    """True when the tree (size2, root2) begins with the tree (size1, root1) (section 2.1.4.2)."""
    if not 0 < size1 <= size2:
        return False
    if size1 == size2:
        return not proof and root1 == root2
    if any(len(h) != 32 for h in [root1, root2, *proof]):
        return False
    if size1 & (size1 - 1) == 0:
        proof = [root1] + proof
    if not proof:
        return False
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == root1 and sr == root2


# --- C2SP signed notes and checkpoints -------------------------------------------


@dataclass(frozen=True)
class Vkey:
    """A verifier key, `name+hex(keyID)+base64(type || public key)`."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text):
        name, key_id, key = text.strip().split("+", 2)
        key, key_id = base64.b64decode(key, validate=True), bytes.fromhex(key_id)
        if key[0] != 1 or len(key) != 33:
            raise ValueError("not an Ed25519 key: " + text)
        if hashlib.sha256(name.encode() + b"\n" + key).digest()[:4] != key_id:
            raise ValueError("the key's id is not its own: " + text)
        return cls(name, key_id, key[1:])


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def open_note(note, vkey):
    """The text of a note (str) that vkey signed; ValueError when it did not."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, name, field = line.split(" ")
        field = base64.b64decode(field, validate=True)
        if dash == "\u2014" and name == vkey.name and field[:4] == vkey.key_id:
            if ed25519_verify(vkey.public, text.encode(), field[4:]):
                return text
            raise ValueError("bad signature by " + name)
    raise ValueError("not signed by " + vkey.name)


def open_checkpoint(note, vkey):
    """The Checkpoint of a signed note; ValueError when it is not one, or not vkey's."""
    lines = open_note(note, vkey).split("\n")
    checkpoint = Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))
    if checkpoint.origin != vkey.name or str(checkpoint.size) != lines[1]:
        raise ValueError("not a checkpoint of " + vkey.name)
    return checkpoint


# --- receipts, docs/formats.md ---------------------------------------------------


def hashes(list_of_base64):
    return [base64.b64decode(h, validate=True) for h in list_of_base64]


def commitment(salt, payload):
    return hashlib.sha256(b"stele-payload-1\n" + salt + payload).digest()


def verify_receipt(receipt, payload, vkey):
    """Checks an append's answer against the payload that was sent; returns its Checkpoint.

    ValueError says what does not hold.
    """
    entry = json.loads(receipt["entry"])
    checkpoint = open_checkpoint(receipt["checkpoint"], vkey)
    if entry["origin"] != checkpoint.origin or entry["index"] != receipt["index"]:
        raise ValueError("the entry is of another place")
    if payload is not None:
        salt = base64.b64decode(receipt["salt"], validate=True)
        if base64.b64decode(entry["commitment"]) != commitment(salt, payload):
            raise ValueError("the payload is not what the entry commits to")
        if entry["size"] != len(payload):
            raise ValueError("the payload's size is not the entry's")
    leaf = leaf_hash(receipt["entry"].encode())
    proof = hashes(receipt["proof"])
    if not verify_inclusion(receipt["index"], checkpoint.size, leaf, proof, checkpoint.root):
        raise ValueError("the entry is not in the checkpoint's tree")
    return checkpoint
