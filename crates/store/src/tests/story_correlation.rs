//! What belongs together, on both databases.

use mendpoint_model::{Breadth, Cause, ChargerKey, Cohort, ExclusionProposal, IncidentId, UnixMs};

use super::kit::{incident, write};
use crate::{Entry, IncidentFilter, MergeCount, Store};

/// The part of the story that both databases tell. Its incidents have numbers below the others'.
pub(super) async fn correlation(store: &Store, registered: ChargerKey) {
    let charger = ChargerKey(7_007);
    let mut outage = incident(3, charger, 50);
    outage.rule = "SITE_OUTAGE".to_owned();
    outage.ties.breadth = Breadth::Site;
    let mut child = incident(4, charger, 60);
    child.ties.inhibited_by = Some(outage.id);
    let proposal = |until| ExclusionProposal {
        incident: outage.id,
        charger: registered,
        from: UnixMs(50),
        until: UnixMs(until),
        cause: Cause::Power,
        evidence: "4 of 4 chargers booted when they returned.".to_owned(),
    };
    let cohort = |firmware: &str| Cohort {
        vendor: "ACME".to_owned(),
        model: "X".to_owned(),
        firmware: firmware.to_owned(),
    };
    let vehicle = |failures, cleared_at| Entry::Vehicle {
        token: "BADCAR".to_owned(),
        since: UnixMs(40),
        last_at: UnixMs(90),
        seen: (failures, 2),
        cleared_at,
    };
    write(
        store,
        vec![
            Entry::Incident(Box::new(outage.clone())),
            Entry::Incident(Box::new(child.clone())),
            Entry::Exclusion(proposal(80)),
            Entry::Exclusion(proposal(95)),
            Entry::Firmware { charger, at: UnixMs(10), cohort: cohort("1.0") },
            Entry::Firmware { charger, at: UnixMs(70), cohort: cohort("1.1") },
            vehicle(3, None),
        ],
    )
    .await;

    let children = store.incident_children(outage.id, 10).await.expect("read");
    assert_eq!(children.iter().map(|child| child.id).collect::<Vec<_>>(), [IncidentId(4)]);
    let of = |hide_quiet| IncidentFilter {
        charger: Some(charger),
        hide_quiet,
        ..IncidentFilter::default()
    };
    let (all, _) = store.incidents(&of(false), None, 10).await.expect("read");
    let (loud, _) = store.incidents(&of(true), None, 10).await.expect("read");
    assert_eq!((all.len(), loud.len()), (2, 1), "what is explained can be left out");
    assert_eq!(loud[0].id, outage.id);

    assert!(store.exclusions_of(outage.id).await.expect("read").is_empty());
    assert_eq!(
        store.take_in_proposals().await.expect("taken"),
        1,
        "a later one replaces an earlier"
    );
    assert_eq!(store.take_in_proposals().await.expect("nothing left"), 0);
    let found = store.exclusions_of(outage.id).await.expect("read");
    let row = found.first().expect("it is among those that a person decides");
    let exclusion = &row.exclusion;
    assert_eq!((row.incident, &*row.proposed_by), (Some(outage.id), "engine"));
    assert_eq!((exclusion.charger, exclusion.until), (Some(registered), UnixMs(95)));
    assert_eq!(exclusion.decision, mendpoint_uptime::Decision::Proposed);
    assert!(exclusion.evidence.starts_with(&format!("{}: ", outage.id)), "{}", exclusion.evidence);
    // Told again, it is not asked again.
    write(store, vec![Entry::Exclusion(proposal(95))]).await;
    assert_eq!(store.take_in_proposals().await.expect("known"), 0);
    assert_eq!(store.exclusions_of(outage.id).await.expect("read"), found);

    let histories = store.firmware_histories().await.expect("read");
    let own: Vec<_> = histories.iter().filter(|(of, ..)| *of == charger).collect();
    assert_eq!(own.len(), 2);
    assert_eq!((own[0].1, own[1].2.firmware.as_str()), (UnixMs(10), "1.1"));
    let alerts = store.alerts_since(UnixMs(0)).await.expect("read");
    let own: Vec<_> = alerts.iter().filter(|(of, ..)| *of == charger).collect();
    assert_eq!(own.len(), 1, "an outage is no alert of a charger");

    let suspects = store.vehicle_suspects(10).await.expect("read");
    assert_eq!((suspects.len(), suspects[0].failures, suspects[0].sites), (1, 3, 2));
    write(store, vec![vehicle(4, Some(UnixMs(99)))]).await;
    assert!(store.vehicle_suspects(10).await.expect("read").is_empty());

    store.note_merge(&child, &outage, UnixMs(61), "ana").await.expect("written");
    store.note_split(child.id, UnixMs(62), "ben").await.expect("written");
    store.note_merge(&child, &outage, UnixMs(63), "ana").await.expect("written");
    let counts = store.merge_counts().await.expect("read");
    let (rule, into) = (child.rule.clone(), outage.rule.clone());
    assert_eq!(counts, [MergeCount { rule, into, merged: 2, split: 1 }]);
}
