//! Tests of the charger in virtual time, against a server of a few lines.

mod commands;
mod lives;

use std::collections::VecDeque;
use std::sync::Arc;

use mendpoint_model::{ConnectorStatus, Protocol, UnixMs};
use serde_json::{Value, json};

use super::ChargerCore;
use super::io::{Act, Input, Note, Output};
use crate::{Behaviour, ChargerSpec};

/// A charger, a server that answers as it should, and a clock that goes where it is told.
struct Bench {
    core: ChargerCore,
    now: UnixMs,
    inputs: VecDeque<Input>,
    /// What the charger sent: time, message id, action, payload.
    calls: Vec<(UnixMs, String, String, Value)>,
    /// Answers to our own commands: id and frame.
    answers: Vec<(String, Value)>,
    notes: Vec<Note>,
    transcript: Vec<String>,
    /// Whether the server can be reached.
    reachable: bool,
    /// What it says to the next boot.
    boot_status: &'static str,
    interval_s: u32,
    next_transaction: i32,
    next_command: u32,
}

impl Bench {
    fn new(protocol: Protocol) -> Self {
        Self::with(protocol, calm(), 1)
    }

    fn with(protocol: Protocol, behaviour: Behaviour, seed: u64) -> Self {
        let spec = Arc::new(ChargerSpec::new("BENCH-1", protocol));
        Self {
            core: ChargerCore::new(spec, Arc::new(behaviour), seed),
            now: UnixMs(1_790_000_000_000),
            inputs: VecDeque::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            notes: Vec::new(),
            transcript: Vec::new(),
            reachable: true,
            boot_status: "Accepted",
            interval_s: 300,
            next_transaction: 40,
            next_command: 0,
        }
    }

    /// The same, switched on and accepted.
    fn started(protocol: Protocol) -> Self {
        let mut bench = Self::new(protocol);
        bench.input(Input::Start);
        bench.advance_s(1);
        assert!(bench.core.is_online());
        bench
    }

    fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            for output in self.core.handle(self.now, input) {
                self.output(output);
            }
        }
    }

    fn act(&mut self, act: Act) {
        self.input(Input::Act(act));
    }

    /// Lets time pass; every deadline is met on the millisecond.
    fn advance_s(&mut self, seconds: i64) {
        let end = self.now + seconds * 1_000;
        while let Some(at) = self.core.next_deadline().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Open if self.reachable => self.inputs.push_back(Input::Opened),
            Output::Open => self.inputs.push_back(Input::Closed("unreachable".to_owned())),
            Output::Close => {}
            Output::Note(note) => self.notes.push(note),
            Output::Send(text) => {
                self.transcript.push(format!("{} {text}", self.now.0));
                let frame: Value = serde_json::from_str(&text).expect("frames are JSON");
                let id = frame[1].as_str().expect("ids are text").to_owned();
                assert!(id.len() <= 36, "{id} is too long");
                if frame[0] == 2 {
                    let action = frame[2].as_str().expect("an action").to_owned();
                    self.calls.push((self.now, id.clone(), action.clone(), frame[3].clone()));
                    let answer = self.answer(&action, &frame[3]);
                    self.inputs.push_back(Input::Text(json!([3, id, answer]).to_string()));
                } else {
                    self.answers.push((id, frame));
                }
            }
        }
    }

    fn answer(&mut self, action: &str, payload: &Value) -> Value {
        let time = self.now.rfc3339();
        let v16 = self.core.spec().is_v16();
        match action {
            "BootNotification" => json!({
                "currentTime": time, "interval": self.interval_s, "status": self.boot_status
            }),
            "Heartbeat" => json!({ "currentTime": time }),
            "Authorize" if v16 => json!({ "idTagInfo": token_status(&payload["idTag"]) }),
            "Authorize" => json!({ "idTokenInfo": token_status(&payload["idToken"]["idToken"]) }),
            "StartTransaction" => {
                self.next_transaction += 1;
                json!({
                    "transactionId": self.next_transaction,
                    "idTagInfo": token_status(&payload["idTag"])
                })
            }
            "DataTransfer" => json!({ "status": "Accepted" }),
            _ => json!({}),
        }
    }

    /// Sends a command; returns the answer: `[3, id, payload]` or `[4, id, code, ..]`.
    fn command(&mut self, action: &str, payload: &Value) -> Value {
        self.next_command += 1;
        let id = format!("c{}", self.next_command);
        self.input(Input::Text(json!([2, id, action, payload]).to_string()));
        let (answered, frame) = self.answers.last().expect("an answer").clone();
        assert_eq!(answered, id, "the answer to {action}");
        frame
    }

    fn status(&self, connector: u16) -> ConnectorStatus {
        self.core.status(connector).expect("there is such a connector")
    }

    /// Payloads of the calls of an action so far.
    fn said(&self, action: &str) -> Vec<&Value> {
        self.calls.iter().filter(|call| call.2 == action).map(|call| &call.3).collect()
    }

    /// A driver charges at connector 1 until told to stop.
    fn charge(&mut self) {
        self.act(Act::PlugIn { connector: 1 });
        self.act(Act::StartSession {
            connector: 1,
            token: Some("GOOD".to_owned()),
            length_ms: Some(i64::MAX / 8),
        });
        self.advance_s(10);
        assert!(self.core.is_charging(1));
    }
}

fn token_status(token: &Value) -> Value {
    let status = if token == "BAD" { "Invalid" } else { "Accepted" };
    json!({ "status": status })
}

/// No drivers, real time.
fn calm() -> Behaviour {
    Behaviour { drivers: false, backoff_ms: (1_000, 8_000), ..Behaviour::default() }
}
