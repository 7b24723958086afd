//! The cards that a charger knows by heart, so that it can decide while it is offline.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{ChargerKey, ChargerRecord, Protocol};
use mendpoint_ocpp::orders::{
    ListEntry, ListUpdate, get_local_list_version, list_version_of, send_local_list,
};
use mendpoint_store::{IdTokenRow, LocalListRow, TokenFilter, WantedList, is_pseudonym};

use super::{OrderError, Told, ask, spoken, told_number};
use crate::AppState;

/// Cards of one message, when the charger told no limit of its own.
const PER_MESSAGE: usize = 250;
/// The largest version: 1.6 chargers keep it in 32 bits.
const VERSION_MAX: i64 = i32::MAX as i64;

/// The longest idTag of OCPP 1.6 (`CiString20Type`), characters.
const ID_TAG_MAX: usize = 20;

/// The list that a charger should know now; one of 1.6 only what it can be told.
async fn wanted(
    state: &AppState,
    charger: ChargerKey,
    list: &WantedList,
) -> Result<Vec<IdTokenRow>, mendpoint_store::Error> {
    let cards = cards_of(state, list).await?;
    let live = state.handle().charger(charger).await;
    let is_v16 = live.is_some_and(|live| live.link.protocol == Some(Protocol::V16));
    Ok(cards_that_fit(&cards, is_v16).into_owned())
}

/// The cards of a list that a charger can be told of.
pub(super) fn cards_that_fit(cards: &[IdTokenRow], is_v16: bool) -> Cow<'_, [IdTokenRow]> {
    // One card that is too long, and a strict charger of 1.6 refuses the whole list.
    let fits = |row: &IdTokenRow| !is_v16 || row.token.chars().count() <= ID_TAG_MAX;
    if cards.iter().all(fits) {
        return Cow::Borrowed(cards);
    }
    Cow::Owned(cards.iter().filter(|row| fits(row)).cloned().collect())
}

/// The cards of a list, each with what is true of it now.
pub(super) async fn cards_of(
    state: &AppState,
    list: &WantedList,
) -> Result<Vec<IdTokenRow>, mendpoint_store::Error> {
    let store = state.handle().store();
    let filter = match list {
        WantedList::None => return Ok(Vec::new()),
        WantedList::All => TokenFilter::default(),
        WantedList::Group(group) => {
            TokenFilter { parent: Some(group.clone()), ..TokenFilter::default() }
        }
    };
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let (page, next) = store.id_tokens_page(&filter, &after, 500).await?;
        rows.extend(page);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    let now = state.handle().now();
    for row in &mut rows {
        // A charger need not look at the date: offline it would let the card charge.
        row.status = row.info().at(now);
    }
    Ok(rows)
}

/// What is told of a token, in one text: so a change is seen.
fn fingerprint(row: &IdTokenRow) -> String {
    format!(
        "{}|{}|{}|{}",
        row.status.name(),
        row.expires_at.map(mendpoint_model::UnixMs::rfc3339).unwrap_or_default(),
        row.parent.as_deref().unwrap_or_default(),
        row.kind
    )
}

fn entry(row: &IdTokenRow) -> ListEntry {
    ListEntry { token: row.token.clone(), kind: row.kind.clone(), info: Some(row.info()) }
}

/// What leads from the known list to the wanted one.
pub(super) fn difference(known: &BTreeMap<String, String>, rows: &[IdTokenRow]) -> Vec<ListEntry> {
    let wanted: BTreeSet<&str> = rows.iter().map(|row| row.token.as_str()).collect();
    let changed =
        rows.iter().filter(|row| known.get(&row.token) != Some(&fingerprint(row))).map(entry);
    let gone =
        known.iter().filter(|(token, _)| !wanted.contains(token.as_str())).map(|(token, told)| {
            ListEntry {
                token: token.clone(),
                kind: told.rsplit('|').next().unwrap_or_default().to_owned(),
                info: None,
            }
        });
    changed.chain(gone).collect()
}

/// The local list of a charger as it is kept.
pub(crate) async fn read(
    state: &AppState,
    record: &ChargerRecord,
) -> Result<LocalListRow, mendpoint_store::Error> {
    let row = state.handle().store().local_list(record.key).await?;
    Ok(row.unwrap_or_else(|| LocalListRow { state: "none".to_owned(), ..LocalListRow::default() }))
}

/// How many cards differ between what the charger knows and what it should know.
pub(crate) async fn behind(
    state: &AppState,
    charger: ChargerKey,
    row: &LocalListRow,
) -> Result<usize, mendpoint_store::Error> {
    let rows = wanted(state, charger, &row.wanted).await?;
    Ok(difference(&row.known, &rows).len())
}

/// Says which cards a charger should know, and sends what it does not know yet: only the changes
/// where its version is the one we sent last, everything otherwise.
pub(crate) async fn send(
    state: &AppState,
    record: &ChargerRecord,
    list: Option<WantedList>,
    full: bool,
    user: &str,
) -> Result<LocalListRow, OrderError> {
    // Two at once would take each other's version for a mistake of the charger.
    let Some(_turn) = state.begin_list(record.key) else {
        return Err(OrderError::Refused(
            "A local list is on its way to this charger. Look again when it has answered."
                .to_owned(),
        ));
    };
    let store = state.handle().store();
    let mut row = read(state, record).await?;
    if let Some(list) = list {
        row.wanted = list;
    }
    let rows = wanted(state, record.key, &row.wanted).await?;
    let (live, protocol) = spoken(state, record).await?;
    let limit = told_number(&live, &["LocalAuthListMaxLength", "LocalAuthListCtrlr.MaxLength"]);
    if let Some(limit) = limit.filter(|limit| rows.len() > *limit) {
        let problem = format!(
            "The charger keeps at most {}, and the list has {}.",
            crate::number::counted(limit, "card"),
            rows.len()
        );
        fail(&mut row, "failed", problem);
        store.put_local_list(record.key, &row).await?;
        return Ok(row);
    }
    let per_message =
        told_number(&live, &["SendLocalListMaxLength", "LocalAuthListCtrlr.ItemsPerMessage"])
            .filter(|limit| *limit > 0)
            .unwrap_or(PER_MESSAGE);

    let answer = ask(state, record, get_local_list_version(), user).await?;
    let version = list_version_of(&answer.payload).filter(|_| answer.accepted);
    if answer.unsupported || version == Some(-1) {
        let problem = "The charger keeps no local list.".to_owned();
        fail(&mut row, "not_supported", problem);
        store.put_local_list(record.key, &row).await?;
        return Ok(row);
    }
    let Some(charger_version) = version else {
        fail(&mut row, "failed", answer.problem);
        store.put_local_list(record.key, &row).await?;
        return Ok(row);
    };
    let is_ours = charger_version == row.version && row.version > 0;
    row.charger_version = Some(charger_version);
    // The number of who was erased is not known here any more, so it cannot be taken out by itself.
    let has_erased = row.known.keys().any(|token| is_pseudonym(token));
    let mut is_full = full || !is_ours || has_erased;
    let mut entries =
        if is_full { rows.iter().map(entry).collect() } else { difference(&row.known, &rows) };
    if !is_full && entries.is_empty() {
        "accepted".clone_into(&mut row.state);
        row.problem = String::new();
        store.put_local_list(record.key, &row).await?;
        return Ok(row);
    }
    let mut told =
        pieces(state, record, protocol, &mut row, &entries, is_full, per_message, user).await?;
    // Once: whoever says so twice means something else.
    if told.status == "VersionMismatch" && !is_full {
        is_full = true;
        entries = rows.iter().map(entry).collect();
        told =
            pieces(state, record, protocol, &mut row, &entries, is_full, per_message, user).await?;
    }
    if told.accepted {
        row.known = rows.iter().map(|row| (row.token.clone(), fingerprint(row))).collect();
        "accepted".clone_into(&mut row.state);
        row.problem = String::new();
        row.sent_at = Some(state.handle().now());
    } else {
        // A part of it may be there: the next time everything is sent.
        row.known.clear();
        let word = if told.unsupported { "not_supported" } else { "failed" };
        let problem = if told.status == "VersionMismatch" {
            format!(
                "The charger told version {charger_version} and then refused the whole list under a \
                 higher one (VersionMismatch). A restart of the charger often ends this."
            )
        } else {
            told.problem
        };
        fail(&mut row, word, problem);
        row.version = 0;
    }
    store.put_local_list(record.key, &row).await?;
    let subject = format!("local list of {}", record.identity);
    state.handle().audit(user, &row.state, &subject).await;
    Ok(row)
}

fn fail(row: &mut LocalListRow, state: &str, problem: String) {
    state.clone_into(&mut row.state);
    row.problem = problem;
}

/// Sends entries in messages of a size that the charger takes; the last answer that is not yes ends
/// it.
#[expect(clippy::too_many_arguments, reason = "one step of `send`, cut out because it runs twice")]
async fn pieces(
    state: &AppState,
    record: &ChargerRecord,
    protocol: Protocol,
    row: &mut LocalListRow,
    entries: &[ListEntry],
    full: bool,
    per_message: usize,
    user: &str,
) -> Result<Told, OrderError> {
    let mut pieces: Vec<&[ListEntry]> = entries.chunks(per_message).collect();
    if pieces.is_empty() {
        pieces.push(&[]);
    }
    let newest = row.version.max(row.charger_version.unwrap_or(0)).max(0);
    // The numbers begin anew in good time: a full list may have any.
    let mut version = if full && newest > VERSION_MAX - 10_000 { 0 } else { newest };
    let mut last = None;
    for (index, piece) in pieces.into_iter().enumerate() {
        version += 1;
        let update = ListUpdate { version, full: full && index == 0, entries: piece };
        let told = ask(state, record, send_local_list(protocol, update), user).await?;
        let is_yes = told.accepted;
        if is_yes {
            row.version = version;
            row.charger_version = Some(version);
        }
        last = Some(told);
        if !is_yes {
            break;
        }
    }
    last.ok_or_else(|| OrderError::Wrong("There was nothing to send.".to_owned()))
}

#[cfg(test)]
mod tests {
    use mendpoint_model::{TokenStatus, UnixMs};

    use super::*;

    fn row(token: &str, status: TokenStatus) -> IdTokenRow {
        IdTokenRow {
            token: token.to_owned(),
            status,
            parent: None,
            expires_at: None,
            note: String::new(),
            kind: "Local".to_owned(),
            updated_at: UnixMs(0),
        }
    }

    #[test]
    fn only_what_changed_is_sent() {
        let before = [row("A", TokenStatus::Accepted), row("B", TokenStatus::Accepted)];
        let known: BTreeMap<_, _> =
            before.iter().map(|row| (row.token.clone(), fingerprint(row))).collect();
        assert!(difference(&known, &before).is_empty());
        let after = [row("A", TokenStatus::Blocked), row("C", TokenStatus::Accepted)];
        let told: Vec<_> = difference(&known, &after)
            .into_iter()
            .map(|entry| (entry.token, entry.kind, entry.info.map(|info| info.status)))
            .collect();
        let kind = || "Local".to_owned();
        assert_eq!(
            told,
            [
                ("A".to_owned(), kind(), Some(TokenStatus::Blocked)),
                ("C".to_owned(), kind(), Some(TokenStatus::Accepted)),
                ("B".to_owned(), kind(), None),
            ]
        );
    }
}
