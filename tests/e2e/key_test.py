"""A log's key is replaced: under load, across kills, for receipts of before, and in a restore."""
import json
import random
import shutil
import tempfile
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import proof
from lib import JSON, NDJSON, Server, stele
from system_log import SystemLog

ROTATE = "/api/v1/logs/{}/key/rotate"


class Load(threading.Thread):
    """Appends to a log until it is told to end; keeps what it was answered."""

    def __init__(self, server, log, lines, fill):
        super().__init__()
        self.client, self.log, self.lines, self.fill = server.connect(), log, lines, fill
        self.receipts, self.checkpoints, self.over, self.error = [], [], False, None

    def run(self):
        try:
            while not self.over:
                self.once()
        except (OSError, HTTPException):
            pass  # the server was killed
        except Exception as e:
            self.error = e

    def once(self):
        path = f"/api/v1/logs/{self.log}/records"
        if self.lines == 1:
            answer = self.client.post(path, b'{"fill":"%s"}' % (b"x" * self.fill), JSON)
        else:
            body = b"".join(b'{"i":%d,"fill":"%s"}\n' % (i, random.randbytes(self.fill).hex().encode())
                            for i in range(self.lines))
            answer = self.client.post(path, body, NDJSON)
        if answer.status != 201:
            raise AssertionError(answer.text())
        if self.lines == 1:
            self.receipts.append(answer.json())
        self.checkpoints.append(answer.json()["checkpoint"])

    def end(self):
        self.over = True
        self.join()
        self.client.close()
        if self.error:
            raise self.error


class Keys(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.server = Server(options=["--wal-file-size", "16M", "--origin", "keys.example.com"])
        self.server.start()
        self.server.create_log("l")
        self.identity = proof.Vkey.parse(
            self.server.get("/api/v1/logs").json()["server_vkey"])
        self.path("identity").write_text(self.do("key", "show").stdout)

    def tearDown(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        return self.folder / name

    def do(self, *arguments, status=0, server=True):
        run = stele(*arguments, server=self.server if server else None)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def rotate(self, log="l"):
        answer = self.server.post(ROTATE.format(log), b"")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def statements(self, log="l"):
        """(vkey, first size) by epoch, as the identity says."""
        shown = self.server.get(f"/api/v1/logs/{log}").json()
        keys = []
        for note in [*shown["earlier_key_statements"], shown["key_statement"]]:
            lines = proof.open_note(note, self.identity).splitlines()
            self.assertEqual(int(lines[2]), len(keys))
            keys.append((lines[1], int(lines[3])))
        self.assertEqual(shown["vkey"], keys[-1][0])
        return keys

    def recorded(self, log="l"):
        """The epochs that `_system` says were begun."""
        system = SystemLog()
        system.read(self.server)
        return [a["epoch"] for a in system.of_type("log.key.rotate") if a["log"] == log]

    def control_entries(self, log, size):
        """Kinds and indexes of control entries, walked back from the head."""
        found = []
        index = size - 1
        while index:
            entry = json.loads(self.server.get(f"/api/v1/logs/{log}/records/{index}",
                                               {"Accept": "application/json"}).json()["entry"])
            if entry["kind"] != "record":
                found.append((entry["kind"], index))
            index = entry["ctl"]
        return found[::-1]

    def speaks_for(self, keys, size):
        return [proof.Vkey.parse(k) for k, first in keys if first <= size][-1]

    def fsck(self):
        self.do("fsck", self.server.data, "--key", f"@{self.path('identity')}", server=False)

    def test_it_is_replaced_under_load_and_everything_before_keeps_verifying(self):
        threads = [Load(self.server, "l", 1, 50), Load(self.server, "l", 1, 50),
                   Load(self.server, "l", 200, 800), Load(self.server, "l", 200, 800)]
        for t in threads:
            t.start()
        answers = []
        for _ in range(6):
            time.sleep(0.15)
            answers.append(self.rotate())
        time.sleep(0.15)
        for t in threads:
            t.end()
        keys = self.statements()
        self.assertEqual([(a["vkey"], a["first_size"]) for a in answers], keys[1:])
        self.assertTrue(all(a["old_key_destroyed"] for a in answers))
        self.assertEqual(len({k for k, _ in keys}), 7)
        self.assertEqual(self.recorded(), [1, 2, 3, 4, 5, 6])
        size = self.server.get("/api/v1/logs/l").json()["size"]
        self.assertEqual(self.control_entries("l", size),
                         [("key", first - 1) for _, first in keys[1:]])
        # every checkpoint is signed by the key that speaks for its size
        roots = {}
        checkpoints = [c for t in threads for c in t.checkpoints]
        for checkpoint in checkpoints:
            at = int(checkpoint.split("\n")[1])
            opened = proof.open_checkpoint(checkpoint, self.speaks_for(keys, at))
            self.assertEqual(roots.setdefault(at, opened.root), opened.root)
        # some of which lie in each epoch
        self.assertEqual({len([f for _, f in keys if f <= s]) for s in roots}, set(range(1, 8)))
        # receipts of all epochs, with the identity's key alone
        receipts = [r for t in threads for r in t.receipts]
        self.path("receipts").write_text("".join(json.dumps(r) + "\n" for r in receipts[::7]))
        self.path("l.keys").write_text(self.do("key", "show", "l", "--statement").stdout)
        self.do("verify", self.path("receipts"), "--key", f"@{self.path('identity')}",
                "--keys", self.path("l.keys"), server=False)
        first = min(receipts, key=lambda r: r["index"])
        self.path("kept").write_text(first["checkpoint"])
        for end in (self.server.stop, self.server.kill):
            end()
            self.fsck()
            self.server.start()
            self.assertEqual(self.statements(), keys)
            self.do("prove", "l", str(first["index"]), "--since", self.path("kept"), "-o",
                    self.path("again.json"))
            self.do("verify", self.path("again.json"), "--key", f"@{self.path('identity')}",
                    server=False)
            self.do("checkpoint", "l", "--since", self.path("kept"), "-o", self.path("now.json"))
            self.do("verify", self.path("now.json"), "--since", self.path("kept"), "--key",
                    f"@{self.path('identity')}", server=False)
        self.do("log", "seal", "l")
        self.do("scrub", "--wait")
        self.fsck_stopped()

    def fsck_stopped(self):
        self.assertEqual(self.server.stop(), 0)
        self.fsck()

    def test_the_first_checkpoint_of_a_key_is_signed_by_the_one_before_too(self):
        old = proof.Vkey.parse(self.server.vkey("l"))
        answer = self.rotate()
        checkpoint = self.server.get("/logs/l/checkpoint").text()
        self.assertEqual(answer["first_size"], 2)
        for key in (old, proof.Vkey.parse(answer["vkey"])):
            self.assertEqual(proof.open_checkpoint(checkpoint, key).size, 2)
        self.server.post("/api/v1/logs/l/records", b"{}", JSON)
        checkpoint = self.server.get("/logs/l/checkpoint").text()
        self.assertEqual(proof.open_checkpoint(checkpoint, proof.Vkey.parse(answer["vkey"])).size, 3)
        with self.assertRaises(ValueError):
            proof.open_checkpoint(checkpoint, old)

    def test_a_kill_leaves_the_old_key_or_the_new_one(self):
        """Killed around a rotation, again and again: no epoch has two keys, no size two roots."""
        dice = random.Random(1)
        keys, roots, within = self.statements(), {}, 0.012
        for _ in range(25):
            load = Load(self.server, "l", 1, 50)
            load.start()
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(self.rotate)
                time.sleep(dice.random() * within)
                self.server.kill()
                try:
                    answered = answer.result()
                except (OSError, HTTPException):
                    answered = None
            within *= 0.8 if answered else 1.25  # as fast as this machine is
            load.end()
            self.server.start()
            now = self.statements()
            self.assertIn(len(now), (len(keys), len(keys) + 1))
            self.assertEqual(now[:len(keys)], keys)
            if answered:
                self.assertEqual(now[-1][0], answered["vkey"])
            keys = now
            head = self.server.get("/logs/l/checkpoint").text()
            for checkpoint in [*load.checkpoints, head]:
                at = int(checkpoint.split("\n")[1])
                root = proof.open_checkpoint(checkpoint, self.speaks_for(keys, at)).root
                self.assertEqual(roots.setdefault(at, root), root)
        self.assertGreater(len(keys), 1)
        self.assertEqual(self.recorded(), list(range(1, len(keys))))
        for receipt in load.receipts[:1]:
            self.assertEqual(self.server.get(
                f"/api/v1/logs/l/records/{receipt['index']}").status, 200)
        self.assertEqual(len(self.rotate()["vkey"]), len(keys[0][0]))
        self.fsck_stopped()

    def test_the_servers_own_logs_are_rotated_too(self):
        for log in ("_system", "_access"):
            self.assertEqual(self.rotate(log)["epoch"], 1)
            self.assertEqual(self.recorded(log), [1])
        self.server.kill()
        self.server.start()
        self.assertEqual(len(self.statements("_system")), 2)
        self.fsck_stopped()

    def test_it_needs_the_scope_operate_and_is_recorded_with_who_did_it(self):
        run = self.do("token", "create", "--scope", "append,read", "--log", "l", "--json")
        narrow = self.server.connect(json.loads(run.stdout)["token"])
        self.assertEqual(narrow.post(ROTATE.format("l"), b"").status, 403)
        self.assertEqual(self.server.post(ROTATE.format("none"), b"").status, 404)
        self.assertEqual(len(self.statements()), 1)
        run = self.do("key", "rotate", "l")
        self.assertIn(self.server.vkey("l"), run.stdout)
        self.assertIn("epoch 1", run.stdout)
        self.assertEqual(json.loads(self.do("key", "rotate", "l", "--json").stdout)["epoch"], 2)
        system = SystemLog()
        system.read(self.server)
        acts = system.of_type("log.key.rotate")
        self.assertEqual([(a["log"], a["epoch"]) for a in acts], [("l", 1), ("l", 2)])
        entry = json.loads(self.server.get("/api/v1/logs/l/records/1",
                                           {"Accept": "application/json"}).json()["entry"])
        self.assertEqual(entry["writer"], acts[0]["by"]["principal"])

    def test_a_backup_of_after_is_restored_and_receipts_of_before_verify(self):
        secret = self.path("passphrase")
        secret.write_text("for the copies\n")
        receipt = self.server.post("/api/v1/logs/l/records", b'{"a":1}', JSON).json()
        self.path("old").write_text(json.dumps(receipt))
        self.rotate()
        self.server.post("/api/v1/logs/l/records", b'{"a":2}', JSON)
        self.do("backup", self.path("b"), "--keyring", self.path("ring"), "--passphrase-file", secret)
        lost = self.rotate()["epoch"]
        self.server.kill()
        self.do("restore", self.path("b"), "--data", self.path("d"), "--keyring",
                self.path("ring"), "--passphrase-file", secret, server=False)
        with Server(data=self.path("d"), options=["--passphrase-file", str(secret)]) as copy:
            run = stele("key", "show", "l", "--statement", server=copy)
            self.path("keys").write_text(run.stdout)
            self.assertEqual(run.stdout.count("stele key v1"), 3)
            # the epoch of the second rotation is not used again: the backup does not know it
            restored = int(run.stdout.split("stele key v1\n")[-1].splitlines()[1])
            self.assertGreater(restored, lost)
            epoch = copy.post(ROTATE.format("l"), b"").json()["epoch"]
            self.assertEqual(epoch, restored + 1)
            self.assertEqual(copy.stop(), 0)
        self.do("verify", self.path("old"), "--key", f"@{self.path('identity')}", "--keys",
                self.path("keys"), server=False)
        self.do("fsck", self.path("d"), "--passphrase-file", secret, "--key",
                f"@{self.path('identity')}", server=False)


if __name__ == "__main__":
    unittest.main()
