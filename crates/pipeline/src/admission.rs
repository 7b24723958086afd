//! Who may connect: identity, password or certificate, decided before the WebSocket handshake is
//! answered. A charger that is known costs no query (behaviour 21).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use mendpoint_model::{
    Admission, ChargerKey, ChargerRecord, ClientCertificate, SecurityProfile, SiteKey, UnixMs,
};
use mendpoint_store::Slot;
use tokio::time::timeout;

use crate::access::{Granted, Owner, Password, Way};
use crate::keyring::Fit;
use crate::pipeline::Inner;
use crate::{NewCharger, UnknownChargers, clock};

/// How long a charger that nobody registered waits to be entered, and how long nobody else tries
/// after that failed: while the database is away, a fleet at the door gets its 503 at once.
const ENTER_WAIT: Duration = Duration::from_secs(2);
const ENTER_PAUSE_MS: i64 = 5_000;

/// When entering a charger failed last.
#[derive(Debug, Default)]
pub(crate) struct LastFailure(AtomicI64);

/// A charger at the door.
#[derive(Clone, Copy, Debug)]
pub struct Door<'a> {
    /// What it calls itself.
    pub identity: &'a str,
    /// User name and password of Basic authentication, as bytes (behaviour 16).
    pub credentials: Option<(&'a [u8], &'a [u8])>,
    /// Where it comes from.
    pub remote: IpAddr,
    /// Whether its connection is encrypted, by us or by a trusted proxy.
    pub tls: bool,
    /// The profile of the listener it came to: the weakest way in there.
    pub listener: SecurityProfile,
    /// The certificate it showed, with a chain that was found good.
    pub certificate: Option<&'a ClientCertificate>,
}

/// What a charger is let in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Its handle.
    pub charger: ChargerKey,
    /// Its site.
    pub site: SiteKey,
    /// Whether its boots are accepted; else they are answered Pending.
    pub accepted: bool,
    /// The number of this connection: larger than every one before (behaviour 1).
    pub epoch: u64,
    /// Heartbeat interval to tell it, in seconds.
    pub heartbeat_interval_s: u32,
    /// Whether its payloads are checked against the standard.
    pub strict: bool,
    /// How it came in.
    pub profile: SecurityProfile,
}

/// Why a charger is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Nobody registered it, or it is blocked: 404.
    Unknown,
    /// Wrong or missing password, or a way in that is too weak for it: 401. The reason is for the
    /// security log.
    Unauthorized(&'static str),
    /// Too many wrong passwords: 429, with the time to wait in seconds.
    TooMany(u32),
    /// We cannot tell now (the database is away): 503, it will come back.
    Unavailable,
}

impl Inner {
    /// Decides on a connection.
    pub(crate) async fn admit(&self, door: Door<'_>) -> Result<Admitted, NotAdmitted> {
        let now = clock::now();
        let password = door.credentials.map_or(&[][..], |(_, password)| password);
        let wait_s = self.attempts.wait_s(door.remote, door.identity, now);
        let record = match self.directory.by_identity_in(door.identity, self.settings.identity_case)
        {
            Some(record) => record,
            None if wait_s.is_some() => return Err(NotAdmitted::TooMany(wait_s.unwrap_or(1))),
            None => self.enter(&door, password, now).await?,
        };
        if record.admission == Admission::Blocked {
            self.keyring.pretend(password);
            return Err(NotAdmitted::Unknown);
        }
        let access = self.keyring.of(record.key);
        let names_itself = door.credentials.is_some_and(|(user, _)| {
            user == record.identity.as_bytes() || user == door.identity.as_bytes()
        });
        let fit = if let Some(wait_s) = wait_s {
            // Somebody guesses from this address. A secret of ours cannot be guessed, so the real
            // charger behind the same address still comes in (S24); nothing slow is done.
            let fit = self.keyring.fits_fast(&access, password).filter(|_| names_itself);
            if fit.is_none() && door.certificate.is_none() {
                return Err(NotAdmitted::TooMany(wait_s));
            }
            fit
        } else if names_itself {
            let fit = self.keyring.fits(&access, password).await;
            fit.map_err(|()| NotAdmitted::Unavailable)?
        } else {
            self.keyring.pretend(password);
            None
        };
        let told = match (&door.credentials, &fit) {
            (_, Some(_)) => Password::Right,
            (Some(_), None) => Password::Wrong,
            (None, None) => Password::Absent,
        };
        let way = Way { listener: door.listener, tls: door.tls, certificate: door.certificate };
        let owner = Owner {
            identity: &record.identity,
            serial: &record.serial,
            operator: &self.settings.operator_name,
        };
        let granted = access.decide(&way, told, record.admission, &owner).map_err(|refused| {
            if refused.is_guess {
                self.attempts.failed(door.remote, door.identity, now);
            }
            NotAdmitted::Unauthorized(refused.why)
        })?;
        if let Some(name) = &granted.bind
            && self.keyring.is_bound_elsewhere(name, record.key)
        {
            return Err(NotAdmitted::Unauthorized("its certificate is another charger's"));
        }
        if fit.is_some() {
            self.attempts.succeeded(door.remote, door.identity);
        }
        self.came_in(&record, &granted, fit, door.certificate).await;
        Ok(Admitted {
            charger: record.key,
            site: record.site,
            accepted: record.admission == Admission::Accepted,
            epoch: self.epoch.fetch_add(1, Ordering::Relaxed) + 1,
            heartbeat_interval_s: self.settings.heartbeat_interval_s,
            strict: record.validation.is_strict(self.settings.strict),
            profile: granted.profile,
        })
    }

    /// Enters a charger that nobody registered, as the settings say (behaviour 52).
    async fn enter(
        &self,
        door: &Door<'_>,
        password: &[u8],
        now: UnixMs,
    ) -> Result<Arc<ChargerRecord>, NotAdmitted> {
        let admission = match self.settings.unknown_chargers {
            UnknownChargers::Reject => {
                self.keyring.pretend(password);
                return Err(NotAdmitted::Unknown);
            }
            // A listener that asks for proof takes in nobody who has none to be checked: they are
            // shown and wait.
            UnknownChargers::Accept if door.listener == SecurityProfile::Open => {
                Admission::Accepted
            }
            UnknownChargers::Accept | UnknownChargers::Quarantine => Admission::Quarantined,
        };
        if now.since_ms(UnixMs(self.enter_failed.0.load(Ordering::Relaxed))) < ENTER_PAUSE_MS {
            return Err(NotAdmitted::Unavailable);
        }
        let new = NewCharger { identity: door.identity.to_owned(), ..NewCharger::default() };
        let entered = timeout(ENTER_WAIT, self.register_charger(new, admission)).await;
        if let Ok(Ok(record)) = entered {
            return Ok(record);
        }
        // Another connection of the same charger may have entered it just now.
        if let Some(record) = self.directory.by_identity(door.identity) {
            return Ok(record);
        }
        if let Ok(Err(crate::Error::Refused(why))) = &entered {
            tracing::info!(charger.identity = door.identity, why, "a charger was turned away");
            return Err(NotAdmitted::Unknown);
        }
        self.enter_failed.0.store(now.0, Ordering::Relaxed);
        tracing::warn!(
            charger.identity = door.identity,
            "a charger that came by itself could not be entered: the database does not answer"
        );
        Err(NotAdmitted::Unavailable)
    }

    /// Remembers how a charger came in. Writes only what is new.
    async fn came_in(
        &self,
        record: &ChargerRecord,
        granted: &Granted,
        fit: Option<Fit>,
        certificate: Option<&ClientCertificate>,
    ) {
        let key = record.key;
        let before = self.keyring.of(key);
        let spelling = fit.as_ref().and_then(|fit| fit.spelling);
        let is_news = granted.profile > before.reached
            || granted.bind.is_some()
            || spelling.is_some_and(|spelling| spelling != before.key_spelling);
        let is_same = before.last == Some(granted.profile)
            && before.last_certificate.as_ref() == certificate
            && fit.as_ref().is_none_or(|fit| fit.proven.is_none());
        if is_news || !is_same {
            self.keyring.change(key, |access| {
                access.reached = access.reached.max(granted.profile);
                access.last = Some(granted.profile);
                access.last_certificate = certificate.cloned();
                if let Some(name) = &granted.bind {
                    access.certificate_name.clone_from(name);
                }
                if let Some(spelling) = spelling {
                    spelling.clone_into(&mut access.key_spelling);
                }
                if let Some(proven) = fit.as_ref().and_then(|fit| fit.proven.clone()) {
                    access.proven = Some(proven);
                }
            });
        }
        if is_news {
            self.keyring.save(key).await;
        }
        if before.next.is_some()
            && !before.rotating
            && let Some(fit) = fit
        {
            self.settle_password(key, fit.slot).await;
        }
    }

    /// The first login after an answer that was lost says which password the charger has: the
    /// other one is dead (S5).
    pub(crate) async fn settle_password(&self, charger: ChargerKey, kept: Slot) {
        // The disk first: if it does not take it, both stay good, and the next login settles it.
        let kept_on_disk = timeout(ENTER_WAIT, self.store.keep_credential(charger, kept)).await;
        if !matches!(kept_on_disk, Ok(Ok(()))) {
            tracing::warn!(charger.key = charger.0, "which password is good is settled later");
            return;
        }
        self.keyring.change(charger, |access| {
            let next = access.next.take();
            if kept == Slot::Next {
                access.current = next;
                access.proven = None;
            }
        });
    }
}
