"""OCPP 2.x, block K: charging profiles."""

from typing import Any

from csms import Csms
from station2 import Station2, id_token
from wire import Payload, now


def profile(purpose: str, kind: str = "Absolute", **more: Any) -> Payload:
    """A charging profile of one period, in amperes."""
    schedule: Payload = {
        "id": 1,
        "chargingRateUnit": "A",
        "duration": 86_400,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}],
    }
    if kind != "Relative":
        schedule["startSchedule"] = now()
    return {
        "id": 100,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": [schedule],
        **more,
    }


async def put(station: Station2, evse: int, wanted: Payload, status: str = "Accepted") -> None:
    """An operator sets a profile."""
    payload = {"evseId": evse, "chargingProfile": wanted}
    await station.asked_status("SetChargingProfile", payload, status)


async def test_TC_K_01_CSMS(station2: Station2) -> None:
    """A default for the sessions of one EVSE, for an hour."""
    await put(station2, 1, profile("TxDefaultProfile", validFrom=now(), validTo=now(3600)))


async def test_TC_K_02_CSMS(station2: Station2) -> None:
    """A profile for a session that does not run."""
    wanted = profile("TxProfile", "Relative", transactionId="no-such-transaction")
    await put(station2, 1, wanted, "Rejected")


async def test_TC_K_03_CSMS(station2: Station2) -> None:
    """The most that the whole charger may take."""
    await put(station2, 0, profile("ChargingStationMaxProfile"))


async def test_TC_K_04_CSMS(station2: Station2) -> None:
    """A profile is replaced by another with its number."""
    await put(station2, 1, profile("TxDefaultProfile"))
    await put(station2, 1, profile("TxDefaultProfile", stackLevel=1))


async def test_TC_K_05_CSMS(station2: Station2) -> None:
    """A profile is cleared by its number."""
    await put(station2, 1, profile("TxDefaultProfile"))
    await station2.asked_accepted("ClearChargingProfile", {"chargingProfileId": 100})


CRITERIA: Payload = {
    "chargingProfileCriteria": {
        "evseId": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "stackLevel": 0,
    }
}


async def test_TC_K_06_CSMS(station2: Station2) -> None:
    """A profile is cleared by its purpose and level."""
    await put(station2, 1, profile("TxDefaultProfile"))
    await station2.asked_accepted("ClearChargingProfile", CRITERIA)


async def test_TC_K_08_CSMS(station2: Station2) -> None:
    """There is none to be cleared."""
    told = await station2.asked_status("ClearChargingProfile", CRITERIA, "Unknown")
    assert not told["accepted"]


async def test_TC_K_10_CSMS(station2: Station2) -> None:
    """A default for every EVSE."""
    await put(station2, 0, profile("TxDefaultProfile", validFrom=now(), validTo=now(3600)))


async def test_TC_K_15_CSMS(station2: Station2) -> None:
    """The charger knows no profiles: an error, which the operator is told."""
    payload = {"evseId": 1, "chargingProfile": profile("TxDefaultProfile")}
    told = await station2.refuses("SetChargingProfile", payload, "NotSupported")
    assert (told["outcome"], told["status"]) == ("refused", "NotSupported")


async def test_TC_K_19_CSMS(station2: Station2) -> None:
    """A profile that comes again every day."""
    await put(station2, 1, profile("TxDefaultProfile", "Recurring", recurrencyKind="Daily"))


async def test_TC_K_37_CSMS(csms: Csms, station2: Station2) -> None:
    """A remote start that carries a profile."""
    await station2.status("Occupied")
    wanted: Payload = {
        "remoteStartId": 91,
        "idToken": id_token(),
        "evseId": 1,
        "chargingProfile": profile("TxProfile", "Relative"),
    }
    await station2.asked_accepted("RequestStartTransaction", wanted)
    info = {"remoteStartId": 91}
    await station2.event("Started", "RemoteStart", "Charging", "OCTT-VALID", info)
    await csms.until_session(station2.identity, is_open=True)


async def composite(station: Station2, evse: int) -> None:
    """What the profiles come to."""
    wanted = {"evseId": evse, "duration": 300, "chargingRateUnit": "A"}
    schedule: Payload = {
        "evseId": evse,
        "duration": 300,
        "scheduleStart": now(),
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.5}],
    }
    told = await station.asked_accepted("GetCompositeSchedule", wanted, schedule=schedule)
    assert told["payload"]["schedule"] == schedule


async def test_TC_K_43_CSMS(station2: Station2) -> None:
    """For one EVSE."""
    await composite(station2, 1)


async def test_TC_K_44_CSMS(station2: Station2) -> None:
    """For the whole charger."""
    await composite(station2, 0)


async def limited(station: Station2) -> None:
    """Somebody else than we limits the charger."""
    limit = {"chargingLimitSource": "EMS", "isGridCritical": False}
    assert await station.call("NotifyChargingLimit", chargingLimit=limit) == {}


async def test_TC_K_48_CSMS(station2: Station2) -> None:
    """An energy management system sets a limit, and another."""
    await limited(station2)
    await limited(station2)


async def released(station: Station2) -> None:
    """The limit of somebody else is gone."""
    assert await station.call("ClearedChargingLimit", chargingLimitSource="EMS") == {}


async def test_TC_K_50_CSMS(station2: Station2) -> None:
    """The limit is released, and nobody charges."""
    await limited(station2)
    await released(station2)


async def test_TC_K_51_CSMS(csms: Csms, station2: Station2) -> None:
    """The limit is released, and somebody charges."""
    await station2.charge()
    await limited(station2)
    await station2.event("Updated", "ChargingRateChanged", "Charging")
    await released(station2)
    await station2.event("Updated", "ChargingRateChanged", "Charging")
    await csms.until_connector(station2.identity, "Charging")


async def test_TC_K_52_CSMS(station2: Station2) -> None:
    """An operator asks for the limits of others, and is sent them."""
    wanted: Payload = {
        "requestId": 95,
        "chargingProfile": {"chargingProfilePurpose": "ChargingStationExternalConstraints"},
    }
    await station2.asked_accepted("GetChargingProfiles", wanted)
    found: Payload = {
        "requestId": 95,
        "chargingLimitSource": "EMS",
        "evseId": 0,
        "chargingProfile": [profile("ChargingStationExternalConstraints")],
    }
    assert await station2.call("ReportChargingProfiles", found) == {}


async def test_TC_K_60_CSMS(station2: Station2) -> None:
    """A profile for the session that runs, by the charger's own id."""
    transaction = await station2.charge()
    await put(station2, 1, profile("TxProfile", "Relative", transactionId=transaction))


async def test_TC_K_70_CSMS(station2: Station2) -> None:
    """Several profiles, one after the other."""
    await put(station2, 0, profile("ChargingStationMaxProfile", id=101))
    await put(station2, 1, profile("TxDefaultProfile", id=102))
    await put(station2, 1, profile("TxDefaultProfile", id=103, stackLevel=1))
