"""Logs and witnesses that are not stele's, from the published documents alone: Ed25519 signing
(RFC 8032), cosignatures (C2SP tlog-cosignature) and the witness protocol (C2SP tlog-witness).
Python's standard library only.
"""
import base64
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import proof

ED25519, COSIGNATURE = 1, 4
DASH = "\u2014"


def _times(k, point):
    q = proof.IDENTITY
    for bit in range(k.bit_length() - 1, -1, -1):
        q = proof._add(q, q)
        if k >> bit & 1:
            q = proof._add(q, point)
    return q


def _encode(p):
    inverse = pow(p[2], proof.P - 2, proof.P)
    x, y = p[0] * inverse % proof.P, p[1] * inverse % proof.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Key:
    """A named key of one type, made of a seed."""

    def __init__(self, name, kind=ED25519, seed=None):
        digest = hashlib.sha512(seed or hashlib.sha256(name.encode()).digest()).digest()
        self.name, self.kind, self.prefix = name, kind, digest[32:]
        self.secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
        self.public = _encode(_times(self.secret, proof.BASE))
        typed = bytes([kind]) + self.public
        self.key_id = hashlib.sha256(name.encode() + b"\n" + typed).digest()[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{base64.b64encode(typed).decode()}"

    def sign(self, message):
        def number(*parts):
            return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % proof.L

        r = number(self.prefix, message)
        point = _encode(_times(r, proof.BASE))
        s = (r + number(point, self.public, message) * self.secret) % proof.L
        return point + s.to_bytes(32, "little")

    def _line(self, blob):
        return f"{DASH} {self.name} {base64.b64encode(self.key_id + blob).decode()}\n"

    def line(self, text):
        return self._line(self.sign(text.encode()))

    def cosign(self, text, at=None):
        at = int(time.time()) if at is None else at
        message = f"cosignature/v1\ntime {at}\n{text}".encode()
        return self._line(at.to_bytes(8, "big") + self.sign(message))


def cosigned(note, vkey):
    """The times at which the witness of that verifier key cosigned a note; a line of its that is bad
    is an error."""
    name, key_id, key = vkey.split("+", 2)
    key, key_id = base64.b64decode(key), bytes.fromhex(key_id)
    assert key[0] == COSIGNATURE, vkey
    text, _, lines = note.rpartition("\n\n")
    times = []
    for line in lines.splitlines():
        _, who, field = line.split(" ")
        field = base64.b64decode(field, validate=True)
        if who != name or field[:4] != key_id:
            continue
        at = int.from_bytes(field[4:12], "big")
        message = f"cosignature/v1\ntime {at}\n{text}\n".encode()
        assert proof.ed25519_verify(key[1:], message, field[12:]), line
        times.append(at)
    return times


class FakeLog:
    """A log whose entries are numbers; a fork has other ones from some index on."""

    def __init__(self, origin, fork=None):
        self.key, self.origin, self.fork = Key(origin), origin, fork

    def leaves(self, size):
        mark = b"" if self.fork is None else b"fork"
        return [proof.leaf_hash(b"%d" % i + (mark if self.fork is not None and i >= self.fork else b""))
                for i in range(size)]

    def text(self, size):
        root = base64.b64encode(proof.tree_root(self.leaves(size))).decode()
        return f"{self.origin}\n{size}\n{root}\n"

    def note(self, size, key=None):
        text = self.text(size)
        return text + "\n" + (key or self.key).line(text)

    def consistency(self, old, size):
        """RFC 9162 section 2.1.4.1."""
        def sub(m, leaves, whole):
            if m == len(leaves):
                return [] if whole else [proof.tree_root(leaves)]
            k = 1 << (len(leaves) - 1).bit_length() - 1
            if m <= k:
                return sub(m, leaves[:k], whole) + [proof.tree_root(leaves[k:])]
            return sub(m - k, leaves[k:], False) + [proof.tree_root(leaves[:k])]

        return sub(old, self.leaves(size), True) if 0 < old < size else []

    def request(self, old, size, hashes=None, key=None):
        hashes = self.consistency(old, size) if hashes is None else hashes
        lines = "".join(base64.b64encode(h).decode() + "\n" for h in hashes)
        return f"old {old}\n{lines}\n{self.note(size, key)}".encode()


class FakeWitness:
    """A witness that does as it is told: answer(witness, old, text) gives status, type and body, or None to
    say nothing for as long as it is there."""

    def __init__(self, answer, name="fake.example.com/w"):
        self.key, self.answer, self.seen, self.sizes = Key(name, COSIGNATURE), answer, [], {}
        self.ended = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                head, text = body.split("\n\n", 1)
                text = text.split("\n\n")[0] + "\n"
                outer.seen.append((self.path, head, text))
                said = outer.answer(outer, int(head.split("\n")[0].split(" ")[1]), text)
                if said is None:
                    outer.ended.wait()
                    return
                status, kind, answer, *more = said
                answer = answer.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                for name, value in more:
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(answer)
                except OSError:
                    pass  # the other end did not want all of it

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def end(self):
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()


def honest(witness, old, text):
    """Believes every proof."""
    origin, size = text.split("\n")[:2]
    seen = witness.sizes.get(origin, 0)
    if old != seen:
        return 409, "text/x.tlog.size", f"{seen}\n"
    witness.sizes[origin] = int(size)
    return 200, "text/plain", witness.key.cosign(text)
