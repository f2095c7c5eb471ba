"""Starting and stopping: what stands in the way is said in one line, and nothing is shared by mistake."""
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from lib import STELED, Server

OPTIONS = ["--min-free", "0"]


def steled(*arguments):
    return subprocess.run([STELED, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)


class Start(unittest.TestCase):
    def refused(self, result, status, *words):
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_two_servers_never_share_an_address(self):
        for loops in ("1", "3"):
            with Server(options=[*OPTIONS, "--loops", loops]) as server:
                for others in ("1", "2"):
                    self.refused(steled("--data", f"{server.own}/other", "--loops", others,
                                        "--listen", f"127.0.0.1:{server.port}"),
                                 1, "Cannot listen", "in use")
                    self.assertFalse(Path(f"{server.own}/other").exists())
                self.assertEqual(server.stop(), 0)

    def test_two_servers_never_share_a_directory(self):
        with Server(options=OPTIONS) as server:
            self.refused(steled("--data", server.data, "--listen", "127.0.0.1:0"), 1, "in use")
            self.assertEqual(server.get("/livez").status, 200)

    def test_usage_is_told_and_exits_3(self):
        self.refused(steled(), 3, "--data DIR")
        self.refused(steled("--data", "d", "--bogus"), 3, "--bogus", "--help")
        self.refused(steled("--data", "d", "--listen", "0.0.0.0:0"), 3, "--insecure")
        self.refused(steled("--data", "d", "--origin", "a b"), 3, "origin must be", "a b")
        self.assertRegex(steled("--version").stdout, r"^steled \d+\.\d+\.\d+\n$")
        self.assertIn("--data DIR", steled("--help").stdout)

    def test_a_named_server_is_no_demo(self):
        with Server(options=[*OPTIONS, "--origin", "ledger.example"]) as server:
            self.assertNotIn("stele-demo", server.get("/livez").headers)
            log = server.create_log("payments")
            self.assertEqual(log["origin"], "ledger.example/payments")
            self.assertNotIn("warning", log)
            self.assertFalse(server.get("/readyz").json()["demo"])

    def test_tokens_outlive_a_restart_and_admin_token_may_go(self):
        with Server(options=OPTIONS) as server:
            token = server.token()
            (server.data / "admin.token").unlink()
            server.connect = lambda given=None, old=server.connect: old(given or token)
            self.assertEqual(server.stop(), 0)
            server.start()
            self.assertEqual(server.get("/api/v1/logs").status, 200)
            self.assertFalse((server.data / "admin.token").exists())

    def test_no_store_begins_among_the_files_of_others(self):
        with tempfile.TemporaryDirectory(prefix="stele-test-") as folder:
            mine = Path(folder) / "thesis.txt"
            mine.write_text("chapter one")
            self.refused(steled("--data", folder, "--listen", "127.0.0.1:0"), 1, "thesis.txt")
            self.assertEqual(list(Path(folder).iterdir()), [mine])

    def test_a_data_directory_open_to_others_is_warned_about(self):
        with Server(options=OPTIONS) as server:
            self.assertNotIn("chmod 700", server.log())
            self.assertEqual(server.stop(), 0)
            server.data.chmod(0o755)
            server.start()
            self.assertIn("chmod 700", server.log())

    def test_several_loops_serve_one_store(self):
        with Server(options=[*OPTIONS, "--loops", "4"]) as server:
            server.create_log("log")
            clients = [server.connect() for _ in range(16)]
            for client in clients:
                self.assertEqual(client.post("/api/v1/logs/log/records", b"x").status, 201)
            self.assertEqual(server.get("/api/v1/logs/log").json()["size"], 17)
            for client in clients:
                client.close()
            self.assertEqual(server.stop(), 0)

    def test_interrupts_drain_too_and_nothing_is_accepted_meanwhile(self):
        with Server(options=OPTIONS) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as s:
                s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
                time.sleep(0.2)
                server.process.send_signal(signal.SIGINT)
                time.sleep(0.2)
                with self.assertRaises(ConnectionError):
                    socket.create_connection(("127.0.0.1", server.port))
                s.sendall(b"\r\n")
                answer = s.recv(4096)
                self.assertIn(b" 200 OK", answer)
                self.assertIn(b"Connection: close", answer)
            self.assertEqual(server.process.wait(10), 0)


if __name__ == "__main__":
    unittest.main()
