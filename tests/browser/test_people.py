"""What people decide on the newer pages: rules of their own, approvals, silences, what belongs together,
minutes that do not count, and reports with photos."""

import re
import struct
import zlib

import pytest
from charger import Charger
from kit import Server
from pages import NAME, PASSWORD, PHONE, Watch, assert_fits
from playwright.sync_api import expect


def alert(page):
    """What the page says is wrong."""
    return page.get_by_role("main").get_by_role("alert")


def told(page):
    """What the page says was done or was not."""
    return page.locator(".toasts")


def in_its_own_window(page, button):
    """The window that a button opens; what is written in this one stays."""
    with page.context.expect_page() as opened:
        page.get_by_role("button", name=button).click()
    return opened.value


def photo():
    """A small PNG."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size, rows = 32, b"".join(b"\0" + b"\xc0\x30\x20" * 32 for _ in range(32))
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
    return {"name": "plug.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + parts}


def reported(server, identity):
    """An incident that nothing but a person ends."""
    report = {"charger": identity, "reason": "broken", "text": "The display is dark."}
    return server.post("/incidents", report)["id"]


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without"])
def test_a_rule_about_many_chargers_is_built_from_a_sentence(visit, signed_in, scripts):
    rule = f"SITE_OUT_{scripts}".upper()
    page = visit("/rules/new", signed_in, java_script_enabled=scripts)
    page.get_by_label("For (or within)").fill("15m")
    page.get_by_label("Id", exact=True).fill(rule)
    page.get_by_label("One or many").select_option("site")
    page.get_by_role("button", name="Write the rule").click()
    expect(alert(page)).to_contain_text("Say how many chargers of a site")
    page.get_by_label("Chargers, at least").fill("3")
    page.get_by_label("In percent, at least").fill("30")
    page.get_by_role("button", name="Write the rule").click()
    expect(page.locator(".re-say")).to_contain_text("at least 3 chargers and 30 % of those of a site")
    text = page.get_by_label("The text, in TOML")
    expect(text).to_have_value(re.compile(r'scope = "site"[\s\S]*chargers = \{ at_least = 3, percent = 30 \}'))
    page.get_by_role("button", name="Check and run its tests").click()
    expect(page.get_by_role("region", name="The text")).to_contain_text("all 2 tests pass")


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without"])
def test_a_rule_of_ones_own_is_built_checked_tried_and_kept(visit, signed_in, server, watch, scripts):
    watch.allow(r"422 \(Unprocessable")
    identity, rule = f"RULE-{scripts}", f"MY_UNAVAILABLE_{scripts}".upper()
    with Charger(server, identity) as charger:
        charger.status("Unavailable")
        page = visit("/rules/new", signed_in, java_script_enabled=scripts)
        page.locator("input[name=value]").fill("Unavailable")
        page.get_by_label("For (or within)").fill("15m")
        page.get_by_label("Id", exact=True).fill(rule.lower())
        page.get_by_role("button", name="Write the rule").click()
        expect(alert(page)).to_contain_text("capitals")
        page.get_by_label("Id", exact=True).fill(rule)
        page.get_by_role("button", name="Write the rule").click()
        text = page.get_by_label("The text, in TOML")
        expect(text).to_have_value(re.compile(f'id = "{rule}"'))

        good = text.input_value()
        text.fill(good.replace("severity = ", "sevrity = "))
        page.get_by_role("button", name="Check and run its tests").click()
        expect(alert(page).first).to_contain_text("Nothing was kept")
        expect(page.locator(".re-code .bad")).to_contain_text("did you mean `severity`?")
        tried = in_its_own_window(page, "Try on the last 30 days")
        expect(alert(tried)).to_contain_text("did you mean `severity`?")
        expect(tried.get_by_label("A changed rule (TOML)")).to_have_value(re.compile("sevrity"))

        text.fill(good)
        page.get_by_role("button", name="Check and run its tests").click()
        expect(page.get_by_role("region", name="The text")).to_contain_text("tests pass")
        tried = in_its_own_window(page, "Try on the last 30 days")
        expect(tried).to_have_url(re.compile(r"/rules/replay/\d+"))

        def is_done():
            tried.reload()
            return "were lived through" in tried.get_by_role("main").inner_text()

        server.wait_for(is_done, "the replay")
        expect(text).to_have_value(good)
        page.get_by_role("button", name="Save").click()
        expect(page).to_have_url(re.compile(f"/rules/{rule}"))
        expect(page.get_by_role("main")).to_contain_text("version 1, edited here by")
        expect(page.get_by_role("region", name="The rule")).to_contain_text("nobody is told")
        assert server.get(f"/rules/{rule}")["id"] == rule
    page.get_by_role("button", name="Take it away").click()
    expect(page).to_have_url(re.compile(r"/rules(\?|$)"))


def test_a_step_is_approved_with_one_click(browser):
    with Server(engine__default_mode="approve") as own, Charger(own, "ASKS-1") as charger:
        own.add_user(NAME, PASSWORD)
        with browser.new_context(base_url=own.url) as context:
            watch = Watch(own)
            watch.attach(context)
            page = context.new_page()
            page.goto("/sign-in")
            page.get_by_label("Name").fill(NAME)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            charger.status("Faulted", "InternalError")
            incident = own.incident("ASKS-1", "ERR_FAULTED")["id"]
            before = len(charger.asked)
            page.goto(f"/incidents/{incident}")
            approve = page.get_by_role("button", name=re.compile("Approve: "))
            expect(approve).to_be_visible()
            assert len(charger.asked) == before, "nothing is sent before somebody said so"
            approve.click()
            expect(told(page)).to_contain_text("goes on with the approved step")
            own.wait_for(lambda: len(charger.asked) > before, "the approved step")
            expect(page.get_by_role("main")).to_contain_text(f"{NAME} approved")
            # The next step waits for its own approval; this one is refused.
            page.get_by_role("button", name="Refuse").click()
            expect(told(page)).to_be_visible()
            assert not watch.problems, watch.problems


def test_a_driver_sends_a_photo_by_the_code_on_the_charger(visit, signed_in, server, watch):
    watch.allow(r"422 \(Unprocessable")
    with Charger(server, "PHOTO-1"):
        page = visit("/chargers/PHOTO-1", signed_in)
        driver = page.locator("a[href*='/c/']").first.get_attribute("href")
    # Whoever scans the code has no account.
    phone = visit(re.sub(r"^https?://[^/]+", "", driver), size=PHONE)
    phone.get_by_text("Something else", exact=True).click()
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_role("alert")).to_contain_text("in a few words")
    phone.get_by_label(re.compile("What did you see")).fill("The plug is cracked.")
    phone.get_by_role("button", name="Send report").click()
    expect(phone.get_by_role("main")).to_contain_text("This page follows it")
    no_photo = {"name": "plug.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all"}
    phone.get_by_label(re.compile("Add a photo")).set_input_files(no_photo)
    phone.get_by_role("button", name="Send photo").click()
    expect(phone.get_by_role("alert")).to_contain_text("send a JPEG or PNG")
    phone.get_by_label(re.compile("Add a photo")).set_input_files(photo())
    phone.get_by_role("button", name="Send photo").click()
    expect(phone.get_by_role("main")).to_contain_text("One photo received")
    assert_fits(phone)

    incident = server.incident("PHOTO-1", "USER_REPORT")["id"]
    page.goto(f"/incidents/{incident}")
    link = page.get_by_role("link", name="photo 1")
    expect(link).to_be_visible()
    sent = page.request.get(link.get_attribute("href"))
    assert sent.status == 200 and sent.headers["content-type"].startswith("image/"), sent.headers


def test_a_silence_is_added_and_ended(visit, signed_in, server, watch):
    watch.allow(r"422 \(Unprocessable")
    page = visit("/duty/silences", signed_in)
    page.get_by_role("textbox", name="Charger").fill("QUIET-99")
    page.get_by_label("Why").fill("The power is off until noon")
    page.get_by_role("button", name="Silence it").click()
    expect(alert(page)).to_contain_text("There is no charger \u201cQUIET-99\u201d")
    expect(page.get_by_label("Why")).to_have_value("The power is off until noon")
    with Charger(server, "QUIET-1") as charger:
        page.get_by_role("textbox", name="Charger").fill("QUIET-1")
        page.get_by_role("button", name="Silence it").click()
        row = page.get_by_role("row", name="QUIET-1")
        expect(row).to_contain_text("holds")
        charger.status("Faulted", "InternalError")
        incident = server.incident("QUIET-1", "ERR_FAULTED")["id"]
        page.goto(f"/incidents/{incident}")
        expect(page.get_by_role("main")).to_contain_text("Silenced until")
    page.goto("/duty/silences")
    row.get_by_role("button", name="End it").click()
    expect(row).to_contain_text(f"ended by {NAME}")


def test_incidents_are_merged_and_split(visit, signed_in, server):
    with Charger(server, "ONE-1"), Charger(server, "ONE-2"):
        first, second = reported(server, "ONE-1"), reported(server, "ONE-2")
        page = visit(f"/incidents/{second}", signed_in)
        merge = page.locator("summary").filter(has_text="Merge into")
        for wrong, why in [(second, "it is the same incident"), ("soon", "is no number of an incident")]:
            merge.click()
            page.get_by_label("The incident it is part of").fill(wrong)
            page.get_by_role("button", name="Merge", exact=True).click()
            expect(told(page)).to_contain_text(why)
        merge.click()
        page.get_by_label("The incident it is part of").fill(first)
        page.get_by_role("button", name="Merge", exact=True).click()
        expect(page.get_by_role("link", name=f"merged into {first}")).to_be_visible()
        page.goto(f"/incidents/{first}")
        expect(page.get_by_role("region", name="What belongs together")).to_contain_text(second)
        page.goto(f"/incidents/{second}")
        page.get_by_role("button", name="Split off").click()
        expect(page.get_by_role("link", name=f"merged into {first}")).to_have_count(0)
        expect(merge).to_be_visible()


def test_minutes_are_excluded_by_two_people(visit, signed_in, server, watch, browser):
    watch.allow(r"422 \(Unprocessable")
    server.post("/sites", {"name": "Gara de Nord", "region": "Muntenia", "address": "Piața Gării 1"})
    server.add_user("ben", PASSWORD)
    page = visit("/uptime/exclusions", signed_in)
    page.get_by_label("Site").select_option("Gara de Nord")
    page.get_by_label("From (UTC)").fill("2026-01-05T10:00")
    page.get_by_label("Until (UTC)").fill("2026-01-05T09:00")
    page.get_by_label("What shows it").fill("Letter 77 of the grid operator")
    page.get_by_role("button", name="Propose it").click()
    expect(alert(page)).to_have_text("The end must be after the beginning.")
    expect(page.get_by_label("What shows it")).to_have_value("Letter 77 of the grid operator")
    page.get_by_label("Until (UTC)").fill("2026-01-05T11:00")
    page.get_by_role("button", name="Propose it").click()
    row = page.get_by_role("row", name="Letter 77")
    expect(row).to_contain_text("Somebody else must approve it.")
    expect(row.get_by_role("button", name="Approve")).to_have_count(0)
    with browser.new_context(base_url=server.url) as context:
        other = context.new_page()
        other.goto("/sign-in?to=/uptime/exclusions")
        other.get_by_label("Name").fill("ben")
        other.get_by_label("Password").fill(PASSWORD)
        other.get_by_role("button", name="Sign in").click()
        other.goto("/uptime/exclusions")
        other.get_by_role("row", name="Letter 77").get_by_role("button", name="Approve").click()
        expect(other.get_by_role("row", name="Letter 77")).to_contain_text(re.compile("approved.*by ben", re.S))
    page.goto("/uptime/exclusions")
    row.get_by_role("button", name="Take back").click()
    expect(row).to_contain_text("refused")
    expect(row.get_by_role("button")).to_have_count(0)


def test_what_a_setting_should_be_is_said_where_it_is_read(visit, signed_in, server):
    with Charger(server, "WANTS-1"):
        page = visit("/chargers/WANTS-1/settings", signed_in)
        page.get_by_label("Setting", exact=True).fill("AuthorizationKey")
        page.get_by_label("What it should be").fill("12345678")
        page.get_by_role("button", name="Want it").click()
        expect(told(page)).to_contain_text("is a secret")
        page.get_by_label("Setting", exact=True).fill("HeartbeatInterval")
        page.get_by_label("What it should be").fill("300")
        page.get_by_role("button", name="Want it").click()
        row = page.get_by_role("row", name="HeartbeatInterval")
        expect(row).to_contain_text("300")
        row.get_by_role("button", name="Forget").click()
        expect(page.get_by_text("Nothing is wanted of this charger’s settings")).to_be_visible()
