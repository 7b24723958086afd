//! Where the gateway and the pipeline meet: neither knows the other.

use mendpoint_gateway::{
    AddressBook, Admit, Admitted, Answer, Authority, BootStatus, Delivery, GatewayEvent, Hello,
    Intake, SignOfLife, WhyRefused,
};
use mendpoint_model::{ChargerKey, Command, FrameSeq, SecurityProfile, UnixMs};
use mendpoint_pipeline::{
    Door, Handle, Incoming, NotAdmitted, Outbound, Pulse, ReplyTo, Sampled, SendRefused,
};
use mendpoint_store::Direction;

use crate::security;

/// Chargers' way in: what the gateway hands over goes to the pipeline.
pub(crate) struct ToPipeline {
    pub(crate) handle: Handle,
    /// Signs what chargers ask for, if the operator has an authority.
    pub(crate) authority: Option<Authority>,
}

impl Intake for ToPipeline {
    async fn admit(&self, hello: Hello) -> Admit {
        let credentials = hello.credentials.as_ref().map(|(user, password)| (&**user, &**password));
        let door = Door {
            identity: &hello.identity,
            credentials,
            remote: hello.remote.ip(),
            tls: hello.tls,
            listener: hello.listener,
            certificate: hello.certificate.as_ref(),
        };
        match self.handle.admit(door).await {
            Ok(admitted) => Admit::Accept(Admitted {
                charger: admitted.charger,
                site: admitted.site,
                boot: if admitted.accepted { BootStatus::Accepted } else { BootStatus::Pending },
                epoch: admitted.epoch,
                heartbeat_interval_s: admitted.heartbeat_interval_s,
                strict: admitted.strict,
                profile: admitted.profile,
            }),
            Err(NotAdmitted::Unknown) => Admit::Unknown,
            Err(NotAdmitted::Unauthorized(why)) => Admit::Unauthorized { why },
            Err(NotAdmitted::TooMany(retry_after_s)) => Admit::TooMany { retry_after_s },
            Err(NotAdmitted::Unavailable) => Admit::Unavailable,
        }
    }

    fn try_deliver(&self, delivery: Delivery) -> Result<(), Delivery> {
        let (site, mut delivery) = (delivery.site, Some(delivery));
        self.handle.try_take(site, || delivery.take().map(incoming));
        delivery.map_or(Ok(()), Err)
    }

    fn heard(&self, sign: SignOfLife) -> bool {
        let SignOfLife { charger, site, epoch, received_at, frame } = sign;
        self.handle.heard(Pulse { charger, site, epoch, received_at, frame })
    }

    async fn deliver(&self, delivery: Delivery) {
        self.handle.take(incoming(delivery)).await;
    }

    fn received(&self, charger: ChargerKey, at: UnixMs, frame: &str) -> FrameSeq {
        self.handle.log_frame(charger, at, Direction::In, frame)
    }

    fn sent(&self, charger: ChargerKey, at: UnixMs, frame: &str) {
        self.handle.log_frame(charger, at, Direction::Out, frame);
    }

    fn sign_certificate(
        &self,
        charger: ChargerKey,
        profile: SecurityProfile,
        payload: &str,
    ) -> Result<(), String> {
        let authority = self.authority.as_ref().ok_or("ocpp.ca_certificate is not set")?;
        let signed = security::sign(authority, &self.handle, charger, profile, payload)?;
        let handle = self.handle.clone();
        tokio::spawn(async move {
            if let Err(error) = handle.command(charger, signed, "certificate authority").await {
                tracing::warn!(%error, charger.key = charger.0, "a certificate was not sent");
            }
        });
        Ok(())
    }

    fn note(&self, event: GatewayEvent) {
        self.handle.note_security(security::note(event));
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
                token: answer.token,
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

    fn set_accepted(&self, charger: ChargerKey, accepted: bool) -> bool {
        let boot = if accepted { BootStatus::Accepted } else { BootStatus::Pending };
        self.0.set_boot(charger, boot)
    }

    fn close(&self, charger: ChargerKey, reason: &str) {
        self.0.close(charger, 1008, reason.to_owned());
    }
}
