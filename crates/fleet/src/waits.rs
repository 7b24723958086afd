//! Behaviour 67: what waited for a charger is checked again before it is sent.

use mendpoint_model::{
    Action, Command, CommandId, CommandOutcome, ConnectorRef, ConnectorStatus, EventKind, HOUR_MS,
    Origin, TransactionId, UnixMs,
};

use crate::kit::{self, KEY, Kit, MIN};
use crate::{Checked, RoomFull, Verdict, WAITING_MAX, WaitingRoom};

/// A charger that is away since one minute, and the room.
struct Absent {
    kit: Kit,
    room: WaitingRoom,
    asked: u32,
}

impl Absent {
    fn new() -> Self {
        let mut kit = Kit::new();
        kit.send(kit::boot());
        kit.send(kit::status(1, ConnectorStatus::Available, None));
        kit.after(MIN).send(kit::disconnected(false));
        kit.after(MIN);
        Self { kit, room: WaitingRoom::default(), asked: 0 }
    }

    fn command(&mut self, action: Action) -> Command {
        self.asked += 1;
        Command {
            id: CommandId(format!("u-{}", self.asked).into()),
            charger: KEY,
            action,
            origin: Origin::User("ana".to_owned()),
            created_at: self.kit.now,
            timeout_ms: 30_000,
            not_after: self.kit.now + HOUR_MS,
        }
    }

    fn ask(&mut self, action: Action) -> Result<(), RoomFull> {
        let command = self.command(action);
        self.room.add(command)
    }

    fn comes_back(&mut self) {
        let epoch = self.kit.epoch + 1;
        self.kit.after(MIN).connect(epoch);
        self.room.came_back(self.kit.now, KEY);
    }

    fn due(&mut self) -> Vec<Checked> {
        self.room.due(self.kit.now, &self.kit.fleet)
    }

    /// Lets the charger settle; what became of each command, in words.
    fn outcomes(&mut self) -> Vec<String> {
        let settled = self.room.next_deadline().expect("it is watched");
        self.kit.now = self.kit.now.max(settled);
        self.due().into_iter().map(|checked| words(&checked.verdict)).collect()
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Send => "sent".to_owned(),
        Verdict::Not(CommandOutcome::Dropped(why)) => why.clone(),
        Verdict::Not(outcome) => outcome.summary().to_owned(),
    }
}

const SOFT: Action = Action::Reset { hard: false, evse: None };

fn one() -> ConnectorRef {
    ConnectorRef::v16(1)
}

#[test]
fn b67_a_reset_older_than_the_last_boot_is_not_sent() {
    let mut absent = Absent::new();
    absent.ask(SOFT).expect("there is room");
    let raw = Action::Raw { action: "Reset".to_owned(), payload: "{}".to_owned() };
    absent.ask(raw).expect("there is room");
    absent.comes_back();
    absent.kit.send(kit::boot());
    assert_eq!(absent.outcomes(), ["it restarted by itself"; 2]);
}

#[test]
fn b67_a_reset_is_sent_once_to_a_charger_that_did_not_boot() {
    let mut absent = Absent::new();
    absent.ask(SOFT).expect("there is room");
    absent.comes_back();
    assert!(absent.due().is_empty(), "it is left alone until it is settled");
    assert_eq!(absent.outcomes(), ["sent"]);
    absent.comes_back();
    assert!(absent.due().is_empty() && absent.room.next_deadline().is_none(), "only once");
}

#[test]
fn b67_the_same_command_asked_twice_is_sent_once() {
    let mut absent = Absent::new();
    absent.ask(SOFT).expect("there is room");
    absent.ask(SOFT).expect("there is room");
    absent.comes_back();
    assert_eq!(absent.outcomes(), ["sent", "the same command was sent a moment before"]);
}

#[test]
fn b67_a_command_whose_time_is_over_is_not_sent() {
    let mut absent = Absent::new();
    absent.ask(SOFT).expect("there is room");
    assert_eq!(absent.room.next_deadline(), Some(absent.kit.now + HOUR_MS));
    absent.kit.after(HOUR_MS);
    assert_eq!(absent.outcomes(), ["Expired in the queue"]);
    // And when its time ends in the very moment in which the charger settles.
    absent.ask(SOFT).expect("there is room");
    absent.kit.after(HOUR_MS - MIN - 1_000);
    absent.comes_back();
    absent.kit.after(10_000);
    assert_eq!(
        absent.due().into_iter().map(|c| words(&c.verdict)).collect::<Vec<_>>(),
        ["Expired in the queue"]
    );
}

#[test]
fn b67_a_connection_that_does_not_last_gets_nothing() {
    let mut absent = Absent::new();
    absent.ask(SOFT).expect("there is room");
    absent.comes_back();
    absent.kit.after(2_000).send(kit::disconnected(false));
    absent.room.went_away(KEY);
    absent.kit.after(MIN);
    assert!(absent.due().is_empty());
    absent.comes_back();
    assert_eq!(absent.outcomes(), ["sent"]);
}

#[test]
fn b67_an_unlock_is_not_for_whoever_came_later() {
    let unlock = Action::Unlock { connector: one() };
    let mut absent = Absent::new();
    absent.ask(unlock.clone()).expect("there is room");
    absent.comes_back();
    absent.kit.send(EventKind::TransactionStarted(kit::start(5, 1, None)));
    assert_eq!(absent.outcomes(), ["another session began on connector 1 in the meantime"]);

    let mut absent = Absent::new();
    absent.kit.send(kit::status(1, ConnectorStatus::Finishing, None));
    absent.ask(unlock.clone()).expect("there is room");
    absent.comes_back();
    absent.kit.send(kit::status(1, ConnectorStatus::Available, None));
    assert_eq!(absent.outcomes(), ["connector 1 is free in the meantime"]);

    let mut absent = Absent::new();
    absent.ask(unlock).expect("there is room");
    absent.comes_back();
    absent.kit.send(kit::status(1, ConnectorStatus::Finishing, None));
    assert_eq!(absent.outcomes(), ["sent"]);
}

#[test]
fn b67_a_switch_that_is_so_already_is_not_sent() {
    let switch = |operative| Action::SetAvailability { connector: one(), operative };
    let mut absent = Absent::new();
    absent.ask(switch(false)).expect("there is room");
    absent.ask(switch(true)).expect("there is room");
    absent.comes_back();
    absent.kit.send(kit::status(1, ConnectorStatus::Unavailable, None));
    assert_eq!(absent.outcomes(), ["connector 1 is out of service already", "sent"]);

    let mut absent = Absent::new();
    let all = Action::SetAvailability { connector: ConnectorRef::CHARGER, operative: true };
    absent.ask(all).expect("there is room");
    absent.comes_back();
    absent.kit.send(kit::status(1, ConnectorStatus::Available, None));
    assert_eq!(absent.outcomes(), ["the charger is in service already"]);
}

#[test]
fn b67_a_stop_of_a_session_that_is_over_is_not_sent() {
    let stop =
        |id| Action::RemoteStop { transaction: TransactionId(id), external_id: String::new() };
    let mut absent = Absent::new();
    absent.ask(stop(5)).expect("there is room");
    absent.ask(stop(6)).expect("there is room");
    absent.comes_back();
    absent.kit.send(EventKind::TransactionStarted(kit::start(6, 1, None)));
    assert_eq!(absent.outcomes(), ["the session has ended", "sent"]);
}

#[test]
fn b67_a_start_does_not_disturb_a_session() {
    let start = || Action::RemoteStart { connector: Some(one()), id_token: "A".to_owned() };
    let mut absent = Absent::new();
    absent.ask(start()).expect("there is room");
    absent.comes_back();
    absent.kit.send(EventKind::TransactionStarted(kit::start(6, 1, None)));
    assert_eq!(absent.outcomes(), ["connector 1 is in a session already"]);
}

#[test]
fn b67_a_person_can_take_it_back_and_the_room_is_bounded() {
    let mut absent = Absent::new();
    for _ in 0..WAITING_MAX {
        absent.ask(SOFT).expect("there is room");
    }
    assert_eq!(absent.ask(SOFT), Err(RoomFull));
    for number in 1..=WAITING_MAX {
        let id = CommandId(format!("u-{number}").into());
        assert!(absent.room.cancel(KEY, &id).is_some());
        assert!(absent.room.cancel(KEY, &id).is_none(), "only once");
    }
    assert_eq!(absent.room.next_deadline(), None::<UnixMs>);
}
