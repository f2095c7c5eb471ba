"""A server that is gone comes back from its backup, and says what it lost."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lib import NDJSON, STELE, STELED, Server, stele
from system_log import SystemLog, same, state_of

PASSPHRASE = "a passphrase for the copies"


class Restore(unittest.TestCase):
    """A server with a log of which a backup was made, records that came later, and a folder."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.passphrase = self.folder / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.backup, self.ring = self.folder / "backup", self.folder / "ring"
        self.data = self.folder / "data"
        self.server = Server(options=["--wal-file-size", "4M", "--origin", "restore.example.com"])
        self.server.start()
        self.server.create_log("l")
        self.server.create_log("quiet")

    def tearDown(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def append(self, server, first, last):
        body = "".join(json.dumps({"i": i, "x": "y" * 200}) + "\n" for i in range(first, last + 1))
        answer = server.post("/api/v1/logs/l/records", body, NDJSON)
        self.assertEqual(answer.status, 201, answer.body)

    def do(self, *arguments, server=None, status=0):
        run = stele(*arguments, server=server)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def back_up(self, server, backup, ring):
        self.do("backup", backup, "--keyring", ring, "--passphrase-file", self.passphrase,
                server=server)

    def arguments(self):
        return ["restore", self.backup, "--data", self.data, "--keyring", self.ring,
                "--passphrase-file", self.passphrase]

    def restored(self):
        """A server on what was restored; not started."""
        return Server(data=self.data, options=["--passphrase-file", str(self.passphrase)])

    def assert_restore_is_recorded(self, server):
        log = SystemLog()
        log.read(server)
        self.assertEqual(log.of_type("server.start")[-1]["after"], "restore")
        self.assertEqual(len(log.of_type("access.reset")), 1)
        principals, tokens, _ = state_of(server)
        self.assertEqual(same(principals), same(log.principals))
        self.assertEqual(same(tokens), same(log.tokens))

    def verify(self, file, *more, status=0):
        return self.do("verify", file, "--key", f"@{self.folder / 'identity'}", *more,
                       status=status)

    def test_it_comes_back_proves_old_and_new_and_names_what_is_lost(self):
        server, path = self.server, lambda name: self.folder / name
        (path("identity")).write_text(self.do("key", "show", server=server).stdout)
        payload = os.urandom(2 << 20)
        self.append(server, 1, 3000)
        answer = server.post("/api/v1/logs/l/records", payload,
                             {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.json()["index"], 3001)
        self.do("log", "seal", "l", server=server)
        self.append(server, 3002, 4000)
        self.do("checkpoint", "l", "-o", path("kept"), server=server)
        self.do("prove", "l", "17", "-o", path("old.json"), server=server)
        self.back_up(server, self.backup, self.ring)
        self.append(server, 4001, 4100)
        self.do("checkpoint", "l", "-o", path("newest"), server=server)
        self.do("prove", "l", "4050", "-o", path("lost.json"), server=server)
        server.kill()

        began = time.time()
        run = self.do(*self.arguments(), "--newest-checkpoint", path("newest"), "--json")
        result = json.loads(run.stdout)
        self.assertEqual(result["server"], "restore.example.com")
        self.assertTrue(all(began <= log.pop("epoch") <= time.time() + 1 for log in result["logs"]))
        self.assertEqual([log for log in result["logs"] if not log["log"].startswith("_")],
                         [{"log": "l", "size": 4001, "lost": {"first": 4001, "last": 4100}},
                          {"log": "quiet", "size": 1, "lost": None}])
        self.do("fsck", self.data, "--passphrase-file", self.passphrase, "--key",
                f"@{path('identity')}")
        with self.restored() as copy:
            self.assert_restore_is_recorded(copy)
            shown = copy.get("/api/v1/logs/l").json()
            self.assertEqual(shown["size"], 4002)
            self.assertEqual(len(shown["earlier_key_statements"]), 1)
            for index in [*range(1, 3000, 97), 3002, 4000]:
                self.assertEqual(copy.get(f"/api/v1/logs/l/records/{index}").json()["i"], index)
            self.assertEqual(copy.get("/api/v1/logs/l/records/3001").body, payload)
            entry = copy.get("/api/v1/logs/l/records/4001").json()
            self.assertEqual(entry["lost"], {"first": 4001, "last": 4100})
            self.assertEqual(entry["newest_checkpoint"], path("newest").read_text())
            self.append(copy, 4002, 4010)
            self.do("prove", "l", "17", "--since", path("kept"), "-o", path("again.json"),
                    server=copy)
            self.do("prove", "l", "4005", "-o", path("new.json"), server=copy)
            self.do("checkpoint", "l", "--since", path("kept"), "-o", path("now.json"),
                    server=copy)
            self.do("checkpoint", "l", "--since", path("newest"), "-o", path("fork.json"),
                    server=copy, status=1)
            self.append(copy, 4011, 4200)
            self.do("checkpoint", "l", "--since", path("newest"), "-o", path("fork.json"),
                    server=copy)
            statements = self.do("key", "show", "l", "--statement", server=copy).stdout
            self.assertEqual(statements.count("stele key v1\n"), 2)
            both = json.loads(self.do("key", "show", "l", "--statement", "--json",
                                      server=copy).stdout)
            self.assertEqual(both["earlier"], shown["earlier_key_statements"])
            self.assertEqual(both["statement"], shown["key_statement"])
            self.do("log", "seal", "l", server=copy)
            self.do("prove", "l", "4001", "-o", path("entry.json"), server=copy)
        for name in ("old.json", "lost.json", "new.json", "entry.json"):
            self.verify(path(name))
        self.verify(path("again.json"), "--since", path("kept"))
        self.verify(path("now.json"), "--since", path("kept"))
        run = self.verify(path("fork.json"), "--since", path("newest"), status=1)
        self.assertIn("a history that the log lost", run.stdout)
        self.do("fsck", self.data, "--passphrase-file", self.passphrase)

    def test_a_restored_server_is_backed_up_and_restored(self):
        self.append(self.server, 1, 600)
        self.back_up(self.server, self.backup, self.ring)
        self.server.kill()
        self.do(*self.arguments())
        with self.restored() as copy:
            self.append(copy, 602, 900)
            self.do("log", "seal", "l", server=copy)
            self.back_up(copy, self.folder / "backup2", self.folder / "ring2")
        self.backup, self.ring = self.folder / "backup2", self.folder / "ring2"
        self.data = self.folder / "data2"
        self.do(*self.arguments())
        with self.restored() as copy:
            shown = copy.get("/api/v1/logs/l").json()
            self.assertEqual(shown["size"], 902)
            self.assertEqual(len(shown["earlier_key_statements"]), 2)
            for index in (1, 600, 602, 900):
                self.assertEqual(copy.get(f"/api/v1/logs/l/records/{index}").json()["i"], index)

    def purged(self, first, last, receipt, server=None):
        """Purges a range, whose purge entry's receipt goes to a file: the entry's index."""
        server = server or self.server
        run = self.do("--json", "purge", "plan", "l", "--range", f"{first}-{last}", "--unlocked",
                      server=server)
        run = self.do("--json", "purge", "approve", "l", json.loads(run.stdout)["id"],
                      server=server)
        entry = json.loads(run.stdout)["entry"]
        self.do("prove", "l", entry, "-o", receipt, server=server)
        return entry

    def test_what_was_purged_since_the_backup_does_not_come_back(self):
        old, new, plain = (self.folder / name for name in ("old.json", "new.json", "plain.json"))
        self.append(self.server, 1, 600)
        self.purged(1, 10, old)  # entry 601, which the backup has
        payload = os.urandom(2 << 20)
        self.server.post("/api/v1/logs/l/records", payload,
                         {"Content-Type": "application/octet-stream"})  # 602
        self.append(self.server, 603, 700)
        self.back_up(self.server, self.backup, self.ring)
        self.append(self.server, 701, 800)
        entry = self.purged(590, 750, new)  # the backup has no record beyond 700
        self.do("prove", "l", 20, "-o", plain, server=self.server)
        self.server.kill()

        forged = json.loads(new.read_text())
        forged["payload"] = {**forged["payload"], "ranges": [[20, 750]]} \
            if isinstance(forged["payload"], dict) else forged["payload"].replace("590", "20")
        (self.folder / "forged.json").write_text(json.dumps(forged))
        with Server(options=["--origin", "restore.example.com"]) as stranger:
            stranger.create_log("l")
            self.append(stranger, 1, 600)
            self.purged(20, 30, self.folder / "strange.json", stranger)
        for file, why in ((plain, "not the receipt of a purge entry"),
                          (self.folder / "strange.json", "is not to be believed"),
                          (self.folder / "forged.json", "is not to be believed")):
            run = self.do(*self.arguments(), "--purge", file, status=1)
            self.assertIn(why, run.stderr)
        run = self.do(*self.arguments(), "--purge", new, "--purge", old)
        self.assertIn(f"l: 110 payloads that entry {entry} purged are gone again, by entry 702",
                      run.stdout)
        self.assertIn("l: nothing was left of what entry 601 purged", run.stdout)
        self.do("fsck", self.data, "--passphrase-file", self.passphrase)
        self.assertEqual(list((self.data / "objects").rglob("*.obj")), [])
        with self.restored() as copy:
            status = {i: copy.get(f"/api/v1/logs/l/records/{i}").status for i in range(1, 701)}
            gone = {*range(1, 11), *range(590, 601), *range(602, 701)}
            self.assertEqual({i for i, s in status.items() if s == 410}, gone)
            self.assertEqual({s for i, s in status.items() if i not in gone}, {200})
            again = copy.get("/api/v1/logs/l/records/702").json()
            self.assertEqual((again["type"], again["ranges"], again["restored"]),
                             ("purge", [[590, 600], [602, 700]], {"entry": entry}))
            self.append(copy, 703, 710)

    def test_a_purge_of_a_lost_history_takes_nothing_of_this_one(self):
        r0, r1 = self.folder / "r0.json", self.folder / "r1.json"
        self.append(self.server, 1, 600)
        self.back_up(self.server, self.backup, self.ring)
        self.append(self.server, 601, 650)
        self.purged(590, 640, r0)  # entry 651
        self.do("key", "rotate", "l", server=self.server)  # 652
        self.append(self.server, 653, 670)
        self.purged(570, 660, r1)  # by a key that no backup knows
        self.server.kill()
        self.do(*self.arguments())  # and nobody remembers these
        with self.restored() as copy:
            self.append(copy, 602, 620)  # fewer than what it purged
            self.back_up(copy, self.folder / "backup2", self.folder / "ring2")
        first = self.backup, self.ring
        self.backup, self.ring = self.folder / "backup2", self.folder / "ring2"
        self.data = self.folder / "data2"
        for receipt in (r0, r1):
            run = self.do(*self.arguments(), "--purge", receipt, status=1)
            self.assertIn("of a history that the log has lost", run.stderr)
        self.do(*self.arguments())
        with self.restored() as copy:
            for index in (*range(560, 601), *range(602, 621)):
                self.assertEqual(copy.get(f"/api/v1/logs/l/records/{index}").status, 200, index)
        # of the first backup's history they are, the second by a key of a later epoch
        (self.backup, self.ring), self.data = first, self.folder / "data3"
        run = self.do(*self.arguments(), "--purge", r0, "--purge", r1)
        self.assertIn("l: 11 payloads that entry 651 purged are gone again", run.stdout)
        self.assertIn("l: 20 payloads that entry 671 purged are gone again", run.stdout)

    def test_killed_it_opens_for_nobody_and_the_same_command_goes_on(self):
        for _ in range(6):
            self.append(self.server, 1, 9000)
        self.do("log", "seal", "l", server=self.server)
        self.append(self.server, 1, 9000)
        self.back_up(self.server, self.backup, self.ring)
        self.server.kill()
        killed = 0
        for delay in (0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6):
            process = subprocess.Popen([str(STELE), *map(str, self.arguments())],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not (self.data / "RESTORE.partial").exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if not (self.data / "RESTORE.partial").exists():
                continue
            killed += 1
            run = subprocess.run([str(STELED), "--data", str(self.data), "--passphrase-file",
                                  str(self.passphrase), "--listen", "127.0.0.1:0"],
                                 capture_output=True, text=True, timeout=120, check=False)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("run the same stele restore again", run.stderr)
            self.do("fsck", self.data, "--passphrase-file", self.passphrase, status=3)
        self.assertGreater(killed, 0)
        if (self.data / "RESTORE.partial").exists():
            self.do(*self.arguments())
        self.do("fsck", self.data, "--passphrase-file", self.passphrase)
        with self.restored() as copy:
            self.assertEqual(copy.get("/api/v1/logs/l").json()["size"], 63002)
            self.assertEqual(copy.get("/api/v1/logs/l/records/63000").json()["i"], 9000)

    def test_what_cannot_be_is_refused_with_the_reason(self):
        self.append(self.server, 1, 100)
        self.do("restore", self.folder, "--data", self.data, status=3)
        run = self.do(*self.arguments(), status=3)
        self.assertIn("is no backup", run.stderr)
        self.back_up(self.server, self.backup, self.ring)
        full = [*self.arguments()]
        full[3] = self.server.data
        run = self.do(*full, status=3)
        self.assertIn("in use", run.stderr)
        self.server.stop()
        run = self.do(*full, status=3)
        self.assertIn("holds files", run.stderr)
        wrong = self.folder / "wrong"
        wrong.write_text("another\n")
        run = self.do(*self.arguments()[:-1], wrong, status=1)
        self.assertIn("passphrase is wrong", run.stderr)
        wal = self.backup / "wal/00000001.wal"
        data = bytearray(wal.read_bytes())
        data[5000] ^= 1
        wal.write_bytes(data)
        run = self.do(*self.arguments(), status=1)
        self.assertIn("sha256sum -c LIST", run.stderr)
        data[5000] ^= 1
        wal.write_bytes(data)
        self.do(*self.arguments())


if __name__ == "__main__":
    unittest.main()
