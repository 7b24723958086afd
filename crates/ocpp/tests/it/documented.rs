//! docs/ocpp.md names every message of every version, in its direction, and the answer it gets.

use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::Protocol;
use mendpoint_ocpp::Reply;
use mendpoint_ocpp::definition::{Sender, messages};

use crate::canonical::{every_case, read};

const TEXT: &str = include_str!("../../../../docs/ocpp.md");

/// The messages of a table, with the last cell of their line.
fn table(heading: &str) -> BTreeMap<String, String> {
    let (_, section) = TEXT.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut found = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let last = cells.last().expect("a line has cells");
        for name in cells[0].split('`').skip(1).step_by(2) {
            let before = found.insert(name.to_owned(), (*last).to_owned());
            assert!(before.is_none(), "{heading}: {name} stands there twice");
        }
    }
    found
}

/// The tables of a version; 2.1 has those of 2.0.1 as well.
fn tables(protocol: Protocol, direction: &str) -> BTreeMap<String, String> {
    let own = |version: &str| table(&format!("OCPP {version}: {direction} the charger"));
    match protocol {
        Protocol::V16 => own("1.6"),
        Protocol::V201 => own("2.0.1"),
        Protocol::V21 => own("2.0.1").into_iter().chain(own("2.1")).collect(),
    }
}

#[test]
fn the_document_names_every_message_in_its_direction() {
    for protocol in [Protocol::V16, Protocol::V201, Protocol::V21] {
        let names = |direction| tables(protocol, direction).into_keys().collect::<BTreeSet<_>>();
        let defined = |is_wanted: fn(Sender) -> bool| {
            let wanted = messages(protocol).filter(|message| is_wanted(message.sender));
            wanted.map(|message| message.action.to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names("from"), defined(Sender::is_charger), "{protocol:?}");
        assert_eq!(names("to"), defined(Sender::is_central_system), "{protocol:?}");
    }
}

#[test]
fn the_document_tells_the_answer_that_is_given() {
    for case in every_case() {
        let told = &tables(case.protocol, "from")[case.action];
        let expected = match read(case.protocol, case.action, case.payload).reply {
            Reply::Empty
            | Reply::StopTransaction
            | Reply::StopTransactionWithToken
            | Reply::TransactionEvent
            | Reply::TransactionEventWithToken => "empty".to_owned(),
            Reply::Heartbeat => "the time".to_owned(),
            Reply::Boot => "Pending".to_owned(),
            Reply::Authorize => "Invalid".to_owned(),
            Reply::StartTransaction => "our number".to_owned(),
            Reply::Literal(text) => {
                let status = text.rsplit_once("\"status\":\"").expect("has a status").1;
                status.split('"').next().unwrap_or_default().to_owned()
            }
            Reply::Error { code, .. } => code.to_owned(),
        };
        assert!(told.contains(&expected), "{} is told as {told:?}, not {expected}", case.action);
    }
}
