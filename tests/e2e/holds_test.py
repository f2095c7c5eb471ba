#!/usr/bin/env python3
"""Legal holds: what is under one stays until all are released."""
import json
import time
import unittest

from hold_case import ALICE, BOB, BY_ALICE, HOLDS, Case, SystemLogs, now
from lib import JSON, stele


class Cases(Case):
    """worm.md section 5, by name."""

    def test_hold_plus_expired_retention(self):
        self.server.create_log("short", {"retain": {"default": "1s"}})
        first, second = self.append(ALICE, BOB, log="short")
        hold = self.place(logs=["short"], range=[first, first])
        log = self.log("short")
        while log.entries[second]["retain_until"] >= now():
            time.sleep(0.05)
        self.assertTrue(log.locked(first, now()))
        self.assertFalse(log.locked(second, now()))
        self.assertLess(log.entries[first]["retain_until"], now())
        self.released(hold)
        self.assertFalse(self.log("short").locked(first, now()))

    def test_two_holds_and_one_released(self):
        (index,) = self.append(ALICE)
        one, two = self.place(range=[index, index]), self.place(logs=["*"])
        self.assertEqual(self.log().by(index), {one, two})
        self.released(one)
        self.assertEqual(self.log().by(index), {two})
        self.assertTrue(self.log().locked(index, now()))
        self.released(two)
        self.assertFalse(self.log().locked(index, now()))
        self.refused(self.release(two), 409, "hold-conflict")
        self.agree()

    def test_a_hold_on_a_range_still_growing(self):
        self.append(ALICE, ALICE)
        hold = self.place(range=[1, 6])
        self.assertEqual(self.show(hold)["covered"]["records"], 3)
        self.append(*[BOB] * 5)
        log = self.log()
        self.assertEqual(log.held(hold), [1, 2, 4, 5, 6])
        self.assertEqual(self.show(hold)["covered"]["records"], 6)
        self.assertEqual(log.by(7), set())
        open_range = self.place(range=[5, None], open_ended=True)
        (later,) = self.append(BOB)
        self.assertEqual(self.log().held(open_range), [5, 6, 7, 8, later])
        self.agree()

    def test_a_hold_over_12_logs_in_one_commit(self):
        logs = [f"k8s-{i}" for i in range(12)]
        for log in logs:
            self.server.create_log(log)
            self.append(ALICE, log=log)
        answer = self.ask(logs=["k8s-*"]).json()
        self.assertEqual([c["log"] for c in answer["covers"]], sorted(logs))
        self.assertEqual(answer["covered"], {"logs": 12, "records": 24, "pending": 0, "purged": 0})
        times = {self.log(log).entries[2]["time"] for log in logs}
        self.assertEqual(times, {answer["placed"]})
        self.assertEqual(self.log().controls, [])

    def test_a_filter_hold_and_an_unparsed_record(self):
        matching = self.append(ALICE, ALICE)
        other = self.append(BOB)
        unparsed = self.stored(self.server.post("/api/v1/logs/payments/records", b"no JSON"))
        hold = self.place(filter=BY_ALICE)
        shown = self.examined(hold)
        log = self.log()
        self.assertEqual(log.held(hold), [*matching, unparsed])
        self.assertEqual(log.by(other[0]), set())
        self.assertEqual((shown["covered"]["records"], shown["covered"]["pending"]), (3, 0))
        self.append(ALICE)
        self.assertEqual(self.log().held(hold), [*matching, unparsed])
        (act,) = SystemLogs(self.server).of_type("hold.cover")
        self.assertEqual((act["matched"], act["unparsed"], act["done"]), (2, 1, True))

    def test_a_filter_hold_holds_everything_until_it_is_examined(self):
        self.append(*[BOB] * 3)
        hold = self.place(filter=BY_ALICE)
        first = self.log().controls[0][1]
        self.assertEqual((first["ranges"], first["open_from"]), ([], 0))
        self.assertEqual(self.examined(hold)["covered"]["records"], 0)
        self.assertEqual(self.log().held(hold), [])

    def test_later_records_are_held_until_they_are_examined(self):
        hold = self.place(filter=BY_ALICE, open_ended=True)
        self.examined(hold)
        bob, alice = self.append(BOB, ALICE)
        said = self.show(hold)["covers"][0]
        self.assertTrue(said["examined"] > alice or said["pending"] >= 2, said)
        self.examined(hold, alice + 1)
        log = self.log()
        self.assertEqual(log.held(hold), [alice])
        self.assertEqual(log.by(bob), set())
        size = len(log.entries)
        time.sleep(2.5)  # nothing came: nothing is written
        self.assertEqual(len(self.log().entries), size)

    def test_events_in_a_span_of_time_and_what_has_no_time_of_its_own(self):
        event = {"specversion": "1.0", "id": "1", "source": "a", "type": "t"}
        inside, outside = self.append({**event, "time": "2020-02-01T00:00:00Z"},
                                      {**event, "time": "2021-02-01T00:00:00Z"})
        unparsed = self.stored(self.server.post("/api/v1/logs/payments/records", b"today"))
        hold = self.place(**{"from": "2020-01-01", "to": "2020-12-31"})
        self.examined(hold)
        self.assertEqual(self.log().held(hold), [inside])
        today = self.place(**{"from": "2025-01-01"})
        self.examined(today)
        self.assertEqual(self.log().held(today), [unparsed])
        self.assertEqual(self.log().by(outside), set())

    def test_append_with_a_hold_and_no_retention_still_gets_the_default(self):
        self.server.create_log("kept", {"retain": {"default": "7y"}})
        hold = self.place(logs=["kept"], range=[0, 0])
        (index,) = self.append(ALICE, log="kept", headers={"Stele-Legal-Hold": hold})
        log = self.log("kept")
        self.assertEqual(log.entries[index]["retain_until"][:4],
                         str(int(log.entries[index]["time"][:4]) + 7))
        self.assertEqual(log.by(index), {hold})
        self.assertEqual(log.entries[index + 1]["kind"], "hold")
        self.assertEqual(log.entries[index + 1]["time"], log.entries[index]["time"])
        self.agree()

    def test_holds_on_and_off_as_in_s3(self):
        """A legal hold is on or off whatever the retention is; off does not end the other; it
        may be on again; it is the record's own."""
        (index, other) = self.append(ALICE, BOB)
        for _ in range(3):
            hold = self.place(records=[[index, index]])
            self.assertEqual(self.log().by(index), {hold})
            self.assertEqual(self.log().by(other), set())
            self.released(hold)
            self.assertEqual(self.log().by(index), set())
        self.server.create_log("kept", {"retain": {"default": "1y"}})
        (index,) = self.append(ALICE, log="kept")
        self.released(self.place(logs=["kept"]))
        self.assertTrue(self.log("kept").locked(index, now()))


class Places(Case):
    def test_later_logs_are_born_under_open_ended_holds_that_match(self):
        hold = self.place(logs=["*"], open_ended=True)
        other = self.place(logs=["k8s-*"], open_ended=True)
        closed = self.place(logs=["*"])
        self.server.create_log("k8s-new")
        (index,) = self.append(ALICE, log="k8s-new")
        log = self.log("k8s-new")
        self.assertEqual(log.by(index), {hold, other})
        self.assertEqual({log.entries[i]["time"] for i in range(3)}, {log.entries[0]["time"]})
        (made,) = [a for a in SystemLogs(self.server).of_type("log.create")
                   if a["log"] == "k8s-new"]
        self.assertEqual(set(made["holds"]), {hold, other})
        self.assertEqual(self.log("_system").controls, [])
        self.assertEqual([h["id"] for h in self.listed("?log=k8s-new")], sorted([hold, other]))
        self.released(hold)
        self.assertEqual(self.log("k8s-new").by(index), {other})
        self.assertNotIn(closed, self.log("k8s-new").holds)
        self.agree()

    def test_logs_that_are_not_ones_own_are_refused_and_nothing_is_written(self):
        self.server.create_log("secret")
        client = self.client([{"scopes": ["hold"], "logs": ["pay*"]}])
        self.refused(self.ask(client, logs=["*"]), 403, "insufficient-scope")
        self.refused(self.ask(client, logs=["payments", "secret"]), 403, "insufficient-scope")
        self.assertEqual(self.ask(client, logs=["payments"]).status, 201)
        # one that matches nothing else today would catch others' logs tomorrow
        self.refused(self.ask(client, logs=["p*"], open_ended=True), 403, "insufficient-scope")
        self.assertEqual(self.ask(client, logs=["pay*"], open_ended=True).status, 201)
        mine = self.place(logs=["secret"])
        body = json.dumps({"principal": self.show(mine)["by"], "scopes": ["hold"],
                           "logs": ["pay*"], "expires": "1d"})
        token = self.server.post("/api/v1/tokens", body, JSON).json()["token"]
        narrowed = self.server.connect(token)
        self.refused(self.ask(narrowed, logs=["p*"], open_ended=True), 403, "insufficient-scope")
        narrowed.close()
        self.refused(client.get(f"{HOLDS}/{mine}"), 404, "unknown-hold")
        self.refused(self.release(mine, client), 404, "unknown-hold")
        wide = self.place(logs=["*"])
        self.refused(self.release(wide, client), 403, "insufficient-scope")
        self.assertEqual(client.get(HOLDS + "?log=secret").status, 404)
        self.assertEqual({h["id"] for h in client.get(HOLDS).json()["holds"]},
                         {h["id"] for h in self.listed() if h["id"] != mine})
        self.assertEqual(len(self.log("secret").controls), 2)
        self.agree()

    def test_what_is_no_hold_is_refused(self):
        self.append(ALICE)
        for members, status, name in [
                ({"logs": []}, 422, "invalid-hold"), ({"logs": ["A"]}, 422, "invalid-hold"),
                ({"logs": ["nope"]}, 404, "unknown-log"), ({"logs": ["nope*"]}, 404, "unknown-log"),
                ({"matter": ""}, 422, "invalid-hold"), ({"matter": "a\nb"}, 422, "invalid-hold"),
                ({"name": "x" * 128}, 422, "invalid-hold"), ({"reason": None}, 422, "invalid-hold"),
                ({"owner": 7}, 422, "invalid-hold"), ({"id": "h-aaaaaaaaaa"}, 422, "invalid-hold"),
                ({"mapping": "x"}, 422, "invalid-hold"), ({"bogus": 1}, 422, "invalid-hold"),
                ({"range": [3, 1]}, 422, "invalid-hold"), ({"range": [1]}, 422, "invalid-hold"),
                ({"range": [99, None]}, 422, "invalid-hold"),
                ({"range": [0, 1], "records": [[0, 0]]}, 422, "invalid-hold"),
                ({"range": [0, 1], "open_ended": True}, 422, "invalid-hold"),
                ({"range": [0, 1], "logs": ["pay*"]}, 422, "invalid-hold"),
                ({"records": [[1, 2], [2, 3]]}, 422, "invalid-hold"),
                ({"records": [[0, 0]], "open_ended": True}, 422, "invalid-hold"),
                ({"filter": ""}, 422, "invalid-hold"), ({"filter": "a ="}, 422, "invalid-hold"),
                ({"filter": "a = 1", "range": [0, 1]}, 422, "invalid-hold"),
                ({"from": "yesterday"}, 422, "invalid-hold"),
                ({"from": "2020-01-02", "to": "2020-01-01"}, 422, "invalid-hold"),
                ({"review_by": "2020-01-32"}, 422, "invalid-hold"),
                ({"open_ended": "yes"}, 422, "invalid-hold")]:
            with self.subTest(members):
                self.refused(self.ask(**members), status, name)
        self.refused(self.server.post(HOLDS, b"[]", JSON), 422, "invalid-hold")
        self.refused(self.server.get(HOLDS + "/h-aaaaaaaaaa"), 404, "unknown-hold")
        self.refused(self.release("h-aaaaaaaaaa"), 404, "unknown-hold")
        self.refused(self.server.post(f"{HOLDS}/x/release", b"{}", JSON), 422, "invalid-hold")
        self.refused(self.server.get(HOLDS + "?state=x"), 400, "invalid-parameter")
        self.assertEqual(self.log().controls, [])
        self.assertEqual(self.listed(), [])

    def test_a_large_set_spans_several_entries_in_one_commit(self):
        ranges = [[2 * i, 2 * i] for i in range(10000)]
        answer = self.ask(records=ranges)
        self.assertEqual(answer.status, 201, answer.body)
        log = self.log()
        self.assertEqual([len(c["ranges"]) for _, c in log.controls], [4096, 4096, 1808])
        self.assertEqual(len({e["time"] for e in log.entries[1:]}), 1)
        self.restart()
        self.append(*[BOB] * 3)
        self.assertEqual(self.log().held(answer.json()["id"]), [4, 6])
        self.released(answer.json()["id"])

    def test_the_filters_text_is_in_no_entry_that_stays(self):
        self.append(ALICE)
        hold = self.place(filter=BY_ALICE)
        self.examined(hold)
        for _, control in self.log().controls:
            self.assertNotIn("alice", json.dumps(control))
            self.assertEqual(len(control["filter"]), 24)
        again = self.place(filter=BY_ALICE)
        digests = {c["filter"] for _, c in self.log().controls}
        self.assertEqual(len(digests), 1)
        self.assertEqual(self.show(again)["filter"], BY_ALICE)

    def test_holds_are_listed_by_matter_log_and_state_page_by_page(self):
        self.server.create_log("other")
        holds = [self.place(matter=f"Case {i % 2}", logs=[["payments", "other"][i % 2]])
                 for i in range(5)]
        self.released(holds[0])
        self.assertEqual([h["id"] for h in self.listed()], sorted(holds[1:]))
        self.assertEqual([h["id"] for h in self.listed("?state=released")], holds[:1])
        self.assertEqual({h["id"] for h in self.listed("?matter=Case%201")}, {holds[1], holds[3]})
        self.assertEqual({h["id"] for h in self.listed("?log=payments")}, {holds[2], holds[4]})
        self.assertEqual({h["id"] for h in self.listed("?log=payments&state=all")},
                         {holds[0], holds[2], holds[4]})
        seen, after = [], ""
        while True:
            page = self.server.get(f"{HOLDS}?state=all&limit=2{after}").json()
            seen += [h["id"] for h in page["holds"]]
            if "next" not in page:
                break
            after = "&after=" + page["next"]
        self.assertEqual(seen, sorted(holds))


class CommandLine(Case):
    def run_cli(self, *arguments, status=0):
        run = stele("hold", *arguments, server=self.server)
        self.assertEqual(run.returncode, status, run.stderr)
        return run

    WHY = ["--matter", "Case 7", "--name", "Smith", "--reason", "Litigation expected"]

    def test_a_hold_is_placed_waited_for_shown_and_released(self):
        self.append(*[ALICE, BOB] * 50)
        run = self.run_cli("place", "payments", *self.WHY, "--filter", BY_ALICE, "--json")
        placed = json.loads(run.stdout)
        self.assertFalse(placed["examining"])
        self.assertEqual(placed["covered"]["records"], 50)
        table = self.run_cli("show", placed["id"]).stdout
        self.assertIn("EXAMINED", table)
        self.assertRegex(table, r"payments +50 +0 +101 +0\n")
        rows = self.run_cli("list", "--log", "payments").stdout.splitlines()
        self.assertEqual(len(rows), 2)
        self.assertIn(placed["id"], rows[1])
        self.run_cli("release", placed["id"], "--reason", "It is over")
        self.assertEqual(self.run_cli("list", "--json").stdout, '{"holds":[]}\n')
        self.assertIn("released", self.run_cli("list", "--all").stdout)

    def test_exit_codes(self):
        self.run_cli("place", "nope", *self.WHY, status=1)
        self.run_cli("release", "h-aaaaaaaaaa", "--reason", "x", status=1)
        self.run_cli("place", "payments", "--matter", "m", status=3)
        self.run_cli("place", "payments", *self.WHY, "--range", "7-x", status=3)
        self.run_cli("place", "payments", *self.WHY, "--records", "1,,x", status=3)
        self.run_cli("release", "h-aaaaaaaaaa", status=3)
        self.server.kill()
        self.run_cli("list", status=4)
        self.server.start()
        run = self.run_cli("place", "payments", *self.WHY, "--records", "0,2-4")
        self.assertIn("[[0,0],[2,4]]", run.stdout)


if __name__ == "__main__":
    unittest.main()
