"""What `_system` says: its records, and the state that they make of nothing.

Written from docs/formats.md alone, so that it and steled must agree.
"""
import base64
import json
from datetime import datetime, timedelta


PAGE = 1000  # rows of a query


class SystemLog:
    """The records of `_system` read so far, folded into who may do what."""

    def __init__(self):
        self.records, self.size = [], 0  # (of its entry, act), in order; below which index
        self.principals, self.tokens, self.logs = {}, {}, {}
        self.controls = {}  # of each log: (kind, what it says), but for entry 0
        self.trail = {}  # the policies of the server's own logs
        self.dual, self.approvals = [], {}
        self.holds, self.erasures, self.identities = {}, {}, []
        self.exports = {}
        self.schemas, self.choices, self.aliases = {}, {}, {}  # digests, names, by matter and name

    def read(self, server):
        """Reads what came since the last time; returns the new acts."""
        rows, path = [], f"/api/v1/logs/_system/records?order=desc&limit={PAGE}"
        page, end = {"next": None}, None
        while "next" in page and (not rows or rows[-1]["index"] > self.size):
            cursor = f"&cursor={page['next']}" if page["next"] else ""
            page = server.get(path + cursor).json()
            end = end or page["logs"][0]["size"]
            rows += [row for row in page["records"] if row["index"] >= self.size]
            if page["records"] and page["records"][-1]["index"] < self.size:
                break
        new = []
        for row in reversed(rows):
            text = row.get("payload") or server.get(
                f"/api/v1/logs/_system/records/{row['index']}").text()
            act = json.loads(text)
            self.fold(act, row["receive_time"])
            entry = {"index": row["index"], "time": row["receive_time"], "writer": row["writer"]}
            self.records.append((entry, act))
            new.append(act)
        self.size = end
        return new

    def of_type(self, kind):
        return [act for _, act in self.records if act["type"] == kind]

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

    def approval_request(self, act, time):
        self.approvals[act["id"]] = {"id": act["id"], "state": "pending", "requested": time,
                                     "by": act["by"]["principal"], "expires": act["expires"],
                                     "act": act["act"]}

    def _decided(self, act, time, state):
        self.approvals[act["id"]].update({"state": state, "decided": time,
                                          "decider": act["by"]["principal"]})

    def approval_grant(self, act, time):
        self._decided(act, time, "granted")
        self.fold(self.approvals[act["id"]]["act"], time)

    def approval_refuse(self, act, time):
        self._decided(act, time, "refused")

    def schema_add(self, act, _):
        if self.schemas.get(act["name"], "") == act["was"]:
            self.schemas[act["name"]] = act["digest"]

    def schema_retire(self, act, _):
        if self.schemas.get(act["name"], "") == act["was"]:
            self.schemas[act["name"]] = ""

    def log_schema(self, act, _):
        if self.choices.get(act["log"], "") == act["was"]:
            self.choices[act["log"]] = act["schema"]

    def alias_set(self, act, _):
        self.aliases[act["matter"], act["name"]] = act["values"]

    def alias_remove(self, act, _):
        self.aliases.pop((act["matter"], act["name"]), None)

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

    def policy_change(self, act, time):
        policy = dict(act["policy"])
        if "compliance_after" in act:
            policy["compliance_from"] = later(time, int(act["compliance_after"].rstrip("h")))
        if act["log"] in self.logs:
            self.logs[act["log"]] = policy
        self._control(act, "policy", policy)

    def trail_keep(self, act, _):
        for log in ("_system", "_access"):
            if self.trail.get(log) != act["policy"]:
                self._control({"log": log}, "policy", act["policy"])
            self.trail[log] = act["policy"]
        if "until" in act:
            self._control({"log": "_access"}, "extend", {"until": act["until"]})

    def retain_extend(self, act, _):
        self._control(act, "extend", {"ranges": act["ranges"], "until": act["until"]})

    def retain_shorten(self, act, _):
        self._control(act, "extend", {"ranges": act["ranges"], "until": act["until"],
                                      "shorten": True})

    def retain_event(self, act, _):
        self._control(act, "event", {k: act[k] for k in ("event", "at", "until")})

    def purge(self, act, time):
        self._control(act, "purge", {"ranges": act["ranges"]})
        for export in self.exports.values():
            if export["state"] == "finished" and self._has(export, act):
                export.update({"state": "removed", "why": "purged", "removed": time})

    @staticmethod
    def _has(export, purge):
        """Whether the bundle may hold something of what is purged."""
        for log in export["logs"]:
            meets = any(a <= d and c <= b for a, b in log["ranges"] for c, d in purge["ranges"])
            if log["log"] == purge["log"] and ((meets and log["payloads"] and log["log"] in export["read"]) or (
                    export["request"].get("certify") and purge["ranges"][0][0] < log["size"])):
                return True
        return False

    def export_begin(self, act, time):
        self.exports[act["export"]] = {"state": "begun", "request": act["request"], "begun": time,
                                       "by": act["by"]["principal"], "logs": act["logs"],
                                       "read": [log["log"] for log in act["logs"] if log.get("read")]}

    def export_finish(self, act, time):
        self.exports[act["export"]].update({"state": "finished", "finished": time,
                                            "sha256": act["sha256"], "bytes": act["bytes"],
                                            "logs": act["logs"]})

    def export_fail(self, act, time):
        self.exports[act["export"]].update({"state": "failed", "failed": time})

    def export_remove(self, act, time):
        self.exports[act["export"]].update({"state": "removed", "removed": time,
                                            "why": act["why"]})

    def log_key_rotate(self, act, _):
        self._control(act, "key", {"epoch": act["epoch"]})

    def identity_rotate(self, act, _):
        """As the act of a request it has no succession: that is in a record of its own."""
        if "succession" in act:
            self.identities.append(act["succession"])

    def erasure_request(self, act, time):
        self.erasures[act["id"]] = {"id": act["id"], "log": act["log"], "case": act["case"],
                                    "requested": time, "ranges": act["ranges"]}

    def erasure_end(self, act, time):
        self.erasures[act["id"]]["ended"] = time
        del self.erasures[act["id"]]["ranges"]


def later(time, hours):
    """An instant, so much later."""
    moved = datetime.fromisoformat(time[:19]) + timedelta(hours=hours)
    return moved.isoformat() + time[19:]


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


class Controls:
    """The control entries of logs as SystemLog has them: back from the head, as a verifier goes,
    to what was read before. Those of holds are hold_model.py's."""

    KINDS = {"policy": None, "extend": ("ranges", "until", "shorten"),
             "event": ("event", "at", "until"), "purge": ("ranges",), "key": ("key_statement",)}

    def __init__(self):
        self.known = {}  # log: (index of the latest entry, what they say)

    def of(self, server, log):
        path = f"/api/v1/logs/{log}/records"
        index, new = server.get(f"/api/v1/logs/{log}").json()["size"] - 1, []
        below, found = self.known.get(log, (0, []))
        latest = None
        while index > below:
            answer = server.get(f"{path}/{index}", {"Accept": "application/json"}).json()
            entry = json.loads(answer["entry"])
            if entry["kind"] != "record":
                latest = latest or index
                if entry["kind"] in self.KINDS:
                    new.append(self.said(log, entry["kind"], answer))
            index = entry["ctl"]
        self.known[log] = (latest or below, found + new[::-1])
        return self.known[log][1]

    def said(self, log, kind, answer):
        payload = (base64.b64decode(answer["payload_b64"]) if "payload_b64" in answer
                   else answer["payload"])
        said = json.loads(payload)
        if kind == "policy":
            return kind, said["policy"]
        if kind == "key":
            return kind, {"epoch": int(said["key_statement"].split("\n")[2])}
        return kind, {k: said[k] for k in self.KINDS[kind]
                      if k in said and not (log == "_access" and k == "ranges")}


def controls_of(server, log):
    return Controls().of(server, log)


def same(rows):
    """Principals or tokens without what may differ: scopes are a set, and `widened` follows from
    the acts by a rule that steled alone has."""
    def plain(o):
        if isinstance(o, dict):
            return {k: sorted(v) if k == "scopes" else plain(v) for k, v in o.items()
                    if k != "widened"}
        return [plain(v) for v in o] if isinstance(o, list) else o

    return plain(rows)
