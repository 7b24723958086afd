//! What is read of a file and the environment, and what is said of mistakes.

use std::collections::HashMap;

use super::*;

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("mendpoint.toml");
    std::fs::write(&path, file)?;
    let source: HashMap<String, String> =
        environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let environment = Environment::with_prefix("MENDPOINT")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .list_separator(",")
        .with_list_parse_key("ocpp.trusted_proxies")
        .source(Some(source));
    Settings::read_from(Some(&path), environment)
}

#[test]
fn the_defaults_are_valid() {
    let settings = read("", &[]).expect("the built-in defaults");
    assert_eq!(settings.ocpp.listen.port(), 9000);
    assert_eq!(settings.ocpp.unknown_chargers, UnknownChargers::Quarantine);
    assert_eq!(settings.public_url(), "http://127.0.0.1:8080");
}

#[test]
fn the_environment_wins_over_the_file() {
    let settings = read(
        "[ocpp]\nlisten = \"127.0.0.1:9100\"\nheartbeat_interval_s = 60\n",
        &[("MENDPOINT__OCPP__LISTEN", "127.0.0.1:9200")],
    )
    .expect("valid");
    assert_eq!(settings.ocpp.listen.port(), 9200);
    assert_eq!(settings.ocpp.heartbeat_interval_s, 60);
}

#[test]
fn absence_waits_for_two_heartbeats_after_a_start_of_ours() {
    let grace_s = |text: &str| read(text, &[]).expect("valid").startup_grace_ms() / 1_000;
    assert_eq!(grace_s(""), 600);
    assert_eq!(grace_s("[ocpp]\nheartbeat_interval_s = 1800\n"), 3_600);
    let both = "[ocpp]\nheartbeat_interval_s = 60\n[engine]\nstartup_grace_s = 900\n";
    assert_eq!(grace_s(both), 900);
}

#[test]
fn listeners_replace_the_simple_form() {
    let simple = read("[ocpp]\nprofile = 1\n", &[]).expect("valid");
    let listeners = simple.ocpp.listeners().expect("valid");
    assert_eq!(listeners.len(), 1);
    assert_eq!((listeners[0].listen.port(), listeners[0].profile.number()), (9000, 1));
    let two = read(
        "[[ocpp.listeners]]\nlisten = \"127.0.0.1:9001\"\nprofile = 1\n\
         [[ocpp.listeners]]\nlisten = \"0.0.0.0:9443\"\nprofile = 3\n\
         certificate = \"c.pem\"\nkey = \"k.pem\"\nclient_ca = \"ca.pem\"\n",
        &[("MENDPOINT__OCPP__TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")],
    )
    .expect("valid");
    let listeners = two.ocpp.listeners().expect("valid");
    assert_eq!(listeners.iter().map(|it| it.listen.port()).collect::<Vec<_>>(), [9001, 9443]);
    assert!(listeners[1].tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()));
    assert_eq!(two.ocpp.trusted_proxies.len(), 2);
}

#[test]
fn what_is_wrong_is_named() {
    for (file, told) in [
        ("[mail]\nsmtp_url = \"ftp://u:s3cret@h\"\n", "begins with smtp:// or smtps://"),
        ("[mail]\nsmtp_url = \"smpt://h:25\"\n", "and here with \"smpt\""),
        ("[mail]\nsmtp_url = \"smtp://h:x\"\n", "mail.smtp_url cannot be used"),
        ("[ocpp]\nlisten_to = 1\n", "listen_to"),
        ("[ocpp]\nvalidation = \"lax\"\n", "it is tolerant or strict"),
        ("[ocpp]\nlistn = \"x\"\n", "did you mean listen?"),
        ("[ocpp]\nlisten = \"9000\"\n", "ocpp.listen is not ADDRESS:PORT"),
        ("[ocpp]\nprofile = 2\n", "[[ocpp.listeners]]"),
        ("[ocpp]\nprofile = 7\n", "a security profile is 0, 1, 2 or 3"),
        ("[ocpp]\nca_key = \"k.pem\"\n", "ocpp.ca_certificate"),
        (
            "[[ocpp.listeners]]\nlisten = \"0.0.0.0:9443\"\nprofile = 2\nkey = \"k.pem\"\n",
            "no certificate",
        ),
        ("[[ocpp.listeners]]\nlisten = \"0.0.0.0:9443\"\n", "profile"),
        ("[log]\nfilter = \"loud\"\n[ocpp]\nheartbeat_interval_s = 1\n", "heartbeat"),
        ("[log]\nfilter = \"a=b=c\"\n", "log.filter"),
        ("[engine]\npace = 0.0\n", "engine.pace"),
        ("[healing]\nsite_percent = 100\n", "healing.site_percent must be between 1 and 50"),
        ("[healing]\nnew_per_minute = 0\n", "healing.new_per_minute"),
        ("[healing]\nboot_min_s = 500\nboot_max_s = 400\n", "healing.boot_min_s"),
        (
            "[[healing.power_hooks]]\nsite = \"A\"\nurl = \"ftp://x\"\nsecret = \"s\"\n",
            "must begin with http://",
        ),
        (
            "[[healing.power_hooks]]\nsite = \"A\"\nurl = \"http://x\"\nsecret = \"s\"\n",
            "16 characters",
        ),
        ("[[healing.models]]\nvendor = \"A\"\nmodel = \"X\"\nmode = \"sometimes\"\n", "mode"),
        ("[engine]\ndiagnostics_url = \"files\"\n", "engine.diagnostics_url"),
        ("[database]\nurl = \"mysql://x\"\n", "database.url"),
        ("[backup]\nhour = 24\n", "backup.hour"),
        ("[database]\nkeep_frames_days = 0\n", "keep_frames_days must be at least 1"),
        ("[database]\nkeep_hours_days = 3\n", "keep_hours_days"),
        ("[backup]\nkeep = 0\n", "backup.keep"),
        ("[backup]\nfolder = \"x\"\nevery_s = 1\n", "backup.every_s"),
        (
            "[backup]\nfolder = \"x\"\nevery_s = 99999999999\n",
            "backup.every_s is a whole number from 0 to 86400, and is 99999999999",
        ),
        ("[backup]\nevery_s = -5\n", "backup.every_s is a whole number from 0 to 86400, and is -5"),
        (
            "[backup]\nkeep = \"many\"\n",
            "backup.keep is a whole number from 0 to 10000, and is many",
        ),
        ("[ocpp]\nping_interval_s = 99999999999\n", "from 0 to 4294967295, and is 99999999999"),
        ("[backup]\nevery_s = 60\n", "backup.folder does not say where"),
        ("[duty]\nroutes = \"/nowhere.toml\"\n", "failed to read duty.routes"),
        (
            "[[duty.webhooks]]\nname = \"noc\"\nurl = \"noc.example\"\n",
            "begins with https:// or http://",
        ),
        ("[web]\nbootstrap_token = \"short\"\n", "web.bootstrap_token"),
        ("[ocpp\n", "line 1"),
    ] {
        let error = format!("{:#}", read(file, &[]).expect_err(file));
        assert!(error.contains(told), "{file:?} gave {error:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let settings = read("[mail]\nsmtp_url = \"smtps://u:hunter2@h\"\n", &[]).expect("valid");
    assert!(!format!("{settings:?}").contains("hunter2"));
}
