//! The cards that a charger knows by heart, so that it can decide while it is offline.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use mendpoint_model::{ChargerKey, ChargerRecord, Protocol};
use mendpoint_ocpp::orders::{
    Limited, ListEntry, ListUpdate, MessageLimit, get_local_list_version, list_version_of,
    local_list_parts, send_local_list,
};
use mendpoint_store::{IdTokenRow, LocalListRow, TokenFilter, WantedList, is_pseudonym};

use super::limits::{told_number, told_of};
use super::{OrderError, Told, ask, spoken};
use crate::AppState;
use crate::erasures::ErasureMark;

/// Cards of one message, when the charger told no limit of its own.
const PER_MESSAGE: usize = 250;
/// The largest version: 1.6 chargers keep it in 32 bits.
const VERSION_MAX: i64 = i32::MAX as i64;

/// The longest token and group of a version, characters: `CiString20Type`, `identifierString` of 36, and
/// 255 of 2.1.
fn longest(protocol: Option<Protocol>) -> usize {
    match protocol {
        Some(Protocol::V16) => 20,
        Some(Protocol::V201) => 36,
        Some(Protocol::V21) | None => 255,
    }
}

/// The list that a charger should know now: what it can be told.
async fn wanted(
    state: &AppState,
    charger: ChargerKey,
    list: &WantedList,
) -> Result<Vec<IdTokenRow>, mendpoint_store::Error> {
    let cards = cards_of(state, list).await?;
    let live = state.handle().charger(charger).await;
    let protocol = live.and_then(|live| live.link.protocol);
    Ok(cards_that_fit(&cards, protocol).into_owned())
}

/// Types of tokens that only 2.1 has.
const TYPES_OF_21: [&str; 3] = ["DirectPayment", "EVCCID", "VIN"];

/// The cards of a list that a charger can be told of: one that is too long or of a type that its version
/// does not have, and a strict charger refuses the whole list. Of a group that is too long it is not told.
pub(super) fn cards_that_fit(
    cards: &[IdTokenRow],
    protocol: Option<Protocol>,
) -> Cow<'_, [IdTokenRow]> {
    let longest = longest(protocol);
    let fits = |text: &str| text.chars().count() <= longest;
    let has_type = |row: &IdTokenRow| {
        protocol != Some(Protocol::V201) || !TYPES_OF_21.contains(&row.kind.as_str())
    };
    let has_group = |row: &IdTokenRow| row.parent.as_deref().is_none_or(fits);
    if cards.iter().all(|row| fits(&row.token) && has_type(row) && has_group(row)) {
        return Cow::Borrowed(cards);
    }
    let told = |row: &IdTokenRow| {
        let parent = row.parent.clone().filter(|group| fits(group));
        IdTokenRow { parent, ..row.clone() }
    };
    Cow::Owned(cards.iter().filter(|row| fits(&row.token) && has_type(row)).map(told).collect())
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
    // Tokens are the same whatever their case: one that was registered anew in another spelling is not
    // taken out.
    let wanted: BTreeSet<String> = rows.iter().map(|row| row.token.to_lowercase()).collect();
    let changed =
        rows.iter().filter(|row| known.get(&row.token) != Some(&fingerprint(row))).map(entry);
    let gone = known.iter().filter(|(token, _)| !wanted.contains(&token.to_lowercase())).map(
        |(token, told)| ListEntry {
            token: token.clone(),
            kind: told.rsplit('|').next().unwrap_or_default().to_owned(),
            info: None,
        },
    );
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

/// How many cards differ between what the charger knows and what it should know; `None` when it did not
/// take the last list, so that nobody knows.
pub(crate) async fn behind(
    state: &AppState,
    charger: ChargerKey,
    row: &LocalListRow,
) -> Result<Option<usize>, mendpoint_store::Error> {
    if is_in_doubt(row) {
        return Ok(None);
    }
    let rows = wanted(state, charger, &row.wanted).await?;
    Ok(Some(difference(&row.known, &rows).len()))
}

/// Whether nobody knows which cards the charger has: it did not take a list, or a part of one, or the
/// program ended while one was on its way.
pub(super) fn is_in_doubt(row: &LocalListRow) -> bool {
    row.version == 0 && matches!(&*row.state, "failed" | "sending")
}

/// What came of a sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The charger knows what it should, or keeps no list.
    Settled,
    /// It was told what became of the cards that it knows; there are more than it keeps.
    TooLong,
    /// It said no.
    Refused,
    /// It did not answer, or the sending was broken off.
    Unanswered,
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
    let (row, _) = send_list(state, record, list, full, user).await?;
    // Not which group: its name is the number of a card.
    let wish = match &row.wanted {
        WantedList::None => "no card",
        WantedList::All => "every card",
        WantedList::Group(_) => "the cards of a group",
    };
    let subject = format!("local list of {}: {wish}", record.identity);
    state.handle().audit(user, &row.state, &subject).await;
    Ok(row)
}

/// The same, and what came of it.
pub(super) async fn send_list(
    state: &AppState,
    record: &ChargerRecord,
    list: Option<WantedList>,
    full: bool,
    user: &str,
) -> Result<(LocalListRow, Sent), OrderError> {
    // Two at once would take each other's version for a mistake of the charger.
    let Some(_turn) = state.begin_list(record.key) else {
        return Err(OrderError::Refused(
            "A local list is on its way to this charger. Look again when it has answered."
                .to_owned(),
        ));
    };
    let Some(mark) = state.erasures().mark().await else {
        return Err(OrderError::Refused(
            "A card is being erased just now. Try again in a moment.".to_owned(),
        ));
    };
    let mut row = read(state, record).await?;
    if let Some(list) = list {
        row.wanted = checked(state, list).await?;
    }
    let (sent, is_sure) = send_marked(state, record, &mut row, full, user, mark).await?;
    let is_unsent = full && matches!(sent, Sent::Refused | Sent::Unanswered);
    if !is_sure || is_unsent {
        // A part of it may be there, or somebody does not believe what is: the next time everything is
        // sent.
        row.known.clear();
        row.version = 0;
    }
    let store = state.handle().store();
    let Some(held) = state.erasures().unchanged(mark).await else {
        // What was read before, the group too, may hold the number of whoever was erased since: only
        // what became of it is written.
        store.break_off_local_list(record.key, ERASED_MEANWHILE).await?;
        let mut row = read(state, record).await?;
        fail(&mut row, "failed", ERASED_MEANWHILE.to_owned());
        return Ok((row, Sent::Unanswered));
    };
    store.put_local_list(record.key, &row).await?;
    drop(held);
    Ok((row, sent))
}

/// Why a sending ends before its end.
const ERASED_MEANWHILE: &str =
    "A card was erased while the list was on its way. The whole list is sent anew.";

/// A list that people may ask for.
async fn checked(state: &AppState, list: WantedList) -> Result<WantedList, OrderError> {
    let WantedList::Group(group) = &list else { return Ok(list) };
    let group = group.trim();
    if group.is_empty() {
        return Err(OrderError::Wrong("Say which group.".to_owned()));
    }
    let list = WantedList::Group(group.to_owned());
    if cards_of(state, &list).await?.is_empty() {
        // Not which: it may be the number of a card, and the sentence stands in an address.
        return Err(OrderError::Wrong(
            "No registered card has this group. Ask for no card to empty the list.".to_owned(),
        ));
    }
    Ok(list)
}

/// The way of a list to its charger. What came of it stands in the row; `false` when a part of a list may
/// be there.
async fn send_marked(
    state: &AppState,
    record: &ChargerRecord,
    row: &mut LocalListRow,
    full: bool,
    user: &str,
    mark: ErasureMark,
) -> Result<(Sent, bool), OrderError> {
    let was_sure = !is_in_doubt(row);
    let mut rows = wanted(state, record.key, &row.wanted).await?;
    let (live, protocol) = spoken(state, record).await?;
    let limit = told_number(state, &live, &["LocalAuthListMaxLength"]).await?;
    let too_long = limit.filter(|limit| *limit > 0 && rows.len() > *limit).map(|limit| {
        let most = crate::number::counted(limit, "card");
        format!("The charger keeps at most {most}, and the list has {}.", rows.len())
    });
    if let Some(problem) = &too_long {
        // Whoever was blocked or erased must not charge there all the same.
        let known: BTreeSet<String> = row.known.keys().map(|token| token.to_lowercase()).collect();
        rows.retain(|row| known.contains(&row.token.to_lowercase()));
        if known.is_empty() {
            fail(row, "failed", problem.clone());
            return Ok((Sent::TooLong, was_sure));
        }
    }
    let mut a_message = MessageLimit::default();
    if let Some(limited) = Limited::of("SendLocalList") {
        a_message = told_of(state, &live, limited).await?;
    }
    a_message.items.get_or_insert(PER_MESSAGE);

    let answer = ask(state, record, get_local_list_version(), user).await?;
    let version = list_version_of(&answer.payload).filter(|_| answer.accepted);
    if answer.unsupported || version == Some(-1) {
        fail(row, "not_supported", "The charger keeps no local list.".to_owned());
        return Ok((Sent::Settled, was_sure));
    }
    let Some(charger_version) = version else {
        let sent = if answer.is_silence() { Sent::Unanswered } else { Sent::Refused };
        let problem = match answer.problem {
            problem if problem.is_empty() => {
                "The charger's answer tells no version of its list.".to_owned()
            }
            problem => problem,
        };
        fail(row, "failed", problem);
        return Ok((sent, was_sure));
    };
    let is_ours = charger_version == row.version && row.version > 0;
    row.charger_version = Some(charger_version);
    // The number of who was erased is not known here any more, so it cannot be taken out by itself.
    let has_erased = row.known.keys().any(|token| is_pseudonym(token));
    let mut is_full = full || !is_ours || has_erased;
    let mut entries =
        if is_full { rows.iter().map(entry).collect() } else { difference(&row.known, &rows) };
    if !is_full && entries.is_empty() {
        return Ok((taken(row, too_long), true));
    }
    if !is_begun(state, record, row, mark).await? {
        fail(row, "failed", ERASED_MEANWHILE.to_owned());
        return Ok((Sent::Unanswered, was_sure));
    }
    let pieces = Pieces { state, record, protocol, a_message, user, mark };
    let mut told = pieces.send(row, &entries, is_full).await?;
    // Once: whoever says so twice means something else.
    if told.status == "VersionMismatch" && !is_full {
        is_full = true;
        entries = rows.iter().map(entry).collect();
        told = pieces.send(row, &entries, is_full).await?;
    }
    if told.accepted {
        row.known = rows.iter().map(|row| (row.token.clone(), fingerprint(row))).collect();
        row.sent_at = Some(state.handle().now());
        return Ok((taken(row, too_long), true));
    }
    let sent = match &told {
        told if told.unsupported => Sent::Settled,
        told if told.is_silence() => Sent::Unanswered,
        _ => Sent::Refused,
    };
    let word = if told.unsupported { "not_supported" } else { "failed" };
    let problem = if told.status == "VersionMismatch" {
        format!(
            "The charger told version {charger_version} and then refused the whole list under a \
             higher one (VersionMismatch). A restart of the charger often ends this."
        )
    } else {
        told.problem
    };
    fail(row, word, problem);
    Ok((sent, false))
}

/// The charger has what it was told; whether that is the whole list.
fn taken(row: &mut LocalListRow, too_long: Option<String>) -> Sent {
    if let Some(problem) = too_long {
        fail(row, "failed", problem);
        return Sent::TooLong;
    }
    "accepted".clone_into(&mut row.state);
    row.problem = String::new();
    Sent::Settled
}

/// Writes down that a list is on its way, so that after a crash nobody believes that the charger has
/// what it had before; `false` when somebody was erased meanwhile.
async fn is_begun(
    state: &AppState,
    record: &ChargerRecord,
    row: &LocalListRow,
    mark: ErasureMark,
) -> Result<bool, OrderError> {
    let under_way = LocalListRow {
        state: "sending".to_owned(),
        problem: String::new(),
        version: 0,
        known: BTreeMap::new(),
        ..row.clone()
    };
    let held = state.erasures().unchanged(mark).await;
    if held.is_some() {
        state.handle().store().put_local_list(record.key, &under_way).await?;
    }
    Ok(held.is_some())
}

fn fail(row: &mut LocalListRow, state: &str, problem: String) {
    state.clone_into(&mut row.state);
    row.problem = problem;
}

/// How entries leave.
struct Pieces<'a> {
    state: &'a AppState,
    record: &'a ChargerRecord,
    protocol: Protocol,
    /// How much a message may have.
    a_message: MessageLimit,
    user: &'a str,
    mark: ErasureMark,
}

impl Pieces<'_> {
    /// Sends entries in messages of a size that the charger takes; the last answer that is not yes ends
    /// it, and so does somebody's erasure.
    async fn send(
        &self,
        row: &mut LocalListRow,
        entries: &[ListEntry],
        full: bool,
    ) -> Result<Told, OrderError> {
        let pieces = local_list_parts(self.protocol, entries, self.a_message);
        let newest = row.version.max(row.charger_version.unwrap_or(0)).max(0);
        // The numbers begin anew in good time: a full list may have any.
        let mut version = if full && newest > VERSION_MAX - 10_000 { 0 } else { newest };
        let mut last = None;
        for (index, piece) in pieces.into_iter().enumerate() {
            // Until it is answered: what waits for its turn here would leave after the erasure.
            let Some(_held) = self.state.erasures().unchanged(self.mark).await else {
                return Ok(Told::failed(ERASED_MEANWHILE));
            };
            version += 1;
            let update = ListUpdate { version, full: full && index == 0, entries: piece };
            let action = send_local_list(self.protocol, update);
            let told = ask(self.state, self.record, action, self.user).await?;
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
        // The same card in another spelling is told of anew, and not taken out.
        let told = difference(&known, &[row("a", TokenStatus::Accepted), before[1].clone()]);
        let told: Vec<_> = told.iter().map(|entry| (&*entry.token, entry.info.is_some())).collect();
        assert_eq!(told, [("a", true)]);
    }

    #[test]
    fn a_charger_is_told_of_what_its_version_can_carry() {
        let long = |length| IdTokenRow {
            parent: Some("G".repeat(length)),
            ..row(&"T".repeat(length), TokenStatus::Accepted)
        };
        let cards = [long(20), long(21), long(36), long(37)];
        for (protocol, told) in [(Protocol::V16, 1), (Protocol::V201, 3), (Protocol::V21, 4)] {
            assert_eq!(cards_that_fit(&cards, Some(protocol)).len(), told);
        }
        let vehicle = [IdTokenRow { kind: "EVCCID".to_owned(), ..long(9) }];
        assert_eq!(cards_that_fit(&vehicle, Some(Protocol::V201)).len(), 0);
        assert_eq!(cards_that_fit(&vehicle, Some(Protocol::V21)).len(), 1);
        let of_a_group = [IdTokenRow { token: "T".to_owned(), ..long(21) }];
        let told = cards_that_fit(&of_a_group, Some(Protocol::V16));
        assert_eq!((&*told[0].token, &told[0].parent), ("T", &None));
    }
}
