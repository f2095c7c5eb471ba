"""docs/openapi.yaml says what the routing table says, and what a running server does."""
import hashlib
import json
import re
import subprocess
import tempfile
import time
import unittest

from cosign import FakeLog
from lib import JSON, NDJSON, STELED, Clock, Server
from openapi_document import DOCUMENT, operations, path_of, resolve, violations
from tail_case import Tail

TABLE = json.loads(subprocess.run([STELED, "--routes"], stdout=subprocess.PIPE, check=True).stdout)
PROBLEM = "urn:stele:problem:"


class Table(unittest.TestCase):
    def test_every_route_is_described_and_nothing_else(self):
        table = {(r["method"], path_of(r["path"])) for r in TABLE["routes"]}
        self.assertEqual(table, {(m, p) for m, p, _, _ in operations()})

    def test_scopes_parameters_and_bodies_are_the_tables(self):
        described = {(m, p): (o, shared) for m, p, o, shared in operations()}
        for route in TABLE["routes"]:
            operation, shared = described[route["method"], path_of(route["path"])]
            with self.subTest(operation=operation["operationId"]):
                parameters = [resolve(p) for p in operation.get("parameters", []) + shared]
                query = {p["name"] for p in parameters if p["in"] == "query"}
                path = {p["name"] for p in parameters if p["in"] == "path"}
                self.assertEqual(set(route["scopes"]), set(operation["x-stele-scopes"]))
                self.assertEqual(route["public"], operation.get("x-stele-public", False))
                self.assertEqual(route["scopes"] == [], operation["security"] == [])
                self.assertEqual(set(route["query"]), query)
                self.assertEqual(set(re.findall(r"{(\w+)\*?}", route["path"])), path)
                self.assertEqual(route["body"], "requestBody" in operation)
                self.assertEqual(route.get("vendor"), operation.get("x-stele-vendor"))

    def test_every_problem_is_described_under_its_status(self):
        statuses = {p["type"].removeprefix(PROBLEM): p["status"] for p in TABLE["problems"]}
        general = DOCUMENT["x-stele-problems"]
        described = set(general["any"]) | set(general["authorised"])
        for _, _, operation, _ in operations():
            for status, response in operation["responses"].items():
                for name in response.get("x-stele-problems", []):
                    self.assertEqual(str(statuses[name]), status, name)
                    described.add(name)
        self.assertEqual(described, set(statuses))

    def test_every_reference_leads_somewhere(self):
        def walk(node):
            if isinstance(node, dict):
                resolve(node)
                for child in node.values():
                    walk(child)
            elif isinstance(node, list):
                for child in node:
                    walk(child)

        walk(DOCUMENT)


class Live(unittest.TestCase):
    """Every operation is called; each answer must be one that its description allows."""

    demo = True  # the server's name was made up

    @classmethod
    def setUpClass(cls):
        cls.clock = Clock()
        cls.witnessed, cls.logs = FakeLog("log.example.org/x"), tempfile.NamedTemporaryFile("w")
        print(cls.witnessed.key.vkey, file=cls.logs, flush=True)
        cls.server = Server(options=["--min-free", "0", "--witness-for", cls.logs.name, "--timestamp-url", "http://127.0.0.1:9/"],
                            env=cls.clock.env).start()
        cls.called = set()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.server.remove()
        cls.clock.remove()
        cls.logs.close()
        expected = {(o["operationId"], int(s)) for _, _, o, _ in operations()
                    for s in o["responses"] if s.isdigit() and int(s) < 400}
        missed = expected - cls.called
        assert not missed, f"described, never answered: {sorted(missed)}"

    def call(self, name, status, fill=None, query="", body=None, headers=None):
        """Calls the operation of that name and checks its answer; gives the answer back."""
        method, path, operation = next((m, p, o) for m, p, o, _ in operations()
                                       if o["operationId"] == name)
        for key, value in (fill or {}).items():
            path = path.replace("{%s}" % key, str(value))
        answer = self.server.request(method, path + query, body, headers)
        self.assertEqual(answer.status, status, answer.body)
        described = operation["responses"]
        self.assertEqual("stele-demo" in answer.headers, self.demo)
        if status >= 400:
            self.check_problem(answer, described)
            return answer
        self.called.add((name, status))
        self.assertIn(str(status), described)
        content = described[str(status)].get("content")
        if not content:
            self.assertEqual(answer.body, b"")
            return answer
        kind = answer.headers["content-type"]
        self.assertTrue(kind in content or "*/*" in content, kind)
        payload = name == "getRecord" and "Accept" not in (headers or {})
        if "schema" in content.get(kind, {}) and kind == "application/json" and not payload:
            self.assertEqual(list(violations(answer.json(), content[kind]["schema"])), [])
        return answer

    def tail(self, name, fill):
        """Calls an operation whose answer does not end."""
        path, operation = next((p, o) for _, p, o, _ in operations() if o["operationId"] == name)
        tail = Tail(self.server, path.format(**fill))
        self.assertEqual(tail.status, 200)
        self.assertIn(tail.answer.getheader("content-type"), operation["responses"]["200"]["content"])
        tail.close()
        self.called.add((name, 200))

    def check_problem(self, answer, described):
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        problem = answer.json()
        schema = DOCUMENT["components"]["schemas"]["Problem"]
        self.assertEqual(list(violations(problem, schema)), [])
        name = problem["type"].removeprefix(PROBLEM)
        general = DOCUMENT["x-stele-problems"]
        own = described.get(str(answer.status), {}).get("x-stele-problems", [])
        self.assertIn(name, general["any"] + general["authorised"] + own)

    def test_erasures(self):
        log = {"log": "erasures"}
        policy = json.dumps({"retain": {"default": "1y"}})
        self.call("createLog", 201, log, body=policy, headers=JSON)
        self.server.post("/api/v1/logs/erasures/records", "1\n2", NDJSON)
        body = json.dumps({"case": "c", "records": [1]})
        made = self.call("requestErasure", 201, log, body=body, headers=JSON).json()
        self.call("getErasure", 200, {**log, "id": made["id"]})
        self.call("getErasure", 404, {**log, "id": "none"})
        self.call("listErasures", 200, log)
        self.call("listErasures", 400, log, query="?state=x")
        self.call("listErasures", 404, {"log": "none"})
        self.call("requestErasure", 422, log, body="{}", headers=JSON)
        self.call("requestErasure", 404, {"log": "none"}, body="{}", headers=JSON)
        self.call("requestErasure", 403, {"log": "_system"}, body=body, headers=JSON)

    def test_schemas_and_aliases(self):
        mine, log, alice = {"name": "mine"}, {"log": "with-schema"}, {"name": "alice"}
        schema = json.dumps({**mine, "when": "me:*", "fields": {"actor": ["who"]}})
        for name, status, fill, query, body in (
                ("addSchema", 201, {}, "", schema), ("addSchema", 200, {}, "", schema),
                ("addSchema", 422, {}, "", "{}"), ("listSchemas", 200, {}, "", None),
                ("getSchema", 200, mine, "", None), ("getSchema", 404, {"name": "none"}, "", None),
                ("createLog", 404, log, "?schema=none", None), ("createLog", 201, log, "?schema=mine", None),
                ("getLog", 200, log, "", None), ("getLogSchema", 200, log, "", None),
                ("retireSchema", 409, mine, "", "{}"), ("setLogSchema", 404, log, "", '{"schema":"no"}'),
                ("setLogSchema", 422, log, "", "{}"), ("setLogSchema", 200, log, "", '{"schema":null}'),
                ("retireSchema", 200, mine, "", None), ("retireSchema", 422, mine, "", '{"x":1}'),
                ("setAlias", 200, alice, "", '{"matter":"m","values":["a"]}'),
                ("setAlias", 422, alice, "", "{}"), ("setAlias", 400, alice, "", '{"values":["a"]}'),
                ("listAliases", 200, {}, "?matter=m", None), ("listAliases", 400, {}, "", None),
                ("removeAlias", 404, mine, "?matter=m", None), ("removeAlias", 204, alice, "?matter=m", None)):
            self.call(name, status, fill, query, body, JSON)

    def test_vendor_paths(self):
        log, events = {"log": "cluster"}, '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":'
        self.call("createLog", 201, log, body="{}", headers=JSON)
        body = events + '[{"auditID":"a","stage":"ResponseComplete"},1]}'
        self.call("k8sAudit", 200, log, body=body, headers=JSON)
        self.call("k8sAudit", 404, {"log": "none"}, body=body, headers=JSON)
        self.call("k8sAudit", 403, {"log": "_system"}, body=body, headers=JSON)
        self.call("k8sAudit", 415, log, body=body, headers={"Content-Encoding": "br"})
        self.call("k8sAudit", 422, log, body=body, headers={"Stele-Retain-For": "7y"})
        self.call("k8sAuditDefault", 400, body=body, headers=JSON)
        asked = {"scopes": ["append"], "logs": ["cluster"], "log": "cluster", "paths": ["k8s"]}
        made = self.call("createToken", 201, body=json.dumps(asked), headers=JSON).json()
        own = {"Authorization": "Bearer " + made["token"]}
        self.call("k8sAuditDefault", 200, body=body, headers=own)
        self.call("k8sAuditDefault", 400, body=events + "[]}", headers=own)
        self.call("k8sAuditDefault", 400, body="{}", headers=own)
        self.call("rotateToken", 201, {"id": made["id"]}, body="{}", headers=JSON)
        self.call("listTokens", 200)

    def test_witnesses(self):
        self.call("addCheckpoint", 200, body=self.witnessed.request(0, 3))
        self.call("addCheckpoint", 422, body=self.witnessed.request(3, 9, []))
        self.call("addCheckpoint", 400, body=b"old 3\n")
        self.call("getWitness", 200)

    def test_health(self):
        self.call("livez", 200)
        self.call("readyz", 200)
        self.call("readyz", 200, query="?for=append")
        self.call("readyz", 400, query="?for=tea")
        self.call("metrics", 200)
        self.call("metrics", 400, query="?x=y")

    def test_logs(self):
        log = {"log": "logs"}
        policy = json.dumps({"retain": {"default": "1y"}, "public": True})
        self.call("createLog", 201, log, body=policy, headers=JSON)
        self.call("createLog", 200, log, body=policy, headers=JSON)
        self.call("createLog", 409, log, body="{}", headers=JSON)
        self.call("createLog", 422, {"log": "l2"}, body='{"mode":"x"}', headers=JSON)
        self.call("createLog", 422, {"log": "l2"}, body='{"quota":1}', headers=JSON)
        self.call("createLog", 201, {"log": "full"}, body='{"quota":{"records":1}}', headers=JSON)
        self.call("append", 403, {"log": "full"}, body="1")
        self.call("createLog", 415, {"log": "l2"}, body="{}", headers={"Content-Type": "a/b"})
        self.call("createLog", 403, {"log": "_l"})
        self.call("createLog", 400, {"log": "L"})
        self.call("createLog", 413, {"log": "l2"}, body=b" " * 70000, headers=JSON)
        self.call("getLog", 200, log)
        self.call("getLog", 404, {"log": "none"})
        self.call("sealLog", 200, log)
        self.call("sealLog", 404, {"log": "none"})
        self.call("rotateKey", 200, log)
        self.call("rotateKey", 404, {"log": "none"})
        self.call("getIdentity", 200)
        self.call("rotateIdentity", 200)
        self.call("getIdentity", 200)
        self.call("getLog", 200, log)
        self.call("listLogs", 200)
        self.call("listLogs", 200, query="?limit=1&after=a")

    def test_retention(self):
        log = {"log": "retention"}
        policy = {"retain": {"default": "1y", "max": "9y"}, "event_based": True,
                  "quota": {"records": 99}}
        self.call("createLog", 201, log, body=json.dumps(policy), headers=JSON)
        self.call("getPolicy", 200, log)
        self.call("getPolicy", 404, {"log": "none"})
        policy["dual_control"] = ["policy.change"]
        self.call("changePolicy", 200, log, body=json.dumps(policy), headers=JSON)
        self.call("postPolicy", 200, log, body=json.dumps(policy), headers=JSON)
        self.call("postPolicy", 422, log, body="", headers=JSON)
        self.call("changePolicy", 403, log, body="{}", headers=JSON)
        self.call("lockPolicy", 422, log, body=b"[]", headers=JSON)  # and this name was made up
        self.call("lockPolicy", 422, log)
        self.call("unlockPolicy", 409, log)
        for headers in ({}, {"Stele-Retain-For": "2y"}, {"Stele-Retain-Event": "e"}):
            self.call("append", 201, log, body="1", headers=headers)

        def extend(status, **body):
            self.call("extendLocks", status, log, body=json.dumps({"reason": "r", **body}),
                      headers=JSON)

        extend(201, records=[2], **{"for": "5y"})
        extend(422, range=[2, 3], **{"for": "4y"})
        extend(404, records=[99], **{"for": "4y"})
        extend(422, records=[2], **{"for": "4y", "filter": "x"})
        extend(403, records=[2], shorten=True, **{"for": "4y"})
        event = {**log, "name": "e"}
        self.call("getEvent", 404, event)
        for index in (0, 1, 2, 3, 4):
            self.call("why", 200, {**log, "index": index})
        self.call("recordEvent", 201, event)
        self.call("recordEvent", 422, event, body='{"at":"2026-01-01T00:00:00Z"}', headers=JSON)
        self.call("getEvent", 200, event)
        self.call("why", 200, {**log, "index": 4})
        self.call("why", 404, {**log, "index": 99})
        self.call("why", 400, {**log, "index": "x"})

    def test_compliance(self):
        with Server(options=["--origin", "ledger.example.com"], env=self.clock.env) as self.server:
            self.demo, log = False, {"log": "compliance"}
            policy = {"retain": {"max": "9y"}, "quota": {"records": 99}}
            self.call("createLog", 201, log, body=json.dumps(policy), headers=JSON)
            self.call("lockPolicy", 200, log)
            self.call("getPolicy", 200, log)
            self.call("getLog", 200, log)
            self.call("lockPolicy", 200, log, body='{"cancel":true}', headers=JSON)
            self.call("lockPolicy", 200, log, body="{}", headers=JSON)
            self.call("unlockPolicy", 200, log)
            policy["mode"] = "compliance"
            self.call("createLog", 201, {"log": "c"}, body=json.dumps(policy), headers=JSON)
            self.call("unlockPolicy", 403, {"log": "c"})

    def test_exports(self):
        log, log_of = {"log": "exports"}, {"logs": ["exports"]}
        self.server.create_log("exports")
        self.call("append", 201, log, body="{}", headers=JSON)

        def ask(status, **members):
            return self.call("createExport", status, body=json.dumps({**log_of, **members}), headers=JSON)

        made = {"id": ask(201, reason="r", since={"exports": [1]}).json()["id"]}
        for more in ({"records": {"exports": [1]}}, {"filter": "a = 1", "certify": True, "from": "2026-01-01"},
                     {"received_from": "2026-01-01", "received_to": "2027-01-01"}, {"first": 0, "last": 1}):
            ask(201, **more)
        for status, more in ((400, {"filter": "a ="}), (404, {"logs": ["none"]}), (422, {"kind": "x"})):
            ask(status, **more)
        while self.call("getExport", 200, made).json()["state"] != "finished":
            time.sleep(0.02)
        self.call("listExports", 200, query="?state=all&limit=1")
        self.call("listExports", 400, query="?state=x")
        whole = self.call("getBundle", 200, made)
        self.call("getBundle", 206, made, headers={"Range": "bytes=0-9"})
        self.call("getBundle", 304, made, headers={"If-None-Match": whole.headers["etag"]})
        self.call("getBundle", 416, made, headers={"Range": f"bytes={len(whole.body)}-"})
        for name in ("getBundle", "removeExport", "getExport"):
            self.call(name, 404, {"id": "none"})
        for status in (204, 409):
            self.call("removeExport", status, made)
        self.call("getBundle", 410, made)

    def test_holds(self):
        log = {"log": "held"}
        self.server.create_log("held")
        self.call("append", 201, log, body="{}", headers=JSON)
        said = {"matter": "m", "name": "n", "logs": ["held"], "reason": "r"}

        def place(status, **members):
            return self.call("placeHold", status, body=json.dumps({**said, **members}),
                             headers=JSON)

        hold = {"id": place(201, owner="o", review_by="1y", open_ended=True).json()["id"]}
        place(201, range=[0, None])
        place(201, records=[[0, 0], [2, 3]])
        found = {"id": place(201, filter="a = 1", to="2027-01-01").json()["id"]}
        while self.call("getHold", 200, found).json()["examining"]:
            time.sleep(0.05)
        place(404, logs=["none"])
        place(422, reason="")
        self.call("append", 201, log, body="{}", headers={**JSON, "Stele-Legal-Hold": hold["id"]})
        self.call("append", 404, log, body="{}", headers={**JSON, "Stele-Legal-Hold": "h-" + "a" * 10})
        self.call("listHolds", 200)
        self.call("listHolds", 200, query="?matter=m&log=held&state=all&limit=1")
        self.call("listHolds", 404, query="?log=none")
        self.call("listHolds", 400, query="?state=x")
        self.call("getHold", 200, hold)
        self.call("getHold", 404, {"id": "none"})
        body = json.dumps({"reason": "over"})
        self.call("releaseHold", 422, hold, body="{}", headers=JSON)
        self.call("releaseHold", 200, hold, body=body, headers=JSON)
        self.call("releaseHold", 409, hold, body=body, headers=JSON)
        self.call("releaseHold", 404, {"id": "none"}, body=body, headers=JSON)
        self.call("append", 409, log, body="{}", headers={**JSON, "Stele-Legal-Hold": hold["id"]})

    def test_records(self):
        log = {"log": "records"}
        self.server.create_log("records")
        self.call("append", 201, log, body="{}", headers=JSON)
        self.call("append", 201, log, body="{}", headers={**JSON, "Prefer": "return=minimal"})
        self.call("append", 201, log, body="{}\n{}", headers=NDJSON)
        self.call("append", 201, log, body="{}\n{}",
                  headers={**NDJSON, "Prefer": "return=minimal"})
        key = {**NDJSON, "Idempotency-Key": "k"}
        self.call("append", 201, log, body="1\n2", headers=key, query="?proof=all")
        self.call("append", 201, log, body="1\n2\n3", headers=key, query="?proof=all")
        self.call("append", 201, log, body="1\n2\n3", headers=key, query="?proof=all")
        self.call("append", 422, log, body="1\n3", headers=key)
        self.call("append", 400, log, body="{}\n{", headers=NDJSON)
        self.call("append", 400, log, body="\n", headers=NDJSON)
        self.call("append", 400, log, body="{}",
                  headers={"Content-Type": "application/cloudevents+json"})
        self.call("append", 400, log, body="[{}]",
                  headers={"Content-Type": "application/cloudevents-batch+json"})
        self.call("append", 400, log, body="x", headers={**JSON, "Content-Encoding": "gzip"})
        self.call("append", 415, log, body="x", headers={**JSON, "Content-Encoding": "br"})
        line = b'"' + b"x" * (1 << 20) + b'"'
        self.call("append", 413, log, body=line, headers=NDJSON)
        large = self.call("append", 201, log, body=line, headers=JSON).json()["index"]
        large = {**log, "index": large}
        self.call("getRecord", 200, large)
        self.call("getRecord", 206, large, headers={"Range": "bytes=0-9"})
        self.call("getRecord", 200, large, headers={"Accept": "application/json"})
        self.call("queryLog", 200, log, query="?sha256=" + hashlib.sha256(line).hexdigest())
        self.call("queryLog", 200, log, query="?limit=1&from=3&sha256=" + "0" * 64)
        self.call("queryLog", 200, log, query="?actor=x&by=actor&histogram=1d")
        self.call("queryLog", 400, log, query="?sha256=1")
        self.call("queryLog", 400, log, query="?filter=%3D")
        self.call("queryLog", 404, {"log": "none"})
        self.call("queryLogs", 200, query="?limit=2")
        self.call("queryLogs", 400, query="?cursor=x")
        self.call("queryLogs", 404, query="?logs=none")
        self.call("queryLogs", 200, query="?stream=true&format=ndjson")
        self.tail("tailLog", log)
        self.call("tailLog", 400, log, query="?start=x")
        self.call("tailLog", 404, {"log": "none"})
        self.tail("tailLogs", {})
        self.call("tailLogs", 400, query="?after=x")
        self.call("tailLogs", 404, query="?logs=none")
        self.call("append", 422, log, body="1", headers={"Stele-Retain-Forever": "7y"})
        self.call("append", 422, log, body="1", headers={"Stele-Retain-For": "700y"})
        self.call("append", 201, log, body="1", headers={"Stele-Retain-For": "7y"})
        self.call("append", 403, {"log": "_x"}, body="1")
        self.call("append", 404, {"log": "none"}, body="1")
        one = {**log, "index": 1}
        answer = self.call("getRecord", 200, one)
        self.call("getRecord", 304, one, headers={"If-None-Match": answer.headers["etag"]})
        self.call("getRecord", 206, one, headers={"Range": "bytes=0-0"})
        self.call("getRecord", 416, one, headers={"Range": "bytes=9-"})
        self.call("getRecord", 200, one, headers={"Accept": "application/json"})
        self.server.post("/api/v1/logs/records/records", b"\xff")
        size = self.server.get("/api/v1/logs/records").json()["size"]
        self.call("getRecord", 200, {**log, "index": size - 1},
                  headers={"Accept": "application/json"})
        self.call("getRecord", 404, {**log, "index": size})
        self.call("getRecord", 400, {**log, "index": "x"})

    def test_purges(self):
        log = {"log": "purges"}
        self.server.create_log("purges")
        self.call("append", 201, log, body=b'{"a":1}', headers=JSON)
        self.call("planPurge", 422, log, body=b'{"range":[1]}', headers=JSON)
        self.call("planPurge", 404, {"log": "none"}, body=b"{}", headers=JSON)
        empty = self.call("planPurge", 201, log).json()
        made = self.call("planPurge", 201, log, body=b'{"unlocked":true}', headers=JSON).json()
        plan = {**log, "id": made["id"]}
        self.assertEqual(self.call("getPurgePlan", 200, plan).json(), made)
        self.call("getPurgePlan", 404, {**log, "id": "g-none"})
        self.call("approvePurgePlan", 409, plan, body=b'{"digest":"0"}', headers=JSON)
        self.call("approvePurgePlan", 404, {**log, "id": "g-none"}, body=b'{"digest":"0"}',
                  headers=JSON)
        self.call("approvePurgePlan", 422, plan, body=b"[]", headers=JSON)
        nothing = json.dumps({"digest": empty["digest"]})
        self.call("approvePurgePlan", 409, {**log, "id": empty["id"]}, body=nothing, headers=JSON)
        digest = json.dumps({"digest": made["digest"]})
        self.call("approvePurgePlan", 200, plan, body=digest, headers=JSON)
        self.call("getRecord", 410, {**log, "index": 1})
        self.call("approvePurgePlan", 409, plan, body=digest, headers=JSON)

    def test_uploads(self):
        log = {"log": "uploads"}
        self.server.create_log("uploads")

        def begin(body, **headers):
            answer = self.call("append", 201, log, body=body,
                               headers={"Upload-Complete": "?0", **headers})
            return {**log, "id": answer.json()["upload"]}

        def part(offset, complete="?0"):
            return {"Content-Type": "application/partial-upload", "Upload-Offset": str(offset),
                    "Upload-Complete": complete}

        one = begin(b"abc", **{"Upload-Length": "9"})
        self.call("getUpload", 200, one)
        self.call("appendToUpload", 204, one, body=b"def", headers=part(3))
        self.call("appendToUpload", 409, one, body=b"def", headers=part(3))
        self.call("appendToUpload", 400, one, body=b"def", headers=part("x"))
        self.call("appendToUpload", 415, one, body=b"d", headers={**part(6), **JSON})
        self.call("appendToUpload", 201, one, body=b"ghi", headers=part(6, "?1"))
        self.call("appendToUpload", 409, one, body=b"", headers=part(9, "?1"))
        self.call("getUpload", 200, one)
        self.call("appendToUpload", 404, {**log, "id": "0" * 32}, body=b"", headers=part(0))
        self.call("getUpload", 404, {**log, "id": "0" * 32})
        two = begin(b"abc")
        self.call("appendToUpload", 201, two, body=b"d",
                  headers={**part(3, "?1"), "Prefer": "return=minimal"})
        self.call("cancelUpload", 204, begin(b"abc"))
        self.call("cancelUpload", 404, two | {"id": "0" * 32})
        self.call("append", 400, log, body=b"x", headers={"Upload-Complete": "maybe"})

    def test_proofs_and_tiles(self):
        log, text = {"log": "proofs"}, {"Accept": "text/plain"}
        self.server.create_log("proofs")
        self.server.post("/api/v1/logs/proofs/records", b"1\n2\n3", NDJSON)
        for name, query in (("proveInclusion", "?index=2"), ("proveConsistency", "?from=2")):
            self.call(name, 200, log, query)
            self.call(name, 200, log, query, headers=text)
            self.call(name, 200, log, query + ("&size=3" if "index" in query else "&to=3"))
            self.call(name, 406, log, query + ("&size=3" if "index" in query else "&to=3"),
                      headers=text)
            self.call(name, 400, log)
            self.call(name, 400, log, query.replace("2", "9"))
            self.call(name, 400, log, query + query.replace("?", "&"))
        self.call("getCheckpoint", 200, log)
        for path in ("0/000.p/4", "0/000.p/1", "entries/000.p/4"):
            self.call("getTile", 200, {**log, "path": path})
        for path in ("0/000", "0/000.p/5", "0/001.p/1", "1/000.p/1", "0/0", "entries/x", "64/000",
                     "0/000.p/0", "0/000.p/256", "0/000.p/04"):
            self.call("getTile", 404, {**log, "path": path})

    def test_segments(self):
        self.server.create_log("segments")
        self.server.post("/api/v1/logs/segments/records", b"1\n2\n3", NDJSON)
        self.server.post("/api/v1/logs/segments/seal", b"")
        folder = self.server.data / "segments/segments"
        self.call("reindexLog", 200, {"log": "segments"})
        self.call("reindexLog", 400, {"log": "segments"}, "?all=perhaps")
        name = {"log": "segments"}
        for suffix in (".manifest", ".seg"):
            file = {**name, "file": "0-4.1" + suffix}
            self.call("putSegment", 204, file, body=(folder / file["file"]).read_bytes())
            self.call("putSegment", 422, file, body=b"x")
            self.call("putSegment", 415, file, body=b"x", headers={"Content-Encoding": "gzip"})
        self.call("putSegment", 404, {**name, "file": "0-5.1.seg"}, body=b"x")
        self.call("putSegment", 404, {"log": "none", "file": "0-5.1.seg"}, body=b"x")
        self.call("putSegment", 400, {**name, "file": "0-4.seg"}, body=b"x")

    def test_backups(self):
        self.call("getBackup", 200)
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            body = json.dumps({"dir": folder + "/b"})
            self.call("startBackup", 200, body=body, headers=JSON)
            self.call("startBackup", 409, body=body, headers=JSON)
            deadline = time.monotonic() + 60
            while self.call("getBackup", 200).json()["running"]:
                self.assertLess(time.monotonic(), deadline)
        for body in ("", "{}", '{"dir":"b"}', '{"dir":"/x/b","more":1}', '{"dir":1}',
                     '{"dir":"/x/b","keyring":{"file":"/x/r"}}',
                     '{"dir":"/x/b","keyring":{"file":"/x/b/r","passphrase":"p"}}'):
            self.call("startBackup", 422, body=body, headers=JSON)

    def test_scrub_and_timestamps(self):
        for name in ("startScrub", "getScrub", "askForTimestamps", "listTimestamps"):
            self.call(name, 200)
        self.call("getScrub", 400, query="?x=y")

    def test_clock(self):
        self.assertNotIn("step", self.call("getClock", 200).json())
        self.call("confirmClockStep", 409)
        self.call("confirmClockStep", 422, body=b'{"x":1}', headers=JSON)
        self.clock.step(30)
        while "step" not in self.call("getClock", 200).json():
            time.sleep(0.05)
        self.assertEqual(self.call("confirmClockStep", 200).json()["state"], "ok")
        self.call("creditLockClock", 403, body=b'{"seconds":30,"reason":"a step"}', headers=JSON)
        self.call("creditLockClock", 422, body=b'{"seconds":30}', headers=JSON)

    def test_tokens(self):
        self.call("listTokens", 200)
        body = json.dumps({"scopes": ["read"], "logs": ["a*"], "expires": "90d"})
        made = self.call("createToken", 201, body=body, headers=JSON).json()
        self.call("createToken", 422, body="{}", headers=JSON)
        self.call("listTokens", 200, query="?limit=1")
        new = self.call("rotateToken", 201, made, body='{"overlap":"1h"}', headers=JSON).json()
        self.call("rotateToken", 422, made, body='{"overlap":"x"}', headers=JSON)
        self.call("rotateToken", 404, {"id": "none"})
        self.call("revokeToken", 204, {"id": made["id"]})
        self.call("revokeToken", 404, {"id": made["id"]})
        self.call("revokeToken", 204, {"id": new["id"]})

    def test_approvals(self):
        officers = []
        for _ in range(2):
            body = {"kind": "person", "token": {},
                    "grants": [{"scopes": ["approve", "access"], "logs": ["*"]}]}
            officers.append(self.call("createPrincipal", 201, body=json.dumps(body),
                                      headers=JSON).json())
        self.call("getDualControl", 200)
        detail = self.call("setDualControl", 422, body='{"acts":["x"]}',
                           headers=JSON).json()["detail"]
        acts = DOCUMENT["components"]["schemas"]["DualControl"]["properties"]["acts"]["items"]["enum"]
        self.assertEqual(re.findall(r"[a-z_]+(?:\.[a-z_]+)+|purge", detail), acts)
        self.call("setDualControl", 422, body="{}", headers=JSON)
        on = json.dumps({"acts": ["principal.disable"]})
        self.call("setDualControl", 200, body=on, headers=JSON)
        asked = [self.call("setDualControl", 403, body='{"acts":[]}', headers=JSON).json()
                 for _ in range(2)]
        self.call("disablePrincipal", 403, officers[0])
        self.call("listApprovals", 200)
        self.call("listApprovals", 200, query="?state=all")
        self.call("listApprovals", 400, query="?state=tea")
        one, two = ({"id": a["approval"]} for a in asked)
        digest = self.call("getApproval", 200, one).json()["digest"]
        self.call("getApproval", 404, {"id": "none"})
        self.call("approve", 422, one, body="{}", headers=JSON)
        self.call("approve", 409, one, body='{"digest":"x"}', headers=JSON)
        digest = json.dumps({"digest": digest})
        self.call("approve", 403, one, body=digest, headers=JSON)
        self.call("approve", 404, {"id": "none"}, body=digest, headers=JSON)
        self.call("refuse", 200, two)
        self.call("refuse", 409, two)
        self.call("refuse", 404, {"id": "none"})
        self.wait_and_approve(one, digest, officers[1]["token"])

    def wait_and_approve(self, approval, digest, token):
        self.clock.forward(73)
        self.call("approve", 200, approval, body=digest,
                  headers={**JSON, "Authorization": "Bearer " + token})
        self.assertEqual(self.call("getDualControl", 200).json()["acts"], [])

    def test_principals(self):
        body = {"kind": "person", "grants": [{"scopes": ["read"], "logs": ["a*", "_system"]}],
                "ends": "90d", "matter": "Case 7", "token": {"expires": "30d"}}
        made = self.call("createPrincipal", 201, body=json.dumps(body), headers=JSON).json()
        del body["token"]
        again = json.dumps({**body, "id": made["id"]})
        self.call("createPrincipal", 409, body=again, headers=JSON)
        self.call("createPrincipal", 422, body="{}", headers=JSON)
        self.call("listPrincipals", 200)
        self.call("listPrincipals", 200, query="?limit=1")
        self.call("getPrincipal", 200, made)
        self.call("getPrincipal", 404, {"id": "none"})
        self.call("changePrincipal", 200, made, body='{"ends":null,"grants":[]}', headers=JSON)
        self.call("changePrincipal", 422, made, body='{"kind":"job"}', headers=JSON)
        self.call("changePrincipal", 404, {"id": "none"}, body="{}", headers=JSON)
        self.call("disablePrincipal", 422, made, body='{"successor":1}', headers=JSON)
        self.call("disablePrincipal", 404, {"id": "none"})
        self.call("disablePrincipal", 200, made)
        self.call("disablePrincipal", 409, made)


if __name__ == "__main__":
    unittest.main()
