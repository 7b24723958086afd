//! Drivers who report a charger.

/// Who takes the reports of drivers: the demo posts them to the public report address.
pub trait Reporter: Send + Sync + 'static {
    /// Takes one report. Called from the simulation's task: it must not block.
    fn report(&self, report: DriverReport);
}

/// What a driver says about a charger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverReport {
    /// OCPP identity of the charger; what is public is the server's to look up.
    pub identity: String,
    /// Name of the site.
    pub site: String,
    /// Connector, from 1, if the driver says.
    pub connector: Option<u16>,
    /// Code of the reason: `not_working`, `broken`, `charge_interrupted`, ..
    pub reason: &'static str,
    /// What the driver wrote; may be empty.
    pub text: String,
}

/// The reasons that drivers pick here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportReason {
    NotWorking,
    Broken,
    ChargeInterrupted,
    BlockedByCar,
    Inaccessible,
    Other,
}

impl ReportReason {
    pub(crate) fn of_broken(draw: usize) -> Self {
        [Self::NotWorking, Self::NotWorking, Self::ChargeInterrupted, Self::Broken][draw % 4]
    }

    pub(crate) fn of_working(draw: usize) -> Self {
        [Self::BlockedByCar, Self::Broken, Self::Inaccessible, Self::Other][draw % 4]
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotWorking => "not_working",
            Self::Broken => "broken",
            Self::ChargeInterrupted => "charge_interrupted",
            Self::BlockedByCar => "blocked_by_car",
            Self::Inaccessible => "inaccessible",
            Self::Other => "other",
        }
    }

    pub(crate) fn text(self, draw: usize) -> &'static str {
        let texts: [&'static str; 2] = match self {
            Self::NotWorking => ["The screen says out of order.", "Nothing happens with my card."],
            Self::Broken => ["The cable is damaged near the plug.", "The plug does not lock."],
            Self::ChargeInterrupted => ["It stopped after a minute.", "Charging ended by itself."],
            Self::BlockedByCar => ["A petrol car stands in the bay.", ""],
            Self::Inaccessible => ["The barrier is closed.", "The way in is dug up."],
            Self::Other => ["The display cannot be read in the sun.", "The light is out at night."],
        };
        texts[draw % 2]
    }
}
