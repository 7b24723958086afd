//! Vendor profiles: the built-in ones, or those of a folder.

use std::path::Path;

use anyhow::Result;
use mendpoint_upkeep::{Alias, ProfileProblem, Profiles};

use crate::rules::{Files, read_folder};

const BUILT_IN: &[(&str, &str)] = &[
    ("vendors/abb.toml", include_str!("../config/vendors/abb.toml")),
    ("vendors/alfen.toml", include_str!("../config/vendors/alfen.toml")),
    ("vendors/autel.toml", include_str!("../config/vendors/autel.toml")),
    ("vendors/bender.toml", include_str!("../config/vendors/bender.toml")),
    ("vendors/easee.toml", include_str!("../config/vendors/easee.toml")),
    ("vendors/evbox.toml", include_str!("../config/vendors/evbox.toml")),
    ("vendors/evnex.toml", include_str!("../config/vendors/evnex.toml")),
    ("vendors/go-e.toml", include_str!("../config/vendors/go-e.toml")),
    ("vendors/kempower.toml", include_str!("../config/vendors/kempower.toml")),
    ("vendors/wallbox.toml", include_str!("../config/vendors/wallbox.toml")),
    ("vendors/zaptec.toml", include_str!("../config/vendors/zaptec.toml")),
];

/// The files of a folder, as name and text; the built-in ones when it has no name.
pub(crate) fn files(folder: Option<&Path>) -> Result<Files> {
    let Some(folder) = folder else {
        return Ok(BUILT_IN.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect());
    };
    let (files, unreadable) = read_folder(folder)?;
    crate::rules::refuse(&unreadable)?;
    Ok(files)
}

/// The profiles of a folder; the built-in ones when it has no name. The inner error is what is
/// wrong with the files.
pub(crate) fn read(folder: Option<&Path>) -> Result<Result<Profiles, Vec<ProfileProblem>>> {
    let files = files(folder)?;
    Ok(Profiles::parse(&files).and_then(|profiles| {
        let unknown = |alias: &&Alias| mendpoint_incidents::code_info(&alias.word).is_none();
        let problems: Vec<_> = profiles
            .aliases()
            .iter()
            .filter(unknown)
            .map(|alias| ProfileProblem {
                file: "vendors".to_owned(),
                line: 1,
                message: format!("the word {:?} of an alias is none of the codes", alias.word),
            })
            .collect();
        if problems.is_empty() { Ok(profiles) } else { Err(problems) }
    }))
}

/// The profiles of the settings; built-in ones for an empty name.
pub(crate) fn load(folder: &str) -> Result<Profiles> {
    let folder = (!folder.is_empty()).then(|| Path::new(folder));
    read(folder)?.map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        let text = format!("the vendor profiles cannot be used:\n{}", lines.join("\n"));
        anyhow::Error::new(crate::BadRules(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_of_the_folder_is_built_in_and_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vendors");
        let there: Vec<_> = files(Some(&path))
            .expect("the folder of the checkout")
            .iter()
            .filter_map(|(path, _)| Some(format!("vendors/{}", path.rsplit('/').next()?)))
            .collect();
        let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, there);
        assert_eq!(load("").expect("valid").len(), 4);
    }

    #[test]
    fn every_alias_means_a_word_that_rules_know() {
        let profiles = load("").expect("valid");
        assert!(profiles.aliases().len() > 20);
        for alias in profiles.aliases() {
            assert!(mendpoint_incidents::code_info(&alias.word).is_some(), "{alias:?}");
        }
    }

    #[test]
    fn a_bad_profile_stops_the_start_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(
            folder.path().join("x.toml"),
            "[[profile]]\nvendor = \"A\"\nsource = \"x\"\n",
        )
        .expect("written");
        let error = load(&folder.path().display().to_string()).expect_err("refused");
        let text = format!("{error:#}");
        assert!(text.contains("x.toml:3: the source \"x\" is none of"), "{text}");
    }
}
