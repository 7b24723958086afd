//! Sites: where chargers stand, who is responsible there, and how many are broken now.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mendpoint_escalation::{Access, PlaceTags, Scope};
use mendpoint_incidents::KillScope;
use mendpoint_model::{CellState, Contact, SiteKey, SiteRecord};
use serde::Deserialize;

use super::errors::{Page, back, render, wrong};
use crate::AppState;
use crate::pages::extract::{Form, Query};
use crate::scope::{StoppedHere, stopped};
use crate::session::{Acting, Viewer};
use crate::shell::Shell;

/// The routes of this page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/sites", get(list).post(put))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    q: String,
    /// The number of the site whose form is open; `new` for an empty one.
    edit: String,
    done: Option<String>,
    error: Option<String>,
}

struct Row {
    key: String,
    name: String,
    region: String,
    address: String,
    chargers: usize,
    broken: usize,
    operator: String,
    owner: String,
    installer: Contact,
    price: String,
    /// Planned work that is going on: "until 14:00 UTC, Cables".
    maintenance: String,
    /// "Public, DC", labels.
    tags: String,
    /// Whether healing is stopped at this site, by whom and when.
    stopped: Option<StoppedHere>,
}

/// What is typed into the form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct SiteForm {
    /// The site's number; empty for a new one.
    key: String,
    name: String,
    region: String,
    address: String,
    latitude: String,
    longitude: String,
    time_zone: String,
    operator: String,
    owner: String,
    installer_name: String,
    installer_email: String,
    installer_phone: String,
    /// Per kWh, in the currency: `0.49`.
    price: String,
    /// `public_dc`, ..; empty when not said.
    access: String,
    /// With commas between them.
    labels: String,
    owner_email: String,
}

#[derive(Template)]
#[template(path = "sites.html")]
struct SitesPage {
    shell: Shell,
    rows: Vec<Row>,
    q: String,
    form: Option<SiteForm>,
    switch: Option<SiteSwitch>,
    problem: String,
}

/// The switch that stops healing at the site whose form is open (G11).
struct SiteSwitch {
    /// What the form sends.
    scope: String,
    /// The place to go back to.
    to: String,
    stopped: Option<StoppedHere>,
    /// Whether it is stopped everywhere anyway.
    everywhere: bool,
}

async fn list(viewer: Viewer, State(state): State<AppState>, Query(asked): Query<Asked>) -> Page {
    let form = match asked.edit.as_str() {
        "" => None,
        "new" => Some(SiteForm { time_zone: "UTC".to_owned(), ..SiteForm::default() }),
        key => key
            .parse::<u32>()
            .ok()
            .and_then(|key| state.handle().directory().site(SiteKey(key)))
            .map(|site| SiteForm::of(&site).with_tags(&tags_of(&state, site.key))),
    };
    whole(&state, &viewer, asked, form, String::new()).await
}

async fn whole(
    state: &AppState,
    viewer: &Viewer,
    asked: Asked,
    form: Option<SiteForm>,
    problem: String,
) -> Page {
    let directory = state.handle().directory();
    let (switches, now) = (state.handle().healing_stopped(), state.handle().now());
    let board = state.handle().board();
    let mut numbers: BTreeMap<SiteKey, (usize, usize)> = BTreeMap::new();
    for charger in directory.chargers() {
        let (chargers, broken) = numbers.entry(charger.site).or_default();
        *chargers += 1;
        // One that is being repaired is not whole yet.
        let is_broken = matches!(
            board.get(charger.key),
            Some(CellState::Faulted | CellState::Offline | CellState::Healing)
        );
        if is_broken {
            *broken += 1;
        }
    }
    let text = asked.q.trim().to_lowercase();
    let fits = |site: &SiteRecord| {
        let installer = site.installer.as_ref().map_or("", |installer| &installer.name);
        [&*site.name, &site.region, &site.address, &site.operator, &site.owner, installer]
            .into_iter()
            .any(|field| field.to_lowercase().contains(&text))
    };
    let rows = directory
        .sites()
        .iter()
        .filter(|site| fits(site))
        .map(|site| {
            let (chargers, broken) = numbers.get(&site.key).copied().unwrap_or_default();
            Row {
                key: site.key.to_string(),
                name: site.name.clone(),
                region: site.region.clone(),
                address: site.address.clone(),
                chargers,
                broken,
                operator: site.operator.clone(),
                owner: site.owner.clone(),
                installer: site.installer.clone().unwrap_or_default(),
                price: match site.price_cents_per_kwh {
                    0 => String::new(),
                    cents => price_text(cents),
                },
                maintenance: state
                    .handle()
                    .maintenance(site.key, None)
                    .map_or_else(String::new, |one| {
                        format!("until {} UTC, {}", crate::show::date_time(one.until), one.title)
                    }),
                stopped: stopped(&switches, &KillScope::Site(site.key), now),
                tags: {
                    let tags = tags_of(state, site.key);
                    let access = tags.access.map(|access| access.label().to_owned());
                    access.into_iter().chain(tags.labels).collect::<Vec<_>>().join(", ")
                },
            }
        })
        .collect();
    let shell = Shell::new(state, viewer, "sites", "Sites").await;
    let edited = form.as_ref().and_then(|form| form.key.trim().parse().ok()).map(SiteKey);
    let switch = edited.filter(|key| directory.site(*key).is_some()).map(|key| SiteSwitch {
        scope: format!("site:{key}"),
        to: format!("/sites?edit={key}#healing"),
        stopped: stopped(&switches, &KillScope::Site(key), now),
        everywhere: switches.contains_key(&KillScope::Global),
    });
    render(SitesPage {
        switch,
        shell: shell.with_messages(asked.done, asked.error),
        rows,
        q: asked.q,
        form,
        problem,
    })
}

async fn put(
    Acting(viewer): Acting,
    State(state): State<AppState>,
    Form(form): Form<SiteForm>,
) -> Page {
    let handle = state.handle();
    let site = match form.read() {
        Ok(site) => site,
        Err(problem) => {
            return wrong(whole(&state, &viewer, Asked::default(), Some(form), problem).await);
        }
    };
    let is_new = site.key == SiteKey(0);
    if !is_new && handle.directory().site(site.key).is_none() {
        return Ok(back("/sites", Err("That site is not there any more.".to_owned())));
    }
    let name = site.name.clone();
    let tags = form.tags();
    match handle.put_site(site).await {
        Ok(site) => {
            handle.audit(&viewer.name, "put site", &site.name).await;
            if tags != tags_of(&state, site.key) {
                let scope = Scope::Site(site.key);
                match handle.put_place(scope, tags, &viewer.name).await {
                    Ok(()) => {}
                    Err(mendpoint_pipeline::Error::Refused(why)) => {
                        let page = whole(&state, &viewer, Asked::default(), Some(form), why);
                        return wrong(page.await);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let word = if is_new { "added" } else { "changed" };
            Ok(back("/sites", Ok(format!("{name} was {word}."))))
        }
        Err(mendpoint_pipeline::Error::Refused(why)) => {
            wrong(whole(&state, &viewer, Asked::default(), Some(form), format!("{why}.")).await)
        }
        Err(mendpoint_pipeline::Error::Store(mendpoint_store::Error::Exists(why))) => {
            let why = format!("{why}; choose another name.");
            wrong(whole(&state, &viewer, Asked::default(), Some(form), why).await)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is known of a site besides the register.
fn tags_of(state: &AppState, site: SiteKey) -> PlaceTags {
    state.handle().duty_book().places.get(&Scope::Site(site)).cloned().unwrap_or_default()
}

impl SiteForm {
    fn with_tags(self, tags: &PlaceTags) -> Self {
        Self {
            access: tags.access.map(|access| access.name().to_owned()).unwrap_or_default(),
            labels: tags.labels.join(", "),
            owner_email: tags.owner_email.clone(),
            ..self
        }
    }

    fn tags(&self) -> PlaceTags {
        let labels = self.labels.split(',').map(|label| label.trim().to_owned());
        PlaceTags {
            access: Access::from_name(self.access.trim()),
            labels: labels.filter(|label| !label.is_empty()).collect(),
            owner_email: self.owner_email.trim().to_owned(),
        }
    }

    fn has_access(&self, access: &str) -> bool {
        self.access == access
    }

    fn of(site: &SiteRecord) -> Self {
        let installer = site.installer.clone().unwrap_or_default();
        let degrees = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        Self {
            key: site.key.to_string(),
            name: site.name.clone(),
            region: site.region.clone(),
            address: site.address.clone(),
            latitude: degrees(site.latitude),
            longitude: degrees(site.longitude),
            time_zone: site.time_zone.clone(),
            operator: site.operator.clone(),
            owner: site.owner.clone(),
            installer_name: installer.name,
            installer_email: installer.email,
            installer_phone: installer.phone,
            price: price_text(site.price_cents_per_kwh),
            access: String::new(),
            labels: String::new(),
            owner_email: String::new(),
        }
    }

    /// The site that the form means, or what is wrong with it.
    fn read(&self) -> Result<SiteRecord, String> {
        let text = |field: &str| field.trim().to_owned();
        let name = text(&self.name);
        if name.is_empty() {
            return Err("A site needs a name.".to_owned());
        }
        let key = match self.key.trim() {
            "" => 0,
            key => key.parse().map_err(|_| "That site is not there any more.".to_owned())?,
        };
        let time_zone = match self.time_zone.trim() {
            "" => "UTC".to_owned(),
            zone if is_time_zone(zone) => zone.to_owned(),
            zone => {
                return Err(format!(
                    "{zone:?} is not a time zone; they are written like Europe/Bucharest."
                ));
            }
        };
        Ok(SiteRecord {
            key: SiteKey(key),
            name,
            region: text(&self.region),
            address: text(&self.address),
            latitude: degrees(&self.latitude, 90.0, "latitude")?,
            longitude: degrees(&self.longitude, 180.0, "longitude")?,
            time_zone,
            operator: text(&self.operator),
            owner: text(&self.owner),
            installer: self.installer()?,
            price_cents_per_kwh: cents(&self.price)?,
        })
    }

    fn installer(&self) -> Result<Option<Contact>, String> {
        let contact = Contact {
            name: self.installer_name.trim().to_owned(),
            email: self.installer_email.trim().to_owned(),
            phone: self.installer_phone.trim().to_owned(),
        };
        if contact == Contact::default() {
            return Ok(None);
        }
        let is_mail = |address: &str| {
            address.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty())
                && !address.contains(char::is_whitespace)
        };
        if !is_mail(&contact.email) {
            return Err(
                "The installer gets tickets by mail, so an address is needed, like service@example.com."
                    .to_owned(),
            );
        }
        let name = if contact.name.is_empty() { contact.email.clone() } else { contact.name };
        Ok(Some(Contact { name, ..contact }))
    }
}

fn degrees(text: &str, most: f64, what: &str) -> Result<Option<f64>, String> {
    let text = text.trim().replace(',', ".");
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) if value.abs() <= most => Ok(Some(value)),
        _ => Err(format!("The {what} is a number of degrees between -{most} and {most}.")),
    }
}

/// `UTC` or `Area/City`, by its form; the list of zones changes every year.
fn is_time_zone(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "_+-".contains(letter))
    };
    text == "UTC" || (text.contains('/') && text.split('/').all(is_word))
}

/// `0.49` or `0,49` as 49.
fn cents(text: &str) -> Result<i64, String> {
    let text = text.trim().replace(',', ".");
    if text.is_empty() {
        return Ok(0);
    }
    let read = || {
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let is_number = |digits: &str| digits.chars().all(|digit| digit.is_ascii_digit());
        if part.len() > 2 || !is_number(whole) || !is_number(part) || whole.len() > 6 {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i64 = format!("{part:0<2}").parse().ok()?;
        Some(whole * 100 + part)
    };
    read().ok_or_else(|| "The price per kWh is an amount like 0.49.".to_owned())
}

fn price_text(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> SiteForm {
        SiteForm {
            name: " Gara Cluj ".to_owned(),
            latitude: "46,784".to_owned(),
            price: "0.49".to_owned(),
            ..SiteForm::default()
        }
    }

    #[test]
    fn a_form_becomes_a_site_and_back() {
        let site = form().read().expect("complete");
        assert_eq!(site.name, "Gara Cluj");
        assert_eq!(site.latitude, Some(46.784));
        assert_eq!(site.price_cents_per_kwh, 49);
        assert_eq!(site.installer, None);
        assert_eq!(SiteForm::of(&site).read(), Ok(site));
    }

    #[test]
    fn mistakes_get_a_sentence() {
        let wrong = |change: fn(&mut SiteForm)| {
            let mut form = form();
            change(&mut form);
            form.read().expect_err("refused")
        };
        assert!(wrong(|form| form.name.clear()).contains("name"));
        assert!(wrong(|form| form.latitude = "91".to_owned()).contains("latitude"));
        assert!(wrong(|form| form.longitude = "NaN".to_owned()).contains("longitude"));
        assert!(wrong(|form| form.installer_phone = "1".to_owned()).contains("mail"));
        assert!(wrong(|form| form.time_zone = "here".to_owned()).contains("time zone"));
        assert!(wrong(|form| form.price = "0.495".to_owned()).contains("price"));
    }

    #[test]
    fn prices_read_both_ways() {
        for (text, wanted) in [("", 0), ("1", 100), ("0,5", 50), (".07", 7), ("12.30", 1_230)] {
            assert_eq!(cents(text), Ok(wanted), "{text:?}");
        }
        assert_eq!(price_text(1_230), "12.30");
        assert!(cents("-1").is_err() && cents("1e3").is_err());
    }
}
