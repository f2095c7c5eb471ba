"""The passphrase of the key files: from a file, a descriptor, a credential, or typed."""
import os
import pty
import select
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest
from pathlib import Path

from lib import STELE, STELED, Server

SECRET = "correct horse battery"
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Typed:
    """A command on a terminal of its own: what it shows, and what is typed."""

    def __init__(self, *command):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number in ENDING:  # what runs in the background may ignore some
                signal.signal(number, signal.SIG_DFL)
            os.execv(command[0], [str(c) for c in command])

    def until(self, text, seconds=60):
        """Reads until that is shown, or the end."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.shown and time.monotonic() < deadline:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(self.fd, 4096)
            except OSError:  # the terminal's last user has left
                break
            if not piece:
                break
            self.shown += piece
        return text.encode() in self.shown

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """The exit status, when it has shown everything."""
        self.until("\0", 30)
        deadline = time.monotonic() + 60
        while os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status


class Passphrase(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        self.data = self.folder / "data"
        self.file = self.folder / "file"
        self.file.write_text(SECRET + "\n")

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def sealed_store(self):
        with Server(data=self.data, options=["--passphrase-file", str(self.file)]) as server:
            server.create_log("l")
            self.assertEqual(server.stop(), 0)

    def fsck(self, *options, **more):
        return subprocess.run([str(STELE), "fsck", str(self.data), *map(str, options)],
                              capture_output=True, text=True, check=False, timeout=120,
                              start_new_session=True, **more)

    def with_fd(self, text):
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        return reading

    def test_a_descriptor_and_a_credential_open_what_a_file_sealed(self):
        self.sealed_store()
        self.assertEqual(self.fsck().returncode, 3)
        for end in ("\n", ""):
            fd = self.with_fd(SECRET + end)
            self.assertEqual(self.fsck("--passphrase-fd", fd, pass_fds=[fd]).returncode, 0)
            os.close(fd)
        self.assertEqual(self.fsck("--passphrase-fd", 0, input=SECRET + "\n").returncode, 0)
        fd = self.with_fd("another\n")
        run = self.fsck("--passphrase-fd", fd, pass_fds=[fd])
        self.assertEqual(run.returncode, 3)
        self.assertIn("passphrase is wrong", run.stderr)
        os.close(fd)
        (self.folder / "stele.passphrase").write_text(SECRET)
        env = {**os.environ, "CREDENTIALS_DIRECTORY": str(self.folder)}
        self.assertEqual(self.fsck(env=env).returncode, 0)
        run = self.fsck("--passphrase-file", self.file, env=env)
        self.assertEqual(run.returncode, 3)
        self.assertIn("exactly one", run.stderr)

    def test_steled_takes_a_credential(self):
        (self.folder / "stele.passphrase").write_text(SECRET)
        env = {"CREDENTIALS_DIRECTORY": str(self.folder)}
        with Server(data=self.data, env=env) as server:
            server.create_log("l")
            self.assertEqual(server.stop(), 0)
        run = self.fsck()
        self.assertIn("is sealed", run.stderr)
        self.assertEqual(self.fsck("--passphrase-file", self.file).returncode, 0)

    def test_steled_keeps_no_copy_of_the_text(self):
        """Neither the text itself nor a piece of it lies in the memory of a server that runs;
        the seal, which derives keys from it, has one in locked memory that is no part of it."""
        self.sealed_store()
        with Server(data=self.data, options=["--passphrase-file", str(self.file)]) as server:
            self.assertEqual(server.get("/api/v1/logs/l").status, 200)
            maps = Path(f"/proc/{server.process.pid}/maps").read_text().splitlines()
            found = 0
            with open(f"/proc/{server.process.pid}/mem", "rb", 0) as memory:
                for line in maps:
                    where, rights, rest = line.split(" ", 2)
                    if "[heap]" not in rest and "[stack]" not in rest:
                        continue
                    first, last = (int(x, 16) for x in where.split("-"))
                    memory.seek(first)
                    found += memory.read(last - first).count(SECRET.encode())
            self.assertEqual(found, 0)

    def test_a_prompt_asks_shows_nothing_and_lets_correct(self):
        self.sealed_store()
        run = Typed(STELE, "fsck", self.data, "--passphrase-prompt")
        self.assertTrue(run.until("Passphrase of the key files: "))
        run.type("wrong\x15" + SECRET + "x\x7f\r")
        self.assertEqual(run.end(), 0, run.shown)
        self.assertIn(b"SOUND", run.shown)
        self.assertNotIn(b"wrong", run.shown)
        self.assertNotIn(b"horse", run.shown)
        for keys, word in (("another\r", b"passphrase is wrong"), ("\r", b"empty"),
                           ("half\x03", b"no passphrase was given")):
            run = Typed(STELE, "fsck", self.data, "--passphrase-prompt")
            self.assertTrue(run.until("files: "))
            run.type(keys)
            self.assertEqual(run.end(), 3)
            self.assertIn(word, run.shown)

    def test_a_signal_ends_it_and_the_terminal_shows_again(self):
        self.sealed_store()
        for number in ENDING:
            run = Typed(STELE, "fsck", self.data, "--passphrase-prompt")
            self.assertTrue(run.until("files: "))
            tty = os.open(os.readlink(f"/proc/{run.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
            self.assertFalse(termios.tcgetattr(tty)[3] & termios.ECHO)
            run.type("half of it")
            os.kill(run.pid, number)
            status = os.waitstatus_to_exitcode(os.waitpid(run.pid, 0)[1])
            self.assertEqual(status, -number)
            for flag in (termios.ECHO, termios.ICANON, termios.ISIG):
                self.assertTrue(termios.tcgetattr(tty)[3] & flag)
            os.close(tty)
            os.close(run.fd)
            self.assertNotIn(b"half", run.shown)

    def test_a_first_start_asks_twice(self):
        command = [STELED, "--data", self.data, "--listen", "127.0.0.1:0", "--unprotected",
                   "--passphrase-prompt"]
        run = Typed(*command)
        self.assertTrue(run.until("New passphrase of the key files: "))
        run.type(SECRET + "\r")
        self.assertTrue(run.until("Again: "))
        run.type("a slip\r")
        self.assertEqual(run.end(), 3)
        self.assertIn(b"not the same twice", run.shown)
        self.assertFalse((self.data / "stele.id").exists())
        run = Typed(*command)
        for question in ("New passphrase of the key files: ", "Again: "):
            self.assertTrue(run.until(question))
            run.type(SECRET + "\r")
        self.assertTrue(run.until("listening on"), run.shown)
        os.kill(run.pid, 15)
        self.assertEqual(run.end(), 0)
        self.assertEqual(self.fsck("--passphrase-file", self.file).returncode, 0)
        run = Typed(*command)
        self.assertTrue(run.until("Passphrase of the key files: "))
        self.assertNotIn(b"New", run.shown)
        run.type(SECRET + "\r")
        self.assertTrue(run.until("listening on"), run.shown)
        os.kill(run.pid, 15)
        self.assertEqual(run.end(), 0)

    def test_without_a_terminal_it_says_so(self):
        self.sealed_store()
        run = self.fsck("--passphrase-prompt", stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 3)
        self.assertIn("no terminal", run.stderr)


if __name__ == "__main__":
    unittest.main()
