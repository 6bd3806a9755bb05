"""Debian's Chromium without a screen, through its driver: WebDriver spoken with Python's own HTTP client."""

import base64
import http.client
import json
import shutil

import pytest

from l1 import free_port
from process import Process, clean_env, until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's own name for a reference to one


class Browser:
    TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"

    def __init__(self, where):
        for name in ("chromium", "chromedriver"):
            if not shutil.which(name):
                pytest.skip(f"SKIPPED: {name} is not installed (scripts/install-deps test)")
        self.port = free_port()
        self.driver = Process(where / "chromedriver.log")
        self.driver.spawn(["chromedriver", f"--port={self.port}"], env=clean_env(HOME=where, TMPDIR=where))
        until("an answer of chromedriver", self.answers)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                            "--no-proxy-server", "--force-color-profile=srgb"]}
        made = self.command("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "ignore"}}})
        self.session = f"/session/{made['sessionId']}"

    def answers(self):
        try:
            return self.command("GET", "/status")["ready"]
        except OSError:
            return False

    def command(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            link.request(method, path, json.dumps(body) if body is not None else None, {"content-type": "application/json"})
            value = json.loads(link.getresponse().read())["value"]
        finally:
            link.close()
        assert not (isinstance(value, dict) and "error" in value), value
        return value

    def close(self):
        try:
            self.command("DELETE", self.session)
        finally:
            self.driver.kill()

    # --- what a person does ---

    def open(self, url):
        self.command("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *args):
        """The value that this script's `return` gives."""
        return self.command("POST", f"{self.session}/execute/sync", {"script": script, "args": list(args)})

    def find(self, css):
        found = self.command("POST", f"{self.session}/element", {"using": "css selector", "value": css})
        return f"{self.session}/element/{found[ELEMENT]}"

    def click(self, css):
        """Found and clicked; again where it was drawn anew in between."""
        for _ in range(10):
            try:
                return self.command("POST", f"{self.find(css)}/click", {})
            except AssertionError as error:
                if "stale element" not in str(error):
                    raise
        raise AssertionError(f"{css} does not stay")

    def type(self, css, text):
        self.command("POST", f"{self.find(css)}/value", {"text": text})

    def press(self, *keys):
        """On whatever has the focus: characters, or Browser.TAB, ENTER, ESCAPE."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.command("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focus(self):
        """The id of what has the focus, or the verb of a button without one."""
        return self.run("const a = document.activeElement; return a.id || a.dataset.verb || a.tagName")

    def text(self, css="body"):
        return self.run("return document.querySelector(arguments[0]).innerText", css)

    def sees(self, words, css="body", seconds=20):
        until(f"{words!r} on the page", lambda: words in self.text(css), seconds)

    def errors(self):
        """What the console was told, since the last look."""
        return [e["message"] for e in self.command("POST", f"{self.session}/se/log", {"type": "browser"})
                if e["level"] == "SEVERE"]

    def resize(self, width, height):
        """The page's own size, whatever a window may be."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def devtools(self, name, **params):
        return self.command("POST", f"{self.session}/goog/cdp/execute", {"cmd": name, "params": params})

    def screenshot(self, path):
        """Of the whole page, as long as it is; of what is in view while a dialog is open."""
        options = {}
        if not self.run("return document.querySelector('dialog[open]') !== null"):
            size = self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]")
            options = {"captureBeyondViewport": True,
                       "clip": {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 6000), "scale": 1}}
        path.write_bytes(base64.b64decode(self.devtools("Page.captureScreenshot", format="png", **options)["data"]))
