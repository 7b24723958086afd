//! The head of the upgrade request: who is at the door, in which words, with which key.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mendpoint_model::ClientCertificate;
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The longest request head taken, bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 8 << 10;
/// The most headers taken.
const HEADERS_MAX: usize = 64;
/// The longest identity taken, bytes. OCPP says 20 to 48; the field says more.
const IDENTITY_BYTES_MAX: usize = 255;

/// What a charger asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    pub(crate) identity: String,
    pub(crate) accept_key: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// What a trusted proxy says of the charger's own connection.
    pub(crate) forwarded: Option<Forwarded>,
}

/// What a trusted proxy is believed beyond address and scheme.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyWords {
    /// The header that carries the subject of the charger's certificate, which the proxy verified:
    /// `CN=..,O=..` or the CN alone. Empty: none.
    pub certificate_header: String,
}

/// A charger's own connection, in the words of a trusted proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Forwarded {
    pub(crate) address: Option<IpAddr>,
    pub(crate) tls: bool,
    pub(crate) certificate: Option<ClientCertificate>,
}

/// A request that cannot be an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest {
    pub(crate) status: &'static str,
    pub(crate) why: String,
}

impl BadRequest {
    fn new(why: impl Into<String>) -> Self {
        Self { status: "400 Bad Request", why: why.into() }
    }

    fn upgrade_required(why: &str) -> Self {
        Self { status: "426 Upgrade Required", why: why.to_owned() }
    }
}

/// Reads a request head; what it says of a connection before it only with a trusted `proxy`. `None`:
/// it is not all there yet. The number is where it ends.
pub(crate) fn read_head(
    bytes: &[u8],
    proxy: Option<&ProxyWords>,
) -> Result<Option<(Upgrade, usize)>, BadRequest> {
    // Told apart before a line end comes, which in a TLS greeting may be never.
    if bytes.first() == Some(&0x16) {
        return Err(BadRequest::new("this port speaks plain WebSocket (ws://), not TLS"));
    }
    if bytes.first().is_some_and(|first| !first.is_ascii_uppercase()) {
        return Err(BadRequest::new("this is no HTTP request"));
    }
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) => {
            return Err(BadRequest::new(format!("the request is longer than {HEAD_BYTES_MAX} B")));
        }
        Err(error) => return Err(BadRequest::new(format!("the request is not HTTP: {error}"))),
    };
    if request.method != Some("GET") {
        return Err(BadRequest::new("chargers connect with GET"));
    }
    let identity = read_identity(request.path.unwrap_or_default())?;
    let headers = Headers(request.headers);
    if !headers.has_token("Upgrade", "websocket") || !headers.has_token("Connection", "Upgrade") {
        return Err(BadRequest::upgrade_required(
            "this address is for chargers: connect with a WebSocket (ws://)",
        ));
    }
    if headers.first("Sec-WebSocket-Version").map(str::trim) != Some("13") {
        return Err(BadRequest::upgrade_required("Sec-WebSocket-Version must be 13"));
    }
    let Some(key) = headers.first("Sec-WebSocket-Key").map(str::trim).filter(|key| !key.is_empty())
    else {
        return Err(BadRequest::new("Sec-WebSocket-Key is missing"));
    };
    let credentials = headers.first_bytes("Authorization");
    let upgrade = Upgrade {
        accept_key: derive_accept_key(key.as_bytes()),
        protocols: headers.list("Sec-WebSocket-Protocol").map(str::to_owned).collect(),
        credentials: credentials.and_then(|value| read_basic(value, &identity)),
        forwarded: proxy.map(|proxy| read_forwarded(&headers, proxy)),
        identity,
    };
    Ok(Some((upgrade, length)))
}

/// The headers of one request.
struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    fn first_bytes(&self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    fn first(&self, name: &'a str) -> Option<&'a str> {
        std::str::from_utf8(self.first_bytes(name)?).ok()
    }

    /// The elements of a header that is a list, over all its occurrences.
    fn list(&self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        self.all(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|element| !element.is_empty())
    }

    fn has_token(&self, name: &'a str, token: &str) -> bool {
        self.list(name).any(|element| element.eq_ignore_ascii_case(token))
    }
}

/// The identity in a request target: the last segment of the path, percent-decoded. Any prefix,
/// trailing slashes, a query and a whole address in the path are tolerated (behaviour 14).
pub(crate) fn read_identity(target: &str) -> Result<String, BadRequest> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let segment = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // `/ocpp/` alone is the address that people are given, with the identity forgotten.
    if matches!(segment, "" | "." | "..") || path.trim_matches('/') == "ocpp" {
        return Err(BadRequest::new(
            "the address has no charger in it: it must end in the charger's identity",
        ));
    }
    let decoded = percent_decode(segment)?;
    let identity = String::from_utf8(decoded)
        .map_err(|_| BadRequest::new("the identity in the address is not UTF-8"))?;
    if identity.len() > IDENTITY_BYTES_MAX {
        return Err(BadRequest::new(format!(
            "the identity in the address is longer than {IDENTITY_BYTES_MAX} bytes"
        )));
    }
    if identity.chars().any(char::is_control) {
        return Err(BadRequest::new("the identity in the address has control characters in it"));
    }
    Ok(identity)
}

fn percent_decode(segment: &str) -> Result<Vec<u8>, BadRequest> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = (bytes.next().and_then(hex_digit), bytes.next().and_then(hex_digit));
        let (Some(high), Some(low)) = digits else {
            return Err(BadRequest::new(
                "the address has a % in it that two hexadecimal digits do not follow",
            ));
        };
        decoded.push(high << 4 | low);
    }
    Ok(decoded)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// An address as proxies write it, with a port or without.
fn address_in(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().map(|it| it.ip());
    text.trim_matches(['[', ']']).parse().or_else(|_| with_port()).ok()
}

/// What a proxy says of the charger's connection to it. The last element of a list is its own
/// word; those before it are the charger's.
fn read_forwarded(headers: &Headers<'_>, proxy: &ProxyWords) -> Forwarded {
    let scheme = headers.list("X-Forwarded-Proto").next_back();
    let tls =
        scheme.is_some_and(|it| it.eq_ignore_ascii_case("https") || it.eq_ignore_ascii_case("wss"));
    let subject = Some(proxy.certificate_header.as_str()).filter(|name| !name.is_empty());
    // A second header of that name is not the proxy's: neither is believed.
    let subject = subject.and_then(|name| {
        let mut all = headers.all(name);
        let one = all.next().filter(|_| all.next().is_none())?;
        std::str::from_utf8(one).ok().map(str::trim)
    });
    Forwarded {
        address: headers.list("X-Forwarded-For").next_back().and_then(address_in),
        tls,
        certificate: subject.filter(|text| tls && !text.is_empty()).map(read_subject),
    }
}

/// The CN and O of a subject as proxies write it (RFC 4514: `CN=SN1,O=Operator`); text without an
/// equals sign is the CN itself.
fn read_subject(text: &str) -> ClientCertificate {
    let mut certificate = ClientCertificate {
        common_name: String::new(),
        organization: String::new(),
        sha256: String::new(),
        not_after: None,
    };
    if !text.contains('=') {
        text.clone_into(&mut certificate.common_name);
        return certificate;
    }
    for part in split_unescaped(text) {
        let Some((name, value)) = part.split_once('=') else { continue };
        let value = value.trim().replace('\\', "");
        let place = match name.trim().to_ascii_uppercase().as_str() {
            "CN" => &mut certificate.common_name,
            "O" => &mut certificate.organization,
            _ => continue,
        };
        // Two of them are as good as none.
        *place = if place.is_empty() { value } else { String::from("\u{0}") };
    }
    for value in [&mut certificate.common_name, &mut certificate.organization] {
        if value == "\u{0}" {
            value.clear();
        }
    }
    certificate
}

/// The parts between commas (or slashes, as older proxies write) that no backslash precedes.
fn split_unescaped(text: &str) -> Vec<&str> {
    let separator = if text.starts_with('/') { b'/' } else { b',' };
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, byte) in text.bytes().enumerate() {
        if byte == separator && !escaped {
            parts.push(&text[start..index]);
            start = index + 1;
        }
        escaped = byte == b'\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Base64 with or without its padding: some firmware leaves it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Name and password of a Basic header, on bytes: a 1.6 `AuthorizationKey` is any 16 to 20 bytes
/// (behaviour 16). Split behind the identity when it stands there, which may have a colon in it
/// (behaviour 15), else at the first colon.
fn read_basic(value: &[u8], identity: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let pair = BASE64.decode(rest.trim_ascii()).ok()?;
    let behind = pair.strip_prefix(identity.as_bytes()).filter(|rest| rest.starts_with(b":"));
    let colon = match behind {
        Some(_) => identity.len(),
        None => pair.iter().position(|byte| *byte == b':')?,
    };
    Some((pair[..colon].to_vec(), pair[colon + 1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &str = "GET /ocpp/CP%201?x=1 HTTP/1.1\r\nHost: h\r\nupgrade: WebSocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: ocpp2.1, ocpp1.6\r\nSec-WebSocket-Protocol: ocpp2.0.1\r\n\
        Authorization: basic Q1A6AP9hOmI\r\n\r\nREST";

    #[test]
    fn reads_a_whole_request_and_says_where_it_ends() {
        let (upgrade, length) =
            read_head(REQUEST.as_bytes(), None).expect("is good").expect("is complete");
        assert_eq!(&REQUEST[length..], "REST");
        assert_eq!(upgrade.identity, "CP 1");
        assert_eq!(upgrade.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(upgrade.protocols, ["ocpp2.1", "ocpp1.6", "ocpp2.0.1"]);
        // Behaviour 16: bytes, split at the first colon, padding left out.
        assert_eq!(upgrade.credentials, Some((b"CP".to_vec(), b"\x00\xffa:b".to_vec())));
    }

    #[test]
    fn b17_only_a_trusted_proxy_is_believed() {
        let request = REQUEST.replace(
            "\r\nREST",
            "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Forwarded-Proto: wss\r\n\
             X-Subject: CN=SN\\,1,O=Volt AG,C=CH\r\n\r\n",
        );
        let read = |text: &str, proxy| {
            let (upgrade, _) = read_head(text.as_bytes(), proxy).expect("good").expect("complete");
            upgrade.forwarded
        };
        assert_eq!(read(&request, None), None, "anybody can write headers");
        let proxy = ProxyWords { certificate_header: "X-Subject".to_owned() };
        let told = read(&request, Some(&proxy)).expect("the proxy speaks");
        assert_eq!((told.address, told.tls), ("203.0.113.9".parse().ok(), true));
        let certificate = told.certificate.expect("a subject");
        assert_eq!(certificate.common_name, "SN,1");
        assert_eq!(certificate.organization, "Volt AG");
        // Written by the charger and passed on beside the proxy's own: neither counts.
        let doubled = request.replace("X-Subject", "X-Subject: CN=SN9\r\nX-Subject");
        assert_eq!(read(&doubled, Some(&proxy)).and_then(|told| told.certificate), None);
        let plain = request.replace("wss", "ws");
        assert_eq!(read(&plain, Some(&proxy)).and_then(|told| told.certificate), None);
        // What the charger claims stands before the proxy's own word.
        let claimed = request.replace("Proto: wss", "Proto: wss, http");
        assert_eq!(read(&claimed, Some(&proxy)).map(|told| told.tls), Some(false));
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        let read = |text: &str| address_in(text).map(|it| it.to_string());
        assert_eq!(read(" 203.0.113.5 ").as_deref(), Some("203.0.113.5"));
        assert_eq!(read("203.0.113.5:4711").as_deref(), Some("203.0.113.5"));
        assert_eq!(read("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("[2001:db8::1]").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("[2001:db8::1]:99").as_deref(), Some("2001:db8::1"));
        assert_eq!(read("unknown"), None);
    }

    #[test]
    fn subjects_are_read_as_proxies_write_them() {
        let read = |text: &str| {
            let it = read_subject(text);
            (it.common_name, it.organization)
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(read("SN1"), pair("SN1", ""));
        assert_eq!(read("O=Volt, CN=SN1"), pair("SN1", "Volt"));
        assert_eq!(read("/C=CH/O=Volt/CN=SN1"), pair("SN1", "Volt"));
        assert_eq!(read("CN=SN1,CN=SN2,O=Volt"), pair("", "Volt"));
    }

    #[test]
    fn b15_and_b16_a_colon_in_the_identity_does_not_split_the_password() {
        let value = |pair: &str| {
            let base64 = base64::engine::general_purpose::STANDARD.encode(pair);
            format!("Basic {base64}").into_bytes()
        };
        let read = |pair: &str, identity| read_basic(&value(pair), identity);
        let split = |a: &str, b: &str| Some((a.as_bytes().to_vec(), b.as_bytes().to_vec()));
        assert_eq!(read("DE*A:1:secret", "DE*A:1"), split("DE*A:1", "secret"));
        assert_eq!(read("CP1:a:b", "CP1"), split("CP1", "a:b"));
        assert_eq!(read("CP1X:a", "CP1"), split("CP1X", "a"));
    }

    #[test]
    fn every_prefix_of_a_request_is_incomplete() {
        let end = REQUEST.len() - "REST".len();
        for length in 1..end {
            assert_eq!(read_head(&REQUEST.as_bytes()[..length], None), Ok(None), "{length}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let said = |text: &str| read_head(text.as_bytes(), None).expect_err("is bad").why;
        assert!(said("\x16\x03\x01").contains("TLS"));
        assert!(said("garbage").contains("no HTTP"));
        assert!(said("POST /a HTTP/1.1\r\n\r\n").contains("GET"));
        assert!(said("GET /a HTTP/1.1\r\n\r\n").contains("WebSocket"));
        assert!(said("GET / HTTP/1.1\r\n\r\n").contains("identity"));
        assert!(said(&REQUEST.replace("13", "8")).contains("13"));
        assert!(said(&REQUEST.replace("-Key", "-Nokey")).contains("Key"));
        assert!(said(&format!("GET /{}", "a".repeat(HEAD_BYTES_MAX))).contains("longer"));
    }

    #[test]
    fn b14_the_identity_is_the_last_segment_decoded() {
        for (target, identity) in [
            ("/CP_1", "CP_1"),
            ("/ocpp/any/prefix/CP-1", "CP-1"),
            ("/ocpp/CP1/", "CP1"),
            ("/ocpp/CP1//?a=/b/", "CP1"),
            ("/RDAM%7C123", "RDAM|123"),
            ("/ws://host:9000/CP_1/SERIAL", "SERIAL"),
            ("ws://host/CP:1", "CP:1"),
            ("/caf%C3%A9", "café"),
        ] {
            assert_eq!(read_identity(target).as_deref(), Ok(identity), "{target}");
        }
        for target in ["", "/", "//", "/?CP1", "/a%", "/a%4", "/a%zz", "/a%+1", "/%ff", "/a%00b"] {
            assert!(read_identity(target).is_err(), "{target}");
        }
    }

    proptest! {
        #[test]
        fn b14_any_identity_survives_the_way_through_the_address(
            identity in "[^\\p{Cc}]{1,40}", prefix in "(/[a-z]{0,5}){0,4}", slashes in "/{0,3}",
            query in "(\\?[a-z/=]{0,9})?",
        ) {
            let escaped = identity.bytes().fold(String::new(), |escaped, byte| {
                format!("{escaped}%{byte:02X}")
            });
            let target = format!("{prefix}/{escaped}{slashes}{query}");
            prop_assert_eq!(read_identity(&target), Ok(identity));
        }

        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_head(&bytes, None);
        }

        #[test]
        fn no_target_breaks_the_reader(target in ".{0,200}") {
            if let Ok(identity) = read_identity(&target) {
                prop_assert!(!identity.is_empty());
            }
        }
    }
}
