//! A new password for a charger while the program is killed with -9: the charger comes in again (S5).

use std::time::Duration;

use serde_json::{Value, json};

use super::kit::{Charger, Server};

/// Where the program is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// So long after the request, whatever has happened by then.
    After(Duration),
    /// The charger has the command in hand; whether it takes the password.
    InHand { takes: bool },
    /// So long after the charger's answer *Accepted*.
    Answered(Duration),
    /// So long after the charger's answer *Rejected*.
    Refused(Duration),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_kill_9_at_every_step_locks_no_charger_out() {
    let ms = Duration::from_millis;
    let mut kills = vec![Kill::InHand { takes: true }, Kill::InHand { takes: false }];
    kills.extend([0, 2, 5, 10, 20].map(|wait| Kill::After(ms(wait))));
    kills.extend([0, 1, 3, 10].map(|wait| Kill::Answered(ms(wait))));
    kills.extend([0, 3].map(|wait| Kill::Refused(ms(wait))));

    let mut server = Server::start();
    let mut password = "0123456789ABCDEF0123456789ABCDEF01234567".to_owned();
    let new = json!({ "identity": "CP-1", "password": password });
    let (status, said) = server.request("POST", "/chargers", &new.to_string());
    assert_eq!(status, 201, "{said}");
    for kill in kills {
        let Some(mut charger) = server.charger_with("CP-1", &password).await else {
            panic!("locked out before {kill:?}")
        };
        let boot = json!({ "chargePointVendor": "V", "chargePointModel": "M" });
        charger.call("BootNotification", boot).await.expect("is answered");
        let asking = server.request_later("POST", "/chargers/CP-1/security/rotate", "");
        password = play(&mut charger, kill, password).await;
        server.kill();
        // Its end does not matter: nobody is there to answer.
        drop(asking.join());
        server.start_again();
    }
    assert!(server.charger_with("CP-1", &password).await.is_some(), "locked out at the end");
    let security = server.get("/chargers/CP-1/security");
    assert_eq!(security["two_passwords"], false, "the login settled it: {security}");
}

/// The charger's part, up to where the program is to be killed; the password it has then.
async fn play(charger: &mut Charger, kill: Kill, password: String) -> String {
    if let Kill::After(wait) = kill {
        tokio::time::sleep(wait).await;
        return password;
    }
    let command: Value = charger.hear_call("ChangeConfiguration").await.expect("it is sent");
    assert_eq!(command[3]["key"], "AuthorizationKey");
    let new = command[3]["value"].as_str().expect("a password").to_owned();
    let (status, wait) = match kill {
        Kill::After(_) | Kill::InHand { takes: false } => return password,
        Kill::InHand { takes: true } => return new,
        Kill::Answered(wait) => ("Accepted", wait),
        Kill::Refused(wait) => ("Rejected", wait),
    };
    let answer = json!([3, command[1], { "status": status }]).to_string();
    charger.send_raw(&answer).await.expect("the program is there");
    tokio::time::sleep(wait).await;
    if status == "Accepted" { new } else { password }
}
