#!/usr/bin/env python3
"""Random administrative acts, and kills: `_system` is the state, and the state is `_system`.

Two clients make, change, disable, rotate and revoke at random, and create logs, while steled is
killed with SIGKILL at random moments. After each restart:

- who may do what, and which logs there are, is exactly what the records of `_system` make of
  nothing, folded by the model in system_log.py;
- every act that was acknowledged is recorded, with its actor;
- a log is there if and only if its creation is recorded, and so is every entry that changes its
  policy or the locks of its records;
- tokens of the state open, those taken away do not.

STELE_ACTS says how many (6000; the long run is 100000), STELE_SEED with what dice.
"""
import json
import os
import random
import sys
import threading
import time
import unittest
from http.client import HTTPException
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from lib import JSON, Client, Server  # noqa: E402
from system_log import SystemLog, controls_of, listed, same, state_of  # noqa: E402

ACTS = int(os.environ.get("STELE_ACTS", 6000))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
ACTORS = 2
PRINCIPALS = 2000  # of one actor: every restart compares all of them
LONGEST_RUN = 0.3  # seconds between a start and its kill
SCOPES = ["append", "read", "verify", "export", "hold", "purge", "approve", "policy", "operate"]


class Actor(threading.Thread):
    """Acts until it is stopped; remembers what was acknowledged and what its tokens open."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.dice = random.Random(SEED * 10 + number)
        self.number, self.made = number, 0
        self.client, self.stopped = None, threading.Event()
        self.principals, self.tokens = [], {}  # of this actor; id -> text
        self.holds = []  # of this actor, not released
        self.gone = {}  # tokens that were taken away: id -> text
        self.acknowledged = []  # (type, id)
        self.logs = {}  # of this actor: name -> when the lock of its record ends, in minutes

    def grants(self):
        return [{"scopes": self.dice.sample(SCOPES, self.dice.randint(1, 4)),
                 "logs": self.dice.sample(["*", "a*", "b", "_system"], self.dice.randint(1, 3))}
                for _ in range(self.dice.randint(0, 3))]

    def call(self, kind, method, path, body=None):
        """The answer's JSON; None when it was refused, or lost with the connection."""
        self.made += 1
        answer = self.client.request(method, path, json.dumps(body) if body is not None else None,
                                     JSON if body is not None else None)
        if answer.status >= 500:
            raise AssertionError(f"{kind}: {answer.status} {answer.body}")
        if answer.status >= 300:
            return None
        return answer.json() if answer.body else {}

    def note_token(self, answer):
        text = answer["token"]
        self.tokens[text.split("_")[1]] = text

    def create(self):
        body = {"kind": self.dice.choice(["person", "service", "job"]), "grants": self.grants()}
        if self.dice.random() < 0.7:
            body["token"] = {}
        if self.dice.random() < 0.2:
            body["ends"] = "90d"
        made = self.call("principal.create", "POST", "/api/v1/principals", body)
        self.principals.append(made["id"])
        self.acknowledged.append(("principal.create", made["id"]))
        if "token" in made:
            self.note_token(made)

    def change(self):
        name = self.dice.choice(self.principals)
        if self.call("principal.change", "PATCH", f"/api/v1/principals/{name}",
                     {"grants": self.grants()}):
            self.acknowledged.append(("principal.change", name))

    def disable(self):
        name = self.dice.choice(self.principals)
        body = {"successor": self.dice.choice(self.principals)} if self.dice.random() < 0.5 else {}
        if self.call("principal.disable", "POST", f"/api/v1/principals/{name}/disable", body):
            self.acknowledged.append(("principal.disable", name))

    def token(self):
        name = self.dice.choice(self.principals)
        body = {"principal": name}
        if self.dice.random() < 0.5:  # refused when the principal may not append there
            body["log"] = self.dice.choice(["a1", "b", "c"])
        if self.dice.random() < 0.5:
            body["paths"] = ["k8s"]
        made = self.call("token.create", "POST", "/api/v1/tokens", body)
        if made:
            self.note_token(made)
            self.acknowledged.append(("token.create", made["id"]))

    def revoke(self):
        if not self.tokens:
            return
        name = self.dice.choice(list(self.tokens))
        self.gone[name] = self.tokens.pop(name)  # taken away, or we do not know: never asserted
        if self.call("token.revoke", "DELETE", f"/api/v1/tokens/{name}") is None:
            return
        self.acknowledged.append(("token.revoke", name))

    def rotate(self):
        if not self.tokens:
            return
        name = self.dice.choice(list(self.tokens))
        made = self.call("token.rotate", "POST", f"/api/v1/tokens/{name}/rotate",
                         {"overlap": "9d"})
        if made:
            self.note_token(made)
            self.acknowledged.append(("token.rotate", name))

    def log(self):
        name = f"log-{self.number}-{self.dice.getrandbits(40):x}"
        policy = {"retain": {"default": "1d"}, "event_based": True}
        if self.call("log.create", "PUT", f"/api/v1/logs/{name}", policy):
            self.acknowledged.append(("log.create", name))
            self.call("append", "POST", f"/api/v1/logs/{name}/records", "x")
            self.logs[name] = 3000

    def some_log(self):
        return self.dice.choice(list(self.logs)) if self.logs else None

    def policy(self):
        name = self.some_log()
        if not name:
            return
        self.logs[name] += 1  # another than before: the same again is no act
        policy = {"retain": {"default": f"{self.logs[name]}h"}, "event_based": True}
        if self.call("policy.change", "PUT", f"/api/v1/logs/{name}/policy", policy):
            self.acknowledged.append(("policy.change", name))

    def extend(self):
        name = self.some_log()
        if not name:
            return
        self.logs[name] += 1  # asked for, and perhaps done
        body = {"records": [1], "for": f"{self.logs[name]}m", "reason": "dice"}
        if self.call("retain.extend", "POST", f"/api/v1/logs/{name}/extensions", body):
            self.acknowledged.append(("retain.extend", name))

    def event(self):
        name = self.some_log()
        path = f"/api/v1/logs/{name}/retention-events/e{self.dice.randint(1, 3)}"
        if name and self.call("retain.event", "POST", path, {}):
            self.acknowledged.append(("retain.event", name))

    def place(self):
        body = {"matter": "m", "name": "n", "reason": "r", "logs": [f"log-{self.number}*"],
                "open_ended": True}
        made = self.call("hold.place", "POST", "/api/v1/holds", body)
        if made:
            self.holds.append(made["id"])
            self.acknowledged.append(("hold.place", made["id"]))

    def release(self):
        if not self.holds:
            return
        name = self.holds.pop(self.dice.randrange(len(self.holds)))
        if self.call("hold.release", "POST", f"/api/v1/holds/{name}/release", {"reason": "r"}):
            self.acknowledged.append(("hold.release", name))

    def run(self):
        create = [self.create] * (4 if len(self.principals) < PRINCIPALS else 0)
        acts = create + [self.change] * 3 + [self.token] * 4 + [self.revoke] * 3 + [
            self.rotate] * 2 + [self.disable, self.log, self.policy, self.extend, self.event,
                                self.place, self.release]
        try:
            while not self.stopped.is_set():
                (self.dice.choice(acts) if self.principals else self.create)()
        except (OSError, HTTPException):
            pass  # killed


def named(act):
    """What an act is about, as Actor.acknowledged has it."""
    if act["type"] in ("principal.create", "principal.change"):
        return act["principal"]["id"]
    if act["type"] == "token.create":
        return act["token"]["id"]
    if act["type"] == "hold.place":
        return act["hold"]["id"]
    return act.get("log") or act.get("id")


class Acts(unittest.TestCase):
    def check_holds(self, server, log):
        """Each is as its acts say, and in the logs that these name, no more and no less."""
        shown = {h["id"]: h["state"] for h in listed(server, "/api/v1/holds?state=all", "holds")}
        self.assertEqual(shown, {i: h["state"] for i, h in log.holds.items()})
        for hold in random.sample(list(shown), min(5, len(shown))):
            covers = server.get(f"/api/v1/holds/{hold}").json()["covers"]
            held = {c["log"] for c in covers if "released" not in c}
            said = log.holds[hold]
            self.assertEqual(held, said["logs"] if said["state"] == "placed" else set())

    def check(self, server, log, actors, recorded):
        touched = set()
        for act in log.read(server):
            self.assertIn(act["type"], recorded)
            recorded[act["type"]].add(named(act))
            touched.add(act.get("log"))
        for name in touched & set(log.logs):
            self.assertEqual(controls_of(server, name), log.controls.get(name, []))
        principals, tokens, logs = state_of(server)
        self.assertEqual(same(principals), same(log.principals))
        self.assertEqual(same(tokens), same(log.tokens))
        self.assertEqual(logs, log.logs)
        self.check_holds(server, log)
        for actor in actors:
            for kind, name in actor.acknowledged:
                self.assertIn(name, recorded[kind], kind)
            actor.acknowledged.clear()
            for texts in (actor.tokens, actor.gone):
                for name, text in random.sample(list(texts.items()), min(5, len(texts))):
                    client = Client(server.port, text)
                    status = client.get("/api/v1/tokens").status  # nobody here has access
                    client.close()
                    self.assertEqual(status, 403 if name in tokens else 401)
            actor.tokens = {k: v for k, v in actor.tokens.items() if k in tokens}
            actor.gone = dict(list(actor.gone.items())[-50:])

    def test_the_state_is_what_is_recorded(self):
        dice = random.Random(SEED)
        print(f"seed {SEED}")
        kinds = ("principal.create", "principal.change", "principal.disable", "token.create",
                 "token.revoke", "token.rotate", "log.create", "policy.change",
                 "retain.extend", "retain.event", "hold.place", "hold.release", "heads",
                 "server.start",
                 "server.stop", "scrub.end", "segment.seal", "access.refused", "access.denied",
                 "trail.keep")
        recorded, made, kills, log = {k: set() for k in kinds}, 0, 0, SystemLog()
        actors = [Actor(i) for i in range(ACTORS)]
        with Server() as server:
            while made < ACTS:
                for actor in actors:
                    actor.client = server.connect()
                    actor.start()
                time.sleep(dice.uniform(0, LONGEST_RUN))
                server.kill()
                kills += 1
                for actor in actors:
                    actor.join(30)
                    self.assertFalse(actor.is_alive())
                    actor.client.close()
                if dice.random() < 0.2:  # also while it starts
                    server.spawn()
                    time.sleep(dice.uniform(0, 0.05))
                    server.kill()
                server.start()
                self.check(server, log, actors, recorded)
                made += sum(actor.made for actor in actors)
                actors = [again(actor) for actor in actors]
            self.assertEqual(server.stop(), 0)
            server.start()
            self.check(server, log, actors, recorded)
        acts = sum(len(names) for names in recorded.values())
        print(f"{made} acts tried, {kills} kills, {len(log.records)} records, {acts} names")


def again(actor):
    """A thread runs once: another one that goes on where it was."""
    other = Actor(actor.number)
    other.dice, other.principals = actor.dice, actor.principals
    other.tokens, other.gone, other.logs = actor.tokens, actor.gone, actor.logs
    other.holds = actor.holds
    return other


if __name__ == "__main__":
    unittest.main()
