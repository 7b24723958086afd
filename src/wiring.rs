//! Where the gateway and the pipeline meet: neither knows the other.

use mendpoint_gateway::{
    AddressBook, Admit, Admitted, Answer, BootStatus, Delivery, GatewayEvent, Hello, Intake,
    WhyRefused,
};
use mendpoint_model::{ChargerKey, Command, FrameSeq, UnixMs};
use mendpoint_pipeline::{Handle, Incoming, NotAdmitted, Outbound, ReplyTo, Sampled, SendRefused};
use mendpoint_store::Direction;

/// Chargers' way in: what the gateway hands over goes to the pipeline.
pub(crate) struct ToPipeline(pub(crate) Handle);

impl Intake for ToPipeline {
    async fn admit(&self, hello: Hello) -> Admit {
        let credentials = hello.credentials.as_ref().map(|(user, password)| (&**user, &**password));
        match self.0.admit(&hello.identity, credentials, hello.remote.ip()).await {
            Ok(admitted) => Admit::Accept(Admitted {
                charger: admitted.charger,
                site: admitted.site,
                boot: if admitted.accepted { BootStatus::Accepted } else { BootStatus::Pending },
                epoch: admitted.epoch,
                heartbeat_interval_s: admitted.heartbeat_interval_s,
                strict: admitted.strict,
            }),
            Err(NotAdmitted::Unknown) => Admit::Unknown,
            Err(NotAdmitted::Unauthorized) => Admit::Unauthorized,
            Err(NotAdmitted::TooMany(retry_after_s)) => Admit::TooMany { retry_after_s },
            Err(NotAdmitted::Unavailable) => Admit::Unavailable,
        }
    }

    fn try_deliver(&self, delivery: Delivery) -> Result<(), Delivery> {
        let (site, mut delivery) = (delivery.site, Some(delivery));
        self.0.try_take(site, || delivery.take().map(incoming));
        delivery.map_or(Ok(()), Err)
    }

    async fn deliver(&self, delivery: Delivery) {
        self.0.take(incoming(delivery)).await;
    }

    fn received(&self, charger: ChargerKey, at: UnixMs, frame: &str) -> FrameSeq {
        self.0.log_frame(charger, at, Direction::In, frame)
    }

    fn sent(&self, charger: ChargerKey, at: UnixMs, frame: &str) {
        self.0.log_frame(charger, at, Direction::Out, frame);
    }

    fn note(&self, event: GatewayEvent) {
        tracing::info!(?event, "the gateway noted something");
    }
}

/// What the gateway says, in the pipeline's words.
fn incoming(delivery: Delivery) -> Incoming {
    let answer = delivery.answer.map(|session| {
        ReplyTo::new(move |answer| {
            // The session may be gone; the charger will send its message again then.
            let _ = session.send(Answer {
                transaction: answer.transaction,
                token_accepted: answer.token_accepted,
            });
        })
    });
    let quirks = delivery.quirks.into_iter();
    Incoming {
        charger: delivery.charger,
        site: delivery.site,
        epoch: delivery.epoch,
        received_at: delivery.received_at,
        frame: delivery.frame,
        events: delivery.events,
        sample: delivery
            .sample
            .map(|sample| Box::new(Sampled { text: sample.text, answers: sample.answers })),
        quirks: quirks.map(|quirk| (quirk.field.to_string(), quirk.why.to_string())).collect(),
        answer,
    }
}

/// The pipeline's way out to chargers.
pub(crate) struct ToChargers(pub(crate) AddressBook);

impl Outbound for ToChargers {
    fn send(&self, command: Command) -> Result<(), SendRefused> {
        self.0.send(command).map_err(|refused| match refused.why {
            WhyRefused::NotConnected => SendRefused::NotConnected,
            WhyRefused::QueueFull => SendRefused::QueueFull,
        })
    }

    fn close(&self, charger: ChargerKey, reason: &str) {
        self.0.close(charger, 1008, reason.to_owned());
    }
}
