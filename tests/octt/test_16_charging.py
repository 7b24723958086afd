"""OCPP 1.6: smart charging."""

from csms import Csms
from station16 import VALID, Station16
from wire import Payload, now

ACCEPTED: Payload = {"status": "Accepted"}


def profile(purpose: str, limit_a: float = 16.1, **more: int) -> Payload:
    """A charging profile of one period, in amperes."""
    return {
        "chargingProfileId": 100,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "duration": 86_400,
            "startSchedule": now(),
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a, "numberPhases": 3}],
        },
        **more,
    }


async def test_TC_056_CSMS(station16: Station16) -> None:
    """A default schedule for sessions to come."""
    wanted = {"connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile")}
    sent, _ = await station16.asked("SetChargingProfile", wanted, ACCEPTED)
    assert sent == wanted


async def test_TC_057_CSMS(station16: Station16) -> None:
    """A schedule for the session that runs, by its number."""
    transaction = await station16.charge()
    wanted = {
        "connectorId": 1,
        "csChargingProfiles": profile("TxProfile", transactionId=transaction),
    }
    sent, _ = await station16.asked("SetChargingProfile", wanted, ACCEPTED)
    assert sent == wanted


async def test_TC_059_CSMS(csms: Csms, station16: Station16) -> None:
    """A remote start that carries a schedule."""
    await station16.status("Preparing")
    wanted = {"connectorId": 1, "idTag": VALID, "chargingProfile": profile("TxProfile")}
    sent, _ = await station16.asked("RemoteStartTransaction", wanted, ACCEPTED)
    assert sent == wanted
    assert (await station16.authorize())["status"] == "Accepted"
    assert (await station16.start())["idTagInfo"]["status"] == "Accepted"
    await csms.until_session(station16.identity, is_open=True)


async def test_TC_066_CSMS(station16: Station16) -> None:
    """What the schedules of a connector come to."""
    schedule = {
        "duration": 300,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.5}],
    }
    answer = {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": now(),
        "chargingSchedule": schedule,
    }
    wanted = {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    sent, told = await station16.asked("GetCompositeSchedule", wanted, answer)
    assert sent == wanted
    assert told["payload"]["chargingSchedule"] == schedule


async def test_TC_067_CSMS(station16: Station16) -> None:
    """A schedule is set, and cleared by its number."""
    wanted = {"connectorId": 1, "csChargingProfiles": profile("TxDefaultProfile")}
    await station16.asked("SetChargingProfile", wanted, ACCEPTED)
    sent, _ = await station16.asked("ClearChargingProfile", {"id": 100}, ACCEPTED)
    assert sent == {"id": 100}
