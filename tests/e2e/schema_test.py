#!/usr/bin/env python3
"""Schemas that users add: what was decided by the old ones stays decided by them, above all holds."""
import base64
import hashlib
import json
import os
import tempfile
import time
import unittest

from hold_case import Case, SystemLogs
from lib import JSON, Client, stele
from tail_case import Tail

SCHEMAS = "/api/v1/schemas"


def gateway(actor="user", **more):
    return {"name": "gateway", "when": "gw:*", "fields": {"actor": [actor], "action": ["verb"]}, **more}


def event(**members):
    return {"gw": 1, "verb": "get", **members}


class SchemaCase(Case):
    def add(self, schema, status=201, client=None):
        answer = (client or self.server).post(SCHEMAS, json.dumps(schema), JSON)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def retire(self, name, status=200):
        answer = self.server.post(f"{SCHEMAS}/{name}/retire", b"", JSON)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def choose(self, schema, log="payments", status=200):
        answer = self.server.request("PUT", f"/api/v1/logs/{log}/schema",
                                     json.dumps({"schema": schema}), JSON)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def mapping(self):
        return self.server.get(SCHEMAS).json()["mapping"]

    def found(self, query, log="payments"):
        answer = self.server.get(f"/api/v1/logs/{log}/records?{query}&view=summary")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def indexes(self, query, log="payments"):
        return [r["index"] for r in self.found(query, log)["records"]]

    def lose_snapshot(self):
        """The next start folds all of `_system` again, as when keys/access is lost."""
        self.server.kill()
        (self.server.data / "keys/access").unlink()
        self.server.start()

    def held(self, hold, log="payments"):
        return self.log(log).held(hold)


class Holds(SchemaCase):
    """The most important of it: no schema that comes later changes what a hold covers."""

    def test_a_hold_goes_on_by_the_mapping_that_it_was_placed_under(self):
        self.add(gateway("user"))
        alice, other = self.append(event(user="alice", login="x"), event(user="x", login="alice"))
        hold = self.place(filter='actor = "alice"', open_ended=True)
        before = self.examined(hold, other + 1)
        self.assertEqual(before["mapping"], self.mapping())
        self.assertEqual(self.held(hold), [alice])
        self.add(gateway("login"))
        self.assertNotEqual(before["mapping"], self.mapping())
        later, none = self.append(event(user="alice", login="x"), event(user="x", login="alice"))
        shown = self.examined(hold, none + 1)
        self.assertTrue(shown["mapping_changed"])
        self.assertNotIn("mapping_unknown", shown)
        self.assertEqual(self.held(hold), [alice, later])
        # what is asked now is asked by the new one, and so is a hold that is placed now
        self.assertEqual(self.indexes("actor=alice"), [other, none])
        new = self.place(filter='actor = "alice"')
        self.examined(new)
        self.assertEqual(self.held(new), [other, none])

    def test_so_it_does_after_a_restart_and_from_the_records_of_system_alone(self):
        self.add(gateway("user"))
        hold = self.place(filter='actor = "alice"', open_ended=True)
        self.add(gateway("login"))
        self.retire("gateway")
        self.restart()
        (first,) = self.append(event(user="alice"))
        self.examined(hold, first + 1)
        self.lose_snapshot()
        second, none = self.append(event(user="alice"), event(login="alice"))
        shown = self.examined(hold, none + 1)
        self.assertNotIn("mapping_unknown", shown)
        self.assertEqual(self.held(hold), [first, second])
        self.agree()

    def test_what_no_schema_could_tell_stays_held_when_one_comes_that_can(self):
        (index,) = self.append(event(user="bob"))
        hold = self.place(filter='actor = "alice"', open_ended=True)
        self.examined(hold, index + 1)
        self.add(gateway("user"))
        (later,) = self.append(event(user="bob"))
        self.examined(hold, later + 1)
        self.assertEqual(self.held(hold), [index, later])

    def test_a_hold_reads_each_log_by_what_was_chosen_for_it_then(self):
        self.add(gateway("user"))
        self.add({"name": "by-login", "when": "never:*", "fields": {"actor": ["login"]}})
        self.server.create_log("chosen")
        self.choose("by-login", "chosen")
        user = [self.append(event(user="alice", login="x"), log=log)[0]
                for log in ("payments", "chosen")]
        login = [self.append(event(user="x", login="alice"), log=log)[0]
                 for log in ("payments", "chosen")]
        hold = self.place(filter='actor = "alice"', logs=["*"], open_ended=True)
        self.examined(hold, login[0] + 1)
        self.assertEqual((self.held(hold), self.held(hold, "chosen")), ([user[0]], [login[1]]))
        self.choose(None, "chosen")
        self.choose("by-login")
        self.add({"name": "by-login", "when": "never:*", "fields": {"actor": ["nobody"]}})
        later = [self.append(event(user="x", login="alice"), log=log)[0]
                 for log in ("payments", "chosen")]
        born = self.server.request("PUT", "/api/v1/logs/born?schema=by-login", b"", JSON)
        self.assertEqual(born.status, 201, born.body)
        nobody, alice = self.append(event(user="alice"), event(nobody="alice"), log="born")
        shown = self.examined(hold, {"payments": later[0] + 1, "chosen": later[1] + 1,
                                     "born": alice + 1})
        self.assertEqual((self.held(hold), self.held(hold, "chosen"), self.held(hold, "born")),
                         ([user[0]], [login[1], later[1]], [alice]), shown)

    def test_the_act_names_the_mapping_of_logs_with_a_choice(self):
        self.add(gateway("user"))
        hold = self.place(filter='actor = "alice"')
        (act,) = SystemLogs(self.server).of_type("hold.place")
        self.assertEqual(act["covers"], [{"log": "payments"}])
        self.choose("gateway")
        self.place(filter='actor = "alice"')
        act = SystemLogs(self.server).of_type("hold.place")[-1]
        chosen = self.server.get("/api/v1/logs/payments/schema").json()["mapping"]
        self.assertEqual(act["covers"], [{"log": "payments", "mapping": chosen}])
        self.assertNotEqual(act["hold"]["mapping"], chosen)
        self.released(hold)


class Api(SchemaCase):
    def test_it_is_added_in_versions_and_each_can_be_seen(self):
        first = self.add(gateway("user"))
        self.assertEqual((first["state"], first["name"]), ("added", "gateway"))
        text = json.dumps(first["schema"], separators=(",", ":"))
        self.assertEqual(first["digest"], hashlib.sha256(text.encode()).hexdigest())
        again = self.add({"fields": gateway()["fields"], "when": "gw : *", "name": "gateway"}, 200)
        self.assertEqual(again["digest"], first["digest"])
        second = self.add(gateway("login"))
        self.assertEqual([v["digest"] for v in second["versions"]],
                         [first["digest"], second["digest"]])
        old = self.server.get(f"{SCHEMAS}/gateway?version={first['digest']}").json()
        self.assertEqual((old["shown"], old["schema"]), (first["digest"], first["schema"]))
        self.assertEqual(old["digest"], second["digest"])
        listed = self.server.get(SCHEMAS).json()["schemas"]
        self.assertEqual((listed[0]["name"], listed[1]["state"]), ("gateway", "builtin"))
        retired = self.retire("gateway")
        self.assertEqual(retired["state"], "retired")
        self.refused(self.server.post(f"{SCHEMAS}/gateway/retire", b"", JSON), 404, "unknown-schema")
        self.add(gateway("user"))
        self.assertEqual(self.server.get(f"{SCHEMAS}/gateway").json()["digest"], first["digest"])
        acts = [a for a in SystemLogs(self.server).records if a[1] and
                a[1]["type"].startswith("schema.")]
        self.assertEqual([a["type"] for _, a in acts],
                         ["schema.builtin", "schema.add", "schema.add", "schema.retire", "schema.add"])
        before = self.server.get(SCHEMAS).json()
        for again in (self.restart, self.lose_snapshot):
            again()
            self.assertEqual(self.server.get(SCHEMAS).json(), before)
        self.assertEqual(len(SystemLogs(self.server).of_type("schema.builtin")), 1)

    def test_what_is_wrong_is_said(self):
        for body, words in (({"name": "x"}, "when"), (gateway(bogus=1), "bogus"),
                            ({**gateway(), "when": "actor = 1"}, "when")):
            answer = self.server.post(SCHEMAS, json.dumps(body), JSON)
            self.refused(answer, 422, "invalid-schema")
            self.assertIn(words, answer.json()["detail"])
        self.refused(self.server.get(f"{SCHEMAS}/nobody"), 404, "unknown-schema")
        self.refused(self.server.get(f"{SCHEMAS}/ecs?version=00"), 404, "unknown-schema")
        self.refused(self.server.request("PUT", "/api/v1/logs/payments/schema",
                                         json.dumps({"schema": "nobody"}), JSON),
                     404, "unknown-schema")
        born = self.server.request("PUT", "/api/v1/logs/born?schema=nobody", b"", JSON)
        self.refused(born, 404, "unknown-schema")
        self.refused(self.server.get("/api/v1/logs/born"), 404, "unknown-log")

    def test_who_may_change_the_policy_of_one_log_changes_no_schema_of_all(self):
        one = self.client([{"scopes": ["policy", "read"], "logs": ["payments"]}])
        answer = one.post(SCHEMAS, json.dumps(gateway()), JSON)
        self.refused(answer, 403, "insufficient-scope")
        self.refused(one.post(f"{SCHEMAS}/ecs/retire", b"", JSON), 403, "insufficient-scope")
        self.assertEqual(one.get(f"{SCHEMAS}/ecs").status, 200)
        answer = one.request("PUT", "/api/v1/logs/payments/schema", b'{"schema":"ecs"}', JSON)
        self.assertEqual(answer.status, 200, answer.body)
        self.server.create_log("other")
        answer = one.request("PUT", "/api/v1/logs/other/schema", b'{"schema":"ecs"}', JSON)
        self.refused(answer, 403, "insufficient-scope")

    def test_a_log_is_read_by_the_schema_that_was_chosen(self):
        self.add({"name": "mine", "when": "never:*", "fields": {"actor": ["who"]}})
        (index,) = self.append({"who": "alice"})
        self.assertEqual(self.found("actor=alice")["unparsed"], 1)
        self.assertEqual(self.choose("mine")["schema"], "mine")
        found = self.found("actor=alice")
        self.assertEqual([r["index"] for r in found["records"]], [index])
        self.assertEqual(found["records"][0]["schema"], "mine")
        self.assertEqual(self.server.get("/api/v1/logs/payments").json()["schema"], "mine")
        self.refused(self.server.post(f"{SCHEMAS}/mine/retire", b"", JSON), 409, "schema-conflict")
        for again in (self.restart, self.lose_snapshot):
            again()
            self.assertEqual(self.indexes("actor=alice"), [index])
        self.choose(None)
        self.assertEqual(self.indexes("actor=alice"), [])
        self.assertNotIn("schema", self.server.get("/api/v1/logs/payments").json())

    def test_logs_of_several_mappings_are_one_query(self):
        self.add({"name": "mine", "when": "never:*", "fields": {"actor": ["who"]}})
        for log in ("one", "two"):
            answer = self.server.request("PUT", f"/api/v1/logs/{log}?schema=mine", b"", JSON)
            self.assertEqual((answer.status, answer.json()["schema"]), (201, "mine"), answer.body)
            again = self.server.request("PUT", f"/api/v1/logs/{log}?schema=mine", b"", JSON)
            self.assertEqual(again.status, 200, again.body)
        other = self.server.request("PUT", "/api/v1/logs/one?schema=ecs", b"", JSON)
        self.refused(other, 409, "log-exists")
        self.append({"who": "alice"}, log="one")
        self.append({"gw": 1, "user": "alice"})
        self.append({"who": "alice"}, log="two")
        self.add(gateway("user"))
        answer = self.server.get("/api/v1/records?actor=alice").json()
        self.assertEqual([(r["log"], r["schema"]) for r in answer["records"]],
                         [("one", "mine"), ("payments", "gateway"), ("two", "mine")])
        counted = self.server.get("/api/v1/records?actor=alice&by=actor").json()
        self.assertEqual(counted["values"], [{"value": "alice", "count": 3}])

    def test_a_cursor_goes_on_by_the_mapping_that_its_query_began_with(self):
        self.add(gateway("user"))
        mine = self.append(*[event(user="alice", login="x")] * 5)
        first = self.found("actor=alice&limit=2")
        self.add(gateway("login"))
        self.restart()
        rest = self.found(f"actor=alice&limit=9&cursor={first['next']}")
        self.assertEqual([r["index"] for r in first["records"] + rest["records"]], mine)
        self.assertEqual(self.indexes("actor=alice"), [])
        # and the number of a mapping in it cannot be made up
        raw = bytearray(base64.urlsafe_b64decode(first["next"] + "=" * (-len(first["next"]) % 4)))
        for at in range(len(raw)):
            forged = bytearray(raw)
            forged[at] ^= 1
            text = base64.urlsafe_b64encode(bytes(forged)).decode().rstrip("=")
            answer = self.server.get(f"/api/v1/logs/payments/records?actor=alice&view=summary"
                                     f"&limit=2&cursor={text}")
            self.refused(answer, 400, "invalid-parameter")

    def test_a_tail_reads_by_the_schemas_of_its_begin_and_shares_with_none_of_others(self):
        def tail():
            opened = Tail(self.server, logs="payments", filter='actor = "alice"')
            self.addCleanup(opened.close)
            return opened

        self.add(gateway("user"))
        old = tail()
        self.assertEqual(old.places(len(self.append(event(user="alice")))), [("payments", 1)])
        self.add(gateway("login"))
        new = tail()
        for _ in range(2):  # the second time it has caught up, and shares if it may
            user, login = self.append(event(user="alice"), event(login="alice"))
            self.assertEqual((old.places(1), new.places(1)),
                             ([("payments", user)], [("payments", login)]))

    def test_acts_about_schemas_can_be_under_dual_control(self):
        tokens = []
        for _ in range(2):
            made = self.server.post("/api/v1/principals", json.dumps(
                {"kind": "person", "token": {},
                 "grants": [{"scopes": ["approve", "policy", "access", "read"],
                             "logs": ["*", "_*"]}]}), JSON)
            self.assertEqual(made.status, 201, made.body)
            tokens.append(made.json()["token"])
        acts = ["schema.add", "schema.retire", "log.schema"]
        answer = self.server.request("PUT", "/api/v1/dual-control", json.dumps({"acts": acts}), JSON)
        self.assertIn(answer.status, (200, 204), answer.body)
        before = self.server.get(SCHEMAS).json()
        for method, path, body in (("POST", SCHEMAS, gateway()),
                                   ("POST", f"{SCHEMAS}/ecs/retire", {}),
                                   ("PUT", "/api/v1/logs/payments/schema", {"schema": "ecs"})):
            client = Client(self.server.port, tokens[0])
            answer = client.request(method, path, json.dumps(body), JSON)
            self.refused(answer, 403, "dual-control-required")
            client.close()
        self.assertEqual(self.server.get(SCHEMAS).json(), before)
        self.assertIsNone(self.server.get("/api/v1/logs/payments/schema").json()["schema"])


class Cli(SchemaCase):
    EVENTS = ('{"gw":1,"user":"al\\u001bice","verb":"get","ts":1700000000123}\n'
              '{"specversion":"1.0","id":"1","source":"s","type":"t"}\n')

    def setUp(self):
        super().setUp()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = os.path.join(self.folder.name, "gateway.json")
        self.write(self.file, json.dumps(gateway("user")))

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def run_stele(self, *arguments, status=0, server=None):
        done = stele(*arguments, server=server)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def test_check_shows_what_a_schema_makes_of_events_with_no_server(self):
        events = self.write(os.path.join(self.folder.name, "e.ndjson"), self.EVENTS)
        table = self.run_stele("schema", "check", self.file, events)
        for words in ("1      gateway", "actor        al.ice", "2      cloudevents"):
            self.assertIn(words, table)
        rows = [json.loads(line) for line in
                self.run_stele("--json", "schema", "check", self.file, events).splitlines()]
        self.assertEqual(rows[0]["digest"], self.add(gateway("user"))["digest"])
        self.assertEqual([r["schema"] for r in rows[1:]], ["gateway", "cloudevents"])
        self.assertEqual(rows[1]["fields"], {"actor": ["al\x1bice"], "action": ["get"]})
        as_array = self.write(events, "[" + ",".join(self.EVENTS.splitlines()) + "]")
        self.assertEqual(self.run_stele("schema", "check", self.file, as_array), table)
        one = self.write(events, json.dumps(event(user="bob"), indent=2))
        self.assertIn("bob", self.run_stele("schema", "check", self.file, one))
        for odd in ("{}", "nope"):
            self.run_stele("schema", "check", self.file, self.write(events, odd), status=1)
        self.run_stele("schema", "check", self.write(self.file, "{}"), status=1)

    def test_the_commands_of_the_server(self):
        run = self.run_stele
        self.assertIn("added", run("schema", "add", self.file, server=self.server))
        self.assertIn("gateway", run("schema", "list", server=self.server).splitlines()[1])
        shown = run("schema", "show", "gateway", server=self.server)
        again = self.write(os.path.join(self.folder.name, "again.json"), shown)
        run("schema", "add", again, server=self.server)
        versions = run("--json", "schema", "show", "gateway", "--versions", server=self.server)
        self.assertEqual(len(json.loads(versions)["versions"]), 1)
        self.assertIn("gateway", run("log", "create", "born", "--schema", "gateway",
                                     server=self.server))
        self.assertIn("schema   gateway", run("log", "show", "born", server=self.server))
        self.assertIn("schema   ecs", run("log", "schema", "born", "ecs", server=self.server))
        self.assertIn("detected", run("log", "schema", "born", "--detect", server=self.server))
        run("schema", "retire", "gateway", server=self.server)
        self.assertIn("retired", run("schema", "list", server=self.server))
        run("schema", "retire", "gateway", server=self.server, status=1)


class Indexes(SchemaCase):
    """Segments are indexed by the schemas that their log is read by."""

    def passed(self, query, log="payments"):
        """How many records a query did not have to look at; what it finds is what it finds without an index."""
        def metric():
            lines = self.server.get("/metrics").text().splitlines()
            return next(int(v) for n, v in map(str.split, filter(lambda l: "{" not in l and l[0] != "#", lines))
                        if n == "stele_query_records_passed_total")

        before, found = metric(), self.indexes(query, log)
        passed = metric() - before
        self.assertEqual(found, self.indexes(query + "&index=false", log))
        self.assertTrue(found, query)
        return passed

    def fill(self, log="payments"):
        self.append(*(event(user=f"u{i}", login=f"l{i}") for i in range(600)), log=log)
        self.assertEqual(stele("log", "seal", log, server=self.server).returncode, 0)

    def reindex(self, log="payments"):
        done = stele("log", "reindex", log, server=self.server)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_sealed_after_a_schema_came_is_indexed_by_it(self):
        self.add(gateway("user"))
        self.fill()
        self.assertGreater(self.passed("actor=u42"), 500)

    def test_one_that_comes_later_takes_a_reindex(self):
        self.fill()
        self.add(gateway("user"))
        self.assertEqual(self.passed("actor=u42"), 0)
        self.reindex()
        self.assertGreater(self.passed("actor=u42"), 500)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        done = stele("log", "reindex", "payments", server=self.server)
        self.assertIn("that of 1 was as it should be", done.stdout)
        self.assertGreater(self.passed("actor=u42"), 500)

    def test_a_log_with_a_choice_is_indexed_by_that(self):
        self.add({"name": "by-login", "when": "never:*", "fields": {"actor": ["login"]}})
        self.server.create_log("chosen")
        self.choose("by-login", "chosen")
        self.fill("chosen")
        self.assertGreater(self.passed("actor=l42", "chosen"), 500)
        self.choose(None, "chosen")
        self.assertEqual(self.indexes("actor=l42", "chosen"), [])
        self.choose("by-login", "chosen")
        self.assertGreater(self.passed("actor=l42", "chosen"), 500)


class Kills(SchemaCase):
    def test_what_was_answered_is_there_after_any_kill(self):
        acknowledged = []
        for round_ in range(4):
            schema = gateway(f"user{round_}")
            acknowledged.append(self.add(schema)["digest"])
            if round_ % 2:
                time.sleep(1.2)  # the snapshot is written once a second
            self.restart()
            shown = self.server.get(f"{SCHEMAS}/gateway").json()
            self.assertEqual([v["digest"] for v in shown["versions"]], acknowledged)
            self.assertEqual(shown["digest"], acknowledged[-1])


if __name__ == "__main__":
    unittest.main()
