"""A real server, a real Chromium, and a watch over every page of a test."""

import pytest
from kit import ROOT, Server
from pages import DESKTOP, NAME, PASSWORD, Watch, sign_in
from playwright.sync_api import expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=10_000)


@pytest.fixture(scope="session")
def server():
    with Server() as server:
        server.add_user(NAME, PASSWORD)
        yield server


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def signed_in(browser, server):
    """The cookies of somebody who signed in."""
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    sign_in(page)
    page.wait_for_url(server.url + "/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def watch(server):
    return Watch(server)


@pytest.fixture
def visit(request, browser, server, watch):
    """Opens pages, each in a window of its own: `visit("/incidents", signed_in)`."""
    contexts = []

    def open_page(path, signed_in=None, size=DESKTOP, **options):
        width, height = size
        context = browser.new_context(
            base_url=server.url,
            storage_state=signed_in,
            viewport={"width": width, "height": height},
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        watch.attach(context)
        page = context.new_page()
        page.goto(path)
        return page

    yield open_page
    pages = [page for context in contexts for page in context.pages]
    if getattr(request.node, "has_failed", False):
        folder = ROOT / "target/browser-failures"
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(pages):
            page.screenshot(path=folder / f"{request.node.name}-{number}.png")
    for context in contexts:
        context.close()
    assert not watch.problems, "\n".join(watch.problems)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.has_failed = getattr(item, "has_failed", False) or report.failed
    return report
