#!/usr/bin/env python3
"""Exports as resources: what may be asked, who may, what is in the bundle, and what ends it.

What bundles a verifier refuses is the verifiers' to test; here each is valid, opens in other people's tools, its digests
hold, and it has exactly the records that were asked for. (export_test.py is about long reads of a log.)
"""
import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from bundle_files import Bundle
from http_case import problem
from lib import JSON, NDJSON, Client, Clock, Server, stele, until

EXPORTS = "/api/v1/exports"


class Case(unittest.TestCase):
    options = []
    clock = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-exports-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.server = Server(self.folder / "data", ["--min-free", "0", *self.options],
                             env=self.clock and self.clock.env).start()
        self.addCleanup(lambda: self.server.running() and self.server.kill())
        self.server.create_log("pay")

    def append(self, events, log="pay"):
        lines = "".join((e if isinstance(e, str) else json.dumps(e)) + "\n" for e in events)
        answer = self.server.post(f"/api/v1/logs/{log}/records", lines, NDJSON)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()

    def person(self, *grants):
        body = {"kind": "person", "token": {},
                "grants": [{"scopes": list(s), "logs": list(logs)} for s, logs in grants]}
        answer = self.server.post("/api/v1/principals", json.dumps(body), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        made = answer.json()
        client = Client(self.server.port, made["token"])
        self.addCleanup(client.close)
        client.id = made["id"]
        return client

    def ask(self, client=None, **body):
        return (client or self.server).post(EXPORTS, json.dumps(body), JSON)

    def begin(self, client=None, **body):
        answer = self.ask(client, **body)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["id"]

    def show(self, name, client=None):
        answer = (client or self.server).get(f"{EXPORTS}/{name}")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def ended(self, name, client=None):
        until(lambda: self.show(name, client)["state"] not in ("waiting", "running"), name, 120)
        return self.show(name, client)

    def bundle(self, client=None, **body):
        """Made, downloaded, and what the server says of it is what came."""
        shown = self.ended(self.begin(client, **body), client)
        self.assertEqual(shown["state"], "finished", shown)
        answer = (client or self.server).get(f"{EXPORTS}/{shown['id']}/bundle")
        self.assertEqual(answer.status, 200, answer.body[:200])
        self.assertEqual(hashlib.sha256(answer.body).hexdigest(), shown["sha256"])
        self.assertEqual(len(answer.body), shown["bytes"])
        found = Bundle(answer.body)
        self.assertEqual(found.json["export"], shown["id"])
        self.assertEqual(found.json["request"], shown["request"])
        for row in shown["logs"]:
            said = found.log(row["log"])
            self.assertEqual({k: said[k] for k in row if k != "log"}, {k: v for k, v in row.items() if k != "log"})
        found.shown = shown
        self.verify(answer.body)
        return found

    def verify(self, data):
        """A stranger's look at it, with the key alone."""
        file = self.folder / "verify.zip"
        file.write_bytes(data)
        run = stele("verify", file, "--key", self.server_key())
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        file.unlink()

    def server_key(self):
        return stele("key", "show", server=self.server).stdout.strip()

    def entries(self, log="pay"):
        """What GET says of each record's entry."""
        size = self.server.get(f"/api/v1/logs/{log}").json()["size"]
        return [json.loads(self.server.get(f"/api/v1/logs/{log}/records/{i}",
                                           {"Accept": "application/json"}).json()["entry"])
                for i in range(size)]


class Asked(Case):
    """Each way to say what."""

    def test_a_whole_log(self):
        self.append([{"n": i} for i in range(1, 600)])
        bundle = self.bundle(logs=["pay"], reason="Case 7")
        records = bundle.records("pay")
        self.assertEqual(list(records), list(range(600)))
        self.assertEqual(json.loads(records[599]["payload"]), {"n": 599})
        self.assertEqual(bundle.json["kind"], "range")
        self.assertEqual(bundle.json["reason"], "Case 7")
        self.assertEqual(bundle.custody(), [("export.begin", bundle.json["export"])])
        self.assertEqual(bundle.withheld("pay"), {})

    def test_ranges_by_index(self):
        self.append([{"n": i} for i in range(1, 20)])
        bundle = self.bundle(logs=["pay"], first=3, last=7)
        self.assertEqual([i for i, r in bundle.records("pay").items() if "salt" in r], [3, 4, 5, 6, 7])
        self.assertEqual(list(self.bundle(logs=["pay"], first=18).records("pay"))[-2:], [18, 19])

    def test_ranges_by_time_show_their_neighbours(self):
        for n in range(1, 6):
            self.append([{"n": n}])
            time.sleep(0.01)
        times = [e["time"] for e in self.entries()]
        bundle = self.bundle(logs=["pay"], received_from=times[2], received_to=times[4])
        self.assertEqual(list(bundle.records("pay")), [1, 2, 3, 4])
        self.assertEqual(bundle.withheld("pay"), {"not_requested": [1, 4]})
        bundle = self.bundle(logs=["pay"], received_from=times[1])
        self.assertEqual(list(bundle.records("pay")), [0, 1, 2, 3, 4, 5])  # 0 is a control entry
        self.assertEqual(bundle.withheld("pay"), {})
        nothing = self.bundle(logs=["pay"], received_from=times[2], received_to=times[2])
        self.assertEqual(nothing.withheld("pay"), {"not_requested": [1, 2]})
        after = self.bundle(logs=["pay"], received_from="2200-01-01")
        self.assertEqual(after.withheld("pay"), {"not_requested": [5]})

    def test_selections(self):
        self.append([{"specversion": "1.0", "id": str(i), "source": "s", "type": "t",
                      "subject": "alice" if i % 3 == 0 else "bob", "n": i} for i in range(1, 301)])
        want = list(range(3, 301, 3))
        bundle = self.bundle(logs=["pay"], filter='subject = "alice"')
        self.assertEqual(list(bundle.records("pay")), want)
        self.assertEqual(bundle.json["kind"], "selection")
        bundle = self.bundle(logs=["pay"], filter='subject = "alice"', records={"pay": [3, [4, 7], 9]})
        self.assertEqual(list(bundle.records("pay")), [3, 6, 9])
        bundle = self.bundle(logs=["pay"], records={"pay": [[7, 9], 2]})
        self.assertEqual(list(bundle.records("pay")), [2, 7, 8, 9])
        self.assertEqual(bundle.shown["request"]["records"], {"pay": [[2, 2], [7, 9]]})
        bundle = self.bundle(logs=["pay"], filter='subject = "nobody"')
        self.assertEqual((list(bundle.records("pay")), bundle.json["logs"][0]["entries"]), ([], 0))
        run = self.bundle(logs=["pay"], kind="range", first=3, last=6, filter='subject = "alice"')
        self.assertEqual(run.withheld("pay"), {"not_requested": [4, 5]})

    def test_simple_terms_become_one_filter(self):
        self.append(['{"specversion":"1.0","id":"1","source":"s","type":"t","actor":"x"}'])
        bundle = self.bundle(logs=["pay"], actor=["alice", "bob"], event_type="t", filter="n = 1",
                             **{"from": "2026-01-01", "to": "2027-01-01"})
        said = bundle.shown["request"]
        for part in ('actor = "alice"', 'actor = "bob"', 'event_type = "t"', "n = 1", "2026-01-01", "2027-01-01"):
            self.assertIn(part, said["filter"])
        self.assertEqual((said["from"], said["to"]),
                         ("2026-01-01T00:00:00.000000000Z", "2027-01-01T00:00:00.000000000Z"))
        self.assertNotIn("actor", said)

    def test_a_certificate_comes_with_the_selection(self):
        self.append([{"user": {"name": "alice" if i % 7 == 0 else "bob"}} for i in range(1, 700)])
        self.server.post("/api/v1/logs/pay/seal", None)
        self.append([{"user": {"name": "alice"}}])
        bundle = self.bundle(logs=["pay"], filter='user.name = "alice"', certify=True)
        text = bundle.files["data/certificate.search"].decode()
        self.assertIn("stele search v1\n", text)
        self.assertIn(f"\nmatched {len(bundle.records('pay'))}\n", text)
        self.assertIn(f"\nsize {bundle.log('pay')['size']}\n", text)
        self.assertEqual(len(bundle.records("pay")), 99 + 1)

    def test_what_holds_cover(self):
        self.server.create_log("other")
        self.append([{"n": i} for i in range(1, 10)])
        self.append([{"n": i} for i in range(1, 4)], log="other")
        place = {"matter": "Case 7", "name": "a", "reason": "r"}
        hold = self.server.post("/api/v1/holds", json.dumps({**place, "logs": ["pay"], "range": [2, 4]}), JSON).json()
        self.server.post("/api/v1/holds", json.dumps({**place, "logs": ["other"]}), JSON)
        bundle = self.bundle(hold=hold["id"])
        self.assertEqual([row["log"] for row in bundle.json["logs"]], ["pay"])
        self.assertEqual(list(bundle.records("pay")), [2, 3, 4])
        bundle = self.bundle(matter="Case 7")
        self.assertEqual([row["log"] for row in bundle.json["logs"]], ["other", "pay"])
        self.assertEqual(list(bundle.records("pay")), [2, 3, 4])
        self.assertEqual([i for i, r in bundle.records("other").items()
                          if json.loads(r["entry"])["kind"] == "record"], [1, 2, 3])
        self.server.post("/api/v1/holds", json.dumps({**place, "matter": "later", "logs": ["other"], "open_ended": True}), JSON)
        self.append([{"n": 9}], log="other")
        self.assertIn(b'{"n": 9}', [r["payload"] for r in self.bundle(matter="later").records("other").values()])
        self.server.post(f"/api/v1/holds/{hold['id']}/release", '{"reason":"r"}', JSON)
        self.assertEqual(problem(self.ask(hold=hold["id"])), (404, "unknown-hold"))

    def test_several_logs_growth_and_large_payloads(self):
        size = self.append([{"n": 1}])["last"] + 1
        self.server.create_log("big")
        large = os.urandom(70000)
        answer = self.server.post("/api/v1/logs/big/records", large, {"Content-Type": "application/octet-stream"})
        self.assertEqual(answer.status, 201)
        self.append([{"n": 2}])
        bundle = self.bundle(logs=["*"], since={"pay": [size]})
        self.assertEqual([row["log"] for row in bundle.json["logs"]], ["big", "pay"])
        self.assertEqual(bundle.records("big")[1]["payload"], large)
        self.assertIn("data/big/files/000000000000001.bin", bundle.files)
        self.assertEqual([line["from"] for line in bundle.lines("data/pay/consistency.ndjson")], [size])
        self.assertNotIn("data/big/consistency.ndjson", bundle.files)

    def test_what_is_no_export_is_refused(self):
        self.append([{"n": 1}])
        for body, want in (
                ({}, "invalid-export"), ({"logs": []}, "invalid-export"), ({"logs": ["pay"], "first": 2}, "invalid-export"),
                ({"logs": ["pay"], "last": 2}, "invalid-export"), ({"logs": ["pay"], "first": 1, "last": 0}, "invalid-export"),
                ({"logs": ["pay"], "kind": "all"}, "invalid-export"), ({"logs": ["pay"], "kind": "selection"}, "invalid-export"),
                ({"logs": ["pay"], "first": 0, "received_from": "2026-01-01"}, "invalid-export"),
                ({"logs": ["pay"], "received_from": "soon"}, "invalid-export"),
                ({"logs": ["pay"], "received_from": "2026-01-02", "received_to": "2026-01-01"}, "invalid-export"),
                ({"logs": ["pay"], "records": {"pay": [2]}}, "invalid-export"),
                ({"logs": ["pay"], "records": {"other": [1]}}, "invalid-export"),
                ({"logs": ["pay"], "records": {"pay": [1, [0, 1]]}}, "invalid-export"),
                ({"logs": ["pay"], "certify": True}, "invalid-export"),
                ({"logs": ["pay"], "filter": "a = 1", "certify": True, "records": {"pay": [1]}}, "invalid-export"),
                ({"logs": ["pay"], "since": {"pay": [9]}}, "invalid-export"), ({"logs": ["pay"], "since": {"pay": [0]}}, "invalid-export"),
                ({"logs": ["pay"], "reason": ""}, "invalid-export"), ({"logs": ["pay"], "user": "x"}, "invalid-export"),
                ({"logs": ["no-such*"]}, "invalid-export"), ({"logs": ["pay"], "actor": 7}, "invalid-export"),
                ({"logs": ["pay"], "filter": "a ="}, "invalid-filter"), ({"logs": ["nonesuch"]}, "unknown-log"),
                ({"logs": ["pay"], "hold": "h-aaaaaaaaaa"}, "unknown-hold")):
            with self.subTest(body=body):
                self.assertEqual(problem(self.ask(**body))[1], want)
        listed = self.server.get(f"{EXPORTS}?state=all").json()["exports"]
        self.assertEqual(listed, [])


class Allowed(Case):
    """Who may."""

    def test_scopes(self):
        self.server.create_log("other")
        self.append([{"user": "alice"}])
        reader = self.person((["export", "read"], ["pay"]))
        blind = self.person((["export"], ["pay"]))
        stranger = self.person((["read", "verify"], ["*"]), (["export"], ["other"]))
        self.assertEqual(problem(self.ask(stranger, logs=["pay"])), (403, "insufficient-scope"))
        self.assertEqual(problem(self.ask(blind, logs=["pay"], filter="a = 1")), (403, "insufficient-scope"))
        self.assertEqual(problem(self.ask(reader, logs=["pay", "other"])), (403, "insufficient-scope"))
        patterns = self.bundle(reader, logs=["*"])
        self.assertEqual([row["log"] for row in patterns.json["logs"]], ["pay"])
        self.assertEqual(patterns.json["requester"], reader.id)
        hidden = self.bundle(blind, logs=["pay"])
        self.assertEqual(hidden.withheld("pay"), {"not_permitted": [1]})
        self.assertEqual(hidden.log("pay")["withheld"], 1)
        # who else sees it, and may take it
        made = patterns.shown["id"]
        self.assertEqual(problem(stranger.get(f"{EXPORTS}/{made}")), (404, "unknown-export"))
        self.assertEqual(problem(stranger.get(f"{EXPORTS}/{made}/bundle")), (404, "unknown-export"))
        self.assertEqual(stranger.get(f"{EXPORTS}").json()["exports"], [])
        self.assertEqual({e["id"] for e in blind.get(EXPORTS).json()["exports"]}, {made, hidden.shown["id"]})
        self.assertEqual(problem(blind.get(f"{EXPORTS}/{made}/bundle")), (403, "insufficient-scope"))
        self.assertEqual(blind.get(f"{EXPORTS}/{hidden.shown['id']}/bundle").status, 200)
        self.assertEqual(problem(stranger.request("DELETE", f"{EXPORTS}/{made}")), (404, "unknown-export"))

    def test_what_waits_for_its_erasure_is_withheld(self):
        self.server.create_log("kept", {"retain": {"default": "7y"}})
        self.append([{"n": 1}, {"n": 2}, {"n": 3}], log="kept")
        reader = self.person((["export", "read"], ["kept"]))
        before = self.bundle(reader, logs=["kept"])
        answer = self.server.post("/api/v1/logs/kept/erasures", json.dumps({"case": "c", "records": [2]}), JSON)
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(problem(reader.get(f"{EXPORTS}/{before.shown['id']}/bundle")), (403, "restricted"))
        after = self.bundle(reader, logs=["kept"])
        self.assertEqual(after.withheld("kept"), {"restricted": [2]})
        self.assertEqual(list(self.bundle(reader, logs=["kept"], filter="n >= 1").records("kept")), [1, 3])
        holder = self.bundle(logs=["kept"])  # with the scope hold
        self.assertEqual(holder.withheld("kept"), {})

    def test_rights_that_went_meanwhile(self):
        self.append([{"n": i} for i in range(3000)])
        person = self.person((["export", "read"], ["pay"]))
        made = [self.begin(person, logs=["pay"]) for _ in range(4)]
        answer = self.server.post(f"/api/v1/principals/{person.id}/disable", "{}", JSON)
        self.assertEqual(answer.status, 200, answer.body)
        last = self.ended(made[-1])
        self.assertEqual(last["state"], "failed", last)
        self.assertIn("may not export", last["reason"])
        self.assertEqual(problem(self.server.get(f"{EXPORTS}/{made[-1]}/bundle")), (409, "export-conflict"))

    def test_reads_and_downloads_are_recorded(self):
        self.append([{"n": i} for i in range(1, 6)])
        person = self.person((["export", "read"], ["pay"]))
        shown = self.bundle(person, logs=["pay"], first=2, last=4).shown
        person.get(f"{EXPORTS}/{shown['id']}/bundle", {"Range": "bytes=10-19"})

        def found():
            page = self.server.get("/api/v1/logs/_access/records?limit=1000").json()
            return [json.loads(r["payload"]) for r in page["records"]]
        until(lambda: sum(r["type"] == "download" for r in found()) == 2, "downloads are recorded")
        by = {"principal": person.id}
        read = [r for r in found() if r["type"] == "export"]
        self.assertEqual([(r["export"], r["log"], r["count"], r["records"], r["by"]["principal"]) for r in read],
                         [(shown["id"], "pay", 3, [[2, 4]], person.id)])
        downloads = [r for r in found() if r["type"] == "download"]
        self.assertEqual([(r["export"], r["sha256"], r["from"], r["bytes"]) for r in downloads],
                         [(shown["id"], shown["sha256"], 0, shown["bytes"]), (shown["id"], shown["sha256"], 10, 10)])
        self.assertTrue(all(r["by"]["principal"] == by["principal"] for r in downloads))

    def test_earlier_exports_of_the_same_records_are_custody(self):
        self.append([{"n": i} for i in range(1, 10)])
        first = self.bundle(logs=["pay"], first=1, last=3).shown["id"]
        second = self.bundle(logs=["pay"], first=3, last=5).shown["id"]
        self.bundle(logs=["pay"], first=7, last=8)
        self.server.request("DELETE", f"{EXPORTS}/{first}")
        third = self.bundle(logs=["pay"], first=2, last=4)
        self.assertEqual(third.custody(), [("export.begin", third.shown["id"]), ("export.finish", second),
                                           ("export.finish", first)])


class Download(Case):
    def test_the_same_bytes_in_any_part(self):
        self.append([{"n": i, "x": "y" * 50} for i in range(5000)])
        bundle = self.bundle(logs=["pay"])
        path, whole = f"{EXPORTS}/{bundle.shown['id']}/bundle", bundle.data
        for first, last in ((0, 0), (1, 99), (len(whole) - 5, len(whole) - 1), (1000, len(whole) - 1)):
            part = self.server.get(path, {"Range": f"bytes={first}-{last}"})
            self.assertEqual((part.status, part.body), (206, whole[first:last + 1]))
            self.assertEqual(part.headers["content-range"], f"bytes {first}-{last}/{len(whole)}")
        self.assertEqual(self.server.get(path, {"Range": "bytes=-7"}).body, whole[-7:])
        etag = f'"{bundle.shown["sha256"]}"'
        head = self.server.request("HEAD", path)
        self.assertEqual((head.status, head.headers["content-length"], head.headers["etag"]),
                         (200, str(len(whole)), etag))
        self.assertIn(f'filename="stele-{bundle.shown["id"]}.zip"', head.headers["content-disposition"])
        self.assertEqual(self.server.get(path, {"If-None-Match": etag}).status, 304)
        self.assertEqual(self.server.get(path, {"Range": "bytes=1-2", "If-Range": '"other"'}).status, 200)
        self.assertEqual(problem(self.server.get(path, {"Range": f"bytes={len(whole)}-"})),
                         (416, "range-not-satisfiable"))
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.server.get(path).body, whole)

    def test_it_opens_in_other_tools(self):
        self.append([{"n": i} for i in range(300)])
        bundle = self.bundle(logs=["pay"])
        file = self.folder / "b.zip"
        file.write_bytes(bundle.data)
        if shutil.which("unzip"):
            run = subprocess.run(["unzip", "-tq", file], capture_output=True, text=True, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def test_list(self):
        made = sorted(self.begin(logs=["pay"]) for _ in range(5))
        for name in made:
            self.ended(name)
        page = self.server.get(f"{EXPORTS}?limit=3").json()
        self.assertEqual([e["id"] for e in page["exports"]], made[:3])
        page = self.server.get(f"{EXPORTS}?limit=3&after={page['next']}").json()
        self.assertEqual(([e["id"] for e in page["exports"]], "next" in page), (made[3:], False))
        self.server.request("DELETE", f"{EXPORTS}/{made[0]}")
        states = {s: len(self.server.get(f"{EXPORTS}?state={s}").json()["exports"])
                  for s in ("live", "finished", "removed", "failed", "all")}
        self.assertEqual(states, {"live": 4, "finished": 4, "removed": 1, "failed": 0, "all": 5})
        self.assertEqual(self.server.get(f"{EXPORTS}?state=x").status, 400)


class Ends(Case):
    """What becomes of bundles."""
    options = ["--wal-file-size", "4M"]

    def spools(self):
        folder = self.server.data / "exports"
        return sorted(p.name for p in folder.iterdir()) if folder.exists() else []

    def test_removed(self):
        self.append([{"n": 1}])
        made = self.bundle(logs=["pay"]).shown["id"]
        self.assertEqual(self.spools(), [made])
        self.assertEqual(self.server.request("DELETE", f"{EXPORTS}/{made}").status, 204)
        self.assertEqual(self.spools(), [])
        shown = self.show(made)
        self.assertEqual((shown["state"], shown["why"]), ("removed", "deleted"))
        self.assertEqual(problem(self.server.get(f"{EXPORTS}/{made}/bundle")), (410, "export-gone"))
        self.assertEqual(problem(self.server.request("DELETE", f"{EXPORTS}/{made}")), (409, "export-conflict"))
        self.assertEqual(problem(self.server.request("DELETE", f"{EXPORTS}/x-aaaaaaaaaa")), (404, "unknown-export"))

    def test_a_purge_takes_the_bundles_that_have_it(self):
        self.append([{"n": i} for i in range(1, 10)])
        with_it = self.bundle(logs=["pay"], first=2, last=5).shown["id"]
        without = self.bundle(logs=["pay"], first=7, last=8).shown["id"]
        certified = self.bundle(logs=["pay"], filter="n = 8", certify=True).shown["id"]
        blind = self.bundle(self.person((["export"], ["pay"])), logs=["pay"]).shown["id"]
        plan = self.server.post("/api/v1/logs/pay/purge-plans", '{"range":[3,4],"unlocked":true}', JSON).json()
        answer = self.server.post(f"/api/v1/logs/pay/purge-plans/{plan['id']}/approve",
                                  json.dumps({"digest": plan["digest"]}), JSON)
        self.assertEqual((answer.status, answer.json()["destroyed"]), (200, True), answer.body)
        self.assertEqual(self.spools(), sorted([without, blind]))
        for name in (with_it, certified):
            shown = self.show(name)
            self.assertEqual((shown["state"], shown["why"]), ("removed", "purged"))
        self.assertEqual(self.server.get(f"{EXPORTS}/{without}/bundle").status, 200)
        again = self.bundle(logs=["pay"], first=2, last=5)
        purged = {i: r.get("purged") for i, r in again.records("pay").items()}
        entry = answer.json()["entry"]
        self.assertEqual(purged, {2: None, 3: entry, 4: entry, 5: None})
        self.assertEqual(again.log("pay")["purged"], 2)
        self.assertEqual(self.server.kill(), -9)
        self.server.start()  # the state is what the records say
        self.assertEqual(self.show(with_it)["why"], "purged")

    def test_killed_in_the_middle_it_is_made_anew(self):
        for _ in range(10):
            self.append([{"n": i, "x": "z" * 400} for i in range(4000)])
        made = [self.begin(logs=["pay"]) for _ in range(2)]
        for name in made:
            until(lambda n=name: self.show(n)["state"] != "waiting", "it is begun", 120)
            self.server.kill()
            self.server.start()
        for name in made:
            shown = self.ended(name)
            self.assertEqual(shown["state"], "finished", shown)
            bundle = Bundle(self.server.get(f"{EXPORTS}/{name}/bundle").body)
            self.assertEqual(len(bundle.records("pay")), 40001)
        self.assertEqual(self.spools(), sorted(made))

    def test_removed_while_it_is_made(self):
        for _ in range(10):
            self.append([{"n": i, "x": "z" * 400} for i in range(4000)])
        made = [self.begin(logs=["pay"]) for _ in range(3)]
        for name in made:
            self.assertEqual(self.server.request("DELETE", f"{EXPORTS}/{name}").status, 204)
        shown = self.bundle(logs=["pay"], first=0, last=1).shown  # the thread goes on
        self.assertEqual(self.spools(), [shown["id"]])
        self.assertEqual({self.show(n)["why"] for n in made}, {"deleted"})

    def test_a_stop_does_not_wait_for_it(self):
        for _ in range(10):
            self.append([{"n": i, "x": "z" * 400} for i in range(4000)])
        made = self.begin(logs=["pay"])
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.ended(made)["state"], "finished")


class Expiry(Case):
    options = ["--export-keep", "3600"]

    def setUp(self):
        self.clock = Clock()
        self.addCleanup(self.clock.remove)
        super().setUp()

    def test_bundles_expire(self):
        self.append([{"n": 1}])
        made = self.bundle(logs=["pay"]).shown
        self.assertGreater(made["expires"], made["finished"])
        self.clock.forward(2)
        until(lambda: self.show(made["id"])["state"] == "removed", "it expires", 60)
        self.assertEqual(self.show(made["id"])["why"], "expired")
        until(lambda: not list((self.server.data / "exports").iterdir()), "its files go", 60)


class Room(Case):
    options = ["--export-bytes", "1M"]

    def test_bundles_have_a_bound(self):
        data = [base64.b64encode(os.urandom(30000)).decode() for _ in range(60)]
        self.append([{"x": x} for x in data])
        shown = self.ended(self.begin(logs=["pay"]))
        self.assertEqual(shown["state"], "failed", shown)
        self.assertIn("--export-bytes", shown["reason"])
        self.assertEqual(self.ended(self.begin(logs=["pay"], first=0, last=1))["state"], "finished")


class LowSpace(Case):
    def test_nothing_is_begun_on_a_full_disk(self):
        self.assertEqual(self.server.stop(), 0)
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize
        self.server.command += ["--min-free", str(free * 3 // 2)]  # acts go on down to half of it
        self.server.start()
        self.assertEqual(problem(self.ask(logs=["pay"])), (507, "low-space"))


if __name__ == "__main__":
    unittest.main()
