"""The strict ZIP of docs/formats.md section 10, and ways to break each of its rules."""
import struct
import zlib
from dataclasses import dataclass, field

TOP = 0xFFFFFFFF
MADE_BY, ATTRIBUTES, DATE = 0x0314, 0x81240000, 0x0021


@dataclass
class Member:
    """One file of the archive. local and central override fields of its two headers (see FIELDS)."""

    name: bytes
    data: bytes
    method: int = 8
    packed: bytes = None  # in place of what data packs to
    level: int = 6
    sum: int = None  # the CRC-32, once it was asked for
    before: bytes = b""  # put between this file and the one before
    local: dict = field(default_factory=dict)
    central: dict = field(default_factory=dict)

    def crc(self):
        if self.sum is None:
            self.sum = zlib.crc32(self.data)
        return self.sum

    def pack(self):
        if self.packed is None:
            self.packed = self.data
            if self.method == 8:
                squeeze = zlib.compressobj(self.level, zlib.DEFLATED, -15)
                whole, step = memoryview(self.data), 1 << 26
                packed = [squeeze.compress(whole[i : i + step]) for i in range(0, len(whole), step)]
                self.packed = b"".join(packed) + squeeze.flush()
        return self.packed


def _fields(m, offset):
    said = {
        "version": 20,
        "flags": 0,
        "method": m.method,
        "time": 0,
        "date": DATE,
        "crc": m.crc(),
        "packed": len(m.pack()),
        "size": len(m.data),
        "name": m.name,
        "made_by": MADE_BY,
        "disk": 0,
        "internal": 0,
        "attributes": ATTRIBUTES,
        "offset": offset,
        "comment": b"",
        "signature": None,
    }
    big = max(said["packed"], said["size"], offset) >= TOP
    said["version"] = 45 if big else 20
    extra = struct.pack("<QQ", said["size"], said["packed"])
    said["extra_local"] = struct.pack("<HH", 1, 16) + extra if big else b""
    said["extra_central"] = struct.pack("<HHQ", 1, 24, said["size"]) + extra[8:] + struct.pack("<Q", offset) if big else b""
    if big:
        said |= {"packed": TOP, "size": TOP}
    return said, big


def local_header(m, offset):
    f, _ = _fields(m, offset)
    f |= m.local
    extra = f.get("extra", f["extra_local"])
    head = struct.pack("<IHHHHH", f["signature"] or 0x04034B50, f["version"], f["flags"], f["method"], f["time"], f["date"])
    return head + struct.pack("<IIIHH", f["crc"], f["packed"], f["size"], len(f["name"]), len(extra)) + f["name"] + extra


def central_header(m, offset):
    f, big = _fields(m, offset)
    f |= {"offset": TOP} if big else {}
    f |= m.central
    extra = f.get("extra", f["extra_central"])
    head = struct.pack("<IHHHHHH", f["signature"] or 0x02014B50, f["made_by"], f["version"], f["flags"], f["method"], f["time"], f["date"])
    head += struct.pack("<IIIHHH", f["crc"], f["packed"], f["size"], len(f["name"]), len(extra), len(f["comment"]))
    head += struct.pack("<HHII", f["disk"], f["internal"], f["attributes"], f["offset"])
    return head + f["name"] + extra + f["comment"]


def end_records(count, size, offset, /, zip64=False, **wrong):
    """The end of an archive whose central directory is at offset; zip64 puts those records where none are needed."""
    end = b""
    if zip64 or count >= 0xFFFF or size >= TOP or offset >= TOP:
        end += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 0x032D, 45, 0, 0, count, count, size, offset)
        end += struct.pack("<IIQI", 0x07064B50, 0, offset + size, 1)
    says = {"disk": 0, "start": 0, "here": min(count, 0xFFFF), "count": min(count, 0xFFFF)}
    says |= {"size": min(size, TOP), "offset": min(offset, TOP), "comment": b""}
    says |= wrong
    numbers = (says["disk"], says["start"], says["here"], says["count"], says["size"], says["offset"])
    return end + struct.pack("<IHHHHIIH", 0x06054B50, *numbers, len(says["comment"])) + says["comment"]


def pieces(members, *, prefix=b"", gap=b"", directory=None, **end):
    """The archive, piece by piece. directory: the members in the order of the central directory, if that is another."""
    offsets, at = {}, len(prefix)
    yield prefix
    for m in members:
        at += len(m.before)
        offsets[id(m)] = at
        header, data = local_header(m, at), m.pack()
        yield from (m.before, header, data)
        at += len(header) + len(data)
    yield gap
    at += len(gap)
    listed = members if directory is None else directory
    central = b"".join(central_header(m, offsets[id(m)]) for m in listed)
    yield central
    yield end_records(len(listed), len(central), at, **end)


def pack(members, **more):
    """The archive's bytes; more: as of pieces()."""
    return b"".join(pieces(members, **more))
