#!/usr/bin/env python3
"""Random administrative acts, and kills: `_system` is the state, and the state is `_system`.

Two actors (acts_actor.py) do at random whatever can be done, some of it by two principals, while
steled is killed with SIGKILL at random moments. After each restart:

- who may do what, what waits for a second principal, which logs there are, what is held, what is to
  be erased, how records are read and what stands for whom is exactly what the records of `_system` make of nothing, folded by the model in
  system_log.py;
- every act that was acknowledged is recorded, with what it is about;
- in every log that was acted on the control entries are those that the records say, and no others;
  the server's own logs are among them;
- tokens of the state open, those taken away do not; what was purged is not read.

Every type of act in docs/formats.md section 8 is among them, or in EVENTS, which are none.
STELE_ACTS says how many (6000; the long run is 100000), STELE_SEED with what dice.
"""
import json
import os
import random
import re
import shutil
import sys
import time
import unittest
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from acts_actor import Actor  # noqa: E402
import lib  # noqa: E402
from lib import JSON, ROOT, Client, Clock, Server  # noqa: E402
from system_log import Controls, SystemLog, listed, same, state_of  # noqa: E402

ACTS = int(os.environ.get("STELE_ACTS", 6000))
SEED = int(os.environ.get("STELE_SEED", time.time_ns() % 1_000_000))
ACTORS = 2
PATIENCE_SECONDS = 60  # for what is recorded to show in the state
LONGEST_RUN = max(0.3, ACTS / 12500)  # seconds between a start and its kill
lib.START_SECONDS = 600  # the long run has the lowest priority
# What the server records of itself: no state follows from it. audit_test.py, clock_test.py,
# seal_test.py, k8s_test.py, timestamps_test.py, witness_test.py, cosigner_test.py and faults_test.py
# have them.
EVENTS = {"segment.seal", "segment.quarantine", "segment.release", "scrub.end", "backup.end",
          "clock.state", "clock.step", "server.start", "server.stop", "access.refused",
          "access.denied", "intake.unparsed", "audit.lost", "heads", "timestamp",
          "witness.conflict", "witness.fork"}


def documented():
    """The types of `_system` in the tables of docs/formats.md section 8."""
    text = (ROOT / "docs/formats.md").read_text()
    text = text[text.index("\n## 8."):text.index("\n### Reads")]
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([a-z_.]+)`", cell)}


def named(act):
    """What an act is about, as Actor.acknowledged has it."""
    names = {
        "principal.create": lambda: act["principal"]["id"],
        "principal.change": lambda: act["principal"]["id"],
        "token.create": lambda: act["token"]["id"],
        "hold.place": lambda: act["hold"]["id"],
        "schema.builtin": lambda: len(act["schemas"]),
        "schema.add": lambda: act["name"],
        "schema.retire": lambda: act["name"],
        "alias.set": lambda: act["name"],
        "alias.remove": lambda: act["name"],
        "dual_control.set": lambda: ",".join(act["acts"]) or "none",
        "purge": lambda: act.get("plan"),
        "erasure.request": lambda: act["id"],
        "export.begin": lambda: act["export"],
        "export.finish": lambda: act["export"],
        "export.fail": lambda: act["export"],
        "export.remove": lambda: act["export"],
        "log.key.rotate": lambda: f"{act['log']} {act['epoch']}",
        "identity.rotate": lambda: act.get("number"),
        "clock.confirm": lambda: act.get("reason", act.get("authority")),
        "scrub.start": lambda: "all",
        "timestamp.ask": lambda: "all",
        "backup.start": lambda: act["dir"],
        "segment.restore": lambda: f"{act['log']} {act['file']}",
    }
    return names.get(act["type"], lambda: act.get("log") or act.get("id"))()


def seconds(instant):
    return datetime.fromisoformat(instant[:19]).timestamp()


class Machine:
    """A steled, its clock, who approves, and what its records make."""

    def __init__(self, test):
        self.test, self.clock = test, Clock()
        self.server = Server(options=["--origin", "acts.example.com", "--timestamp-url", "http://127.0.0.1:9/"], env=self.clock.env)
        self.server.start()
        self.backups = self.server.data.parent / "backups"
        self.backups.mkdir()
        self.log, self.controls = SystemLog(), Controls()
        self.recorded = {}  # type: names
        approvers = [self.approver() for _ in range(ACTORS)]
        self.clock.forward(73)  # what is new approves nothing
        self.actors = [Actor(i, SEED, token, self.clock, self.backups)
                       for i, token in enumerate(approvers)]
        for log in ("_system", "_access"):
            first = self.server.get(f"/api/v1/logs/{log}/records/0").json()
            self.log.trail[log] = first["policy"]

    def approver(self):
        body = {"kind": "person", "token": {},
                "grants": [{"scopes": ["approve"], "logs": ["*", "_*"]}]}
        answer = self.server.post("/api/v1/principals", json.dumps(body), JSON)
        return answer.json()["token"]

    def end(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        self.clock.remove()

    # --- what is compared ------------------------------------------------------------------------

    def records(self):
        """Reads on in `_system`: the logs that the acts touched, None without any."""
        touched, acted = self.records_of(self.log.read(self.server))
        return touched & (set(self.log.logs) | {"_system", "_access"}) if acted else None

    def records_of(self, acts):
        touched, acted = set(), False
        for act in acts:
            acted |= act["type"] not in EVENTS
            inner = self.log.approvals[act["id"]]["act"] if act["type"] == "approval.grant" else {}
            for one in (act, inner):
                if one:
                    self.recorded.setdefault(one["type"], set()).add(named(one))
                    touched |= {one.get("log")} | {c["log"] for c in one.get("covers", [])}
                    if one["type"] == "trail.keep":
                        touched |= {"_system", "_access"}
        return touched, acted

    def state(self, touched):
        """As the server has it."""
        server = self.server
        erasures = [e for log in touched if log[0] != "_" for e in
                    listed(server, f"/api/v1/logs/{log}/erasures?state=all", "erasures")]
        return {
            "access": state_of(server),
            "dual": server.get("/api/v1/dual-control").json()["acts"],
            "approvals": server.get("/api/v1/approvals?state=all").json()["approvals"],
            "holds": {h["id"]: h["state"]
                      for h in listed(server, "/api/v1/holds?state=all", "holds")},
            "identities": server.get("/api/v1/identity").json()["successions"],
            "schemas": {s["name"]: s["digest"]
                        for s in server.get("/api/v1/schemas").json()["schemas"] if s["state"] == "added"},
            "choices": {log: server.get(f"/api/v1/logs/{log}/schema").json()["schema"] or ""
                        for log in touched if log[0] != "_"},
            "aliases": {("m", a["name"]): a["values"]
                        for a in server.get("/api/v1/aliases?matter=m").json()["aliases"]},
            "erasures": {e["id"]: e for e in erasures},
            "exports": {e["id"]: e for e in listed(server, "/api/v1/exports?state=all", "exports")},
            "controls": {log: self.controls.of(server, log) for log in touched},
        }

    def settled(self, touched):
        """
        The state, and the logs, when nothing is done by itself between it and its records. An export's end is readable in
        `_system` a moment before it is in the state.
        """
        more, state, until = self.records() or set(), None, time.monotonic() + PATIENCE_SECONDS
        while more is not None or (self.exports(state) != self.exports(self.log) and time.monotonic() < until):
            touched = touched | (more or set())
            state = self.state(touched)
            more = self.records()
        return state, touched

    @staticmethod
    def exports(of):
        members = ("begun", "finished", "failed", "removed", "why", "by", "sha256", "bytes", "request")
        all_of = of["exports"] if isinstance(of, dict) else of.exports
        return {i: {k: v for k, v in e.items() if k in members} for i, e in all_of.items()}

    def begin_compliance(self, controls):
        """The act says how long after it; the instant is its control entry's, in the same commit."""
        for log, found in controls.items():
            for (_, entry), (_, act) in zip(found, self.log.controls.get(log, [])):
                begins = [said.get("compliance_from", "") for said in (entry, act)]
                if all(begins) and abs(seconds(begins[0]) - seconds(begins[1])) < 10:
                    act["compliance_from"] = begins[0]  # in the log's policy, too

    def compare(self, touched):
        same_as, log = self.test.assertEqual, self.log
        state, touched = self.settled(touched)
        self.begin_compliance(state["controls"])
        principals, tokens, logs = state["access"]
        same_as(same(principals), same(log.principals))
        same_as(same(tokens), same(log.tokens))
        same_as(logs, log.logs)
        same_as(state["dual"], log.dual)
        approvals = {a["id"]: {k: v for k, v in a.items() if k != "digest"}
                     for a in state["approvals"]}
        same_as(approvals, log.approvals)
        same_as(state["holds"], {i: h["state"] for i, h in log.holds.items()})
        same_as(state["identities"], log.identities)
        same_as(state["schemas"], {name: digest for name, digest in log.schemas.items() if digest})
        same_as(state["choices"], {name: log.choices.get(name, "") for name in state["choices"]})
        same_as(state["aliases"], log.aliases)
        members = ("id", "log", "case", "requested", "ended", "ranges")
        erasures = {i: {k: v for k, v in e.items() if k in members}
                    for i, e in state["erasures"].items()}
        same_as(erasures, {i: e for i, e in log.erasures.items() if e["log"] in touched})
        same_as(self.exports(state), self.exports(log))
        for name, controls in state["controls"].items():
            same_as(controls, log.controls.get(name, []), name)

    def check_holds(self):
        """Each is in the logs that its acts name, no more and no less."""
        for hold in random.sample(list(self.log.holds), min(5, len(self.log.holds))):
            covers = self.server.get(f"/api/v1/holds/{hold}").json()["covers"]
            held = {c["log"] for c in covers if "released" not in c}
            said = self.log.holds[hold]
            self.test.assertEqual(held, said["logs"] if said["state"] == "placed" else set())

    def check_tokens(self, actor):
        tokens = self.log.tokens
        for texts in (actor.tokens, actor.gone):
            for name, text in random.sample(list(texts.items()), min(5, len(texts))):
                client = Client(self.server.port, text)
                status = client.get("/api/v1/tokens").status  # nobody here has access
                client.close()
                self.test.assertEqual(status, 403 if name in tokens else 401)
        actor.tokens = {k: v for k, v in actor.tokens.items() if k in tokens}
        actor.gone = dict(list(actor.gone.items())[-50:])

    def check_purged(self):
        purges = [(log, said["ranges"][0][0]) for log, controls in self.log.controls.items()
                  for kind, said in controls if kind == "purge"]
        for log, index in random.sample(purges, min(5, len(purges))):
            answer = self.server.get(f"/api/v1/logs/{log}/records/{index}")
            self.test.assertEqual(answer.status, 410, (log, index, answer.body))

    def check(self, touched=frozenset()):
        """Those logs too, and all that were acted on since the last time."""
        self.compare(touched)
        self.check_holds()
        self.check_purged()
        for actor in self.actors:
            for kind, name in actor.acknowledged:
                self.test.assertIn(name, self.recorded.get(kind, ()), kind)
            actor.acknowledged.clear()
            self.check_tokens(actor)
        if not self.server.get("/api/v1/backups").json()["running"]:
            shutil.rmtree(self.backups)
            self.backups.mkdir()

    # --- what is done ----------------------------------------------------------------------------

    def rest(self):
        """What is rare comes more often, and nobody is killed, until all was there."""
        deadline = time.monotonic() + 600
        for actor in self.actors:
            actor.rarely = False
            actor.start(self.server)
        while not documented() - EVENTS - {"access.reset"} <= set(self.recorded):
            self.test.assertLess(time.monotonic(), deadline, documented() - set(self.recorded))
            time.sleep(0.5)
            self.records_of(self.log.read(self.server))
        for actor in self.actors:
            actor.stopped.set()
            actor.join()
        self.check(set(self.log.logs))

    def life(self, dice):
        """Acts until a kill, perhaps two; how many were tried."""
        for actor in self.actors:
            actor.start(self.server)
        # now and then a long one: what a kill cut off goes on, a purge for some tenths of a second
        time.sleep(dice.uniform(0, LONGEST_RUN) + dice.choice([0] * 9 + [2]))
        self.server.kill()
        made = sum(actor.join() for actor in self.actors)
        if dice.random() < 0.2:  # also while it starts
            self.server.spawn()
            time.sleep(dice.uniform(0, 0.05))
            self.server.kill()
        self.server.start()
        return made


class Acts(unittest.TestCase):
    def test_every_documented_type_is_tried_or_an_event(self):
        """Those tried are looked for at the end of the other test."""
        self.assertEqual(EVENTS - documented(), set())
        self.assertGreater(len(documented() - EVENTS), 30)

    def test_the_state_is_what_is_recorded(self):
        dice, begun = random.Random(SEED), time.monotonic()
        print(f"seed {SEED}", flush=True)
        machine, made, kills = Machine(self), 0, 0
        self.addCleanup(machine.end)
        try:
            while made < ACTS:
                made += machine.life(dice)
                kills += 1
                machine.check()
                if kills % 20 == 0:
                    print(f"{made} acts, {kills} kills, {time.monotonic() - begun:.0f} s", flush=True)
            machine.rest()
            self.assertEqual(machine.server.stop(), 0)
            (machine.server.data / "keys/access").unlink()  # and the tokens with it: access.reset
            machine.server.start()
            machine.check()
        except BaseException:
            print(machine.server.log()[-20000:])
            raise
        self.assertEqual(set(machine.recorded) - EVENTS, documented() - EVENTS)
        acts = {kind: len(names) for kind, names in sorted(machine.recorded.items())}
        print(f"{made} acts tried, {kills} kills, {len(machine.log.records)} records, {acts}")


if __name__ == "__main__":
    unittest.main()
