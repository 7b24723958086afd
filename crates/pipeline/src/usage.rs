//! When chargers were used before our start, for rules about unusual silence: rebuilt from the sessions
//! in the database, beside everything else, because nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_incidents::Usage;
use mendpoint_model::{ChargerKey, DAY_MS, SiteKey, UnixMs};
use mendpoint_store::HourOfUse;

use crate::message::ShardMessage;
use crate::pipeline::Inner;

/// How far back it goes.
const BACK_MS: i64 = 28 * DAY_MS;
/// What makes a session, Wh.
const SESSION_WH: f64 = 100.0;

/// Reads the past use of all chargers and hands it to their shards.
pub(crate) async fn restore(inner: Arc<Inner>, now: UnixMs) {
    let since = now + -BACK_MS;
    let hours = match inner.store.hours_of_use(since, now, SESSION_WH).await {
        Ok(hours) => hours,
        Err(error) => {
            tracing::warn!("when chargers are used is learned anew: {error}");
            return;
        }
    };
    let mut sites: BTreeMap<SiteKey, Vec<(ChargerKey, Usage)>> = BTreeMap::new();
    for (charger, usage) in usages(&hours, since) {
        let Some(record) = inner.directory.charger(charger) else { continue };
        let usage = Usage { since: usage.since.max(record.created_at), ..usage };
        sites.entry(record.site).or_default().push((charger, usage));
    }
    for (site, chargers) in sites {
        if inner.to_shard(site, ShardMessage::Usage(chargers)).await.is_err() {
            return;
        }
    }
}

fn usages(hours: &[HourOfUse], since: UnixMs) -> Vec<(ChargerKey, Usage)> {
    let mut all: Vec<(ChargerKey, Usage)> = Vec::new();
    for row in hours {
        if all.last().is_none_or(|(charger, _)| *charger != row.charger) {
            all.push((row.charger, Usage::new(since)));
        }
        let Some((_, usage)) = all.last_mut() else { continue };
        usage.hours[usize::from(row.hour)] = u16::try_from(row.sessions).unwrap_or(u16::MAX);
        usage.last = usage.last.max(row.last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hours_of_a_charger_come_together() {
        let row = |charger, hour, sessions, last| HourOfUse {
            charger: ChargerKey(charger),
            hour,
            sessions,
            last: UnixMs(last),
        };
        let rows = [row(1, 8, 3, 50), row(1, 9, 4, 70), row(2, 8, 1, 60)];
        let all = usages(&rows, UnixMs(10));
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].1.hours[8], all[0].1.hours[9], all[0].1.last), (3, 4, UnixMs(70)));
        assert_eq!((all[1].1.hours[8], all[1].1.since), (1, UnixMs(10)));
    }
}
