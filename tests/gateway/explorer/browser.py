"""Chromium for tests of the explorer: one browser, pages that note whatever should not happen, and axe-core."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, expect, sync_playwright

from stat7.testing.required import missing
from stat7.testing.servers import Gateway

AXE: Final = Path(__file__).resolve().parent / "axe"
PATIENCE: Final = 60_000
"""Milliseconds that a page may take for anything, on a machine that is busy with other tests."""

RATES: Final = tuple(f"--rate={kind}=100000/s" for kind in ("read", "find", "bulk"))
"""Options of a gateway that lets tests ask as fast as they like."""

Scheme = Literal["light", "dark"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; skips the test, or fails it, where there is no Chromium."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        missing("chromium", "chromium is not on the PATH: Debian's package chromium has it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page of the explorer, and what went wrong on it.

    `errors` are uncaught errors and what the console was told of errors; `strays` are requests to other origins.
    """

    def __init__(self, browser: Browser, url: str, *, width: int = 1280, scheme: Scheme = "light") -> None:
        self.url = url
        self.errors: list[str] = []
        self.strays: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        self.page.on("dialog", self._asked)
        self.context.on("request", self._requested)

    def open(self, place: str = "#/") -> Page:
        """Go to a view, `#/…` of the explorer or a path, and wait until it is there."""
        self.page.goto(f"{self.url}/{place}" if place.startswith("#") else self.url + place)
        return self.settled()

    def settled(self) -> Page:
        """Wait until nothing is being fetched for the view any more."""
        self.page.wait_for_selector("main h1", state="attached")
        self.page.wait_for_function("() => !document.querySelector('[aria-busy=true], #tally:empty, h1.soft')")
        return self.page

    def addresses(self) -> list[str]:
        """The entities that are shown, in order."""
        found: list[str] = self.page.eval_on_selector_all(
            "main [data-address]", "links => links.map(link => link.dataset.address)"
        )
        return found

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        found: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found

    def alter(self, path: str, data: bytes) -> None:
        """Let other bytes arrive in place of those of a path."""

        def other(route: Route) -> None:
            answer = route.fetch()
            route.fulfill(response=answer, body=data)

        self.page.route(lambda url: urlsplit(url).path == path, other)

    def answer(self, path: str, status: int, document: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Let a path answer with a problem, as something before the gateway might."""
        self.page.route(
            lambda url: urlsplit(url).path == path,
            lambda route: route.fulfill(status=status, json=dict(document), headers=dict(headers)),
        )

    def close(self) -> None:
        """Leave it."""
        self.context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _asked(self, dialog: Any) -> None:
        self.errors.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", f"blob:{self.url}/", "data:")):
            self.strays.append(request.url)


Visiting = Callable[..., Visit]
"""The fixture `visit`: makes a visit to the gateway, or to `server`; `expected` are errors that may be, a pattern."""


def axe_source(npm: str) -> str:
    """The text of axe-core, installed as locked unless that was done before."""
    script = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        done = subprocess.run(
            [npm, "ci"], cwd=AXE, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300, check=False
        )
        if done.returncode:
            missing("node", f"npm ci in tests/gateway/explorer/axe failed: {done.stderr.strip()[-300:]}")
    return script.read_text("utf-8")


def barriers(page: Page, source: str, *rules: str) -> Sequence[str]:
    """What axe-core finds to be serious or critical on a page, by all of its rules or by these."""
    page.evaluate(source)
    only = {"runOnly": list(rules)} if rules else {}
    found: dict[str, Any] = page.evaluate("how => axe.run(document, how)", {"resultTypes": ["violations"], **only})
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:5]
    ]


def found_by(server: Gateway, **query: str) -> list[str]:
    """The addresses that the interface finds, in its order."""
    answer = httpx.get(f"{server.url}/entities", params={**query, "limit": "1000"}, timeout=60)
    assert answer.status_code == 200, answer.text
    return [match["address"] for match in answer.json()["matches"]]


def expect_shown(visit: Visit, expected: list[str]) -> None:
    """Wait until exactly these entities are shown, in this order."""
    expect(visit.page.locator("main [data-address]")).to_have_count(len(expected))
    visit.page.wait_for_function(
        """expected => {
            const links = [...document.querySelectorAll("main [data-address]")];
            return links.map(link => link.dataset.address).join() === expected;
        }""",
        arg=",".join(expected),
    )


def verdict(page: Page, name: str) -> str:
    """Press the button that verifies `name`; what came of it."""
    button = page.get_by_role("button", name=f"Verify {name}", exact=True)
    button.click()
    outcome = page.locator(".verifier", has=button).locator(".outcome")
    expect(outcome).to_be_visible()
    found = outcome.get_attribute("data-verdict")
    assert found is not None
    return found
