//! Pages: what people are told of a group of incidents, once (1.7).
//!
//! An incident about a single charger reaches people by its ticket. One about a site, a carrier, a
//! firmware or the fleet goes by mail to those who run the chargers; the fleet's to those who run
//! Mendpoint.

use std::fmt::Write as _;

use mendpoint_incidents::correlate::{Audience, Notice, NoticeKind};
use mendpoint_model::escape;
use mendpoint_store::NewMail;

use crate::Error;
use crate::pipeline::Inner;

impl Inner {
    /// Writes the mails of a notice. The same notice is written once, however often it is asked for.
    pub(crate) async fn page(&self, notice: &Notice) -> Result<(), Error> {
        let first = notice.incidents.first().copied().unwrap_or_default();
        let told = match notice.kind {
            NoticeKind::First => "first",
            NoticeKind::More => "more",
            NoticeKind::Repeat => "again",
        };
        let many = notice.incidents.len();
        tracing::info!(
            incident.id = first.0,
            group = notice.group,
            kind = told,
            incidents = many,
            "people are told of a group of incidents"
        );
        // A silence or planned maintenance keeps people from being told of these too.
        if !notice.is_wide || self.is_held(first) {
            return Ok(());
        }
        let settings = &self.settings;
        let platform = Some(&settings.platform_email).filter(|address| !address.is_empty());
        let address = match notice.audience {
            Audience::Platform => platform.unwrap_or(&settings.dispatch_email),
            Audience::Operators => &settings.dispatch_email,
        };
        let address = address.trim();
        if address.is_empty() || address.contains(char::is_control) {
            return Ok(());
        }
        let mail = NewMail {
            dedupe_key: format!("notice:{first}:{told}:{}:{address}", notice.at.0),
            recipient: address.to_owned(),
            subject: self.without_cards(subject(notice)),
            text: self.without_cards(self.text(notice)),
            html: self.without_cards(self.html(notice)),
            reply_to: None,
            ticket: None,
            not_before: notice.at,
        };
        self.store.put_mails(&[mail]).await?;
        self.topics.touch(|versions| versions.outbox += 1);
        Ok(())
    }

    fn where_of(&self, notice: &Notice) -> String {
        let site =
            self.directory.site(notice.site).filter(|_| notice.audience == Audience::Operators);
        site.map(|site| site.name.clone()).unwrap_or_default()
    }

    fn link(&self, id: mendpoint_model::IncidentId) -> String {
        format!("{}/incidents/{id}", self.settings.public_url)
    }

    fn text(&self, notice: &Notice) -> String {
        let mut text = format!("{}\n", notice.title);
        let place = self.where_of(notice);
        if !place.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{place}");
        }
        let _ = writeln!(text, "\n{}\n", notice.text);
        for id in &notice.incidents {
            let _ = writeln!(text, "{}", self.link(*id));
        }
        text
    }

    fn html(&self, notice: &Notice) -> String {
        let mut html = format!("<p><strong>{}</strong></p>", escape(&notice.title));
        let place = self.where_of(notice);
        if !place.is_empty() {
            let _ = write!(html, "<p>{}</p>", escape(&place));
        }
        let _ = write!(html, "<p>{}</p>", escape(&notice.text));
        for id in &notice.incidents {
            let link = escape(&self.link(*id));
            let _ = write!(html, "<p><a href=\"{link}\">{id}</a></p>");
        }
        html
    }
}

fn subject(notice: &Notice) -> String {
    let again = if notice.kind == NoticeKind::Repeat { "Still: " } else { "" };
    // A subject is one line, whatever a charger calls itself.
    let line: String = notice.title.chars().filter(|letter| !letter.is_control()).collect();
    format!("[P{}] {again}{line}", if notice.severity <= 2 { 1 } else { 2 })
}
