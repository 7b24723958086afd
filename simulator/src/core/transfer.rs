//! Uploads of diagnostics and updates of firmware: what takes a while and tells its progress.

use std::collections::BTreeMap;

use super::link::BootReason;
use super::{ChargerCore, Job};
use crate::{v16, v201};

/// Transfers that run.
#[derive(Debug, Default)]
pub(crate) struct Transfer {
    steps: BTreeMap<u32, Step>,
    next: u32,
    /// What was told last, for triggered messages: upload and firmware.
    pub(crate) upload: Option<(UploadWord, Option<i32>)>,
    pub(crate) firmware: Option<(FirmwareWord, Option<i32>)>,
    /// A version that is installed at the next boot.
    installing: Option<(String, Option<i32>)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Upload(UploadWord, Option<i32>),
    Firmware(FirmwareWord, Option<i32>),
    Install { version: String, request: Option<i32> },
}

/// Progress of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadWord {
    Idle,
    Uploading,
    Uploaded,
    Failed,
}

/// Progress of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FirmwareWord {
    Idle,
    Downloading,
    Downloaded,
    DownloadFailed,
    SignatureVerified,
    Installing,
    InstallRebooting,
    Installed,
}

impl ChargerCore {
    fn plan_step(&mut self, after_ms: i64, step: Step) {
        self.transfer.next += 1;
        let id = self.transfer.next;
        self.transfer.steps.insert(id, step);
        self.plan(after_ms, Job::Transfer(id));
    }

    /// Begins an upload to `location`; returns the file's name and whether another was stopped.
    pub(crate) fn upload(&mut self, location: &str, request: Option<i32>) -> (String, bool) {
        let before = self.transfer.steps.len();
        self.transfer.steps.retain(|_, step| !matches!(step, Step::Upload(..)));
        let stopped = self.transfer.steps.len() < before;
        let works = is_reachable(location);
        let begin = self.span((1_000, 3_000));
        let end = begin + self.span((15_000, 40_000));
        self.plan_step(begin, Step::Upload(UploadWord::Uploading, request));
        let last = if works { UploadWord::Uploaded } else { UploadWord::Failed };
        self.plan_step(end, Step::Upload(last, request));
        let name = format!("{}_{}.log.gz", self.spec.serial, self.now.0 / 1_000);
        (name, stopped)
    }

    /// Begins an update from `location`, not before `wait_ms`.
    pub(crate) fn update_firmware(
        &mut self,
        location: &str,
        wait_ms: i64,
        request: Option<i32>,
        signed: bool,
    ) {
        self.transfer.steps.retain(|_, step| matches!(step, Step::Upload(..)));
        let mut at = wait_ms.max(0) + self.span((1_000, 4_000));
        self.plan_step(at, Step::Firmware(FirmwareWord::Downloading, request));
        at += self.span((30_000, 90_000));
        if !is_reachable(location) {
            self.plan_step(at, Step::Firmware(FirmwareWord::DownloadFailed, request));
            return;
        }
        self.plan_step(at, Step::Firmware(FirmwareWord::Downloaded, request));
        if signed {
            at += self.span((1_000, 3_000));
            self.plan_step(at, Step::Firmware(FirmwareWord::SignatureVerified, request));
        }
        at += self.span((5_000, 15_000));
        self.plan_step(at, Step::Firmware(FirmwareWord::Installing, request));
        at += self.span((20_000, 60_000));
        let version = version_of(location, &self.firmware);
        self.plan_step(at, Step::Install { version, request });
    }

    pub(super) fn transfer_step(&mut self, id: u32) {
        match self.transfer.steps.remove(&id) {
            Some(Step::Upload(word, request)) => {
                self.transfer.upload = Some((word, request));
                self.say_upload(false);
            }
            Some(Step::Firmware(word, request)) => {
                self.transfer.firmware = Some((word, request));
                self.say_firmware(false);
            }
            Some(Step::Install { version, request }) => {
                if self.any_transaction() {
                    // Nobody is thrown out for an update.
                    self.plan_step(5_000, Step::Install { version, request });
                    return;
                }
                self.transfer.installing = Some((version, request));
                if !self.spec.is_v16() {
                    self.transfer.firmware = Some((FirmwareWord::InstallRebooting, request));
                    self.say_firmware(false);
                }
                self.link.boot_reason = BootReason::FirmwareUpdate;
                self.plan(700, Job::PowerOff { hard: false });
            }
            None => {}
        }
    }

    /// The first thing after a boot: tell that the update is in.
    pub(super) fn firmware_after_boot(&mut self) {
        if let Some((_, request)) = self.transfer.installing.take() {
            self.transfer.firmware = Some((FirmwareWord::Installed, request));
            self.say_firmware(false);
        }
    }

    /// The version to boot with.
    pub(crate) fn boot_firmware(&mut self) -> String {
        if let Some((version, _)) = &self.transfer.installing {
            self.firmware.clone_from(version);
        }
        self.firmware.clone()
    }

    pub(crate) fn say_upload(&mut self, triggered: bool) {
        let (word, request) = self.transfer.upload.unwrap_or((UploadWord::Idle, None));
        let message = if self.spec.is_v16() {
            v16::say::upload(word)
        } else {
            v201::say::upload(word, request)
        };
        self.say(message.triggered(triggered));
    }

    pub(crate) fn say_firmware(&mut self, triggered: bool) {
        let (word, request) = self.transfer.firmware.unwrap_or((FirmwareWord::Idle, None));
        let message = if self.spec.is_v16() {
            v16::say::firmware(word)
        } else {
            v201::say::firmware(word, request)
        };
        self.say(message.triggered(triggered));
    }
}

/// Chargers know FTP and HTTP; nothing is really sent, so any address of those kinds works, and
/// one with `unreachable` in it does not, for tests.
fn is_reachable(location: &str) -> bool {
    let schemes = ["http://", "https://", "ftp://", "ftps://", "sftp://"];
    schemes.iter().any(|scheme| location.starts_with(scheme)) && !location.contains("unreachable")
}

/// The version in a file's name (`fw-2.5.0.bin`), else the next patch of the present one.
fn version_of(location: &str, present: &str) -> String {
    let name = location.rsplit('/').next().unwrap_or("");
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let found = name.split(|c| !digits(c)).map(|part| part.trim_matches('.'));
    if let Some(version) = found.filter(|part| part.contains('.')).max_by_key(|part| part.len()) {
        return version.to_owned();
    }
    match present.rsplit_once('.').and_then(|(head, tail)| Some((head, tail.parse::<u32>().ok()?)))
    {
        Some((head, patch)) => format!("{head}.{}", patch + 1),
        None => format!("{present}.1"),
    }
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn the_new_version_comes_from_the_file_name() {
        assert_eq!(version_of("https://x.example/fw-2.5.0.bin", "2.4.1"), "2.5.0");
        assert_eq!(version_of("https://x.example/latest", "2.4.1"), "2.4.2");
    }
}
