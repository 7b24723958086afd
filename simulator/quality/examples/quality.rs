//! The quality benchmark alone, for measuring: `quality [CHARGERS] [DAYS] [SEED] [CONFIG FOLDER]
//! [compare]`.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mendpoint_incidents::{Catalogue, EngineSettings};
use mendpoint_quality::{Mix, QualitySettings, compare, run};

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of rules or playbooks")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).expect("a rule or a playbook");
        (path.display().to_string(), text)
    };
    paths.iter().map(read).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number =
        |otherwise: u64| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (chargers, days, seed) = (number(1_000), number(30), number(1));
    let config = arguments.next().unwrap_or_else(|| "config".to_owned());
    let config = Path::new(&config);
    let catalogue =
        Catalogue::parse(&files(&config.join("rules")), &files(&config.join("playbooks")))
            .expect("valid rules");
    let began = Instant::now();
    let settings = QualitySettings {
        chargers: chargers as usize,
        days: days as u32,
        seed,
        mix: Mix::built_in(),
        catalogue: Arc::new(catalogue),
        engine: EngineSettings::default(),
        restarts: 2,
    };
    let report = if arguments.next().is_some_and(|word| word == "compare") {
        compare(settings).to_string()
    } else {
        run(settings).to_string()
    };
    let took_s = began.elapsed().as_secs_f64();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{report}\n  {took_s:.1} s").expect("a report is written");
}
