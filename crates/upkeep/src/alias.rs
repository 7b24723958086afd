//! What a maker's own words mean: an error that a charger tells in its own way gets the word that
//! rules and playbooks know. What was sent stays beside it, and in the log of messages.

use mendpoint_model::{ErrorReport, ModelKey};
use serde::Deserialize;
use serde_spanned::Spanned;

use crate::profile::{Mistake, Profiles, matches};

/// A maker's word and ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Vendor pattern: without regard to case, `*` stands for anything.
    pub vendor: String,
    /// Model pattern.
    pub model: String,
    /// How it is told.
    pub told: Told,
    /// The word it means.
    pub word: String,
}

/// How a maker tells an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `info` begins with this, without regard to case.
    Info(String),
    /// `errorCode` is this, without regard to case.
    Code(String),
    /// `vendorErrorCode` is this, without regard to case.
    VendorCode(String),
    /// `vendorErrorCode` is a decimal number with one of these bits set, from 0.
    Bits(Vec<u8>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAlias {
    vendor: Spanned<String>,
    model: Option<String>,
    info: Option<String>,
    code: Option<String>,
    vendor_code: Option<String>,
    bits: Option<Vec<u8>>,
    word: Spanned<String>,
}

/// Something to know about a maker's chargers, with where it is known from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Vendor pattern.
    pub vendor: String,
    /// What there is to know, in sentences.
    pub text: String,
    /// Where that is from.
    pub source: String,
}

/// Reads one alias.
pub(crate) fn read(raw: RawAlias, whole: std::ops::Range<usize>) -> Result<Alias, Mistake> {
    for text in [&raw.vendor, &raw.word] {
        if text.get_ref().trim().is_empty() {
            return Err((text.span(), "this must not be empty".to_owned()));
        }
    }
    let mut ways = Vec::new();
    ways.extend(raw.info.map(Told::Info));
    ways.extend(raw.code.map(Told::Code));
    ways.extend(raw.vendor_code.map(Told::VendorCode));
    ways.extend(raw.bits.map(Told::Bits));
    let Ok([told]) = <[Told; 1]>::try_from(ways) else {
        let message = "an alias has exactly one of `info`, `code`, `vendor_code` and `bits`";
        return Err((whole, message.to_owned()));
    };
    if let Told::Bits(bits) = &told
        && (bits.is_empty() || bits.iter().any(|bit| *bit > 63))
    {
        return Err((whole, "bits are numbers from 0 to 63".to_owned()));
    }
    Ok(Alias {
        vendor: raw.vendor.into_inner(),
        model: raw.model.unwrap_or_else(|| "*".to_owned()),
        told,
        word: raw.word.into_inner(),
    })
}

impl Told {
    fn is(&self, error: &ErrorReport) -> bool {
        let vendor_code = error.vendor_code.as_deref().unwrap_or_default().trim();
        match self {
            Self::Info(start) => {
                let info = error.info.as_deref().unwrap_or_default().trim();
                info.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
            }
            Self::Code(code) => error.code.trim().eq_ignore_ascii_case(code),
            Self::VendorCode(code) => vendor_code.eq_ignore_ascii_case(code),
            Self::Bits(bits) => vendor_code
                .parse::<u64>()
                .is_ok_and(|mask| bits.iter().any(|bit| mask >> bit & 1 == 1)),
        }
    }
}

impl Profiles {
    /// Gives an error the word that is known here, where a profile of its model has one. The first
    /// alias that fits counts: a file says the most telling one first.
    pub(crate) fn name_error(&self, model: &ModelKey, error: &mut ErrorReport) {
        let fits = |alias: &&Alias| {
            alias.told.is(error)
                && matches(&alias.vendor, &model.vendor)
                && matches(&alias.model, &model.model)
        };
        let Some(alias) = self.aliases().iter().find(fits) else { return };
        if error.code.eq_ignore_ascii_case(&alias.word) {
            return;
        }
        let told = std::mem::replace(&mut error.code, alias.word.clone());
        if error.vendor_code.is_none() && !told.trim().is_empty() {
            error.vendor_code = Some(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles(text: &str) -> Profiles {
        Profiles::parse(&[("x.toml".to_owned(), text.to_owned())]).expect("well formed")
    }

    fn named(profiles: &Profiles, vendor: &str, error: ErrorReport) -> ErrorReport {
        let model = ModelKey { vendor: vendor.into(), ..ModelKey::default() };
        let mut error = error;
        profiles.name_error(&model, &mut error);
        error
    }

    fn error(code: &str, info: &str, vendor_code: Option<&str>) -> ErrorReport {
        ErrorReport {
            code: code.to_owned(),
            info: Some(info.to_owned()),
            vendor_id: None,
            vendor_code: vendor_code.map(str::to_owned),
        }
    }

    #[test]
    fn zaptecs_texts_and_bits_have_their_words() {
        let zaptec = profiles(include_str!("../../../config/vendors/zaptec.toml"));
        let word = |code: &str, info: &str, bits: Option<&str>| {
            named(&zaptec, "Zaptec", error(code, info, bits)).code
        };
        let low = "Low memory. Will restart soon for consistency.";
        assert_eq!(word("InternalError", low, None), "SelfRestart");
        assert_eq!(word("InternalError", "Charge output fuse is blown", None), "FuseBlown");
        assert_eq!(word("InternalError", "RCD warning", Some("8192")), "GroundFailure");
        let drawn = "The vehicle has drawn more current than allowed";
        assert_eq!(word("OverCurrentFailure", drawn, Some("32")), "VehicleOverCurrent");
        let setup = "The charging station has not been fully configured";
        assert_eq!(word("PowerSwitchFailure", setup, Some("512")), "NotConfigured");
        // Without a text that says it, the bits do.
        assert_eq!(word("InternalError", "", Some("67108864")), "FuseBlown");
        assert_eq!(word("InternalError", "", Some("8192")), "GroundFailure");
        // A reset may help, and is tried: the standard's own word stays.
        for text in ["Temperature sensor error, Try restarting CP", "Charging reset too many times"]
        {
            assert_eq!(word("InternalError", text, None), "InternalError");
        }
        assert_eq!(word("InternalError", "FPGA watchdog triggered", None), "InternalError");
        assert_eq!(word("WeakSignal", "", None), "WeakSignal");
    }

    #[test]
    fn benders_texts_and_small_letters_have_their_words() {
        let bender = profiles(include_str!("../../../config/vendors/bender.toml"));
        let word = |code: &str, info: &str| named(&bender, "ebee", error(code, info, None)).code;
        assert_eq!(word("groundFailure", "RCD triggered"), "groundFailure", "any case is known");
        assert_eq!(word("internalError", "RCD triggered"), "GroundFailure");
        assert_eq!(word("mode3Error", "Vehicle signals error"), "EVCommunicationError");
        assert_eq!(word("otherError", "The charge point is tilted"), "TiltSensor");
        assert_eq!(word("powerSwitchFailure", "Contactor welded"), "EVSEContactorFault");
        assert_eq!(word("otherError", "something new"), "otherError");
    }

    #[test]
    fn what_was_told_stays_beside_it_and_other_makers_are_left_alone() {
        let zaptec = profiles(include_str!("../../../config/vendors/zaptec.toml"));
        let told = error("InternalError", "RCD warning", None);
        let known = named(&zaptec, "ZAPTEC", told.clone());
        assert_eq!(known.vendor_code.as_deref(), Some("InternalError"));
        assert_eq!(known.info, told.info);
        assert_eq!(named(&zaptec, "ACME", told.clone()), told);
    }

    #[test]
    fn an_alias_says_one_thing() {
        let text =
            "[[alias]]\nvendor = \"A\"\nword = \"GroundFailure\"\ninfo = \"x\"\nbits = [1]\n";
        let problems = Profiles::parse(&[("x.toml".to_owned(), text.to_owned())]).expect_err("two");
        assert!(problems[0].message.contains("exactly one of"), "{problems:?}");
    }
}
