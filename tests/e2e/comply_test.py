#!/usr/bin/env python3
"""stele comply: a server that has every gap, one that has none, and each check seen to turn.

What turns a check is one fact in the answers of the server without gaps: they are recorded, and
told again with that fact changed by a server that knows nothing else."""
import copy
import json
import re
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from lib import JSON, Clock, Server, stele

PAGE = 100
DONE, GAPS, UNSEEN, USAGE, UNREACHABLE = 0, 1, 2, 3, 4
PROFILES = ("sec17a4", "hipaa", "pci")
LISTS = {"logs": "/api/v1/logs", "principals": "/api/v1/principals"}
PATHS = {**LISTS, "dual": "/api/v1/dual-control", "clock": "/api/v1/clock",
         "scrub": "/api/v1/scrub", "backup": "/api/v1/backups", "holds": "/api/v1/holds",
         "metrics": "/metrics"}
POLICY = {"mode": "compliance", "retain": {"default": "6y", "min": "6y", "max": "10y"},
          "quota": {"bytes": 1 << 40}}
ACTS = ["policy.change", "hold.release", "principal.create", "principal.change"]


def page(body, name, after):
    """As the server pages a listing: PAGE elements in order of their names."""
    key = {"logs": "log", "principals": "id"}[name]
    rows = sorted((r for r in body[name] if r[key] > after), key=lambda r: r[key])
    more = {"next": rows[PAGE - 1][key]} if len(rows) > PAGE else {}
    return {**body, name: rows[:PAGE], **more}


class Told:
    """A server that tells what it was given: answers by name, as PATHS has them."""

    def __init__(self, answers):
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                path, _, query = self.path.partition("?")
                name = next(n for n, p in PATHS.items() if p == path)
                status, body = told.answers[name]
                if name in LISTS and status == 200:
                    body = page(body, name, parse_qs(query).get("after", [""])[0])
                kind = "text/plain" if name == "metrics" else "application/json"
                text = (body if isinstance(body, str) else json.dumps(body)).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.answers = answers
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever)
        self.thread.start()

    def comply(self, *arguments):
        url = f"http://127.0.0.1:{self.http.server_port}"
        return stele("--server", url, "--token", "stele_a_b", "comply", *arguments)

    def end(self):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def lines(run):
    """{(asks, log): (state, says, fix)} of a run with --json."""
    return {(c["asks"], c.get("log")): (c["state"], c["says"], c.get("fix"))
            for c in json.loads(run.stdout)["checks"]}


def states(run):
    return {key: line[0] for key, line in lines(run).items()}


def gaps(run):
    return {key[0] for key, line in lines(run).items() if line[0] == "gap"}


class Good:
    """A server that is as every profile asks."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        passphrase = Path(self.folder.name) / "passphrase"
        passphrase.write_text("correct horse battery\n")
        self.clock = Clock()
        self.server = Server(env=self.clock.env, options=[
            "--origin", "ledger.example.com", "--passphrase-file", str(passphrase)]).start()
        self.server.create_log("trades", POLICY)
        for _ in range(2):
            self.send("POST", "/api/v1/principals", {"kind": "person", "grants": [
                {"scopes": ["approve"], "logs": ["*"]}]}, 201)
        self.narrow = self.send("POST", "/api/v1/tokens", {
            "kind": "service", "scopes": ["verify"], "logs": ["trades"]}, 201)["token"]
        self.send("PUT", "/api/v1/dual-control", {"acts": ACTS}, 200)
        self.clock.forward(73)
        run = stele("backup", Path(self.folder.name) / "backup", server=self.server)
        assert run.returncode == 0, run.stderr

    def send(self, method, path, body, status):
        answer = self.server.request(method, path, json.dumps(body), JSON)
        assert answer.status == status, answer.body
        return answer.json()

    def answers(self):
        answers = {}
        for name, path in PATHS.items():
            answer = self.server.get(path)
            answers[name] = (answer.status,
                             answer.text() if name == "metrics" else answer.json())
        return answers

    def end(self):
        if self.server.running():
            self.server.kill()
        self.server.remove()
        self.clock.remove()
        self.folder.cleanup()


class Without(unittest.TestCase):
    """No gap."""

    @classmethod
    def setUpClass(cls):
        cls.good = Good()
        cls.addClassCleanup(cls.good.end)
        cls.recorded = cls.good.answers()

    def setUp(self):
        self.told = Told(copy.deepcopy(self.recorded))
        self.addCleanup(self.told.end)

    def comply(self, *arguments, token=None):
        if token:
            return stele("--server", self.good.server.url(), "--token", token, "--json", "comply",
                         *arguments)
        return stele("--json", "comply", *arguments, server=self.good.server)

    def whole(self):
        """What every profile says with the answers as they are told now."""
        return {p: self.told.comply("--profile", p, "--json") for p in PROFILES}

    def body(self, name):
        return self.told.answers[name][1]

    def log(self, name="trades"):
        return next(l for l in self.body("logs")["logs"] if l["log"] == name)

    def test_the_server_itself_has_no_gap(self):
        for profile in PROFILES:
            run = self.comply("--profile", profile)
            left = {k: v for k, v in lines(run).items() if v[0] != "ok"}
            self.assertEqual((run.returncode, left), (DONE, {}), run.stderr)

    def test_what_is_told_again_has_no_gap(self):
        for profile, run in self.whole().items():
            self.assertEqual(run.returncode, DONE, run.stdout + run.stderr)
            self.assertEqual(set(states(run).values()), {"ok"}, profile)

    # --- each check turns --------------------------------------------------------------

    def turns(self, asks, says, fix, profiles=PROFILES):
        """That check alone is a gap now, in these profiles, and says so with a fix."""
        for profile, run in self.whole().items():
            expected = {asks} if profile in profiles else set()
            self.assertEqual(gaps(run), expected, (profile, run.stdout))
            self.assertEqual(run.returncode, GAPS if expected else DONE)
            for key, (state, text, mend) in lines(run).items():
                if state == "gap":
                    self.assertRegex(text, says)
                    self.assertRegex(mend, fix)
                    self.assertNotRegex(mend, r"\bARG\b")
                self.assertIn(state, ("ok", "gap"), key)

    def sample(self, name, value):
        status, text = self.told.answers["metrics"]
        text, n = re.subn(rf"(?m)^stele_{name} \S+$", f"stele_{name} {value}", text)
        self.assertEqual(n, 1, name)
        self.told.answers["metrics"] = (status, text)

    def test_compliance_mode(self):
        self.log()["policy"]["mode"] = "governance"
        self.turns("compliance mode", "governance", "stele policy lock trades", ["sec17a4"])
        self.log()["compliance"] = {"from": "2030-01-01T00:00:00.000000000Z", "seconds": 9}
        self.turns("compliance mode", "begins at 2030-01-01", "policy lock", ["sec17a4"])

    def test_no_mode(self):
        self.log()["policy"]["mode"] = "none"
        runs = self.whole()
        self.assertEqual(gaps(runs["sec17a4"]), {"compliance mode"})
        for profile in ("hipaa", "pci"):
            self.assertEqual(gaps(runs[profile]), {"mode"})

    def test_periods(self):
        for member, asks, option in (("default", "default period", "--retain"),
                                     ("min", "shortest period", "--min")):
            retain = self.log()["policy"]["retain"]
            for short in ("2191d", "71mo", "5y"):
                retain[member] = short
                self.turns(asks, short, f"stele policy set trades {option} 6y",
                           ["sec17a4", "hipaa"])
            for long in ("72mo", "P6Y", "2192d", "7y", "30000y"):
                retain[member] = long
                self.turns("nothing", "", "", [])

    def test_missing_periods(self):
        retain = self.log()["policy"]["retain"]
        shortest = retain.pop("min")
        self.turns("shortest period", "not set", "--min")
        del retain["default"]
        for run in self.whole().values():
            self.assertEqual(gaps(run), {"default period", "shortest period"})
        retain["min"] = shortest  # is what a record gets that asks for nothing
        self.turns("nothing", "", "", [])

    def test_a_year(self):
        retain = self.log()["policy"]["retain"]
        for member, asks in (("default", "default period"), ("min", "shortest period")):
            for text, short in (("365d", True), ("366d", False), ("12mo", False), ("11mo", True)):
                retain[member] = text
                run = self.told.comply("--profile", "pci", "--json")
                self.assertEqual(gaps(run), {asks} if short else set(), text)
            retain[member] = "1y"
        for needed, short in (("365d", False), ("366d", True)):  # a year has 365 days, too
            run = self.told.comply("--profile", "pci", "--json", "--retain", needed)
            self.assertEqual("default period" in gaps(run), short, needed)

    def test_bounds(self):
        policy = self.log()["policy"]
        quota = policy.pop("quota")
        self.turns("bounds", "no quota", "--quota-bytes", ["sec17a4"])
        policy["quota"] = quota
        del policy["retain"]["max"]
        self.turns("bounds", "no longest period", "--max", ["sec17a4"])

    def test_public(self):
        self.log()["policy"]["public"] = True
        self.turns("not public", "no token", "set trades --private", ["hipaa", "pci"])

    def test_name(self):
        self.log()["demo"] = True
        self.turns("name", "made up", "--origin")

    def test_clocks(self):
        clock = self.body("clock")
        for state in ("warn", "frozen"):
            clock.update(state=state, cause="step")
            self.turns("clocks", f"{state} .step", "stele clock confirm")
        clock.update(state="ok")
        for member in ("each_seconds", "year_seconds"):
            clock["credit"][member] += 1
            self.turns("clocks", "credited up to", "--clock-credit")
            clock["credit"][member] -= 1
        clock["credit"].update(each_seconds=0, year_seconds=0)
        self.turns("nothing", "", "", [])

    def test_storage(self):
        for name, says in (("segments_quarantined", "not served"),
                           ("damaged_reads_total", "met damage"), ("read_only", "read-only")):
            self.sample(name, 1)
            self.turns("storage", says, "stele segment restore")
            self.sample(name, 0)

    def test_scrub(self):
        last = self.body("scrub")["last"]
        for member in ("damaged", "unread"):
            last[member] = 1
            self.turns("scrub", "found", "stele scrub")
            last[member] = 0
        wall = self.body("clock")["wall"]
        last["ended"] = wall.replace(wall[:4], str(int(wall[:4]) - 1))
        self.turns("scrub", r"36\d.* days ago", "stele scrub")
        del self.body("scrub")["last"]
        self.turns("scrub", "no pass", "stele scrub")

    def test_backup(self):
        backup = self.body("backup")
        ended = backup["ended"]
        self.past(2)
        self.turns("backup", "2.0 days ago", "stele backup", ["pci"])
        self.past(8)
        self.turns("backup", "8.0 days ago", "stele backup")
        backup.update(ended=ended, error="the disk is full")
        self.turns("backup", "the disk is full", "stele backup")
        self.told.answers["backup"] = (200, {"running": True})
        self.turns("backup", "no backup", "stele backup")

    def past(self, days):
        """The server's clock is so many days beyond the backup; the last pass was then, too."""
        ended = self.body("backup")["ended"]
        moment = time.strptime(ended[:19], "%Y-%m-%dT%H:%M:%S")
        later = time.gmtime(time.mktime(moment) + days * 86400 - time.timezone)
        now = time.strftime("%Y-%m-%dT%H:%M:%S", later) + ended[19:]
        self.body("clock")["wall"] = self.body("scrub")["last"]["ended"] = now

    def test_trail(self):
        for name in ("_system", "_access"):
            policy = self.log(name)["policy"]
            was = copy.deepcopy(policy)
            policy["retain"]["default"] = "1y"
            self.turns("audit trail", f"{name} is kept for 1y", "stele policy set LOG --retain",
                       ["sec17a4", "hipaa"])
            del policy["retain"]
            self.turns("audit trail", f"{name} is kept for no set time", "LOG --retain")
            policy.update(was, mode="none")
            self.turns("audit trail", name, "policy set")
            policy.update(was)

    def test_dual_control(self):
        self.body("dual")["acts"] = [a for a in ACTS if a != "hold.release"] + ["purge"]
        self.turns("dual control", "hold.release$", "set policy.change,principal.create,"
                   "principal.change,purge,hold.release$", ["sec17a4"])
        self.log()["policy"]["dual_control"] = ["hold.release"]  # by the log's own policy
        self.turns("nothing", "", "", [])
        self.body("logs")["logs"].append({**copy.deepcopy(self.log()), "log": "other"})
        self.body("logs")["logs"][-1]["policy"]["dual_control"] = []
        self.turns("dual control", "hold.release$", "hold.release", ["sec17a4"])
        self.log("other")["policy"]["dual_control"] = ["hold.release"]
        self.body("dual")["acts"].remove("principal.change")
        self.turns("dual control", "principal.change$", "principal.change")

    def test_approvers(self):
        people = self.body("principals")["principals"]
        approvers = [p for p in people if "approve" in p["grants"][0]["scopes"]]
        approvers.sort(key=lambda p: "hold" not in p["grants"][0]["scopes"])
        self.assertEqual(len(approvers), 3)
        wall = self.body("clock")["wall"]
        for change in ({"ends": wall}, {"disabled": wall}, {"widened": wall}, {"grants": []}):
            kept = copy.deepcopy(approvers)
            approvers[1].update(change)
            self.turns("nothing", "", "", [])
            approvers[2].update(change)
            more = 2 if "widened" in change else 0
            self.turns("approvers", f"now: 1, and {more} more", "approve:")
            for p, was in zip(approvers, kept):
                p.clear()
                p.update(was)

    def test_holds(self):
        for p in self.body("principals")["principals"]:
            for grant in p["grants"]:
                grant["scopes"] = [s for s in grant["scopes"] if s != "hold"]
        self.turns("legal holds", "nobody", "hold:")

    def test_keys_and_transport(self):
        self.sample("keys_sealed", 0)
        self.turns("key files", "in clear", "--passphrase-file")
        self.sample("keys_sealed", 1)
        self.sample("insecure", 1)
        self.turns("transport", "in clear", "--tls-cert")

    # --- what is not seen ----------------------------------------------------------------

    def test_what_is_not_seen_never_passes(self):
        of = {"logs": {"logs", "name", "audit trail"}, "dual": {"dual control"},
              "principals": {"approvers", "legal holds"}, "scrub": {"scrub"}, "backup": {"backup"},
              "clock": {"clocks", "scrub", "backup", "approvers"}, "holds": {"legal holds"},
              "metrics": {"storage", "key files", "transport"}}
        self.assertEqual(set(of), set(PATHS))
        for name, asks in of.items():
            for profile, status in zip((*PROFILES, "pci"), (403, 404, 500, 503)):
                kept = self.told.answers[name]
                self.told.answers[name] = (status, {"type": "x", "title": "no"})
                run = self.told.comply("--profile", profile, "--json")
                found = {k[0] for k, s in states(run).items() if s == "unseen"}
                self.assertEqual((found, gaps(run)), (asks, set()), (profile, name))
                self.assertEqual(run.returncode, UNSEEN)
                self.assertEqual(json.loads(run.stdout)["unseen"], len(asks))
                self.told.answers[name] = kept

    def test_an_older_server_without_a_sample_is_not_seen(self):
        for name, asks in (("keys_sealed", "key files"), ("insecure", "transport"),
                           ("read_only", "storage")):
            self.told.answers["metrics"] = (200, self.recorded["metrics"][1].replace(
                f"stele_{name} ", "stele_x "))
            run = self.told.comply("--profile", "pci", "--json")
            self.assertEqual({k[0] for k, s in states(run).items() if s != "ok"}, {asks})

    def test_no_logs_are_not_seen(self):
        self.body("logs")["logs"] = []
        run = self.told.comply("--profile", "hipaa", "--json")
        self.assertEqual(run.returncode, UNSEEN)
        self.assertEqual({k[0] for k, s in states(run).items() if s == "unseen"},
                         {"logs", "name", "audit trail"})
        self.body("dual")["acts"].remove("policy.change")  # by no log's policy either
        self.assertEqual(gaps(self.told.comply("--profile", "hipaa", "--json")), {"dual control"})

    def test_gaps_are_said_before_what_is_not_seen(self):
        self.log()["demo"] = True
        self.told.answers["holds"] = (403, {})
        self.assertEqual(self.told.comply("--profile", "pci").returncode, GAPS)

    def test_a_narrow_token_sees_its_log_and_says_what_it_does_not_see(self):
        run = self.comply("--profile", "sec17a4", token=self.good.narrow)
        self.assertEqual(run.returncode, UNSEEN, run.stdout + run.stderr)
        for (asks, log), (state, says, _) in lines(run).items():
            self.assertEqual(state, "ok" if log or asks == "name" else "unseen", asks)
            if state == "unseen":
                self.assertRegex(says, "the token (has not the scope|may not see)")

    # --- the command -----------------------------------------------------------------------

    def test_pages_are_all_read(self):
        for n in range(230):
            self.body("logs")["logs"].append({**copy.deepcopy(self.log()), "log": f"x{n:03}"})
        self.log("x229")["policy"]["public"] = True
        run = self.told.comply("--profile", "pci", "--json")
        self.assertEqual(json.loads(run.stdout)["logs"], 231)
        self.assertEqual([k for k, s in states(run).items() if s == "gap"],
                         [("not public", "x229")])

    def test_log_and_retain_narrow(self):
        self.body("logs")["logs"].append({**copy.deepcopy(self.log()), "log": "mail-eu"})
        self.log("mail-eu")["policy"]["retain"]["default"] = "3y"
        self.log("mail-eu")["policy"]["retain"]["min"] = "3y"
        run = self.told.comply("--profile", "sec17a4", "--json")
        self.assertEqual({k for k, s in states(run).items() if s == "gap"},
                         {("default period", "mail-eu"), ("shortest period", "mail-eu")})
        self.assertEqual({k[1] for k in states(run)}, {None, "trades", "mail-eu"})
        for arguments, status in ((["--log", "trades"], DONE), (["--log", "mail*"], GAPS),
                                  (["--log", "mail*", "--retain", "3y"], DONE),
                                  (["--retain", "7y"], GAPS), (["--log", "_system"], GAPS),
                                  (["--log", "none"], USAGE), (["--log", "*"], GAPS),
                                  (["--retain", "soon"], USAGE), (["operand"], USAGE)):
            run = self.told.comply("--profile", "sec17a4", *arguments)
            self.assertEqual(run.returncode, status, (arguments, run.stdout, run.stderr))
        for arguments in ([], ["--profile", "sox"], ["--profile", ""]):
            run = self.told.comply(*arguments)
            self.assertEqual(run.returncode, USAGE)
            self.assertIn("sec17a4, hipaa or pci", run.stderr)

    def test_lines_for_people_say_the_same(self):
        self.log()["policy"]["public"] = True
        self.told.answers["holds"] = (403, {})
        people = self.told.comply("--profile", "pci").stdout.splitlines()
        checks = json.loads(self.told.comply("--profile", "pci", "--json").stdout)["checks"]
        self.assertEqual(len(people), len(checks) + 1)
        words = {"ok": "ok ", "gap": "GAP ", "unseen": "not seen "}
        for line, check in zip(people, checks):
            self.assertTrue(line.startswith(words[check["state"]]), line)
            self.assertIn(check["paragraph"], line)
            self.assertIn(check["says"], line)
            self.assertEqual("; fix: " in line, check["state"] == "gap")
        self.assertRegex(people[-1], r": 13 ok, 1 gaps, 1 not seen; logs: 1, records kept for 1y$")

    def test_no_server_and_no_token(self):
        run = stele("--server", "http://127.0.0.1:1", "comply", "--profile", "pci")
        self.assertEqual((run.returncode, run.stdout), (UNREACHABLE, ""))
        run = self.comply("--profile", "pci", token="stele_aaaaaaaaaa_b")
        self.assertEqual(run.returncode, GAPS)
        self.assertIn("401", run.stderr)
        self.assertNotIn("checks", run.stdout)


class With(unittest.TestCase):
    """Every gap that a server has by being left as it is."""

    def test_a_server_with_every_gap(self):
        clock = Clock()
        self.addCleanup(clock.remove)
        with Server(env=clock.env, options=["--scrub-rate", "0"]) as server:
            server.create_log("open", {"mode": "none", "public": True})
            clock.step(3600)
            deadline = time.monotonic() + 60
            while server.get("/api/v1/clock").json()["state"] == "ok":
                self.assertLess(time.monotonic(), deadline, "the clocks do not warn")
                time.sleep(0.05)
            common = {"default period", "shortest period", "name", "clocks", "scrub", "backup",
                      "audit trail", "dual control", "approvers", "key files"}
            more = {"sec17a4": {"bounds", "compliance mode"}, "hipaa": {"mode", "not public"},
                    "pci": {"mode", "not public"}}
            for profile in PROFILES:
                run = stele("--json", "comply", "--profile", profile, server=server)
                self.assertEqual(run.returncode, GAPS, run.stderr)
                self.assertEqual(gaps(run), common | more[profile])
                ok = {k[0] for k, s in states(run).items() if s == "ok"}
                self.assertEqual(ok, {"storage", "transport", "legal holds"})


if __name__ == "__main__":
    unittest.main()
