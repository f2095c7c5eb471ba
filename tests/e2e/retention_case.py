"""What the tests of locks share: a server that may keep compliance logs, a clock, officers who have
been there for long, and what is asked and approved."""
import datetime
import json

import approvals_test
from lib import JSON, Clock, Server

OFFICER = [{"scopes": ["policy", "retain", "approve", "read", "append", "access"],
            "logs": ["*"]}]
POLICY = {"mode": "governance", "retain": {"default": "1d", "min": "1h", "max": "10y"},
          "event_based": True, "quota": {"records": 1000}}
COMPLIANCE = {**POLICY, "mode": "compliance"}
DAY_NS = 86400 * 10**9


def instant(ns):
    """As stele spells it."""
    date = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=ns // 10**9)
    return f"{date.isoformat()}.{ns % 10**9:09}Z"


def ns_of(text):
    date = datetime.datetime.fromisoformat(text[:19])
    return int((date - datetime.datetime(1970, 1, 1)).total_seconds()) * 10**9 + int(text[20:29])


class Case(approvals_test.Case):
    def setUp(self):
        self.clock = Clock()
        self.server = Server(options=["--origin", "ledger.example.com"],
                             env=self.clock.env).start()
        self.addCleanup(self.end)
        self.officers = [self.made(OFFICER) for _ in range(2)]
        self.wait(73)
        self.mine, self.other = self.officers[0][1], self.officers[1][1]
        self.log = "/api/v1/logs/l"
        self.server.create_log("l", POLICY)

    # --- appends -------------------------------------------------------------------------

    def append(self, client=None, body=b"x", log="l", status=201, **headers):
        """headers: Retain_For and the like."""
        headers = {"Stele-" + k.replace("_", "-"): v for k, v in headers.items()}
        answer = (client or self.server).post(f"/api/v1/logs/{log}/records", body, headers)
        self.assertEqual(answer.status, status, answer.body)
        return answer

    def stored(self, client=None, log="l", **headers):
        """An append's entry."""
        return json.loads(self.append(client, log=log, **headers).json()["entry"])

    def assert_lasts(self, entry, ns):
        """For that long, counted from the later clock, which is some time ahead of the entry's."""
        ahead = ns_of(entry["retain_until"]) - ns_of(entry["time"]) - ns
        self.assertTrue(0 <= ahead < 10**9, (entry, ahead))

    def until(self, ns, log="l"):
        """A record that is locked until then: its index."""
        return self.stored(log=log, Retain_Until=instant(ns))["index"]

    # --- what is asked -------------------------------------------------------------------

    def ask_longer(self, which, client=None, log="l", **more):
        """which: a list of records, or a tuple, (first, last)."""
        body = {"reason": "a test", "range" if isinstance(which, tuple) else "records": which}
        body.update(more)
        return (client or self.mine).post(f"/api/v1/logs/{log}/extensions", json.dumps(body), JSON)

    def extend(self, records, **more):
        answer = self.ask_longer(records, **more)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def shorten(self, records, **more):
        """Asked for and approved: the answer of the approval."""
        answer = self.ask_longer(records, shorten=True, **more)
        self.refused(answer, 403, "dual-control-required")
        return self.approve(self.other, answer.json())

    def why(self, index, log="l"):
        answer = self.server.get(f"/api/v1/logs/{log}/records/{index}/why")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def event(self, name, at=None, client=None, log="l"):
        body = {} if at is None else {"at": at}
        return (client or self.mine).post(f"/api/v1/logs/{log}/retention-events/{name}",
                                          json.dumps(body), JSON)

    def set_policy(self, policy, client=None, log="l"):
        return (client or self.mine).request("PUT", f"/api/v1/logs/{log}/policy",
                                             json.dumps(policy), JSON)

    def policy(self, log="l"):
        return self.server.get(f"/api/v1/logs/{log}").json()["policy"]

    def lock(self, log="l", body=b""):
        return self.mine.post(f"/api/v1/logs/{log}/policy/lock", body, JSON)

    def now_ns(self):
        return ns_of(self.why(0)["now"])

    def restarted(self):
        """Killed and started again; clients find the new port."""
        self.server.kill()
        self.server.start()
        self.mine, self.other = (self.client(c.token) for c in (self.mine, self.other))
