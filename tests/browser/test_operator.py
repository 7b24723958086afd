"""What an operator, a technician and a driver do, in Debian's Chromium against the real program."""

import re
import time

import pytest
from charger import Charger
from pages import DESKTOP, NAME, PASSWORD, PHONE, Watch, assert_fits, document_of, sign_in
from playwright.sync_api import expect

INSTALLER = {"name": "Radu Pop", "email": "radu@volt-service.example", "phone": "+40 700 000 111"}


def rail(page, name):
    return page.get_by_role("navigation", name="Operate").get_by_role("link", name=name)


def wait_offline(server, identity):
    for _ in range(100):
        if not server.get(f"/chargers/{identity}")["online"]:
            return
        time.sleep(0.1)
    raise AssertionError(f"{identity} is still online")


def register(server, identity, name, site):
    """A charger at a site with an installer."""
    address = {"region": "Transilvania", "address": "Strada Lungă 12"}
    server.post("/sites", {"name": site, **address, "installer": INSTALLER})
    server.post("/chargers", {"identity": identity, "name": name, "site": site})


def test_the_watch_over_the_pages_sees_what_it_must(browser, server):
    watch = Watch(server)
    with browser.new_context(base_url=server.url) as context:
        watch.attach(context)
        page = context.new_page()
        page.goto("/sign-in")
        assert not watch.problems
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
        page.evaluate("Object.assign(new Image(), { src: 'https://elsewhere.invalid/a.png' })")
        page.evaluate("setTimeout(() => { throw new Error('on purpose'); })")
        page.evaluate("location.assign('http://elsewhere.invalid/')")
        expected = ("style-src", "img-src", "on purpose", "request to another host")
        for _ in range(50):
            if all(what in str(watch.problems) for what in expected):
                break
            page.wait_for_timeout(100)
        for what in expected:
            assert what in str(watch.problems), watch.problems


def test_signing_in(visit, watch, server):
    watch.allow(r"401 \(Unauthorized\).*/sign-in")
    page = visit("/")
    expect(page).to_have_url(re.compile("/sign-in"))
    sign_in(page, password="not the pass phrase")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is not right.")
    expect(page.get_by_label("Name")).to_have_value(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page).to_have_url(server.url + "/")
    expect(page.get_by_role("heading", name="Live", level=1)).to_be_attached()
    expect(rail(page, "Live")).to_have_attribute("aria-current", "page")
    # The first test of all: no charger has come yet.
    expect(page.get_by_role("heading", name="Connect the first charger")).to_be_visible()

    page.get_by_label("Your account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto("/tickets")
    expect(page).to_have_url(re.compile("/sign-in"))
    sign_in(page, path="/tickets")
    expect(page).to_have_url(server.url + "/tickets")


def test_a_change_of_state_arrives_without_a_reload(visit, signed_in, server):
    with Charger(server, "LIVE-1") as charger:
        live = visit("/", signed_in)
        one = visit("/chargers/LIVE-1", signed_in)
        listed = visit("/incidents", signed_in)
        pages = (live, one, listed)
        documents = [document_of(page) for page in pages]

        def faulted():
            return live.locator("[data-s=fault] b").inner_text()

        before = int(faulted())
        connectors = one.get_by_role("region", name="Connectors")
        expect(connectors).to_contain_text("Available")
        expect(listed.get_by_role("row", name="LIVE-1")).to_have_count(0)

        charger.status("Faulted", "PowerSwitchFailure")
        expect(live.locator("[data-s=fault] b")).to_have_text(str(before + 1))
        expect(live.get_by_role("region", name="Incident queue")).to_contain_text("PowerSwitchFailure")
        expect(connectors).to_contain_text("Faulted")
        expect(connectors).to_contain_text("PowerSwitchFailure")
        expect(listed.get_by_role("row", name="LIVE-1")).to_contain_text("PowerSwitchFailure")
        assert [document_of(page) for page in pages] == documents, "a page was loaded anew"


def test_the_list_of_chargers_follows_a_plain_charge(visit, signed_in, server):
    with Charger(server, "PLAIN-9") as charger:
        page = visit("/chargers?q=PLAIN-9", signed_in)
        row = page.get_by_role("row", name="PLAIN-9")
        expect(row).to_contain_text("Available")
        charger.status("Charging")
        expect(row).to_contain_text("Charging")
        charger.status("Available")
        expect(row).to_contain_text("Available")


def test_the_charger_itself_answers_a_reset(visit, signed_in, server):
    with Charger(server, "RESET-1", {"ClearCache": "Rejected"}) as charger:
        page = visit("/chargers/RESET-1", signed_in)
        page.get_by_role("button", name="Soft reset").click()
        answer = page.get_by_role("region", name="Answer of the charger")
        expect(answer).to_contain_text("Accepted")
        expect(answer).to_contain_text("Reset")
        assert ("Reset", {"type": "Soft"}) in charger.asked

        history = page.get_by_role("region", name="Commands").or_(page.locator("#commands"))
        row = history.get_by_role("row").filter(has_text="Reset").first
        expect(row).to_contain_text("Accepted")
        expect(row).to_contain_text(NAME)
        expect(page.get_by_role("list", name="Messages").first).to_contain_text("Reset")

        page.get_by_text("Any command").click()
        page.get_by_label("Action of OCPP 1.6").select_option("ClearCache")
        page.get_by_role("button", name="Send it").click()
        expect(page.get_by_text("It forgets whom it let charge")).to_be_visible()
        page.get_by_role("button", name="Yes, send it").click()
        expect(answer).to_contain_text("ClearCache")
        expect(answer).to_contain_text("Rejected")


def test_a_command_is_filled_in_from_its_definition(visit, signed_in, server, watch):
    watch.allow(r"422 \(Unprocessable Entity\).*/chargers/FORM-1/actions")
    with Charger(server, "FORM-1", {"SetChargingProfile": "Accepted"}) as charger:
        page = visit("/chargers/FORM-1", signed_in)
        page.get_by_text("Any command").click()
        page.get_by_label("Action of OCPP 1.6").select_option("SetChargingProfile")
        page.get_by_label("connectorId").fill("1")
        page.get_by_label("chargingProfileId").fill("7")
        page.get_by_label("stackLevel").fill("0")
        page.get_by_label("chargingProfilePurpose").select_option("TxDefaultProfile")
        page.get_by_label("chargingProfileKind").select_option("Absolute")
        page.get_by_label("chargingRateUnit").select_option("A")
        page.get_by_label("startPeriod").fill("0")
        page.get_by_label("limit").fill("16")
        page.get_by_role("button", name="One more").click()
        second = page.get_by_role("group", name="Number 2")
        expect(page.get_by_label("startPeriod").first).to_have_value("0")
        second.get_by_label("startPeriod").fill("60")
        page.get_by_role("button", name="Send it").click()
        # The second period has no limit: said beside its field, and nothing was sent.
        expect(second.get_by_text("required and not there")).to_be_visible()
        assert not [action for action, _ in charger.asked if action == "SetChargingProfile"]
        second.get_by_label("limit").fill("8.5")
        page.get_by_role("button", name="Send it").click()
        answer = page.get_by_role("region", name="Answer of the charger")
        expect(answer).to_contain_text("Accepted")
        sent = [payload for action, payload in charger.asked if action == "SetChargingProfile"]
        periods = sent[0]["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
        assert periods == [{"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 8.5}]


def test_messages_come_by_themselves_and_can_be_held(visit, signed_in, server):
    with Charger(server, "WIRE-1") as charger:
        page = visit("/chargers/WIRE-1", signed_in)
        messages = page.get_by_role("list", name="Messages, newest first")
        charger.status("Charging")
        first = messages.get_by_role("listitem").filter(has_text="StatusNotification")
        expect(first.filter(has_text="Charging").first).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        charger.status("Faulted", "GroundFailure")
        expect(page.locator("#frames-note")).to_contain_text("new")
        expect(messages).not_to_contain_text("GroundFailure")
        page.get_by_role("button", name="Go on").click()
        expect(messages).to_contain_text("GroundFailure")
        page.get_by_role("button", name="Pretty").click()
        expect(messages.get_by_text('"errorCode": "GroundFailure"')).to_be_visible()
        # Whoever paused it and looks for something goes on reading.
        page.get_by_role("button", name="Pause").click()
        page.get_by_placeholder("Any action").fill("StatusNotification")
        page.get_by_role("button", name="Filter").click()
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        charger.status("Available")
        expect(page.locator("#frames-note")).to_contain_text("new")
        page.get_by_role("button", name="Go on").click()
        expect(messages).to_contain_text("Available")


def test_a_command_waits_for_its_charger_and_can_be_taken_back(visit, signed_in, server):
    with Charger(server, "AWAY-1"):
        pass
    wait_offline(server, "AWAY-1")
    page = visit("/chargers/AWAY-1", signed_in)
    page.get_by_role("button", name="Soft reset").click()
    answer = page.get_by_role("region", name="Answer of the charger")
    expect(answer).to_contain_text("Waits for the charger")
    answer.get_by_role("button", name="Take it back").click()
    row = page.locator("#commands").get_by_role("row").filter(has_text="Reset").first
    expect(row).to_contain_text("Not sent")
    row.get_by_role("link", name="Reset").click()
    expect(answer).to_contain_text("took it back")


def test_a_fault_that_stays_becomes_a_ticket_that_the_charger_closes(visit, signed_in, server):
    register(server, "STAYS-1", "Gara 1", "Brașov Central")
    with Charger(server, "STAYS-1", {"Reset": "Rejected"}) as charger:
        charger.status("Faulted", "InternalError")
        incident = server.incident("STAYS-1", "ERR_FAULTED", "escalated", 60)["id"]
        assert [kind["type"] for action, kind in charger.asked if action == "Reset"] == ["Soft", "Hard"]

        page = visit("/tickets", signed_in)
        row = page.get_by_role("row", name="Gara 1")
        expect(row).to_contain_text(INSTALLER["name"])
        row.get_by_role("link").first.click()
        main = page.get_by_role("main")
        status = main.locator(".chip").first
        expect(page).to_have_url(re.compile(r"/tickets/T-\d+"))
        ticket = page.url.rsplit("/", 1)[1]
        expect(status).to_have_text("Assigned")
        expect(main).to_contain_text("InternalError")
        expect(main).to_contain_text("Tried from afar")
        expect(main.get_by_role("link", name=incident)).to_be_visible()
        expect(page.get_by_role("complementary", name="Facts")).to_contain_text("held, no mail server")

        page.get_by_role("button", name="Accept").click()
        expect(status).to_have_text("Accepted")
        main.locator("summary").filter(has_text="On my way").click()
        page.get_by_label("Minutes until they are there").fill("25")
        page.get_by_role("button", name="On the way").click()
        expect(status).to_have_text("On the way")
        expect(page.get_by_role("complementary", name="Facts")).to_contain_text("Expected")
        page.get_by_role("button", name="Arrived").click()
        expect(status).to_have_text("On site")
        page.get_by_role("textbox", name="Note").fill("The contactor is welded; a new one is in the van.")
        page.get_by_role("button", name="Add note").click()
        expect(page.get_by_role("region", name="Conversation")).to_contain_text("is welded")
        main.locator("summary").filter(has_text="Resolve").click()
        page.get_by_label("What was wrong").fill("Contactor")
        page.get_by_label("What was done").fill("Part replaced")
        page.get_by_role("button", name="Resolve").click()
        expect(status).to_have_text("Checking the repair")
        assert server.get(f"/incidents/{incident}")["resolved_at"] is None, "nobody's word ends it"

        # From here on only the charger speaks. The pointer lies still where it moves nothing.
        page.mouse.move(2, 2)
        page.evaluate("document.activeElement.blur()")
        document = document_of(page)
        charger.status("Available")
        expect(status).to_have_text("Closed", timeout=30_000)
        assert document_of(page) == document, "the page was loaded anew"
        expect(page.get_by_role("complementary", name="Facts")).to_contain_text("What the charger shows")

        charger.charge()
        server.incident("STAYS-1", "ERR_FAULTED", "resolved")
        page.goto(f"/incidents/{incident}")
        expect(page.get_by_role("main").locator(".chip").first).to_contain_text("Resolved")
        expect(page.get_by_role("link", name=re.compile(ticket)).first).to_be_visible()

        page.goto("/outbox")
        letter = page.get_by_role("main")
        expect(letter).to_contain_text(INSTALLER["email"])
        expect(letter).to_contain_text(ticket)
        expect(letter).to_contain_text(re.compile("held", re.IGNORECASE))


def test_news_does_not_take_away_what_somebody_types(visit, signed_in, server):
    with Charger(server, "TYPED-1"):
        report = {"charger": "TYPED-1", "reason": "broken", "text": "The display is dark."}
        incident = server.post("/incidents", report)["id"]
        ticket = server.wait_for(
            lambda: server.get(f"/incidents/{incident}")["ticket"], "the ticket of the report"
        )
        desk = visit(f"/tickets/{ticket}", signed_in)
        desk.get_by_role("textbox", name="Note").fill("A long thought that is not")
        menu = visit(f"/incidents/{incident}", signed_in)
        menu.locator("summary").filter(has_text="Note").click()
        menu.get_by_role("textbox", name="Note").fill("Another one")

        server.post(f"/tickets/{ticket}/note", {"text": "News from the installer."})
        server.post(f"/incidents/{incident}/note", {"text": "News from the driver."})
        expect(desk.get_by_role("region", name="Conversation")).to_contain_text("News from the installer.")
        expect(menu.get_by_role("main")).to_contain_text("News from the driver.")
        expect(desk.get_by_role("textbox", name="Note")).to_have_value("A long thought that is not")
        expect(menu.get_by_role("textbox", name="Note")).to_be_visible()
        expect(menu.get_by_role("textbox", name="Note")).to_have_value("Another one")


def test_a_driver_reports_without_an_account(visit, signed_in, server):
    with Charger(server, "DRIVER-1") as charger:
        public = charger.public_id
    phone = visit(f"/c/{public}", size=PHONE)
    assert_fits(phone)
    phone.get_by_text("It is broken").click()
    expect(phone.get_by_role("radio", name="It is broken")).to_be_checked()
    phone.get_by_role("textbox").first.fill("The plug is cracked.")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_role("main")).to_contain_text("This page follows it")
    expect(phone).to_have_url(re.compile("/r/R-"))
    assert_fits(phone)

    page = visit("/incidents", signed_in)
    row = page.get_by_role("row", name="DRIVER-1").first
    expect(row).to_contain_text("Driver")
    row.get_by_role("link").first.click()
    expect(page.get_by_role("main")).to_contain_text("The plug is cracked.")


@pytest.mark.parametrize("begins", ["light", "dark"])
def test_light_and_dark(visit, signed_in, begins):
    ends = {"light": "dark", "dark": "light"}[begins]
    page = visit("/incidents", signed_in, color_scheme=begins)

    def brightness():
        return page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3)"
            ".reduce((sum, part) => sum + Number(part), 0)"
        )

    root = page.locator("html")
    expect(root).to_have_attribute("data-theme", begins)
    before = brightness()
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(root).to_have_attribute("data-theme", ends)
    assert (brightness() > before) == (ends == "light")
    page.reload()
    expect(root).to_have_attribute("data-theme", ends)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_scrolls_sideways(visit, signed_in, server, size):
    identity = f"WIDE-{size[0]}-A-LONG-IDENTITY-0123456789"
    site = f"Piața Unirii, parcare subterană cu un nume lung, nivelul {size[0]}"
    register(server, identity, f"Stația de încărcare cu un nume lung {size[0]}", site)
    with Charger(server, identity) as charger:
        charger.charge()
        charger.status("Faulted", "GroundFailure")
        incident = server.wait_for(
            lambda: next(iter(server.get(f"/incidents?charger={identity}")["items"]), None),
            "the incident",
        )
        ticket = server.wait_for(
            lambda: server.get(f"/incidents/{incident['id']}")["ticket"], "its ticket"
        )
        page = visit("/", signed_in, size=size)
        paths = [
            "/",
            "/incidents",
            f"/incidents/{incident['id']}",
            "/tickets",
            f"/tickets/{ticket}",
            "/chargers",
            f"/chargers/{identity}",
            "/sites",
            f"/chargers/{identity}/settings",
            "/duty",
            "/duty/silences",
            "/duty/maintenance",
            "/duty/rotas?edit=new",
            "/duty/routes",
            "/duty/me",
            "/healing",
            "/kpis",
            "/rules",
            "/rules/CP_OFFLINE",
            "/rules/new",
            "/rules/replay",
            "/uptime",
            "/uptime/exclusions",
            "/outbox",
            "/system",
            f"/c/{charger.public_id}",
        ]
        for path in paths:
            answer = page.goto(path)
            assert answer.status == 200, path
            assert_fits(page)
