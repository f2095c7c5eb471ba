"""A headless Chromium, driven by WebDriver (https://www.w3.org/TR/webdriver2/) with the standard library alone."""
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

DEADLINE_S = 240  # for what takes a second on an idle machine
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing():
    """Why there is no browser here; None when there is one."""
    for program, package in (("chromium", "chromium"), ("chromedriver", "chromium-driver")):
        if not shutil.which(program):
            return f"{program} is not installed (Debian package {package})"
    return None


class Browser:
    """A session of its own: profile, and files, in `folder`. Use in a with statement."""

    def __init__(self, folder, *options, width=1000, height=900):
        self.folder = folder
        self.options = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            f"--user-data-dir={folder}/profile", f"--window-size={width},{height}", *options]

    def __enter__(self):
        self.log = open(f"{self.folder}/chromedriver.log", "wb")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)})
        try:
            for line in self.driver.stdout:
                found = re.search(r"successfully on port (\d+)", line)
                if found:
                    break
            else:
                raise RuntimeError("chromedriver did not start: see chromedriver.log")
            self.base = f"http://127.0.0.1:{found[1]}/session"
            wants = {
                "goog:chromeOptions": {"args": self.options, "binary": shutil.which("chromium")},
                "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
            self.base += "/" + self.ask("POST", "", {"capabilities": {"alwaysMatch": wants}})["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.base.count("/") > 3:
                self.ask("DELETE", "")
        except (AttributeError, OSError, RuntimeError):
            pass  # the driver's end ends the browser, too
        self.driver.terminate()
        self.driver.wait(60)
        self.driver.stdout.close()
        self.log.close()

    def ask(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            raise RuntimeError(f"{method} {path}: {e.read().decode()}") from e

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *args):
        """Runs the body of a function; its value. What it returns as a promise is waited for."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def element(self, selector):
        return self.ask("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def type(self, selector, text):
        self.ask("POST", f"/element/{self.element(selector)}/value", {"text": text})

    def click(self, selector):
        self.ask("POST", f"/element/{self.element(selector)}/click")

    def wait(self, script, seconds=DEADLINE_S):
        """Until the script's value is true: that value."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(script)
            time.sleep(0.02)

    def devtools(self, command, **params):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def logged(self, kind):
        return self.ask("POST", "/se/log", {"type": kind})
