"""OCPP 2.x, block B: variables, reports, resets and network profiles."""

from csms import Csms
from station2 import Station2
from wire import Payload, now

OFFLINE_THRESHOLD: Payload = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "OfflineThreshold"},
}
AUTHORIZE_REMOTE_START: Payload = {
    "component": {"name": "AuthCtrlr"},
    "variable": {"name": "AuthorizeRemoteStart"},
}


async def get_variables(station: Station2, *wanted: tuple[Payload, str]) -> None:
    """An operator asks for variables, and is told their values."""
    asked = {"getVariableData": [names for names, _ in wanted]}
    results = [
        {**names, "attributeStatus": "Accepted", "attributeValue": value} for names, value in wanted
    ]
    sent, told = await station.asked("GetVariables", asked, {"getVariableResult": results})
    assert sent == asked
    assert told["accepted"]


async def set_variables(station: Station2, *wanted: tuple[Payload, str]) -> None:
    """An operator sets variables."""
    asked = {"setVariableData": [{**names, "attributeValue": value} for names, value in wanted]}
    results = [{**names, "attributeStatus": "Accepted"} for names, _ in wanted]
    sent, told = await station.asked("SetVariables", asked, {"setVariableResult": results})
    assert sent == asked
    assert told["accepted"]


async def test_TC_B_06_CSMS(csms: Csms, station2: Station2) -> None:
    """One variable, which is kept and shown."""
    await get_variables(station2, (OFFLINE_THRESHOLD, "60"))
    await csms.until_variable(station2.identity, "OfflineThreshold", "60")


async def test_TC_B_07_CSMS(station2: Station2) -> None:
    """Several variables at once."""
    await get_variables(station2, (OFFLINE_THRESHOLD, "60"), (AUTHORIZE_REMOTE_START, "true"))


async def test_TC_B_08_CSMS(csms: Csms, station2: Station2) -> None:
    """No more variables at once than the charger takes, which it told."""
    await station2.tells_its_limit(csms, "DeviceDataCtrlr", "GetVariables", 1)
    names = [OFFLINE_THRESHOLD, AUTHORIZE_REMOTE_START]
    sentence = await station2.not_sent("GetVariables", {"getVariableData": names})
    assert "at most 1 variable in one GetVariables, and this has 2" in sentence
    for each, value in zip(names, ("60", "true"), strict=True):
        await get_variables(station2, (each, value))


async def test_TC_B_09_CSMS(station2: Station2) -> None:
    """One variable is set."""
    await set_variables(station2, (OFFLINE_THRESHOLD, "123"))


async def test_TC_B_10_CSMS(station2: Station2) -> None:
    """Several variables are set at once."""
    await set_variables(station2, (OFFLINE_THRESHOLD, "123"), (AUTHORIZE_REMOTE_START, "false"))


async def report(station: Station2, request: int, *parts: list[Payload]) -> None:
    """A report in parts, as the charger sends it."""
    for number, part in enumerate(parts):
        answer = await station.call(
            "NotifyReport",
            requestId=request,
            generatedAt=now(),
            seqNo=number,
            tbc=number + 1 < len(parts),
            reportData=part,
        )
        assert answer == {}


def reported(names: Payload, value: str) -> Payload:
    """A variable in a report."""
    return {**names, "variableAttribute": [{"type": "Actual", "value": value}]}


async def base_report(csms: Csms, station: Station2, kind: str) -> None:
    """An operator asks for a base report, which comes in two parts and is kept."""
    await station.asked_accepted("GetBaseReport", {"requestId": 31, "reportBase": kind})
    first = [reported(OFFLINE_THRESHOLD, "61")]
    second = [reported(AUTHORIZE_REMOTE_START, "true")]
    await report(station, 31, first, second)
    await csms.until_variable(station.identity, "OfflineThreshold", "61")
    await csms.until_variable(station.identity, "AuthorizeRemoteStart", "true")


async def test_TC_B_12_CSMS(csms: Csms, station2: Station2) -> None:
    """Everything that can be configured."""
    await base_report(csms, station2, "ConfigurationInventory")


async def test_TC_B_13_CSMS(csms: Csms, station2: Station2) -> None:
    """The whole inventory."""
    await base_report(csms, station2, "FullInventory")


async def test_TC_B_14_CSMS(csms: Csms, station2: Station2) -> None:
    """The summary."""
    await base_report(csms, station2, "SummaryInventory")


async def test_TC_B_18_CSMS(station2: Station2) -> None:
    """A report of chosen components and variables."""
    wanted = {
        "requestId": 32,
        "componentCriteria": ["Active"],
        "componentVariable": [OFFLINE_THRESHOLD],
    }
    await station2.asked_accepted("GetReport", wanted)
    await report(station2, 32, [reported(OFFLINE_THRESHOLD, "61")])


async def reboot(station: Station2, reason: str = "RemoteReset") -> None:
    """What a reset comes to."""
    await station.reconnect()
    await station.boot(reason)


async def test_TC_B_20_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset when idle, and nobody charges."""
    await station2.asked_accepted("Reset", {"type": "OnIdle"})
    await reboot(station2)
    await csms.until_connector(station2.identity, "Available")


async def test_TC_B_21_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset when idle, and somebody charges: it waits for the end of the session."""
    await station2.charge()
    told = await station2.asked_status("Reset", {"type": "OnIdle"}, "Scheduled")
    assert told["outcome"] == "answered"
    await station2.leave()
    await reboot(station2, "ScheduledReset")
    session = await csms.until_session(station2.identity, is_open=False)
    assert session["reason"] == "EVDisconnected"


async def test_TC_B_22_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset at once, and somebody charges: the session ends by it."""
    await station2.charge()
    await station2.asked_accepted("Reset", {"type": "Immediate"})
    await station2.end("ResetCommand", "ImmediateReset")
    await reboot(station2)
    session = await csms.until_session(station2.identity, is_open=False)
    assert session["reason"] == "ImmediateReset"


async def test_TC_B_25_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset of an EVSE, and nobody charges: no boot follows."""
    await station2.asked_accepted("Reset", {"type": "OnIdle", "evseId": 1})
    await station2.status("Unavailable")
    await csms.until_connector(station2.identity, "Unavailable")
    await station2.status("Available")
    await csms.until_connector(station2.identity, "Available")


async def test_TC_B_26_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset of an EVSE when idle, and somebody charges."""
    await station2.charge()
    await station2.asked_status("Reset", {"type": "OnIdle", "evseId": 1}, "Scheduled")
    await station2.leave()
    await csms.until_session(station2.identity, is_open=False)


async def test_TC_B_27_CSMS(csms: Csms, station2: Station2) -> None:
    """Reset of an EVSE at once, and somebody charges."""
    await station2.charge()
    await station2.asked_accepted("Reset", {"type": "Immediate", "evseId": 1})
    await station2.end("ResetCommand", "ImmediateReset")
    session = await csms.until_session(station2.identity, is_open=False)
    assert session["reason"] == "ImmediateReset"


def network_profile(csms: Csms) -> Payload:
    """A way to us, for the first slot."""
    return {
        "configurationSlot": 1,
        "connectionData": {
            "messageTimeout": 30,
            "ocppCsmsUrl": csms.ocpp_url,
            "ocppInterface": "Wired0",
            "ocppTransport": "JSON",
            "ocppVersion": "OCPP20",
            "securityProfile": 1,
        },
    }


async def test_TC_B_42_CSMS(csms: Csms, station2: Station2) -> None:
    """A network profile that the charger takes."""
    await station2.asked_accepted("SetNetworkProfile", network_profile(csms))


async def test_TC_B_44_CSMS(csms: Csms, station2: Station2) -> None:
    """A network profile that the charger fails to take."""
    told = await station2.asked_status("SetNetworkProfile", network_profile(csms), "Failed")
    assert not told["accepted"]
