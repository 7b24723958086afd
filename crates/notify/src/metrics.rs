use prometheus::{IntCounter, Registry};

/// Numbers about mail.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) sent: IntCounter,
    pub(crate) retried: IntCounter,
    pub(crate) failed: IntCounter,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            sent: IntCounter::new("mendpoint_mails_sent_total", "Mails the server took.")?,
            retried: IntCounter::new(
                "mendpoint_mails_retried_total",
                "Tries to send a mail that failed and are repeated later.",
            )?,
            failed: IntCounter::new("mendpoint_mails_failed_total", "Mails that were given up.")?,
        };
        registry.register(Box::new(metrics.sent.clone()))?;
        registry.register(Box::new(metrics.retried.clone()))?;
        registry.register(Box::new(metrics.failed.clone()))?;
        Ok(metrics)
    }
}
