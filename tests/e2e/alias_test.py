#!/usr/bin/env python3
"""Aliases: one name for all that somebody is called by in a matter, at the time of the question."""
import hashlib
import json
import unittest
import urllib.parse

from hold_case import Case, SystemLogs
from lib import JSON, Client, stele, until

ALIASES = "/api/v1/aliases"
SID, MAIL = "S-1-5-21-7-1104", "alice@example.com"


class AliasCase(Case):
    def setUp(self):
        super().setUp()
        schema = {"name": "mine", "when": "me:*", "fields": {
            "actor": ["actor"], "source_ip": ["ip"]}}
        answer = self.server.post("/api/v1/schemas", json.dumps(schema), JSON)
        self.assertEqual(answer.status, 201, answer.body)

    def set(self, name, *values, matter="Case 7", client=None):
        return (client or self.server).request("PUT", f"{ALIASES}/{name}", json.dumps(
            {"matter": matter, "values": list(values)}), JSON)

    def was_set(self, name, *values, **more):
        answer = self.set(name, *values, **more)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def remove(self, name, matter="Case 7", client=None):
        path = f"{ALIASES}/{name}?matter=" + urllib.parse.quote(matter)
        return (client or self.server).request("DELETE", path)

    def listed(self, matter="Case 7", client=None):
        answer = (client or self.server).get(f"{ALIASES}?matter=" + urllib.parse.quote(matter))
        self.assertEqual(answer.status, 200, answer.body)
        return {a["name"]: a["values"] for a in answer.json()["aliases"]}

    def query(self, client=None, matter="Case 7", **asked):
        if matter is not None:
            asked["matter"] = matter
        return (client or self.server).get("/api/v1/logs/payments/records?view=summary&" +
                                           urllib.parse.urlencode(asked))

    def found(self, **asked):
        answer = self.query(**asked)
        self.assertEqual(answer.status, 200, answer.body)
        return [r["index"] for r in answer.json()["records"]], answer.json()["filter"]

    def acted(self, *actors, **more):
        return self.append(*[{"me": 1, "actor": a, **more} for a in actors])

    def invited(self, matter, scopes=("read",)):
        body = {"kind": "person", "matter": matter, "token": {},
                "grants": [{"scopes": list(scopes), "logs": ["*"]}]}
        made = self.server.post("/api/v1/principals", json.dumps(body), JSON)
        self.assertEqual(made.status, 201, made.body)
        client = Client(self.server.port, made.json()["token"])
        self.addCleanup(client.close)
        return client


class Queries(AliasCase):
    def test_an_alias_is_any_of_its_values_and_the_answer_says_which(self):
        sid, bob, mail = self.acted(SID, "bob", MAIL)
        self.was_set("alice", SID, MAIL)
        indexes, text = self.found(actor="@alice")
        self.assertEqual(indexes, [sid, mail])
        self.assertEqual(text, f'actor = "{SID}" OR actor = "{MAIL}"')
        self.assertEqual(self.found(filter="actor = @alice"), (indexes, text))
        self.assertEqual(self.found(any="@alice")[0], indexes)
        self.assertEqual(self.found(filter="NOT actor = @alice")[0], [bob])
        self.assertEqual(self.found(filter="actor != @alice"),
                         ([bob], f'actor != "{SID}" AND actor != "{MAIL}"'))
        self.assertEqual(self.found(filter="actor:@alice AND me = 1")[0], indexes)
        # terms of one field are one OR, those of an alias among them
        self.assertEqual(self.found(actor="@alice", filter='actor = "bob"')[0], [])

    def test_no_value_can_be_taken_for_an_alias(self):
        (handle,) = self.acted("@alice")
        (sid,) = self.acted(SID)
        self.was_set("alice", SID)
        self.assertEqual(self.found(filter='actor = "@alice"')[0], [handle])
        self.assertEqual(self.found(actor="@@alice"), ([handle], 'actor = "@alice"'))
        self.assertEqual(self.found(actor="@alice")[0], [sid])
        self.assertEqual(self.found(actor="@@*")[0], [handle])
        # a value of an alias is a value, whatever it looks like
        self.was_set("odd", "@alice", '" OR actor = "bob', "a*")
        self.assertEqual(self.found(actor="@odd"), (
            [handle], r'actor = "@alice" OR actor = "\" OR actor = \"bob" OR actor = "a\*"'))

    def test_networks_among_the_values_are_networks(self):
        inside = self.append({"me": 1, "ip": "10.1.2.3"})
        self.append({"me": 1, "ip": "192.0.2.1"})
        self.was_set("office", "10.0.0.0/8", "2001:db8::/32")
        self.assertEqual(self.found(source_ip="@office")[0], inside)

    def test_it_is_of_the_time_of_the_question(self):
        first, second, third = self.acted(SID, MAIL, MAIL)
        self.was_set("alice", SID)
        self.assertEqual(self.found(actor="@alice")[0], [first])
        self.was_set("alice", MAIL)
        page = self.query(actor="@alice", limit=1).json()
        self.assertEqual(page["records"][0]["index"], second)
        self.was_set("alice", SID, MAIL)
        # a cursor is of the question as it was asked: another one begins anew
        answer = self.query(actor="@alice", limit=1, cursor=page["next"])
        self.refused(answer, 400, "invalid-parameter")
        same = self.query(filter=page["filter"], matter=None, limit=1, cursor=page["next"])
        self.assertEqual(same.json()["records"][0]["index"], third, same.body)

    def test_access_has_the_digest_of_the_values(self):
        self.acted(SID)
        self.was_set("alice", SID, MAIL)
        text = self.found(actor="@alice")[1]
        digest = hashlib.sha256(text.encode()).hexdigest()

        def recorded():
            size = self.server.get("/api/v1/logs/_access").json()["size"]
            acts = [self.server.get(f"/api/v1/logs/_access/records/{i}") for i in range(1, size)]
            return any(a.status == 200 and a.json().get("filter") == digest for a in acts)
        until(recorded, "the query in _access")

    def test_what_is_wrong_is_said(self):
        self.was_set("alice", SID)
        for asked, words in (({"actor": "@bob"}, "@bob"), ({"filter": "actor = @bob"}, "@bob"),
                             ({"filter": "actor = @ali*"}, "whole"),
                             ({"filter": "actor < @alice"}, "whole"), ({"actor": "@"}, "alias"),
                             ({"actor": "@a b"}, "alias")):
            answer = self.query(**asked)
            self.refused(answer, 400, "invalid-filter")
            self.assertIn(words, answer.json()["detail"])
        answer = self.query(matter=None, filter="me = 1 AND actor = @alice")
        self.refused(answer, 400, "invalid-filter")
        self.assertIn("matter", answer.json()["detail"])
        self.assertEqual(answer.json()["column"], 20)

    def test_many_values_are_bounded_like_terms(self):
        values = [f"user-{i}" for i in range(64)]
        self.was_set("many", *values)
        self.assertEqual(self.found(any="@many")[0], [])
        filter_ = " OR ".join(["actor = @many"] * 16)
        self.refused(self.query(filter=filter_), 400, "invalid-filter")
        self.assertEqual(self.query(filter=filter_.replace(" OR actor = @many", "", 1)).status, 200)


class Holds(AliasCase):
    def test_a_hold_is_by_the_values_that_the_alias_of_its_matter_had(self):
        sid, other, mail = self.acted(SID, "bob", MAIL)
        self.was_set("alice", SID)
        self.was_set("alice", "bob", matter="Case 8")
        hold = self.place(filter="actor = @alice", open_ended=True)
        shown = self.examined(hold)
        self.assertEqual(shown["filter"], f'actor = "{SID}"')
        self.was_set("alice", MAIL)
        self.assertEqual(self.remove("alice").status, 204)
        later, _ = self.acted(SID, MAIL)
        self.examined(hold, later + 2)
        self.assertEqual(self.log().held(hold), [sid, later])
        self.refused(self.ask(filter="actor = @alice"), 422, "invalid-hold")
        quoted = self.place(filter='actor = "@alice"')
        self.assertEqual(self.show(quoted)["filter"], 'actor = "@alice"')

    def test_where_no_matter_is_asked_about_an_alias_is_refused(self):
        self.was_set("alice", SID)
        self.acted(SID)
        answer = self.server.post("/api/v1/logs/payments/erasures", json.dumps(
            {"case": "Case 7", "filter": "actor = @alice"}), JSON)
        self.assertEqual((answer.status, "alias" in answer.json()["detail"]), (422, True), answer.body)


class Access(AliasCase):
    def test_set_list_remove_and_what_system_says(self):
        first = self.was_set("alice", SID)
        self.assertEqual((first["matter"], first["name"], first["values"]), ("Case 7", "alice", [SID]))
        self.was_set("bob", "b")
        self.was_set("alice", SID, MAIL)
        self.was_set("alice", "other", matter="Case 8")
        self.assertEqual(self.listed(), {"alice": [SID, MAIL], "bob": ["b"]})
        self.assertEqual(self.remove("bob").status, 204)
        self.refused(self.remove("bob"), 404, "unknown-alias")
        acts = [a for _, a in SystemLogs(self.server).records if a and a["type"].startswith("alias.")]
        self.assertEqual([a["type"] for a in acts], ["alias.set"] * 4 + ["alias.remove"])
        self.assertEqual(acts[2]["values"], [SID, MAIL])
        self.restart()
        self.assertEqual((self.listed(), self.listed("Case 8")),
                         ({"alice": [SID, MAIL]}, {"alice": ["other"]}))
        self.server.kill()
        (self.server.data / "keys/access").unlink()
        self.server.start()
        self.assertEqual((self.listed(), self.listed("Case 8")),
                         ({"alice": [SID, MAIL]}, {"alice": ["other"]}))

    def test_who_sees_them(self):
        self.was_set("alice", SID)
        self.was_set("alice", "secret", matter="Case 8")
        (index,) = self.acted(SID)
        seven, reader = self.invited("Case 7"), self.invited("")
        self.assertEqual(self.listed(client=seven), {"alice": [SID]})
        own = seven.get(ALIASES).json()
        self.assertEqual((own["matter"], len(own["aliases"])), ("Case 7", 1))
        for client, matter in ((seven, "Case%208"), (reader, "Case%207")):
            self.refused(client.get(f"{ALIASES}?matter={matter}"), 403, "insufficient-scope")
        # it asks with its own without saying so, and with no other's
        answer = self.query(client=seven, matter=None, actor="@alice")
        self.assertEqual([r["index"] for r in answer.json()["records"]], [index], answer.body)
        for client, matter in ((seven, "Case 8"), (reader, "Case 7"), (reader, None)):
            answer = self.query(client=client, matter=matter, actor="@alice")
            self.refused(answer, 400, "invalid-filter")
            self.assertNotIn(b"secret", answer.body)
        self.refused(self.set("x", "y", client=seven), 403, "insufficient-scope")
        deputy = self.invited("Case 7", ("read", "hold"))
        self.assertEqual(self.set("x", "y", client=deputy).status, 200)
        self.refused(self.set("x", "y", matter="Case 8", client=deputy), 403, "insufficient-scope")
        self.refused(self.remove("alice", "Case 8", client=deputy), 403, "insufficient-scope")

    def test_what_no_alias_is_is_refused(self):
        for name, values, matter in (("Alice", ["a"], "m"), ("a@b", ["a"], "m"), ("a", [], "m"),
                                     ("a", [""], "m"), ("a", ["a\nb"], "m"), ("a", ["x" * 256], "m"),
                                     ("a", ["x"] * 65, "m"), ("a", [1], "m"), ("a", ["a"], "m" * 128)):
            self.refused(self.set(name, *values, matter=matter), 422, "invalid-alias")
        self.refused(self.set("a", "b", matter=""), 400, "invalid-parameter")
        for i in range(256):
            self.was_set(f"a{i}", "v", matter="full")
        self.refused(self.set("one-more", "v", matter="full"), 409, "too-many-aliases")
        self.was_set("a0", "w", matter="full")


class Cli(AliasCase):
    def test_the_commands(self):
        self.acted(SID)

        def run(*arguments):
            done = stele(*arguments, server=self.server)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout
        self.assertIn("@alice", run("alias", "set", "Case 7", "alice", SID, MAIL))
        self.assertIn(MAIL, run("alias", "list", "Case 7"))
        self.assertIn(SID, run("query", "payments", "--matter", "Case 7", "--any", "@alice"))
        self.assertEqual(run("alias", "remove", "Case 7", "alice"), "removed @alice\n")
        self.assertEqual(run("alias", "list", "Case 7"), "")


if __name__ == "__main__":
    unittest.main()
