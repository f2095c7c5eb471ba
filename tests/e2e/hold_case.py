"""What the tests of legal holds share."""
import datetime
import json
import time
import unittest

from hold_model import HeldLog
from http_case import problem
from lib import JSON, Client, Server
from system_log import SystemLog

HOLDS = "/api/v1/holds"
ALICE, BOB = {"user": {"name": "alice"}}, {"user": {"name": "bob"}}
BY_ALICE = 'user.name = "alice"'


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class Case(unittest.TestCase):
    options = ["--hold-after", "1", "--min-free", "0"]
    env = None

    def setUp(self):
        self.server = Server(options=self.options, env=self.env).start()
        self.addCleanup(self.end)
        self.server.create_log("payments")

    def end(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()

    def append(self, *events, log="payments", headers=None, client=None):
        """Appends events, one a request; returns their indexes."""
        return [self.stored((client or self.server).post(
            f"/api/v1/logs/{log}/records", json.dumps(e).encode(), {**JSON, **(headers or {})}))
            for e in events]

    def stored(self, answer):
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["index"]

    def ask(self, client=None, **members):
        body = {"matter": "Case 7", "name": "Smith", "logs": ["payments"],
                "reason": "Litigation expected", **members}
        return (client or self.server).post(HOLDS, json.dumps(body), JSON)

    def place(self, **members):
        answer = self.ask(**members)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["id"]

    def release(self, hold, client=None):
        return (client or self.server).post(f"{HOLDS}/{hold}/release",
                                            json.dumps({"reason": "It is over"}), JSON)

    def released(self, hold):
        answer = self.release(hold)
        self.assertEqual((answer.status, answer.json()["state"]), (200, "released"), answer.body)
        return answer.json()

    def show(self, hold):
        answer = self.server.get(f"{HOLDS}/{hold}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def examined(self, hold, upto=None):
        """The hold, once it was examined: as far as it was placed, or up to an index, or one in each log."""
        def far(c):
            least = upto.get(c["log"], 0) if isinstance(upto, dict) else upto or 0
            return c.get("examined", 0) >= least

        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            shown = self.show(hold)
            if not shown["examining"] and all(map(far, shown["covers"])):
                return shown
            time.sleep(0.05)
        self.fail(f"{hold} was not examined: {shown}")

    def log(self, name="payments"):
        return HeldLog(self.server, name)

    def refused(self, answer, status, name):
        self.assertEqual(problem(answer), (status, name), answer.body)

    def restart(self):
        self.server.kill()
        self.server.start()

    def agree(self):
        """Holds are what `_system` makes of nothing, and each log's entries say the same."""
        log = SystemLog()
        log.read(self.server)
        shown = {h["id"]: h for h in self.listed("?state=all&limit=1000")}
        self.assertEqual({i: h["state"] for i, h in shown.items()},
                         {i: h["state"] for i, h in log.holds.items()})
        for hold, said in log.holds.items():
            self.assertEqual({k: shown[hold][k] for k in said["said"]}, said["said"])
            self.assertEqual(shown[hold].get("released"), said.get("released"))
            held = {c["log"] for c in self.show(hold)["covers"] if "released" not in c}
            self.assertEqual(held, said["logs"] if said["state"] == "placed" else set())

    def listed(self, query=""):
        return self.server.get(HOLDS + query).json()["holds"]

    def client(self, grants):
        body = json.dumps({"kind": "person", "grants": grants, "token": {}})
        made = self.server.post("/api/v1/principals", body, JSON).json()
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        return client


class SystemLogs(SystemLog):
    def __init__(self, server):
        super().__init__()
        self.read(server)
