#!/usr/bin/env python3
"""Random life under locks, against a model of a few lines (worm_model.py).

Appends with and without a lock of their own, extensions, shortenings by two principals, events, legal holds and
their release, purges, requests of erasure, time that passes, a wall clock that is set, restarts and kills,
backups, and servers that are lost and come back from one, at random. After each step:

- no payload that is locked is missing, and each that is there reads as it was written;
- a plan names exactly what the model says is free, and what it names goes: answered 410 from then on;
- a purge of anything that is locked is refused; with frozen clocks any purge is;
- what is to be erased is read by nobody but who may hold it, and goes by itself when nothing locks it;
- what a restore brings back is what the backup had, without what was purged since.

Every receipt that was ever handed out verifies offline, of what went and of what a restore lost, too; and fsck
finds the data directory sound. STELE_WORM says how many steps (200), STELE_SEED with what dice.
"""
import json
import os
import random
import shutil
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from lib import JSON, Client, Clock, Server, stele  # noqa: E402
from retention_case import instant, ns_of  # noqa: E402
from worm_model import Model, Record  # noqa: E402

STEPS = int(os.environ.get("STELE_WORM", 200))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
HOUR_NS = 3600 * 10**9
DEFAULT_H = 48
LOG = "/api/v1/logs/l"
POLICY = {"retain": {"default": f"{DEFAULT_H}h"}, "event_based": True}
OFFICER = ["retain", "approve", "hold", "purge", "read", "verify", "operate"]
SAMPLE = 8  # records that are read after each step
WAIT_S = 30  # for what goes by itself, on a loaded machine
LIVES = 60  # stele verify takes 64 key statements: one a restore
PURGES = 50  # since a backup: a restore takes 64 receipts of purges


class Backup:
    """One, and what must be kept apart from the server for a restore from it."""

    def __init__(self, folder, model):
        self.folder, self.model = folder, model
        self.purges = {}  # entry: the file of its receipt


class World:
    def __init__(self, test):
        self.test, self.dice = test, random.Random(SEED)
        self.clock = Clock()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        (self.path / "passphrase").write_text("a passphrase\n")
        self.lives = self.backups = 0
        self.server = self.another(["--origin", "worm.example.com"]).start()
        answer = self.server.request("PUT", LOG, json.dumps(POLICY), JSON)
        test.assertEqual(answer.status, 201, answer.body)
        self.people = [self.principal("person", OFFICER) for _ in range(2)] + \
                      [self.principal("service", ["read"])]
        self.introduce()
        self.clock.forward(73)
        self.key = stele("key", "show", server=self.server).stdout.strip()
        self.model, self.backup, self.receipts = Model(), None, []
        self.stepped, self.cause, self.trusted, self.woken = 0, None, True, False
        self.count = {}

    def another(self, options=()):
        """A server on a folder of its own."""
        self.lives += 1
        return Server(self.path / f"data{self.lives}", env=self.clock.env,
                      options=["--passphrase-file", str(self.path / "passphrase"), *options])

    def close(self):
        if self.server.running():
            self.server.kill()
        self.clock.remove()
        self.folder.cleanup()

    # --- asking ----------------------------------------------------------------------------

    def principal(self, kind, scopes):
        body = {"kind": kind, "grants": [{"scopes": scopes, "logs": ["*"]}]}
        return self.post("/api/v1/principals", body, 201)["id"]

    def introduce(self):
        """Tokens for those who are there: two officers, and one who reads."""
        made = [self.post("/api/v1/tokens", {"principal": who}, 201) for who in self.people]
        *self.tokens, self.reader = [m["token"] for m in made]

    def ask(self, path, body, token=None):
        client = Client(self.server.port, token) if token else self.server
        try:
            return client.post(path, json.dumps(body), JSON)
        finally:
            if token:
                client.close()

    def post(self, path, body, status, token=None):
        answer = self.ask(path, body, token)
        self.test.assertEqual(answer.status, status, (path, body, answer.body))
        return answer.json()

    def do(self, *arguments, server=None, status=0, env=None):
        run = stele(*arguments, server=server, env={**os.environ, **(env or {})})
        self.test.assertEqual(run.returncode, status, run.stdout[-2000:] + run.stderr)
        return run.stdout

    def two(self, path, body):
        """What takes two: one asks, the other approves. False: the clocks were frozen."""
        answer = self.ask(path, body, self.tokens[0])
        if answer.status == 403:
            path = "/api/v1/approvals/" + answer.json()["approval"]
            digest = self.server.get(path).json()["digest"]
            answer = self.ask(path + "/approve", {"digest": digest}, self.tokens[1])
        if answer.status == 409:
            self.frozen(answer, self.state)
            return False
        self.test.assertEqual(answer.status, 200, answer.body)
        return True

    def frozen(self, answer, state):
        """So it was, or is by now: a moment after the wall clock was set it is seen."""
        self.test.assertEqual(answer.json()["type"], "urn:stele:problem:clock-frozen")
        self.now()
        self.test.assertIn("frozen", (state, self.state))

    def now(self):
        """By the earlier of both clocks, by which locks end; by the later one they begin."""
        c = self.server.get("/api/v1/clock").json()
        self.state, self.cause = c["state"], c.get("cause")
        earlier, self.later = sorted((ns_of(c["evidence"]), ns_of(c["lock"])))
        return earlier

    def did(self):
        """An entry by a deed of somebody: the job that erases looks for what may go now."""
        self.model.others += 1
        self.woken = True

    def some_range(self, end):
        """A range up to that index, in which there may be control entries and what is gone."""
        first = self.dice.randint(1, end)
        return first, min(end, first + self.dice.randint(0, 6))

    def keep(self, receipt):
        """It was handed out: it must verify for ever."""
        self.receipts.append((int(receipt["checkpoint"].split("\n")[1]), json.dumps(receipt)))

    # --- steps: what comes, and what locks it -------------------------------------------------

    def append(self):
        headers, event = {"Content-Type": "application/octet-stream"}, None
        kind = self.dice.choice(["default", "default", "for", "event"])
        hours = DEFAULT_H
        if kind == "for":
            hours = self.dice.randint(1, 100)
            headers["Stele-Retain-For"] = f"{hours}h"
        elif kind == "event":
            event = headers["Stele-Retain-Event"] = self.dice.choice("abc")
        who = self.dice.choice([None, "alice", "bob"])
        for _ in range(self.dice.randint(1, 4)):
            payload = self.dice.randbytes(self.dice.randint(0, 300))
            if who:
                payload = json.dumps({"who": who, "fill": payload.hex()}).encode()
                headers["Content-Type"] = "application/json"
            self.now()
            earliest = self.later + hours * HOUR_NS
            answer = self.server.post(LOG + "/records", payload, headers)
            self.test.assertEqual(answer.status, 201, answer.body)
            self.now()
            self.keep(answer.json())
            entry = json.loads(answer.json()["entry"])
            until = None
            if not event:
                until = ns_of(entry["retain_until"])
                self.test.assertGreaterEqual(until, earliest)
                self.test.assertLessEqual(until, self.later + hours * HOUR_NS)
            self.model.records[entry["index"]] = Record(payload, who, until, event)

    def extend(self):
        chosen = self.model.alive()
        if not chosen:
            return
        chosen = sorted(self.dice.sample(chosen, min(len(chosen), self.dice.randint(1, 4))))
        records = [self.model.records[i] for i in chosen]
        # one that waits for its event ends at no known time, and keeps what an extension gave it
        self.now()
        latest = max([self.later] + [max(r.end() or 0, r.ends or 0) for r in records])
        until = latest + self.dice.randint(1, 60) * HOUR_NS
        self.post(LOG + "/extensions",
                  {"records": chosen, "until": instant(until), "reason": "longer"}, 201)
        self.did()
        for r in records:
            r.ends = max(until, r.ends or 0)

    def shorten(self):
        now = self.now()
        chosen = [i for i in self.model.alive() if not self.model.records[i].event and
                  self.model.records[i].end() > now + 2 * HOUR_NS]
        if not chosen or self.state == "frozen":
            return
        i, until = self.dice.choice(chosen), now + HOUR_NS
        if self.two(LOG + "/extensions", {"records": [i], "until": instant(until),
                                          "shorten": True, "reason": "shorter"}):
            self.did()
            self.model.records[i].ends, self.model.records[i].fixed = until, True

    def event(self):
        name = self.dice.choice("abc")
        until = ns_of(self.post(f"{LOG}/retention-events/{name}", {}, 201)["until"])
        self.did()
        for r in self.model.records.values():
            if r.event == name:
                r.until = max(until, r.until or 0)

    def place(self, first, last):
        body = {"matter": "m", "name": "n", "logs": ["l"], "range": [first, last], "reason": "r"}
        hold = self.post("/api/v1/holds", body, 201)["id"]
        self.model.holds[hold] = first, last
        self.did()
        return hold

    def hold(self):
        self.place(*self.some_range(self.model.size()))  # perhaps also the next that comes

    def release(self):
        if not self.model.holds:
            return
        hold = self.dice.choice(sorted(self.model.holds))
        self.post(f"/api/v1/holds/{hold}/release", {"reason": "r"}, 200)
        del self.model.holds[hold]
        self.did()

    # --- steps: what goes -----------------------------------------------------------------------

    def plan(self):
        return self.post(LOG + "/purge-plans", {"unlocked": True}, 201)

    def ranges(self, ranges):
        return {i for a, b in ranges for i in range(a, b + 1)}

    def approve(self, plan, otherwise):
        """What came of it; None, where the clocks were frozen, which they are a moment after the
        wall clock was set, or an erasure took some of it before. Waits while another purge, an
        erasure's, is at its steps."""
        state = self.state
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = self.ask(f"{LOG}/purge-plans/{plan['id']}/approve",
                              {"digest": plan["digest"]})
            running = answer.status == 409 and answer.json()["type"].endswith(":purge-running")
            if not running or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        self.erased()
        if answer.status == 409 and answer.json()["type"] == "urn:stele:problem:plan-conflict":
            self.test.assertFalse(self.ranges(plan["go"]["ranges"]) <= set(self.model.alive()))
            return None
        if answer.status == 409:
            self.frozen(answer, state)
            return None
        self.test.assertEqual(answer.status, otherwise, answer.body)
        self.test.assertFalse(state == self.state == "frozen")
        return answer.json()

    def purge(self):
        before = self.now()
        were = set(self.model.alive())
        plan = self.plan()
        after = self.now()
        go = self.ranges(plan["go"]["ranges"])
        self.erased()
        for i in self.model.alive():
            if self.model.locked(i, after):
                self.test.assertNotIn(i, go, vars(self.model.records[i]))
            elif not self.model.locked(i, before):
                self.test.assertIn(i, go, vars(self.model.records[i]))
        self.test.assertLessEqual(go, were)
        if not go or self.dice.random() < 0.3:
            return
        done = self.approve(plan, 200)
        if done:
            self.test.assertTrue(done["destroyed"], done)
            self.went(go, done["entry"])
            self.woken = True

    def went(self, indexes, entry):
        """Purged, by that entry; its receipt is kept apart from the server, for a restore."""
        self.model.purge(indexes, entry)
        if self.backup and entry not in self.backup.purges:
            file = self.path / f"purge{entry}"
            self.do("prove", "l", entry, "-o", file, server=self.server)
            self.backup.purges[entry] = file

    def stale(self):
        """A plan that was made before something was held: the hold wins."""
        now = self.now()
        free = [i for i in self.model.alive() if not self.model.locked(i, now)]
        if not free:
            return
        plan = self.plan()
        i = self.dice.choice(free)
        hold = self.place(i, i)
        refused = self.approve(plan, 403)
        if refused:
            self.test.assertEqual(refused["type"], "urn:stele:problem:legal-hold-active")
            self.test.assertIn(hold, refused["holds"])

    def erase(self):
        """A request about some records, by their indexes, a range, or what they say."""
        if self.model.size() == 1:
            return
        first, last = self.some_range(self.model.size() - 1)
        body = {"case": "c"}
        chosen = self.model.covered(first, last)
        kind = self.dice.choice(["records", "range", "filter", "filter in range"])
        if kind == "records":
            body["records"] = [last, [first, last]] if last > first else [first]
        if kind in ("range", "filter in range"):
            body["range"] = [first, last]
        if kind.startswith("filter"):
            who = self.dice.choice(["alice", "bob"])
            body["filter"] = f'who = "{who}"'
            chosen = [i for i in (chosen if "range" in body else self.model.alive())
                      if self.model.records[i].who == who]
        answer = self.ask(LOG + "/erasures", body)
        self.erased()
        if answer.status == 422:
            self.test.assertFalse(set(chosen) & set(self.model.alive()), (body, answer.body))
            return
        self.test.assertEqual(answer.status, 201, answer.body)
        made = self.ranges(answer.json()["ranges"])
        self.test.assertLessEqual(made, set(chosen), body)
        self.test.assertFalse((set(chosen) - made) & set(self.model.alive()), body)
        self.model.erasures[answer.json()["id"]] = made
        self.woken = True

    # --- steps: time, and what befalls a server ---------------------------------------------------

    def passing(self):
        self.clock.forward(self.dice.randint(1, 40))

    def step(self):
        """Somebody sets the wall clock, or sets it right again."""
        wall = -self.stepped if self.stepped else self.dice.choice([600, -600, 36000, -36000])
        self.stepped += wall
        self.clock.step(wall)

    def restart(self):
        if self.dice.random() < 0.5:
            self.test.assertEqual(self.server.stop(), 0)
        else:
            self.server.kill()
        self.server.start()
        self.woken = True

    def back_up(self):
        """Once more, when an erasure went on meanwhile: what the backup has of that is not known."""
        self.backups += 1
        old, folder = self.backup, self.path / f"backup{self.backups}"
        self.do("backup", folder, "--keyring", f"{folder}.ring", "--passphrase-file",
                self.path / "passphrase", server=self.server)
        self.backup = Backup(folder, self.model.copy())
        if old:
            shutil.rmtree(old.folder)
        if self.server.get(LOG).json()["size"] != self.model.size():
            self.settle()
            self.back_up()

    def restore(self):
        """The server is lost, and comes back from the backup."""
        if not self.backup or self.lives == LIVES or self.dice.random() < 0.7:
            return
        if self.stepped:
            self.step()  # evidence time will be what the wall clock says
        backup, newest, options = self.backup, 0, []
        size = backup.model.size()
        if self.dice.random() < 0.5:
            options = ["--newest-checkpoint", self.path / "newest"]
            self.do("checkpoint", "l", "-o", options[1], server=self.server)
            newest = int(options[1].read_text().split("\n")[1])
        for entry in sorted(backup.purges):
            options += ["--purge", backup.purges[entry]]
        gone = [r for r in self.receipts if r[0] > size]
        self.receipts = [r for r in self.receipts if r[0] <= size]
        self.verify(gone)
        self.server.kill()
        shutil.rmtree(self.server.data)
        self.server = self.another()
        said = json.loads(self.do("restore", backup.folder, "--data", self.server.data, "--keyring",
                                  f"{backup.folder}.ring", "--passphrase-file",
                                  self.path / "passphrase", "--json", *options, env=self.clock.env))
        again = self.model.restore(backup.model)
        self.test.assertEqual([(p["entry"], p["records"]) for p in said["purges"]],
                              list(again.items()))
        (said,) = [log for log in said["logs"] if log["log"] == "l"]
        lost = {"first": size, "last": newest - 1} if newest > size else None
        self.test.assertEqual((said["size"], said["lost"]), (size, lost))
        self.server.start()
        self.introduce()
        self.clock.forward(73)  # new tokens approve nothing until then
        self.now()
        self.test.assertEqual((self.state, self.cause), ("frozen", "restore"))
        if gone:  # beside the statements of the new history, what was lost shows as that
            self.test.assertIn("a history that the log lost", self.verify(gone, status=1))
        self.back_up()  # a second restore from the old one would make other keys

    def thaw(self):
        """Two principals trust the clocks that a restore froze."""
        if self.cause != "restore" or self.stepped:
            return
        until = self.server.get("/api/v1/clock").json()["evidence"]
        self.test.assertTrue(self.two("/api/v1/clock/credit",
                                      {"until": until, "reason": "restored"}))
        self.woken = True
        self.now()
        self.test.assertNotEqual(self.cause, "restore")
        self.trusted = self.state != "frozen"

    # --- what must hold -----------------------------------------------------------------------

    def settle(self):
        """Whatever is free of what is to be erased goes, once its job was woken; nothing else does,
        so that the log has the size that the model says."""
        deadline = time.monotonic() + WAIT_S
        while True:
            free = self.erased()
            trusted = self.trusted and self.state != "frozen"
            waits = self.woken and trusted and free
            size = self.server.get(LOG).json()["size"]
            if size == self.model.size() and not waits:
                break
            if time.monotonic() > deadline:
                self.look(self.model.records)
                self.test.fail((waits, size, self.model.size(), self.server.log()[-2000:]))
            time.sleep(0.005)
        self.woken, self.trusted = False, self.state != "frozen"

    def erased(self):
        """The model learns what the job took of the records that are to go and may: it does so at
        any time. Those that it has not taken yet."""
        now, left = self.now(), []
        for i in self.model.erasing():
            if not self.model.locked(i, now):
                answer = self.server.get(f"{LOG}/records/{i}")
                if answer.status == 410:
                    self.went([i], answer.json()["purge"])
                else:
                    left.append(i)
        return left

    def look(self, indexes):
        """Each of these records, as who may hold reads it and as who may not."""
        erasing = set(self.model.erasing())
        with_token = Client(self.server.port, self.reader)
        for i in indexes:
            r = self.model.records[i]
            mine, other = (c.get(f"{LOG}/records/{i}") for c in (self.server, with_token))
            if r.gone is None and 410 in (mine.status, other.status):
                self.erased()
                mine, other = (c.get(f"{LOG}/records/{i}") for c in (self.server, with_token))
            if r.gone is not None:
                for answer in (mine, other):
                    self.test.assertEqual(answer.status, 410, (i, answer.body))
                    self.test.assertEqual(answer.json()["purge"], r.gone, i)
                continue
            self.test.assertEqual((mine.status, mine.body), (200, r.payload), i)
            if i in erasing:
                self.test.assertEqual((other.status, other.json()["type"]),
                                      (403, "urn:stele:problem:restricted"), i)
            else:
                self.test.assertEqual((other.status, other.body), (200, r.payload), i)
        with_token.close()

    def check(self):
        self.settle()
        sample = self.dice.sample(sorted(self.model.records),
                                  min(SAMPLE, len(self.model.records)))
        self.look(sample)
        for i in sample[:1]:
            self.keep(self.server.get(f"{LOG}/records/{i}", {"Accept": "application/json"}).json())
        for erasure in self.dice.sample(sorted(self.model.erasures), 1 if self.model.erasures else 0):
            asked = self.model.erasures[erasure]
            gone = len(asked - set(self.model.alive()))
            said = self.server.get(f"{LOG}/erasures/{erasure}").json()
            self.erased()
            self.test.assertEqual(said["records"], len(asked))
            self.test.assertIn(said["purged"],
                               range(gone, len(asked - set(self.model.alive())) + 1), said)
            if said["done"]:
                self.test.assertEqual(said["purged"], len(asked))
                del self.model.erasures[erasure]
        if self.backup and len(self.backup.purges) > PURGES:
            self.back_up()

    def run(self):
        steps = [self.append] * 6 + [self.extend, self.hold, self.release, self.passing, self.erase,
                                      self.thaw] * 2 + [self.purge] * 3 + \
                [self.shorten, self.event, self.stale, self.step, self.restart, self.back_up,
                 self.restore]
        for number in range(STEPS):
            step = self.dice.choice(steps)
            self.count[step.__name__] = self.count.get(step.__name__, 0) + 1
            try:
                step()
                self.check()
            except Exception:
                print(f"step {number}: {step.__name__}, seed {SEED}\n{self.server.log()[-2000:]}")
                raise
        if self.stepped:
            self.step()

    def verify(self, receipts, status=0):
        """By what the server says of its keys now, and otherwise without it."""
        (self.path / "receipts").write_text("".join(line + "\n" for _, line in receipts))
        (self.path / "keys").write_text(
            self.do("key", "show", "l", "--statement", server=self.server))
        if receipts:
            return self.do("verify", self.path / "receipts", "--key", self.key, "--keys",
                           self.path / "keys", status=status)
        return ""

    def done(self):
        """Erasures of which nothing is left are over, once their job has looked."""
        self.restart()
        self.settle()
        gone = [e for e, asked in self.model.erasures.items()
                if not any(self.model.records[i].gone is None for i in asked)]
        deadline = time.monotonic() + WAIT_S
        while self.state != "frozen" and gone:
            if self.server.get(f"{LOG}/erasures/{gone[-1]}").json()["done"]:
                gone.pop()
            self.test.assertLess(time.monotonic(), deadline, gone)

    def end(self):
        self.done()
        self.look(self.model.records)
        self.verify(self.receipts)
        self.test.assertEqual(self.server.stop(), 0)
        self.do("fsck", self.server.data, "--key", self.key, "--passphrase-file",
                self.path / "passphrase")


class Worm(unittest.TestCase):
    def test_random_life(self):
        world = World(self)
        self.addCleanup(world.close)
        world.run()
        records = world.model.records.values()
        print(f"seed {SEED}: {world.count}, {world.lives} lives, {len(records)} records, "
              f"{sum(r.gone is not None for r in records)} gone")
        world.end()


if __name__ == "__main__":
    unittest.main()
