//! Vendor profiles: the built-in ones, or those of a folder.

use std::path::Path;

use anyhow::Result;
use mendpoint_upkeep::{ProfileProblem, Profiles};

use crate::rules::{Files, read_folder};

const BUILT_IN: &[(&str, &str)] = &[
    ("vendors/evnex.toml", include_str!("../config/vendors/evnex.toml")),
    ("vendors/zaptec.toml", include_str!("../config/vendors/zaptec.toml")),
];

/// The profiles of a folder; the built-in ones when it has no name. The inner error is what is
/// wrong with the files.
pub(crate) fn read(folder: Option<&Path>) -> Result<Result<Profiles, Vec<ProfileProblem>>> {
    let files: Files = match folder {
        Some(folder) => read_folder(folder)?,
        None => BUILT_IN.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect(),
    };
    Ok(Profiles::parse(&files))
}

/// The profiles of the settings; built-in ones for an empty name.
pub(crate) fn load(folder: &str) -> Result<Profiles> {
    let folder = (!folder.is_empty()).then(|| Path::new(folder));
    read(folder)?.map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the vendor profiles cannot be used:\n{}", lines.join("\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_of_the_folder_is_built_in_and_valid() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/vendors");
        let there: Vec<_> = read_folder(&path)
            .expect("the folder of the checkout")
            .iter()
            .filter_map(|(path, _)| Some(format!("vendors/{}", path.rsplit('/').next()?)))
            .collect();
        let names: Vec<_> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, there);
        assert_eq!(load("").expect("valid").len(), 4);
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
