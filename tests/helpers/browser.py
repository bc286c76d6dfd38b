"""A headless Chromium that Selenium drives, offline, for pages opened from the disk."""

import contextlib
import os
import re
import shutil
from unittest import mock

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

# Both programs are named below, so Selenium Manager does not run; if it ever did, it must not use the network.
# ChromeDriver listens on this machine, where no proxy would find it.
ENVIRONMENT = {"SE_OFFLINE": "true", "SE_AVOID_STATS": "true", "no_proxy": "localhost,127.0.0.1"}
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


class Browser(webdriver.Chrome):
    def open(self, path):
        self.get(path.absolute().as_uri())

    def resize(self, width, height):
        """Give the page this size in pixels; a window cannot be as narrow as a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def errors(self):
        """What went wrong since the last call, as the browser's console says it."""
        return [entry["message"] for entry in self.get_log("browser") if entry["level"] == "SEVERE"]

    def click(self, selector):
        """Click as a person does: fails where something else lies over the element."""
        self.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector, text):
        """Replace the text of a field and press Enter."""
        field = self.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(text, Keys.ENTER)

    def press(self, *keys):
        """Press keys one after another where the focus is: letters, names such as ArrowRight, or Control+z."""
        for key in keys:
            held, _, last = key.rpartition("+") if len(key) > 1 else ("", "", key)
            pressed = getattr(Keys, re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).upper(), last)
            actions = ActionChains(self)
            if held:
                actions = actions.key_down(getattr(Keys, held.upper()))
            actions = actions.send_keys(pressed)
            if held:
                actions = actions.key_up(getattr(Keys, held.upper()))
            actions.perform()

    def wait_for(self, script, seconds=30):
        """Wait until a script returns something true."""
        WebDriverWait(self, seconds, poll_frequency=0.05).until(lambda page: page.execute_script(script))

    def text(self, selector):
        """The text of an element, seen or not."""
        return self.find_element(By.CSS_SELECTOR, selector).get_property("textContent")


@contextlib.contextmanager
def opened(profile):
    """Yield a `Browser` with a new profile in this folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    with mock.patch.dict(os.environ, ENVIRONMENT):
        browser = Browser(options, webdriver.ChromeService(DRIVER))
        try:
            yield browser
        finally:
            browser.quit()
