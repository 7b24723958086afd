"""A visitor who looks at everything that the program shows, page by page and address by address."""

import html
import re
import urllib.error
import urllib.parse
import urllib.request

from kit import Server

LINK = re.compile(r'(?:href|src|action|hx-get|data-live)="([^"#]+)"')
# Files of the program itself, and what would end the visit.
LEFT_OUT = ("/assets/", "/sign-out", "/static/")
PAGES_MAX = 400


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def sign_in(server: Server, name: str, password: str) -> str:
    """The cookie of somebody who signed in."""
    form = urllib.parse.urlencode({"name": name, "password": password, "next": "/"}).encode()
    request = urllib.request.Request(server.url + "/sign-in", form, method="POST")
    opener = urllib.request.build_opener(NoRedirect)
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    assert answer.status in (302, 303), answer.status
    return answer.headers["Set-Cookie"].split(";")[0]


def look(server: Server, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, type and text of an address."""
    request = urllib.request.Request(server.url + path, headers=headers)
    opener = urllib.request.build_opener(NoRedirect)
    try:
        answer = opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers.get_content_type(), answer.read().decode(errors="replace")


def walk(server: Server, cookie: str) -> dict[str, str]:
    """Every page that can be reached by links and forms from the first one, with its text."""
    seen: dict[str, str] = {}
    waiting = ["/"]
    while waiting and len(seen) < PAGES_MAX:
        path = waiting.pop(0)
        if path in seen or path.startswith(LEFT_OUT):
            continue
        status, kind, text = look(server, path, {"Cookie": cookie})
        seen[path] = text
        assert status < 500, (path, status, text[:300])
        if kind != "text/html":
            continue
        for link in LINK.findall(text):
            target = urllib.parse.urljoin(path, html.unescape(link))
            # Live feeds never end.
            is_ours = target.startswith("/") and not target.startswith(("/live", "/api/v1/events"))
            if is_ours and target not in seen and "/live" not in target:
                waiting.append(target)
    return seen


def api(server: Server, token: str, of: dict[str, str]) -> dict[str, str]:
    """What every address of the API that only reads says, with the names in `of` put in."""
    bearer = {"Authorization": f"Bearer {token}"}
    described = server.get("/openapi.json")
    said = {}
    for path, methods in described["paths"].items():
        if "get" not in methods or path.endswith("/events"):
            continue
        here = re.sub(r"/chargers/\{id\}", f"/chargers/{of['charger']}", path)
        here = re.sub(r"/(\w[\w-]*)/\{id\}", lambda found: f"/{found[1]}/{of.get(found[1], '1')}", here)
        here = re.sub(r"\{(\w+)\}", lambda found: of.get(found[1], "1"), here)
        here = here if here.startswith("/api/v1") else f"/api/v1{here}"
        status, _, text = look(server, here, bearer)
        assert status < 500 or status == 503, (here, status, text[:300])
        said[here] = text
    return said
