//! The words of a notification.

use std::fmt::Write as _;

use mendpoint_model::{DAY_MS, MINUTE_MS, Priority, UnixMs, escape};
use serde_json::json;

use crate::book::{Book, WebhookFormat};
use crate::inbox::{Item, LISTED_MAX, News};
use crate::signing::{Claim, Signer};
use crate::words::one_line;

/// How long a link that takes an incident is good.
const LINK_MS: i64 = 7 * DAY_MS;

/// A letter for the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// An address, or `webhook:` and the name of a program.
    pub to: String,
    /// The subject: one line.
    pub subject: String,
    /// The text; for a program the body.
    pub text: String,
    /// The same as HTML; empty for a program.
    pub html: String,
    /// The same for the same notification: the outbox keeps it once.
    pub key: String,
}

/// Writes letters.
pub(crate) struct Scribe<'a> {
    pub(crate) book: &'a Book,
    pub(crate) signer: &'a Signer,
    pub(crate) now: UnixMs,
}

impl Scribe<'_> {
    /// The letter to an inbox; `None` where nothing can be sent to.
    pub(crate) fn write(
        &self,
        inbox: &str,
        number: u64,
        items: &[Item],
        digest: bool,
    ) -> Option<Letter> {
        let key = format!("duty:{inbox}:{number}");
        if let Some(name) = inbox.strip_prefix("webhook:") {
            return self.webhook(name, items, key);
        }
        let (to, who, greeting) = if let Some(name) = inbox.strip_prefix("user:") {
            let person = self.book.persons.get(name)?;
            (person.email.clone(), name.to_owned(), person.label().to_owned())
        } else {
            let address = inbox.strip_prefix("mail:")?;
            (address.to_owned(), address.to_owned(), String::new())
        };
        if !to.contains('@') || to.contains(char::is_control) {
            return None;
        }
        let intro = intro(items, &greeting, digest);
        let mut text = format!("{intro}\n");
        let mut html = format!("<p>{}</p>\n", escape(&intro));
        for item in items.iter().take(LISTED_MAX) {
            self.item(&mut text, &mut html, item, &who);
        }
        if items.len() > LISTED_MAX {
            let more = format!("And {} more.", items.len() - LISTED_MAX);
            let _ = write!(text, "\n{more}\n");
            let _ = writeln!(html, "<p>{more}</p>");
        }
        // Who has no account has neither hours nor a page.
        if !greeting.is_empty() {
            let page = format!("{}/duty", self.book.base_url);
            let _ = write!(text, "\nWho is on call, silences and your own quiet hours: {page}\n");
            let _ = writeln!(
                html,
                "<p><a href=\"{0}\">Who is on call, silences and your own quiet hours</a></p>",
                escape(&page)
            );
        }
        Some(Letter { to, subject: subject(items, digest), text, html, key })
    }

    fn item(&self, text: &mut String, html: &mut String, item: &Item, who: &str) {
        let news = news_words(item);
        let heading = format!("{} {}", Priority::of_severity(item.severity).name(), item.title);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{heading}\n{}\n{news}\n", item.place);
        let _ = write!(
            html,
            "<h3>{}</h3>\n<p>{}<br>{}</p>\n",
            escape(&heading),
            escape(&item.place),
            escape(&news)
        );
        if item.news.asks() && !item.text.is_empty() {
            let _ = writeln!(text, "{}", item.text);
            let _ = writeln!(html, "<p>{}</p>", escape(&item.text));
        }
        let Some(incident) = item.incident else { return };
        let open = format!("{}/incidents/{incident}", self.book.base_url);
        if item.news.asks() {
            let claim = Claim { incident, who: who.to_owned(), until: self.now + LINK_MS };
            let take = format!("{}/take/{}", self.book.base_url, self.signer.token(&claim));
            let _ = writeln!(text, "I take it: {take}");
            let _ = writeln!(html, "<p><a href=\"{}\"><b>I take it</b></a></p>", escape(&take));
        }
        let _ = writeln!(text, "{incident}: {open}");
        let _ = writeln!(html, "<p><a href=\"{}\">{incident}</a></p>", escape(&open));
        if item.news.asks() && self.book.persons.contains_key(who) {
            let _ = writeln!(text, "All evidence as a file: {open}/evidence");
            let _ = writeln!(
                html,
                "<p><a href=\"{}/evidence\">All evidence as a file</a></p>",
                escape(&open)
            );
        }
    }

    fn webhook(&self, name: &str, items: &[Item], key: String) -> Option<Letter> {
        let webhook = self.book.webhooks.get(name)?;
        let subject = subject(items, false);
        let base = &self.book.base_url;
        let href = |item: &Item| {
            item.incident
                .map_or_else(|| format!("{base}/duty"), |id| format!("{base}/incidents/{id}"))
        };
        let first = items.first()?;
        let body = match webhook.format {
            WebhookFormat::Json => json!({
                "id": key,
                "at": self.now.rfc3339(),
                "subject": subject,
                "items": items.iter().take(LISTED_MAX).map(|item| json!({
                    "incident": item.incident.map(|id| id.to_string()),
                    "news": news_name(&item.news),
                    "severity": item.severity,
                    "title": item.title,
                    "about": item.text,
                    "place": item.place,
                    "since": item.since.rfc3339(),
                    "text": news_words(item),
                    "url": href(item),
                })).collect::<Vec<_>>(),
            }),
            WebhookFormat::Ntfy => {
                let worst = items.iter().map(|item| item.severity).min().unwrap_or(9);
                let lines: Vec<String> = items
                    .iter()
                    .take(5)
                    .map(|item| format!("{}: {}", item.place, news_words(item)))
                    .collect();
                json!({
                    "topic": webhook.topic,
                    "title": subject,
                    "message": lines.join("\n"),
                    "priority": match worst { 0..=2 => 5, 3..=4 => 4, _ => 3 },
                    "click": href(first),
                })
            }
        };
        let (to, text) = (format!("webhook:{name}"), body.to_string());
        Some(Letter { to, subject, text, html: String::new(), key })
    }
}

fn subject(items: &[Item], digest: bool) -> String {
    let line = match items {
        [one] if !digest => {
            let prefix = one.incident.map_or_else(String::new, |id| format!("[{id}] "));
            let word = match &one.news {
                News::Page(_) | News::Note(_) => "",
                News::Again(_) => "Nobody answered: ",
                News::Taken(_) => "Taken: ",
                News::Over(_) => "Over: ",
            };
            let urgency = Priority::of_severity(one.severity).name();
            if one.incident.is_none() {
                one.title.clone()
            } else {
                format!("{prefix}{word}{urgency} {} ({})", one.title, one.place)
            }
        }
        _ if digest => format!("[{} in one mail] What you were not told at once", items.len()),
        _ => {
            let asks = items.iter().filter(|item| item.news.asks()).count();
            let group = items.first().map_or("", |item| item.group.as_str());
            if asks == 0 {
                format!("[{} incidents] {group}: news", items.len())
            } else {
                format!("[{asks} incidents] {group}")
            }
        }
    };
    one_line(&line)
}

fn intro(items: &[Item], greeting: &str, digest: bool) -> String {
    let sentence = intro_sentence(items, digest);
    if !greeting.is_empty() {
        return format!("{greeting}: {sentence}");
    }
    // Of who has no account only the address is known: the sentence stands alone.
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

fn intro_sentence(items: &[Item], digest: bool) -> String {
    if digest {
        return "this is what came in your quiet hours or above your number a day.".to_owned();
    }
    let role = items.iter().find_map(|item| match &item.news {
        News::Page(role) | News::Again(role) => Some(role.as_str()),
        _ => None,
    });
    match role {
        Some(role) => format!("you are told as {role}. Whoever takes it stops the chain."),
        None => "news of what you were told.".to_owned(),
    }
}

fn news_words(item: &Item) -> String {
    let since = crate::words::duration(item.at.since_ms(item.since));
    match &item.news {
        // It was told at once: there is no time to tell.
        News::Page(_) if item.at.since_ms(item.since) < MINUTE_MS => {
            "It was opened just now.".to_owned()
        }
        News::Page(_) => format!("Open for {since}."),
        News::Again(_) => format!("Still open after {since}, and nobody took it."),
        News::Taken(by) => format!("{by} took it."),
        News::Over(how) if how.is_empty() => "It is over.".to_owned(),
        News::Over(how) => format!("It is over: {how}"),
        News::Note(text) => text.clone(),
    }
}

fn news_name(news: &News) -> &'static str {
    match news {
        News::Page(_) => "opened",
        News::Again(_) => "again",
        News::Taken(_) => "taken",
        News::Over(_) => "over",
        News::Note(_) => "note",
    }
}
