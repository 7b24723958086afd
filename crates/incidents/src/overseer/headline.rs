//! What an outage is called: written anew while more is lost.

use mendpoint_model::{Breadth, Outage};

use crate::duration::duration_words;

/// Headline and description of an outage; none for what is about one charger or a firmware.
pub(crate) fn headline(breadth: &Breadth, outage: &Outage) -> Option<(String, String)> {
    match breadth {
        Breadth::Site => Some(of_site(outage)),
        Breadth::Carrier(name) => Some(of_carrier(outage, name)),
        Breadth::Fleet => Some(of_fleet(outage)),
        Breadth::Charger | Breadth::Cohort(_) => None,
    }
}

fn of_site(outage: &Outage) -> (String, String) {
    let newest = outage.members.iter().map(|member| member.lost_at).max();
    let within = newest.map_or(0, |at| at.since_ms(outage.began_at));
    let within = if within < 1_000 {
        "at once".to_owned()
    } else {
        format!("within {}", duration_words(within))
    };
    let (lost, of) = (outage.lost, outage.of);
    let title = format!("Site outage: {lost} of {of} chargers lost {within}");
    let description = format!(
        "{lost} of the {of} chargers that were online at this site lost their connection {within}. \
         That is one cause and not {lost}: the power or the network of the site, or its mobile \
         operator. Which one shows when they return."
    );
    (title, description)
}

fn of_carrier(outage: &Outage, name: &str) -> (String, String) {
    let (lost, sites) = (outage.lost, sites_words(outage.sites));
    let title = format!("Mobile network outage: {lost} chargers at {sites} ({name})");
    let description = format!(
        "{lost} chargers at {sites} with SIM cards of one operator ({name}) lost their \
         connection together. Nothing can be done to them from here; the operator can tell when it \
         will be over."
    );
    (title, description)
}

fn of_fleet(outage: &Outage) -> (String, String) {
    let (lost, of, sites) = (outage.lost, outage.of, sites_words(outage.sites));
    let percent = lost * 100 / of.max(1);
    let title = format!("Fleet blind: {lost} of {of} chargers lost at once");
    let description = format!(
        "{percent} % of the fleet at {sites} lost its connection together. So many at once are \
         taken to be our own fault or that of the way to us: nothing is told of single chargers, and \
         nothing is sent to any until they are back."
    );
    (title, description)
}

/// "1 site", "2 sites".
pub(super) fn sites_words(sites: u32) -> String {
    match sites {
        1 => "1 site".to_owned(),
        sites => format!("{sites} sites"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_site_is_no_plural() {
        assert_eq!(sites_words(1), "1 site");
        assert_eq!(sites_words(2), "2 sites");
        let fleet = Outage { lost: 9, of: 10, sites: 1, ..Outage::default() };
        assert!(
            of_fleet(&fleet).1.contains("of the fleet at 1 site lost"),
            "{:?}",
            of_fleet(&fleet)
        );
    }
}
