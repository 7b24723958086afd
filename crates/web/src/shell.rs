//! What the frame around every page shows: who is signed in, where we are, what is counted.

use mendpoint_model::CellState;

use crate::AppState;
use crate::pages::errors::capitalised;
use crate::session::Viewer;

/// The frame around a page. Every page template has a field `shell` of this type and begins with
/// `{% extends "layout.html" %}`.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    /// Title of the window.
    pub(crate) title: String,
    /// Which entry of the rail is lit: `live`, `incidents`, `tickets`, `chargers`,
    /// `transactions`, `tokens`, `sites`, `rules`, `outbox`, `system`.
    pub(crate) section: &'static str,
    /// The name of whoever is signed in.
    pub(crate) user: String,
    /// Two letters of it.
    pub(crate) initials: String,
    /// Whether they may act; pages leave out what they may not do.
    pub(crate) can_act: bool,
    /// Incidents that need a person.
    pub(crate) needs_person: u64,
    /// Tickets that are not over.
    pub(crate) open_tickets: u64,
    /// Registered chargers.
    pub(crate) chargers: usize,
    /// Registered sites.
    pub(crate) sites: usize,
    /// Suspect transactions and ends without a start that nobody looked at.
    pub(crate) suspects: u64,
    /// Mail that waits.
    pub(crate) waiting_mail: u64,
    /// Rules in force.
    pub(crate) rules: usize,
    /// Playbooks in force.
    pub(crate) playbooks: usize,
    /// From receipt to decision, in milliseconds, 99 of 100 are faster.
    pub(crate) delay_p99_ms: f64,
    /// A line for the top of every page: the demonstration says that time is shortened, and a server
    /// that is open to anybody says so.
    pub(crate) notice: String,
    /// What is wrong with the copies of the database, and what to do; empty when nothing is.
    pub(crate) warning: String,
    /// What is wrong with the database, as a sentence; empty when nothing is.
    pub(crate) trouble: String,
    /// The time of the server as HH:MM:SS in UTC.
    pub(crate) clock: String,
    /// A message about what was just done, taken from `?done=`.
    pub(crate) done: String,
    /// A message about what could not be done, taken from `?error=`.
    pub(crate) error: String,
}

impl Shell {
    /// The frame for a page.
    pub(crate) async fn new(
        state: &AppState,
        viewer: &Viewer,
        section: &'static str,
        title: impl Into<String>,
    ) -> Self {
        let handle = state.handle();
        let store = handle.store();
        let needs_person = store.incident_counts().await.map_or(0, |counts| counts.needs_person);
        let tickets = store.ticket_counts().await.unwrap_or_default();
        let mail = store.mail_counts().await.unwrap_or_default();
        let suspects = store.unseen_suspects().await.map_or(0, |(one, two)| one + two);
        let catalogue = handle.catalogue();
        let settings = state.settings();
        let notice = if settings.is_demo {
            format!(
                "Demo: simulated chargers. Every waiting time is shortened to {:.0} % so that you \
                 need not wait: ten minutes offline are {:.0} seconds here.",
                settings.pace * 100.0,
                settings.pace * 600.0
            )
        } else if settings.security.is_open_to_others() {
            "Chargers without a password are taken in from other machines, not encrypted (security \
             profile 0): see System, Security."
                .to_owned()
        } else {
            settings.security.ends_soon(handle.now()).unwrap_or_default()
        };
        Self {
            title: title.into(),
            section,
            user: viewer.name.clone(),
            initials: initials(&viewer.name),
            can_act: viewer.can_act(),
            needs_person,
            open_tickets: tickets
                .iter()
                .filter(|(status, _)| crate::tickets::is_active(status))
                .map(|(_, count)| count)
                .sum(),
            chargers: handle.directory().len(),
            sites: handle.directory().sites().len(),
            suspects,
            waiting_mail: mail
                .iter()
                .filter(|(state, _)| state != "sent")
                .map(|(_, count)| count)
                .sum(),
            rules: catalogue.rules().len(),
            playbooks: catalogue.playbooks().len(),
            delay_p99_ms: handle.vitals().delay_p99_ms,
            notice,
            warning: copies_words(&settings.backups.news()),
            trouble: trouble_words(state),
            clock: crate::show::clock(handle.now()),
            done: String::new(),
            error: String::new(),
        }
    }

    /// The frame with the messages of `?done=` and `?error=`.
    pub(crate) fn with_messages(mut self, done: Option<String>, error: Option<String>) -> Self {
        self.done = done.unwrap_or_default();
        self.error = error.map(|error| capitalised(&error)).unwrap_or_default();
        self
    }
}

/// What is wrong with the copies of the database, and what to do about it; empty when nothing is.
pub(crate) fn copies_words(news: &crate::state::BackupNews) -> String {
    if let Some((at, why)) = &news.failed {
        return format!(
            "The daily copy of the database failed at {} UTC: {why}. It is tried again every hour, and \
             as soon as a folder that was missing is there. Until then a lost disk costs all that came \
             since the last one: see to {}, or make a copy elsewhere (mendpoint backup FILE).",
            crate::show::clock(*at),
            news.folder
        );
    }
    if let Some((at, why)) = &news.recent_failed {
        return format!(
            "The latest copy of the database failed at {} UTC: {why}. It is tried again soon; see to {} \
             if that does not help.",
            crate::show::clock(*at),
            news.folder
        );
    }
    if let Some(why) = &news.unlisted {
        return crate::pages::persons::unlisted_words(why);
    }
    String::new()
}

/// What is wrong with the database, as a sentence with its time; empty when nothing is.
pub(crate) fn trouble_words(state: &AppState) -> String {
    state.handle().store().trouble().map_or_else(String::new, |trouble| {
        format!("{} (since {} UTC)", trouble.sentence(), crate::show::clock(trouble.since))
    })
}

/// The first letters of the first two words.
fn initials(name: &str) -> String {
    let mut letters: String =
        name.split_whitespace().filter_map(|word| word.chars().next()).take(2).collect();
    if letters.chars().count() < 2 {
        letters = name.chars().take(2).collect();
    }
    letters.to_uppercase()
}

/// What a template needs to draw a status: the word of the style sheet and the word for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glyph {
    /// `ok`, `charge`, ..
    pub(crate) token: &'static str,
    /// "Available", ..
    pub(crate) label: &'static str,
}

impl From<CellState> for Glyph {
    fn from(cell: CellState) -> Self {
        Self { token: cell.token(), label: cell.label() }
    }
}
