"""A bundle, as docs/formats.md section 10 has it, for tests: read strictly, and its digests, commitments and chain checked
with Python's standard library alone."""
import base64
import hashlib
import io
import json
import struct
import zipfile


class Bundle:
    """The files of a bundle, without what is before their names."""

    def __init__(self, data):
        self.data = data
        self.zip = zipfile.ZipFile(io.BytesIO(data))
        assert self.zip.testzip() is None
        names = [i.filename for i in self.zip.infolist()]
        assert len(set(names)) == len(names)
        self.root, _ = names[0].split("/", 1)
        assert all(n.startswith(self.root + "/") for n in names), names
        self.files = {n.split("/", 1)[1]: self.zip.read(n) for n in names}
        self.order = list(self.files)
        self._check_archive()
        self._check_bag()
        self.json = json.loads(self.files["data/bundle.json"])
        assert self.root == "stele-" + self.json["export"]

    def _check_archive(self):
        """Local headers follow each other without a gap, and there is no comment."""
        at = 0
        for info in self.zip.infolist():
            assert info.header_offset == at, (info.filename, at)
            assert info.flag_bits == 0 and info.compress_type in (0, 8) and not info.comment
            n, more = struct.unpack("<HH", self.data[at + 26:at + 30])
            at += 30 + n + more + info.compress_size
        assert at == self.zip.start_dir and self.data[-22:-18] == b"PK\5\6" and not self.zip.comment

    def _check_bag(self):
        """RFC 8493: each file is in the manifest that is its own, under its digest."""
        assert self.files["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
        listed = {}
        for name in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
            rows = dict(reversed(line.split("  ", 1)) for line in self.files[name].decode().splitlines())
            assert list(rows) == sorted(rows)
            listed[name] = rows
        data = {n for n in self.files if n.startswith("data/")}
        assert set(listed["manifest-sha256.txt"]) == data
        assert set(listed["tagmanifest-sha256.txt"]) == set(self.files) - data - {
            "tagmanifest-sha256.txt", "signature"}
        for rows in listed.values():
            for name, digest in rows.items():
                assert hashlib.sha256(self.files[name]).hexdigest() == digest, name

    def lines(self, path):
        return [json.loads(line) for line in self.files[path].splitlines()]

    def log(self, name):
        """What bundle.json says of it."""
        (row,) = [row for row in self.json["logs"] if row["log"] == name]
        return row

    def records(self, name):
        """{index: line}, with `payload` as bytes; each payload is what its entry commits to, and the run is a chain."""
        lines, previous, found = self.lines(f"data/{name}/records.ndjson"), None, {}
        for line in lines:
            text = line["entry"].encode()
            entry = json.loads(text)
            if previous and previous[0] + 1 == entry["index"]:
                assert entry["prev"] == base64.b64encode(previous[1]).decode()
            assert not previous or previous[0] < entry["index"]
            previous = entry["index"], hashlib.sha256(b"\0" + text).digest()
            self._payload(name, entry, line)
            found[entry["index"]] = line
        counts = self.log(name)
        assert counts["entries"] == len(lines)
        for member, key in (("payloads", "salt"), ("purged", "purged"), ("withheld", "withheld")):
            assert counts[member] == sum(key in line for line in lines), (member, counts)
        return found

    def _payload(self, name, entry, line):
        if "salt" not in line:
            assert not {"payload", "payload_b64", "file"} & set(line)
            return
        if "file" in line:
            payload = self.files[f"data/{name}/files/{line['file']}"]
            assert len(payload) > 65536
        elif "payload" in line:
            payload = line["payload"].encode()
        else:
            payload = base64.b64decode(line["payload_b64"])
        digest = hashlib.sha256(b"stele-payload-1\n" + base64.b64decode(line["salt"]) + payload)
        assert base64.b64encode(digest.digest()).decode() == entry["commitment"], entry["index"]
        assert len(payload) == entry["size"]
        line["payload"] = payload

    def withheld(self, name):
        """{reason: [index, …]}"""
        found = {}
        for index, line in self.records(name).items():
            if "withheld" in line:
                found.setdefault(line["withheld"], []).append(index)
        return found

    def custody(self):
        """(type, export) of each line."""
        acts = [json.loads(line["payload"]) for line in self.lines("data/custody.ndjson")]
        return [(act["type"], act["export"]) for act in acts]
