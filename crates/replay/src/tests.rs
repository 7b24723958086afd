//! Whole replays of pasts that are written here.

use std::sync::Arc;

use mendpoint_escalation::{Book, Matcher, Routes, Silence};
use mendpoint_fleet::{Fleet, FleetSettings};
use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_model::{
    ChargerKey, Chargers as _, ConnectorRef, HOUR_MS, MINUTE_MS, SiteKey, Source, UnixMs,
};
use mendpoint_upkeep::Profiles;
use mendpoint_uptime::{Decision, Exclusion, History, Reason};

use crate::{
    BudgetSettings, Deed, DeskSettings, Direction, PastAct, PastFrame, PastLink, PastSubject,
    Replay, ReplaySettings, Run, Start,
};

const CHARGER: ChargerKey = ChargerKey(1);
const START: UnixMs = UnixMs(1_767_225_600_000);

fn catalogue(change: impl Fn(&str) -> String) -> Arc<Catalogue> {
    let file = |name: &str, text: &str| (name.to_owned(), change(text));
    let rules = [
        file("err_faulted.toml", include_str!("../../../config/rules/err_faulted.toml")),
        file("cp_offline.toml", include_str!("../../../config/rules/cp_offline.toml")),
    ];
    let playbook = include_str!("../../../config/playbooks/err_faulted.toml").to_owned();
    let playbooks = [("err_faulted.toml".to_owned(), playbook)];
    Arc::new(Catalogue::parse(&rules, &playbooks).expect("what is shipped is right"))
}

/// A past that is told second by second.
struct Past {
    replay: Replay,
    seq: u64,
}

impl Past {
    fn new(rules: Arc<Catalogue>) -> Self {
        Self::with(rules, 0)
    }

    fn with(rules: Arc<Catalogue>, startup_grace_ms: i64) -> Self {
        Self::set(rules, startup_grace_ms, DeskSettings::default(), BudgetSettings::default())
    }

    fn set(
        rules: Arc<Catalogue>,
        startup_grace_ms: i64,
        desk: DeskSettings,
        budgets: BudgetSettings,
    ) -> Self {
        let mut fleet = Fleet::new(FleetSettings::default());
        fleet.register(CHARGER, SiteKey(1), "CP-1".into());
        let mut state = fleet.charger(CHARGER).expect("it was registered").clone();
        state.link.connected = true;
        let settings = ReplaySettings {
            thresholds: Vec::new(),
            desk,
            budgets,
            fleet: FleetSettings::default(),
            engine: EngineSettings { startup_grace_ms, ..EngineSettings::default() },
            profiles: Arc::new(Profiles::default()),
            from: START,
        };
        let mut replay = Replay::new(rules, settings);
        replay.begin(START, vec![Start { state, history: History::default() }]);
        Self { replay, seq: 0 }
    }

    fn frame(&mut self, second: i64, direction: Direction, text: &str) {
        self.seq += 1;
        let (seq, at) = (self.seq, START + second * 1_000);
        self.replay.frame(PastFrame { seq, charger: CHARGER, at, direction, text });
    }

    fn heard(&mut self, second: i64, action: &str, payload: &str) {
        let text = format!("[2,\"m{second}\",\"{action}\",{payload}]");
        self.frame(second, Direction::In, &text);
        self.frame(second, Direction::Out, &format!("[3,\"m{second}\",{{}}]"));
    }

    fn status(&mut self, second: i64, status: &str, code: &str) {
        let payload =
            format!("{{\"connectorId\":1,\"status\":\"{status}\",\"errorCode\":\"{code}\"}}");
        self.heard(second, "StatusNotification", &payload);
    }

    fn link(&mut self, second: i64, online: bool) {
        let (at, reason) = (START + second * 1_000, String::new());
        self.replay.link(&PastLink { charger: CHARGER, at, online, reason });
    }

    fn act(&mut self, second: i64, deed: Deed) {
        self.replay.act(PastAct { at: START + second * 1_000, deed });
    }

    fn end(self, second: i64) -> Run {
        self.replay.finish(START + second * 1_000)
    }
}

fn opened(run: &Run) -> Vec<(String, i64)> {
    let seconds = |at: UnixMs| at.since_ms(START) / 1_000;
    run.incidents.iter().map(|found| (found.rule.clone(), seconds(found.opened_at))).collect()
}

fn actions(run: &Run) -> Vec<(&str, i64, bool)> {
    let seconds = |at: UnixMs| at.since_ms(START) / 1_000;
    let line = |would: &crate::WouldBe| (seconds(would.at), would.was_sent);
    run.actions.iter().map(|would| (would.action.as_str(), line(would).0, line(would).1)).collect()
}

fn same(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_fault_opens_at_the_time_of_its_rule_and_a_changed_rule_is_earlier() {
    let fault = |rules| {
        let mut past = Past::new(rules);
        past.status(1, "Available", "NoError");
        past.status(100, "Faulted", "OverCurrentFailure");
        past.end(400)
    };
    assert_eq!(opened(&fault(catalogue(same))), [("ERR_FAULTED".to_owned(), 160)]);
    let sooner = catalogue(|text| text.replacen("{ default = \"60s\"", "{ default = \"20s\"", 1));
    assert_eq!(opened(&fault(sooner)), [("ERR_FAULTED".to_owned(), 120)]);
}

#[test]
fn offline_counts_from_the_end_of_the_connection() {
    let mut past = Past::new(catalogue(same));
    past.heard(1, "Heartbeat", "{}");
    past.link(250, false);
    let run = past.end(3_600);
    assert_eq!(opened(&run), [("CP_OFFLINE".to_owned(), 850)]);
    assert!(run.incidents[0].escalated, "fifteen minutes later a person is asked");
}

#[test]
fn what_was_not_heard_while_we_did_not_run_is_nobodys() {
    let second = |second: i64| START + second * 1_000;
    // Stopped in order, then killed: what the log has of the end differs.
    for is_told in [true, false] {
        let past = |returns: bool| {
            let mut past = Past::with(catalogue(same), 5 * MINUTE_MS);
            past.heard(60, "Heartbeat", "{}");
            past.replay.stop(second(61), second(7_200));
            if is_told {
                let reason = "closed by us (1001: the central system is stopping)".to_owned();
                let (charger, at) = (CHARGER, second(61));
                past.replay.link(&PastLink { charger, at, online: false, reason });
            }
            if returns {
                past.link(7_205, true);
                for at in (7_206..8_000).step_by(60) {
                    past.heard(at, "Heartbeat", "{}");
                }
            }
            opened(&past.end(8_000))
        };
        assert_eq!(past(true), []);
        let stays = past(false);
        let [(rule, at)] = &stays[..] else { panic!("{stays:?}") };
        assert_eq!(rule, "CP_OFFLINE", "it stayed away");
        assert!((7_800..7_820).contains(at), "{at}: ten minutes after our start, as live");
    }
}

#[test]
fn incidents_go_on_after_a_stop_of_ours_and_what_rules_counted_begins_anew() {
    let second = |second: i64| START + second * 1_000;
    let fault_over = |stops: bool| {
        let mut past = Past::with(catalogue(same), 5 * MINUTE_MS);
        past.status(1, "Available", "NoError");
        for at in [100, 200, 299] {
            past.status(at, "Faulted", "OverCurrentFailure");
        }
        if stops {
            past.replay.stop(second(300), second(900));
            past.link(905, true);
        } else {
            for at in (300..900).step_by(60) {
                past.status(at, "Faulted", "OverCurrentFailure");
            }
        }
        for at in (910..2_000).step_by(60) {
            past.status(at, "Faulted", "OverCurrentFailure");
        }
        for at in (2_000..4_000).step_by(60) {
            past.status(at, "Available", "NoError");
        }
        past.end(4_000)
    };
    let (whole, stopped) = (fault_over(false), fault_over(true));
    assert_eq!(opened(&whole), [("ERR_FAULTED".to_owned(), 160)]);
    assert_eq!(opened(&stopped), opened(&whole), "one incident, before and after");
    assert_eq!(stopped.incidents[0].gone_at, whole.incidents[0].gone_at);
    assert_eq!((whole.incidents[0].ticket, stopped.incidents[0].ticket), (true, true));
    // While we do not run nothing is decided, however long it lasts.
    let mut past = Past::new(catalogue(same));
    past.status(1, "Available", "NoError");
    past.status(100, "Faulted", "OverCurrentFailure");
    past.replay.stop(second(120), UnixMs(i64::MAX));
    assert_eq!(opened(&past.end(100_000)), []);
}

/// An installer gets a ticket a minute after an incident opened.
fn hasty_desk() -> DeskSettings {
    let routes = "[[route]]\nname = \"default\"\nchain = \"c\"\n\
        [[chain]]\nname = \"c\"\ncounts_from = \"opened\"\n\
        [[chain.step]]\nafter = \"1m\"\ntell = [\"installer\"]\n";
    let book = Book::new(Routes::parse(routes, 1.0).expect("good routes"));
    DeskSettings { book: Arc::new(book), ..DeskSettings::default() }
}

fn ticket_of_an_offline_charger(desk: DeskSettings, until: i64) -> bool {
    let mut past = Past::set(catalogue(same), 0, desk, BudgetSettings::default());
    past.heard(1, "Heartbeat", "{}");
    past.link(250, false);
    let run = past.end(until);
    assert_eq!(opened(&run), [("CP_OFFLINE".to_owned(), 850)]);
    run.incidents[0].ticket
}

#[test]
fn an_incident_is_handed_over_when_its_chain_says_so() {
    // The rule itself asks after a quarter of an hour.
    assert!(!ticket_of_an_offline_charger(DeskSettings::default(), 1_700));
    assert!(ticket_of_an_offline_charger(DeskSettings::default(), 1_800));
    assert!(!ticket_of_an_offline_charger(hasty_desk(), 905));
    assert!(ticket_of_an_offline_charger(hasty_desk(), 915));
}

#[test]
fn a_silence_of_the_past_holds_the_ticket_back_until_it_is_over() {
    let mut desk = hasty_desk();
    let matcher = Matcher { rule: "CP_OFFLINE".to_owned(), ..Matcher::default() };
    let until = START + 3_000_000;
    let silence = Silence { id: 1, matcher, from: START, until, ..Silence::default() };
    Arc::make_mut(&mut desk.book).silences.insert(1, silence);
    assert!(!ticket_of_an_offline_charger(desk.clone(), 2_990));
    assert!(ticket_of_an_offline_charger(desk, 3_010));
}

#[test]
fn what_people_did_is_done_to_the_incident_that_stands_for_theirs() {
    let resolved = |connector| {
        let mut past = Past::new(catalogue(same));
        past.status(1, "Available", "NoError");
        past.status(100, "Faulted", "OverCurrentFailure");
        let rule = "ERR_FAULTED".to_owned();
        let connector = ConnectorRef::v16(connector);
        let subject = PastSubject { rule, charger: CHARGER, connector };
        past.act(250, Deed::Resolve(subject, "Ana".to_owned()));
        past.end(260).incidents[0].resolved_at
    };
    assert_eq!(resolved(1), Some(START + 250_000));
    assert_eq!(resolved(2), None, "another incident");
}

#[test]
fn what_drivers_reported_is_reported_again_and_is_no_alarm_of_a_rule() {
    let mut past = Past::new(catalogue(same));
    past.status(1, "Available", "NoError");
    past.act(
        100,
        Deed::Report {
            charger: CHARGER,
            connector: None,
            reason: "not_working".to_owned(),
            text: String::new(),
            reporter: "a driver".to_owned(),
            source: Source::User,
        },
    );
    assert_eq!(past.replay.shard_open(), ["USER_REPORT"]);
    assert_eq!(opened(&past.end(300)), []);
}

fn budget_rules() -> Arc<Catalogue> {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let now = include_str!("../../../config/rules/uptime_budget_now.toml");
    let offline = include_str!("../../../config/rules/cp_offline.toml");
    let rules = [file("uptime_budget_now.toml", now), file("cp_offline.toml", offline)];
    Arc::new(Catalogue::parse(&rules, &[]).expect("what is shipped is right"))
}

/// Half an hour and more without a connection: 26 minutes of an hour are 14.4 times too many.
fn away_for_an_hour(budgets: BudgetSettings) -> Run {
    let mut past = Past::set(budget_rules(), 0, DeskSettings::default(), budgets);
    past.status(1, "Available", "NoError");
    for minute in 1..=60 {
        past.heard(minute * 60, "Heartbeat", "{}");
    }
    past.link(3_600, false);
    past.link(7_200, true);
    past.status(7_201, "Available", "NoError");
    let mut run = past.end(8_000);
    run.incidents.retain(|found| found.rule != "CP_OFFLINE");
    run
}

#[test]
fn budgets_are_used_up_as_live() {
    let run = away_for_an_hour(BudgetSettings::default());
    // Looked at every five minutes: 26 of 60 were lost after half an hour.
    assert_eq!(opened(&run), [("UPTIME_BUDGET_NOW".to_owned(), 5_400)]);
    let gone = run.incidents[0].resolved_at.expect("the last five minutes were good");
    assert_eq!(gone, START + 7_500_000);
}

#[test]
fn minutes_that_a_person_excluded_count_from_when_that_was_decided() {
    let exclusion = Exclusion {
        id: 1,
        site: SiteKey(1),
        charger: None,
        connector: None,
        from: START + 3_600_000,
        until: START + 7_200_000,
        reason: Reason::Utility,
        evidence: "the grid was down".to_owned(),
        decision: Decision::Approved,
    };
    let decided = |second: i64| BudgetSettings {
        exclusions: vec![(START + second * 1_000, exclusion.clone())],
        ..BudgetSettings::default()
    };
    assert_eq!(opened(&away_for_an_hour(decided(4_000))), []);
    let late = away_for_an_hour(decided(6_000));
    assert_eq!(opened(&late), [("UPTIME_BUDGET_NOW".to_owned(), 5_400)]);
    assert_eq!(late.incidents[0].resolved_at, Some(START + 6_000_000));
}

#[test]
fn a_command_that_was_really_sent_gets_its_real_answer() {
    let mut past = Past::new(catalogue(same));
    past.status(1, "Available", "NoError");
    past.status(100, "Faulted", "InternalError");
    let question = "{\"requestedMessage\":\"StatusNotification\",\"connectorId\":1}";
    past.frame(161, Direction::Out, &format!("[2,\"i7-1-0\",\"TriggerMessage\",{question}]"));
    past.frame(162, Direction::In, "[4,\"i7-1-0\",\"NotSupported\",\"\",{}]");
    past.frame(162, Direction::Out, "[2,\"i7-2-0\",\"Reset\",{\"type\":\"Soft\"}]");
    past.frame(163, Direction::In, "[3,\"i7-2-0\",{\"status\":\"Accepted\"}]");
    past.link(165, false);
    past.link(205, true);
    past.heard(206, "BootNotification", "{\"chargePointVendor\":\"A\",\"chargePointModel\":\"X\"}");
    past.status(207, "Available", "NoError");
    let run = past.end(700);
    assert_eq!(
        actions(&run),
        [
            ("TriggerMessage StatusNotification 1", 160, true),
            // At once: it was refused, so the next rung is tried.
            ("Reset Soft", 162, true),
        ]
    );
    assert_eq!(run.incidents[0].gone_at, Some(START + 507_000), "gone for five minutes");
    assert!(!run.incidents[0].escalated);
}

#[test]
fn a_command_that_nobody_sent_is_taken_as_accepted_and_without_effect() {
    let mut past = Past::new(catalogue(same));
    past.status(1, "Available", "NoError");
    past.status(100, "Faulted", "InternalError");
    for minute in 2..180 {
        past.heard(minute * 60, "Heartbeat", "{}");
    }
    let run = past.end(180 * 60);
    let names: Vec<_> = run.actions.iter().map(|would| would.action.as_str()).collect();
    assert_eq!(names[..2], ["TriggerMessage StatusNotification 1", "Reset Soft"]);
    assert!(names.contains(&"Reset Hard"), "the ladder goes on: {names:?}");
    assert!(run.actions.iter().all(|would| !would.was_sent));
    assert!(run.incidents[0].escalated);
}

#[test]
fn a_session_has_the_number_that_it_was_given_live() {
    let mut past = Past::new(catalogue(same));
    past.status(1, "Preparing", "NoError");
    let start = "{\"connectorId\":1,\"idTag\":\"A\",\"meterStart\":0}";
    past.frame(2, Direction::In, &format!("[2,\"s\",\"StartTransaction\",{start}]"));
    let answer = "[3,\"s\",{\"transactionId\":4711,\"idTagInfo\":{\"status\":\"Accepted\"}}]";
    past.frame(2, Direction::Out, answer);
    past.status(3, "Charging", "NoError");
    // A session that ends at once without energy is a failed charge; only when the two belong
    // together is it known which.
    past.heard(
        20,
        "StopTransaction",
        "{\"transactionId\":4711,\"meterStop\":10,\"reason\":\"Other\"}",
    );
    let run = past.end(900);
    assert_eq!(run.failed_charges, [(START + 20_000, CHARGER)]);
}

#[test]
fn the_same_past_gives_the_same_run() {
    let live = || {
        let mut past = Past::new(catalogue(same));
        for hour in 0..24 {
            let at = hour * HOUR_MS / 1_000;
            past.status(at + 5, "Available", "NoError");
            past.status(at + 700, "Faulted", "InternalError");
            past.link(at + 1_500, false);
            past.link(at + 1_500 + 11 * MINUTE_MS / 1_000, true);
        }
        past.end(24 * HOUR_MS / 1_000)
    };
    let run = live();
    assert_eq!(run.incidents.len(), 2, "each reopens within the hour");
    assert_eq!(run, live());
}

#[test]
fn chargers_that_are_not_part_of_it_are_left_out() {
    let mut past = Past::new(catalogue(same));
    let text = "[2,\"1\",\"Heartbeat\",{}]";
    let charger = ChargerKey(77);
    past.replay.frame(PastFrame { seq: 1, charger, at: START, direction: Direction::In, text });
    past.frame(2, Direction::In, "not a message");
    let run = past.end(60);
    assert_eq!((run.frames, run.frames_left_out, run.frames_unreadable), (1, 1, 1));
}
