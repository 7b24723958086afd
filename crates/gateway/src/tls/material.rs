//! The files of an encrypted listener, read into what rustls needs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mendpoint_model::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::certificate::not_after;

/// Where the certificates of an encrypted listener are, as PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, followed by the ones between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who may have signed chargers' certificates (profile 3).
    pub client_ca: Option<PathBuf>,
    /// Which of those were revoked.
    pub client_crl: Option<PathBuf>,
}

/// What the files say now.
pub(crate) struct Material {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) not_after: UnixMs,
    /// Of the bytes of all files: tells whether they changed.
    pub(crate) digest: [u8; 32],
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl TlsFiles {
    /// Reads everything. The error is a sentence that names the file.
    pub(crate) fn load(&self) -> Result<Material, String> {
        let certificate = read(&self.certificate)?;
        let key = read(&self.key)?;
        let client_ca = self.client_ca.as_deref().map(read).transpose()?;
        let client_crl = self.client_crl.as_deref().map(read).transpose()?;
        let mut digest = Sha256::new();
        for bytes in [Some(&certificate), Some(&key), client_ca.as_ref(), client_crl.as_ref()] {
            let bytes = bytes.map_or(&[][..], Vec::as_slice);
            digest.update(bytes.len().to_be_bytes());
            digest.update(bytes);
        }

        let chain = certificates(&self.certificate, &certificate)?;
        let mut ends = UnixMs(i64::MAX);
        for certificate in &chain {
            let at = not_after(certificate)
                .map_err(|why| format!("{} {why}", self.certificate.display()))?;
            ends = ends.min(at);
        }
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|error| format!("{} has no private key in it: {error}", self.key.display()))?;

        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?;
        let (builder, is_mutual) = match (&self.client_ca, client_ca) {
            (Some(path), Some(bytes)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, &bytes)? {
                    roots.add(root).map_err(|error| {
                        format!("{} cannot be a root of trust: {error}", path.display())
                    })?;
                }
                let crls = match (&self.client_crl, client_crl) {
                    (Some(path), Some(bytes)) => revocations(path, &bytes)?,
                    _ => Vec::new(),
                };
                // A list is one authority's: chargers of another one are not refused for want
                // of a list of theirs.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .with_crls(crls)
                        .only_check_end_entity_revocation()
                        .allow_unknown_revocation_status()
                        .build()
                        .map_err(|error| format!("chargers cannot be verified: {error}"))?;
                (builder.with_client_cert_verifier(verifier), true)
            }
            _ => (builder.with_no_client_auth(), false),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            format!(
                "{} and {} cannot be used: {error}",
                self.certificate.display(),
                self.key.display()
            )
        })?;
        if is_mutual {
            // A resumed session does not look at the certificate again: a revoked one would stay
            // good as long as its ticket.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        } else {
            // A fleet that returns resumes its sessions, without us keeping anything for it.
            config.ticketer = ring::Ticketer::new()
                .map_err(|error| format!("no key for session tickets: {error}"))?;
            config.send_tls13_tickets = 1;
        }
        Ok(Material { config: Arc::new(config), not_after: ends, digest: digest.finalize().into() })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|error| format!("{} is not PEM: {error}", path.display()))?;
    if all.is_empty() {
        return Err(format!("{} has no certificate in it", path.display()));
    }
    Ok(all)
}

fn revocations(
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|error| format!("{} is not PEM: {error}", path.display()))?;
    if all.is_empty() {
        return Err(format!("{} has no revocation list in it", path.display()));
    }
    Ok(all)
}
