#!/usr/bin/env python3
"""stele, command by command, against a real server: what it says and how it exits."""
import json
import os
import re
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lib import STELE, Server, stele

DONE, REFUSED, USAGE, UNREACHABLE = 0, 1, 3, 4


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(options=["--origin", "ledger.example.com"]).start()
        cls.addClassCleanup(cls.server.remove)
        cls.addClassCleanup(cls.server.kill)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="stele-test-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, content=None):
        path = self.folder / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run_stele(self, *arguments, status=DONE, **options):
        """Runs against the server; the exit status must be this one. Returns the process."""
        run = stele(*arguments, server=self.server, **options)
        self.assertEqual(run.returncode, status, f"{arguments}\n{run.stdout}{run.stderr}")
        return run

    def offline(self, *arguments, status=DONE):
        run = stele(*arguments)
        self.assertEqual(run.returncode, status, f"{arguments}\n{run.stdout}{run.stderr}")
        return run

    def new_log(self, *options):
        name = f"{self._testMethodName.removeprefix('test_').replace('_', '-')[:40]}"
        self.run_stele("log", "create", name, *options)
        return name


class Help(CliTest):
    def commands(self):
        text = self.run_stele("--help").stdout.split("commands:\n")[1].split("\n\n")[0]
        return [re.split(r"  +", line.strip())[0] for line in text.splitlines()]

    def test_every_command_explains_itself(self):
        self.assertGreaterEqual(len(self.commands()), 13)
        for command in self.commands():
            text = self.run_stele(*command.split(), "--help").stdout
            self.assertTrue(text.startswith(f"usage: stele {command}"), text)
            self.assertGreater(len(text.splitlines()), 5)

    def test_wrong_usage_is_3_and_points_to_help(self):
        for arguments in (
            [],
            ["nonsense"],
            ["log"],
            ["log", "nonsense"],
            ["append"],
            ["append", "a", "b", "c"],
            ["get", "x", "one"],
            ["get", "x", "-1"],
            ["get", "x", "99999999999999999999"],
            ["append", "x", "--nonsense"],
            ["append", "x", "--type"],
            ["append", "x", "--connections", "0"],
            ["append", "x", "--ndjson", "--type", "text/plain"],
            ["append", "x", "--from", "1"],
            ["append", "x", "--key", "with space"],
            ["verify", "x"],
            ["verify", "x", "--key", "not a key"],
            ["token", "create", "--scope", "read"],
            ["key", "rotate"],
            ["--server", "ftp://x", "log", "list"],
            ["--nonsense", "log", "list"],
        ):
            run = self.run_stele(*arguments, status=USAGE)
            self.assertTrue(run.stderr or run.stdout, arguments)

    def test_a_command_group_lists_its_members(self):
        text = self.run_stele("log", "--help").stdout
        self.assertTrue(text.startswith("usage: stele log COMMAND"), text)
        self.assertIn("log create", text)
        self.assertTrue(self.run_stele("log", "list", "--help").stdout.startswith("usage: stele log list\n"))

    def test_help_may_come_first(self):
        for words in ([], ["query"], ["log", "create"], ["log"]):
            self.assertEqual(self.run_stele("help", *words).stdout,
                             self.run_stele(*words, "--help").stdout)
        self.run_stele("help", "nonsense", status=USAGE)

    def test_options_stand_before_or_after_the_command(self):
        url = f"http://127.0.0.1:{self.server.port}"
        token = self.server.token()
        for arguments in (
            ["--server", url, "--token", token, "--json", "log", "list"],
            [f"--server={url}", f"--token={token}", "--json", "log", "list"],
            ["log", "list", "--server", url, f"--token={token}", "--json"],
        ):
            json.loads(self.offline(*arguments).stdout)

    def test_no_server_is_said_to_be_missing(self):
        run = self.offline("log", "list", status=USAGE)
        self.assertIn("STELE_SERVER", run.stderr)
        self.assertEqual(run.stdout, "")

    def test_an_unreachable_server_is_4(self):
        for command in (["log", "list"], ["get", "x", "1"], ["append", "x", "/dev/null"]):
            run = self.offline("--server", "http://127.0.0.1:1", *command, status=UNREACHABLE)
            self.assertIn("127.0.0.1:1", run.stderr)
            self.assertNotIn("may or may not", run.stderr)
            self.assertEqual(run.stdout, "")

    def test_hints_fit_what_is_missing(self):
        log = self.new_log()
        for arguments, hint in (
            (["get", log, 9], None),
            (["get", "no-such", 1], "stele log list"),
            (["token", "revoke", "aaaaaaaaaa"], "stele token list"),
            (["log", "create", "_system"], None),
        ):
            run = self.run_stele(*arguments, status=REFUSED)
            hints = re.findall(r"'(stele [a-z]+ [a-z]+)'", run.stderr)
            self.assertEqual(hints, [hint] if hint else [], run.stderr)

    def test_what_a_problem_speaks_of_is_printed(self):
        log = self.new_log("--retain", "7y")
        run = self.run_stele("log", "create", log, "--retain", "6y", status=REFUSED)
        self.assertIn('"default":"7y"', run.stderr)
        for name, text in (("a", "{}"), ("b", "[]")):
            status = DONE if name == "a" else REFUSED
            run = self.run_stele("append", log, self.file(name, text), "--key", "k", status=status)
        self.assertIn("index 1", run.stderr)
        bad = self.file("bad", '{"a":1,\n"b":x}')
        run = self.run_stele("append", log, bad, "--type", "application/json", status=REFUSED)
        self.assertRegex(run.stderr, r"line 2, offset \d+")

    def test_a_proof_outside_of_the_log_says_what_lies_inside(self):
        log = self.new_log()
        for query in ("inclusion?index=7", "consistency?from=0"):
            answer = self.server.get(f"/api/v1/logs/{log}/proof/{query}")
            self.assertEqual(answer.status, 400)
            self.assertIn("size is 1", answer.json()["detail"])
            self.assertIn("at least 1", answer.json()["detail"])

    def test_keys_as_json_have_their_names(self):
        log = self.new_log()
        key = self.run_stele("key", "show").stdout.strip()
        document = json.loads(self.run_stele("--json", "key", "show").stdout)
        self.assertEqual(document, {"name": "ledger.example.com", "vkey": key})
        document = json.loads(self.run_stele("--json", "key", "show", log).stdout)
        self.assertEqual(document["name"], f"ledger.example.com/{log}")
        document = json.loads(self.run_stele("--json", "key", "show", log, "--statement").stdout)
        text = self.run_stele("key", "show", log, "--statement").stdout
        self.assertEqual(document, {"statement": text, "earlier": [], "identities": []})


class Logs(CliTest):
    def test_create_is_idempotent_and_never_changes_a_policy(self):
        self.assertIn("created", self.run_stele("log", "create", "policy", "--retain", "7y").stdout)
        again = self.run_stele("log", "create", "policy", "--retain", "7y").stdout
        self.assertIn("exists already", again)
        run = self.run_stele("log", "create", "policy", "--retain", "6y", status=REFUSED)
        self.assertIn("log-exists", run.stderr)
        self.run_stele("log", "create", "Bad Name", status=REFUSED)
        self.run_stele("log", "create", "x", "--retain", "soon", status=REFUSED)

    def test_show_and_list_say_what_there_is(self):
        log = self.new_log("--retain", "90d", "--min", "1d", "--max", "1y", "--public")
        text = self.run_stele("log", "show", log).stdout
        self.assertIn(f"ledger.example.com/{log}", text)
        self.assertIn("default 90d, min 1d, max 1y", text)
        document = json.loads(self.run_stele("--json", "log", "show", log).stdout)
        self.assertEqual(document["size"], 1)
        self.assertRegex(self.run_stele("log", "list").stdout, rf"(?m)^{log} +1 +governance +90d$")
        self.run_stele("log", "show", "none-such", status=REFUSED)

    def test_a_log_without_retention_says_so(self):
        for n, (options, locked) in enumerate(
            [([], False), (["--retain", "1d"], True), (["--mode", "none"], False)]
        ):
            text = self.run_stele("log", "create", f"lock-{n}", *options).stdout
            self.assertEqual("records are not locked" in text, not locked, text)

    def test_a_long_list_comes_whole(self):
        for n in range(130):
            self.server.create_log(f"many-{n:03}")
        names = re.findall(r"(?m)^many-\d+", self.run_stele("log", "list").stdout)
        self.assertEqual(names, [f"many-{n:03}" for n in range(130)])
        pages = self.run_stele("--json", "log", "list").stdout.splitlines()
        self.assertGreaterEqual(len(pages), 2)
        names = [log["log"] for page in pages for log in json.loads(page)["logs"]]
        self.assertEqual(
            [n for n in names if n.startswith("many-")], [f"many-{n:03}" for n in range(130)]
        )


class Records(CliTest):
    def test_a_record_comes_back_byte_for_byte(self):
        log = self.new_log()
        payload = bytes(range(256)) * 300
        source = self.file("source.bin", payload)
        self.assertIn(f"{log} 1 stored", self.run_stele("append", log, source).stdout)
        target = self.file("target.bin")
        self.run_stele("get", log, 1, "-o", target)
        self.assertEqual(target.read_bytes(), payload)
        document = json.loads(self.run_stele("--json", "get", log, 1).stdout)
        self.assertEqual(document["media_type"], "application/octet-stream")
        self.run_stele("get", log, 2, status=REFUSED)

    def test_the_media_type_is_given_or_guessed(self):
        log = self.new_log()
        for n, (name, content, options, expected) in enumerate(
            [
                ("a.json", "{}", [], "application/json"),
                ("a.txt", "hello", [], "text/plain"),
                ("a", '{"json":true}', [], "application/json"),
                ("b", "no json", [], "application/octet-stream"),
                ("c.txt", "x", ["--type", "application/x-thing"], "application/x-thing"),
            ]
        ):
            run = self.run_stele("append", log, self.file(name, content), *options)
            self.assertTrue(run.stdout.endswith(f" as {expected}\n"), run.stdout)
            self.assertEqual(run.stderr, "")
            got = json.loads(self.run_stele("--json", "get", log, n + 1).stdout)
            self.assertEqual(got["media_type"], expected)

    def test_what_begins_like_json_and_is_none_is_warned_about(self):
        log = self.new_log()
        for text in ('{"x":1', " [1,"):
            run = self.run_stele("append", log, input=text)
            self.assertIn("not valid JSON", run.stderr)
            self.assertIn("as application/octet-stream", run.stdout)

    def test_the_resume_command_can_be_pasted(self):
        log = self.new_log()
        source = self.file("it's mine.ndjson", '{"n":1}\n{"n":2}\n{"n":\n{"n":4}\n')
        token = self.file("a token", self.server.token() + "\n")
        url = f"http://127.0.0.1:{self.server.port}"
        receipts = self.file("the receipts")
        run = self.offline(
            "append", log, source, "--ndjson", "--connections", 2, "--batch-bytes", "64K",
            "--receipts", receipts, "--server", url, "--token", f"@{token}", status=REFUSED,
        )
        self.assertIn("sent 3, stored 2, duplicates 0, failed 1;", run.stdout)
        advice, command = re.search(r"(?m)^stele: (correct.*): (stele append .*)$", run.stderr).groups()
        self.assertEqual(advice, "correct line 3 of the input, then")
        source.write_text(source.read_text().replace('{"n":\n', '{"n":3}\n'))
        env = {"PATH": f"{STELE.parent}:{os.environ['PATH']}"}
        run = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True,
                             timeout=60, check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("stored 2, duplicates 0, failed 0; index 3 to 4", run.stdout)
        self.assertEqual(len(receipts.read_text().splitlines()), 4)
        for option in ("--connections 2", "--batch-bytes 65536", f"--server {url}"):
            self.assertIn(option, command)
        self.assertNotIn(self.server.token(), command)

    def test_standard_input_is_a_record(self):
        log = self.new_log()
        for arguments in ([log], [log, "-"]):
            self.run_stele("append", *arguments, input="from a pipe")
        self.assertEqual(self.run_stele("get", log, 2).stdout, "from a pipe")

    def test_the_same_key_is_stored_once_and_another_payload_refused(self):
        log = self.new_log()
        one, two = self.file("one", "1"), self.file("two", "2")
        for _ in range(2):
            self.assertIn(f"{log} 1 stored", self.run_stele("append", log, one, "--key", "k").stdout)
        self.run_stele("append", log, two, "--key", "k", status=REFUSED)

    def test_too_large_missing_and_unauthorised_are_refused(self):
        log = self.new_log()
        large = self.file("large", b"x" * ((1 << 20) + 1))
        self.run_stele("append", log, large, status=USAGE)
        self.run_stele("append", log, self.file("none"), status=USAGE)
        self.run_stele("append", "no-such-log", self.file("a", "a"), status=REFUSED)
        run = self.run_stele("--token", "stele_x_y", "append", log, self.file("a"), status=REFUSED)
        self.assertIn("unauthorized", run.stderr)

    def test_ndjson_counts_and_keeps_order_with_one_connection(self):
        log = self.new_log()
        lines = [json.dumps({"n": n}) for n in range(5000)]
        source = self.file("in.ndjson", "\n".join(lines) + "\n\n  \n")
        run = self.run_stele("append", log, source, "--ndjson", "--connections", 1)
        self.assertIn("sent 5000, stored 5000, duplicates 0, failed 0; index 1 to 5000", run.stdout)
        for n in (1, 2500, 5000):
            self.assertEqual(self.run_stele("get", log, n).stdout, lines[n - 1])

    def test_progress_is_for_terminals_only(self):
        log = self.new_log()
        source = self.file("in.ndjson", '{"n":1}\n' * 100)
        self.assertEqual(self.run_stele("append", log, source, "--ndjson").stderr, "")


class Tokens(CliTest):
    def test_a_token_does_what_it_may_until_it_is_revoked(self):
        log = self.new_log()
        run = self.run_stele("token", "create", "--scope", "append", "--log", log, "--expires", "1d")
        secret = self.file("token", run.stdout)
        token_id = run.stdout.split("_")[1]
        url = f"http://127.0.0.1:{self.server.port}"
        mine = ["--server", url, "--token", f"@{secret}"]
        self.offline(*mine, "append", log, self.file("a", "a"))
        run = self.offline(*mine, "get", log, 1, status=REFUSED)
        self.assertIn("scope", run.stderr)
        self.assertIn(token_id, self.run_stele("token", "list").stdout)
        self.assertNotIn(secret.read_text().strip(), self.run_stele("token", "list").stdout)
        self.run_stele("token", "revoke", token_id)
        self.offline(*mine, "append", log, self.file("a"), status=REFUSED)
        self.run_stele("token", "revoke", token_id, status=REFUSED)
        self.run_stele("token", "create", "--scope", "everything", "--log", "*", status=REFUSED)


class Crashes(unittest.TestCase):
    def test_append_outlives_the_server_and_counts_right(self):
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            source = Path(folder) / "in.ndjson"
            lines = [f'{{"n":{n},"pad":"{"x" * (n % 300)}"}}' for n in range(60000)]
            source.write_text("\n".join(lines) + "\n")
            data = Path(folder) / "data"
            server = Server(data=data).start()
            server.create_log("log")
            port = ["--listen", f"127.0.0.1:{server.port}"]
            command = [str(STELE), "--json", "--server", f"http://127.0.0.1:{server.port}"]
            command += ["--token", server.token(), "append", "log", str(source), "--ndjson"]
            command += ["--batch-bytes", "64K", "--receipts", f"{folder}/receipts"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
                kills, receipts = 0, Path(folder) / "receipts"
                while run.poll() is None and not (receipts.exists() and receipts.stat().st_size):
                    time.sleep(0.01)  # append gives up at once on a server that never answered
                while run.poll() is None and kills < 4:
                    time.sleep(0.15)
                    if run.poll() is None:
                        server.kill()
                        kills += 1
                        server = Server(data=data, options=port).start()
                out, err = run.communicate(timeout=120)
            self.addCleanup(server.kill)
            self.assertEqual(run.returncode, 0, err)
            self.assertGreater(kills, 0, "it was over before the first kill")
            tally = json.loads(out)
            self.assertEqual(
                (tally["sent"], tally["stored"], tally["duplicates"], tally["failed"]),
                (len(lines), len(lines), 0, 0),
            )
            size = server.get("/api/v1/logs/log").json()["size"]
            self.assertEqual(size, len(lines) + 1)
            key = stele("key", "show", "log", server=server).stdout.strip()
            run = stele("verify", f"{folder}/receipts", "--payload", source, "--key", key)
            self.assertEqual(run.returncode, 0, run.stdout[-2000:])
            self.assertIn(f"VALID: {len(lines)} receipts\n", run.stdout)


class Fsck(CliTest):
    def test_a_sound_folder_is_sound_and_a_damaged_one_is_not(self):
        data = self.folder / "data"
        server = Server(data=data).start()
        server.create_log("log")
        for n in range(50):
            server.post("/api/v1/logs/log/records", b"payload %d" % n)
        identity = stele("key", "show", server=server).stdout.strip()
        self.assertIn("in use", self.offline("fsck", data, status=USAGE).stderr)
        server.stop()
        run = self.offline("fsck", data, "--key", identity)
        self.assertRegex(run.stdout, r"SOUND: \d+ records in 3 logs")
        result = json.loads(self.offline("--json", "fsck", data).stdout)
        self.assertEqual(result["verdict"], "sound")
        self.assertGreater(result["records"], 51)  # and those of _system
        other = stele("key", "show", server=self.server).stdout.strip()
        self.offline("fsck", data, "--key", other, status=REFUSED)
        self.offline("fsck", data, "--key", "nonsense", status=USAGE)
        self.offline("fsck", self.folder / "none", status=USAGE)
        os.unlink(data / "catalog.mdb")
        self.offline("fsck", data, "--rebuild", "--key", identity, status=REFUSED)
        self.offline("fsck", data, "--key", identity)
        wal = sorted((data / "wal").glob("*.wal"))[0]
        content = bytearray(wal.read_bytes())
        at = next(n for n in range(9000, len(content)) if content[n])
        content[at] ^= 4
        wal.write_bytes(content)
        run = self.offline("fsck", data, "--key", identity, status=REFUSED)
        self.assertRegex(run.stdout, r"(?m)^WRONG  wal/")
        self.assertIn("DAMAGED", run.stdout)


if __name__ == "__main__":
    unittest.main()
