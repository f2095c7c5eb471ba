#!/usr/bin/env python3
"""Purges: what may go goes as it was shown, what is locked stays, and the log says what went."""
import json
import time
import unittest

from http_case import problem
from lib import JSON, NDJSON, Server, stele

PLANS = "/api/v1/logs/pay/purge-plans"


def put_log(server, name="pay", **policy):
    answer = server.request("PUT", f"/api/v1/logs/{name}", json.dumps(policy), JSON)
    assert answer.status == 201, answer.body
    return answer.json()


def append(server, first, last, log="pay"):
    lines = "".join(f'{{"i":{i}}}\n' for i in range(first, last + 1))
    answer = server.post(f"/api/v1/logs/{log}/records", lines, NDJSON)
    assert answer.status == 201, answer.body
    return answer.json()


def plan(server, path=PLANS, **body):
    answer = server.post(path, json.dumps(body), JSON)
    assert answer.status == 201, answer.body
    return answer.json()


def approve(server, made, path=PLANS, client=None):
    return (client or server).post(f"{path}/{made['id']}/approve",
                                   json.dumps({"digest": made["digest"]}), JSON)


class Purge(unittest.TestCase):
    def test_what_is_over_goes_and_everything_else_stays(self):
        with Server() as server:
            put_log(server, retain={"default": "1s"})
            append(server, 1, 300)
            early = plan(server)
            self.assertEqual((early["go"]["records"], early["stay"]["retention"]), (0, 300))
            self.assertIn("next", early)
            self.assertEqual(problem(approve(server, early)), (409, "plan-conflict"))
            time.sleep(1.1)
            append(server, 301, 310)
            made = plan(server)
            self.assertEqual(made["go"]["ranges"], [[1, 300]])
            self.assertEqual(made["stay"], {"retention": 10, "hold": 0, "event": 0, "control": 1,
                                            "unlocked": 0, "bytes": made["stay"]["bytes"]})
            self.assertTrue(made["complete"])
            before = server.get("/api/v1/logs/pay/proof/inclusion?index=7&size=311").json()
            done = approve(server, made)
            self.assertEqual(done.status, 200, done.body)
            done = done.json()
            self.assertEqual((done["records"], done["destroyed"]), (300, True))
            for i in (1, 150, 300):
                answer = server.get(f"/api/v1/logs/pay/records/{i}")
                self.assertEqual(problem(answer), (410, "purged"))
                self.assertEqual(answer.json()["purge"], done["entry"])
            self.assertEqual(server.get("/api/v1/logs/pay/records/301").body, b'{"i":301}')
            after = server.get("/api/v1/logs/pay/proof/inclusion?index=7&size=311").json()
            self.assertEqual(before["proof"], after["proof"])
            again = plan(server)
            self.assertEqual(again["gone"], 300)
            self.assertIn(again["go"]["ranges"], ([], [[301, 310]]))

    def test_a_hold_wins(self):
        pass


if __name__ == "__main__":
    unittest.main()
