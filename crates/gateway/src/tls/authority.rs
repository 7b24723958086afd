//! The operator's own certificate authority: signs what chargers ask for, if it is in order.

use std::fmt;
use std::path::Path;

use mendpoint_model::{SECOND_MS, SecurityProfile, UnixMs};
use rcgen::{
    CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use super::certificate::{names, not_after};

/// How long a charger's certificate is good, in days.
const GOOD_FOR_DAYS: i64 = 365;
/// Certificates begin this long ago, in hours: chargers' clocks are not exact.
const BEGIN_HOURS_AGO: i64 = 24;
/// The shortest RSA key taken, in bits (A00.FR.502); elliptic curves from 224 (A00.FR.503).
const RSA_BITS_MIN: usize = 2_048;
const EC_BITS_MIN: usize = 224;
/// The longest request read, in bytes: 5,500 characters in OCPP 2.x.
const CSR_BYTES_MAX: usize = 5_500;

/// Signs certificates of chargers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    organization: String,
    ends_s: i64,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("organization", &self.organization)
            .finish_non_exhaustive()
    }
}

/// A charger that wants a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest<'a> {
    /// PKCS#10 in PEM, as sent.
    pub csr: &'a str,
    /// How the charger is connected.
    pub profile: SecurityProfile,
    /// Its serial number, as it told at boot; empty when unknown.
    pub serial: &'a str,
    /// The CN that is on record for it; empty when none is.
    pub bound_to: &'a str,
}

impl Authority {
    /// Reads the authority's certificate and key. `organization` is the operator's name: what a
    /// request must say as O; anything goes when it is empty.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn read(certificate: &Path, key: &Path, organization: &str) -> Result<Self, String> {
        let text = |path: &Path| {
            std::fs::read_to_string(path)
                .map_err(|error| format!("{} cannot be read: {error}", path.display()))
        };
        let certificate_pem = text(certificate)?;
        let key_pair = KeyPair::from_pem(&text(key)?)
            .map_err(|error| format!("{} is no usable private key: {error}", key.display()))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key_pair).map_err(|error| {
            format!("{} is no usable authority: {error}", certificate.display())
        })?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| format!("{} is not PEM: {error}", certificate.display()))?;
        let ends_s = not_after(&der).map_err(|why| format!("{} {why}", certificate.display()))?.0
            / SECOND_MS;
        Ok(Self { issuer, certificate_pem, organization: organization.to_owned(), ends_s })
    }

    /// When the authority's own certificate ends.
    pub fn not_after(&self) -> UnixMs {
        UnixMs(self.ends_s.saturating_mul(SECOND_MS))
    }

    /// Looks at a request and signs it: the chain in PEM, the charger's own certificate first.
    ///
    /// # Errors
    /// Why it is not signed, as a sentence for the security log (S6).
    pub fn sign(&self, request: &SigningRequest<'_>, now_s: i64) -> Result<String, String> {
        let der = check(request, &self.organization)?;
        let mut params = CertificateSigningRequestParams::from_der(&der)
            .map_err(|error| format!("the request cannot be signed: {error}"))?;
        // Only the subject and the key are the charger's to say.
        params.params.is_ca = IsCa::ExplicitNoCa;
        params.params.subject_alt_names.clear();
        params.params.custom_extensions.clear();
        params.params.name_constraints = None;
        params.params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.params.use_authority_key_identifier_extension = true;
        let serial = serial_number(&der, now_s);
        params.params.serial_number = Some(SerialNumber::from_slice(&serial));
        let date = |at_s: i64| {
            let time = ASN1Time::from_timestamp(at_s).map_err(|_| "the clock is out of range")?;
            Ok::<_, String>(time.to_datetime())
        };
        let ends_s = (now_s + GOOD_FOR_DAYS * 24 * 3_600).min(self.ends_s);
        if ends_s <= now_s {
            return Err("the authority's own certificate has expired".to_owned());
        }
        params.params.not_before = date(now_s - BEGIN_HOURS_AGO * 3_600)?;
        params.params.not_after = date(ends_s)?;
        let signed = params
            .signed_by(&self.issuer)
            .map_err(|error| format!("the request cannot be signed: {error}"))?;
        Ok(format!("{}{}", signed.pem(), self.certificate_pem))
    }
}

/// Whether a request is in order (S6): the connection, the size, the signature, the names, the key.
fn check(
    request: &SigningRequest<'_>,
    organization: &str,
) -> Result<CertificateSigningRequestDer<'static>, String> {
    if !request.profile.is_encrypted() {
        return Err(format!(
            "certificates are not signed on security profile {}",
            request.profile.number()
        ));
    }
    if request.csr.len() > CSR_BYTES_MAX {
        return Err(format!("the request is longer than {CSR_BYTES_MAX} characters"));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(request.csr.as_bytes())
        .map_err(|error| format!("the request is not PEM: {error}"))?;
    let (_, parsed) = X509CertificationRequest::from_der(&der)
        .map_err(|error| format!("the request cannot be read: {error}"))?;
    let info = &parsed.certification_request_info;
    let (common_name, its_organization) = names(&info.subject);
    let expected = if request.bound_to.is_empty() { request.serial } else { request.bound_to };
    if expected.is_empty() {
        return Err("the serial number of this charger is not known yet".to_owned());
    }
    if common_name != expected {
        return Err(format!(
            "the request is for CN {common_name:?}, and the charger's serial number is {expected:?}"
        ));
    }
    if !organization.is_empty() && its_organization != organization {
        return Err(format!(
            "the request is for O {its_organization:?}, and the operator is {organization:?}"
        ));
    }
    let key =
        info.subject_pki.parsed().map_err(|error| format!("the key is unreadable: {error}"))?;
    let (bits, least) = match &key {
        PublicKey::RSA(rsa) => (rsa.key_size(), RSA_BITS_MIN),
        PublicKey::EC(point) => (point.key_size(), EC_BITS_MIN),
        _ => return Err("the key is neither RSA nor of an elliptic curve".to_owned()),
    };
    if bits < least {
        return Err(format!("the key has {bits} bits, and at least {least} are needed"));
    }
    Ok(der)
}

/// A number that no other certificate has: of the request, which carries a fresh key or at least
/// came at another time.
fn serial_number(der: &[u8], now_s: i64) -> [u8; 16] {
    let digest = Sha256::new().chain_update(der).chain_update(now_s.to_be_bytes()).finalize();
    let mut serial = [0; 16];
    serial.copy_from_slice(&digest[..16]);
    // Positive, and never shorter.
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, PKCS_ECDSA_P256_SHA256};

    use super::*;

    const NOW_S: i64 = 1_790_000_000;

    fn authority(folder: &Path) -> Authority {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Volt Root");
        let certificate = params.self_signed(&key).expect("signs itself");
        let (certificate_file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
        std::fs::write(&certificate_file, certificate.pem()).expect("writes");
        std::fs::write(&key_file, key.serialize_pem()).expect("writes");
        Authority::read(&certificate_file, &key_file, "Volt AG").expect("an authority")
    }

    fn csr(common_name: &str, organization: &str) -> String {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.distinguished_name.push(DnType::OrganizationName, organization);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.serialize_request(&key).expect("a request").pem().expect("as PEM")
    }

    #[test]
    fn s6_what_is_in_order_is_signed_for_a_year_and_as_a_charger_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority(folder.path());
        let csr = csr("SN-1", "Volt AG");
        let request = SigningRequest {
            csr: &csr,
            profile: SecurityProfile::Tls,
            serial: "SN-1",
            bound_to: "",
        };
        let chain = authority.sign(&request, NOW_S).expect("signed");
        assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2, "its own and the authority's");
        let der = CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM");
        let read = crate::tls::read_client(&der).expect("a certificate");
        assert_eq!((&*read.common_name, &*read.organization), ("SN-1", "Volt AG"));
        assert_eq!(read.not_after.map(|at| at.0 / 1_000), Some(NOW_S + 365 * 86_400));
        let (_, parsed) = x509_parser::prelude::X509Certificate::from_der(&der).expect("reads");
        assert!(!parsed.is_ca(), "asked for, and not given");
        let usage = parsed.extended_key_usage().expect("readable").expect("there");
        assert!(usage.value.client_auth && !usage.value.server_auth);
        let again = authority.sign(&request, NOW_S + 1).expect("signed");
        assert_ne!(chain, again, "each has its own number");
    }

    #[test]
    fn s6_what_is_not_in_order_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = authority(folder.path());
        let good = csr("SN-1", "Volt AG");
        let refused = |csr: &str, profile, serial| {
            let request = SigningRequest { csr, profile, serial, bound_to: "" };
            authority.sign(&request, NOW_S).expect_err("refused")
        };
        let tls = SecurityProfile::Tls;
        for profile in [SecurityProfile::Open, SecurityProfile::Basic] {
            assert!(refused(&good, profile, "SN-1").contains("security profile"));
        }
        assert!(refused(&good, tls, "SN-2").contains("serial number is \"SN-2\""));
        assert!(refused(&good, tls, "").contains("not known"));
        assert!(refused(&csr("SN-1", "Other"), tls, "SN-1").contains("the operator is"));
        assert!(refused("no pem", tls, "SN-1").contains("not PEM"));
        assert!(refused(&"x".repeat(6_000), tls, "SN-1").contains("longer"));
        // A signature that is not the key's own: the last bytes are another request's.
        let other = csr("SN-1", "Volt AG");
        let der = |pem: &str| CertificateSigningRequestDer::from_pem_slice(pem.as_bytes());
        let (mine, theirs) = (der(&good).expect("PEM"), der(&other).expect("PEM"));
        let mut forged = mine.to_vec();
        let from = forged.len() - 20;
        forged[from..].copy_from_slice(&theirs[theirs.len() - 20..]);
        let forged = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, forged)
        );
        assert!(refused(&forged, tls, "SN-1").contains("cannot be signed"));
        let small = rsa_1024();
        assert!(refused(&small, tls, "SN-1").contains("1024 bits"));
    }

    /// A request with an RSA key of 1024 bits, made once: nothing here makes such keys any more.
    fn rsa_1024() -> String {
        include_str!("rsa_1024.csr").to_owned()
    }
}
