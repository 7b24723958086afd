//! The gateway with an intake that lets everybody in and keeps nothing: what the listener costs
//! without the rest of the server. Compare with the simulator's `bare_server`:
//! `cargo run --release -p mendpoint-gateway --example gateway_alone -- 127.0.0.1:9101`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mendpoint_gateway::{
    Admit, Admitted, Answer, BootStatus, Delivery, Gateway, GatewayEvent, GatewaySettings, Hello,
    Intake, ListenerSettings, SignOfLife,
};
use mendpoint_model::{ChargerKey, SecurityProfile, SiteKey, TransactionId, UnixMs};
use tokio::sync::watch;

/// Numbers chargers as they come.
#[derive(Debug, Default)]
struct Everybody {
    count: AtomicU64,
}

impl Intake for Everybody {
    async fn admit(&self, hello: Hello) -> Admit {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        Admit::Accept(Admitted {
            charger: ChargerKey(number as u32),
            site: SiteKey(1),
            boot: BootStatus::Accepted,
            epoch: number,
            heartbeat_interval_s: 300,
            strict: false,
            profile: hello.listener,
        })
    }

    fn try_deliver(&self, delivery: Delivery) -> Result<(), Delivery> {
        if let Some(answer) = delivery.answer {
            // The charger may be gone already.
            let _ = answer.send(Answer {
                transaction: TransactionId(1),
                token_accepted: true,
                token: None,
            });
        }
        Ok(())
    }

    fn heard(&self, _sign: SignOfLife) -> bool {
        false
    }

    async fn deliver(&self, _delivery: Delivery) {}

    fn received(&self, _charger: ChargerKey, _at: UnixMs, _frame: &str) -> u64 {
        0
    }

    fn sent(&self, _charger: ChargerKey, _at: UnixMs, _frame: &str) {}

    fn sign_certificate(
        &self,
        _charger: ChargerKey,
        _profile: SecurityProfile,
        _payload: &str,
    ) -> Result<(), String> {
        Err("nobody signs here".to_owned())
    }

    fn note(&self, _event: GatewayEvent) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9101".to_owned()).parse()?;
    let settings = GatewaySettings {
        listeners: vec![ListenerSettings { listen, ..ListenerSettings::default() }],
        ..GatewaySettings::default()
    };
    let intake = Arc::new(Everybody::default());
    let gateway = Gateway::bind(settings, intake, &prometheus::Registry::new())?;
    // Runs until it is killed: the sender stays.
    let (_stop, stopped) = watch::channel(false);
    gateway.run(stopped).await;
    Ok(())
}
