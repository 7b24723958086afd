//! What the docs name is there.

use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The texts between single backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_features_name_is_there() {
    let text = read("docs/features.md");
    let mut seen = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        for (file, test) in quoted(line).filter_map(|name| name.split_once("::")) {
            seen += 1;
            let code = read(file);
            let is_there = [format!("fn {test}("), format!("def {test}("), format!("\"{test}\"")]
                .iter()
                .any(|form| code.contains(form));
            assert!(is_there, "docs/features.md names {test:?}, which is not in {file}");
        }
    }
    assert!(seen > 80, "{seen} tests are named");
}
