/// Why mail cannot be sent at all. A single mail that fails is no error: it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sender is no address.
    #[error("mail.from is \"{from}\"; write an address, as in Mendpoint <mendpoint@example.com>")]
    From {
        /// What was set.
        from: String,
    },
    /// The server's address cannot be used. Its text is not shown: it may hold a password.
    #[error(
        "mail.smtp_url cannot be used ({why}); write smtp://HOST:PORT, \
         smtp://USER:PASSWORD@HOST:587?tls=required or smtps://USER:PASSWORD@HOST"
    )]
    SmtpUrl {
        /// What is wrong with it.
        why: String,
    },
    /// The outbox cannot be read or written.
    #[error("outbox: {0}")]
    Store(#[from] mendpoint_store::Error),
    /// A metric of this name is registered already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
