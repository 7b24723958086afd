//! How fast chargers use up their budgets of uptime, worked out from the ledgers and told to the engine
//! (`UPTIME_BUDGET`).

use std::collections::BTreeMap;

use mendpoint_incidents::UptimeBurn;
use mendpoint_model::{ChargerKey, DAY_MS, SiteKey, UnixMs};
use mendpoint_uptime::{Burn, Rounds, TARGET_PERCENT, may_lose};

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, clock};

/// Looks at the budgets, if it is time to.
pub(crate) async fn look(rounds: &mut Rounds, inner: &Inner, now: UnixMs) -> Result<(), Error> {
    if !rounds.is_due(now) {
        return Ok(());
    }
    if rounds.is_first() {
        // What was lost before our start counts as well.
        let days = inner.store.uptime_days(now - 3 * DAY_MS, now, None, None).await?;
        let lost = days.iter().filter(|day| day.spans.iter().any(|span| span.class.is_down()));
        rounds.lost_before(lost.map(|day| day.charger));
    }
    let down = inner.board.snapshot().1.into_iter().filter(|(_, cell)| may_lose(*cell));
    let due = rounds.turn(now, down.map(|(charger, _)| charger));
    let mut told: BTreeMap<SiteKey, Vec<(ChargerKey, UptimeBurn)>> = BTreeMap::new();
    for charger in due {
        let Some(record) = inner.directory.charger(charger) else {
            rounds.forget(charger);
            continue;
        };
        let burn = inner.burn(charger, TARGET_PERCENT).await?;
        if rounds.note(charger, &burn) {
            let burn = told_as(&burn, clock::now());
            told.entry(record.site).or_default().push((charger, burn));
        }
        tokio::task::yield_now().await;
    }
    for (site, burns) in told {
        inner.to_shard(site, ShardMessage::Burns(burns)).await?;
    }
    Ok(())
}

/// A burn as the engine is told of it.
fn told_as(burn: &Burn, at: UnixMs) -> UptimeBurn {
    UptimeBurn {
        five_minutes: burn.five_minutes,
        hour: burn.hour,
        six_hours: burn.six_hours,
        three_days: burn.three_days,
        at,
    }
}
