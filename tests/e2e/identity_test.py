"""The server's identity is replaced: evidence of before and after, with either pinned."""
import base64
import hashlib
import json
import random
import re
import shutil
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import proof
from lib import JSON, Client, Server, stele
from system_log import SystemLog

NAME = "ident.example.com"
ROTATE = "/api/v1/identity/rotate"


# --- a thief: signing with a seed, RFC 8032 section 5.1.6 ---------------------------


def times(scalar, point):
    sum_ = proof.IDENTITY
    for bit in bin(scalar)[2:]:
        sum_ = proof._add(sum_, sum_)
        if bit == "1":
            sum_ = proof._add(sum_, point)
    return sum_


def encoded(point):
    inverse = pow(point[2], proof.P - 2, proof.P)
    x, y = point[0] * inverse % proof.P, point[1] * inverse % proof.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


class Signer:
    def __init__(self, name, seed):
        digest = hashlib.sha512(seed).digest()
        self.a = int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254
        self.prefix = digest[32:]
        self.public = encoded(times(self.a, proof.BASE))
        key = b"\x01" + self.public
        self.name = name
        self.id = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(key).decode()}"

    def line(self, text):
        data = text.encode()
        r = int.from_bytes(hashlib.sha512(self.prefix + data).digest(), "little") % proof.L
        point = encoded(times(r, proof.BASE))
        k = int.from_bytes(hashlib.sha512(point + self.public + data).digest(), "little")
        s = (r + k * self.a) % proof.L
        field = base64.b64encode(self.id + point + s.to_bytes(32, "little")).decode()
        return f"\u2014 {self.name} {field}\n"


def note(text, *signers):
    return text + "\n" + "".join(s.line(text) for s in signers)


def succession(old, new, number=1, day=1, by=None):
    text = f"stele identity v1\n{old.vkey}\n{new.vkey}\n{number}\n2030-01-{day:02}T00:00:00.000000000Z\n"
    return note(text, *(by or (old, new)))


def seed_of(data):
    """What a thief reads in keys/identity, while no passphrase seals it."""
    body = (Path(data) / "keys/identity").read_bytes()[56:]
    return body[1 + body[0]:33 + body[0]]


class Identity(unittest.TestCase):
    OPTIONS = ["--wal-file-size", "16M", "--origin", NAME]

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.server = Server(options=self.OPTIONS)
        self.server.start()
        self.server.create_log("l")
        self.vkeys = [self.vkey_now()]

    def tearDown(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name, text=None):
        path = self.folder / name
        if text is not None:
            path.write_text(text)
        return path

    def do(self, *arguments, status=0, server=True):
        run = stele(*arguments, server=self.server if server else None)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def vkey_now(self):
        return self.server.get("/api/v1/logs").json()["server_vkey"]

    def append(self, log="l"):
        answer = self.server.post(f"/api/v1/logs/{log}/records", b'{"a":1}', JSON)
        self.assertEqual(answer.status, 201)
        return answer.json()

    def rotate(self):
        answer = self.server.post(ROTATE, b"")
        self.assertEqual(answer.status, 200, answer.body)
        self.vkeys.append(answer.json()["vkey"])
        self.assertTrue(answer.json()["old_key_destroyed"])
        return answer.json()

    def rotate_key(self, log="l"):
        self.assertEqual(self.server.post(f"/api/v1/logs/{log}/key/rotate", b"").status, 200)

    def verify(self, *arguments, pin, status=0):
        return self.do("verify", *arguments, "--key", pin, server=False, status=status)

    def row(self, shown):
        """What the notes say, verified by a stranger: the vkeys in order."""
        row = []
        for i, text in enumerate(shown["successions"]):
            lines = text.split("\n")
            self.assertEqual(lines[0], "stele identity v1")
            self.assertEqual(int(lines[3]), i + 1)
            for vkey in lines[1:3]:
                signed = proof.open_note(text, proof.Vkey.parse(vkey))
            self.assertEqual(signed, "\n".join(lines[:5]) + "\n")
            self.assertTrue(not row or row[-1] == lines[1])
            row = row or [lines[1]]
            row.append(lines[2])
        return row or [shown["vkey"]]

    def stated_by(self, log="l"):
        """Which identity made each epoch's statement."""
        shown = self.server.get(f"/api/v1/logs/{log}").json()
        found = []
        for text in [*shown["earlier_key_statements"], shown["key_statement"]]:
            for i, vkey in enumerate(self.vkeys):
                try:
                    proof.open_note(text, proof.Vkey.parse(vkey))
                    found.append(i)
                except ValueError:
                    pass
        return found

    def fsck(self):
        self.assertEqual(self.server.stop(), 0)
        for vkey in self.vkeys:
            self.do("fsck", self.server.data, "--key", vkey, server=False)

    def evidence(self, name, index, log="l"):
        """All kinds of it, of a record, as of now; and the keys that go with what brings none."""
        self.do("prove", log, str(index), "-o", self.path(f"{name}.json"))
        self.do("prove", log, str(index), "-o", self.path(f"{name}.tlog-proof"))
        self.path(f"{name}.checkpoint", self.do("checkpoint", log).stdout)
        self.path(f"{name}.keys", self.do("key", "show", log, "--statement").stdout)
        return name

    def check(self, name, pin, keys=None):
        more = ["--keys", self.path(f"{keys}.keys")] if keys else []
        self.verify(self.path(f"{name}.json"), *more, pin=pin)
        for kind in ("tlog-proof", "checkpoint"):
            more = ["--payload", self.path("payload", '{"a":1}')] if kind == "tlog-proof" else []
            self.verify(self.path(f"{name}.{kind}"), *more, "--keys",
                        self.path(f"{keys or name}.keys"), pin=pin)

    def test_evidence_of_before_and_after_holds_with_either_pinned(self):
        first = self.append()["index"]
        before = self.evidence("before", first)
        self.rotate()
        between = self.evidence("between", self.append()["index"])
        self.rotate_key()
        self.server.create_log("new")
        self.rotate()
        after = self.evidence("after", self.append()["index"])
        again = self.evidence("again", first)  # under the log's new key
        new = self.evidence("new", self.append("new")["index"], "new")
        self.assertEqual(self.stated_by(), [0, 1])
        self.assertEqual(self.stated_by("new"), [1])
        # what was fetched before the rotations has no notes; those of today tie it to today's key
        self.check(before, self.vkeys[0])
        old = self.verify(self.path("before.json"), pin=self.vkeys[2], status=1)
        self.assertIn("'stele key show --statement' prints", old.stdout)
        notes = self.path("notes", self.do("key", "show", "--statement").stdout)
        for pin in self.vkeys:
            for name in (after, again, new):
                self.check(name, pin)
            self.check(before, pin, "again")
            self.check(between, pin, "again")
            self.verify(self.path("before.json"), "--keys", notes, pin=pin)
        run = self.verify(self.path("again.json"), pin=self.vkeys[0])
        self.assertIn("an identity that the trusted one led to names the key", run.stdout)
        run = self.verify(self.path("before.json"), "--keys", notes, pin=self.vkeys[2])
        self.assertIn("an identity that led to the trusted one names the key", run.stdout)
        # alone, each speaks for what it stated itself
        for pin, names in zip(self.vkeys, (["before"], ["again", "after", "new"], [])):
            for name in ("before", "again", "after", "new"):
                self.verify(self.path(f"{name}.json"), "--keys", notes, "--no-successions", pin=pin,
                            status=0 if name in names else 1)
        self.do("checkpoint", "l", "--since", self.path("before.checkpoint"), "-o",
                self.path("now.json"))
        for pin in self.vkeys:
            self.verify(self.path("now.json"), "--since", self.path("before.checkpoint"), pin=pin)
        for end in (self.server.stop, self.server.kill):
            end()
            self.server.start()
            self.assertEqual(self.vkey_now(), self.vkeys[2])
            self.assertEqual(self.stated_by(), [0, 1])
            self.check(self.evidence("later", first), self.vkeys[0])
        self.do("log", "seal", "l")
        self.do("key", "letter", "l")
        self.fsck()

    def test_it_is_served_to_everybody_and_recorded(self):
        anybody = Client(self.server.port)
        shown = anybody.get("/api/v1/identity").json()
        self.assertEqual(shown, {"server": NAME, "vkey": self.vkeys[0], "number": 0,
                                 "successions": []})
        self.assertIn("first one", self.do("key", "show", "--statement").stderr)
        self.rotate()
        run = self.do("key", "rotate", "--identity")
        self.vkeys.append(self.vkey_now())
        self.assertIn(self.vkeys[2], run.stdout)
        self.assertEqual(self.do("key", "show").stdout.strip(), self.vkeys[2])
        shown = anybody.get("/api/v1/identity").json()
        anybody.close()
        self.assertEqual(self.row(shown), self.vkeys)
        self.assertEqual(shown["number"], 2)
        self.assertEqual(self.do("key", "show", "--statement").stdout,
                         "".join(shown["successions"]))
        self.assertEqual(json.loads(self.do("key", "show", "--statement", "--json").stdout),
                         {"identities": shown["successions"]})
        self.assertEqual(self.server.get("/api/v1/logs/l").json()["successions"],
                         shown["successions"])
        receipt = json.loads(self.do("prove", "l", "0").stdout)
        self.assertEqual(receipt["identities"], shown["successions"])
        system = SystemLog()
        system.read(self.server)
        acts = system.of_type("identity.rotate")
        self.assertEqual([a["number"] for a in acts], [1, 2])
        self.assertEqual([a["succession"] for a in acts], shown["successions"])
        self.assertEqual([a["vkey"] for a in acts], self.vkeys[1:])
        self.assertTrue(all(a["by"]["principal"].startswith("p-") for a in acts))

    def test_it_needs_the_scope_operate(self):
        scopes = "append,read,verify,access,policy,approve,hold,retain,purge,export"
        run = self.do("token", "create", "--scope", scopes, "--log", "*", "--json")
        narrow = self.server.connect(json.loads(run.stdout)["token"])
        self.assertEqual(narrow.post(ROTATE, b"").status, 403)
        narrow.close()
        anybody = Client(self.server.port)
        self.assertEqual(anybody.post(ROTATE, b"").status, 401)
        anybody.close()
        self.assertEqual(self.vkey_now(), self.vkeys[0])
        self.do("key", "rotate", status=3)
        self.do("key", "rotate", "l", "--identity", status=3)

    def test_a_kill_leaves_the_old_one_or_the_new_one(self):
        """Killed around a rotation, again and again: one row, each note recorded once."""
        dice, row = random.Random(1), list(self.vkeys)
        for n in range(25):
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(self.server.post, ROTATE, b"")
                time.sleep(dice.random() * 0.015)
                self.server.kill()
                try:
                    answered = answer.result().json()
                except (OSError, HTTPException):
                    answered = None
            self.server.start()
            now = self.row(self.server.get("/api/v1/identity").json())
            self.assertIn(len(now), (len(row), len(row) + 1))
            self.assertEqual(now[:len(row)], row)
            if answered:
                self.assertEqual(now[-1], answered["vkey"])
            row = now
            self.server.create_log(f"n{n}")
        self.assertGreater(len(row), 1)
        self.assertLess(len(row), 26)
        system = SystemLog()
        system.read(self.server)
        self.assertEqual([a["vkey"] for a in system.of_type("identity.rotate")], row[1:])
        self.vkeys = row
        for n in range(25):
            self.evidence("x", 0, f"n{n}")
            self.verify(self.path("x.json"), pin=row[0])
        self.vkeys = [row[0], row[-1]]
        self.fsck()

    def test_the_file_of_before_does_not_start(self):
        kept = self.folder / "kept"
        shutil.copy(self.server.data / "keys/identity", kept)
        self.rotate()
        for end in (self.server.kill, self.server.stop):
            end()
            shutil.copy(self.server.data / "keys/identity", self.folder / "newest")
            shutil.copy(kept, self.server.data / "keys/identity")
            with self.assertRaises(RuntimeError) as failed:
                self.server.start()
            self.assertIn("of before the server's identity was replaced", str(failed.exception))
            shutil.copy(self.folder / "newest", self.server.data / "keys/identity")
            self.server.start()
            self.assertEqual(self.vkey_now(), self.vkeys[1])

    def test_a_backup_is_restored_and_goes_on(self):
        secret = self.path("passphrase", "for the copies\n")
        first = self.append()["index"]
        self.evidence("before", first)
        self.do("backup", self.path("b"), "--keyring", self.path("ring"), "--passphrase-file", secret)
        self.rotate()
        self.append()
        self.do("backup", self.path("b"), "--keyring", self.path("ring"), "--passphrase-file", secret)
        self.rotate()
        self.server.kill()
        self.do("restore", self.path("b"), "--data", self.path("d"), "--keyring",
                self.path("ring"), "--passphrase-file", secret, server=False)
        for vkey, status in zip(self.vkeys, (0, 0, 1)):  # the last one is lost
            self.do("fsck", self.path("d"), "--passphrase-file", secret, "--key", vkey,
                    server=False, status=status)
        self.server.remove()
        self.server = Server(data=self.path("d"), options=["--passphrase-file", str(secret)]).start()
        self.vkeys = self.vkeys[:2]
        self.assertEqual(self.vkey_now(), self.vkeys[1])
        self.assertEqual(self.stated_by(), [0, 1])
        self.rotate()  # of a server whose key files a passphrase seals
        self.rotate_key()
        self.assertEqual(self.stated_by(), [0, 1, 2])
        self.server.kill()
        self.server.start()
        self.assertEqual(self.row(self.server.get("/api/v1/identity").json()), self.vkeys)
        self.evidence("after", first)
        for pin in self.vkeys:
            self.check("after", pin)
            self.verify(self.path("before.json"), "--keys", self.path("after.keys"), pin=pin)

    def test_not_while_a_backup_copies_and_it_says_so(self):
        """Its key files must be of the same moment."""
        self.assertEqual(self.server.post("/api/v1/backups", json.dumps(
            {"dir": str(self.path("b"))}), JSON).status, 200)
        statuses = set()
        while self.server.get("/api/v1/backups").json()["running"]:
            statuses.add(self.server.post(ROTATE, b"").status)
        self.assertLessEqual(statuses, {200, 409})

    def forged(self, name, notes, why, receipt="after.json", pins=None):
        for pin in pins or self.vkeys:
            run = self.verify(self.path(receipt), "--keys", self.path(name, "".join(notes)),
                              pin=pin, status=1)
            self.assertRegex(run.stdout, why)

    def test_forged_successions_are_refused_and_say_why(self):
        stolen = Signer(NAME, seed_of(self.server.data))
        self.assertEqual(stolen.vkey, self.vkeys[0])
        first = self.append()["index"]
        self.evidence("before", first)
        self.rotate()
        second = Signer(NAME, seed_of(self.server.data))
        self.append()
        self.rotate_key()
        self.evidence("after", self.append()["index"])
        true = self.server.get("/api/v1/identity").json()["successions"][0]
        thief, other = Signer(NAME, b"x" * 32), Signer("ident.example.org", b"y" * 32)
        one_line = re.sub(r"\u2014[^\n]*\n$", "", true)
        self.forged("a", [one_line], "not signed by the identity that it says took over")
        self.forged("b", [true.replace("\u2014 ", "\u2014 x", 1)], "not signed by|is none")
        self.forged("c", [true.replace("\n1\n20", "\n2\n20")], "not signed by")
        self.forged("d", [succession(stolen, thief, by=[stolen])], "took over")
        self.forged("e", [succession(stolen, thief, by=[thief])], "was replaced")
        self.forged("f", [succession(stolen, thief)], "two different successions numbered 1")
        self.forged("g", [succession(stolen, thief, 2)], "replace the same identity")
        self.forged("h", [succession(second, thief, 3)], "their numbers do not")
        self.forged("i", [succession(second, stolen, 2)], "never returns")
        self.forged("j", [succession(thief, stolen, 2, 2)], "does not end with|never returns")
        # another server's, and one that is tied to nothing, change nothing
        strange = Signer("ident.example.org", b"z" * 32)
        self.path("k", succession(other, strange))
        self.verify(self.path("after.json"), "--keys", self.path("k"), pin=self.vkeys[0])
        # the thief's own identity leads nowhere, whoever is pinned
        statement = note(f"stele key v1\n{Signer(NAME + '/l', b'k' * 32).vkey}\n1\n2\n", thief)
        self.path("l.json", json.dumps({**json.loads(self.path("after.json").read_text()),
                                        "keys": [statement]}))
        self.forged("l", [true], "nor with one that the successions lead to", "l.json")
        # the old key goes on stating: a record of after the succession, before the epoch
        receipt = json.loads(self.path("after.json").read_text())
        fake = Signer(NAME + "/l", b"k" * 32)
        text = receipt["checkpoint"].split("\n\n")[0] + "\n"
        size = int(text.split("\n")[1])
        receipt["checkpoint"] = note(text, fake)
        receipt["keys"] = [note(f"stele key v1\n{fake.vkey}\n1\n{size}\n", stolen)]
        self.path("m.json", json.dumps(receipt))
        self.forged("m", [true], "used afterwards", "m.json")


if __name__ == "__main__":
    unittest.main()
