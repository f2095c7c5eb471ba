#!/usr/bin/env python3
"""What the pages say is there: commands, flags, metrics, problem types, files, links."""
import json
import os
import re
import ssl
import subprocess
import tempfile
import unittest
from pathlib import Path

import pki
from lib import BUILD, JSON, ROOT, STELED, Server, stele

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def steled_prints(option):
    return subprocess.run(
        [str(STELED), option], capture_output=True, text=True, timeout=120, check=True
    ).stdout


def manual_options(name):
    """Long options that a manual page writes in bold."""
    text = page(f"docs/man/{name}").replace("\\-", "-")
    return set(re.findall(r"--([a-z][a-z-]+)", text))


def written_types():
    """The types of records that the code can write: strings where an act or an event begins."""
    starts = (r'\\"type\\":\\"(?=[a-z_.]+\\")', r'"type",\s*', r"acting_begin\(", r"\bbegin\(r, ",
              r"\.type =", r"record\(log, s, ", r"put_who\(&?b, ", r"audit_access_event\([^,]*, ", r"const struct deed deed_\w+ = \{")
    entries = {"hold", "release", "extend", "event"}  # what control entries say of themselves
    found = set()
    for source in (*ROOT.glob("server/*.c"), *ROOT.glob("storage/*.c")):
        text = re.sub(r'"\s*\n\s*"', "", source.read_text(encoding="utf-8"))
        for start in re.finditer("|".join(starts), text if source.name != "selftest.c" else ""):
            said = re.match(r"[^;{}]*", text[start.end():]).group()
            if start.group().startswith("\\"):
                found.add(re.match(r"[a-z_.]+", said).group())
            else:
                found |= set(re.findall(r'"([a-z]+[._][a-z_.]+|purge|read|query|export|download|timestamp)"', said))
    return found - entries


def documented_types():
    """Those of docs/formats.md section 8: in its tables, and of `_access`."""
    text = page("docs/formats.md")
    trail, reads = text[text.index("\n## 8."):].split("\n### Reads")
    cells = [line.split("|")[1] for line in trail.splitlines() if line.startswith("| `")]
    types = {name for cell in cells for name in re.findall(r"`([a-z_.]+)`", cell)}
    return types | set(re.findall(r'{"type":"([a-z_.]+)"', reads))


class Docs(unittest.TestCase):
    def test_every_type_of_audit_record_is_described_and_no_other(self):
        self.assertEqual(written_types(), documented_types())

    def test_links_lead_somewhere(self):
        for path in PAGES:
            for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
                if "://" not in target:
                    self.assertTrue((path.parent / target).exists(), f"{path.name}: {target}")

    def test_the_files_that_the_map_names_are_there(self):
        for path in PAGES:
            for name in re.findall(r"`((?:\w+/)+\w+\.\w+)`", path.read_text(encoding="utf-8")):
                if name.split("/")[0] not in ("wal", "keys", "data", "DIR"):
                    self.assertTrue((ROOT / name).exists(), f"{path.name}: {name}")

    def test_the_walk_through_who_may_do_what(self):
        """Each command of it, to the letter; then what it says of what came of them."""
        section = page("docs/operations.md").split("\n## Who may do what")[1].split("*Two pairs")[0]
        walk = "".join(re.findall(r"```\n(.*?)```", section, re.S))
        self.assertGreater(walk.count("stele "), 15)
        with Server() as server, tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            server.create_log("payments")
            server.post("/api/v1/logs/payments/records", b'{"n":1}', JSON)
            Path(folder, "services").write_text("".join(f"svc{i}\n" for i in range(4)))
            env = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}",
                   "STELE_SERVER": server.url(), "STELE_TOKEN": f"@{server.data}/admin.token"}

            def run(script, status=0):
                done = subprocess.run(["bash", "-ec", script], cwd=folder, env=env, text=True,
                                      capture_output=True, timeout=120, check=False)
                self.assertEqual(done.returncode, status, f"{script}\n{done.stdout}{done.stderr}")
                return done.stdout

            said = run(walk)
            self.assertIn("_access", said)
            self.assertIn("_system", said)
            run("echo '{}' | stele --token @svc1.token append app-svc1")
            run("echo '{}' | stele --token @svc1.token append app-svc2", 1)
            run("stele --token @operator.token query 'app-*'", 1)
            run("stele --token @guest.token query 'app-svc1'", 1)
            run("stele --token @officer.token query payments", 1)
            run("stele --token @next.token query payments")
            events = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"a"}]}'
            token = Path(folder, "prod-eu.token").read_text().strip()
            cluster = server.connect(token)
            self.assertEqual(cluster.post("/k8s/audit", events, JSON).status, 200)
            self.assertEqual(cluster.post("/api/v1/logs/k8s-prod-eu/records", b"1").status, 403)
            cluster.close()
            listed = json.loads(run("stele principal show p-17 --json"))
            self.assertEqual(listed["successor"], "p-19")

    def test_the_two_minutes_by_hand_and_the_audit_work(self):
        readme = page("README.md")
        block = re.search(r"another terminal.*?:\n\n```\n(.*?)```", readme, re.S).group(1)
        audit = readme.split("## If you audit")[1].split("\n## ")[0]
        audit = "".join(re.findall(r"```\n(.*?)```", audit, re.S))
        # Sending is the producer's, whose token is another.
        audit = audit.replace("stele append", "STELE_TOKEN=@data/admin.token stele append")
        block += """printf '{"n":1}\\n{"n":2}\\n' > events.ndjson\n""" + audit
        with Server() as server, tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            block = block.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{server.port}")
            block = block.replace("@data/", f"@{server.data}/")
            block = block.replace("$PWD/build:", f"{BUILD}:")
            run = subprocess.run(
                ["bash", "-ec", block], cwd=folder, capture_output=True, text=True, timeout=120,
                check=False,
            )
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(
            re.findall(r"(?m)^VALID: .*$", run.stdout),
            ["VALID: 1 receipt", "VALID: 2 receipts", "VALID: 1 checkpoint"],
        )

    def test_dev_run_prints_the_recipe_of_the_readme(self):
        script = re.search(r"awk '.*?' README.md", page("dev"), re.S).group(0)
        block = re.search(r"another terminal.*?:\n\n```\n(.*?)```", page("README.md"), re.S).group(1)
        run = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True,
                             timeout=120, check=True)
        self.assertEqual(run.stdout, "".join(f"  {line}\n" for line in block.splitlines()))

    def test_steled_8_has_the_flags_that_there_are(self):
        flags = set(re.findall(r"(?m)^  --([a-z-]+)", steled_prints("--help")))
        self.assertEqual(manual_options("steled.8"), flags)

    def test_stele_1_has_the_commands_and_options_that_there_are(self):
        manual = page("docs/man/stele.1").replace("\\-", "-")
        head, commands = stele("--help").stdout.split("commands:\n")
        options = set(re.findall(r"--([a-z-]+)", head.split("options for every")[1]))
        commands = commands.split("\n\n")[0]
        for line in commands.splitlines():
            command = re.split(r"  +", line.strip())[0]
            self.assertIn(command, manual)
            text = stele(*command.split(), "--help").stdout
            options |= set(re.findall(r"(?m)^  (?:-\w, |    )?--([a-z-]+)", text))
        self.assertEqual(manual_options("stele.1"), options - {"help", "output"} | {"help"})

    def shown_commands(self):
        """Lines of the guides that are commands, and the fixes that stele comply names."""
        for name in ("docs/retention.md", "docs/compliance.md"):
            blocks = "".join(re.findall(r"```\n(.*?)```", page(name), re.S)).replace("\\\n", " ")
            yield from (line for line in blocks.splitlines() if line.startswith("stele "))
            yield from re.findall(r"`(stele [^`]+)`", page(name).replace("\n", " "))
        for text in re.findall(r'"(stele [^"]+)"', page("tools/comply_profiles.c")):
            parts = re.split(r"[;,] (?:then )?| or ", text)
            yield from (part for part in parts if part.startswith("stele "))

    def test_commands_that_are_shown_have_these_options(self):
        listed = stele("--help").stdout.split("commands:\n")[1].split("\n\n")[0]
        names = {re.split(r"  +", line.strip())[0] for line in listed.splitlines()}
        seen = set()
        for line in self.shown_commands():
            words = line.split(" # ")[0].split()[1:]
            command = next((c for c in (" ".join(words[:2]), words[0]) if c in names), None)
            if not command:
                self.assertEqual(len(words), 1, line)
                self.assertTrue(any(n.startswith(words[0] + " ") for n in names), line)
                continue
            text = stele(*command.split(), "--help").stdout
            there = set(re.findall(r"(?m)^  (?:-\w, |    )?--([a-z-]+)", text)) | {"json"}
            self.assertLessEqual(set(re.findall(r"(?<!\S)--([a-z-]+)", line)), there, line)
            seen.add(command)
        self.assertGreater(len(seen), 20)

    def server_with_tls(self, folder):
        """Which has all metrics; without TLS where no certificate can be made."""
        if not pki.OPENSSL:
            return Server()
        authority = pki.Authority(folder, "ca")
        certificate, key = authority.issue("server")
        return Server(options=["--tls-cert", str(certificate), "--tls-key", str(key)],
                      context=ssl.create_default_context(cafile=authority.pem))

    def test_metrics_and_problems_are_those_that_there_are(self):
        text = page("docs/operations.md")
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            with self.server_with_tls(folder) as server:
                metrics = server.get("/metrics").text()
        for name in set(re.findall(r"stele_[a-z_]+", text)):
            if server.context or not name.startswith("stele_tls_"):
                self.assertRegex(metrics, rf"(?m)^# TYPE {name} ", name)
        for reason in re.findall(r'failed_total{reason="([a-z-]+)"}', metrics):
            self.assertIn(f"`{reason}`", text)
        problems = steled_prints("--routes")
        names = {p["type"].rsplit(":", 1)[1] for p in json.loads(problems)["problems"]}
        for name in re.findall(r"\| \d[\d, ]* `([a-z-]+)`", text):
            self.assertIn(name, names)


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    unittest.main()
