#!/usr/bin/env python3
"""Whatever power loss hits a backup or a restore, neither is taken for whole before it is.

A recorded steled works, seals and makes backups of itself, twice into one folder: after every
power loss the store holds what it acknowledged, and a folder with BACKUP has every file that
LIST names, as it says. Then a recorded stele restore of the last backup: after every power loss
the directory is whole, or opens for nobody, and the same restore goes through.

STELE_POWERLOSS says how many (1000: a tenth of it each), STELE_SEED with what dice.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
from lib import NDJSON, STELE, Server, stele  # noqa: E402
from powerloss import CHECK_STORE, IGNORE, RECORDER, SEED, STATES, Client  # noqa: E402
from replay import judge_by, mark, replay  # noqa: E402

OPTIONS = ["--wal-file-size", str(1 << 20), "--wal-files", "1"]


def judge_backup(folder, marks):
    """The store keeps its promises; what says that it is a backup is one."""
    backup = Path(folder) / "backup"
    if (backup / "BACKUP").exists():
        run = subprocess.run(["sha256sum", "--quiet", "-c", "LIST"], cwd=backup,
                             capture_output=True, text=True, check=False)
        if run.returncode:
            return f"BACKUP is there: {run.stdout} {run.stderr}"
    elif any(m == "backed up" for m in marks) and not (backup / "BACKUP.partial").exists():
        return "a backup that ended is gone"
    return judge_by([CHECK_STORE])(os.path.join(folder, "data"), marks)


class PowerLoss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.root = cls.folder / "root"
        cls.root.mkdir()
        cls.trace = str(cls.folder / "trace")
        (cls.folder / "passphrase").write_text("a passphrase\n")
        cls().record()

    def work(self, server, trace):
        clients = [Client(server, trace, "alpha", 8, batch) for batch in (0, 30, "objects")]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
            if c.error:
                raise c.error

    def back_up(self, server, trace):
        run = stele("backup", self.root / "backup", "--keyring", self.folder / "ring",
                    "--passphrase-file", self.folder / "passphrase", server=server)
        self.assertEqual(run.returncode, 0, run.stderr)
        mark(trace, "backed up")

    def record(self):
        env = {"LD_PRELOAD": RECORDER, "STELE_TRACE": self.trace, "STELE_TRACE_ROOT": str(self.root)}
        with Server(self.root / "data", OPTIONS, env) as server:
            server.create_log("alpha")
            for _ in range(2):
                self.work(server, self.trace)
                self.assertEqual(server.post("/api/v1/logs/alpha/seal", b"").status, 200)
                self.work(server, self.trace)
                self.back_up(server, self.trace)
            body = "".join(json.dumps({"i": i}) + "\n" for i in range(100))
            self.assertEqual(server.post("/api/v1/logs/alpha/records", body, NDJSON).status, 201)
            self.assertEqual(server.stop(), 0)

    def assert_none(self, found, states):
        for violation in found[:5]:
            print(violation, flush=True)
        self.assertEqual(len(found), 0, f"of {states} power losses, seed {SEED}")

    def test_no_power_loss_leaves_a_backup_that_is_not_whole(self):
        states = max(1, STATES // 10)
        found = replay(self.trace, judge_backup, states, SEED, jobs=os.cpu_count(), ignore=IGNORE)
        self.assert_none(found, states)

    def restore(self, data, env=None):
        return subprocess.run([str(STELE), "restore", str(self.root / "backup"), "--data", str(data),
                               "--keyring", str(self.folder / "ring"), "--passphrase-file",
                               str(self.folder / "passphrase"), "--json"],
                              env={**os.environ, **(env or {})}, capture_output=True, text=True,
                              timeout=120, check=False)

    def fsck(self, folder):
        return stele("fsck", folder, "--passphrase-file", self.folder / "passphrase", "--json")

    def judge_restore(self, folder, marks):
        """Whole, or nobody's; then the same restore goes through, and all of it is there."""
        whole = (Path(folder) / "stele.id").exists() and not (Path(folder) / "RESTORE.partial").exists()
        if any(m == "restored" for m in marks) and not whole:
            return "a restore that ended is gone"
        if not whole:
            if self.fsck(folder).returncode == 0:
                return "a restore that did not end opens"
            run = self.restore(folder)
            if run.returncode:
                return f"the restore does not go on: {run.stderr}"
        run = self.fsck(folder)
        if run.returncode:
            return f"fsck: {run.stdout} {run.stderr}"
        records = json.loads(run.stdout.splitlines()[-1])["records"]
        return None if records == self.records else f"{records} records, not {self.records}"

    def test_no_power_loss_leaves_a_restore_that_is_taken_for_whole_and_is_not(self):
        data, trace = self.folder / "data", str(self.folder / "restore.trace")
        data.mkdir()
        env = {"LD_PRELOAD": RECORDER, "STELE_TRACE": trace, "STELE_TRACE_ROOT": str(data)}
        run = self.restore(data, env)
        self.assertEqual(run.returncode, 0, run.stderr)
        mark(trace, "restored")
        run = self.fsck(data)
        self.assertEqual(run.returncode, 0, run.stdout)
        type(self).records = json.loads(run.stdout.splitlines()[-1])["records"]
        states = max(1, STATES // 10)
        found = replay(trace, self.judge_restore, states, SEED, jobs=os.cpu_count(), ignore=IGNORE)
        self.assert_none(found, states)


if __name__ == "__main__":
    unittest.main()
