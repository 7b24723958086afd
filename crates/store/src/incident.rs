use std::collections::BTreeMap;

use mendpoint_model::{
    ChargerKey, HOUR_MS, Incident, IncidentId, IncidentState, SiteKey, Source, StepState,
    TimelineEntry, UnixMs,
};

use crate::cursor::{page, rows_of};
use crate::db::{Columns, all, one, read};
use crate::{Cursor, Page, Result, Store};

const ONE: &str = "SELECT json FROM incident WHERE incident_id = $1";
/// The states are nine at most: a shorter choice repeats its first. One text for all chargers and
/// one for a single one, so that each finds its index.
macro_rules! list {
    ($charger:literal) => {
        concat!(
            "SELECT i.json FROM incident i
    WHERE i.state IN ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      AND ",
            $charger,
            "
      AND (CAST($10 AS BIGINT) IS NULL OR i.needs_person = $10)
      AND (CAST($12 AS BIGINT) IS NULL OR i.site_key = $12)
      AND (CAST($13 AS TEXT) IS NULL OR i.rule = $13)
      AND (CAST($14 AS TEXT) IS NULL OR i.code = $14 OR i.rule = $14)
      AND (CAST($15 AS TEXT) IS NULL OR i.source = $15)
      AND (CAST($16 AS TEXT) IS NULL OR LOWER(i.title) LIKE $16 ESCAPE '!'
        OR LOWER(i.rule) LIKE $16 ESCAPE '!' OR LOWER(i.code) LIKE $16 ESCAPE '!'
        OR EXISTS (SELECT 1 FROM charger c WHERE c.charger_key = i.charger_key
            AND (LOWER(c.identity) LIKE $16 ESCAPE '!' OR LOWER(c.name) LIKE $16 ESCAPE '!'))
        OR EXISTS (SELECT 1 FROM site s WHERE s.site_key = i.site_key
            AND LOWER(s.name) LIKE $16 ESCAPE '!'))
      AND (i.opened_at_ms, i.incident_id) < ($17, $18)
      AND ($20 = 0 OR i.quiet = 0)
    ORDER BY i.opened_at_ms DESC, i.incident_id DESC LIMIT $19"
        )
    };
}
const LIST: &str = list!("CAST($11 AS BIGINT) IS NULL");
const LIST_OF: &str = list!("i.charger_key = $11");
const OPEN_AND_RECENT: &str = "SELECT json FROM incident
    WHERE state IN ('open', 'healing', 'verifying', 'recovered_unproven', 'escalated',
        'acknowledged', 'in_progress') OR updated_at_ms >= $1
    ORDER BY incident_id";
const COUNTS: &str = "SELECT state, needs_person, COUNT(*) FROM incident
    GROUP BY state, needs_person";
/// A ticket alone is no person's work: many are closed by the charger before anybody has read them.
/// What somebody did with one is.
const STATS: &str = "SELECT i.opened_at_ms, i.resolved_at_ms, i.healed,
        CASE WHEN i.had_person = 1 OR EXISTS (SELECT 1 FROM ticket_event e
            WHERE e.ticket_id = i.ticket_id
              AND (e.kind IN ('accepted', 'declined', 'travel_started', 'arrived', 'work_started',
                    'waiting_began', 'resolved', 'reopened', 'noted')
                OR (e.kind IN ('opened', 'cancelled')
                    AND e.actor NOT IN ('engine', 'charger', 'system'))))
        THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END
    FROM incident i WHERE i.opened_at_ms >= $1 OR i.resolved_at_ms >= $1";
const SIMILAR: &str = "SELECT i.json FROM incident i
    LEFT JOIN charger c ON c.charger_key = i.charger_key
    LEFT JOIN charger m ON m.charger_key = $3
    WHERE i.rule = $1 AND i.code = $2 AND i.incident_id <> $4
      AND (i.charger_key = $3 OR (c.model = m.model AND c.vendor = m.vendor AND c.model <> ''))
    ORDER BY CASE WHEN i.charger_key = $3 THEN 0 ELSE 1 END, i.opened_at_ms DESC,
        i.incident_id DESC LIMIT $5";
const TIMELINE: &str = "SELECT json FROM timeline WHERE incident_id = $1 ORDER BY at_ms, id";

/// Which incidents to list; what is `None` or empty does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// In one of these states.
    pub states: Vec<IncidentState>,
    /// Whether a person has to act.
    pub needs_person: Option<bool>,
    /// Of this charger.
    pub charger: Option<ChargerKey>,
    /// Of this site.
    pub site: Option<SiteKey>,
    /// Opened by this rule.
    pub rule: Option<String>,
    /// With this error code, or opened by the rule of this name: what people call the reason.
    pub reason: Option<String>,
    /// Found by.
    pub source: Option<Source>,
    /// Leave out what another incident explains, or what is kept quiet.
    pub hide_quiet: bool,
    /// With this text in the title, rule, code, charger or site; any case for Latin letters.
    pub text: Option<String>,
}

/// How many incidents are in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentCounts {
    /// By state; states without any are left out.
    pub by_state: BTreeMap<IncidentState, u64>,
    /// How many that are not over need a person.
    pub needs_person: u64,
}

/// What happened within one hour, or another stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourStats {
    /// When it began.
    pub from: UnixMs,
    /// Incidents opened in it.
    pub opened: u64,
    /// Resolved in it because our repair worked, with no person in it.
    pub healed: u64,
    /// Resolved in it with a person's work.
    pub by_person: u64,
    /// Resolved in it by themselves.
    pub by_itself: u64,
}

/// Whether a person had a part in it: somebody took it, stopped its repair or ended it, or it waits
/// for somebody. What was done with its ticket is in the ticket's history.
pub(crate) fn had_person(incident: &Incident) -> bool {
    incident.needs_person
        || incident.owner.is_some()
        || incident.resolution.starts_with("Resolved by ")
        || incident.healing.as_ref().is_some_and(|healing| healing.stopped_by.is_some())
}

/// Whether our own repair ended it.
pub(crate) fn is_healed(incident: &Incident) -> bool {
    let fixed = incident
        .healing
        .as_ref()
        .is_some_and(|healing| healing.steps.iter().any(|step| step.state == StepState::Fixed));
    fixed && !had_person(incident)
}

fn incident(row: &impl Columns) -> Result<Incident> {
    row.json(0, "an incident")
}

/// A pattern that finds the text anywhere, whatever signs it has.
pub(crate) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.trim().to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Store {
    /// Incidents, newest first.
    pub async fn incidents(
        &self,
        filter: &IncidentFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Incident>> {
        let from = Cursor::or_start(cursor);
        let chosen =
            if filter.states.is_empty() { &IncidentState::ALL[..] } else { &filter.states };
        let states = (0..IncidentState::ALL.len())
            .map(|index| chosen.get(index).or(chosen.first()).map_or("", |state| state.name()));
        let sql = if filter.charger.is_some() { LIST_OF } else { LIST };
        let rows = read!(&self.db, conn => {
            let mut query = sqlx::query(sql);
            for state in states.clone() {
                query = query.bind(state);
            }
            let rows = query
                .bind(filter.needs_person.map(i64::from))
                .bind(filter.charger.map(|charger| i64::from(charger.0)))
                .bind(filter.site.map(|site| i64::from(site.0)))
                .bind(filter.rule.as_deref())
                .bind(filter.reason.as_deref())
                .bind(filter.source.map(Source::name))
                .bind(filter.text.as_deref().map(pattern))
                .bind(from.at)
                .bind(from.id)
                .bind(rows_of(limit))
                .bind(i64::from(filter.hide_quiet))
                .fetch_all(conn)
                .await?;
            all(&rows, incident)
        })?;
        Ok(page(rows, limit, |incident| (incident.opened_at.0, incident.id.0)))
    }

    /// One incident.
    pub async fn incident(&self, id: IncidentId) -> Result<Option<Incident>> {
        read!(&self.db, conn => {
            let query = sqlx::query(ONE).bind(id.0);
            one(query.fetch_optional(conn).await?.as_ref(), incident)
        })
    }

    /// The history of an incident, oldest first.
    pub async fn timeline(&self, id: IncidentId) -> Result<Vec<TimelineEntry>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(TIMELINE).bind(id.0).fetch_all(conn).await?;
            all(&rows, |row| row.json(0, "a timeline entry"))
        })
    }

    /// Incidents that are not over, and those that changed since then, by number: what the engine
    /// needs to go on after a restart.
    pub async fn open_and_recent_incidents(&self, since: UnixMs) -> Result<Vec<Incident>> {
        read!(&self.db, conn => {
            let query = sqlx::query(OPEN_AND_RECENT).bind(since.0);
            all(&query.fetch_all(conn).await?, incident)
        })
    }

    /// How many incidents there are.
    pub async fn incident_counts(&self) -> Result<IncidentCounts> {
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(COUNTS).fetch_all(conn).await?;
            all(&rows, |row| Ok((row.text(0)?, row.truth(1)?, row.number::<u64>(2)?)))
        })?;
        let mut counts = IncidentCounts::default();
        for (state, needs_person, count) in rows {
            let Some(state) = IncidentState::from_name(&state) else { continue };
            *counts.by_state.entry(state).or_default() += count;
            if needs_person && !state.is_over() {
                counts.needs_person += count;
            }
        }
        Ok(counts)
    }

    /// The last `hours` hours, oldest first; the last one ends at `now`.
    pub async fn incident_hours(&self, now: UnixMs, hours: u32) -> Result<Vec<HourStats>> {
        self.incident_parts(now, HOUR_MS, hours).await
    }

    /// The same for stretches of `part_ms` milliseconds; the last of the `parts` ends at `now`.
    pub async fn incident_parts(
        &self,
        now: UnixMs,
        part_ms: i64,
        parts: u32,
    ) -> Result<Vec<HourStats>> {
        let part_ms = part_ms.max(1);
        let start = now - i64::from(parts) * part_ms;
        let rows = read!(&self.db, conn => {
            let rows = sqlx::query(STATS).bind(start.0).fetch_all(conn).await?;
            all(&rows, |row| {
                Ok((row.int(0)?, row.int_or_null(1)?, row.truth(2)?, row.truth(3)?))
            })
        })?;
        let mut stats: Vec<HourStats> = (0..i64::from(parts))
            .map(|part| HourStats { from: start + part * part_ms, ..HourStats::default() })
            .collect();
        let index = |at: i64| {
            let part = UnixMs(at).since_ms(start).div_euclid(part_ms);
            // What happens in this very millisecond belongs to the last one.
            let last = i64::from(parts) - 1;
            usize::try_from(if at == now.0 { last } else { part }).ok()
        };
        for (opened_at, resolved_at, healed, had_person) in rows {
            if let Some(hour) = index(opened_at).and_then(|index| stats.get_mut(index)) {
                hour.opened += 1;
            }
            let resolved = resolved_at.and_then(index);
            if let Some(hour) = resolved.and_then(|index| stats.get_mut(index)) {
                match (healed, had_person) {
                    (_, true) => hour.by_person += 1,
                    (true, false) => hour.healed += 1,
                    (false, false) => hour.by_itself += 1,
                }
            }
        }
        Ok(stats)
    }

    /// Incidents of the same rule and code on the same charger, then on chargers of the same
    /// model, newest first.
    pub async fn similar_incidents(&self, to: &Incident, limit: u32) -> Result<Vec<Incident>> {
        read!(&self.db, conn => {
            let rows = sqlx::query(SIMILAR)
                .bind(&to.rule)
                .bind(&to.code)
                .bind(i64::from(to.charger.0))
                .bind(to.id.0)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            all(&rows, incident)
        })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn signs_of_a_pattern_are_taken_as_they_are() {
        assert_eq!(super::pattern(" 5%_A! "), "%5!%!_a!!%");
    }
}
