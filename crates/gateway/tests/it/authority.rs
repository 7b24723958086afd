//! A small certificate authority: what an operator has, and what an attacker would have. The tests of
//! the whole program use it too, so not every part is used by each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// Signs servers and chargers.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: tempfile::TempDir,
}

/// A certificate with its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) key: KeyPair,
}

/// How long a certificate is good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Good {
    Now,
    LongAgo,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = subject(name, "Volt AG");
        let certificate = params.self_signed(&key).expect("signs itself");
        let issuer = Issuer::new(params, key);
        Self { issuer, certificate, folder: tempfile::tempdir().expect("a folder") }
    }

    /// A certificate of a server on this machine.
    pub(crate) fn server(&self, serial: u64) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        self.sign(&params)
    }

    /// A certificate of a charger.
    pub(crate) fn charger(&self, name: &str, operator: &str, serial: u64, good: Good) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name, operator);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(serial));
        if good == Good::LongAgo {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        self.sign(&params)
    }

    /// What a charger sends to have a certificate signed, with the key it keeps.
    pub(crate) fn request(name: &str, operator: &str) -> (KeyPair, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(name, operator);
        let csr = params.serialize_request(&key).expect("a request").pem().expect("as PEM");
        (key, csr)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Identity { pem: certificate.pem(), certificate: certificate.der().clone(), key }
    }

    /// The authority's own certificate as a file.
    pub(crate) fn file(&self) -> PathBuf {
        self.write("ca.pem", &self.certificate.pem())
    }

    /// The authority's private key as a file.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.write("ca.key", &self.issuer.key().serialize_pem())
    }

    /// A list that revokes one certificate, as a file.
    pub(crate) fn revoking(&self, serial: u64) -> PathBuf {
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2090, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: date_time_ymd(2026, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("signed");
        self.write("revoked.pem", &list.pem().expect("as PEM"))
    }

    /// Writes a certificate and its key as files of these names.
    pub(crate) fn present(&self, name: &str, identity: &Identity) -> (PathBuf, PathBuf) {
        (
            self.write(&format!("{name}.pem"), &identity.pem),
            self.write(&format!("{name}.key"), &identity.key.serialize_pem()),
        )
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path: &Path = self.folder.path();
        let path = path.join(name);
        std::fs::write(&path, text).expect("writes");
        path
    }

    /// What a charger that trusts this authority brings to TLS.
    pub(crate) fn client(
        &self,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivatePkcs8KeyDer::from(identity.key.serialize_der());
                builder
                    .with_client_auth_cert(
                        vec![identity.certificate.clone()],
                        PrivateKeyDer::Pkcs8(key),
                    )
                    .expect("a usable identity")
            }
        })
    }
}

fn subject(name: &str, operator: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject.push(DnType::OrganizationName, operator);
    subject
}
