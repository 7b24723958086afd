"""The same program without a line of JavaScript: every page works, and so does every act."""

import re

from charger import Charger
from pages import NAME, PHONE, sign_in
from playwright.sync_api import expect


def test_from_sign_in_to_a_note_on_a_ticket(visit, server):
    with Charger(server, "PLAIN-1") as charger:
        report = {"charger": "PLAIN-1", "reason": "broken", "text": "The display is dark."}
        incident = server.post("/incidents", report)["id"]

        page = visit("/sign-in", java_script_enabled=False)
        sign_in(page)
        expect(page).to_have_url(server.url + "/")
        page.get_by_role("link", name=re.compile("^Incidents")).first.click()
        expect(page.get_by_role("heading", name="Incidents")).to_be_visible()
        page.get_by_role("row", name=incident).get_by_role("link").first.click()
        expect(page).to_have_url(re.compile(f"/incidents/{incident}$"))
        main = page.get_by_role("main")
        expect(main).to_contain_text("The display is dark.")

        page.get_by_role("button", name=re.compile("^Take")).click()
        expect(page.locator(".toast")).to_contain_text("is yours")
        expect(main).to_contain_text(f"{NAME} has it")

        main.get_by_role("link", name=re.compile(r"^T-\d+")).first.click()
        expect(page).to_have_url(re.compile(r"/tickets/T-\d+$"))
        # A report that nobody can heal from afar; the site has no installer.
        expect(main).to_contain_text("Nobody is asked yet")
        main.locator("summary").filter(has_text="Assign").click()
        page.get_by_label("Name").fill("Ion Dinu")
        page.get_by_role("button", name="Assign").click()
        expect(page.locator(".toast")).to_contain_text("assigned")
        page.get_by_role("button", name="Accept").click()
        expect(page.locator(".toast")).to_contain_text("accepted")

        page.get_by_role("textbox", name="Note").fill("Somebody with a new display goes there today.")
        page.get_by_role("button", name="Add note").click()
        conversation = page.get_by_role("region", name="Conversation")
        expect(conversation).to_contain_text("Somebody with a new display goes there today.")

        page.goto("/chargers/PLAIN-1")
        page.get_by_role("button", name="Hard reset").click()
        expect(page.get_by_text("It restarts at once")).to_be_visible()
        assert not [action for action, _ in charger.asked if action == "Reset"]
        page.get_by_role("button", name="Yes, send it").click()
        answer = page.get_by_role("region", name="Answer of the charger")
        expect(answer).to_contain_text("Accepted")
        assert ("Reset", {"type": "Hard"}) in charger.asked

        page.get_by_text("Any command").click()
        page.get_by_label("Action of OCPP 1.6").select_option("GetConfiguration")
        page.get_by_role("button", name="Fill in").click()
        page.get_by_role("button", name="One more").click()
        page.get_by_label("key 1").fill("HeartbeatInterval")
        page.get_by_label("key 2").fill("LocalAuthListEnabled")
        page.get_by_role("button", name="Send it").click()
        expect(answer).to_contain_text("GetConfiguration")
        # The program asks for all keys after a restart; either may be first.
        wanted = ("GetConfiguration", {"key": ["HeartbeatInterval", "LocalAuthListEnabled"]})
        server.wait_for(lambda: wanted in charger.asked, "the charger to be asked for two keys")


def test_a_driver_reports(visit, server):
    with Charger(server, "PLAIN-2") as charger:
        public = charger.public_id
    page = visit(f"/c/{public}", size=PHONE, java_script_enabled=False)
    page.get_by_text("It does not work").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("main")).to_contain_text("This page follows it")
    reports = server.get("/incidents?charger=PLAIN-2")["items"]
    assert [report["source"] for report in reports] == ["user"]
