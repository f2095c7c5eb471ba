"""One who acts at random (acts.py): every kind of act that docs/formats.md section 8 has, by the
HTTP interface, now and then one that needs a second principal, whom it also is."""
import json
import random
import threading
from http.client import HTTPException

from lib import JSON, Client

PRINCIPALS, TOKENS, LOGS, LOOSE, HOLDS = 1000, 500, 100, 10, 200  # of one actor, about
SCOPES = ["append", "read", "verify", "export", "hold", "purge", "approve", "policy", "operate"]
DUAL = ["principal.create", "principal.change", "principal.disable", "token.create", "token.rotate",
        "token.revoke", "policy.change", "hold.place", "hold.release", "retain.extend",
        "retain.event", "retain.shorten", "purge", "clock.credit", "clock.confirm",
        "log.key.rotate", "identity.rotate", "erasure.request", "schema.add", "schema.retire",
        "log.schema", "alias.set", "alias.remove"]


class Actor:
    """Acts until it is stopped; remembers what was acknowledged and what its tokens open."""

    def __init__(self, number, seed, approver, clock, backups):
        self.dice = random.Random(seed * 10 + number)
        self.number, self.approver, self.clock, self.backups = number, approver, clock, backups
        self.client = self.second = self.thread = self.broken = None
        self.made = self.acts = self.identities = 0
        self.rarely = True  # what is dear to do
        self.principals, self.tokens = [], {}  # of this actor; id -> text
        self.holds, self.waiting = [], []  # of this actor: not released; approvals
        self.gone = {}  # tokens that were taken away, or perhaps never made: id -> text
        self.acknowledged = []  # (type, name)
        self.logs = {}  # of this actor: name -> when the lock of its record ends, in hours
        self.record = {}  # name of such a log -> index of its record
        self.loose = []  # logs without locks
        self.chosen = {}  # log -> schema
        self.exports = []  # of this actor, not removed by it

    # --- asking --------------------------------------------------------------------------

    def call(self, kind, method, path, body=None, name=None, client=None):
        """The answer's JSON, or None when it was refused. name: of what was acknowledged."""
        self.made += 1
        answer = (client or self.client).request(
            method, path, json.dumps(body) if body is not None else None,
            JSON if body is not None else None)
        if answer.status >= 500 and answer.status != 503:
            raise AssertionError(f"{kind}: {answer.status} {answer.body}")
        said = answer.json() if answer.body else {}
        if "approval" in said:
            self.waiting.append(said["approval"])
            self.acknowledged.append(("approval.request", said["approval"]))
            if "token" in said:
                self.gone[said["token"].split("_")[1]] = said["token"]
        if answer.status >= 300:
            return None
        if name:
            self.acknowledged.append((kind, name))
        return said

    def serial(self):
        self.acts += 1
        return f"{self.number}-{self.acts}"

    def note_token(self, answer):
        text = answer["token"]
        self.tokens[text.split("_")[1]] = text

    # --- who may do what --------------------------------------------------------------------

    def grants(self):
        return [{"scopes": self.dice.sample(SCOPES, self.dice.randint(1, 4)),
                 "logs": self.dice.sample(["*", "a*", "b", "_system"], self.dice.randint(1, 3))}
                for _ in range(self.dice.randint(0, 3))]

    def create(self):
        body = {"kind": self.dice.choice(["person", "service", "job"]), "grants": self.grants()}
        if self.dice.random() < 0.7:
            body["token"] = {}
        if self.dice.random() < 0.2:
            body["ends"] = "90d"
        made = self.call("principal.create", "POST", "/api/v1/principals", body)
        if made:
            self.principals.append(made["id"])
            self.acknowledged.append(("principal.create", made["id"]))
            if "token" in made:
                self.note_token(made)

    def change(self):
        name = self.dice.choice(self.principals)
        self.call("principal.change", "PATCH", f"/api/v1/principals/{name}",
                  {"grants": self.grants()}, name)

    def disable(self):
        name = self.dice.choice(self.principals)
        body = {"successor": self.dice.choice(self.principals)} if self.dice.random() < 0.5 else {}
        if self.call("principal.disable", "POST", f"/api/v1/principals/{name}/disable", body, name):
            self.principals.remove(name)

    def token(self):
        if len(self.tokens) > TOKENS:
            self.revoke()
            return
        body = {"principal": self.dice.choice(self.principals)}
        if self.dice.random() < 0.5:  # refused when the principal may not append there
            body["log"] = self.dice.choice(["a1", "b", "c"])
        if self.dice.random() < 0.5:
            body["paths"] = ["k8s"]
        made = self.call("token.create", "POST", "/api/v1/tokens", body)
        if made:
            self.note_token(made)
            self.acknowledged.append(("token.create", made["id"]))

    def revoke(self):
        if self.tokens:
            name = self.dice.choice(list(self.tokens))
            self.gone[name] = self.tokens.pop(name)
            self.call("token.revoke", "DELETE", f"/api/v1/tokens/{name}", None, name)

    def rotate(self):
        if self.tokens:
            name = self.dice.choice(list(self.tokens))
            made = self.call("token.rotate", "POST", f"/api/v1/tokens/{name}/rotate",
                             {"overlap": "9d"}, name)
            if made:
                self.note_token(made)

    # --- two of them ---------------------------------------------------------------------------

    def dual(self):
        acts = sorted(self.dice.sample(DUAL, self.dice.choice([0, 0, 0, 1, 2, 3])))
        self.call("dual_control.set", "PUT", "/api/v1/dual-control", {"acts": acts},
                  ",".join(acts) or "none")

    def decide(self):
        if not self.waiting:
            return
        name = self.waiting.pop(self.dice.randrange(len(self.waiting)))
        path = f"/api/v1/approvals/{name}"
        if self.dice.random() < 0.1:
            self.call("approval.refuse", "POST", path + "/refuse", None, name, self.second)
            return
        shown = self.call("", "GET", path, client=self.second)
        digest = {"digest": shown["digest"]}
        if self.dice.random() < 0.1 and self.call("approval.grant", "POST", path + "/approve", digest):
            raise AssertionError("who asked has approved")
        self.call("approval.grant", "POST", path + "/approve", digest, name, self.second)

    # --- logs and locks --------------------------------------------------------------------------

    def log(self):
        if len(self.logs) >= LOGS:
            return
        name = f"log-{self.serial()}-{self.dice.getrandbits(40):x}"
        if self.call("log.create", "PUT", f"/api/v1/logs/{name}", self.policy_of(3000), name):
            made = self.call("append", "POST", f"/api/v1/logs/{name}/records", "x")
            self.logs[name], self.record[name] = 3000, made["index"]

    def policy_of(self, hours):
        return {"retain": {"default": f"{hours}h", "max": "90y"}, "event_based": True,
                "quota": {"records": 1000000}}

    def some_log(self):
        """A log and a number of hours that it never had."""
        if not self.logs:
            return None, 0
        name = self.dice.choice(list(self.logs))
        self.logs[name] += 1
        return name, self.logs[name]

    def policy(self):
        name, hours = self.some_log()
        if name:
            self.call("policy.change", "PUT", f"/api/v1/logs/{name}/policy", self.policy_of(hours),
                      name)

    def lock(self):
        """Compliance begins in 72 hours, which never come, or is called off."""
        name, _ = self.some_log()
        if name:
            self.call("policy.change", "POST", f"/api/v1/logs/{name}/policy/lock",
                      {"cancel": self.dice.random() < 0.5})

    def extend(self):
        name, hours = self.some_log()
        if name:
            self.call("retain.extend", "POST", f"/api/v1/logs/{name}/extensions",
                      {"records": [self.record[name]], "for": f"{hours + 5000}h", "reason": "dice"}, name)

    def shorten(self):
        name, hours = self.some_log()
        if name:
            self.call("retain.shorten", "POST", f"/api/v1/logs/{name}/extensions",
                      {"records": [self.record[name]], "for": f"{self.dice.randint(2, hours)}h", "reason": "dice",
                       "shorten": True})

    def event(self):
        name, _ = self.some_log()
        if name:
            path = f"/api/v1/logs/{name}/retention-events/e{self.dice.randint(1, 3)}"
            self.call("retain.event", "POST", path, {}, name)

    def place(self):
        if len(self.holds) > HOLDS:
            self.release()
            return
        body = {"matter": "m", "name": "n", "reason": "r", "logs": [f"log-{self.number}-{self.dice.randint(1, 9)}*"],
                "open_ended": True}
        if self.dice.random() < 0.3:
            body["filter"] = "a = 1"
        made = self.call("hold.place", "POST", "/api/v1/holds", body)
        if made:
            self.holds.append(made["id"])
            self.acknowledged.append(("hold.place", made["id"]))

    def append_held(self):
        name, _ = self.some_log()
        if not name or not self.holds:
            return
        self.made += 1
        hold = self.dice.choice(self.holds)
        answer = self.client.post(f"/api/v1/logs/{name}/records", '{"a":1}',
                                  {**JSON, "Stele-Legal-Hold": hold})
        if answer.status == 201:
            self.acknowledged.append(("hold.append", name))

    def release(self):
        if self.holds:
            name = self.holds.pop(self.dice.randrange(len(self.holds)))
            self.call("hold.release", "POST", f"/api/v1/holds/{name}/release", {"reason": "r"}, name)

    # --- how records are read --------------------------------------------------------------------

    def schema(self):
        name = f"gw-{self.number}-{self.dice.randint(1, 5)}"
        body = {"name": name, "when": "gw:*", "fields": {"actor": [f"a{self.serial()}"]}}
        self.call("schema.add", "POST", "/api/v1/schemas", body, name)

    def retire(self):
        name = f"gw-{self.number}-{self.dice.randint(1, 5)}"
        self.call("schema.retire", "POST", f"/api/v1/schemas/{name}/retire", {}, name)

    def choose(self):
        name, _ = self.some_log()
        schema = self.dice.choice([None, "ecs", "cloudtrail", f"gw-{self.number}-1"])
        if name and schema != self.chosen.get(name) and self.call(
                "log.schema", "PUT", f"/api/v1/logs/{name}/schema", {"schema": schema}, name):
            self.chosen[name] = schema

    def alias(self):
        name = f"al-{self.number}-{self.dice.randint(1, 9)}"
        self.call("alias.set", "PUT", f"/api/v1/aliases/{name}",
                  {"matter": "m", "values": [self.serial()]}, name)

    def unalias(self):
        name = f"al-{self.number}-{self.dice.randint(1, 9)}"
        self.call("alias.remove", "DELETE", f"/api/v1/aliases/{name}?matter=m", None, name)

    # --- what goes -------------------------------------------------------------------------------

    def loose_log(self):
        """One whose records nothing locks, with one more of them."""
        if len(self.loose) < LOOSE:
            name = f"loose-{self.serial()}-{self.dice.getrandbits(40):x}"
            if self.call("log.create", "PUT", f"/api/v1/logs/{name}", {}, name):
                self.loose.append(name)
        if not self.loose:
            return None, 0
        name = self.dice.choice(self.loose)
        made = self.call("append", "POST", f"/api/v1/logs/{name}/records", {"a": self.serial()})
        return (name, made["index"]) if made else (None, 0)

    def purge(self):
        name, _ = self.loose_log()
        path = f"/api/v1/logs/{name}/purge-plans"
        plan = name and self.call("plan", "POST", path, {"unlocked": True})
        if plan:
            self.call("purge", "POST", f"{path}/{plan['id']}/approve", {"digest": plan["digest"]},
                      plan["id"])

    def erase(self):
        """What nothing locks goes at once; what something locks stays asked for."""
        name, index = self.loose_log()
        if self.dice.random() < 0.1 and self.logs:
            name = self.some_log()[0]
            index = self.record[name]
        if name:
            made = self.call("erasure.request", "POST", f"/api/v1/logs/{name}/erasures",
                             {"case": f"c{self.serial()}", "records": [index]})
            if made:
                self.acknowledged.append(("erasure.request", made["id"]))

    def export(self):
        name, _ = self.some_log()
        loose = self.dice.choice(self.loose) if self.loose else name
        body = {"logs": sorted({name or "_system", loose or "_system"})}
        if self.dice.random() < 0.5:  # of nobody: a selection of nothing
            body["filter"] = "a = nothing"
        made = self.call("export.begin", "POST", "/api/v1/exports", body)
        if made:
            self.exports.append(made["id"])
            self.acknowledged.append(("export.begin", made["id"]))

    def fail_export(self):
        """By one who may not any more when its turn comes."""
        made = self.call("principal.create", "POST", "/api/v1/principals",
                         {"kind": "person", "token": {},
                          "grants": [{"scopes": ["export"], "logs": ["_system"]}]})
        if not made:
            return
        self.acknowledged.append(("principal.create", made["id"]))
        client = Client(self.client.connection.port, made["token"])
        try:
            for _ in range(4):
                begun = self.call("export.begin", "POST", "/api/v1/exports", {"logs": ["_system"]},
                                  client=client)
                if begun:
                    self.acknowledged.append(("export.begin", begun["id"]))
        finally:
            client.close()
        self.call("principal.disable", "POST", f"/api/v1/principals/{made['id']}/disable", {},
                  made["id"])

    def unexport(self):
        if self.exports:
            name = self.exports.pop(self.dice.randrange(len(self.exports)))
            self.call("export.remove", "DELETE", f"/api/v1/exports/{name}", None, name)

    # --- the store -------------------------------------------------------------------------------

    def key(self):
        name, _ = self.some_log()
        made = name and self.call("log.key.rotate", "POST", f"/api/v1/logs/{name}/key/rotate")
        if made:
            self.acknowledged.append(("log.key.rotate", f"{name} {made['epoch']}"))

    def identity(self):
        """The server takes 64, as one a year."""
        if self.identities < 25:
            self.identities += 1
            made = self.call("identity.rotate", "POST", "/api/v1/identity/rotate")
            if made:
                self.acknowledged.append(("identity.rotate", made["number"]))

    def confirm(self):
        if self.number == 0:  # one clock, one who sets it
            self.clock.step(11)
            name = f"dice {self.serial()}"
            self.call("clock.confirm", "POST", "/api/v1/clock/confirm", {"reason": name}, name)

    def credit(self):
        self.call("clock.credit", "POST", "/api/v1/clock/credit", {"seconds": 11, "reason": "dice"})

    def seal(self):
        name, _ = self.some_log()
        if name:
            self.call("log.seal", "POST", f"/api/v1/logs/{name}/seal", None, name)

    def reindex(self):
        name, _ = self.some_log()
        if name:
            self.call("log.reindex", "POST", f"/api/v1/logs/{name}/reindex", None, name)

    def scrub(self):
        self.call("scrub.start", "POST", "/api/v1/scrub", None, "all")

    def timestamp(self):
        """Of an authority that is down: that it is asked is recorded all the same."""
        self.call("timestamp.ask", "POST", "/api/v1/timestamps", None, "all")

    def backup(self):
        name = str(self.backups / self.serial())
        self.call("backup.start", "POST", "/api/v1/backups", {"dir": name}, name)

    def put_segment(self, files):
        """A sealed file of a log that the actor has, put back as it is."""
        file = files and self.dice.choice(files)
        if file:
            self.made += 1
            body = file.read_bytes()
            path = f"/api/v1/logs/{file.parent.name}/segments/{file.name}"
            if self.client.request("PUT", path, body).status == 204:
                self.acknowledged.append(("segment.restore", f"{file.parent.name} {file.name}"))

    def put(self):
        name, _ = self.some_log()
        folder = self.backups.parent / "data/segments" / str(name)
        self.put_segment(sorted(folder.glob("*.manifest")) if name and folder.exists() else [])

    # --- going on --------------------------------------------------------------------------------

    def weighted(self):
        often = [self.change, self.policy, self.extend, self.event, self.place, self.release,
                 self.disable, self.append_held, self.dual, self.log, self.lock, self.shorten,
                 self.key, self.choose, self.alias, self.unalias]
        dear = [self.purge, self.erase, self.seal, self.put, self.scrub, self.timestamp, self.identity,
                self.confirm, self.credit, self.schema, self.retire, self.reindex, self.export,
                self.unexport, self.fail_export]
        few = len(self.principals) < PRINCIPALS
        return ([self.create] * (16 if few else 1) + [self.change] * 8 + [self.token] * 16
                + [self.revoke] * 12 + [self.rotate] * 8 + [self.decide] * 24 + often * 3
                + dear * (1 if self.rarely else 20))

    def act(self):
        acts = self.weighted()
        try:
            while not self.stopped.is_set():
                if self.dice.random() < 0.001:
                    self.backup()  # while one is made nothing is purged
                (self.dice.choice(acts) if self.principals else self.create)()
        except (OSError, HTTPException):
            pass  # killed
        except Exception as e:  # for the main thread to raise
            self.broken = e

    def start(self, server):
        self.client = server.connect()
        self.second = server.connect(self.approver)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.act, daemon=True)
        self.thread.start()

    def join(self):
        """After the server was killed."""
        self.thread.join(120)
        assert not self.thread.is_alive()
        self.client.close()
        self.second.close()
        if self.broken:
            raise self.broken
        made, self.made = self.made, 0
        return made
