"""Copies: made under load they hold what was acknowledged before; segments come back from them."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from lib import NDJSON, Server, stele

PASSPHRASE = "a passphrase for the copies"


class Load:
    """Appends to a log until told to stop, sealing now and then; knows what was acknowledged."""

    def __init__(self, server, log):
        self.server, self.log = server, log
        self.acknowledged = 1  # entry 0
        self.broken = False
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.append), threading.Thread(target=self.seal)]

    def append(self):
        client = self.server.connect()
        while not self.stopping.is_set():
            n = self.acknowledged
            body = "".join(json.dumps({"i": n + k, "x": "y" * 300}) + "\n" for k in range(200))
            try:
                answer = client.post(f"/api/v1/logs/{self.log}/records", body, NDJSON)
            except Exception:  # the server was killed
                self.broken = True
                return
            if answer.status != 201:
                raise AssertionError(answer.body)
            self.acknowledged = n + 200
        client.close()

    def seal(self):
        client = self.server.connect()
        while not self.stopping.wait(0.2):
            try:
                client.post(f"/api/v1/logs/{self.log}/seal", b"")
            except Exception:
                return
        client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Backup(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.passphrase = self.folder / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.dir, self.ring = self.folder / "backup", self.folder / "ring"

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def back_up(self, server):
        return stele("backup", self.dir, "--keyring", self.ring, "--passphrase-file",
                     self.passphrase, server=server)

    def check_list(self):
        return subprocess.run(["sha256sum", "--quiet", "-c", "LIST"], cwd=self.dir,
                              capture_output=True, text=True, check=False)

    def opened(self):
        """The backup in a folder of its own, with its keys."""
        data = self.folder / "opened"
        shutil.copytree(self.dir, data)
        (data / "keys").mkdir(mode=0o700)
        shutil.copy(self.ring, data / "keys/keyring")
        shutil.copy(f"{self.ring}.identity", data / "keys/identity")
        return data

    def check_opened(self, data, log, size):
        """Everything in it verifies, and every record acknowledged before it is there."""
        run = stele("fsck", data, "--passphrase-file", self.passphrase, "--json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        options = ["--moved", "--passphrase-file", str(self.passphrase)]
        with Server(data=data, options=options) as copy:
            shown = copy.get(f"/api/v1/logs/{log}").json()
            self.assertGreaterEqual(shown["size"], size)
            self.assertEqual(shown["storage"]["quarantined"], 0)
            for index in [*range(1, size, max(1, size // 300)), size - 1]:
                answer = copy.get(f"/api/v1/logs/{log}/records/{index}")
                self.assertEqual(answer.status, 200, answer.body)
                self.assertEqual(answer.json()["i"], index)

    def test_a_backup_under_load_holds_what_was_acknowledged_before_it_began(self):
        with Server(options=["--wal-file-size", "4M"]) as server:
            server.create_log("l")
            with Load(server, "l") as load:
                time.sleep(1.5)
                size = load.acknowledged
                run = self.back_up(server)
                self.assertEqual(run.returncode, 0, run.stderr)
                later = load.acknowledged
            self.assertGreater(size, 1)
            self.assertGreater(load.acknowledged, later - 1)
            self.assertEqual(self.check_list().returncode, 0)
            self.assertFalse((self.dir / "keys").exists())
            self.assertEqual((server.data / "keys").stat().st_mode & 0o777, 0o700)
            again = self.back_up(server)  # now with what came since
            self.assertEqual(again.returncode, 0, again.stderr)
            size = load.acknowledged
            metrics = server.get("/metrics").text()
            self.assertRegex(metrics, r"(?m)^stele_backup_failed 0$")
        self.assertEqual(self.check_list().returncode, 0)
        self.check_opened(self.opened(), "l", size)

    def test_a_server_killed_in_a_backup_leaves_none_and_the_next_one_is_whole(self):
        server = Server(options=["--wal-file-size", "4M"]).start()
        try:
            server.create_log("l")
            kills = 0
            for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.3):
                with Load(server, "l") as load:
                    time.sleep(0.3)
                    body = json.dumps({"dir": str(self.dir)})
                    self.assertEqual(server.post("/api/v1/backups", body).status, 200)
                    deadline = time.monotonic() + 60
                    while not (self.dir / "BACKUP.partial").exists():
                        self.assertLess(time.monotonic(), deadline)
                    time.sleep(delay)
                    server.kill()
                if (self.dir / "BACKUP").exists():
                    self.assertEqual(self.check_list().returncode, 0)
                else:
                    kills += 1
                acknowledged = load.acknowledged
                server.start()
                shown = server.get("/api/v1/logs/l").json()
                self.assertGreaterEqual(shown["size"], acknowledged)
            self.assertGreater(kills, 0)
            size = server.get("/api/v1/logs/l").json()["size"]
            run = self.back_up(server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(self.check_list().returncode, 0)
            self.assertFalse((self.dir / "BACKUP.partial").exists())
        finally:
            if server.running():
                server.stop()
            server.remove()
        run = stele("fsck", self.opened(), "--passphrase-file", self.passphrase, "--json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertGreaterEqual(json.loads(run.stdout.splitlines()[-1])["records"], size)

    def put(self, server, payload):
        """Stores a file; the path of its object below the data directory, and its index."""
        before = set((server.data / "objects").glob("l/*.obj"))
        answer = server.post("/api/v1/logs/l/records", payload,
                             {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 201, answer.body)
        (path,) = set((server.data / "objects").glob("l/*.obj")) - before
        return path.relative_to(server.data), answer.json()["index"]

    def test_large_payloads_are_in_it_each_read_before_it_is_believed(self):
        first, second = os.urandom(3 << 20), os.urandom(2 << 20)
        with Server() as server:
            server.create_log("l")
            one, at = self.put(server, first)
            self.assertEqual(server.post("/api/v1/logs/l/seal", b"").status, 200)
            two, _ = self.put(server, second)
            path = server.data / two
            with open(path, "r+b") as file:
                file.seek(70000)
                byte = file.read(1)[0]
                file.seek(70000)
                file.write(bytes([byte ^ 1]))
            run = self.back_up(server)
            self.assertEqual(run.returncode, 1, run.stdout)
            self.assertIn(path.name, run.stderr)
            self.assertFalse((self.dir / "BACKUP").exists())
            with open(path, "r+b") as file:
                file.seek(70000)
                file.write(bytes([byte]))
            run = self.back_up(server)
            self.assertEqual(run.returncode, 0, run.stderr)
            inode = (self.dir / one).stat().st_ino
            three, last = self.put(server, first)
            (self.dir / two).unlink()
            (self.dir / "objects/l/stray.obj").write_bytes(b"x")
            run = self.back_up(server)
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual((self.dir / one).stat().st_ino, inode)  # it stayed
        self.assertEqual(sorted(f.name for f in (self.dir / "objects/l").iterdir()),
                         sorted([one.name, two.name, three.name]))
        self.assertEqual(self.check_list().returncode, 0)
        data = self.opened()
        run = stele("fsck", data, "--passphrase-file", self.passphrase, "--json")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        options = ["--moved", "--passphrase-file", str(self.passphrase)]
        with Server(data=data, options=options) as copy:
            for index in (at, last):
                self.assertEqual(copy.get(f"/api/v1/logs/l/records/{index}").body, first)

    def test_a_folder_that_is_none_of_its_own_is_refused(self):
        with Server() as server:
            run = stele("backup", server.data / "b", server=server)
            self.assertEqual(run.returncode, 1)
            self.assertIn("backup-refused", run.stderr)
            run = stele("backup", self.folder, server=server)
            self.assertEqual(run.returncode, 1)
            self.assertIn("is no backup", run.stderr)
            run = stele("backup", self.dir, "--keyring", self.ring, server=server)
            self.assertEqual(run.returncode, 3)


class Segment(unittest.TestCase):
    def setUp(self):
        self.server = Server().start()
        self.server.create_log("l")
        body = "".join(json.dumps({"i": i}) + "\n" for i in range(1, 20000))
        self.assertEqual(self.server.post("/api/v1/logs/l/records", body, NDJSON).status, 201)
        self.assertEqual(self.server.post("/api/v1/logs/l/seal", b"").status, 200)
        self.server.stop()  # the catalogue knows the segment now: a kill does not undo the seal
        self.server.start()
        self.folder = self.server.data / "segments/l"
        self.copy = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.files = sorted(self.folder.glob("0-*.seg"))
        for file in self.folder.iterdir():
            shutil.copy(file, self.copy)

    def tearDown(self):
        if self.server.running():
            self.server.stop()
        self.server.remove()
        shutil.rmtree(self.copy, ignore_errors=True)

    def damage(self, suffix):
        path = self.files[0].with_suffix(suffix)
        os.chmod(path, 0o600)
        with open(path, "r+b") as file:  # in place, as a disk does: it may be mapped
            middle = path.stat().st_size // 2
            file.seek(middle)
            byte = file.read(1)[0]
            file.seek(middle)
            file.write(bytes([byte ^ 1]))

    def quarantined(self):
        text = self.server.get("/metrics").text()
        return int(re.search(r"(?m)^stele_segments_quarantined (\d+)$", text).group(1))

    def restore(self):
        return stele("segment", "restore", "l", self.copy / self.files[0].name, server=self.server)

    def test_the_scrub_finds_it_and_the_copy_brings_it_back(self):
        for suffix in (".seg", ".manifest"):
            self.damage(suffix)
            run = stele("scrub", "--wait", server=self.server)
            self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
            self.assertEqual(self.quarantined(), 1)
            self.assertEqual(self.server.get("/api/v1/logs/l/records/5").status, 500)
            run = self.restore()
            self.assertEqual(run.returncode, 0, run.stderr)
            self.assertEqual(self.quarantined(), 0)
            self.assertEqual(self.server.get("/api/v1/logs/l/records/5").json(), {"i": 5})
        run = stele("scrub", "--wait", server=self.server)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_a_segment_that_is_cut_off_under_the_server_is_an_error_and_no_crash(self):
        size = self.files[0].stat().st_size
        self.assertEqual(self.server.get("/api/v1/logs/l/records/19999").status, 200)  # it is open
        os.chmod(self.files[0], 0o600)
        for left in (size // 2, 4097, 0):
            os.truncate(self.files[0], left)
            seen = {self.server.get(f"/api/v1/logs/l/records/{i}").status
                    for i in range(1, 20000, 199)}
            self.assertLessEqual(seen, {200, 500})
            self.assertIn(500, seen)
        self.assertTrue(self.server.running())
        self.assertEqual(stele("scrub", "--wait", server=self.server).returncode, 1)
        self.assertEqual(self.quarantined(), 1)
        self.assertEqual(self.restore().returncode, 0)
        self.assertEqual(self.server.get("/api/v1/logs/l/records/5").json(), {"i": 5})

    def test_a_copy_that_is_damaged_itself_is_refused(self):
        path = self.copy / self.files[0].name
        data = bytearray(path.read_bytes())
        data[9000] ^= 1
        os.chmod(path, 0o600)
        path.write_bytes(data)
        run = self.restore()
        self.assertEqual(run.returncode, 1)
        self.assertIn("segment-refused", run.stderr)
        self.assertEqual(self.server.get("/api/v1/logs/l/records/5").status, 200)

    def test_a_server_killed_while_a_segment_comes_back_is_whole_or_still_in_quarantine(self):
        self.damage(".seg")
        stele("scrub", "--wait", server=self.server)
        self.assertEqual(self.quarantined(), 1)
        for delay in (0.001, 0.005, 0.01, 0.02, 0.05, 0.1):
            thread = threading.Thread(target=self.restore)
            thread.start()
            time.sleep(delay)
            self.server.kill()
            thread.join()
            self.server.start()
            self.assertFalse(list(self.folder.glob("*.tmp")))
            status = self.server.get("/api/v1/logs/l/records/5").status
            self.assertIn(status, (200, 500))
        run = self.restore()
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(self.quarantined(), 0)
        self.assertEqual(self.server.get("/api/v1/logs/l/records/19999").json(), {"i": 19999})
        self.server.stop()
        self.assertEqual(stele("fsck", self.server.data).returncode, 0)


if __name__ == "__main__":
    unittest.main()
