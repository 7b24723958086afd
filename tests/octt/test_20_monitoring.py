"""OCPP 2.x, blocks I, L, N and O: costs, published firmware, monitors and messages on displays."""

from csms import Csms
from station2 import Station2
from wire import Payload, now

PROBLEM: Payload = {"component": {"name": "Connector"}, "variable": {"name": "Problem"}}
POWER: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}


async def test_TC_I_01_CSMS(station2: Station2) -> None:
    """The charger is told what the session costs so far."""
    transaction = await station2.charge()
    wanted = {"totalCost": 12.34, "transactionId": transaction}
    sent, told = await station2.asked("CostUpdated", wanted, {})
    assert sent == wanted
    assert told["outcome"] == "answered"


async def publish(station: Station2, *states: str) -> None:
    """An operator has a local controller offer firmware to its chargers."""
    wanted = {
        "location": "https://files.example.org/octt/firmware.bin",
        "checksum": "0123456789abcdef0123456789abcdef",
        "requestId": 51,
    }
    await station.asked_accepted("PublishFirmware", wanted)
    for state in states:
        facts: Payload = {"status": state, "requestId": 51}
        if state == "Published":
            facts["location"] = ["https://controller.local/firmware.bin"]
        assert await station.call("PublishFirmwareStatusNotification", facts) == {}


async def test_TC_L_17_CSMS(station2: Station2) -> None:
    """It is published."""
    await publish(station2, "Downloading", "Downloaded", "ChecksumVerified", "Published")


async def test_TC_L_19_CSMS(station2: Station2) -> None:
    """Its checksum is wrong."""
    await publish(station2, "Downloading", "Downloaded", "InvalidChecksum")


async def test_TC_L_20_CSMS(station2: Station2) -> None:
    """It cannot be published."""
    await publish(station2, "Downloading", "Downloaded", "ChecksumVerified", "PublishFailed")


async def test_TC_L_24_CSMS(station2: Station2) -> None:
    """It cannot be downloaded."""
    await publish(station2, "Downloading", "DownloadFailed")


async def unpublish(station: Station2, status: str) -> None:
    """An operator ends the offer."""
    wanted = {"checksum": "0123456789abcdef0123456789abcdef"}
    await station.asked_status("UnpublishFirmware", wanted, status)


async def test_TC_L_21_CSMS(station2: Station2) -> None:
    """The offer ends."""
    await unpublish(station2, "Unpublished")


async def test_TC_L_22_CSMS(station2: Station2) -> None:
    """There was none."""
    await unpublish(station2, "NoFirmware")


async def test_TC_L_23_CSMS(station2: Station2) -> None:
    """Somebody is downloading it."""
    await unpublish(station2, "DownloadOngoing")


async def test_TC_N_05_CSMS(station2: Station2) -> None:
    """Which monitors are on."""
    await station2.asked_accepted("SetMonitoringBase", {"monitoringBase": "All"})


def monitor(names: Payload, kind: str, value: float) -> Payload:
    """A monitor of a variable."""
    return {**names, "type": kind, "value": value, "severity": 5}


async def watch(station: Station2, *monitors: Payload) -> None:
    """An operator sets monitors, and the charger gives each a number."""
    results = [
        {
            "id": number,
            "status": "Accepted",
            "type": wanted["type"],
            "severity": wanted["severity"],
            "component": wanted["component"],
            "variable": wanted["variable"],
        }
        for number, wanted in enumerate(monitors, start=1)
    ]
    wanted = {"setMonitoringData": list(monitors)}
    answer = {"setMonitoringResult": results}
    sent, _ = await station.asked("SetVariableMonitoring", wanted, answer)
    assert sent == wanted


async def test_TC_N_08_CSMS(station2: Station2) -> None:
    """One monitor."""
    await watch(station2, monitor(POWER, "UpperThreshold", 11_000))


async def test_TC_N_09_CSMS(station2: Station2) -> None:
    """Several monitors."""
    await watch(station2, monitor(POWER, "UpperThreshold", 11_000), monitor(PROBLEM, "Delta", 1))


async def test_TC_N_16_CSMS(station2: Station2) -> None:
    """From which severity on the charger reports."""
    await station2.asked_accepted("SetMonitoringLevel", {"severity": 4})


async def test_TC_N_17_CSMS(station2: Station2) -> None:
    """The charger rejects a severity that there is not."""
    await station2.asked_status("SetMonitoringLevel", {"severity": 10}, "Rejected")


async def test_TC_N_18_CSMS(csms: Csms, station2: Station2) -> None:
    """No more monitors are cleared at once than the charger takes, which it told."""
    await station2.tells_its_limit(csms, "MonitoringCtrlr", "ClearVariableMonitoring", 2)
    sentence = await station2.not_sent("ClearVariableMonitoring", {"id": [1, 2, 3]})
    assert "at most 2 monitors in one ClearVariableMonitoring, and this has 3" in sentence
    for ids in ([1, 2], [3]):
        results = [{"id": each, "status": "Accepted"} for each in ids]
        answer = {"clearMonitoringResult": results}
        sent, _ = await station2.asked("ClearVariableMonitoring", {"id": ids}, answer)
        assert sent == {"id": ids}


async def test_TC_N_24_CSMS(station2: Station2) -> None:
    """A monitor that reports by the clock; its reports are answered."""
    await watch(station2, monitor(POWER, "Periodic", 60))
    event = {
        "eventId": 9,
        "timestamp": now(),
        "trigger": "Periodic",
        "actualValue": "7200",
        "eventNotificationType": "CustomMonitor",
        "variableMonitoringId": 1,
        **POWER,
    }
    answer = await station2.call("NotifyEvent", generatedAt=now(), seqNo=0, eventData=[event])
    assert answer == {}


async def test_TC_N_44_CSMS(station2: Station2) -> None:
    """The charger rejects to clear a monitor."""
    answer = {"clearMonitoringResult": [{"id": 1, "status": "Rejected"}]}
    sent, _ = await station2.asked("ClearVariableMonitoring", {"id": [1]}, answer)
    assert sent == {"id": [1]}


async def test_TC_O_12_CSMS(station2: Station2) -> None:
    """A message on the display takes the place of another with its number."""
    for words in ("Welcome", "Welcome back"):
        message = {
            "id": 7,
            "priority": "NormalCycle",
            "message": {"format": "UTF8", "content": words},
        }
        await station2.asked_accepted("SetDisplayMessage", {"message": message})
