//! Ten thousand orders in which connections of a few chargers come, prove who they are, are entered,
//! are pushed out and end (R6). The seed is in every message of a failure.

use std::net::SocketAddr;
use std::sync::Arc;

use mendpoint_model::{Action, ChargerKey, Command, CommandId, Origin, UnixMs};
use mendpoint_ocpp::BootStatus;

use crate::AddressBook;
use crate::address_book::{CloseHow, Mailbox, Registered};

/// Orders that are tried.
const SEEDS: u64 = 10_000;
/// Steps of each.
const STEPS: usize = 60;
const CHARGERS: u32 = 3;

/// `SplitMix64`: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// Where a connection stands.
#[derive(Clone, Debug)]
enum Stage {
    /// It has connected.
    AtTheDoor,
    /// It has proved who it is, and has its number. Its handshake may take any time from here on.
    Authenticated(u64),
    /// It is in the book.
    Entered(Arc<Mailbox>),
}

#[derive(Clone, Debug)]
struct Connection {
    charger: ChargerKey,
    stage: Stage,
}

fn command(charger: ChargerKey, number: usize) -> Command {
    Command {
        id: CommandId(number.to_string().as_str().into()),
        charger,
        action: Action::Reset { hard: false, evse: None },
        origin: Origin::System,
        created_at: UnixMs(0),
        timeout_ms: 30_000,
        not_after: UnixMs(i64::MAX),
    }
}

fn remote() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1))
}

/// One order. `newest` is the truth that the book is held against: of each charger the connection
/// with the largest number that was entered and has not ended.
fn run(seed: u64) {
    let mut random = Random(seed);
    let book = AddressBook::new();
    let mut open: Vec<Connection> = Vec::new();
    let mut epoch = 0;
    let mut newest: Vec<Option<u64>> = vec![None; CHARGERS as usize];
    for step in 0..STEPS {
        let told = format!("seed {seed}, step {step}");
        let at = random.below(open.len() + 2);
        if at >= open.len() {
            let charger = ChargerKey(random.below(CHARGERS as usize) as u32);
            open.push(Connection { charger, stage: Stage::AtTheDoor });
            continue;
        }
        let Connection { charger, stage } = open[at].clone();
        let truth = &mut newest[charger.0 as usize];
        match stage {
            // A wrong password ends it here and touches nobody (behaviour 3).
            Stage::AtTheDoor if random.below(3) == 0 => drop(open.swap_remove(at)),
            Stage::AtTheDoor => {
                epoch += 1;
                open[at].stage = Stage::Authenticated(epoch);
            }
            Stage::Authenticated(epoch) => {
                let metrics = book.metrics().clone();
                let mailbox = Mailbox::new(epoch, remote(), BootStatus::Accepted, 100, metrics);
                let mailbox = Arc::new(mailbox);
                let registered = book.register(charger, &mailbox);
                let is_stale = truth.is_some_and(|newer| newer > epoch);
                assert_eq!(registered == Registered::Stale, is_stale, "{told}");
                if is_stale {
                    open.swap_remove(at);
                } else {
                    *truth = Some(epoch);
                    open[at].stage = Stage::Entered(mailbox);
                }
            }
            // It ends: by itself, or because it was pushed out, sooner or later.
            Stage::Entered(mailbox) => {
                mailbox.end();
                book.unregister(charger, mailbox.epoch);
                truth.take_if(|newest| *newest == mailbox.epoch);
                open.swap_remove(at);
            }
        }
        for (charger, newest) in (0..CHARGERS).map(ChargerKey).zip(&newest) {
            assert_eq!(book.epoch(charger), *newest, "{told}");
            assert_eq!(book.send(command(charger, step)).is_ok(), newest.is_some(), "{told}");
        }
        for connection in &open {
            let Stage::Entered(mailbox) = &connection.stage else { continue };
            let is_newest = newest[connection.charger.0 as usize] == Some(mailbox.epoch);
            let pushed_out = mailbox
                .close_request()
                .is_some_and(|request| matches!(request.how, CloseHow::Replaced { .. }));
            assert_eq!(pushed_out, !is_newest, "{told}: {connection:?}");
            let last = std::iter::from_fn(|| mailbox.pop()).last();
            let is_mine = |command: &Command| {
                command.charger == connection.charger && *command.id.0 == *step.to_string()
            };
            assert_eq!(last.as_ref().is_some_and(is_mine), is_newest, "{told}: {last:?}");
        }
    }
}

#[test]
fn r06_ten_thousand_interleavings_route_to_the_newest_authenticated_connection() {
    (0..SEEDS).for_each(run);
}
