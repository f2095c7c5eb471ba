#!/usr/bin/env python3
"""Random life under locks, against a model of a few lines.

Appends with and without a lock of their own, extensions, shortenings by two principals, events, legal holds and
their release, purges, time that passes, a wall clock that is set, restarts and kills, at random. After each
step:

- no payload that is locked is missing, and each that is there reads as it was written;
- a plan names exactly what the model says is free, and what it names goes: answered 410 from then on;
- a purge of anything that is locked is refused.

At the end every receipt that was ever handed out verifies offline, also of what went; and fsck finds the
data directory sound. STELE_WORM says how many steps (250), STELE_SEED with what dice.
"""
import json
import os
import random
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from lib import JSON, Client, Clock, Server, stele  # noqa: E402
from retention_case import instant, ns_of  # noqa: E402

STEPS = int(os.environ.get("STELE_WORM", 250))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
HOUR_NS = 3600 * 10**9
DEFAULT_H = 48
LOG = "/api/v1/logs/l"
POLICY = {"retain": {"default": f"{DEFAULT_H}h"}, "event_based": True}
OFFICER = [{"scopes": ["retain", "approve", "hold", "purge", "read", "verify"], "logs": ["*"]}]
SAMPLE = 8  # records that are read after each step
FREEZE_S = 7200


class Record:
    """What the model knows of one: the rules of worm.md section 2, and nothing of how they are kept."""

    def __init__(self, payload, until, event):
        self.payload, self.until, self.event = payload, until, event
        self.ends = None  # what an extension or a shortening made of until
        self.fixed = False
        self.holds, self.gone = set(), False

    def end(self):
        """When its lock ends by time: None, it waits for its event; 0, it never had one."""
        if self.until is None and not self.fixed and self.event:
            return None
        own = 0 if self.fixed else self.until or 0
        return max(own, self.ends or 0)

    def waits(self):
        return bool(self.event) and self.until is None

    def locked(self, now):
        return bool(self.holds) or self.waits() or now < self.end()


class World:
    def __init__(self, test):
        self.test, self.dice = test, random.Random(SEED)
        self.clock = Clock()
        self.server = Server(options=["--origin", "worm.example.com"], env=self.clock.env).start()
        self.folder = tempfile.TemporaryDirectory()
        self.receipts = open(Path(self.folder.name) / "receipts", "w", encoding="ascii")
        answer = self.server.request("PUT", LOG, json.dumps(POLICY), JSON)
        test.assertEqual(answer.status, 201, answer.body)
        self.tokens = [self.officer() for _ in range(2)]
        self.clock.forward(73)
        self.records, self.holds, self.size, self.stepped = {}, {}, 1, 0
        self.count = {}

    def close(self):
        self.receipts.close()
        if self.server.running():
            self.server.kill()
        self.server.remove()
        self.clock.remove()
        self.folder.cleanup()

    def officer(self):
        body = json.dumps({"kind": "person", "grants": OFFICER, "token": {}})
        return self.server.post("/api/v1/principals", body, JSON).json()["token"]

    def post(self, path, body, status, token=None):
        client = Client(self.server.port, token) if token else self.server
        try:
            answer = client.post(path, json.dumps(body), JSON)
        finally:
            if token:
                client.close()
        self.test.assertEqual(answer.status, status, (path, body, answer.body))
        return answer.json()

    def now(self):
        """By the earlier of both clocks."""
        c = self.server.get("/api/v1/clock").json()
        self.state = c["state"]
        return min(ns_of(c["evidence"]), ns_of(c["lock"]))

    def alive(self):
        return [i for i, r in self.records.items() if not r.gone]

    def some_range(self):
        """A range of records, some of which may be control entries or gone."""
        first = self.dice.randint(1, self.size)
        return first, min(self.size, first + self.dice.randint(0, 6))

    def covered(self, first, last):
        return [self.records[i] for i in range(first, last + 1) if i in self.records]

    # --- steps -----------------------------------------------------------------------------

    def append(self):
        headers, event = {"Content-Type": "application/octet-stream"}, None
        kind = self.dice.choice(["default", "default", "for", "event"])
        hours = DEFAULT_H
        if kind == "for":
            hours = self.dice.randint(1, 100)
            headers["Stele-Retain-For"] = f"{hours}h"
        elif kind == "event":
            event = headers["Stele-Retain-Event"] = self.dice.choice("abc")
        for _ in range(self.dice.randint(1, 4)):
            payload = self.dice.randbytes(self.dice.randint(0, 300))
            answer = self.server.post(LOG + "/records", payload, headers)
            self.test.assertEqual(answer.status, 201, answer.body)
            self.receipts.write(json.dumps(answer.json()) + "\n")
            entry = json.loads(answer.json()["entry"])
            until = None
            if not event:
                until = ns_of(entry["retain_until"])
                # the later of both clocks: the lock clock may be ahead by a little
                self.test.assertGreaterEqual(until - ns_of(entry["time"]), hours * HOUR_NS)
                self.test.assertLess(until - ns_of(entry["time"]), (hours + 3) * HOUR_NS)
            self.records[entry["index"]] = Record(payload, until, event)
            self.size = entry["index"] + 1

    def extend(self):
        chosen = [i for i in self.alive()]
        if not chosen:
            return
        chosen = sorted(self.dice.sample(chosen, min(len(chosen), self.dice.randint(1, 4))))
        # one that waits for its event ends at no known time, and keeps what an extension gave it
        ends = [max(self.records[i].end() or 0, self.records[i].ends or 0) for i in chosen]
        latest = max([self.now()] + ends)
        until = latest + self.dice.randint(1, 60) * HOUR_NS
        self.post(LOG + "/extensions",
                  {"records": chosen, "until": instant(until), "reason": "longer"}, 201)
        self.size += 1
        for i in chosen:
            self.records[i].ends = max(until, self.records[i].ends or 0)

    def shorten(self):
        now = self.now()
        chosen = [i for i in self.alive() if not self.records[i].event and
                  (self.records[i].end() or 0) > now + 2 * HOUR_NS]
        if not chosen or self.state == "frozen":
            return
        i = self.dice.choice(chosen)
        until = now + HOUR_NS
        asked = self.post(LOG + "/extensions", {"records": [i], "until": instant(until),
                                                "shorten": True, "reason": "shorter"}, 403,
                          self.tokens[0])
        path = "/api/v1/approvals/" + asked["approval"]
        digest = self.server.get(path).json()["digest"]
        self.post(path + "/approve", {"digest": digest}, 200, self.tokens[1])
        self.size += 1
        self.records[i].ends, self.records[i].fixed = until, True

    def event(self):
        name = self.dice.choice("abc")
        body = self.post(f"{LOG}/retention-events/{name}", {}, 201)
        until = ns_of(body["until"])
        for i, r in self.records.items():
            if r.event == name and i < self.size:
                r.until = max(until, r.until or 0)
        self.size += 1

    def hold(self):
        first, last = self.some_range()
        body = {"matter": "m", "name": "n", "logs": ["l"], "range": [first, last], "reason": "r"}
        made = self.post("/api/v1/holds", body, 201)
        self.size += 1
        self.holds[made["id"]] = first, last

    def release(self):
        if not self.holds:
            return
        hold = self.dice.choice(sorted(self.holds))
        self.post(f"/api/v1/holds/{hold}/release", {"reason": "r"}, 200)
        self.size += 1
        del self.holds[hold]
        for r in self.records.values():
            r.holds.discard(hold)

    def purge(self):
        before = self.now()
        if self.state == "frozen":
            return
        made = self.post(LOG + "/purge-plans", {"unlocked": True}, 201)
        after = self.now()
        go = {i for a, b in made["go"]["ranges"] for i in range(a, b + 1)}
        for i in self.alive():
            r = self.records[i]
            if r.locked(after):
                self.test.assertNotIn(i, go, vars(r))
            elif not r.locked(before):
                self.test.assertIn(i, go, vars(r))
        self.test.assertLessEqual(go, set(self.alive()))
        if not go or self.dice.random() < 0.3:
            return
        done = self.post(f"{LOG}/purge-plans/{made['id']}/approve", {"digest": made["digest"]}, 200)
        self.test.assertTrue(done["destroyed"], done)
        self.size += 1
        for i in go:
            self.records[i].gone = True

    def stale(self):
        """A plan that was made before something was held: the hold wins."""
        now = self.now()
        free = [i for i in self.alive() if not self.records[i].locked(now)]
        if not free or self.state == "frozen":
            return
        made = self.post(LOG + "/purge-plans", {"unlocked": True}, 201)
        i = self.dice.choice(free)
        hold = self.post("/api/v1/holds", {"matter": "m", "name": "n", "logs": ["l"],
                                           "range": [i, i], "reason": "r"}, 201)["id"]
        self.holds[hold] = i, i
        self.size += 1
        answer = self.post(f"{LOG}/purge-plans/{made['id']}/approve", {"digest": made["digest"]},
                           403)
        self.test.assertEqual(answer["type"], "urn:stele:problem:legal-hold-active")
        self.test.assertIn(hold, answer["holds"])

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

    # --- what must hold -----------------------------------------------------------------------

    def check(self):
        for hold, (first, last) in self.holds.items():
            for r in self.covered(first, last):
                r.holds.add(hold)
        for i in self.dice.sample(sorted(self.records), min(SAMPLE, len(self.records))):
            r = self.records[i]
            answer = self.server.get(f"{LOG}/records/{i}")
            if r.gone:
                self.test.assertEqual(answer.status, 410, (i, answer.body))
            else:
                self.test.assertEqual((answer.status, answer.body), (200, r.payload), i)
        self.test.assertEqual(self.server.get(LOG).json()["size"], self.size)

    def run(self):
        steps = [self.append] * 6 + [self.extend, self.hold, self.release, self.passing] * 2 + \
                [self.shorten, self.event, self.purge, self.purge, self.purge, self.stale,
                 self.step, self.restart]
        for number in range(STEPS):
            step = self.dice.choice(steps)
            self.count[step.__name__] = self.count.get(step.__name__, 0) + 1
            try:
                step()
                self.check()
            except Exception:
                print(f"step {number}: {step.__name__}, seed {SEED}")
                raise
        if self.stepped:
            self.step()

    def verify(self):
        key = stele("key", "show", server=self.server).stdout.strip()
        statements = stele("key", "show", "l", "--statement", server=self.server).stdout
        self.receipts.flush()
        keys = Path(self.folder.name) / "keys"
        keys.write_text(statements)
        done = stele("verify", self.receipts.name, "--key", key, "--keys", keys)
        self.test.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        self.test.assertEqual(self.server.stop(), 0)
        done = stele("fsck", self.server.data, "--key", key)
        self.test.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)


class Worm(unittest.TestCase):
    def test_random_life(self):
        world = World(self)
        self.addCleanup(world.close)
        world.run()
        gone = sum(r.gone for r in world.records.values())
        print(f"seed {SEED}: {world.count}, {len(world.records)} records, {gone} gone")
        world.verify()


if __name__ == "__main__":
    unittest.main()
