//! Figures of charging.

use std::ops::AddAssign;

/// The figures of charging, as sums that can be added up over days, sites and fleets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChargeFigures {
    /// Attempts that are judged.
    pub attempts: u64,
    /// Of those, in how many a transaction began.
    pub started: u64,
    /// Of those, how many were properly completed.
    pub completed: u64,
    /// Attempts that are neither: the driver's choice, refused places, our own doing.
    pub excused: u64,
    /// Visits.
    pub visits: u64,
    /// Of those, whose first attempt succeeded.
    pub visits_first: u64,
    /// Of those, with at least one success.
    pub visits_succeeded: u64,
}

impl ChargeFigures {
    /// First-time charge success rate: visits whose first attempt succeeded, of all visits.
    pub fn ftcsr(&self) -> Option<f64> {
        share(self.visits_first, self.visits)
    }

    /// Charging success rate (NOW, P3): attempts that started and were properly completed, of all,
    /// those that were the driver's choice included.
    pub fn csr(&self) -> Option<f64> {
        share(self.completed, self.attempts + self.excused)
    }

    /// Visits with at least one success, of all visits.
    pub fn visit_success(&self) -> Option<f64> {
        share(self.visits_succeeded, self.visits)
    }

    /// Technical success rate: the same as the charging success rate, without what drivers and their
    /// authorisation caused.
    pub fn tsr(&self) -> Option<f64> {
        share(self.completed, self.attempts)
    }
}

impl AddAssign for ChargeFigures {
    fn add_assign(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.started += other.started;
        self.completed += other.completed;
        self.excused += other.excused;
        self.visits += other.visits;
        self.visits_first += other.visits_first;
        self.visits_succeeded += other.visits_succeeded;
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rate_is_its_own_share() {
        let figures = ChargeFigures {
            attempts: 80,
            started: 70,
            completed: 60,
            excused: 20,
            visits: 50,
            visits_first: 30,
            visits_succeeded: 45,
        };
        assert_eq!(figures.csr(), Some(0.6), "60 of 80 and 20");
        assert_eq!(figures.tsr(), Some(0.75), "60 of 80");
        assert_eq!(figures.ftcsr(), Some(0.6), "30 of 50");
        assert_eq!(figures.visit_success(), Some(0.9), "45 of 50");
        let mut twice = figures;
        twice += figures;
        assert_eq!((twice.csr(), twice.visits), (figures.csr(), 100));
        let none = ChargeFigures::default();
        assert_eq!([none.csr(), none.tsr(), none.ftcsr(), none.visit_success()], [None; 4]);
    }
}
