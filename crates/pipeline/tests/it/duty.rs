//! The duty desk over a database: letters, tickets, restarts. When is decided in the `escalation`
//! crate, whose tests run in virtual time; here is that it happens, once, and is written down.

use mendpoint_escalation::{Matcher, PlaceTags, Rota, Scope, Silence, Window};
use mendpoint_incidents::Request;
use mendpoint_model::{Contact, HOUR_MS, IncidentId, SiteRecord, Source};
use mendpoint_pipeline::{DutySettings, NewCharger, PipelineSettings};
use mendpoint_store::{MailRow, NewUser};
use tokio::time::{Duration, sleep, timeout};

use crate::kit::{Program, SOON, settings};

fn hurried() -> PipelineSettings {
    let duty = DutySettings { group_wait_ms: 10, group_interval_ms: 20, ..DutySettings::default() };
    PipelineSettings { duty, public_url: "https://m.example".to_owned(), ..settings() }
}

struct Stage {
    program: Program,
    charger: mendpoint_model::ChargerKey,
    site: mendpoint_model::SiteKey,
}

/// A site with an installer, and a charger that drivers report.
async fn stage() -> Stage {
    let program = Program::with(hurried()).await;
    for name in ["ana", "ion"] {
        let email = format!("{name}@x.example");
        let user =
            NewUser { name, display_name: "", email: &email, password_hash: "x", role: "operator" };
        program.store.insert_user(user).await.expect("a user");
    }
    let installer = Contact {
        name: "Volt".to_owned(),
        email: "jobs@volt.example".to_owned(),
        phone: String::new(),
    };
    let site = SiteRecord {
        name: "Harbour".to_owned(),
        installer: Some(installer),
        ..SiteRecord::default()
    };
    let site = program.handle.put_site(site).await.expect("a site").key;
    let new =
        NewCharger { identity: "HB-03".to_owned(), site: Some(site), ..NewCharger::default() };
    let charger = program.handle.register_charger(new).await.expect("registered").key;
    Stage { program, charger, site }
}

impl Stage {
    async fn report(&self) -> IncidentId {
        let report = Request::Report {
            charger: self.charger,
            connector: None,
            reason: "broken".to_owned(),
            text: "The cable hangs out".to_owned(),
            reporter: "a driver".to_owned(),
            source: Source::User,
        };
        self.program.handle.request(report).await.expect("taken")
    }

    async fn with_rota(&self) {
        let rota = Rota {
            name: "default".to_owned(),
            people: vec!["ana".to_owned(), "ion".to_owned()],
            // Long ago and a week each: the test need not know whose week it is.
            since: "2026-01-05".to_owned(),
            at: "08:00".to_owned(),
            ..Rota::default()
        };
        // People who were added by another program are known a minute later; this makes it at once.
        let tags = PlaceTags::default();
        self.program.handle.put_place(Scope::Site(self.site), tags, "ana").await.expect("kept");
        self.program.handle.put_rota(rota, "ana").await.expect("kept");
    }

    async fn mails(&self) -> Vec<MailRow> {
        self.program.store.mails(None, None, None, 100).await.expect("read").0
    }

    /// Waits for a letter whose recipient ends so.
    async fn mail_to(&self, whom: &str) -> MailRow {
        let found = async {
            loop {
                let mails = self.mails().await;
                if let Some(mail) = mails.into_iter().find(|row| row.mail.recipient.ends_with(whom))
                {
                    return mail;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.expect("a letter comes")
    }

    /// Waits for a line of an incident's history.
    async fn line(&self, incident: IncidentId, words: &str) {
        let found = async {
            loop {
                let lines = self.program.store.timeline(incident).await.expect("read");
                if lines.iter().any(|line| line.title.contains(words)) {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, found).await.unwrap_or_else(|_| panic!("no line says {words:?}"));
    }

    async fn assignee(&self, incident: IncidentId) -> Option<String> {
        let filter = mendpoint_store::TicketFilter {
            incident: Some(incident),
            ..mendpoint_store::TicketFilter::default()
        };
        let (tickets, _) = self.program.store.tickets(&filter, None, 2).await.expect("read");
        assert!(tickets.len() <= 1, "one ticket for one incident");
        tickets.first().and_then(|ticket| ticket.assignee.clone())
    }

    async fn tickets(&self) -> usize {
        let filter = mendpoint_store::TicketFilter::default();
        self.program.store.tickets(&filter, None, 10).await.expect("read").0.len()
    }
}

#[tokio::test]
async fn without_anybody_on_call_the_installer_is_sent_at_once() {
    let stage = stage().await;
    let incident = stage.report().await;
    let mail = stage.mail_to("jobs@volt.example").await;
    assert!(mail.mail.subject.contains("HB-03"), "{}", mail.mail.subject);
    assert_eq!(stage.assignee(incident).await.as_deref(), Some("Volt"));
    stage.line(incident, "Nobody to tell: on call").await;
}

#[tokio::test]
async fn whoever_is_on_call_is_told_first_and_takes_it_by_the_link() {
    let stage = stage().await;
    stage.with_rota().await;
    let incident = stage.report().await;
    let mail = stage.mail_to("@x.example").await;
    stage.line(incident, "on call").await;
    assert_eq!(stage.assignee(incident).await, None, "the installer's turn comes later");
    assert_eq!(stage.tickets().await, 1);

    let token = mail.mail.text.split("/take/").nth(1).expect("a link");
    let token = token.split_whitespace().next().expect("a token");
    let handle = &stage.program.handle;
    assert!(handle.read_take_link("nonsense").is_none());
    let claim = handle.read_take_link(token).expect("it is good");
    assert_eq!(claim.incident, incident);
    assert!(handle.may_take(&claim).await);
    let store = &stage.program.store;
    let mut user = store.user_by_name(&claim.who).await.expect("read").expect("there");
    for disabled in [true, false] {
        user.disabled = disabled;
        store.update_user(&user).await.expect("kept");
        assert_eq!(handle.may_take(&claim).await, !disabled, "who left takes nothing");
    }
    handle.take_by_link(&claim, None).await.expect("taken");
    stage.line(incident, "took it: nobody else is told").await;
    let kept = stage.program.store.incident(incident).await.expect("read").expect("there");
    assert_eq!(kept.owner.as_deref(), Some(claim.who.as_str()));
}

#[tokio::test]
async fn a_restart_tells_nobody_twice() {
    let stage = stage().await;
    stage.with_rota().await;
    let incident = stage.report().await;
    stage.mail_to("@x.example").await;
    stage.line(incident, "on call").await;
    let before = stage.mails().await.len();
    let Stage { program, charger, site } = stage;
    let folder = program.crash().await;
    let program = Program::on(hurried(), folder).await;
    let stage = Stage { program, charger, site };
    let chained = async {
        while stage.program.handle.duty_case(incident).is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, chained).await.expect("it is known again");
    // What the new program does with it goes through the same turn as this one.
    let next = stage.report().await;
    assert_eq!(next, incident, "it joins what is open");
    sleep(Duration::from_millis(200)).await;
    let mails = stage.mails().await;
    let subjects: Vec<_> =
        mails.iter().map(|row| (&row.mail.recipient, &row.mail.subject)).collect();
    assert_eq!(mails.len(), before, "{subjects:?}");
}

#[tokio::test]
async fn a_silence_holds_letters_and_tickets_back_until_it_is_ended() {
    let stage = stage().await;
    stage.with_rota().await;
    let handle = &stage.program.handle;
    let silence = Silence {
        matcher: Matcher { charger: "HB-*".to_owned(), ..Matcher::default() },
        until: handle.now() + HOUR_MS,
        reason: "New cables".to_owned(),
        ..Silence::default()
    };
    let id = handle.add_silence(silence, "ion").await.expect("written");
    let incident = stage.report().await;
    stage.line(incident, "Silenced until").await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!((stage.mails().await.len(), stage.tickets().await), (0, 0));
    let kept = stage.program.store.incident(incident).await.expect("read");
    assert!(kept.is_some(), "it is written down all the same");

    handle.end_silence(id, "ana").await.expect("ended");
    stage.line(incident, "The silence is over").await;
    stage.mail_to("@x.example").await;
    let opened = async {
        while stage.tickets().await == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, opened).await.expect("the ticket is opened");
    assert!(handle.end_silence(id, "ana").await.is_err(), "it is over");
}

#[tokio::test]
async fn planned_maintenance_is_shown_and_holds_people_back() {
    let stage = stage().await;
    stage.with_rota().await;
    let handle = &stage.program.handle;
    let window = Window {
        id: 0,
        scope: Scope::Charger(stage.charger),
        title: "New cables".to_owned(),
        starts: handle.now().rfc3339().trim_end_matches('Z').to_owned(),
        minutes: 60,
        zone: String::new(),
        rrule: "FREQ=WEEKLY".to_owned(),
        author: String::new(),
        cancelled_by: String::new(),
    };
    let id = handle.add_window(window, "ion").await.expect("planned");
    let open = handle.maintenance(stage.site, Some(stage.charger)).expect("it is open");
    assert_eq!((open.window, open.title.as_str()), (id, "New cables"));
    assert_eq!(handle.maintenance(stage.site, None), None, "the site itself is not");
    let incident = stage.report().await;
    stage.line(incident, "In maintenance until").await;
    assert_eq!((stage.mails().await.len(), stage.tickets().await), (0, 0));
    handle.cancel_window(id, "ana").await.expect("cancelled");
    stage.mail_to("@x.example").await;
}
