"""Timestamps of a bundle of bundle_maker.py: what docs/formats.md section 10 has under data/timestamps/. The tokens are an
authority's (tests/e2e/tsa.py), by a function that the caller gives."""
import base64

from bundle_maker import lines
from bundle_model import b64, compact, consistency, instant, tree_root


def heads(bundle, sizes=None):
    """Records the heads of the bundle's logs in `_system`; the record's index."""
    sizes = sizes or {}
    said = [{"log": p.log.name, "size": n, "root": b64(tree_root(p.log.leaves[:n]))}
            for p in bundle.parts if p.log.name != "_system" and (n := sizes.get(p.log.name, p.log.size))]
    return bundle.system.record(compact({"type": "heads", "heads": said}).encode(), writer="steled")


class Timestamped:
    """One checkpoint: the newest of `_system`, or of that size. stamp(bytes) gives a TimeStampResp of bytes."""

    def __init__(self, bundle, stamp, authorities=(1,), size=None):
        self.bundle, self.size = bundle, size or bundle.system.size
        self.note = bundle.system.checkpoint(self.size)
        self.tokens = {k: stamp(self.note.encode()) for k in authorities}
        self.receipts, self.rows = [], []

    def record(self, k=1):
        """Has the timestamp of authority k recorded; the record's index."""
        said = {"type": "timestamp", "authority": "http://tsa.example/", "size": self.size, "checkpoint": self.note,
                "time": instant(self.bundle.server.now), "name": "clock.example", "serial": "01",
                "expires": instant(self.bundle.server.now), "trusted": True, "token": base64.b64encode(self.tokens[k]).decode()}
        return self.bundle.system.record(compact(said).encode(), writer="steled")

    def show(self, record, sizes=None, more=()):
        """Hangs the bundle's logs on it, by the heads in that record; more: other records that are proven."""
        self.receipts = [self.bundle.system.receipt(i, self.size) for i in sorted({record, *more})]
        for p in self.bundle.parts:
            n = self.size if p.log.name == "_system" else (sizes or {}).get(p.log.name, p.log.size)
            if not n:
                self.rows.append({"log": p.log.name})
                continue
            low, high = sorted((n, p.size))
            row = {"log": p.log.name, "size": n} | ({} if p.log.name == "_system" else {"record": record})
            self.rows.append(row | {"proof": [b64(h) for h in consistency(low, p.log.leaves[:high])]})
        return self

    def files(self):
        at = f"data/timestamps/{self.size:015d}"
        files = {at + ".checkpoint": self.note.encode(), at + ".ndjson": lines([*self.receipts, *self.rows])}
        return files | {f"{at}-{k}.tsr": token for k, token in sorted(self.tokens.items())}


def add(bundle, *stamped):
    """They become the bundle's."""
    for one in stamped:
        bundle.timestamps |= one.files()
    return bundle
