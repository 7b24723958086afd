//! When a charger was connected, when it was not, and when nobody could know, because we did not run or
//! did not see.

use mendpoint_model::{MINUTE_MS, UnixMs};

/// How long a charger has to come back when we ended its connection and no stop of ours is known: the
/// least grace that a start gives.
const GRACE_MS: i64 = 10 * MINUTE_MS;
/// A boot so soon after the return belongs to it.
const BOOT_MS: i64 = 10 * MINUTE_MS;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It opened.
    Opened,
    /// It ended: by the charger, by the network, or by us for a reason that the charger gave.
    Ended,
    /// We ended it because we stopped: nobody lost anything then.
    EndedByUs,
}

/// A time in which we did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Our last sign of life.
    pub from: UnixMs,
    /// When we ran again.
    pub until: UnixMs,
    /// Until when a charger that was connected before had its fair chance to come back (1.2).
    pub grace_until: UnixMs,
}

/// How a charger was connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// It was.
    Open,
    /// It lost its connection.
    Lost,
    /// It had its chance to come back after a stop of ours, and did not.
    Missing,
    /// Nobody can know.
    Unknown,
}

/// A time of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: UnixMs,
    /// `None`: it goes on.
    pub(crate) until: Option<UnixMs>,
    pub(crate) what: Connection,
    /// Whether the charger was connected again at its end.
    pub(crate) returned: bool,
}

/// The stretches of a charger, in order and without gaps, from its first connection on.
pub(crate) fn stretches(
    links: &[(UnixMs, Link)],
    stops: &[Stop],
    blind: &[(UnixMs, UnixMs)],
    power_ups: &[UnixMs],
) -> Vec<Stretch> {
    let mut walk = Walk::default();
    let mut stops = stops.to_vec();
    stops.sort_by_key(|stop| stop.from);
    let mut next_stop = stops.iter().peekable();
    for (at, link) in links {
        // What happened at the very moment of our last sign of life was before the stop.
        while let Some(stop) = next_stop.next_if(|stop| stop.from < *at) {
            walk.stopped(stop);
        }
        let stop = stops.iter().rev().find(|stop| stop.from <= *at && *at < stop.until);
        let blind = blind.iter().find(|(from, until)| from <= at && at < until);
        walk.link(*at, *link, stop, blind.map(|(_, until)| *until));
    }
    for stop in next_stop {
        walk.stopped(stop);
    }
    walk.settle(None);
    walk.finish(&stops, power_ups)
}

/// The transitions so far.
#[derive(Default)]
struct Walk {
    turns: Vec<(UnixMs, Connection)>,
    /// When what is unknown now becomes an outage, unless the charger is back.
    unknown_until: Option<UnixMs>,
}

impl Walk {
    fn now(&self) -> Option<Connection> {
        self.turns.last().map(|(_, what)| *what)
    }

    fn turn(&mut self, at: UnixMs, what: Connection) {
        if self.now() != Some(what) {
            self.turns.push((at, what));
        }
        if what != Connection::Unknown {
            self.unknown_until = None;
        }
    }

    fn unknown(&mut self, at: UnixMs, until: UnixMs) {
        self.turn(at, Connection::Unknown);
        self.unknown_until = self.unknown_until.max(Some(until));
    }

    /// What is not back by its time is missing from then on.
    fn settle(&mut self, before: Option<UnixMs>) {
        if let Some(until) = self.unknown_until
            && before.is_none_or(|before| until <= before)
        {
            self.turn(until, Connection::Missing);
        }
    }

    fn stopped(&mut self, stop: &Stop) {
        self.settle(Some(stop.from));
        if matches!(self.now(), Some(Connection::Open | Connection::Unknown)) {
            self.unknown(stop.from, stop.grace_until);
        }
    }

    fn link(&mut self, at: UnixMs, link: Link, stop: Option<&Stop>, blind: Option<UnixMs>) {
        self.settle(Some(at));
        match (link, stop) {
            // Written after our last sign of life; the connection ended with us at the latest.
            (Link::Opened, Some(stop)) if stop.from < at => self.unknown(at, stop.grace_until),
            (Link::Opened, _) => self.turn(at, Connection::Open),
            (Link::EndedByUs, _) => {
                if matches!(self.now(), None | Some(Connection::Open | Connection::Unknown)) {
                    let until = stop.map_or(at + GRACE_MS, |stop| stop.grace_until);
                    self.unknown(at, until);
                }
            }
            (Link::Ended, _) => match (self.now(), blind) {
                (Some(Connection::Lost | Connection::Missing), _) => {}
                (_, Some(until)) => self.unknown(at, until),
                (_, None) => self.turn(at, Connection::Lost),
            },
        }
    }

    fn finish(self, stops: &[Stop], power_ups: &[UnixMs]) -> Vec<Stretch> {
        let mut out = Vec::with_capacity(self.turns.len());
        for (index, (from, what)) in self.turns.iter().enumerate() {
            let mut later = self.turns[index + 1..].iter().copied();
            let next = later.next();
            let until = next.map(|(at, _)| at);
            let opened = |turn: &(UnixMs, Connection)| turn.1 == Connection::Open;
            let stretch = Stretch {
                from: *from,
                until,
                what: *what,
                returned: next.is_some_and(|t| opened(&t)),
            };
            let back = next.into_iter().chain(later).find(opened).map(|(at, _)| at);
            let had_no_power = back.is_some_and(|back| {
                power_ups.iter().any(|at| *at >= back && at.since_ms(back) <= BOOT_MS)
            });
            match until.filter(|_| had_no_power && *what == Connection::Unknown) {
                None => out.push(stretch),
                Some(end) => {
                    // It had no power when it could have come back: that is no doing of ours. What
                    // was before we ran again stays unknown.
                    let touches = |stop: &&Stop| stop.from <= end && stop.grace_until >= *from;
                    let ran = stops.iter().rev().find(touches).map_or(*from, |stop| stop.until);
                    let cut = ran.clamp(*from, end);
                    if cut > *from {
                        out.push(Stretch { until: Some(cut), returned: false, ..stretch });
                    }
                    if cut < end {
                        out.push(Stretch { from: cut, what: Connection::Lost, ..stretch });
                    }
                }
            }
        }
        out
    }
}
