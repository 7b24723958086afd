//! QR codes as SVG, for labels on chargers.

use qrcodegen::{QrCode, QrCodeEcc};

/// White around the code, in modules: readers need four.
const BORDER: i32 = 4;

/// The code of a text as an SVG file of its own; `None` when the text is too long for one.
pub(crate) fn svg(text: &str) -> Option<String> {
    use std::fmt::Write as _;
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size() + 2 * BORDER;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            // Writing to a string cannot fail.
            let _ = write!(path, "M{},{}h1v1h-1z", x + BORDER, y + BORDER);
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
         <path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::svg;

    #[test]
    fn a_code_has_its_border_and_its_finder_patterns() {
        let drawn = svg("https://m.example/c/abc").expect("it fits");
        // Version 2 has 25 modules a side.
        assert!(drawn.contains("viewBox=\"0 0 33 33\""), "{drawn}");
        assert!(drawn.contains("M4,4h1v1h-1z") && !drawn.contains("M3,"), "{drawn}");
        assert_eq!(svg(&"x".repeat(5_000)), None);
    }
}
