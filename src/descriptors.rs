//! File descriptors: how many connections the system lets this program hold.
//!
//! Each charger costs one. When they run out, nothing can be accepted any more: no page, no health
//! check, no file of the database (R13). So the chargers get a part of them, and no more.

use mendpoint_gateway::GatewaySettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for the database, pages, mail and whatever else is not a charger, where there are enough.
const KEPT: u64 = 512;
/// No more than this is asked for: it is a million chargers.
const ENOUGH: u64 = 1 << 20;

/// Asks the system for as many descriptors as it allows and lowers what the gateway may hold to
/// what there is.
pub(crate) fn fit(gateway: &mut GatewaySettings) {
    let Some(limit) = raised() else { return };
    let room = room(limit);
    gateway.handshakes_max = gateway.handshakes_max.min(room.handshakes);
    if gateway.max_connections > room.connections {
        gateway.max_connections = room.connections;
        tracing::warn!(
            descriptors = limit,
            connections = room.connections,
            "the system allows fewer open files than ocpp.max_connections needs; raise them \
             (ulimit -n, LimitNOFILE=) to connect more chargers"
        );
    }
}

/// The number of descriptors, after asking for all that may be had. `None` when there is no limit.
fn raised() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current?;
    let wanted = maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if wanted <= current {
        return Some(current);
    }
    let limit = Rlimit { current: Some(wanted), maximum };
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => Some(wanted),
        Err(error) => {
            tracing::debug!(%error, "the number of open files could not be raised");
            Some(current)
        }
    }
}

/// What the chargers may have.
#[derive(Debug, PartialEq, Eq)]
struct Room {
    /// Connections whose handshake is not over.
    handshakes: usize,
    /// Chargers.
    connections: usize,
}

fn room(descriptors: u64) -> Room {
    let kept = KEPT.min(descriptors / 3);
    let handshakes = (descriptors / 8).max(1);
    let connections = descriptors.saturating_sub(kept + handshakes).max(1);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Room { handshakes: count(handshakes), connections: count(connections) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_always_left_for_the_rest() {
        assert_eq!(room(256), Room { handshakes: 32, connections: 139 });
        assert_eq!(room(1), Room { handshakes: 1, connections: 1 });
        for descriptors in [1_024, 4_096, 65_536, 1 << 20] {
            let Room { handshakes, connections } = room(descriptors);
            let left = descriptors - (handshakes + connections) as u64;
            assert!(left >= 341, "{left} of {descriptors}");
        }
    }
}
