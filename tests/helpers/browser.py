"""A headless Chromium that Selenium drives, offline, for pages opened from the disk."""

import contextlib
import os
import shutil
from unittest import mock

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

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

    def click(self, selector):
        """Click as a person does: fails where something else lies over the element."""
        self.find_element(By.CSS_SELECTOR, selector).click()

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
