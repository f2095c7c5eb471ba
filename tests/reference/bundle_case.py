"""What classes of tampering are made of: a valid bundle that is about to be changed."""
import json
from dataclasses import dataclass, field

import bundle_maker

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


@dataclass
class Class:
    name: str
    make: object
    checks: set
    kinds: list


def tampers(*checks, kinds=None):
    """A class that makes a mutant of a Case: an archive's bytes, or files to be packed; None: there is nothing to do it to."""

    def register(function):
        CLASSES.append(Class(function.__name__, function, set(checks), kinds or ALL))
        return function

    return register


class Case:
    """A valid bundle that is about to be tampered with."""

    def __init__(self, bundle):
        self.bundle = bundle
        self.files = bundle.files()
        self.since = []  # older checkpoints that the auditor has
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
