//! Files of `static/` and the styles of `styles/`, inside the program.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::pages::errors::PageError;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

macro_rules! styles {
    ($($name:literal),+ $(,)?) => {
        concat!($(include_str!(concat!("../styles/", $name, ".css"))),+)
    };
}

/// The styles of the pages, a file a group of components, in the order in which they are read: one
/// request. The layers stand in the first file that names them, `base`.
const SITE: &str = styles!(
    "tokens", "base", "frame", "page", "live", "list", "incident", "ribbon", "timeline", "ticket",
    "chargers", "charger", "rules", "outbox", "system", "money", "commands", "duty",
);
/// Those of the pages that drivers see.
const PUBLIC: &str = styles!("tokens", "base", "phone");

/// Fonts never change under their name; everything else is asked for again, which costs a few
/// bytes while it is the same.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, no-cache");

/// `GET /static/..`
pub(crate) async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let bundle = |text: &'static str| (Cow::Borrowed(text.as_bytes()), hash_of(text));
    let found = match path.as_str() {
        "site.css" => Some(bundle(SITE)),
        "public.css" => Some(bundle(PUBLIC)),
        _ => Files::get(&path).map(|file| (file.data, file.metadata.sha256_hash())),
    };
    let Some((data, hash)) = found else {
        return PageError::not_found("There is no such file.").into_response();
    };
    let etag = etag(&hash);
    let cache = if path.starts_with("fonts/") { FOR_EVER } else { ASK_AGAIN };
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| {
        known.to_str().is_ok_and(|known| known.split(',').any(|one| one.trim() == etag))
    });
    let common = [(header::ETAG, etag), (header::CACHE_CONTROL, text(&cache))];
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(header::CONTENT_TYPE, content_type(&path))];
    (common, kind, data).into_response()
}

fn hash_of(text: &str) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes()).into()
}

fn text(value: &HeaderValue) -> String {
    value.to_str().unwrap_or_default().to_owned()
}

fn etag(hash: &[u8; 32]) -> String {
    use base64::Engine as _;
    format!("\"{}\"", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash[..12]))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_a_type_and_no_inline_code() {
        let mut scripts = 0;
        for path in Files::iter() {
            assert_ne!(content_type(&path), "application/octet-stream", "{path}");
            scripts += usize::from(path.ends_with(".js"));
        }
        assert!(scripts > 3, "scripts are embedded");
    }

    #[test]
    fn every_style_file_is_in_a_bundle() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/styles");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).expect("styles") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a text");
            seen += 1;
            assert!(SITE.contains(&text) || PUBLIC.contains(&text), "{}", path.display());
            assert!(text.lines().count() < 800, "{} is long", path.display());
        }
        assert!(seen > 15, "{seen} files");
    }

    #[test]
    fn the_icons_that_templates_name_are_in_the_sprite() {
        let sprite = Files::get("icons.svg").expect("the sprite is embedded");
        let sprite = String::from_utf8(sprite.data.into_owned()).expect("text");
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut seen = 0;
        for entry in std::fs::read_dir(templates).expect("templates") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a text");
            for name in named(&text) {
                seen += 1;
                assert!(
                    sprite.contains(&format!("<symbol id=\"{name}\"")),
                    "{}: no icon {name:?} in icons.svg",
                    path.display()
                );
            }
            for forbidden in [" style=\"", "<style", " onclick=", "javascript:"] {
                assert!(!text.contains(forbidden), "{}: {forbidden}", path.display());
            }
        }
        assert!(seen > 20, "{seen} icons");
    }

    /// On a phone the heads of the columns are gone, and every value says what it is.
    #[test]
    fn the_cells_of_tables_that_become_cards_name_their_column() {
        let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut seen = 0;
        for entry in std::fs::read_dir(templates).expect("templates") {
            let path = entry.expect("an entry").path();
            let text = with_macros(&std::fs::read_to_string(&path).expect("a text"));
            for table in text.split("<table class=\"").skip(1) {
                let (class, table) = table.split_once("\">").expect("a class");
                if !class.split(' ').any(|word| matches!(word, "cards" | "rows")) {
                    continue;
                }
                seen += 1;
                let (head, body) = table.split_once("</thead>").expect("a head");
                let body = body.split("</table>").next().expect("a body");
                let inner = |cell: &str| {
                    let text = cell.split_once('>').map_or("", |(_, text)| text).to_owned();
                    text.split("</th>").next().unwrap_or_default().to_owned()
                };
                let heads: Vec<_> = head.split("<th ").skip(1).map(inner).collect();
                let cells: Vec<_> = body.split("<td").skip(1).collect();
                // A table may have rows of several kinds, all with the same columns.
                assert!(!cells.is_empty(), "{}", path.display());
                assert_eq!(cells.len() % heads.len(), 0, "{}", path.display());
                for (index, (head, cell)) in heads.iter().cycle().zip(cells).enumerate() {
                    let index = index % heads.len();
                    let named = cell.split_once("data-l=\"").map(|(_, rest)| rest);
                    // What a row is about needs no name, nor does a button.
                    let is_plain = index == 0
                        || cell.starts_with(" class=\"what\"")
                        || cell.contains("rowlink")
                        || head.contains("class=\"vh\"");
                    let wanted = if is_plain { String::new() } else { head.clone() };
                    assert!(
                        named.is_some_and(|rest| rest.starts_with(&format!("{wanted}\""))),
                        "{}: {cell} does not say {wanted:?}",
                        path.display()
                    );
                }
            }
        }
        assert!(seen > 12, "{seen} tables");
    }

    /// A template with its own macros written out where they are called.
    fn with_macros(text: &str) -> String {
        let mut out = text.to_owned();
        for part in text.split("{% macro ").skip(1) {
            let (head, rest) = part.split_once("%}").expect("the end of a head");
            let (body, _) = rest.split_once("{% endmacro").expect("the end of a macro");
            let name = head.split('(').next().unwrap_or_default();
            let called = format!("{{% call {name}(");
            let mut parts = out.split(&called);
            let mut written = parts.next().unwrap_or_default().to_owned();
            for call in parts {
                written += body;
                written += call.split_once("{% endcall %}").map_or("", |(_, rest)| rest);
            }
            out = written;
        }
        out
    }

    /// The names of icons in a template, without those that are made of a variable.
    fn named(text: &str) -> Vec<String> {
        let name_at = |rest: &str| {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            let whole = rest[name.len()..].starts_with('"');
            (whole && !name.is_empty()).then_some(name)
        };
        ["ui::icon(\"", "/static/icons.svg#"]
            .iter()
            .flat_map(|mark| text.split(mark).skip(1))
            .filter_map(name_at)
            .collect()
    }
}
