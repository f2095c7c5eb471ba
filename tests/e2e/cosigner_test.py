#!/usr/bin/env python3
"""A steled that is a witness of others' logs (docs/witnesses.md): every status of C2SP tlog-witness, and no crash
or race by which two histories of a log would be cosigned."""
import os
import threading
import time
import unittest

import proof
from cosign import FakeLog, Key, cosigned
from http_case import problem
from lib import Client, until
from system_log import SystemLog
from witness_case import Case


class Being(Case):
    """POST /add-checkpoint, against a log that is not stele's."""

    def setUp(self):
        super().setUp()
        self.log = FakeLog("log.example.org/x")
        self.fork = FakeLog("log.example.org/x", fork=5)
        self.witness, self.vkey = self.witness_of("w.example.com", self.log.key.vkey)
        self.client = Client(self.witness.port)

    def tearDown(self):
        self.client.close()
        super().tearDown()

    def add(self, body):
        return self.client.post("/add-checkpoint", body)

    def signed(self, log, old, size):
        answer = self.add(log.request(old, size))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.text().count("\n"), 1)
        self.assertEqual(len(cosigned(log.text(size) + "\n" + answer.text(), self.vkey)), 1)

    def at(self, answer, size):
        self.assertEqual((answer.status, answer.headers["content-type"], answer.text()),
                         (409, "text/x.tlog.size", f"{size}\n"))

    def test_each_status_of_the_document(self):
        log, fork = self.log, self.fork
        self.at(self.add(log.request(3, 9)), 0)
        self.signed(log, 0, 6)
        self.signed(log, 6, 6)
        self.signed(log, 6, 9)
        self.at(self.add(log.request(0, 12)), 9)
        self.at(self.add(log.request(6, 12)), 9)
        self.at(self.add(fork.request(9, 9)), 9)  # another root of one size
        other = Key(log.origin, 1, b"another")
        unknown = FakeLog("elsewhere.example.org/x")
        good = log.consistency(9, 12)
        for body, want in (
            (log.request(10, 9), (400, "invalid-checkpoint")),
            (log.request(9, 12, [good[0]] * 64), (400, "invalid-checkpoint")),
            ("", (400, "invalid-checkpoint")),
            (b"old 9\n\n" + log.text(9).encode(), (400, "invalid-checkpoint")),
            (log.request(9, 12, key=other), (403, "untrusted-checkpoint")),
            (unknown.request(0, 1), (404, "unknown-origin")),
            (log.request(9, 12, []), (422, "inconsistent-checkpoint")),
            (log.request(9, 12, good[::-1]), (422, "inconsistent-checkpoint")),
            (log.request(9, 12, good + good[:1]), (422, "inconsistent-checkpoint")),
            (log.request(9, 9, good[:1]), (422, "inconsistent-checkpoint")),
            (fork.request(9, 12), (422, "inconsistent-checkpoint")),
        ):
            self.assertEqual(problem(self.add(body)), want, body)
        self.assertEqual(self.add("x" * 200000).status, 413)
        self.signed(log, 9, 12)
        self.client.close()
        self.again(self.witness)
        self.client = Client(self.witness.port)
        self.at(self.add(log.request(0, 12)), 12)
        self.signed(log, 12, 13)

    def test_a_first_proof_is_empty(self):
        log = self.log
        self.assertEqual(problem(self.add(log.request(0, 4, log.consistency(3, 4)))),
                         (422, "inconsistent-checkpoint"))
        self.signed(log, 0, 4)

    def test_a_fork_is_recorded_once_with_its_proof(self):
        self.signed(self.log, 0, 9)
        for _ in range(3):
            self.at(self.add(self.fork.request(9, 9)), 9)
        log = SystemLog()
        until(lambda: log.read(self.witness) is not None and log.of_type("witness.fork"), "no record")
        act, = log.of_type("witness.fork")
        self.assertEqual((act["origin"], act["size"]), (self.log.origin, 9))
        vkey = proof.Vkey.parse(self.log.key.vkey)
        shown = proof.open_checkpoint(act["checkpoint"], vkey)
        kept, = (self.witness.data / "witness").glob("*.note")
        held = proof.open_checkpoint(kept.read_text(), vkey)  # signed by the log, and by the witness
        self.assertTrue(cosigned(kept.read_text(), self.vkey))
        self.assertEqual((shown.size, held.size), (9, 9))
        self.assertNotEqual(shown.root, held.root)

    def test_a_fork_is_seen_whatever_size_is_said(self):
        self.signed(self.log, 0, 9)
        self.at(self.add(self.fork.request(3, 9)), 9)
        log = SystemLog()
        until(lambda: log.read(self.witness) is not None and log.of_type("witness.fork"), "no record")

    def test_as_many_signatures_as_a_note_may_have_do_not_stop_the_next_start(self):
        body = self.log.request(0, 3)
        line = body[body.rindex(b"\n\n") + 2:]
        self.assertEqual(self.add(body + 64 * line).status, 400)
        self.assertEqual(self.add(body + 63 * line).status, 200)
        self.again(self.witness)
        self.client.close()
        self.client = Client(self.witness.port)
        self.at(self.add(body), 3)

    def test_two_requests_at_once_are_one_after_the_other(self):
        """Both are right by themselves, and only one of them can be signed."""
        names = [f"log.example.org/x{n}" for n in range(16)]
        witness, vkey = self.witness_of("w2.example.com", *(Key(name).vkey for name in names))
        for name in names:
            sides, answers = [FakeLog(name), FakeLog(name, fork=3)], {}
            gate = threading.Barrier(2)

            def ask(side):
                client = Client(witness.port)
                body = side.request(0, 6)
                gate.wait()
                answers[side] = client.post("/add-checkpoint", body)
                client.close()

            threads = [threading.Thread(target=ask, args=[side]) for side in sides]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(sorted(a.status for a in answers.values()), [200, 409])
            won, = (side for side in sides if answers[side].status == 200)
            self.assertTrue(cosigned(won.text(6) + "\n" + answers[won].text(), vkey))

    def test_no_kill_makes_it_forget_what_it_has_signed(self):
        known = 0
        for n in range(12):
            signed, client = [known], Client(self.witness.port)

            def rush():
                size = known
                try:
                    while True:
                        answer = client.post("/add-checkpoint", self.log.request(size, size + 1))
                        if answer.status == 200:
                            size += 1
                            signed.append(size)
                        elif answer.status == 409:
                            size = int(answer.text())
                        else:
                            time.sleep(0.02)  # too fast
                except Exception:
                    return

            thread = threading.Thread(target=rush)
            thread.start()
            until(lambda: len(signed) > 1 + n % 3, "nothing is signed")
            self.witness.kill()
            thread.join()
            self.witness.start()
            self.client.close()
            client.close()
            self.client = Client(self.witness.port)
            answer = self.add(self.fork.request(0, 100))
            self.assertEqual(answer.status, 409)
            self.assertIn(int(answer.text()), (signed[-1], signed[-1] + 1))  # flushed, perhaps not answered
            known = int(answer.text())
            self.signed(self.log, known, known + 1)
            known += 1

    def test_a_key_that_is_gone_is_not_made_anew(self):
        self.signed(self.log, 0, 3)
        self.assertEqual(self.witness.stop(), 0)
        key = self.witness.data / "keys" / "witness"
        self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
        key.rename(self.folder / "key")
        with self.assertRaisesRegex(RuntimeError, "is gone, and"):
            self.witness.start()
        (self.folder / "key").rename(key)
        state, = (self.witness.data / "witness").glob("*.note")
        text = state.read_text()
        state.write_text(text.replace("\n3\n", "\n2\n"))
        with self.assertRaisesRegex(RuntimeError, "is not what this witness has cosigned"):
            self.witness.start()
        state.write_text(text)
        folder = state.parent
        folder.rename(self.folder / "lost")
        with self.assertRaisesRegex(RuntimeError, "restore the folder as it was last"):
            self.witness.start()
        self.assertFalse(folder.exists())
        (self.folder / "lost").rename(folder)
        self.witness.command += ["--witness-name", "other.example.com"]
        with self.assertRaisesRegex(RuntimeError, "has another name"):
            self.witness.start()
        self.witness.command[-1] = "w.example.com/witness"
        self.witness.start()
        self.assertEqual(self.state(self.witness)["vkey"], self.vkey)

    def test_one_address_may_ask_so_often(self):
        body = self.log.request(0, 1)
        deadline, answer = time.monotonic() + 60, self.add(body)
        self.assertEqual(answer.status, 200)
        clients = [Client(self.witness.port) for _ in range(8)]
        limited = []

        def ask(client):
            while not limited and time.monotonic() < deadline:
                answer = client.post("/add-checkpoint", body)
                if answer.status == 429:
                    limited.append(answer)

        threads = [threading.Thread(target=ask, args=[c]) for c in clients]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for client in clients:
            client.close()
        self.assertEqual(problem(limited[0]), (429, "rate-limited"))
        self.assertIn("retry-after", limited[0].headers)
        until(lambda: self.add(body).status == 409, "it never may again")


if __name__ == "__main__":
    unittest.main()
