//! Boots that nobody asked for (`BOOT_LOOP`).
//!
//! A boot is the first `BootNotification` of a connection: a charger that is not accepted yet, or
//! that is asked to, repeats it without having restarted. It was asked for when a reset or an update
//! of the firmware came before it, or when the charger says so.

use mendpoint_model::{Action, ChargerState, MINUTE_MS, Rung, UnixMs};

use crate::case::Watch;

/// A boot so soon after a reset of ours, or of a person, was asked for.
const ASKED_MS: i64 = 10 * MINUTE_MS;
/// An update of the firmware may restart a charger more than once, for this long after its last word.
const UPDATE_MS: i64 = 60 * MINUTE_MS;

/// What is known of a charger's boots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Boots {
    /// The connection it booted on last.
    epoch: Option<u64>,
    /// When somebody last sent what makes it restart.
    asked_at: Option<UnixMs>,
}

impl Boots {
    /// A command of a person or of the program is on its way.
    pub(crate) fn note_command(&mut self, now: UnixMs, action: &Action) {
        const RAW: [&str; 4] =
            ["Reset", "UpdateFirmware", "SignedUpdateFirmware", "PublishFirmware"];
        let restarts = match action {
            Action::Reset { .. } | Action::UpdateFirmware(_) => true,
            Action::Raw { action, .. } => RAW.contains(&action.as_str()),
            _ => false,
        };
        if restarts {
            self.asked_at = Some(now);
        }
    }

    /// It booted on this connection; says whether that is a restart.
    fn is_restart(&mut self, epoch: u64) -> bool {
        self.epoch.replace(epoch) != Some(epoch)
    }
}

impl Watch {
    /// A boot was told. Says whether the charger restarted and nobody asked for it.
    pub(crate) fn is_unasked_boot(
        &mut self,
        now: UnixMs,
        epoch: u64,
        reason: Option<&str>,
        charger: &ChargerState,
    ) -> bool {
        const ASKED: [&str; 4] = ["RemoteReset", "ScheduledReset", "FirmwareUpdate", "Triggered"];
        const UPDATES: [&str; 6] = [
            "Downloaded",
            "SignatureVerified",
            "Installing",
            "InstallRebooting",
            "InstallVerified",
            "Installed",
        ];
        let restarted = self.boots.is_restart(epoch);
        let lately = |at: UnixMs| now.since_ms(at) <= ASKED_MS;
        let resets = |rung| matches!(rung, Rung::L4 | Rung::L5 | Rung::L6);
        let is_asked = reason.is_some_and(|reason| ASKED.contains(&reason))
            || self.boots.asked_at.is_some_and(lately)
            || self.actions.iter().any(|action| resets(action.rung) && lately(action.at))
            || charger.firmware_status.as_ref().is_some_and(|(at, word)| {
                UPDATES.contains(&word.as_ref()) && now.since_ms(*at) <= UPDATE_MS
            });
        restarted && !is_asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{ONE, World};

    #[test]
    fn a_boot_is_a_restart_once_a_connection_and_unless_somebody_asked_for_it() {
        const NOW: UnixMs = UnixMs(1_790_000_000_000);
        let mut world = World::new();
        world.add(ONE);
        let charger = world.state(ONE).clone();
        let mut watch = Watch::default();
        assert!(watch.is_unasked_boot(NOW, 1, None, &charger));
        assert!(!watch.is_unasked_boot(NOW, 1, None, &charger), "the same one, told again");
        assert!(watch.is_unasked_boot(NOW, 2, Some("PowerUp"), &charger));
        assert!(!watch.is_unasked_boot(NOW, 3, Some("RemoteReset"), &charger));
        watch.boots.note_command(NOW, &Action::Reset { hard: false, evse: None });
        assert!(!watch.is_unasked_boot(NOW + ASKED_MS, 4, None, &charger));
        assert!(watch.is_unasked_boot(NOW + ASKED_MS + 1, 5, None, &charger));
        let mut charger = charger;
        charger.firmware_status = Some((NOW + ASKED_MS, "Installing".into()));
        assert!(!watch.is_unasked_boot(NOW + ASKED_MS + 2, 6, None, &charger));
    }
}
