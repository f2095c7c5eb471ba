"""Classes of tampering by somebody who has the bundle and no key, or another one: bytes, ZIP tricks, files, signatures."""
import base64
import struct
import zipfile
import zlib
from io import BytesIO

import bundle_maker
import bundle_zip
from bundle_case import tampers
from bundle_maker import manifest
from bundle_model import Key


# --- bytes -----------------------------------------------------------------------


def contents(archive):
    """What an archive's files unpack to, None when they do not."""
    try:
        with zipfile.ZipFile(BytesIO(archive)) as z:
            return {name: z.read(name) for name in z.namelist()}
    except Exception:  # whatever a broken archive makes of it
        return None


def in_data(archive, offset):
    """Whether a byte is of a file's packed data: there a bit may mean nothing (behind deflate's last block)."""
    with zipfile.ZipFile(BytesIO(archive)) as z:
        for f in z.infolist():
            begin = f.header_offset + 30 + len(f.filename.encode())
            if begin <= offset < begin + f.compress_size:
                return True
    return False


@tampers("archive", "manifest", "signature", keyless=True)
def flip_a_bit(rng, case):
    archive = case.bundle.archive(case.files)
    at, bit = rng.randrange(len(archive)), 1 << rng.randrange(8)
    changed = archive[:at] + bytes([archive[at] ^ bit]) + archive[at + 1 :]
    return None if in_data(archive, at) and contents(changed) == contents(archive) else changed


@tampers("archive", keyless=True)
def truncate(rng, case):
    archive = case.bundle.archive(case.files)
    return archive[: rng.randrange(len(archive))]


@tampers("archive", keyless=True)
def append_bytes(rng, case):
    return case.bundle.archive(case.files) + rng.randbytes(rng.randrange(1, 40))


@tampers("archive", keyless=True)
def drop_bytes(rng, case):
    archive = case.bundle.archive(case.files)
    at = rng.randrange(len(archive) - 1)
    return archive[:at] + archive[at + rng.randrange(1, 9) :]


# --- the strict ZIP --------------------------------------------------------------


def zip_trick(function):
    """A class that gets the members, and gives what to hand to pack()."""

    def make(rng, case):
        members = case.bundle.members(case.files)
        options = function(rng, members, rng.randrange(len(members)))
        return bundle_zip.pack(members, **(options or {}))

    make.__name__ = "zip_" + function.__name__
    return tampers("archive", keyless=True)(make)


@zip_trick
def bytes_before(rng, members, i):
    return {"prefix": rng.randbytes(rng.randrange(1, 60))}


@zip_trick
def gap_between(rng, members, i):
    members[max(i, 1)].before = rng.randbytes(rng.randrange(1, 60))


@zip_trick
def gap_before_directory(rng, members, i):
    return {"gap": rng.randbytes(rng.randrange(1, 60))}


@zip_trick
def archive_comment(rng, members, i):
    return {"comment": b"PK" + rng.randbytes(rng.randrange(1, 60))}


@zip_trick
def needless_zip64_end(rng, members, i):
    return {"zip64": True}


@zip_trick
def other_order_in_directory(rng, members, i):
    i = max(i, 1)
    return {"directory": members[: i - 1] + [members[i], members[i - 1]] + members[i + 1 :]}


@zip_trick
def file_not_in_directory(rng, members, i):
    return {"directory": members[:i] + members[i + 1 :]}


@zip_trick
def file_twice_in_directory(rng, members, i):
    return {"directory": members[: i + 1] + members[i:]}


@zip_trick
def same_name_twice(rng, members, i):
    members.insert(i, bundle_zip.Member(members[i].name, members[i].data))


@zip_trick
def a_name_in_one_place(rng, members, i):
    rng.choice([members[i].local, members[i].central])["name"] = members[i].name[:-1] + b"~"


@zip_trick
def a_field_in_one_place(rng, members, i):
    m = members[i]
    name, values = rng.choice([
        ("version", [10, 45, 63]), ("flags", [1, 2, 8, 0x800]), ("method", [8 - m.method, 9, 12]), ("time", [1]), ("date", [0, 0x22]),
        ("crc", [zlib.crc32(m.data) ^ 1]), ("packed", [len(m.pack()) + 1]), ("size", [len(m.data) + 1]), ("signature", [0x04034B51])])
    rng.choice([m.local, m.central])[name] = rng.choice(values)


@zip_trick
def a_field_in_both_places(rng, members, i):
    m = members[i]
    wrong = rng.choice([{"version": 10}, {"flags": 0x800}, {"flags": 1}, {"time": 7}, {"date": 0x5B7A}, {"crc": 0}, {"size": len(m.data) + 1}, {"method": 12}])
    m.local |= wrong
    m.central |= wrong


@zip_trick
def a_field_of_the_directory(rng, members, i):
    members[i].central |= rng.choice([
        {"made_by": 0x0014}, {"made_by": 0x031E}, {"attributes": 0xA1FF0000}, {"attributes": 0x81A40000}, {"disk": 1}, {"internal": 1},
        {"comment": b"x"}, {"offset": 0}, {"offset": 7}] if i else [{"offset": 1}, {"comment": b"xyz"}])


@zip_trick
def an_extra_field(rng, members, i):
    extra = rng.choice([b"UT\5\0\1" + bytes(4), b"\xfe\xca\0\0", struct.pack("<HHQQ", 1, 16, len(members[i].data), len(members[i].pack()))])
    for place in rng.choice([[members[i].local], [members[i].central], [members[i].local, members[i].central]]):
        place["extra"] = extra


@zip_trick
def needless_zip64_fields(rng, members, i):
    m = members[i]
    sizes = struct.pack("<QQ", len(m.data), len(m.pack()))
    wrong = {"version": 45, "packed": 0xFFFFFFFF, "size": 0xFFFFFFFF}
    m.local |= wrong | {"extra": struct.pack("<HH", 1, 16) + sizes}
    at = sum(len(bundle_zip.local_header(x, 0)) + len(x.pack()) for x in members[:i])
    m.central |= wrong | {"offset": 0xFFFFFFFF, "extra": struct.pack("<HH", 1, 24) + sizes + struct.pack("<Q", at)}


@zip_trick
def data_behind_the_last_block(rng, members, i):
    m = next(x for x in members[i:] + members if x.method == 8)
    m.packed = m.pack() + rng.randbytes(rng.randrange(1, 9))


@zip_trick
def deflate_that_does_not_end(rng, members, i):
    m = next(x for x in members[i:] + members if x.method == 8)
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    m.packed = squeeze.compress(m.data) + squeeze.flush(zlib.Z_SYNC_FLUSH)


@zip_trick
def unpacks_to_more(rng, members, i):
    m = next(x for x in members[i:] + members if x.method == 8)
    m.packed = bundle_zip.Member(m.name, m.data + b"more").pack()


@zip_trick
def end_record_lies(rng, members, i):
    return rng.choice([{"disk": 1}, {"start": 1}, {"here": len(members) - 1}, {"count": len(members) + 1}, {"size": 46}, {"offset": 0}])


@zip_trick
def a_folder_as_a_file(rng, members, i):
    members.insert(1, bundle_zip.Member(members[0].name.split(b"/")[0] + b"/data/", b"", 0))


@zip_trick
def an_evil_name(rng, members, i):
    name = rng.choice([b"../../etc/passwd", b"/etc/passwd", b"C:\\x", members[i].name + b"\0", members[i].name.upper(), b"x" * 300])
    members.insert(i + 1, bundle_zip.Member(name, b"x"))


@zip_trick
def another_top_folder(rng, members, i):
    members[i].name = b"stele-x-zzzzzzzzzz" + members[i].name[18:]


# --- files -----------------------------------------------------------------------


def unpacked(path):
    return path not in ("signature", "tagmanifest-sha256.txt")


def flipped(rng, body):
    at = rng.randrange(len(body))
    return body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]


@tampers("manifest", keyless=True)
def flip_in_a_file(rng, case):
    path = rng.choice([p for p in case.files if unpacked(p) and case.files[p]])
    return case.files | {path: flipped(rng, case.files[path])}


@tampers("manifest", "signature", keyless=True)
def flip_in_tagmanifest(rng, case):
    path = "tagmanifest-sha256.txt"
    return case.files | {path: flipped(rng, case.files[path])}


@tampers("signature", keyless=True)
def flip_in_signature(rng, case):
    return case.files | {"signature": flipped(rng, case.files["signature"])}


@tampers("archive", keyless=True)
def drop_a_file(rng, case):
    left = [p for p in case.files if "/files/" not in p and "certificate.search" not in p and "consistency" not in p]
    path = rng.choice(left)
    return {p: body for p, body in case.files.items() if p != path}


@tampers("manifest", kinds=["files", "since", "certified"])
def drop_an_optional_file(rng, case):
    left = [p for p in case.files if "/files/" in p or "certificate.search" in p or "consistency" in p]
    path = rng.choice(left)
    return {p: body for p, body in case.files.items() if p != path}


@tampers("archive", keyless=True)
def add_a_file(rng, case):
    path = rng.choice(["data/payments/more.ndjson", "fetch.txt", "x", "data/zz/records.ndjson", "data/payments/files/1.bin", "manifest-md5.txt"])
    made = list(case.files.items())
    made.insert(rng.randrange(len(made) + 1), (path, b"x\n"))
    return dict(made)


@tampers("manifest", "archive")
def add_a_payload(rng, case):
    made = {}
    for path, body in case.files.items():
        made[path] = body
        if path.endswith("/records.csv"):
            made[path[:-11] + "files/000000000000001.bin"] = b"x" * 65537
    return made


@tampers("archive", keyless=True)
def reorder_files(rng, case):
    made = list(case.files.items())
    i, j = rng.sample([n for n, (p, _) in enumerate(made) if "/files/" not in p], 2)
    made[i], made[j] = made[j], made[i]
    return dict(made)


@tampers("manifest", keyless=True)
def swap_contents(rng, case):
    first, second = rng.sample([p for p in case.files if unpacked(p)], 2)
    if case.files[first] == case.files[second]:
        return None
    return case.files | {first: case.files[second], second: case.files[first]}


@tampers("manifest", "signature")
def files_of_another_bundle(rng, case):
    other = bundle_maker.make("whole", 7).files()
    path = rng.choice([p for p in case.files if p in other and unpacked(p) and other[p] != case.files[p]])
    return case.files | {path: other[path]}


@tampers("manifest")
def manifest_rules(rng, case):
    """Signed anew: digests in upper case, other order, a line missing, twice, or of a file that is not there."""
    path = "manifest-sha256.txt"
    lines = case.files[path].decode().splitlines(True)
    trick = rng.randrange(6)
    if trick == 0:
        lines[0] = lines[0][:64].upper() + lines[0][64:]
    elif trick == 1:
        lines[0], lines[1] = lines[1], lines[0]
    elif trick == 2:
        lines.pop(rng.randrange(len(lines)))
    elif trick == 3:
        lines.append(lines[-1])
    elif trick == 4:
        lines.append("0" * 64 + "  data/zzz\n")
    else:
        lines[0] = lines[0].replace("  ", " *")
    return case.bundle.sign(case.files | {path: "".join(lines).encode()})


@tampers("manifest")
def bag_rules(rng, case):
    """Signed anew: bagit.txt of another version, a Payload-Oxum or an identifier that is not."""
    path, old, new = rng.choice([
        ("bagit.txt", b"1.0", b"0.97"), ("bagit.txt", b"UTF-8", b"UTF-16"), ("bag-info.txt", b"Oxum: ", b"Oxum: 1"),
        ("bag-info.txt", b"Identifier: x", b"Identifier: y"), ("bag-info.txt", b"Payload-Oxum", b"Payload-Sum"),
        ("bag-info.txt", b"Payload-Oxum: ", b"Payload-Oxum: 1.1\nPayload-Oxum: ")])
    return case.bundle.sign(case.files | {path: case.files[path].replace(old, new)})


# --- signatures ------------------------------------------------------------------


@tampers("signature")
def signed_by_another_key(rng, case):
    return case.seal(signer=Key(case.bundle.server.name, rng.randbytes(32)))


@tampers("signature")
def signed_by_a_log(rng, case):
    return case.seal(signer=rng.choice(case.bundle.parts).log.key)


@tampers("signature")
def signed_with_a_known_id(rng, case):
    """The key ID says the trusted one, and another key signed."""
    key = Key(case.bundle.server.name, rng.randbytes(32))
    key.key_id = case.bundle.signer.key_id
    return case.seal(signer=key)


@tampers("signature")
def signed_by_two(rng, case):
    return case.seal(signers=[case.bundle.signer, Key("witness.example", rng.randbytes(32))])


@tampers("signature", keyless=True)
def unsigned(rng, case):
    text = case.files["signature"].decode().rpartition("\n\n")[0]
    return case.files | {"signature": (text + "\n" + rng.choice(["", "\n"])).encode()}


@tampers("signature", keyless=True)
def signature_of_another_bundle(rng, case):
    return case.files | {"signature": bundle_maker.make("range", 11).files()["signature"]}


@tampers("signature")
def signature_says_another(rng, case):
    return case.seal(**rng.choice([{"server": "other.example.com"}, {"time": -1}])) if rng.randrange(2) else case.bundle.sign(
        case.files, export="x-zzzzzzzzzz")


@tampers("signature", keyless=True)
def manifests_edited_to_match(rng, case):
    """A file is changed, and both manifests are made anew; the signature is the old one."""
    path = rng.choice([p for p in case.files if p.startswith("data/") and case.files[p]])
    made = case.files | {path: flipped(rng, case.files[path])}
    made["manifest-sha256.txt"] = manifest({p: b for p, b in made.items() if p.startswith("data/")})
    tags = {p: b for p, b in made.items() if not p.startswith("data/") and unpacked(p)}
    return made | {"tagmanifest-sha256.txt": manifest(tags)}


@tampers("signature", keyless=True)
def text_files_edited_to_match(rng, case):
    """What is for people says something else, and the tag manifest with it."""
    path = rng.choice(["README.txt", "certificate.html", "verify.html"])
    made = case.files | {path: case.files[path] + b"VALID"}
    tags = {p: b for p, b in made.items() if not p.startswith("data/") and unpacked(p)}
    return made | {"tagmanifest-sha256.txt": manifest(tags)}


@tampers("signature", keyless=True)
def signature_bytes(rng, case):
    """Its base64 has a spare bit, no padding, or a bit of the scalar's order added."""
    head, _, field = case.files["signature"].decode().rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(field))
    trick = rng.randrange(3)
    if trick == 0:
        scalar = int.from_bytes(raw[36:], "little") + 2**252 + 27742317777372353535851937790883648493
        raw[36:] = scalar.to_bytes(32, "little")
        field = base64.b64encode(raw).decode()
    elif trick == 1:
        field = field.rstrip("=") + ("" if "=" in field else "=")
    else:
        field = field + " x"
    return case.files | {"signature": f"{head} {field}\n".encode()}
