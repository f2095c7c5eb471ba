#!/usr/bin/env python3
"""Exports between people: what one is not told of another's, and what nobody can take from the others."""
import json
import unittest

import exports_test
from exports_test import EXPORTS
from http_case import problem
from lib import JSON, Client, stele


class Rights(exports_test.Case):
    """What an export, and what is said of it, keeps from those who may not know."""

    def setUp(self):
        super().setUp()
        self.server.create_log("secret")
        self.append([{"n": i} for i in range(3)])
        self.append([{"n": i} for i in range(3)], log="secret")

    def test_custody_is_silent_about_exports_of_other_logs(self):
        both = self.ended(self.begin(logs=["pay", "secret"]))
        alone = self.ended(self.begin(logs=["pay"]))
        person = self.person((["export", "read"], ["pay"]))
        lines = self.bundle(person, logs=["pay"]).lines("data/custody.ndjson")
        told = [json.loads(line["payload"])["export"] for line in lines[1:]]
        self.assertEqual(told, [alone["id"]])
        self.assertNotIn("secret", json.dumps(lines))
        told = [json.loads(line["payload"])["export"]
                for line in self.bundle(logs=["pay", "secret"]).lines("data/custody.ndjson")[1:]]
        self.assertIn(both["id"], told)

    def test_what_a_search_found_is_for_readers(self):
        made = self.ended(self.begin(logs=["pay"], filter='actor = "nobody"', certify=True))
        self.assertEqual(made["logs"][0]["payloads"], 0)
        client = self.person((["export"], ["pay"]))
        answer = client.get(f"{EXPORTS}/{made['id']}/bundle")
        self.assertEqual(problem(answer), (403, "insufficient-scope"))

    def test_a_token_that_may_less_sees_less_than_its_principal(self):
        made = self.ended(self.begin(logs=["secret"]))
        body = {"principal": made["by"], "scopes": ["export", "read"], "logs": ["pay"]}
        answer = self.server.post("/api/v1/tokens", json.dumps(body), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        narrow = Client(self.server.port, answer.json()["token"])
        self.addCleanup(narrow.close)
        self.assertEqual(narrow.get(f"{EXPORTS}/{made['id']}").status, 404)
        self.assertEqual(narrow.request("DELETE", f"{EXPORTS}/{made['id']}").status, 404)

    def test_one_principal_does_not_take_all_places(self):
        greedy, other = self.person((["export"], ["pay"])), self.person((["export"], ["pay"]))
        refused = None
        for _ in range(400):
            answer = self.ask(greedy, logs=["pay"], first=0, last=0)
            if answer.status != 201:
                refused = answer
                break
        self.assertEqual(problem(refused), (409, "too-many-exports"), refused.body)
        self.begin(other, logs=["pay"])

    def test_words_have_no_control_characters(self):
        for word in ("\x1b[31m", "a\nb", "\x7f", "\x9b", "\u202e", "\u2067"):
            self.assertEqual(self.ask(logs=["pay"], reason=word).status, 422, repr(word))
        self.begin(logs=["pay"], reason="Fall 7, Müller – “so”")

    def test_the_lists_of_an_ended_export_are_in_the_trail_alone(self):
        made = self.begin(logs=["pay"], records={"pay": [[1, 2]]})
        self.assertEqual(self.ended(made)["request"]["records"], {"pay": [[1, 2]]})
        self.assertEqual(self.server.request("DELETE", f"{EXPORTS}/{made}").status, 204)
        shown = self.show(made)
        self.assertEqual(shown["state"], "removed")
        self.assertNotIn("records", shown["request"])

    def test_a_file_is_for_whom_the_umask_says(self):
        out = self.folder / "mine.zip"
        run = stele("export", "pay", "-o", out, server=self.server, umask=0o077)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
