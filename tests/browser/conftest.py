"""A real JupyterLab on a copy of the notebooks, and a page of headless Chromium on it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """The address of a JupyterLab that serves a copy of notebooks/, as a student's laptop would."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    settings = home / "settings" / "@jupyterlab"
    for name, value in {
        # Every cell is in the page, scrolled to or not: the test looks for them all.
        "notebook-extension/tracker": {"windowingMode": "none"},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "codemirror-extension/plugin": {"defaultConfig": {"autoClosingBrackets": False}},
    }.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    log = home / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--port=0", "--allow-root"),
                *("--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url="),
                f"--ServerApp.root_dir={home / 'notebooks'}",
            ],
            env={
                **os.environ,
                "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
                "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
                "COURSEKIT_HOME": str(home / "coursekit"),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_for_address(server, log)
    finally:
        server.terminate()
        server.wait(timeout=20)


def wait_for_address(server: subprocess.Popen, log: Path) -> str:
    """The address JupyterLab prints once it listens."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab", log.read_text())
        if found:
            return f"http://127.0.0.1:{found[1]}"
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start within {START_SECONDS} s:\n{log.read_text()[-2000:]}")


@pytest.fixture
def page(tmp_path_factory):
    """A page 1400 pixels wide in the system's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=quiet)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(300_000)  # a busy machine is no failure
        yield page
        browser.close()
