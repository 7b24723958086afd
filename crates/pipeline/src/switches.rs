//! The switches that stop healing (G11): in every shard at once, kept over restarts, with who switched
//! them and when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use mendpoint_incidents::{KillScope, Request};
use mendpoint_model::{IncidentId, UnixMs};
use mendpoint_store::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::message::ShardMessage;
use crate::pipeline::Inner;
use crate::{Error, Handle, clock};

/// Under which name the places are kept where healing is stopped.
const PLACES: &str = "kill_switches";
/// Who stopped it there, and when. Apart from the places: those were kept before this was.
const WHO: &str = "kill_switches_by";

/// Who stopped healing somewhere, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switched {
    /// A person's name, or a token's.
    pub by: String,
    /// When.
    pub at: UnixMs,
}

/// Where healing is stopped. It is not known by whom where that was before it was kept.
pub(crate) type Switches = BTreeMap<KillScope, Option<Switched>>;

/// Reads what was stopped before a restart.
pub(crate) async fn read(store: &Store) -> Result<Switches, Error> {
    let Some(text) = store.get_value(PLACES).await? else { return Ok(Switches::new()) };
    let places: BTreeSet<KillScope> = serde_json::from_str(&text).unwrap_or_else(|_| {
        // Unreadable means somebody wrote into it: the safe reading is "stop".
        tracing::error!("the stored kill switches are unreadable; healing stays off");
        BTreeSet::from([KillScope::Global])
    });
    let who = store.get_value(WHO).await?;
    let who: Vec<(KillScope, Switched)> =
        who.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let by = |place: &KillScope| who.iter().find(|(of, _)| of == place).map(|(_, by)| by.clone());
    Ok(places.into_iter().map(|place| (place.clone(), by(&place))).collect())
}

impl Inner {
    /// Turns healing off or on again, in every shard, and keeps it over restarts.
    pub(crate) async fn kill_switch(
        &self,
        scope: KillScope,
        on: bool,
        user: String,
    ) -> Result<IncidentId, Error> {
        let (places, who) = {
            let mut switches = self.kill_switches.lock().unwrap_or_else(PoisonError::into_inner);
            if on {
                // Who stopped it first stopped it; a second press changes nothing.
                let switched = Switched { by: user.clone(), at: clock::now() };
                switches.entry(scope.clone()).or_insert(Some(switched));
            } else {
                switches.remove(&scope);
            }
            let who: Vec<(&KillScope, &Switched)> =
                switches.iter().filter_map(|(of, by)| Some((of, by.as_ref()?))).collect();
            let places: Vec<&KillScope> = switches.keys().collect();
            let text = |json: Result<String, serde_json::Error>| json.unwrap_or_default();
            (text(serde_json::to_string(&places)), text(serde_json::to_string(&who)))
        };
        // First the shards, then the disk: stopping must not wait for a slow database.
        let shards = self.shards.load_full().ok_or(Error::Stopping)?;
        for shard in shards.iter() {
            let request = Request::KillSwitch { scope: scope.clone(), on, user: user.clone() };
            let (sender, receiver) = oneshot::channel();
            shard
                .send(ShardMessage::Request(request, sender))
                .await
                .map_err(|_| Error::Stopping)?;
            receiver.await.map_err(|_| Error::Stopping)??;
        }
        self.store.set_value(PLACES, &places).await?;
        self.store.set_value(WHO, &who).await?;
        let action = if on { "healing stopped" } else { "healing allowed" };
        self.audit(&user, action, &self.place_of(&scope)).await;
        self.topics.touch(|versions| versions.incidents += 1);
        Ok(IncidentId(0))
    }

    /// A place as the audit log names it.
    fn place_of(&self, scope: &KillScope) -> String {
        match scope {
            KillScope::Global => "everywhere".to_owned(),
            KillScope::Site(site) => match self.directory.site(*site) {
                Some(site) => format!("site {}", site.name),
                None => format!("site {site}"),
            },
            KillScope::Charger(charger) => match self.directory.charger(*charger) {
                Some(charger) => format!("charger {}", charger.identity),
                None => format!("charger {charger}"),
            },
        }
    }

    /// Which parts of the fleet are not healed now, by order of a person.
    pub(crate) fn kill_switches(&self) -> Vec<KillScope> {
        let switches = self.kill_switches.lock().unwrap_or_else(PoisonError::into_inner);
        switches.keys().cloned().collect()
    }
}

impl Handle {
    /// Where healing is stopped by people, by whom and since when, as far as that is known.
    pub fn healing_stopped(&self) -> BTreeMap<KillScope, Option<Switched>> {
        self.0.kill_switches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
