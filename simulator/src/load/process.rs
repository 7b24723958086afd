//! What the server's process uses, read from `/proc`.

use std::fs;

use super::LoadError;

/// Clock ticks a second in `/proc/PID/stat`: 100 on every Linux that matters.
const TICKS_PER_S: f64 = 100.0;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
    /// Resident memory, bytes.
    pub(super) rss_bytes: u64,
    /// Processor time since it started, seconds.
    pub(super) cpu_s: f64,
}

/// Looks at a process.
pub(super) fn usage(pid: u32) -> Result<Usage, LoadError> {
    let read = |name: &str| {
        let path = format!("/proc/{pid}/{name}");
        fs::read_to_string(&path).map_err(|error| LoadError::Process(format!("{path}: {error}")))
    };
    let strange = |name: &str| LoadError::Process(format!("/proc/{pid}/{name} reads strangely"));
    Ok(Usage {
        rss_bytes: rss_bytes(&read("status")?).ok_or_else(|| strange("status"))?,
        cpu_s: cpu_s(&read("stat")?).ok_or_else(|| strange("stat"))?,
    })
}

fn rss_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

fn cpu_s(stat: &str) -> Option<f64> {
    // The name stands in parentheses and may hold anything, even parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        assert_eq!(rss_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(rss_bytes("nothing"), None);
    }

    #[test]
    fn a_process_that_is_not_there_is_a_sentence() {
        let own = usage(std::process::id()).expect("we run");
        assert!(own.rss_bytes > 0);
        let error = usage(u32::MAX).expect_err("no such process").to_string();
        assert!(error.contains("--pid"), "{error}");
    }
}
