"""What the browser tests share: who signs in, and what no page may do."""

import re
from urllib.parse import urlsplit

NAME, PASSWORD = "ana", "a long pass phrase"
PHONE, DESKTOP = (390, 844), (1440, 900)

VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error('securitypolicyviolation', event.violatedDirective, event.blockedURI, event.sourceFile));
"""

TOO_WIDE = """() => {
  const room = innerWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll('body *')]
    .filter((node) => node.getBoundingClientRect().right > room + 1)
    .slice(0, 8)
    .map((node) => `${node.tagName}.${node.className.baseVal ?? node.className}`)
    .concat(`the page is ${document.documentElement.scrollWidth} wide`);
}"""


class Watch:
    """Keeps every error that a page logs, everything that the content security policy stops (which
    is logged too), and every request to another host."""

    def __init__(self, server):
        self.host = urlsplit(server.url).netloc
        self.problems = {}
        self.allowed = []

    def allow(self, pattern):
        """A logged error that belongs to the test: a refused sign-in is one to Chromium."""
        self.allowed.append(re.compile(pattern))

    def attach(self, context):
        context.add_init_script(VIOLATIONS)
        context.on("console", self.console)
        context.on("weberror", lambda event: self.keep(f"uncaught: {event.error}"))
        context.on("request", self.request)

    def keep(self, problem):
        self.problems[problem] = None

    def console(self, message):
        if message.type != "error":
            return
        text = f"{message.text} ({message.location.get('url', '')})"
        if not any(pattern.search(text) for pattern in self.allowed):
            self.keep(f"console: {text}")

    def request(self, request):
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self.host:
            self.keep(f"request to another host: {request.url}")


def sign_in(page, password=PASSWORD, path="/sign-in"):
    page.goto(path)
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def document_of(page):
    """Stays the same until a page is loaded anew."""
    return page.evaluate("performance.timeOrigin")


def assert_fits(page):
    """Nothing scrolls sideways."""
    # Fonts that come late move things.
    page.evaluate("document.fonts.ready.then(() => 0)")
    wide = page.evaluate(TOO_WIDE)
    assert not wide, f"{page.url} scrolls sideways because of {wide}"
