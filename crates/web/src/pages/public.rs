//! The pages for drivers: what the QR code on a charger leads to. Nobody signs in here, so nothing
//! inside is shown: no identity, no rule, no name of a person.

mod limit;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use askama::Template;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use axum::{Extension, Router};
use mendpoint_incidents::Request;
use mendpoint_model::{ChargerRecord, ConnectorRef, HOUR_MS, IncidentState, SiteRecord, Source};
use mendpoint_store::{IncidentFilter, ReportRow};
use serde::Deserialize;

use self::limit::Limiter;
use self::words::{Connector, Known, Progress};
use super::errors::{Page, PageError, render};
use crate::pages::extract::Form;
use crate::place::Moment;
use crate::place::connector_of;
use crate::{AppState, photo, reasons, url};

/// The longest text and contact that are taken, in characters.
const TEXT_MAX: usize = 1_000;
const CONTACT_MAX: usize = 200;
/// Photos of a report, and until when they are taken.
const PHOTOS_MAX: usize = 3;
const PHOTO_WITHIN_MS: i64 = HOUR_MS;

/// Who sent reports lately.
type Senders = Extension<Arc<Mutex<Limiter>>>;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/c/{public_id}", get(charger))
        .route("/c/{public_id}/report", post(report).get(back_to_charger))
        .route("/r/{reference}", get(progress))
        .route(
            "/r/{reference}/photo",
            post(add_photo).layer(DefaultBodyLimit::max(photo::BYTES_MAX + 64 * 1024)),
        )
        .layer(Extension(Arc::new(Mutex::new(Limiter::default()))))
}

/// What was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ReportForm {
    reason: String,
    text: String,
    contact: String,
    connector: String,
}

impl ReportForm {
    fn has_reason(&self, code: &str) -> bool {
        self.reason == code
    }

    fn is_at(&self, connector: &str) -> bool {
        self.connector == connector
    }
}

#[derive(Template)]
#[template(path = "charger_public.html")]
struct ChargerPage {
    title: String,
    site: String,
    action: String,
    online: bool,
    connectors: Vec<Connector>,
    known: Option<Known>,
    reasons: Vec<reasons::Reason>,
    form: ReportForm,
    /// What is wrong with what was typed; empty when nothing.
    problem: String,
}

#[derive(Template)]
#[template(path = "report_sent.html")]
struct ProgressPage {
    title: String,
    site: String,
    charger_href: String,
    reference: String,
    reason: &'static str,
    sent: Moment,
    progress: Progress,
    has_contact: bool,
    /// Photos that came.
    photos: usize,
    /// Where another one is sent; empty when there are enough.
    photo_action: String,
    /// What is wrong with the photo that was sent; empty when nothing.
    problem: String,
}

/// A page for drivers about something that is not there.
#[derive(Template)]
#[template(path = "charger_public_none.html")]
struct NonePage {
    title: &'static str,
    sentence: &'static str,
}

fn none(title: &'static str, sentence: &'static str) -> Page {
    let page = render(NonePage { title, sentence })?;
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

fn no_charger() -> Page {
    none(
        "We do not know this charger",
        "The code may be old or misread. Scan it again, or look for another code on the charger.",
    )
}

/// The name that drivers see. The OCPP identity is what a charger signs in with, so it is never
/// shown here: the site's name stands for it, where the charger has no name of its own.
fn public_name(record: &ChargerRecord, site: Option<&SiteRecord>) -> String {
    let hides = |text: &str| {
        !text.is_empty() && !text.to_lowercase().contains(&record.identity.to_lowercase())
    };
    if hides(&record.name) {
        return record.name.clone();
    }
    site.map(|site| site.name.clone())
        .filter(|name| hides(name) && name != "Unassigned")
        .unwrap_or_else(|| "This charger".to_owned())
}

/// The second line below the name: the site, where it is not the name already.
fn public_site(record: &ChargerRecord, site: Option<&SiteRecord>, title: &str) -> String {
    let Some(site) = site.filter(|site| site.name != "Unassigned") else { return String::new() };
    let mut parts: Vec<&str> = Vec::new();
    for part in [&site.name, &site.address, &site.region] {
        let word = part.to_lowercase();
        // "Strada Lungă 3, Brașov" says the region already.
        let is_said = parts.iter().chain([&title]).any(|said| said.to_lowercase().contains(&word));
        if !word.is_empty() && !is_said && !word.contains(&record.identity.to_lowercase()) {
            parts.push(part);
        }
    }
    parts.truncate(2);
    parts.join(", ")
}

async fn charger(State(state): State<AppState>, Path(public_id): Path<String>) -> Page {
    let Some(record) = state.handle().directory().by_public_id(&public_id) else {
        return no_charger();
    };
    show(&state, &record, ReportForm::default(), String::new()).await
}

/// A form that was not taken stays at this address; whoever loads it again sees the charger.
async fn back_to_charger(Path(public_id): Path<String>) -> Redirect {
    Redirect::to(&format!("/c/{}", url::encode(&public_id)))
}

/// The page of a charger. `form` and `problem` are what was typed and what was wrong with it.
async fn show(state: &AppState, record: &ChargerRecord, form: ReportForm, problem: String) -> Page {
    let handle = state.handle();
    let site = handle.directory().site(record.site);
    let site = site.as_deref();
    let live = handle.charger(record.key).await;
    let live = live.as_deref();
    let filter = IncidentFilter {
        charger: Some(record.key),
        states: IncidentState::ALL.into_iter().filter(|state| !state.is_over()).collect(),
        ..IncidentFilter::default()
    };
    let (open, _) = handle.store().incidents(&filter, None, 10).await?;
    let title = public_name(record, site);
    render(ChargerPage {
        site: public_site(record, site, &title),
        title,
        action: format!("/c/{}/report", record.public_id),
        online: live.is_some_and(|live| live.link.connected),
        connectors: live.map(words::connectors).unwrap_or_default(),
        known: words::known(&open),
        reasons: reasons::at(site.map_or("", |site| &site.time_zone)).collect(),
        form,
        problem,
    })
}

/// Takes a driver's report, joins it to an incident and leads to its progress.
async fn report(
    State(state): State<AppState>,
    Path(public_id): Path<String>,
    Extension(senders): Senders,
    sender: Option<Extension<ConnectInfo<SocketAddr>>>,
    Form(form): Form<ReportForm>,
) -> Page {
    let handle = state.handle();
    let Some(record) = handle.directory().by_public_id(&public_id) else { return no_charger() };
    let connector = match check(&form, state.handle().directory().site(record.site).as_deref()) {
        Ok(connector) => {
            let live = handle.charger(record.key).await;
            crate::place::check_connector(live.as_deref(), connector)
                .map(|()| connector)
                .map_err(|_| "Please choose one of the connectors.".to_owned())
        }
        Err(problem) => Err(problem),
    };
    let connector = match connector {
        Ok(connector) => connector,
        Err(problem) => {
            let page = show(&state, &record, form, problem).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let address: Option<IpAddr> = sender.map(|Extension(ConnectInfo(address))| address.ip());
    let is_allowed = {
        let mut senders = senders.lock().unwrap_or_else(PoisonError::into_inner);
        senders.allow(address, record.key, handle.now())
    };
    if !is_allowed {
        let sentence = "Thank you, we have several reports from here already. Please wait a few \
                        minutes before you send another one.";
        let page = show(&state, &record, form, sentence.to_owned()).await?;
        return Ok((StatusCode::TOO_MANY_REQUESTS, page).into_response());
    }
    let reference = new_reference()?;
    // Written down first: a report must not be lost when the rest fails.
    let row = ReportRow::new(
        reference.clone(),
        record.key,
        connector,
        form.reason.clone(),
        form.text.trim().to_owned(),
        form.contact.trim().to_owned(),
        handle.now(),
    );
    handle.store().insert_report(&row).await?;
    let request = Request::Report {
        charger: record.key,
        connector,
        reason: form.reason,
        text: row.text,
        reporter: "a driver".to_owned(),
        source: Source::User,
    };
    match handle.request(request).await {
        Ok(incident) => {
            handle.store().link_report(&reference, incident).await?;
            handle.settle(record.site).await;
        }
        // It is kept and is shown to the driver as received.
        Err(error) => tracing::warn!(%error, "a driver's report did not become an incident"),
    }
    Ok(Redirect::to(&format!("/r/{reference}")).into_response())
}

/// What is wrong with a report, in a sentence; or the connector it is about.
fn check(form: &ReportForm, site: Option<&SiteRecord>) -> Result<Option<ConnectorRef>, String> {
    let zone = site.map_or("", |site| site.time_zone.as_str());
    let reason = reasons::at(zone).find(|reason| reason.code == form.reason);
    let Some(reason) = reason else {
        return Err("Please choose what the problem is.".to_owned());
    };
    if reason.needs_text && form.text.trim().is_empty() {
        return Err("Please tell us in a few words what is wrong.".to_owned());
    }
    if form.text.chars().count() > TEXT_MAX {
        return Err(format!("Please keep it shorter: at most {TEXT_MAX} letters."));
    }
    if form.contact.chars().count() > CONTACT_MAX {
        return Err("That is too long for a mail address or a telephone number.".to_owned());
    }
    connector_of(&form.connector).map_err(|_| "Please choose one of the connectors.".to_owned())
}

/// `R-7K3F-9QXM-2BTW`: 60 random bits, without letters that look like digits.
fn new_reference() -> Result<String, PageError> {
    const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes for a report");
        PageError::unavailable("The report could not be taken now. Try again in a moment.")
    })?;
    let mut reference = "R".to_owned();
    for (index, byte) in bytes.into_iter().enumerate() {
        if index % 4 == 0 {
            reference.push('-');
        }
        reference.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
    }
    Ok(reference)
}

/// Takes a photo for a report. Whoever knows the reference is the driver who sent it.
async fn add_photo(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    multipart: Result<Multipart, MultipartRejection>,
) -> Page {
    let handle = state.handle();
    let reference = reference.trim().to_uppercase();
    let Some(report) = handle.store().report(&reference).await? else {
        return show_progress(&state, &reference, String::new()).await;
    };
    let problem = match read_photo(multipart).await {
        Err(problem) => problem.to_owned(),
        Ok(data) => match photo::clean(&data) {
            Err(problem) => problem.to_owned(),
            Ok((kind, data)) => {
                let is_late = handle.now().since_ms(report.created_at) > PHOTO_WITHIN_MS;
                if is_late || handle.store().photos(&reference).await?.len() >= PHOTOS_MAX {
                    "No more photos are taken for this report.".to_owned()
                } else {
                    handle.store().add_photo(&reference, kind, handle.now(), &data).await?;
                    return Ok(Redirect::to(&format!("/r/{reference}")).into_response());
                }
            }
        },
    };
    let page = show_progress(&state, &reference, problem).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The bytes of the one file of a form.
async fn read_photo(
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "The photo did not arrive whole. It may be larger than 6 MB.";
    let mut multipart = multipart.map_err(|_| BROKEN)?;
    while let Some(field) = multipart.next_field().await.map_err(|_| BROKEN)? {
        if field.name() == Some("photo") {
            let bytes = field.bytes().await.map_err(|_| BROKEN)?;
            return Ok(bytes.to_vec());
        }
    }
    Err("Please choose a photo first.")
}

/// How a report is getting on.
async fn progress(State(state): State<AppState>, Path(reference): Path<String>) -> Page {
    show_progress(&state, &reference, String::new()).await
}

async fn show_progress(state: &AppState, reference: &str, problem: String) -> Page {
    let handle = state.handle();
    let store = handle.store();
    let reference = reference.trim().to_uppercase();
    let found = store.report(&reference).await?;
    let charger = found.as_ref().and_then(|report| handle.directory().charger(report.charger));
    let (Some(report), Some(record)) = (found, charger) else {
        return none(
            "We do not know this report",
            "The address may have been cut short. Reports of long ago are deleted.",
        );
    };
    let incident = match report.incident {
        Some(incident) => store.incident(incident).await?,
        None => None,
    };
    let site = handle.directory().site(record.site);
    let title = public_name(&record, site.as_deref());
    let photos = store.photos(&reference).await?.len();
    let may_add =
        photos < PHOTOS_MAX && handle.now().since_ms(report.created_at) <= PHOTO_WITHIN_MS;
    render(ProgressPage {
        photos,
        photo_action: if may_add { format!("/r/{reference}/photo") } else { String::new() },
        problem,
        site: public_site(&record, site.as_deref(), &title),
        title,
        charger_href: format!("/c/{}", record.public_id),
        reference: report.reference,
        reason: reasons::find(&report.reason).map_or("", |reason| reason.label),
        sent: Moment::new(handle.now(), report.created_at),
        progress: words::progress(incident.as_ref()),
        has_contact: !report.contact.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{Admission, ChargerKey, SiteKey, UnixMs, Validation};

    use super::*;

    fn record(name: &str) -> ChargerRecord {
        ChargerRecord {
            key: ChargerKey(1),
            identity: "RO-MIL-03".into(),
            site: SiteKey(1),
            public_id: "p".to_owned(),
            name: name.to_owned(),
            vendor: String::new(),
            model: String::new(),
            serial: String::new(),
            firmware: String::new(),
            admission: Admission::Accepted,
            validation: Validation::Server,
            created_at: UnixMs(0),
        }
    }

    fn site(name: &str) -> SiteRecord {
        SiteRecord {
            name: name.to_owned(),
            region: "București".to_owned(),
            ..SiteRecord::default()
        }
    }

    #[test]
    fn the_identity_is_never_the_public_name() {
        let place = site("Autogara Militari");
        assert_eq!(public_name(&record("MIL-03"), Some(&place)), "MIL-03");
        assert_eq!(public_name(&record("RO-MIL-03"), Some(&place)), "Autogara Militari");
        assert_eq!(public_name(&record("Box ro-mil-03"), Some(&place)), "Autogara Militari");
        assert_eq!(public_name(&record("RO-MIL-03"), Some(&site("Unassigned"))), "This charger");
        assert_eq!(public_name(&record("RO-MIL-03"), None), "This charger");
        let line = public_site(&record("MIL-03"), Some(&place), "MIL-03");
        assert_eq!(line, "Autogara Militari, București");
        assert_eq!(public_site(&record("x"), Some(&place), "Autogara Militari"), "București");
        let known =
            SiteRecord { address: "Bulevardul Iuliu Maniu 141, București".to_owned(), ..place };
        let line = public_site(&record("x"), Some(&known), "Autogara Militari");
        assert_eq!(line, "Bulevardul Iuliu Maniu 141, București", "the city stands there once");
    }

    fn form(reason: &str, text: &str) -> ReportForm {
        ReportForm { reason: reason.to_owned(), text: text.to_owned(), ..ReportForm::default() }
    }

    #[test]
    fn a_report_is_checked_in_plain_words() {
        let place = site("A");
        assert_eq!(check(&form("broken", ""), Some(&place)), Ok(None));
        assert!(check(&form("", ""), Some(&place)).is_err_and(|why| why.contains("choose")));
        assert!(check(&form("other", " "), Some(&place)).is_err_and(|why| why.contains("words")));
        assert!(check(&form("other", "smoke"), Some(&place)).is_ok());
        assert!(check(&form("tax_refund", ""), Some(&place)).is_err(), "it is for Denmark only");
        let long = "x".repeat(TEXT_MAX + 1);
        assert!(check(&form("other", &long), Some(&place)).is_err());
        let at = ReportForm { connector: "2".to_owned(), ..form("broken", "") };
        assert_eq!(check(&at, None), Ok(Some(ConnectorRef::v16(2))));
    }

    #[test]
    fn references_are_long_and_differ() {
        let one = new_reference().expect("random bytes");
        assert_eq!(one.len(), "R-7K3F-9QXM-2BTW".len());
        assert_ne!(one, new_reference().expect("random bytes"));
    }

    #[test]
    fn what_a_driver_writes_cannot_become_markup() {
        let page = ChargerPage {
            title: "<b>".to_owned(),
            site: String::new(),
            action: "/c/p/report".to_owned(),
            online: true,
            connectors: Vec::new(),
            known: None,
            reasons: reasons::at("").collect(),
            form: ReportForm {
                contact: "\"><i>".to_owned(),
                ..form("other", "</textarea><script>")
            },
            problem: "a < b".to_owned(),
        };
        let html = page.render().expect("renders");
        for markup in ["<b>", "<i>", "</textarea><script>"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }
}
