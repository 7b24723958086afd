//! What durable rows cost: `cargo run --release -p mendpoint-store --example commit [URL]`.
//!
//! Rows a second through the journal's shared commits against one commit a row, and how long an
//! acknowledgement takes against a write of 4 KiB and its fdatasync on the same disk. The URL is a
//! database to write into (default: an SQLite file in a folder of its own under the working folder).

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use mendpoint_model::{ChargerKey, UnixMs};
use mendpoint_store::{Entry, Journal, Store, StoreSettings};

/// How long each part is measured.
const FOR: Duration = Duration::from_secs(5);
/// Chargers that wait for their answers at the same time.
const WAITERS: usize = 1_000;
/// Rows a second in the open loop, where nobody waits for anybody.
const RATE: u32 = 5_000;

fn entry(number: i64) -> Entry {
    Entry::LinkChange {
        charger: ChargerKey(7),
        at: UnixMs(number),
        online: true,
        reason: "a row of ordinary length, as a status of a connector is".to_owned(),
    }
}

/// Sorted times, to be asked for a part of them.
struct Times(Vec<Duration>);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Milliseconds that this part of all stays below.
    fn ms(&self, part: f64) -> f64 {
        let at = ((self.0.len() as f64 * part) as usize).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    }
}

/// What the disk itself takes.
fn probe(folder: &Path) -> std::io::Result<Times> {
    let path = folder.join("probe");
    let mut file = std::fs::File::create(&path)?;
    let (began, mut times) = (Instant::now(), Vec::new());
    while began.elapsed() < FOR {
        let one = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Times::of(times))
}

async fn durable(journal: &Journal, number: i64) -> Duration {
    let began = Instant::now();
    let seq = journal.append(vec![entry(number)]).await;
    journal.wait(seq).await;
    began.elapsed()
}

/// Each waits for its row before it sends the next: rows a second, and the times.
async fn closed_loop(journal: &Journal, waiters: usize) -> (f64, Times) {
    let began = Instant::now();
    let tasks: Vec<_> = (0..waiters)
        .map(|number| {
            let journal = journal.clone();
            tokio::spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < FOR {
                    times.push(durable(&journal, number as i64).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap_or_default());
    }
    (times.len() as f64 / began.elapsed().as_secs_f64(), Times::of(times))
}

/// Rows come at a rate, whatever became of those before.
async fn open_loop(journal: &Journal) -> Times {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let (began, mut sent, mut tasks) = (Instant::now(), 0_u32, Vec::new());
    while began.elapsed() < FOR {
        tick.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u32;
        for number in sent..due {
            let journal = journal.clone();
            tasks.push(tokio::spawn(async move { durable(&journal, number.into()).await }));
        }
        sent = sent.max(due);
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.ok());
    }
    Times::of(times)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir_in(".")?;
    let sqlite = format!("sqlite://{}/commit.db", folder.path().display());
    let url = std::env::args().nth(1).unwrap_or(sqlite);
    let kind = if url.starts_with("sqlite") { "SQLite" } else { "PostgreSQL" };
    let settings = StoreSettings { url, ..StoreSettings::default() };
    let store = Store::open(&settings, &prometheus::Registry::new()).await?;
    let journal = store.journal();

    let disk = probe(folder.path())?;
    let (single, _) = closed_loop(&journal, 1).await;
    let (grouped, _) = closed_loop(&journal, WAITERS).await;
    let acks = open_loop(&journal).await;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{kind}, every row on disk before its acknowledgement")?;
    writeln!(out, "disk probe          p50 {:.2} ms  p99 {:.2} ms", disk.ms(0.5), disk.ms(0.99))?;
    writeln!(out, "one row a commit    {single:.0} rows/s")?;
    writeln!(
        out,
        "shared commits      {grouped:.0} rows/s with {WAITERS} waiting: {:.1} x",
        grouped / single
    )?;
    writeln!(
        out,
        "ack at {RATE} rows/s  p50 {:.2} ms ({:.1} x the disk)  p99 {:.2} ms ({:.1} x)",
        acks.ms(0.5),
        acks.ms(0.5) / disk.ms(0.5),
        acks.ms(0.99),
        acks.ms(0.99) / disk.ms(0.99)
    )?;
    store.close().await;
    Ok(())
}
