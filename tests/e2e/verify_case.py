"""Evidence bundles for tests of stele verify: true ones of all kinds, and how a refusal is looked at. They are made by
tests/reference/bundle_maker.py, which knows nothing of stele's code."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "reference"))
import bundle_maker  # noqa: E402
from bundle_maker import Bundle, Part, request, start, whole  # noqa: E402
from bundle_model import OTHER, SECOND, instant  # noqa: E402

STELE = Path(os.environ.get("STELE_BUILD", "build")) / "stele"
DAY = 86400
CHECKS = ("archive manifest signature keys entries chain commitments inclusion consistency controls rules custody "
          "timestamps completeness").split()
AT = "data/payments/"


# --- bundles ---------------------------------------------------------------------


def rich(seed=3):
    """A log in which everything happens, and another one of an awkward name."""
    policy = {"mode": "governance", "retain": {"default": "7y"}, "event_based": True, "dual_control": ["purge"], "public": False}
    rng, server, log = start(seed, policy=policy)
    free = [log.record(b'{"n":%d,"x":"\xc3\xab"}' % n, seconds=2) for n in range(8)]
    log.record(b"\xff\xfe binary", media_type="application/octet-stream")
    log.record(b"")
    log.record(rng.randbytes(70_000), media_type="application/octet-stream")
    log.record(rng.randbytes(65_537), media_type="application/octet-stream")
    waits = log.record(b'{"case":17}', event="case-17")
    log.hold("h-bwwaim2apv", [[free[0], free[1]]], open_from=log.size + 20)
    server.tick(3600 * SECOND)
    log.purge([[free[2], free[3]], [free[5], free[5]]], approved_by=OTHER)
    log.release("h-bwwaim2apv")
    log.event("case-17", server.now, server.now)
    log.rotate()
    log.extend([[free[6], free[7]]], server.now + DAY * SECOND)
    log.extend([[free[7], free[7]]], server.now, shorten=True, approved_by=OTHER)
    server.tick(3600 * SECOND)
    log.purge([[free[0], free[0]], [free[7], free[7]], [waits, waits]], approved_by=OTHER)
    bundle_maker.events(log, rng, 40)
    small = server.log("con.1")
    bundle_maker.events(small, rng, 5)
    b = whole(server, [log, small], earlier=2)
    b.parts[1].since = [1, 7, 16, log.size - 3]
    return b


def selection(seed=4):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 60)
    log.purge([[5, 6], [30, 30]], clock={"state": "ok", "evidence": "2100-01-01T00:00:00.000000000Z", "lock": "2100-01-01T00:00:00.000000000Z"})
    shown = [0, 3, 4, 6, 20, 21, 22, 40, log.size - 1]
    part = Part(log, shown, withheld={4: "restricted", 21: "unreadable", 40: "not_permitted"})
    return Bundle(server, "selection", [part], request("selection", ["payments"], records={"payments": [[i, i] for i in shown]}))


def by_time(seed=5, first=10, last=20):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 40)
    when = [r.when for r in log.records]
    asked = request("range", ["payments"], received_from=instant(when[first]), received_to=instant(when[last] + 1))
    part = Part(log, list(range(first - 1, last + 2)), withheld={first - 1: "not_requested", last + 1: "not_requested"})
    return Bundle(server, "range", [part], asked)


def succeeded(seed=6):
    rng, server, log = start(seed)
    bundle_maker.events(log, rng, 9)
    server.succeed()
    bundle_maker.events(log, rng, 9)
    server.log("_system").rotate()
    log.rotate()
    return whole(server, [log])


def restored(seed=7):
    rng, server, log = start(seed)
    server.log("_system")
    bundle_maker.events(log, rng, 9)
    log.restore()
    log.purge([[2, 4]], policy=None, allowed_by=None, clock=None, plan=None, by=None, restored={"entry": 12})
    return whole(server, [log])


KINDS = {"range": lambda: bundle_maker.make("range"), "rich": rich, "selection": selection, "by_time": by_time,
         "succeeded": succeeded, "restored": restored}


# --- the program -----------------------------------------------------------------


def verify(archive, key, *more, name="b.zip"):
    """Exit status, and what --json says."""
    with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
        path = Path(folder) / name
        path.write_bytes(archive)
        run = subprocess.run([STELE, "verify", "--json", str(path), "--key", key, *map(str, more)], capture_output=True,
                             text=True, timeout=300, check=False)
    try:
        return run.returncode, json.loads(run.stdout)
    except json.JSONDecodeError as e:
        raise AssertionError(f"{run.returncode} {run.stdout!r} {run.stderr!r}") from e


def failed(said):
    bad = [c["name"] for c in said["checks"] if c["ok"] is False]
    return bad[0] if bad else None


class Case(unittest.TestCase):
    def refused(self, archive, bundle, check, *more, why=None):
        rc, said = verify(archive, bundle.trusted.vkey, *more)
        self.assertEqual(failed(said), check, said)
        self.assertEqual(rc, 2 if check == "completeness" else 1)
        found = next(c for c in said["checks"] if c["name"] == check)
        self.assertGreater(len(found["reason"]), 10)
        if why:
            self.assertIn(why, found["reason"])
        i = CHECKS.index(check)
        self.assertEqual([c["ok"] for c in said["checks"]], [True] * i + [False] + [None] * (len(CHECKS) - i - 1))
        return found

    def holds(self, archive, bundle, *more):
        rc, said = verify(archive, bundle.trusted.vkey, *more)
        self.assertEqual((rc, said["verdict"], failed(said)), (0, "valid", None), said)
        return said

    def forged(self, bundle, change, check, **more):
        """What a server's own key signs, after change(files of data/)."""
        data = bundle.data()
        change(data)
        return self.refused(bundle.archive(bundle.seal(data)), bundle, check, **more)
