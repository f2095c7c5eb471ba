"""Timestamp authorities (RFC 3161, RFC 5652, RFC 5816) that say whatever they are told to, in DER made here: keys, certificates,
tokens. Standard library only; keys follow from their names.
"""
import base64
import functools
import hashlib
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

SECOND = 10**9
DIGEST_OIDS = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2", "sha512": "2.16.840.1.101.3.4.2.3"}
RSA_OIDS = {"sha256": "1.2.840.113549.1.1.11", "sha384": "1.2.840.113549.1.1.12", "sha512": "1.2.840.113549.1.1.13"}
EC_OIDS = {"sha256": "1.2.840.10045.4.3.2", "sha384": "1.2.840.10045.4.3.3", "sha512": "1.2.840.10045.4.3.4"}
SIGNED_DATA, TST_INFO, DATA = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4", "1.2.840.113549.1.7.1"
TYPE, DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
NAMED, NAMED_2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
STAMPS, CLIENTS = "1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.2"

# --- DER -------------------------------------------------------------------------


def der(tag, *parts):
    content = b"".join(parts)
    n = len(content)
    size = bytes([n]) if n < 128 else bytes([0x80 | (n.bit_length() + 7) // 8]) + n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([tag]) + size + content


def seq(*parts):
    return der(0x30, *parts)


def integer(n, tag=2):
    return der(tag, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def oid(text):
    first, second, *rest = map(int, text.split("."))
    out = b""
    for n in [first * 40 + second, *rest]:
        piece = [n & 127]
        while n := n >> 7:
            piece.append(n & 127 | 128)
        out += bytes(reversed(piece))
    return der(6, out)


def algorithm(text, *parameters):
    return seq(oid(text), *parameters)


NULL = der(5)


def bits(content):
    return der(3, b"\0", content)


def name(common):
    return seq(der(0x31, seq(oid("2.5.4.3"), der(12, common.encode()))))


def moment(ns):
    return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=ns // SECOND)


def general(ns, fraction=""):
    return der(24, (moment(ns).strftime("%Y%m%d%H%M%S") + fraction + "Z").encode())


def validity(ns):
    when = moment(ns)
    return der(23, when.strftime("%y%m%d%H%M%SZ").encode()) if when.year < 2050 else general(ns)


# --- keys ------------------------------------------------------------------------


class RsaKey:
    """PKCS #1 v1.5."""

    made = {}

    def __init__(self, seed, size=2048):
        if (seed, size) not in self.made:
            rng = random.Random(f"rsa {seed} {size}")
            p, q = prime(rng, size // 2), prime(rng, size // 2)
            self.made[seed, size] = p * q, pow(65537, -1, (p - 1) * (q - 1))
        self.n, self.d = self.made[seed, size]

    def public(self):
        return seq(algorithm("1.2.840.113549.1.1.1", NULL), bits(seq(integer(self.n), integer(65537))))

    def algorithm(self, digest):
        return algorithm(RSA_OIDS[digest], NULL)

    def sign(self, digest, data):
        info = seq(algorithm(DIGEST_OIDS[digest], NULL), der(4, hashlib.new(digest, data).digest()))
        size = (self.n.bit_length() + 7) // 8
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(size, "big")


def prime(rng, size):
    small = [p for p in range(3, 2000, 2) if all(p % q for q in range(3, int(p**0.5) + 1, 2))]
    while True:
        n = rng.getrandbits(size) | 3 << size - 2 | 1
        if (n - 1) % 65537 and all(n % p for p in small) and all(pow(a, n - 1, n) == 1 for a in (2, 3, 5)):
            return n


CURVES = {  # SEC 2: p, a, the base point, its order
    "p256": ("1.2.840.10045.3.1.7", 2**256 - 2**224 + 2**192 + 2**96 - 1, -3,
             0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5,
             0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551),
    "p384": ("1.3.132.0.34", 2**384 - 2**128 - 2**96 + 2**32 - 1, -3,
             0xaa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7,
             0x3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f,
             0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973),
    "p521": ("1.3.132.0.35", 2**521 - 1, -3,
             0xc6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66,
             0x11839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650,
             int("1" + 65 * "f" + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16)),
    "k256": ("1.3.132.0.10", 2**256 - 2**32 - 977, 0, 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798,
             0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8,
             0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141),
}


class EcKey:
    """ECDSA (SEC 1)."""

    def __init__(self, seed, curve="p256"):
        self.oid, self.p, self.a, x, y, self.order = CURVES[curve]
        self.base = x, y
        self.secret = random.Random(f"ec {seed} {curve}").randrange(1, self.order)
        self.bytes = (self.p.bit_length() + 7) // 8

    def add(self, a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0] and (a[1] + b[1]) % self.p == 0:
            return None
        if a == b:
            slope = (3 * a[0] * a[0] + self.a) * pow(2 * a[1], -1, self.p)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, self.p)
        x = (slope * slope - a[0] - b[0]) % self.p
        return x, (slope * (a[0] - x) - a[1]) % self.p

    def times(self, k):
        found, point = None, self.base
        while k:
            found = self.add(found, point) if k & 1 else found
            point = self.add(point, point)
            k >>= 1
        return found

    def public(self):
        x, y = self.times(self.secret)
        point = b"\4" + x.to_bytes(self.bytes, "big") + y.to_bytes(self.bytes, "big")
        return seq(algorithm("1.2.840.10045.2.1", oid(self.oid)), bits(point))

    def algorithm(self, digest):
        return algorithm(EC_OIDS[digest])

    def sign(self, digest, data):
        z = hashlib.new(digest, data).digest()
        z = int.from_bytes(z, "big") >> max(0, 8 * len(z) - self.order.bit_length())
        k = random.Random(f"{self.secret} {data.hex()}").randrange(1, self.order)
        r = self.times(k)[0] % self.order
        return seq(integer(r), integer(pow(k, -1, self.order) * (z + r * self.secret) % self.order))


# --- certificates ----------------------------------------------------------------

YEAR = 365 * 86400 * SECOND
BEGIN, END = 1577836800 * SECOND, 1577836800 * SECOND + 25 * YEAR  # from 2020 on


def extension(text, critical, content):
    return seq(oid(text), *([der(1, b"\xff")] if critical else []), der(4, content))


def use(*uses, critical=True):
    return extension("2.5.29.37", critical, seq(*map(oid, uses)))


def key_usage(value, critical=True):
    """value: the byte of the bit string, as digitalSignature is 0x80."""
    spare = (value & -value).bit_length() - 1 if value else 0
    return extension("2.5.29.15", critical, der(3, bytes([spare, value])))


ROOT = [extension("2.5.29.19", True, seq(der(1, b"\xff"))), key_usage(0x04)]
STAMPER = [use(STAMPS), key_usage(0x80)]


@dataclass
class Certificate:
    """What certifies a key; by: the Certificate of who signed it, itself when there is none."""

    common: str
    key: object
    by: object = None
    extensions: list = field(default_factory=lambda: STAMPER)
    begin: int = BEGIN
    end: int = END
    serial: int = 0x1234

    def __post_init__(self):
        by = self.by or self
        digest = "sha384" if by.key.__class__ is EcKey and by.key.bytes > 32 else "sha256"
        how = by.key.algorithm(digest)
        to_sign = seq(der(0xa0, integer(2)), integer(self.serial), how, name(by.common), seq(validity(self.begin), validity(self.end)),
                      name(self.common), self.key.public(), der(0xa3, seq(*self.extensions)))
        self.der = seq(to_sign, how, bits(by.key.sign(digest, to_sign)))

    @property
    def pem(self):
        text = base64.encodebytes(self.der).decode().replace("\n", "")
        return "-----BEGIN CERTIFICATE-----\n" + "\n".join(text[i : i + 64] for i in range(0, len(text), 64)) + "\n-----END CERTIFICATE-----\n"


# --- tokens ----------------------------------------------------------------------


@dataclass
class Authority:
    """Who answers. Its fields are what it does; a liar has others."""

    certificate: Certificate
    chain: list = field(default_factory=list)  # other certificates in the token
    digest: str = "sha256"  # of the message
    named: str = "v2"  # how it names its certificate: v1, v2, both, long (v2 with more than it has to say), or none
    bare: bool = False  # the signature's algorithm is that of the key alone

    def info(self, data, when, **wrong):
        """The TSTInfo of these bytes."""
        imprint = wrong.get("imprint", hashlib.sha256(data).digest())
        accuracy = wrong.get("accuracy", seq(integer(1), integer(500, 0x80)))
        by = algorithm(DIGEST_OIDS[wrong.get("imprint_by", "sha256")], NULL)
        return seq(integer(wrong.get("version", 1)), oid("1.2.3.4"), seq(by, der(4, imprint)), integer(77),
                   wrong.get("time", general(when)), accuracy, integer(0x7fffffffffffffff))

    def attribute_of_names(self, subject=None):
        c = subject or self.certificate
        where = seq(seq(der(0xa4, name((c.by or c).common))), integer(c.serial))
        sha = [hashlib.new(d, c.der).digest() for d in ("sha1", "sha256", "sha512")]
        first = seq(seq(seq(der(4, sha[0]), where)))
        forms = {"v1": [(NAMED, first)], "v2": [(NAMED_2, seq(seq(seq(der(4, sha[1])))))], "none": [],
                 "long": [(NAMED_2, seq(seq(seq(algorithm(DIGEST_OIDS["sha512"]), der(4, sha[2]), where))))]}
        forms["both"] = forms["v1"] + forms["v2"]
        return [seq(oid(which), der(0x31, value)) for which, value in forms[self.named]]

    def signed(self, info, **wrong):
        """The SignedData of a TSTInfo."""
        c = wrong.get("signer", self.certificate)
        attributes = [seq(oid(TYPE), der(0x31, oid(wrong.get("type", TST_INFO)))),
                      seq(oid(DIGEST), der(0x31, der(4, hashlib.new(self.digest, wrong.get("message", info)).digest())))]
        attributes += self.attribute_of_names(wrong.get("subject"))
        attributes = sorted(attributes, key=lambda a: (len(a), a)) if not wrong.get("attributes") else wrong["attributes"]
        signature = c.key.sign(self.digest, der(0x31, *attributes))
        how = algorithm("1.2.840.113549.1.1.1", NULL) if self.bare and isinstance(c.key, RsaKey) else c.key.algorithm(wrong.get("signed_by", self.digest))
        signer = seq(integer(1), seq(name((c.by or c).common), integer(c.serial)), algorithm(DIGEST_OIDS[self.digest], NULL),
                     der(0xa0, *attributes), how, der(4, wrong.get("signature", lambda s: s)(signature)))
        inside = wrong.get("certificates", [c, *self.chain])
        certificates = [der(0xa0, *(x.der for x in inside))] if inside else []
        return seq(integer(3), der(0x31, algorithm(DIGEST_OIDS[self.digest], NULL)), seq(oid(wrong.get("content", TST_INFO)), der(0xa0, der(4, info))),
                   *certificates, der(0x31, *[signer] * wrong.get("signers", 1)))

    def stamp(self, data, when, **wrong):
        """The TimeStampResp of these bytes."""
        token = seq(oid(SIGNED_DATA), der(0xa0, self.signed(self.info(data, when, **wrong), **wrong)))
        return seq(seq(integer(wrong.get("status", 0))), token) + wrong.get("behind", b"")


@functools.lru_cache
def root():
    return Certificate("root.example", RsaKey("root"), extensions=ROOT, serial=1)


@functools.lru_cache
def stampers():
    """Honest certificates, each with the others that a token has to have, and the algorithms that it is used with."""
    top = root()
    between = Certificate("between.example", EcKey("between", "p384"), top, ROOT, serial=2)
    return [(Certificate("clock.example", RsaKey("clock"), top), [], {}),
            (Certificate("clock.example", RsaKey("clock"), top, serial=9), [], {"digest": "sha512", "named": "both", "bare": True}),
            (Certificate("ec.example", EcKey("ec"), between), [between], {"named": "v1"}),
            (Certificate("ec384.example", EcKey("ec", "p384"), between), [between, top], {"digest": "sha384", "named": "long"}),
            (Certificate("ec521.example", EcKey("ec", "p521"), top, [use(STAMPS)]), [], {"digest": "sha512"})]


def authorities():
    """Honest ones of each kind, which lead to root()."""
    return [Authority(certificate, chain, **how) for certificate, chain, how in stampers()]
