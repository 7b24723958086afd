//! When connectors were used before our start, for rules about unusual silence: rebuilt from the
//! sessions in the database, beside everything else, because nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_incidents::Usage;
use mendpoint_model::{ChargerKey, ConnectorRef, DAY_MS, SiteKey, UnixMs};
use mendpoint_store::{DayPart, PartOfUse};

use crate::message::ShardMessage;
use crate::pipeline::Inner;

/// How far back it goes.
const BACK_MS: i64 = 28 * DAY_MS;
/// What makes a session, Wh.
const SESSION_WH: f64 = 100.0;

/// A connector of a charger, or the charger as a whole.
type Place = (ChargerKey, ConnectorRef);

/// Successes by hour of the day and day of the week, and the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    hours: [u16; 24],
    days: [u16; 7],
    last: UnixMs,
}

/// Reads the past use of all chargers and hands it to their shards.
pub(crate) async fn restore(inner: Arc<Inner>, now: UnixMs) {
    let since = now + -BACK_MS;
    let parts = match inner.store.parts_of_use(since, now, SESSION_WH).await {
        Ok(parts) => parts,
        Err(error) => {
            tracing::warn!("when chargers are used is learned anew: {error}");
            return;
        }
    };
    let mut sites: BTreeMap<SiteKey, Vec<(Place, Usage)>> = BTreeMap::new();
    for (place, counted) in counted(&parts) {
        let Some(record) = inner.directory.charger(place.0) else { continue };
        let Counted { hours, days, last } = counted;
        let usage = Usage::counted(hours, days, since.max(record.created_at), last);
        sites.entry(record.site).or_default().push((place, usage));
    }
    for (site, chargers) in sites {
        if inner.to_shard(site, ShardMessage::Usage(chargers)).await.is_err() {
            return;
        }
    }
}

/// By connector, and for each charger as a whole.
fn counted(parts: &[PartOfUse]) -> BTreeMap<Place, Counted> {
    let mut all: BTreeMap<Place, Counted> = BTreeMap::new();
    for row in parts {
        for place in [row.connector, ConnectorRef::CHARGER] {
            let counted = all.entry((row.charger, place)).or_default();
            let count = match row.part {
                DayPart::Hour(hour) => &mut counted.hours[usize::from(hour.min(23))],
                DayPart::Weekday(day) => &mut counted.days[usize::from(day.min(6))],
            };
            *count = count.saturating_add(u16::try_from(row.sessions).unwrap_or(u16::MAX));
            counted.last = counted.last.max(row.last);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ConnectorRef = ConnectorRef { evse: 1, connector: 1 };
    const TWO: ConnectorRef = ConnectorRef { evse: 2, connector: 1 };

    #[test]
    fn the_parts_of_a_connector_come_together() {
        let row = |charger, connector, part, sessions, last| PartOfUse {
            charger: ChargerKey(charger),
            connector,
            part,
            sessions,
            last: UnixMs(last),
        };
        let rows = [
            row(1, ONE, DayPart::Hour(8), 3, 50),
            row(1, ONE, DayPart::Hour(9), 4, 70),
            row(1, ONE, DayPart::Weekday(6), 7, 70),
            row(1, TWO, DayPart::Hour(8), 1, 60),
            row(2, ONE, DayPart::Hour(8), 1, 60),
        ];
        let all = counted(&rows);
        assert_eq!(all.len(), 5);
        let one = all[&(ChargerKey(1), ONE)];
        assert_eq!((one.hours[8], one.hours[9], one.days[6]), (3, 4, 7));
        assert_eq!(one.last, UnixMs(70));
        let whole = all[&(ChargerKey(1), ConnectorRef::CHARGER)];
        assert_eq!((whole.hours[8], whole.last), (4, UnixMs(70)));
        assert_eq!(all[&(ChargerKey(2), ONE)].hours[8], 1);
    }
}
