/// Why something that people set cannot be used, fit to follow "failed to". Each says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file of routes cannot be read.
    #[error("read the routes: {0}")]
    Routes(String),
    /// A time zone is not known.
    #[error("use the time zone \"{0}\": write an IANA name, as in Europe/Bucharest")]
    Zone(String),
    /// A rota cannot be used.
    #[error("use the rota: {0}")]
    Rota(String),
    /// A silence cannot be used.
    #[error("silence it: {0}")]
    Silence(String),
    /// A maintenance window cannot be used.
    #[error("plan the maintenance: {0}")]
    Window(String),
    /// A person's settings cannot be used.
    #[error("keep the settings: {0}")]
    Person(String),
}
