"""Bundles so large that their archives need ZIP64: by a size, by an offset, by the number of files."""
import mmap
import tempfile

import bundle_maker
import bundle_zip

FOUR_GIB = 1 << 32


def zeros(size):
    """So many bytes, none of them in memory or on disk."""
    file = tempfile.TemporaryFile()
    file.truncate(size)
    return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)


class Huge(bundle_maker.Bundle):
    """A bundle whose records.csv is of zeros: no verifier reads what it says."""

    method, size = 8, FOUR_GIB

    def data(self):
        return {path: zeros(self.size) if path.endswith("/records.csv") else body for path, body in super().data().items()}

    def members(self, files):
        made = super().members(files)
        for m in made:
            if len(m.data) == self.size:
                m.method, m.level = self.method, 1
        return made


def huge(method, size):
    def make(seed):
        bundle = bundle_maker.make("range", seed)
        bundle.__class__ = type("Huge", (Huge,), {"method": method, "size": size})
        return bundle

    return make


def make_count(seed):
    """More than 65,535 files: as many large payloads."""
    rng, server, log = bundle_maker.start(seed)
    payload = bytes(bundle_maker.LARGE + 1)
    for _ in range(0xFFFF):
        log.record(payload, media_type="application/octet-stream")
    return bundle_maker.whole(server, [log])


KINDS = {
    "zip64-size": huge(8, bundle_zip.TOP),
    "zip64-offset": huge(0, bundle_zip.TOP - 1),
    "zip64-count": make_count,
}
