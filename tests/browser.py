"""A headless Chromium, driven through ChromeDriver's own protocol, for pages opened from the disk."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.request

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=420,800",
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
needed = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="Chromium and ChromeDriver are not installed")


class Browser:
    def __init__(self, port, profile):
        self.address = f"http://127.0.0.1:{port}/session"
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self.address += "/" + self._ask("POST", "", wanted)["sessionId"]

    def _ask(self, method, path, body=None):
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, content, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, path):
        self._ask("POST", "/url", {"url": path.absolute().as_uri()})

    def click(self, selector):
        """Click as a person does: fails where something else lies over the element."""
        element = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{next(iter(element.values()))}/click", {})

    def script(self, text):
        """What a piece of JavaScript returns."""
        return self._ask("POST", "/execute/sync", {"script": text, "args": []})

    def text(self, selector):
        return self.script(f"return document.querySelector({json.dumps(selector)}).textContent")

    def close(self):
        self._ask("DELETE", "")


@contextlib.contextmanager
def opened(profile):
    """Yield a `Browser` with a new profile in this folder."""
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = next(match[1] for line in driver.stdout if (match := re.search(r"on port (\d+)\.", line)))
        browser = Browser(port, profile)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.communicate()
