//! What is read out of a certificate.

use std::fmt::Write as _;
use std::net::SocketAddr;

use mendpoint_model::{ClientCertificate, SECOND_MS, SecurityProfile, UnixMs};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// What a listener presents to chargers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// The listener.
    pub listener: SocketAddr,
    /// Its profile.
    pub profile: SecurityProfile,
    /// The file the certificate is read from.
    pub file: String,
    /// When the first certificate of its chain to end ends.
    pub not_after: UnixMs,
}

/// When a certificate ends.
pub(crate) fn not_after(der: &CertificateDer<'_>) -> Result<UnixMs, String> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("is no certificate: {error}"))?;
    Ok(UnixMs(certificate.validity().not_after.timestamp().saturating_mul(SECOND_MS)))
}

/// What matters of a charger's certificate. Its chain was checked before.
pub(crate) fn read_client(der: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    Some(ClientCertificate {
        common_name: only(subject.iter_common_name()),
        organization: only(subject.iter_organization()),
        sha256: hex(&Sha256::digest(der)),
        not_after: not_after(der).ok(),
    })
}

/// The CN and O of a request's subject.
pub(super) fn names(subject: &X509Name<'_>) -> (String, String) {
    (only(subject.iter_common_name()), only(subject.iter_organization()))
}

/// The one value of an attribute. Two are as good as none: which of them would it be?
fn only<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> String {
    match (values.next(), values.next()) {
        (Some(value), None) => value.as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
