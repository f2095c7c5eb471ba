#!/usr/bin/env python3
"""Queries over more logs than a cursor has room for, against the reference: some hundred logs of random sizes, filled by
many at once, in the WAL and sealed, forward and backward, at several page sizes; what comes in between the pages; cursors.

STELE_QUERY_SEED says with which seed, STELE_MANY_LOGS over how many logs (260).
"""
import csv
import io
import json
import os
import random
import sys
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import query_api_test as api  # noqa: E402
import query_cases as cases  # noqa: E402
import query_reference as ref  # noqa: E402
from lib import JSON, NDJSON, Client, Server, stele  # noqa: E402

LOGS = [f"log-{n:04}" for n in range(int(os.environ.get("STELE_MANY_LOGS", "260")))]
WRITERS = 8
RARE, COMMON, NONE = 'rare = "yes"', "n >= 0", 'rare = "never"'


def event(chance):
    """One line of JSON."""
    if chance.random() < 0.5:
        return json.dumps({"n": chance.randrange(100), "rare": "yes" if chance.random() < 0.01 else "no"}).encode()
    while True:
        payload = cases.event(chance, api.SCHEMAS, ref.path_of)
        try:
            return json.dumps(json.loads(payload), ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            pass


class Many(api.Case):
    @classmethod
    def setUpClass(cls):
        cls.random = random.Random(f"{api.SEED} {cls.__name__}")
        cls.server = Server().start()
        cls.records = {}
        cls.at_once(lambda client, chance, log: client.request("PUT", f"/api/v1/logs/{log}", b'{"mode":"none"}', JSON), LOGS)
        cls.server.create_log("apart")  # no pattern of these has it
        cls.fill(1200)

    @classmethod
    def at_once(cls, do, items):
        """do(client, random, item) for each, by several connections at once, so that commits are of several logs."""
        items, failed = iter(list(items)), []

        def run(seed):
            client, chance = cls.server.connect(), random.Random(seed)
            for item in items:
                answer = do(client, chance, item)
                if answer.status not in (200, 201):
                    failed.append((item, answer))
            client.close()

        threads = [threading.Thread(target=run, args=(cls.random.random(),)) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed

    @classmethod
    def append(cls, batches):
        def post(client, chance, log):
            # a few logs get most, most a few, and some nothing
            body = b"\n".join(event(chance) for _ in range(chance.choice([1, 1, 2, 5, 30])))
            return client.request("POST", f"/api/v1/logs/{log}/records", body, NDJSON)

        some = LOGS[::3] * 2 + LOGS[:9] * 20
        cls.at_once(post, [cls.random.choice(some) for _ in range(batches)])

    @classmethod
    def fill(cls, batches):
        cls.append(batches)
        cls.learn()

    @classmethod
    def learn(cls):
        """What each log has, asked log by log."""
        cls.records = {}

        def read(client, _, log):
            parameters = {"limit": 1000}
            while True:
                answer = client.get(f"/api/v1/logs/{log}/records?" + "&".join(f"{k}={v}" for k, v in parameters.items()))
                page = answer.json()
                for row in page["records"]:
                    payload = row["payload"].encode()
                    key = log, row["index"]
                    cls.records[key] = ref.Record(payload, api.ns_of(row["receive_time"]), row["writer"], api.SCHEMAS)
                if "next" not in page:
                    return answer
                parameters["cursor"] = page["next"]

        cls.at_once(read, LOGS)

    def rows(self, page):
        return [(api.ns_of(r["receive_time"]), r["log"], r["index"]) for r in page["records"]]

    def check(self, text, logs="log-*", names=LOGS, **more):
        tree = ref.parse(text.encode())
        found, unparsed, scanned = self.expected(tree, set(names))
        order = more.setdefault("order", self.random.choice(["asc", "desc"]))
        more.setdefault("limit", self.random.choice([1000, 211, 40]))
        more.setdefault("index", self.random.choice(["true", "true", "false"]))
        got = self.pages(filter=text, logs=logs, view="summary", **more)
        self.assertEqual(self.rows(got), found[::-1] if order == "desc" else found, (text, more))
        self.assertEqual((got["scanned"], got["matched"], got["unparsed"]), (scanned, len(found), unparsed), (text, more))
        self.assertTrue(got["complete"])
        self.assertEqual(got["log_count"], len(names))
        self.assertNotIn("logs", got)
        return found

    def check_all(self):
        for order in ("asc", "desc"):
            self.check(COMMON, order=order, limit=1000)
            self.check(COMMON, order=order, limit=37)
            self.check(NONE, order=order)
            self.assertGreater(len(self.check(RARE, order=order, limit=5)), 10)
            self.check(RARE, order=order, limit=1)
        for _ in range(20):
            self.check(self.filter()[0])
        some = LOGS[5:130]
        self.check(COMMON, logs=",".join(some), names=some)
        self.check(COMMON, logs="log-00*,log-0100", names=[*LOGS[:100], LOGS[100]])


class Stages(Many):
    """One store's life: what is found stays the same however it lies."""

    def test_1_in_the_wal(self):
        self.check_all()

    def test_2_partly_sealed(self):
        for log in self.random.sample(LOGS, len(LOGS) // 2):
            self.assertEqual(self.server.post(f"/api/v1/logs/{log}/seal", b"").status // 100, 2)
        self.check_all()

    def test_3_sealed_with_more_behind(self):
        self.fill(300)
        self.check_all()

    def test_4_after_a_restart(self):
        self.server.stop()
        self.server.start()
        self.check_all()


if __name__ == "__main__":
    unittest.main()
