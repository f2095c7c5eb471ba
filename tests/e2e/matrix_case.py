"""Each operation of docs/openapi.yaml as a request that would do it, for whoever may.

The body is the example of openapi.yaml, which names the log `payments`; what lives in one server
alone (ids, digests) is put in its place. CASES says what comes of it; an operation that is not
there fails matrix_test.py, and so does one whose JSON body has no example.
"""
import json
import tempfile
from dataclasses import dataclass, field
from itertools import count
from typing import Callable

from lib import JSON, Clock, Server, until
from openapi_document import DOCUMENT, METHODS, resolve, violations

SCOPES = DOCUMENT["components"]["schemas"]["Scope"]["enum"]
LOG, OTHER, ABSENT = "payments", "invoices", "nonesuch"  # names of one length: answers are alike
EVENTS = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"a"}]}'
OPERATIONS = {item[method]["operationId"]: (method.upper(), path, item[method])
              for path, item in DOCUMENT["paths"].items() for method in METHODS if method in item}


def example(name):
    """The body in openapi.yaml; None: it has none, or one that is not JSON."""
    body = OPERATIONS[name][2].get("requestBody", {}).get("content", {})
    return body["application/json"].get("example") if "application/json" in body else None


@dataclass
class Case:
    """What comes of an operation, and how its request is made ready: fn(world) gives what fills
    the path, `body` (bytes, or members besides those of the example), `query`, `headers`."""
    status: int
    ready: Callable = lambda world: {}
    problem: str = None  # where what is documented for it done well is a problem
    enough: tuple = tuple(SCOPES)  # scopes that do, of those described, on some logs alone
    in_body: tuple = ()  # members of the body or the query that name logs: (how, what is said)


@dataclass
class World:
    """A steled with something of everything in the log `payments`, and another log."""
    server: Server = None
    clock: Clock = field(default_factory=Clock)
    options: tuple = ()
    context: object = None
    actor: object = None  # the client that asks next

    def __post_init__(self):
        self.numbers, self.stale = count(1), {}
        options = ["--min-free", "0", "--origin", "matrix.example.com",
                   "--timestamp-url", "http://127.0.0.1:9/", *map(str, self.options)]
        self.server = Server(options=options, env=self.clock.env, context=self.context).start()
        policy = example("createLog")
        for log in (LOG, OTHER):
            self.server.create_log(log, policy)
        for log in ("loose", "sealed"):  # nothing in it is locked; nothing comes to it
            self.server.create_log(log)
        for log in (LOG, OTHER, "loose", "sealed"):
            self.post(f"/api/v1/logs/{log}/records", '{"n":1}')
        self.post(f"/api/v1/logs/{LOG}/retention-events/closing", {})
        self.post("/api/v1/logs/sealed/seal")

    def end(self):
        self.server.stop()
        self.server.remove()
        self.clock.remove()

    def post(self, path, body=None, headers=JSON, status=(200, 201)):
        text = body if isinstance(body, (str, bytes, type(None))) else json.dumps(body)
        answer = self.server.post(path, text, headers)
        assert answer.status in status, (path, answer.status, answer.body)
        return answer.json()

    def principal(self, *grants, **more):
        body = {"kind": "person", "grants": [{"scopes": list(s), "logs": list(logs)}
                                             for s, logs in grants], **more}
        return self.post("/api/v1/principals", body)

    def request(self, name, log=LOG, fresh=True, **instead):
        """(method, path, body, headers) of it; fresh: with what it uses up, else perhaps with
        what was used up."""
        method, path, operation = OPERATIONS[name]
        if fresh or name not in self.stale:
            self.stale[name] = CASES[name].ready(self)
        parts = {**self.stale[name], **instead}
        fill = {"index": "1", "path": "0/000.p/1", **parts}
        fill["log"] = parts.get("log", log) if log == LOG else log
        for parameter in operation.get("parameters", []) + DOCUMENT["paths"][path].get(
                "parameters", []):
            parameter = resolve(parameter)
            if parameter["in"] == "path":
                path = path.replace("{%s}" % parameter["name"], str(fill[parameter["name"]]))
        body = parts.get("body") if "requestBody" in operation else None
        headers = parts.get("headers", JSON)
        if example(name) is not None and not isinstance(body, bytes):
            members = {**example(name), **(body or {})}
            body = json.dumps({k: v for k, v in members.items() if v is not None})
        return method, path + parts.get("query", ""), body, headers if body is not None else {}


# --- what makes ready ------------------------------------------------------------------------


def lockable(w):
    """A log whose compliance nothing else meets."""
    log = f"lock{next(w.numbers)}"
    w.server.create_log(log, example("createLog"))
    return {"log": log}


def locked(w):
    made = lockable(w)
    w.post(f"/api/v1/logs/{made['log']}/policy/lock")
    return made


def record(w):
    return w.post(f"/api/v1/logs/{LOG}/records", '{"n":2}')["index"]


def extension(w):
    return {"body": {"range": [record(w)] * 2}}


def plan(w):
    w.post("/api/v1/logs/loose/records", '{"n":1}')
    made = w.post("/api/v1/logs/loose/purge-plans", {"unlocked": True})
    return {"log": "loose", "id": made["id"], "body": {"digest": made["digest"]}}


def erasure(w):
    made = w.post(f"/api/v1/logs/{LOG}/erasures", {"case": "c", "records": [record(w)]})
    return {"id": made["id"]}


def upload(w):
    """Only whoever began it knows of it."""
    path = f"/api/v1/logs/{LOG}/records"
    made = (w.actor or w.server).post(path, "abc", {"Upload-Complete": "?0"}).json()
    if "upload" not in made:  # may not: nobody's then
        made = w.post(path, "abc", {"Upload-Complete": "?0"})
    return {"id": made["upload"], "body": b"def",
            "headers": {"Content-Type": "application/partial-upload", "Upload-Offset": "3",
                        "Upload-Complete": "?0"}}


def segment(w):
    (file,) = (w.server.data / "segments/sealed").glob("*.manifest")
    return {"log": "sealed", "file": file.name, "body": file.read_bytes(), "headers": {}}


def backup(w):
    until(lambda: not w.server.get("/api/v1/backups").json()["running"], "a backup ends", 120)
    return {"body": {"dir": tempfile.mkdtemp(prefix="backup-", dir=w.server.data.parent)}}


def clock_step(w):
    """One that is not followed yet, and no other while it lasts."""
    if "step" in w.server.get("/api/v1/clock").json():
        return {}
    w.clock.step(30)
    until(lambda: "step" in w.server.get("/api/v1/clock").json(), "a step is seen", 120)
    return {}


def token(w):
    return {"id": w.post("/api/v1/tokens", {"scopes": ["read"], "logs": [LOG]})["id"]}


def principal(w):
    return {"id": w.principal((["read"], [LOG]))["id"], "body": {}}


def nobody_after(w):
    """An example's successor is another server's."""
    made = principal(w)
    return {**made, "body": {"successor": w.principal((["read"], [LOG]))["id"]}}


def hold(w):
    return {"id": w.post("/api/v1/holds", example("placeHold"))["id"]}


def export(w):
    """By whoever asks next, if he may: then it has no payloads but those that he may read."""
    text = json.dumps(example("createExport"))
    made = (w.actor or w.server).post("/api/v1/exports", text, JSON).json()
    if "state" not in made:
        made = w.post("/api/v1/exports", text)
    return {"id": made["id"]}


def bundle(w):
    made = export(w)
    until(lambda: w.server.get(f"/api/v1/exports/{made['id']}").json()["state"] == "finished",
          "an export is finished", 120)
    return made


def approval(w):
    asked = w.post("/api/v1/clock/credit", {"seconds": 1, "reason": "r"}, status=(403,))
    shown = w.server.get(f"/api/v1/approvals/{asked['approval']}").json()
    return {"id": shown["id"], "body": {"digest": shown["digest"]}}


def event(w):
    return {"name": f"e{next(w.numbers)}"}


def body(value, **headers):
    return lambda w: {"body": value, "headers": {**JSON, **headers}}


def query(text):
    return lambda w: {"query": text}


def schema(w):
    """One more that reads nothing here."""
    return {"body": {**example("addSchema"), "name": f"gateway-{next(w.numbers)}"}}


def schema_there(w):
    name = schema(w)["body"]["name"]
    w.post("/api/v1/schemas", {**example("addSchema"), "name": name})
    return {"name": name}


def alias_there(w):
    name = f"alice-{next(w.numbers)}"
    answer = w.server.request("PUT", f"/api/v1/aliases/{name}", json.dumps(example("setAlias")), JSON)
    assert answer.status == 200, answer.body
    return {"name": name, "query": "?matter=Case%207"}


CASES = {
    "livez": Case(200),
    "readyz": Case(200),
    "addCheckpoint": Case(404, lambda w: {"body": b"old 0\n"}, problem="unknown-origin"),
    "getWitness": Case(200),
    "metrics": Case(200),
    "listLogs": Case(200),
    "createLog": Case(200),
    "getLog": Case(200),
    "getPolicy": Case(200),
    "changePolicy": Case(200),
    "postPolicy": Case(200),
    "lockPolicy": Case(200, lockable),
    "unlockPolicy": Case(200, locked),
    "extendLocks": Case(201, extension),
    "getEvent": Case(200, lambda w: {"name": "closing"}),
    "recordEvent": Case(201, event),
    "why": Case(200),
    "sealLog": Case(200),
    "reindexLog": Case(200),
    "rotateKey": Case(200),
    "getIdentity": Case(200),
    "rotateIdentity": Case(200),
    "putSegment": Case(204, segment),
    "getBackup": Case(200),
    "startBackup": Case(200, backup),
    "getScrub": Case(200),
    "startScrub": Case(200),
    "listTimestamps": Case(200),
    "askForTimestamps": Case(200),
    "getClock": Case(200),
    "confirmClockStep": Case(200, clock_step),
    "creditLockClock": Case(403, problem="dual-control-required"),
    "queryLog": Case(200),
    "append": Case(201, body(b'{"n":3}')),
    "queryLogs": Case(200, query(f"?logs={LOG}"),
                      in_body=(("query", f"?logs={LOG},%s"), ("query", "?logs=%s"))),
    "tailLog": Case(200),
    "tailLogs": Case(200, query(f"?logs={LOG}"),
                     in_body=(("query", f"?logs={LOG},%s"), ("query", "?logs=%s"))),
    "listSchemas": Case(200),
    "addSchema": Case(201, schema, enough=()),
    "getSchema": Case(200, lambda w: {"name": "cloudtrail"}),
    "retireSchema": Case(200, schema_there, enough=()),
    "getLogSchema": Case(200),
    "setLogSchema": Case(200),
    "listAliases": Case(200, query("?matter=Case%207"), enough=("hold",)),
    "setAlias": Case(200, lambda w: {"name": "alice"}),
    "removeAlias": Case(204, alias_there),
    "getRecord": Case(200),
    "planPurge": Case(201),
    "getPurgePlan": Case(200, plan),
    "approvePurgePlan": Case(200, plan),
    "listErasures": Case(200),
    "requestErasure": Case(201),
    "getErasure": Case(200, erasure),
    "getUpload": Case(200, upload),
    "appendToUpload": Case(204, upload),
    "cancelUpload": Case(204, upload),
    "proveInclusion": Case(200, query("?index=1")),
    "proveConsistency": Case(200, query("?from=1")),
    "getCheckpoint": Case(200),
    "getTile": Case(200),
    "listTokens": Case(200),
    "createToken": Case(201),
    "k8sAuditDefault": Case(200, body(EVENTS)),
    "k8sAudit": Case(200, body(EVENTS)),
    "revokeToken": Case(204, token),
    "rotateToken": Case(201, token),
    "listPrincipals": Case(200),
    "createPrincipal": Case(201),
    "getPrincipal": Case(200, principal),
    "changePrincipal": Case(200, principal),
    "disablePrincipal": Case(200, nobody_after),
    "listExports": Case(200),
    "createExport": Case(201, in_body=(("body", {"logs": ["%s"]}), ("body", {"logs": [LOG, "%s"]}))),
    "getExport": Case(200, export),
    "getBundle": Case(200, bundle),
    "removeExport": Case(204, export),
    "listHolds": Case(200, in_body=(("query", "?log=%s"),)),
    "placeHold": Case(201, in_body=(("body", {"logs": ["%s"]}),
                                    ("body", {"logs": [LOG, "%s"], "range": None}),
                                    ("body", {"logs": ["%s*"], "range": None}),
                                    ("body", {"logs": ["%s"], "range": None, "open_ended": True}))),
    "getHold": Case(200, hold),
    "releaseHold": Case(200, hold),
    "listApprovals": Case(200),
    "getApproval": Case(200, approval),
    "approve": Case(200, approval),
    "refuse": Case(200, approval),
    "getDualControl": Case(200),
    "setDualControl": Case(200, lambda w: {"body": {"acts": []}}),
}


def general(name):
    """Problems that an operation may answer besides its own."""
    any_, authorised = (DOCUMENT["x-stele-problems"][k] for k in ("any", "authorised"))
    return any_ + (authorised if OPERATIONS[name][2]["x-stele-scopes"] else [])


def documented(name, answer):
    """What of an answer openapi.yaml does not say of this operation: a list, empty when all of
    it is said."""
    responses = OPERATIONS[name][2]["responses"]
    said = responses.get(str(answer.status), {})
    if answer.status >= 400:
        problem = answer.json()["type"].removeprefix("urn:stele:problem:")
        known = general(name) + said.get("x-stele-problems", [])
        return [] if problem in known else [f"{answer.status} {problem} is not documented"]
    if str(answer.status) not in responses:
        return [f"{answer.status} is not documented"]
    content = said.get("content")
    if not content:
        return [f"a body: {answer.body}"] if answer.body else []
    kind = answer.headers["content-type"]
    if kind not in content and "*/*" not in content:
        return [f"{kind} is not documented"]
    if kind != "application/json" or "schema" not in content.get(kind, {}) or name == "getRecord":
        return []
    return list(violations(answer.json(), content[kind]["schema"]))
