//! One story that calls every function of the store, the same on both databases.

use mendpoint_model::{
    Action, Actor, Admission, Boot, ChargerKey, Command, CommandId, CommandOutcome, ConnectorRef,
    ConnectorStatus, Contact, HOUR_MS, IncidentState, Origin, SecurityProfile, SecurityReport,
    SignalReading, SignalUnit, SiteKey, SiteRecord, Source, TicketId, TimelineEntry, TransactionId,
    Transport, UnixMs, Validation,
};

use super::frames::keep;
use super::kit::{File, closed, end, healed, incident, state, transaction, write};
use super::postgres;
use super::story_audit;
use super::story_conformance::conformance;
use super::story_correlation;
use super::story_device;
use super::story_duty;
use super::story_history;
use super::story_memory::memories;
use super::story_money::{charging_orders, ledger, orphans};
use super::story_people::{outbox, people, reports, tokens, values};
use super::story_privacy;
use super::story_rules;
use super::story_tickets::{tickets, tickets_by_due};
use super::story_uptime;
use crate::{
    AccessRow, Credential, Cursor, Direction, Entry, Error, FrameRecord, HighestIds,
    IncidentFilter, Slot, Store, TransactionFilter, TransactionState, row_id,
};

#[tokio::test]
async fn story_on_sqlite() {
    let file = File::new();
    story(file.open().await).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server: scripts/with-postgres"]
async fn story_on_postgres() {
    story(postgres::open().await).await;
}

#[tokio::test]
#[ignore = "needs a PostgreSQL server: scripts/with-postgres"]
async fn connections_that_postgres_cuts_lose_and_repeat_nothing() {
    lost_connections(postgres::open().await).await;
}

/// The server cuts every connection, as at a failover; the store goes on with new ones.
async fn lost_connections(store: Store) {
    const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let crate::db::Db::Postgres(pool) = &store.db else { panic!("it is PostgreSQL") };
    let charger = ChargerKey(77);
    for at in 1..=20 {
        // Several connections are open and idle when the cut comes.
        let readers = tokio::join!(store.ping(), store.ping(), store.ping());
        assert!(readers.0.is_ok() && readers.1.is_ok() && readers.2.is_ok(), "round {at}");
        let link =
            Entry::LinkChange { charger, at: UnixMs(at), online: true, reason: String::new() };
        let journal = store.journal();
        let seq = journal.append(vec![link]).await;
        sqlx::query(CUT).execute(pool).await.expect("it cuts all others");
        journal.wait(seq).await;
    }
    let rows = store.link_history(charger, UnixMs(0), UnixMs(99)).await.expect("read");
    assert_eq!(rows.len(), 20, "nothing lost, nothing twice");
    store.close().await;
}

async fn story(store: Store) {
    store.ping().await.expect("it answers");
    let HighestIds { incident, ticket, transaction, .. } = store.highest_ids().await.expect("read");
    assert_eq!((incident, ticket, transaction), (0, 0, 0), "the database is empty");
    let (one, two) = register(&store).await;
    credentials(&store, one).await;
    charging(&store, one, two).await;
    charging_orders(&store, one).await;
    history(&store, one).await;
    commands(&store, one).await;
    story_device::variables(&store, one).await;
    story_device::monitors(&store, one).await;
    story_device::models(&store, one).await;
    memories(&store).await;
    incidents(&store, one, two).await;
    tickets(&store, one).await;
    tickets_by_due(&store).await;
    outbox(&store).await;
    people(&store).await;
    tokens(&store).await;
    reports(&store, one).await;
    values(&store).await;
    story_duty::duty(&store).await;
    story_duty::webhooks(&store).await;
    story_duty::photos(&store).await;
    conformance(&store).await;
    story_rules::rules(&store).await;
    frames(&store, one).await;
    story_audit::audit(&store).await;
    let HighestIds { incident, ticket, transaction, .. } = store.highest_ids().await.expect("read");
    assert_eq!((incident, ticket, transaction), (14, 1882, 3));
    story_privacy::privacy(&store, one).await;
    story_history::history(&store).await;
    story_correlation::correlation(&store, one).await;
    let site = store.charger(one).await.expect("read").expect("it is there").site;
    story_uptime::uptime(&store, one, site).await;
    assert!(store.delete_charger(two).await.expect("deleted"));
    assert!(!store.delete_charger(two).await.expect("no more"));
    let site = store.charger(one).await.expect("read").expect("it is there").site;
    assert!(matches!(store.delete_site(site).await, Err(Error::InUse(_))));
    store.delete_charger(one).await.expect("deleted");
    assert!(store.delete_site(site).await.expect("deleted"));
    let next = store.put_site(&SiteRecord::default()).await.expect("put");
    assert!(next.key > site, "numbers are never given out twice");
    store.close().await;
}

async fn register(store: &Store) -> (ChargerKey, ChargerKey) {
    let site = SiteRecord {
        name: "Piața Victoriei".to_owned(),
        latitude: Some(44.4528),
        installer: Some(Contact {
            name: "Volt".to_owned(),
            email: "volt@example.com".to_owned(),
            phone: String::new(),
        }),
        price_cents_per_kwh: 49,
        ..SiteRecord::default()
    };
    let mut site = store.put_site(&site).await.expect("put");
    assert_ne!(site.key, SiteKey(0));
    let again = SiteRecord { key: SiteKey(0), ..site.clone() };
    let error = store.put_site(&again).await.expect_err("the name is taken");
    assert!(error.to_string().contains("Piața Victoriei"), "{error}");
    site.installer = None;
    site.longitude = Some(-26.08);
    store.put_site(&site).await.expect("changed");
    assert_eq!(store.site(site.key).await.expect("read").as_ref(), Some(&site));
    assert_eq!(store.all_sites().await.expect("read"), [site.clone()]);

    let accepted = Admission::Accepted;
    let one = store.insert_charger("CP-1", "Bay 1", site.key, accepted).await.expect("new");
    let two = store.insert_charger("CP-2", "Bay 2", site.key, Admission::Quarantined).await;
    let two = two.expect("new");
    let error = store.insert_charger("CP-1", "", site.key, accepted).await.expect_err("taken");
    assert!(matches!(&error, Error::Exists(text) if text.contains("CP-1")), "{error}");
    let error = store.insert_charger("CP-3", "", SiteKey(99), accepted).await.expect_err("no site");
    assert!(matches!(&error, Error::InUse(text) if text.contains("99")), "{error}");
    assert_ne!(one.public_id, two.public_id);
    let mut changed = two.clone();
    changed.admission = Admission::Blocked;
    changed.name = "Bay B".to_owned();
    changed.validation = Validation::Strict;
    assert!(store.update_charger(&changed).await.expect("changed"));
    assert_eq!(store.charger(two.key).await.expect("read"), Some(changed.clone()));
    assert_eq!(store.charger_by_identity("CP-1").await.expect("read"), Some(one.clone()));
    assert_eq!(store.charger_by_public_id(&one.public_id).await.expect("read"), Some(one.clone()));
    assert_eq!(store.charger_by_identity("cp-1").await.expect("read"), None);
    assert_eq!(store.all_chargers().await.expect("read"), [one.clone(), changed]);
    (one.key, two.key)
}

async fn credentials(store: &Store, one: ChargerKey) {
    let keyed = |bytes: &[u8]| Credential::Keyed(bytes.to_vec());
    let slow = Credential::Slow("$argon2id$..".to_owned());
    store.set_credential(one, Some(&keyed(b"first"))).await.expect("set");
    store.set_credential(one, Some(&slow)).await.expect("set");
    assert_eq!(store.credentials().await.expect("read"), [(one, Slot::Current, slow.clone())]);
    store.add_credential(one, &keyed(b"lost")).await.expect("added");
    store.add_credential(one, &keyed(b"next")).await.expect("added");
    assert_eq!(
        store.credentials().await.expect("read"),
        [(one, Slot::Current, slow), (one, Slot::Next, keyed(b"next"))]
    );
    store.keep_credential(one, Slot::Next).await.expect("kept");
    let next = [(one, Slot::Current, keyed(b"next"))];
    assert_eq!(store.credentials().await.expect("read"), next);
    store.add_credential(one, &keyed(b"refused")).await.expect("added");
    store.keep_credential(one, Slot::Current).await.expect("kept");
    assert_eq!(store.credentials().await.expect("read"), next);
    store.set_credential(one, None).await.expect("removed");
    assert!(store.credentials().await.expect("read").is_empty());

    assert!(store.access().await.expect("read").is_empty());
    let mut row = AccessRow {
        charger: one,
        required: SecurityProfile::Tls,
        reached: SecurityProfile::Open,
        certificate_name: String::new(),
        certificate_sha256: String::new(),
        key_spelling: String::new(),
    };
    store.put_access(&row).await.expect("put");
    row.reached = SecurityProfile::Mutual;
    row.certificate_name = "SN-1".to_owned();
    store.put_access(&row).await.expect("put");
    assert_eq!(store.access().await.expect("read"), [row]);
}

async fn charging(store: &Store, one: ChargerKey, two: ChargerKey) {
    use TransactionState::{Hard, Open, Over, Suspect, Unseen};
    let now = row_id::now().0;
    let boot = Boot {
        vendor: "Acme".to_owned(),
        model: "X1".to_owned(),
        serial: Some("S1".to_owned()),
        ..Boot::default()
    };
    let later = Boot { serial: None, firmware: Some("2.0".to_owned()), ..boot.clone() };
    write(
        store,
        vec![
            Entry::State(Box::new(state(one, SiteKey(1)))),
            Entry::Boot { charger: one, boot: boot.clone() },
            Entry::Boot { charger: two, boot: boot.clone() },
            Entry::TransactionOpened { charger: one, transaction: transaction(1, now) },
            Entry::TransactionOpened { charger: one, transaction: transaction(2, now + 1) },
            closed(one, transaction(2, now + 1), now + 50),
            Entry::TransactionOpened { charger: two, transaction: transaction(3, now + 2) },
            Entry::TransactionOrphan {
                charger: two,
                id: TransactionId(-1),
                external_id: "tx".to_owned(),
                at: UnixMs(now),
                frame: 77,
                ended: Box::new(end("tx")),
            },
        ],
    )
    .await;
    write(store, vec![Entry::Boot { charger: one, boot: later.clone() }]).await;
    let record = store.charger(one).await.expect("read").expect("it is there");
    assert_eq!((&*record.model, &*record.serial, &*record.firmware), ("X1", "S1", "2.0"));
    let boots = store.boots(one, 5).await.expect("read");
    assert_eq!(boots.into_iter().map(|(_, boot)| boot).collect::<Vec<_>>(), [later, boot]);
    assert_eq!(store.load_states().await.expect("read"), [state(one, SiteKey(1))]);
    assert_eq!(store.connector_counts().await.expect("read"), [(one, 1)]);

    let open = store.open_transactions().await.expect("read");
    assert_eq!(open[&one], [transaction(1, now)]);
    assert_eq!(open[&two], [transaction(3, now + 2)]);
    let recent = store.recent_transactions().await.expect("read");
    let told: Vec<_> =
        recent.iter().map(|row| (row.charger, &row.transaction, &*row.reason)).collect();
    assert_eq!(told, [(one, &transaction(2, now + 1), "Local")]);
    let row = store.transaction(TransactionId(2)).await.expect("read").expect("it is there");
    assert_eq!((row.energy_wh, row.ended_at), (Some(1_250.5), Some(UnixMs(now + 50))));
    assert_eq!(store.transaction(TransactionId(9)).await.expect("read"), None);
    let ids = |rows: Vec<crate::TransactionRow>| -> Vec<i64> {
        rows.into_iter().map(|row| row.transaction.id.0).collect()
    };
    let all = TransactionFilter::default();
    let (rows, next) = store.transactions(&all, None, 2).await.expect("read");
    assert_eq!(ids(rows), [3, 2]);
    let next: Cursor = next.expect("there is more").to_string().parse().expect("a cursor");
    let (rows, next) = store.transactions(&all, Some(next), 2).await.expect("read");
    assert_eq!((ids(rows), next), (vec![1], None));
    let site = store.charger(one).await.expect("read").expect("it is there").site;
    let with = |charger, site, state| TransactionFilter {
        charger,
        site,
        state,
        ..TransactionFilter::default()
    };
    for (filter, wanted) in [
        (with(Some(one), None, Open), vec![1]),
        (with(None, Some(site), TransactionState::Any), vec![3, 2, 1]),
        (with(None, Some(SiteKey(99)), TransactionState::Any), vec![]),
        (with(None, None, Over), vec![2]),
        (with(None, None, Suspect), vec![]),
        (TransactionFilter { from: Some(UnixMs(now + 1)), ..all }, vec![3, 2]),
        (TransactionFilter { until: Some(UnixMs(now + 1)), ..all }, vec![1]),
    ] {
        let (rows, _) = store.transactions(&filter, None, 10).await.expect("read");
        assert_eq!(ids(rows), wanted, "{filter:?}");
    }

    ledger(store, one).await;
    for (state, wanted) in [(Suspect, vec![2]), (Unseen, vec![2]), (Hard, vec![2])] {
        let (rows, _) = store.transactions(&with(None, None, state), None, 9).await.expect("read");
        assert_eq!(ids(rows), wanted, "{state:?}");
    }
    orphans(store, one, two).await;
}

async fn history(store: &Store, one: ChargerKey) {
    let change = |connector, at, status| Entry::StateChange {
        charger: one,
        connector: ConnectorRef::v16(connector),
        at: UnixMs(at),
        status,
        error: String::new(),
    };
    let link = |at, online| Entry::LinkChange {
        charger: one,
        at: UnixMs(at),
        online,
        reason: "r".to_owned(),
    };
    let reading =
        SignalReading { transport: Transport::Wifi, value: -81.5, unit: SignalUnit::RssiDbm };
    let report = SecurityReport {
        kind: "TamperDetectionActivated".to_owned(),
        info: None,
        at: Some(UnixMs(4)),
    };
    write(
        store,
        vec![
            change(1, 100, ConnectorStatus::Available),
            change(2, 110, ConnectorStatus::Faulted),
            change(1, 200, ConnectorStatus::Preparing),
            change(1, 300, ConnectorStatus::Charging),
            change(1, 400, ConnectorStatus::Finishing),
            link(100, true),
            link(250, false),
            link(350, true),
            Entry::Signal { charger: one, at: UnixMs(150), reading },
            Entry::Signal { charger: one, at: UnixMs(350), reading },
            Entry::Security {
                charger: one,
                at: UnixMs(5),
                report: report.clone(),
                remote: "10.0.0.1".to_owned(),
            },
            Entry::Noted {
                charger: None,
                identity: "CP-X".to_owned(),
                at: UnixMs(6),
                kind: "LoginRefused",
                info: "wrong password".to_owned(),
                remote: "10.0.0.2".to_owned(),
            },
        ],
    )
    .await;
    let rows = store.state_history(one, UnixMs(300), UnixMs(400)).await.expect("read");
    let told: Vec<_> = rows.iter().map(|row| (row.at.0, row.status.as_str())).collect();
    assert_eq!(told, [(110, "Faulted"), (200, "Preparing"), (300, "Charging")]);
    let rows = store.state_history(one, UnixMs(0), UnixMs(150)).await.expect("read");
    assert_eq!(rows.len(), 2);
    let rows = store.link_history(one, UnixMs(300), UnixMs(400)).await.expect("read");
    let told: Vec<_> = rows.iter().map(|row| (row.at.0, row.online)).collect();
    assert_eq!(told, [(250, false), (350, true)]);
    let signals = store.signals(one, UnixMs(150), UnixMs(350)).await.expect("read");
    assert_eq!(signals, [(UnixMs(150), reading)]);
    let events = store.security_events(Some((one, "CP-1")), None, 10).await.expect("read");
    assert_eq!((&events[0].report, &*events[0].remote), (&report, "10.0.0.1"));
    assert_eq!((events.len(), events[0].charger), (1, Some(one)));
    let refused = store.security_events(Some((one, "CP-X")), None, 10).await.expect("read");
    assert_eq!((refused.len(), refused[0].charger), (2, None), "under its identity");
    let events = store.security_events(None, None, 10).await.expect("read");
    let refused = &events[0];
    assert_eq!((events.len(), refused.charger, &*refused.identity), (2, None, "CP-X"));
    assert_eq!(refused.report.info.as_deref(), Some("wrong password"));
    // What follows is of another time.
    for table in ["state_change", "link_change", "signal_reading", "boot"] {
        super::story_audit::run(store, &format!("DELETE FROM {table}")).await.expect("cleared");
    }
}

async fn commands(store: &Store, one: ChargerKey) {
    let command = |id: &str| Command {
        id: CommandId(id.into()),
        charger: one,
        action: Action::Reset { hard: false, evse: None },
        origin: Origin::User("ana".to_owned()),
        created_at: UnixMs(10),
        timeout_ms: 30_000,
        not_after: UnixMs(60),
    };
    let outcome = |id: &str, outcome, late| Entry::CommandOutcome {
        charger: one,
        id: CommandId(id.into()),
        outcome,
        at: UnixMs(20),
        late,
    };
    let accepted = CommandOutcome::Answered {
        accepted: true,
        status: "Accepted".to_owned(),
        payload: "{\"status\":\"Accepted\"}".to_owned(),
    };
    write(
        store,
        vec![
            Entry::Command(command("a")),
            Entry::Command(command("b")),
            Entry::Command(command("c")),
            outcome("a", CommandOutcome::TimedOut, false),
        ],
    )
    .await;
    write(store, vec![outcome("a", accepted.clone(), true)]).await;
    let row = store.command(&CommandId("a".into())).await.expect("read").expect("it is there");
    assert_eq!((row.command, row.outcome, row.late), (command("a"), Some(accepted), true));
    let ids = |rows: Vec<crate::CommandRow>| -> Vec<String> {
        rows.into_iter().map(|row| row.command.id.to_string()).collect()
    };
    let (rows, next) = store.commands(one, None, 2).await.expect("read");
    assert_eq!(ids(rows), ["c", "b"]);
    let (rows, next) = store.commands(one, next, 2).await.expect("read");
    assert_eq!((ids(rows), next), (vec!["a".to_owned()], None));
    waiting_commands(store, command).await;
}

async fn waiting_commands(store: &Store, command: impl Fn(&str) -> Command) {
    let id = |id: &str| CommandId(id.into());
    write(
        store,
        vec![
            Entry::CommandWaiting(command("d")),
            Entry::CommandWaiting(command("e")),
            Entry::CommandWaiting(command("f")),
            Entry::CommandSent { id: id("e"), at: UnixMs(40) },
            Entry::CommandSent { id: id("c"), at: UnixMs(12) },
        ],
    )
    .await;
    let dropped = CommandOutcome::Dropped("it restarted by itself".to_owned());
    let at = UnixMs(41);
    let charger = command("f").charger;
    let outcome = Entry::CommandOutcome { charger, id: id("f"), outcome: dropped, at, late: false };
    write(store, vec![outcome]).await;
    let names = |commands: Vec<Command>| -> Vec<String> {
        commands.into_iter().map(|command| command.id.to_string()).collect()
    };
    assert_eq!(names(store.waiting_commands().await.expect("read")), ["d"]);
    let unanswered = names(store.unanswered_commands().await.expect("read"));
    assert_eq!(unanswered, ["b", "c", "e"], "sent, or about to be, and not answered");
    let row = store.command(&id("e")).await.expect("read").expect("it is there");
    assert_eq!((row.sent_at, row.wait_until), (Some(UnixMs(40)), Some(UnixMs(60))));
    assert!(!row.is_waiting());
    let row = store.command(&id("d")).await.expect("read").expect("it is there");
    assert!(row.is_waiting());
}

async fn incidents(store: &Store, one: ChargerKey, two: ChargerKey) {
    let now = UnixMs(1_000 * HOUR_MS);
    let first = healed(incident(10, one, now.0 - 2 * HOUR_MS + 5), now.0 - HOUR_MS + 5);
    let mut second = incident(11, one, now.0 - HOUR_MS + 6);
    second.needs_person = true;
    second.ticket = Some(TicketId(1882));
    second.state = IncidentState::Escalated;
    let mut third = incident(12, two, now.0 - 30 * HOUR_MS);
    third.rule = "CP_OFFLINE".to_owned();
    third.code = String::new();
    third.title = "Charger is offline".to_owned();
    third.source = Source::Support;
    third.state = IncidentState::Closed;
    third.resolved_at = Some(now);
    let line = |at, title: &str| TimelineEntry {
        incident: first.id,
        at: UnixMs(at),
        actor: Actor::User("ana".to_owned()),
        kind: "note".to_owned(),
        title: title.to_owned(),
        text: String::new(),
        frame: 7,
        command: None,
        rung: None,
    };
    let all = [&first, &second, &third];
    let mut entries: Vec<Entry> =
        all.into_iter().map(|one| Entry::Incident(Box::new(one.clone()))).collect();
    entries.push(Entry::Timeline(line(1, "opened")));
    entries.push(Entry::Timeline(line(1, "then")));
    write(store, entries).await;

    assert_eq!(store.incident(first.id).await.expect("read").as_ref(), Some(&first));
    let lines = store.timeline(first.id).await.expect("read");
    assert_eq!(lines, [line(1, "opened"), line(1, "then")]);
    let list = async |filter: IncidentFilter| -> Vec<i64> {
        let (rows, _) = store.incidents(&filter, None, 50).await.expect("read");
        rows.into_iter().map(|incident| incident.id.0).collect()
    };
    let none = IncidentFilter::default;
    assert_eq!(list(none()).await, [11, 10, 12]);
    let states = vec![IncidentState::Escalated, IncidentState::Closed];
    assert_eq!(list(IncidentFilter { states, ..none() }).await, [11, 12]);
    assert_eq!(list(IncidentFilter { needs_person: Some(false), ..none() }).await, [10, 12]);
    assert_eq!(list(IncidentFilter { charger: Some(two), ..none() }).await, [12]);
    assert_eq!(list(IncidentFilter { site: Some(SiteKey(9)), ..none() }).await, [] as [i64; 0]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(list(IncidentFilter { rule: text("CP_OFFLINE"), ..none() }).await, [12]);
    assert_eq!(list(IncidentFilter { reason: text("GroundFailure"), ..none() }).await, [11, 10]);
    assert_eq!(list(IncidentFilter { reason: text("CP_OFFLINE"), ..none() }).await, [12]);
    assert_eq!(list(IncidentFilter { source: Some(Source::Support), ..none() }).await, [12]);
    assert_eq!(list(IncidentFilter { text: text("100% GROUND"), ..none() }).await, [11, 10]);
    assert_eq!(list(IncidentFilter { text: text("cp-2"), ..none() }).await, [12]);
    assert_eq!(list(IncidentFilter { text: text("cp_2"), ..none() }).await, [] as [i64; 0]);
    let (rows, next) = store.incidents(&none(), None, 1).await.expect("read");
    assert_eq!(rows[0].id.0, 11);
    let (rows, next) = store.incidents(&none(), next, 2).await.expect("read");
    assert_eq!((rows[1].id.0, next), (12, None));

    let since = now - HOUR_MS + 1;
    let open = store.open_and_recent_incidents(since).await.expect("read");
    assert_eq!(open, [first.clone(), second.clone()]);
    let counts = store.incident_counts().await.expect("read");
    assert_eq!(counts.by_state[&IncidentState::Escalated], 1);
    assert_eq!((counts.by_state.len(), counts.needs_person), (3, 1));
    let hours = store.incident_hours(now, 24).await.expect("read");
    assert_eq!((hours.len(), hours[23].from), (24, now - HOUR_MS));
    assert_eq!((hours[22].opened, hours[23].opened), (1, 1));
    assert_eq!((hours[23].healed, hours[23].by_person, hours[23].by_itself), (1, 0, 1));
    assert_eq!(hours.iter().map(|hour| hour.opened).sum::<u64>(), 2);

    // The other charger has the same model; its incident another rule.
    let mut fourth = incident(9, two, now.0);
    fourth.state = IncidentState::Closed;
    fourth.updated_at = UnixMs(0);
    write(store, vec![Entry::Incident(Box::new(fourth.clone()))]).await;
    let similar = store.similar_incidents(&second, 10).await.expect("read");
    assert_eq!(similar, [first, fourth], "the same charger first");
}

async fn frames(store: &Store, one: ChargerKey) {
    let log = store.frame_log();
    let record = |seq: u64| FrameRecord {
        seq,
        charger: one,
        at: UnixMs(seq as i64),
        direction: Direction::In,
        text: "[2,\"1\",\"Heartbeat\",{}]".into(),
    };
    keep(&log, &record(899));
    keep(&log, &record(900));
    write(store, log.due(UnixMs(0), true)).await;
    assert_eq!(log.frames_of(one, None, 1).await.expect("read"), [record(900)]);
    assert_eq!(log.frame_of(one, 899).await.expect("read"), Some(record(899)));
    assert_eq!(log.frame(899).await.expect("read"), Some(record(899)));
    assert_eq!(log.frame(1).await.expect("read"), None);
    assert_eq!(store.prune_frames(UnixMs(900)).await.expect("pruned"), 0);
    assert!(store.journal().health().last_error.is_none());
}
