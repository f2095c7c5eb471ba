"""stele key letter: what is on the page is the key, in every form."""
import hashlib
import http.server
import json
import re
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import proof
from lib import Server, stele


def matrix(lines):
    """Modules of a QR code in half blocks, as lists of booleans."""
    rows = []
    for line in lines:
        rows.append([c in "\u2580\u2588" for c in line])
        rows.append([c in "\u2584\u2588" for c in line])
    return rows


def svg_matrix(page, number):
    """The same of the number-th code on a web page."""
    svg = re.findall(r"<svg .*?</svg>", page, re.S)[number]
    side = int(re.search(r'viewBox="0 0 (\d+) \1"', svg).group(1))
    rows = [[False] * side for _ in range(side + side % 2)]
    for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", svg):
        rows[int(y)][int(x)] = True
    return rows


class Answers:
    """A server that says one thing."""

    def __init__(self, document):
        body = json.dumps(document).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Letter(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="stele-test-"))
        cls.server = Server(options=["--origin", "letter.example.com"]).start()
        cls.server.create_log("payments")

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()
        cls.server.remove()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def letter(self, *arguments):
        run = stele("key", "letter", *arguments, server=self.server)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def codes(self, text):
        """The QR codes of a letter, each a list of lines."""
        found, now = [], []
        for line in text.splitlines():
            if len(line) > 25 and set(line) <= set(" \u2580\u2584\u2588"):
                now.append(line)
            elif now:
                found.append(now)
                now = []
        return found

    def read(self, modules):
        """What a reader reads in it; None without one on this machine."""
        if not shutil.which("zbarimg"):
            return None
        scale, image = 6, self.folder / "code.pgm"
        rows = b"".join(b"".join(b"\0\xff"[not m:][:1] * scale for m in row) * scale
                        for row in modules)
        size = b"P5 %d %d 255\n" % (len(modules[0]) * scale, len(modules) * scale)
        image.write_bytes(size + rows)
        run = subprocess.run(["zbarimg", "-q", "--raw", str(image)], capture_output=True, text=True,
                             check=False, timeout=60)
        return run.stdout.strip()

    def check_key(self, text, code, vkey):
        self.assertIn(f"\n  {vkey}\n", text)
        digest = hashlib.sha256(vkey.encode()).hexdigest()
        groups = [digest[i:i + 4] for i in range(0, 64, 4)]
        self.assertIn(f"\n  {' '.join(groups[:8])}\n  {' '.join(groups[8:])}\n", text)
        modules = matrix(code)
        self.assertEqual({len(row) for row in modules}, {len(code[0])})
        self.assertIn(self.read(modules), (vkey, None))

    def test_the_page_has_the_identitys_key(self):
        text, vkey = self.letter(), self.server.get("/api/v1/logs").json()["server_vkey"]
        proof.Vkey.parse(vkey)
        self.assertRegex(text, r"(?m)^Server +letter\.example\.com$")
        today = {time.strftime("%Y-%m-%d", time.gmtime(time.time() + s)) for s in (-60, 0)}
        self.assertIn(re.search(r"(?m)^Date +(\S+) \(UTC\)$", text).group(1), today)
        self.assertRegex(text, r"(?m)^Signature +_{20,}$")
        codes = self.codes(text)
        self.assertEqual(len(codes), 1)
        self.check_key(text, codes[0], vkey)

    def test_with_a_log_it_has_that_logs_key_of_today_too(self):
        self.server.create_log("turned")
        for epoch in range(2):
            text = self.letter("turned")
            codes = self.codes(text)
            self.assertEqual(len(codes), 2)
            self.assertIn(f"The log's key, epoch {epoch}", text)
            self.check_key(text, codes[0], self.server.get("/api/v1/logs").json()["server_vkey"])
            self.check_key(text, codes[1], self.server.vkey("turned"))
            self.assertEqual(self.server.post("/api/v1/logs/turned/key/rotate", b"").status, 200)

    def test_the_web_page_and_json_say_the_same(self):
        file = self.folder / "letter.html"
        self.assertEqual(self.letter("payments", "--html", file), "")
        page, text = file.read_text(), self.letter("payments")
        said = json.loads(self.letter("payments", "--json"))
        self.assertEqual(said["server"], "letter.example.com")
        for number, (key, code) in enumerate(zip(said["keys"], self.codes(text), strict=True)):
            self.check_key(text, code, key["vkey"])
            self.assertEqual(hashlib.sha256(key["vkey"].encode()).hexdigest(), key["fingerprint"])
            self.assertIn(f"<code>{key['vkey']}</code>", page)
            self.assertEqual(svg_matrix(page, number), matrix(code))
        self.assertNotIn("http:", page.replace("http://www.w3.org/2000/svg", ""))  # loads nothing

    def test_keys_that_do_not_belong_together_make_no_letter(self):
        """An answer with another log's key, another statement, or a broken key is refused."""
        self.server.create_log("other")
        self.assertEqual(self.server.post("/api/v1/logs/payments/key/rotate", b"").status, 200)
        with Server(options=["--origin", "letter.example.com"]) as twin:
            stranger = twin.get("/api/v1/logs").json()["server_vkey"]
        mine, other = (self.server.get(f"/api/v1/logs/{log}").json() for log in ("payments", "other"))
        broken = mine["server_vkey"].replace("+", "+0", 1)
        for change, status in (({}, 0), ({"vkey": other["vkey"]}, 1), ({"server_vkey": broken}, 1),
                               ({"key_statement": other["key_statement"]}, 1),
                               ({"key_statement": mine["earlier_key_statements"][0]}, 1),
                               ({"server_vkey": stranger}, 1),
                               ({"key_statement": mine["checkpoint"]}, 1)):
            with Answers({**mine, **change}) as url:
                run = stele("--server", url, "--token", "x", "key", "letter", "payments")
            self.assertEqual(run.returncode, status, (change, run.stderr))
            self.assertEqual(run.stdout == "", status == 1)

    def test_what_cannot_be_made_is_said(self):
        run = stele("key", "letter", "none", server=self.server)
        self.assertEqual(run.returncode, 1)
        self.assertIn("make the letter", run.stderr)
        run = stele("key", "letter", "--html", self.folder / "no" / "where", server=self.server)
        self.assertEqual(run.returncode, 3)


if __name__ == "__main__":
    unittest.main()
