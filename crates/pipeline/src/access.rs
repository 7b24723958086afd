//! Whether a charger may come in the way it comes: a pure decision over what is on record.

use mendpoint_model::{Admission, ClientCertificate, SecurityProfile};
use mendpoint_store::Credential;

use crate::ChargerSecurity;

/// What is on record about how one charger may come in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// The password in force.
    pub(crate) current: Option<Credential>,
    /// The one it was told and may have taken.
    pub(crate) next: Option<Credential>,
    /// The weakest profile a person allows.
    pub(crate) required: SecurityProfile,
    /// The strongest it has come in with.
    pub(crate) reached: SecurityProfile,
    /// The CN of its certificate; empty while none is bound.
    pub(crate) certificate_name: String,
    /// The one certificate it may use; empty for any of its name.
    pub(crate) certificate_sha256: String,
    /// How it sends its 1.6 key; empty while unknown.
    pub(crate) key_spelling: String,
    /// A new password is on its way to it: the answer decides, and no login does.
    pub(crate) rotating: bool,
    /// What is here is not on disk yet.
    pub(crate) unsaved: bool,
    /// The keyed hash of a slow password that was verified since the start, so that a fleet that
    /// returns is not hashed anew. Never on disk.
    pub(crate) proven: Option<Vec<u8>>,
    /// How it came in last, since the start.
    pub(crate) last: Option<SecurityProfile>,
    /// The certificate it showed last, since the start.
    pub(crate) last_certificate: Option<ClientCertificate>,
}

const NOTHING_ON_RECORD: &str = "no password is on record for it, and this listener asks for one";

/// How a charger's connection is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    /// The weakest way in at the listener it came to.
    pub(crate) listener: SecurityProfile,
    /// Whether its connection is encrypted.
    pub(crate) tls: bool,
    /// The certificate it showed.
    pub(crate) certificate: Option<&'a ClientCertificate>,
}

/// What its user name and password came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Password {
    /// One of those on record.
    Right,
    /// None of those on record.
    Wrong,
    /// It sent none.
    Absent,
}

/// Who the certificate's owner must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    /// The charger's OCPP identity.
    pub(crate) identity: &'a str,
    /// Its serial number; empty while unknown.
    pub(crate) serial: &'a str,
    /// The operator's name; empty when any will do.
    pub(crate) operator: &'a str,
}

/// Yes: the profile it came in with, and the name to bind to its certificate if it is the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) profile: SecurityProfile,
    pub(crate) bind: Option<String>,
}

/// No, with the reason for the log. Whether it counts as a guess at a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) why: &'static str,
    pub(crate) is_guess: bool,
}

impl Access {
    /// Whether the charger needs a password of ours to come in without a certificate.
    pub(crate) fn has_password(&self) -> bool {
        self.current.is_some() || self.next.is_some()
    }

    /// The weakest profile it may come in with: what a person asked for, and what it has reached
    /// once (A05.FR.09, S7).
    pub(crate) fn least(&self) -> SecurityProfile {
        self.required.max(self.reached)
    }

    /// What may be told of it.
    pub(crate) fn summary(&self) -> ChargerSecurity {
        ChargerSecurity {
            required: self.required,
            reached: self.reached,
            last: self.last,
            password: match &self.current {
                None => "none",
                Some(Credential::Keyed(_)) => "generated",
                Some(Credential::Slow(_)) => "chosen",
            },
            two_passwords: self.next.is_some(),
            key_spelling: self.key_spelling.clone(),
            certificate_name: self.certificate_name.clone(),
            certificate_sha256: self.certificate_sha256.clone(),
            certificate: self.last_certificate.clone(),
        }
    }

    /// Decides.
    pub(crate) fn decide(
        &self,
        way: &Way<'_>,
        password: Password,
        admission: Admission,
        owner: &Owner<'_>,
    ) -> Result<Granted, Refused> {
        let refused = |why| Err(Refused { why, is_guess: false });
        let is_waiting = admission == Admission::Quarantined;
        let granted = match way.certificate {
            Some(certificate) => {
                let bind = self.check_certificate(certificate, owner, is_waiting)?;
                Granted { profile: SecurityProfile::Mutual, bind }
            }
            None if way.listener == SecurityProfile::Mutual => {
                return refused("no certificate, and this listener asks for one");
            }
            // Its first password may or may not have reached it: until it comes in with that, it
            // comes in as before.
            None if self.current.is_none() && password == Password::Absent => {
                if way.listener > SecurityProfile::Open && !is_waiting {
                    return refused(NOTHING_ON_RECORD);
                }
                Granted { profile: SecurityProfile::Open, bind: None }
            }
            None if self.has_password() => match password {
                Password::Right if way.tls => Granted { profile: SecurityProfile::Tls, bind: None },
                Password::Right => Granted { profile: SecurityProfile::Basic, bind: None },
                Password::Wrong => return Err(Refused { why: "wrong password", is_guess: true }),
                Password::Absent => return Err(Refused { why: "no password", is_guess: true }),
            },
            // Nothing is on record to hold it to. Whoever waits for a person is only shown; others
            // need a listener that says so.
            None if way.listener > SecurityProfile::Open && !is_waiting => {
                return refused(NOTHING_ON_RECORD);
            }
            None => Granted { profile: SecurityProfile::Open, bind: None },
        };
        if granted.profile < self.least() {
            return refused("a weaker security profile than this charger's");
        }
        Ok(granted)
    }

    /// Whether a certificate with a good chain is this charger's own (behaviour 18), and the name
    /// to bind when it is the first.
    fn check_certificate(
        &self,
        certificate: &ClientCertificate,
        owner: &Owner<'_>,
        is_waiting: bool,
    ) -> Result<Option<String>, Refused> {
        let refused = |why| Err(Refused { why, is_guess: false });
        let name = &certificate.common_name;
        if !owner.operator.is_empty() && certificate.organization != owner.operator {
            return refused("the O of its certificate is not the operator's name");
        }
        if name.is_empty() {
            return refused("its certificate has no CN, or more than one");
        }
        if !self.certificate_sha256.is_empty() && self.certificate_sha256 != certificate.sha256 {
            return refused("another certificate is on record for this charger");
        }
        if !self.certificate_name.is_empty() {
            return if self.certificate_name == *name {
                Ok(None)
            } else {
                refused("its certificate is another charger's")
            };
        }
        let expected = if owner.serial.is_empty() { owner.identity } else { owner.serial };
        if name == expected {
            Ok(Some(name.clone()))
        } else if is_waiting {
            // Shown to a person, who will see the name.
            Ok(None)
        } else {
            refused("the CN of its certificate is not the charger's serial number")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SecurityProfile::{Basic, Mutual, Open, Tls};

    const OWNER: Owner<'_> = Owner { identity: "CP-1", serial: "SN-1", operator: "Volt AG" };

    fn with_password() -> Access {
        Access { current: Some(Credential::Keyed(vec![1])), ..Access::default() }
    }

    fn certificate(common_name: &str, organization: &str) -> ClientCertificate {
        ClientCertificate {
            common_name: common_name.to_owned(),
            organization: organization.to_owned(),
            sha256: "ab".to_owned(),
            not_after: None,
        }
    }

    fn came(
        access: &Access,
        listener: SecurityProfile,
        tls: bool,
        password: Password,
    ) -> Result<SecurityProfile, &'static str> {
        let way = Way { listener, tls, certificate: None };
        access
            .decide(&way, password, Admission::Accepted, &OWNER)
            .map(|granted| granted.profile)
            .map_err(|refused| refused.why)
    }

    fn showed(access: &Access, certificate: &ClientCertificate) -> Result<Granted, &'static str> {
        let way = Way { listener: Mutual, tls: true, certificate: Some(certificate) };
        access
            .decide(&way, Password::Absent, Admission::Accepted, &OWNER)
            .map_err(|refused| refused.why)
    }

    #[test]
    fn s1_passwords_on_every_listener() {
        let known = with_password();
        for (listener, tls, expected) in
            [(Open, false, Basic), (Basic, false, Basic), (Basic, true, Tls), (Tls, true, Tls)]
        {
            assert_eq!(came(&known, listener, tls, Password::Right), Ok(expected));
            assert_eq!(came(&known, listener, tls, Password::Wrong), Err("wrong password"));
            assert_eq!(came(&known, listener, tls, Password::Absent), Err("no password"));
        }
        assert!(came(&known, Mutual, true, Password::Right).is_err(), "a password is not enough");
        let unknown = Access::default();
        assert_eq!(came(&unknown, Open, false, Password::Absent), Ok(Open));
        for listener in [Basic, Tls, Mutual] {
            assert!(came(&unknown, listener, listener.is_encrypted(), Password::Wrong).is_err());
        }
    }

    #[test]
    fn b17_a_charger_is_never_taken_in_below_its_profile() {
        let required = Access { required: Tls, ..with_password() };
        assert_eq!(came(&required, Tls, true, Password::Right), Ok(Tls));
        // A05.FR.09: also with the right password.
        assert!(came(&required, Basic, false, Password::Right).is_err());
        let no_password = Access { required: Basic, ..Access::default() };
        assert!(came(&no_password, Open, false, Password::Absent).is_err());
        let reached = Access { reached: Mutual, ..with_password() };
        assert!(came(&reached, Tls, true, Password::Right).is_err(), "S7");
        assert!(showed(&reached, &certificate("SN-1", "Volt AG")).is_ok());
    }

    #[test]
    fn b18_a_certificate_opens_for_its_own_charger_only() {
        let fresh = Access::default();
        let own = showed(&fresh, &certificate("SN-1", "Volt AG")).expect("its own");
        assert_eq!(own, Granted { profile: Mutual, bind: Some("SN-1".to_owned()) });
        assert!(showed(&fresh, &certificate("SN-2", "Volt AG")).is_err(), "another one's");
        assert!(showed(&fresh, &certificate("SN-1", "Other")).is_err(), "another operator's");
        assert!(showed(&fresh, &certificate("", "Volt AG")).is_err());
        let bound = Access { certificate_name: "SN-0".to_owned(), ..Access::default() };
        assert!(showed(&bound, &certificate("SN-1", "Volt AG")).is_err());
        let renewed = showed(&bound, &certificate("SN-0", "Volt AG")).expect("of its name");
        assert_eq!(renewed.bind, None);
        let pinned = Access { certificate_sha256: "cd".to_owned(), ..bound };
        assert!(showed(&pinned, &certificate("SN-0", "Volt AG")).is_err());
        let pinned = Access { certificate_sha256: "ab".to_owned(), ..pinned };
        assert!(showed(&pinned, &certificate("SN-0", "Volt AG")).is_ok());
    }

    #[test]
    fn s5_a_first_password_on_its_way_locks_nobody_out() {
        let told = Access { next: Some(Credential::Keyed(vec![1])), ..Access::default() };
        assert_eq!(came(&told, Open, false, Password::Absent), Ok(Open));
        assert_eq!(came(&told, Open, false, Password::Right), Ok(Basic));
        assert_eq!(came(&told, Open, false, Password::Wrong), Err("wrong password"));
        assert!(came(&told, Basic, false, Password::Absent).is_err());
    }

    #[test]
    fn who_waits_for_a_person_is_shown_wherever_it_comes_in() {
        for listener in [Open, Basic, Tls] {
            let way = Way { listener, tls: listener == Tls, certificate: None };
            let waiting =
                Access::default().decide(&way, Password::Wrong, Admission::Quarantined, &OWNER);
            assert_eq!(waiting, Ok(Granted { profile: Open, bind: None }));
        }
        let way =
            Way { listener: Mutual, tls: true, certificate: Some(&certificate("SN-9", "Volt AG")) };
        let waiting =
            Access::default().decide(&way, Password::Absent, Admission::Quarantined, &OWNER);
        assert_eq!(waiting, Ok(Granted { profile: Mutual, bind: None }));
    }
}
