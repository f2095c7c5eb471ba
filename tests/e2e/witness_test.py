#!/usr/bin/env python3
"""Witnesses (docs/witnesses.md): two servers cosign each other's checkpoints, k of n do with some of them down, a
rollback and a fork are found, and what lies is not believed."""
import json
import shutil
import ssl
import threading
import unittest
from pathlib import Path

import pki
import proof
from cosign import FakeWitness, Key, cosigned, honest
from http_case import problem
from lib import Server, stele, until
from system_log import SystemLog
from witness_case import LOG, Case


class Sending(Case):
    def test_two_servers_witness_each_other(self):
        one, two = self.log_server("one.example.com"), self.log_server("two.example.com")
        keys = [s.vkey(LOG) for s in (one, two)]
        for server, theirs in ((one, keys[1]), (two, keys[0])):
            logs = self.file(server.data.name + ".logs", theirs + "\n")
            self.again(server, "--witness-for", str(logs))
        vkeys = [self.state(s)["vkey"] for s in (one, two)]
        self.assertTrue(vkeys[0].startswith("one.example.com/witness+"))
        url = two.url()
        self.again(one, "--witness-policy", self.policy(1, (vkeys[1], url)), "--witness-logs", LOG)
        until(lambda: self.is_cosigned(one, vkeys[1], 1), "one's log is not cosigned")
        # the other way round, with a CONFIG of its own; and heads that follow
        policy = self.file("policy2", f"witness one {vkeys[0]} {one.url()}/\nquorum one\n")
        self.keep_port(two)  # where one asks
        self.again(two, "--witness-policy", str(policy), "--witness-logs", LOG)
        for n in range(2, 6):
            self.append(one)
            self.append(two)
            until(lambda: self.is_cosigned(one, vkeys[1], n), f"one's {n} is not cosigned")
            until(lambda: self.is_cosigned(two, vkeys[0], n), f"two's {n} is not cosigned")
        seen = self.state(two)["seen"]
        self.assertEqual([(s["origin"], s["size"]) for s in seen], [("one.example.com/" + LOG, 5)])
        # proofs, receipts and the list of logs have the same checkpoint
        note = self.checkpoint(one).text()
        self.assertEqual(
            one.get(f"/api/v1/logs/{LOG}/proof/inclusion?index=1").json()["checkpoint"], note)
        record = one.get(f"/api/v1/logs/{LOG}/records/1", {"Accept": "application/json"}).json()
        self.assertTrue(cosigned(record["checkpoint"], vkeys[1]))
        proof.open_checkpoint(note, proof.Vkey.parse(keys[0]))
        shown = stele("witness", "show", server=two)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn(vkeys[1], shown.stdout)
        self.assertIn("one.example.com/" + LOG, shown.stdout)
        # a bundle is checked against the policy
        bundle = str(self.folder / "b.zip")
        made = stele("export", LOG, "--reason", "r", "-o", bundle, server=one)
        self.assertEqual(made.returncode, 0, made.stderr)
        identity = stele("key", "show", server=one).stdout.strip()
        good = stele("verify", bundle, "--key", identity, "--policy", self.folder / "policy")
        self.assertEqual(good.returncode, 0, good.stdout + good.stderr)

    def test_k_of_n_with_some_down(self):
        server = self.log_server()
        vkey = server.vkey(LOG)
        witnesses = [self.witness_of(f"w{i}.example.com", vkey) for i in range(3)]
        policy = self.policy(2, *((v, w.url()) for w, v in witnesses))
        witnesses[2][0].kill()
        self.again(server, "--witness-policy", policy, "--witness-logs", LOG,
                   "--witness-require", "public", "--witness-timeout", "1")
        until(lambda: self.checkpoint(server).status == 200, "two of three are a quorum")
        self.append(server)
        until(lambda: self.size(server) == 2, "and go on being one")
        note = self.checkpoint(server).text()
        self.assertEqual([bool(cosigned(note, v)) for _, v in witnesses], [True, True, False])
        witnesses[1][0].kill()
        self.append(server)
        until(lambda: self.state(server)["witnesses"][0]["cosigned"] >= 3, "one still cosigns")
        self.assertEqual(self.size(server), 2)  # the newest with a quorum
        self.assertEqual(self.state(server)["behind"], 1)
        newest = server.get(f"/api/v1/logs/{LOG}/proof/inclusion?index=1").json()["checkpoint"]
        self.assertEqual(newest.split("\n")[1], "3")
        # what had a quorum is served after a restart, too, whoever is there
        witnesses[0][0].kill()
        self.again(server)
        self.assertEqual(self.checkpoint(server).text(), note)
        self.assertEqual(problem(self.append(server)), (503, "not-cosigned"))
        metrics = server.get("/metrics").text()
        self.assertIn("stele_witness_logs_behind 1", metrics)
        self.assertIn("stele_witness_conflicts 0", metrics)
        self.assertEqual(server.stop(), 0)
        found = stele("fsck", server.data)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)

    def test_a_log_whose_key_is_rotated_is_cosigned_by_who_knows_both(self):
        server = self.log_server()
        keys = [server.vkey(LOG)]
        witness, vkey = self.witness_of("w.example.com", *keys)
        self.keep_port(witness)
        self.again(server, "--witness-policy", self.policy(1, (vkey, witness.url())), "--witness-logs", LOG)
        self.append(server)
        until(lambda: self.is_cosigned(server, vkey, 2), "the first key's head is not cosigned")
        rotated = server.post(f"/api/v1/logs/{LOG}/key/rotate", b"").json()
        keys.append(rotated["vkey"])
        # which both keys sign: the witness knows one of them
        until(lambda: self.is_cosigned(server, vkey, 3), "the head that hands over is not cosigned")
        self.append(server)
        until(lambda: "last_failure" in self.state(server)["witnesses"][0], "a key that it was not told")
        self.assertFalse(self.is_cosigned(server, vkey))
        self.file("w.example.com.logs", "".join(k + "\n" for k in keys))
        self.again(witness)
        until(lambda: self.is_cosigned(server, vkey, 4), "it knows both, and does not cosign")
        self.assertEqual(self.state(server)["witnesses"][0]["conflicts"], 0)
        # what was cosigned under both keys is one log, for who has the policy and the identity
        bundle = str(self.folder / "b.zip")
        made = stele("export", LOG, "--reason", "r", "-o", bundle, server=server)
        self.assertEqual(made.returncode, 0, made.stderr)
        identity = stele("key", "show", server=server).stdout.strip()
        said = stele("verify", bundle, "--key", identity, "--policy", self.folder / "policy")
        self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_receipts_proofs_and_checkpoints_are_held_against_a_policy(self):
        server = self.log_server()
        log = server.vkey(LOG)
        (_, one), (_, two) = witnesses = [self.witness_of(f"w{i}.example.com", log) for i in range(2)]
        policy = self.policy(2, *((v, w.url()) for w, v in witnesses))
        self.again(server, "--witness-policy", policy, "--witness-logs", LOG)
        alone = self.file("alone", self.append(server).text())  # before any witness has seen it
        until(lambda: self.is_cosigned(server, one, 2) and self.is_cosigned(server, two, 2), "not cosigned")
        note = self.file("note", self.checkpoint(server).text())
        record = self.file("record", server.get(f"/api/v1/logs/{LOG}/records/1",
                                                {"Accept": "application/json"}).text())
        proven = self.folder / "proof.tlog-proof"
        self.assertEqual(stele("prove", LOG, "1", "-o", proven, server=server).returncode, 0)

        def verify(file, policy, status):
            run = stele("verify", file, "--key", log, "--policy", policy, "--json")
            self.assertEqual(run.returncode, status, run.stdout + run.stderr)
            found = [json.loads(line) for line in run.stdout.splitlines()]
            return [(f["result"], f["detail"]) for f in found if f.get("check") == "witnesses"][-1]

        for file in (note, record, proven):
            self.assertEqual(verify(file, policy, 0),
                             ("ok", "2 of the policy's witnesses cosigned the checkpoint: its quorum"))
        self.assertEqual(verify(alone, policy, 1)[0], "INVALID")
        self.assertIn("0 of the policy's", verify(alone, policy, 1)[1])
        text = note.read_text()
        line = [x for x in text.splitlines() if x.split(" ")[1:2] == [two.split("+")[0]]][0]
        middle = len(line) // 2 + 10
        bad = self.file("bad", text.replace(line, line[:middle] + "AB"[line[middle] == "A"] + line[middle + 1:]))
        self.assertIn("does not fit", verify(bad, policy, 1)[1])
        fewer = self.file("fewer", text.replace(line + "\n", ""))
        self.assertIn("1 of the policy's", verify(fewer, policy, 1)[1])
        stranger = Key(f"log.example.com/{LOG}").vkey
        foreign = self.file("foreign", f"log {stranger}\n" + Path(policy).read_text())
        self.assertIn("another key", verify(note, foreign, 1)[1])

    def test_without_a_quorum_nothing_is_public(self):
        server = self.log_server()
        key = Key("nobody.example.com", 4)
        policy = self.policy(1, (key.vkey, "http://127.0.0.1:1"))
        self.again(server, "--witness-policy", policy, "--witness-require", "public")
        self.assertEqual(problem(self.checkpoint(server)), (503, "not-cosigned"))
        server.create_log("new")  # nobody can have seen more of it than there is
        self.assertEqual(self.append(server, log="new").status, 201)
        # with none it starts, serves and appends
        server.command += ["--witness-require", "none"]
        self.again(server)
        self.assertEqual(self.checkpoint(server).status, 200)
        self.assertEqual(self.append(server).status, 201)

    @unittest.skipUnless(pki.OPENSSL, "the openssl command is not installed")
    def test_certificates_of_witnesses_must_lead_to_the_authorities_that_are_said(self):
        authority = pki.Authority(self.folder, "ca")
        certificate, key = authority.issue("server")
        server = self.log_server()
        witness, vkey = self.witness_of(
            "w.example.com", server.vkey(LOG), context=ssl.create_default_context(cafile=authority.pem),
            options=["--tls-cert", str(certificate), "--tls-key", str(key)])
        self.assertTrue(witness.url().startswith("https://"))
        policy = self.policy(1, (vkey, witness.url()))
        self.again(server, "--witness-policy", policy, "--witness-logs", LOG)
        until(lambda: self.state(server)["witnesses"][0]["failed"], "it is believed without a reason")
        self.assertIn("certificate", self.state(server)["witnesses"][0]["last_failure"])
        self.assertFalse(cosigned(self.checkpoint(server).text(), vkey))
        self.again(server, "--witness-ca", str(authority.pem))
        until(lambda: self.is_cosigned(server, vkey), "it is not believed")

    def rolled_back(self, grow):
        """A log that its witness has seen 4 records of, and a copy from when there were 2."""
        server = self.log_server()
        witness, vkey = self.witness_of("w.example.com", server.vkey(LOG))
        policy = self.policy(1, (vkey, witness.url()))
        self.again(server, "--witness-policy", policy, "--witness-logs", LOG)
        self.append(server)
        until(lambda: self.is_cosigned(server, vkey, 2), "2 are not cosigned")
        self.assertEqual(server.stop(), 0)
        shutil.copytree(server.data, self.folder / "copy")
        server.start()
        for _ in range(2):
            self.append(server)
        until(lambda: self.is_cosigned(server, vkey, 4), "4 are not cosigned")
        self.assertEqual(server.stop(), 0)
        self.newer = shutil.copy(server.data / "cosigned" / f"{LOG}.note", self.folder)
        shutil.rmtree(server.data)
        shutil.copytree(self.folder / "copy", server.data)
        server.command += ["--moved"]
        if grow:  # while nobody asks the witness
            at = server.command.index("--witness-policy")
            options = server.command[at:at + 2]
            del server.command[at:at + 2]
            server.start()
            for n in range(4):
                self.append(server, f"other {n}")
            self.assertEqual(server.stop(), 0)
            server.command += options
        server.start()
        return server, witness

    def found(self, server, cause, ours, theirs):
        until(lambda: self.checkpoint(server).status == 503, "it is not found")
        self.assertEqual(problem(self.checkpoint(server)), (503, "witness-conflict"))
        log = SystemLog()
        until(lambda: log.read(server) is not None and log.of_type("witness.conflict"), "no record")
        act = log.of_type("witness.conflict")[0]
        self.assertEqual(
            {n: act[n] for n in ("log", "cause", "size", "witness_size", "disputed", "witness")},
            {"log": LOG, "cause": cause, "size": ours, "witness_size": theirs, "disputed": True,
             "witness": "w.example.com/witness"})
        self.assertEqual(self.state(server)["disputed"], [LOG])
        self.assertEqual(server.get("/readyz").json()["witness_conflicts"], 1)
        self.assertIn("stele_witness_logs_disputed 1", server.get("/metrics").text())
        self.assertIn("docs/witnesses.md", server.log())

    def test_an_older_copy_is_found(self):
        server, _ = self.rolled_back(grow=False)
        self.found(server, "larger", 2, 4)
        self.assertEqual(self.append(server).status, 201)  # none: records still come in
        self.again(server, "--witness-require", "public")
        until(lambda: self.state(server)["disputed"] == [LOG], "it is not found again")
        self.assertEqual(problem(self.append(server)), (503, "witness-conflict"))
        server.create_log("other")
        self.assertEqual(self.append(server, log="other").status, 201)

    def test_a_fork_is_found(self):
        server, witness = self.rolled_back(grow=True)
        self.found(server, "proof", 6, 4)
        self.assertEqual([s["size"] for s in self.state(witness)["seen"]], [4])

    def test_a_checkpoint_that_was_cosigned_of_another_history_is_not_served(self):
        server, _ = self.rolled_back(grow=True)
        self.assertEqual(server.stop(), 0)
        shutil.copy(self.newer, server.data / "cosigned")
        with self.assertRaisesRegex(RuntimeError, "have cosigned another history"):
            server.start()

    def test_what_fails_together_fails_once(self):
        """Eight logs are under way when the witness goes down: it is asked again soon, not in minutes."""
        together = threading.Barrier(8)

        def restarts(witness, old, text):
            if len(witness.seen) <= 8:
                together.wait(30)
                return 503, "text/plain", ""
            return honest(witness, old, text)

        fake = FakeWitness(restarts)
        self.addCleanup(fake.end)
        server = self.log_server(log="l0")
        for n in range(1, 8):
            server.create_log(f"l{n}")
        self.again(server, "--witness-policy", self.policy(1, (fake.key.vkey, fake.url)), "--witness-logs", "l*")
        until(lambda: all(self.is_cosigned(server, fake.key.vkey, log=f"l{n}") for n in range(8)), "it is not asked")

    def test_what_cannot_be_kept_is_asked_for_again(self):
        """The disk takes no cosignatures for a while, and the log waits for one before it goes on."""
        begun = threading.Event()
        fake = FakeWitness(lambda w, old, text: honest(w, old, text) if begun.is_set() else (500, "t/p", ""))
        self.addCleanup(fake.end)
        server = self.log_server()
        self.again(server, "--witness-policy", self.policy(1, (fake.key.vkey, fake.url)), "--witness-logs", LOG,
                   "--witness-require", "public")
        in_the_way = server.data / "cosigned" / f"{LOG}.note"
        (in_the_way / "x").mkdir(parents=True)
        begun.set()
        until(lambda: "cannot be kept" in self.state(server)["witnesses"][0].get("last_failure", ""), "it is not noticed")
        self.assertEqual(problem(self.append(server)), (503, "not-cosigned"))
        shutil.rmtree(in_the_way)
        until(lambda: self.is_cosigned(server, fake.key.vkey), "it is not asked again")
        self.assertEqual(self.append(server).status, 201)

    def test_a_store_that_is_older_than_its_own_cosigned_checkpoint_does_not_start(self):
        server = self.log_server()
        witness, vkey = self.witness_of("w.example.com", server.vkey(LOG))
        self.again(server, "--witness-policy", self.policy(1, (vkey, witness.url())))
        shutil.copytree(server.data / "wal", self.folder / "wal")
        self.append(server)
        until(lambda: self.is_cosigned(server, vkey, 2), "2 are not cosigned")
        kept = server.data / "cosigned" / f"{LOG}.note"
        self.assertTrue(cosigned(kept.read_text(), vkey))
        text = kept.read_text()
        self.assertEqual(server.stop(), 0)
        kept.write_text(text.replace(f"/{LOG}\n2\n", f"/{LOG}\n3\n"))
        with self.assertRaisesRegex(RuntimeError, "older than its checkpoints"):
            server.start()
        kept.write_text("no note\n")
        with self.assertRaisesRegex(RuntimeError, "is no checkpoint of log"):
            server.start()
        kept.write_text(text)
        server.start()

    def test_what_lies_or_hangs_is_not_believed_and_hurts_nobody(self):
        wrong = Key("fake.example.com/w", 4, b"another seed")
        big = "x" * 100000
        behaviours = {
            "does not verify": lambda w, old, text: (200, "t/p", w.key.cosign(text + "more\n")),
            "no cosignature by its key": lambda w, old, text: (200, "t/p", wrong.cosign(text)),
            "is no signature lines": lambda w, old, text: (200, "t/p", "hello\n"),
            "too long": lambda w, old, text: (200, "t/p", big),
            "it answered 302": lambda w, old, text: (302, "t/p", "", ("Location", good.url)),
            "it answered 500": lambda w, old, text: (500, "t/p", ""),
            "one size after the other": lambda w, old, text: (409, "text/x.tlog.size", f"{1 - old}\n"),
            "does not know this log": lambda w, old, text: (404, "t/p", ""),
            "does not know the key": lambda w, old, text: (403, "t/p", ""),
            "it answered 409": lambda w, old, text: (409, "text/plain", "1\n"),
            "": lambda w, old, text: None,  # says nothing
        }
        good = FakeWitness(honest, "good.example.com")
        fakes = [FakeWitness(b, f"fake.example.com/w{i if i != 1 else ''}")
                 for i, b in enumerate(behaviours.values())]
        self.addCleanup(good.end)
        for fake in fakes:
            self.addCleanup(fake.end)
        server = self.log_server()
        everyone = [(w.key.vkey, w.url) for w in (good, *fakes)]
        self.again(server, "--witness-policy", self.policy(1, *everyone), "--witness-logs", LOG,
                   "--witness-timeout", "1")
        until(lambda: self.is_cosigned(server, good.key.vkey, 1), "the good one is not heard")
        until(lambda: all(w["failed"] for w in self.state(server)["witnesses"][1:]), "some is not asked")
        self.append(server)
        until(lambda: self.is_cosigned(server, good.key.vkey, 2), "nor later")
        note = self.checkpoint(server).text()
        self.assertEqual(note.count("\u2014"), 2)  # the log's and the good one's
        state = self.state(server)["witnesses"]
        for (what, _), witness in zip(behaviours.items(), state[1:]):
            self.assertEqual(witness["cosigned"], 0, what)
            self.assertIn(what, witness["last_failure"])
        self.assertNotIn("last_failure", state[0])
        self.assertTrue(all(path == "/add-checkpoint" for path, *_ in good.seen))
        self.assertEqual(server.stop(), 0)  # also while one hangs

    def test_one_that_says_later_that_it_has_seen_more_stops_nothing(self):
        """It has cosigned since the start, so that it is the one that is wrong, or a twin is elsewhere."""
        lies = []
        fake = FakeWitness(lambda w, old, text: (409, "text/x.tlog.size", "99\n") if lies
                           else honest(w, old, text))
        self.addCleanup(fake.end)
        server = self.log_server()
        self.again(server, "--witness-policy", self.policy(1, (fake.key.vkey, fake.url)))
        until(lambda: self.is_cosigned(server, fake.key.vkey, 1), "not cosigned")
        lies.append(True)
        self.append(server)
        until(lambda: self.state(server)["witnesses"][0]["conflicts"], "it is not noticed")
        self.assertEqual(self.checkpoint(server).status, 200)
        self.assertEqual(self.state(server)["disputed"], [])

    def test_settings_that_cannot_be(self):
        key = Key("w.example.com", 4)
        log = Key("log.example.com/x")
        for options, what in (
            (["--witness-policy", "/nowhere"], "/nowhere cannot be read"),
            (["--witness-policy", self.file("a", f"witness a {log.vkey} http://x\nquorum a\n")], "line 1"),
            (["--witness-policy", self.file("b", f"witness a {key.vkey}\nquorum a\n")], "has no URL"),
            (["--witness-policy", self.file("c", f"witness a {key.vkey} ftp://x\nquorum a\n")], "http://"),
            (["--witness-policy", self.file("d", "quorum none\n")], "names no witness"),
            (["--witness-policy", self.file("e", f"witness a {key.vkey} http://x\nquorum none\n"),
              "--witness-require", "public"], "asks for a quorum"),
            (["--witness-policy", self.file("f", f"witness a {key.vkey} http://x\nquorum a\n"),
              "--witness-require", "some"], "none, public or append"),
            (["--witness-policy", self.folder / "f", "--witness-logs", "A"], "no pattern"),
            (["--witness-policy", self.folder / "f", "--witness-ca", "/nowhere"], "/nowhere"),
            (["--witness-for", "/nowhere"], "/nowhere cannot be read"),
            (["--witness-for", self.file("g", "# none\n")], "names no log"),
            (["--witness-for", self.file("h", key.vkey)], "line 1"),
            (["--witness-for", self.file("i", log.vkey), "--witness-name", "a b"], "no name"),
        ):
            server = Server(data=self.folder / "data", options=map(str, options))
            with self.subTest(options), self.assertRaisesRegex(RuntimeError, what):
                server.start()


class Appending(Case):
    """--witness-require append."""

    def ready(self, behaviour):
        fake = FakeWitness(lambda w, old, text: behaviour[0](w, old, text))
        self.addCleanup(fake.end)
        server = self.log_server()
        server.create_log("k8s")
        self.again(server, "--witness-policy", self.policy(1, (fake.key.vkey, fake.url)),
                   "--witness-require", "append", "--witness-timeout", "2")
        until(lambda: self.checkpoint(server).status == 200, "the first quorum does not come")
        until(lambda: self.checkpoint(server, "k8s").status == 200, "the first quorum does not come")
        return server, fake

    def test_an_append_is_acknowledged_when_a_quorum_covers_it(self):
        server, fake = self.ready([honest])
        for n in range(1, 6):
            answer = self.append(server)
            self.assertEqual((answer.status, answer.json()["index"]), (201, n))
            note = self.checkpoint(server).text()
            self.assertGreater(int(note.split("\n")[1]), n)
            self.assertTrue(cosigned(note, fake.key.vkey))
        clients = [server.connect() for _ in range(8)]
        statuses = []

        def many(client):
            for n in range(5):
                answer = client.post(f"/api/v1/logs/{LOG}/records", f"{n}")
                statuses.append(answer.status)

        threads = [threading.Thread(target=many, args=[c]) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(statuses, [201] * 40)

    def test_what_is_stored_and_not_cosigned_is_said_and_can_be_asked_for_again(self):
        behaviour = [honest]
        server, _ = self.ready(behaviour)
        events = json.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1",
                             "items": [{"auditID": "a"}]})
        for bad in (lambda w, old, text: None,
                    lambda w, old, text: (200, "t/p", w.key.cosign(text + "more\n"))):
            behaviour[0] = bad
            key = f"k{id(bad)}"
            answer = self.append(server, "evidence", key=key)
            self.assertEqual(problem(answer), (503, "not-cosigned"))
            self.assertIn("stored", answer.json()["detail"])
            answer = self.append(server, "evidence", key=key)  # still not
            self.assertEqual(problem(answer), (503, "not-cosigned"))
            behaviour[0] = honest
            until(lambda: self.append(server, "evidence", key=key).status == 201, "it is never cosigned")
            answer = self.append(server, "evidence", key=key)
            self.assertEqual(answer.headers["idempotent-replayed"], "true")
        self.assertEqual(server.post("/k8s/audit/k8s", events).status, 200)
        behaviour[0] = lambda w, old, text: (503, "t/p", "")
        answer = server.post("/k8s/audit/k8s", events.replace('"a"', '"b"'))
        self.assertEqual(problem(answer), (503, "not-cosigned"))
        file = self.file("big", "x" * (2 << 20))
        client = server.connect()
        answer = client.post(f"/api/v1/logs/{LOG}/records", file.read_bytes(), {"Idempotency-Key": "big"})
        self.assertEqual(problem(answer), (503, "not-cosigned"))
        behaviour[0] = honest

        def big():
            return client.post(f"/api/v1/logs/{LOG}/records", file.read_bytes(), {"Idempotency-Key": "big"})

        until(lambda: big().status == 201, "the file is never cosigned")
        self.assertEqual(server.get(f"/api/v1/logs/{LOG}").json()["size"], 4)


if __name__ == "__main__":
    unittest.main()
