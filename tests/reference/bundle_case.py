"""What classes of tampering are made of: a valid bundle that is about to be changed."""
import json
import zipfile
from dataclasses import dataclass, field

import bundle_maker
import bundle_zip

ALL = list(bundle_maker.KINDS)
CLASSES = []


@dataclass
class Mutant:
    name: str
    archive: bytes
    key: str
    checks: set  # one of these refuses it
    status: int
    since: list = field(default_factory=list)
    roots: str = None  # of timestamp authorities, that the auditor has


@dataclass
class Class:
    name: str
    make: object
    checks: set
    kinds: list
    keyless: bool = False  # it can be done to a bundle of anybody, see Opened


def tampers(*checks, kinds=None, keyless=False):
    """A class that makes a mutant of a Case: an archive's bytes, or files to be packed; None: there is nothing to do it to."""

    def register(function):
        CLASSES.append(Class(function.__name__, function, set(checks), kinds or ALL, keyless))
        return function

    return register


class Opened:
    """A bundle that somebody else made, in the place of bundle_maker.Bundle: for classes that need no key."""

    def __init__(self, path):
        with zipfile.ZipFile(path) as z:
            self.top = z.namelist()[0].split("/")[0]
            self.content = {name.partition("/")[2]: z.read(name) for name in z.namelist()}
            self.methods = {name.partition("/")[2]: z.getinfo(name).compress_type for name in z.namelist()}

    def files(self):
        return dict(self.content)

    def members(self, files):
        names = {path: f"{self.top}/{path}".encode() for path in files}
        return [bundle_zip.Member(names[p], body, self.methods.get(p, 8)) for p, body in files.items()]

    def archive(self, files=None):
        return bundle_zip.pack(self.members(self.content if files is None else files))


class Case:
    """A valid bundle that is about to be tampered with."""

    def __init__(self, bundle):
        self.bundle = bundle
        self.files = bundle.files()
        self.since = []  # older checkpoints that the auditor has
        self.roots = None  # of timestamp authorities
        shown = [p for p in self.files if p.endswith("/records.ndjson")]
        # The folder of the log that has the most records: the one that is tampered with.
        self.log = max(shown, key=lambda p: self.files[p].count(b"\n")).rsplit("/", 1)[0]

    @property
    def part(self):
        """The Part of that log."""
        return [p for p in self.bundle.parts if f"data/{bundle_maker.folder(p.log.name)}" == self.log][0]

    def lines(self, name):
        return [json.loads(l) for l in self.files[f"{self.log}/{name}"].decode().split("\n")[:-1]]

    def put(self, name, objects):
        self.files[f"{self.log}/{name}"] = bundle_maker.lines(objects)

    def document(self, change):
        """Changes bundle.json."""
        document = json.loads(self.files["data/bundle.json"])
        change(document)
        self.files["data/bundle.json"] = bundle_maker.lines([document])

    def counts(self):
        """bundle.json counts again what is in records.ndjson of this log."""
        shown, part = self.lines("records.ndjson"), self.part
        entries = [json.loads(l["entry"]) for l in shown]
        paid = [e["size"] for e, l in zip(entries, shown) if "salt" in l]

        def change(document):
            for log in document["logs"]:
                if log["log"] == part.log.name:
                    log |= {"entries": len(shown), "payloads": len(paid), "bytes": sum(paid)}
                    log |= {"purged": sum("purged" in l for l in shown), "withheld": sum("withheld" in l for l in shown)}
                    log["controls"] = len(self.lines("controls.ndjson"))

        self.document(change)

    def seal(self, **other):
        return self.bundle.seal(self.files, **other)
