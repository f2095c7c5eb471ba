"""What `_system` says: its records, and the state that they make of nothing.

Written from docs/formats.md alone, so that it and steled must agree.
"""
import json


class SystemLog:
    """The records of `_system` read so far, folded into who may do what."""

    def __init__(self):
        self.records = []  # (entry, act), from index 0
        self.principals, self.tokens, self.logs = {}, {}, {}
        self.controls = {}  # of each log: (kind, what it says), but for entry 0
        self.dual, self.approvals = [], {}
        self.holds = {}

    def read(self, server):
        """Reads what came since the last time; returns the new acts."""
        size = server.get("/api/v1/logs/_system").json()["size"]
        new = []
        for index in range(len(self.records), size):
            answer = server.get(f"/api/v1/logs/_system/records/{index}",
                                {"Accept": "application/json"}).json()
            entry = json.loads(answer["entry"])
            act = None
            if entry["kind"] == "record":
                act = json.loads(server.get(f"/api/v1/logs/_system/records/{index}").body)
                self.fold(act, entry["time"])
                new.append(act)
            self.records.append((entry, act))
        return new

    def of_type(self, kind):
        return [act for _, act in self.records if act and act["type"] == kind]

    def fold(self, act, time):
        fold = getattr(self, act["type"].replace(".", "_"), None)
        if fold:
            fold(act, time)

    def principal_create(self, act, time):
        made = {**act["principal"], "created": time, "widened": time}
        self.principals[made["id"]] = made
        if "token" in act:
            self.token_create(act, time)

    def principal_change(self, act, _):
        old = self.principals[act["principal"]["id"]]
        self.principals[old["id"]] = {**act["principal"], "created": old["created"]}

    def principal_disable(self, act, time):
        p = self.principals[act["id"]]
        p["disabled"] = time
        if "successor" in act:
            p["successor"] = act["successor"]
        for key in [k for k, t in self.tokens.items() if t["principal"] == p["id"]]:
            del self.tokens[key]

    def token_create(self, act, time):
        token = {**act["token"], "created": time}
        del token["hash"]
        self.tokens[token["id"]] = token

    def token_revoke(self, act, _):
        del self.tokens[act["id"]]

    def token_rotate(self, act, time):
        self.token_create(act, time)
        old = self.tokens[act["id"]]
        old["expires"] = min(old.get("expires", act["expires"]), act["expires"])

    def access_reset(self, act, time):
        self.tokens.clear()
        self.principal_create(act, time)

    def dual_control_set(self, act, _):
        self.dual = act["acts"]

    def approval_request(self, act, _):
        self.approvals[act["id"]] = {"id": act["id"], "state": "pending", "act": act["act"]}

    def approval_grant(self, act, time):
        approval = self.approvals[act["id"]]
        approval["state"] = "granted"
        self.fold(approval["act"], time)

    def approval_refuse(self, act, _):
        self.approvals[act["id"]]["state"] = "refused"

    def log_create(self, act, _):
        self.logs[act["log"]] = act["policy"]
        for hold in act.get("holds", []):
            self.holds[hold]["logs"].add(act["log"])

    def hold_place(self, act, time):
        self.holds[act["hold"]["id"]] = {
            "state": "placed", "said": {**act["hold"], "placed": time,
                                        "by": act["by"]["principal"]},
            "logs": {c["log"] for c in act["covers"]}}

    def hold_append(self, act, _):
        for hold in act["holds"]:
            self.holds[hold]["logs"].add(act["log"])

    def hold_release(self, act, time):
        self.holds[act["id"]].update({"state": "released", "released": time})

    def _control(self, act, kind, said):
        self.controls.setdefault(act["log"], []).append((kind, said))

    def policy_change(self, act, _):
        """With compliance_after its entry in the log says from when. The server's own logs were
        never created."""
        if act["log"] in self.logs:
            self.logs[act["log"]] = act["policy"]
        self._control(act, "policy", act["policy"])

    def retain_extend(self, act, _):
        self._control(act, "extend", {"ranges": act["ranges"], "until": act["until"]})

    def retain_shorten(self, act, _):
        self._control(act, "extend", {"ranges": act["ranges"], "until": act["until"],
                                      "shorten": True})

    def retain_event(self, act, _):
        self._control(act, "event", {k: act[k] for k in ("event", "at", "until")})


def listed(server, path, member):
    """All elements of a listing."""
    rows, after = [], ""
    while True:
        page = server.get(f"{path}{'&' if '?' in path else '?'}limit=1000{after}").json()
        rows += page[member]
        if "next" not in page:
            return rows
        after = "&after=" + page["next"]


def state_of(server):
    """Principals, tokens and logs as the server has them in force, as SystemLog has them."""
    principals = {p["id"]: p for p in listed(server, "/api/v1/principals", "principals")}
    tokens = {t["id"]: t for t in listed(server, "/api/v1/tokens", "tokens")}
    for token in tokens.values():
        token.pop("used", None)
    logs = {log["log"]: log["policy"] for log in listed(server, "/api/v1/logs", "logs")
            if not log["log"].startswith("_")}
    return principals, tokens, logs


def controls_of(server, log):
    """The control entries of a log as SystemLog has them: back from its head, as a verifier goes.
    Those of holds are hold_model.py's."""
    path = f"/api/v1/logs/{log}/records"
    index, found = server.get(f"/api/v1/logs/{log}").json()["size"] - 1, []
    while index:
        answer = server.get(f"{path}/{index}", {"Accept": "application/json"}).json()
        entry = json.loads(answer["entry"])
        if entry["kind"] in ("policy", "extend", "event"):
            said = json.loads(answer["payload"])
            if entry["kind"] == "policy":
                said = said["policy"]
            for name in ("type", "by", "approved_by", "reason"):
                said.pop(name, None)
            found.append((entry["kind"], said))
        index = entry["ctl"]
    return found[::-1]


def same(rows):
    """Principals or tokens without what may differ: scopes are a set, and `widened` follows from
    the acts by a rule that steled alone has."""
    def plain(o):
        if isinstance(o, dict):
            return {k: sorted(v) if k == "scopes" else plain(v) for k, v in o.items()
                    if k != "widened"}
        return [plain(v) for v in o] if isinstance(o, list) else o

    return plain(rows)
