//! Encryption of chargers' connections: what a listener presents, what it asks of chargers, and
//! how both are read again without a connection being dropped.
//!
//! rustls on ring, TLS 1.2 and 1.3. What the standard asks for beyond that (`TLS_RSA_WITH_AES_*`)
//! rustls does not have; docs/security-profiles.md says what to do about it (behaviour 19).

mod authority;
mod certificate;
mod material;
mod watch;

pub use authority::{Authority, SigningRequest};
pub use certificate::CertificateStatus;
pub(crate) use certificate::read_client;
pub(crate) use material::Material;
pub use material::TlsFiles;
pub use watch::Certificates;
pub(crate) use watch::Presented;
