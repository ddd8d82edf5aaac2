"""A real browser, and what each page in it is held to. Where there is none, tests that import this are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright, which ./run test installs, is not there")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="axe, which ./run test installs, is not there"
)
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, which ./run test installs where it can be had"
)
ARGUMENTS = ("--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--use-fake-ui-for-media-stream")
ARGUMENTS += ("--use-fake-device-for-media-stream",)


@contextmanager
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def check_access(page: Any) -> None:
    found = axe.Axe().run(page).response
    assert found["passes"], "it has looked at something"
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []
