//! Photos that drivers send: only JPEG and PNG, and nothing in them but the picture. What cameras add
//! (place, time, device) is left out; how the picture is turned stays.

/// The largest photo, in bytes.
pub(crate) const BYTES_MAX: usize = 6 * 1024 * 1024;
/// The largest picture, in pixels of one side: a small file can unpack to a huge one.
const SIDE_MAX: u32 = 12_000;

/// A photo made safe: its kind and its bytes.
pub(crate) fn clean(data: &[u8]) -> Result<(&'static str, Vec<u8>), &'static str> {
    const NONE: &str = "That is no photo: send a JPEG or PNG.";
    if data.len() > BYTES_MAX {
        return Err("That photo is too large: 6 MB are the most.");
    }
    if data.starts_with(&[0xFF, 0xD8]) {
        return jpeg(data).map(|bytes| ("image/jpeg", bytes)).ok_or(NONE);
    }
    if data.starts_with(b"\x89PNG\r\n\x1a\n") {
        return png(data).map(|bytes| ("image/png", bytes)).ok_or(NONE);
    }
    Err(NONE)
}

fn fits(width: u32, height: u32) -> bool {
    (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height)
}

/// The segments that make the picture, and a note of how it is turned.
fn jpeg(data: &[u8]) -> Option<Vec<u8>> {
    let mut clean = vec![0xFF, 0xD8];
    let mut at = 2;
    let mut is_sized = false;
    let mut turned = None;
    let mut body = Vec::new();
    loop {
        if *data.get(at)? != 0xFF {
            return None;
        }
        let marker = *data.get(at + 1)?;
        if marker == 0xFF {
            at += 1;
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*data.get(at + 2)?, *data.get(at + 3)?]));
        let segment = data.get(at..at + 2 + length)?;
        match marker {
            // The frame: it says how large the picture is.
            0xC0..=0xC2 => {
                let side = |from: usize| {
                    Some(u32::from(u16::from_be_bytes([
                        *segment.get(from)?,
                        *segment.get(from + 1)?,
                    ])))
                };
                is_sized = fits(side(7)?, side(5)?);
                body.extend_from_slice(segment);
            }
            // EXIF: only the turn is read.
            0xE1 => turned = turned.or_else(|| orientation(segment.get(4..)?)),
            // Tables, restart intervals, and the colour notes of JFIF and Adobe.
            0xC4 | 0xDB | 0xDD | 0xE0 | 0xEE => body.extend_from_slice(segment),
            // The scan: the picture itself, up to the end. Only what follows the end is cut off.
            0xDA => {
                let rest = data.get(at..)?;
                let end = rest.windows(2).rposition(|pair| pair == [0xFF, 0xD9])? + 2;
                if let Some(turn) = turned.filter(|turn| (2..=8).contains(turn)) {
                    clean.extend_from_slice(&exif(turn));
                }
                clean.extend_from_slice(&body);
                clean.extend_from_slice(rest.get(..end)?);
                return is_sized.then_some(clean);
            }
            _ if length < 2 => return None,
            _ => {}
        }
        at += 2 + length;
    }
}

/// The tag 0x0112 of the first directory of an EXIF block.
fn orientation(exif: &[u8]) -> Option<u16> {
    let tiff = exif.strip_prefix(b"Exif\0\0")?;
    let little = tiff.starts_with(b"II");
    let short = |at: usize| {
        let pair = [*tiff.get(at)?, *tiff.get(at + 1)?];
        Some(if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let four: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let first = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize;
    let entries = usize::from(short(first)?).min(200);
    (0..entries).map(|entry| first.checked_add(2 + entry * 12)).find_map(|at| {
        let at = at?;
        (short(at)? == 0x0112).then(|| short(at.checked_add(8)?)).flatten()
    })
}

/// An EXIF block that says how the picture is turned, and nothing else.
fn exif(turn: u16) -> Vec<u8> {
    let mut block = vec![0xFF, 0xE1, 0, 34];
    block.extend_from_slice(b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01");
    block.extend_from_slice(&turn.to_be_bytes());
    block.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    block
}

/// The chunks that make the picture.
fn png(data: &[u8]) -> Option<Vec<u8>> {
    let (mut clean, mut at) = (data.get(..8)?.to_vec(), 8);
    let mut is_sized = false;
    loop {
        let number =
            |from: usize| Some(u32::from_be_bytes(data.get(from..from + 4)?.try_into().ok()?));
        let length = number(at)? as usize;
        let kind = data.get(at + 4..at + 8)?;
        let end = at.checked_add(12)?.checked_add(length)?;
        let chunk = data.get(at..end)?;
        match kind {
            b"IHDR" => is_sized = fits(number(at + 8)?, number(at + 12)?),
            b"PLTE" | b"IDAT" | b"tRNS" | b"gAMA" | b"sRGB" | b"IEND" => {}
            _ => {
                at = end;
                continue;
            }
        }
        clean.extend_from_slice(chunk);
        if kind == b"IEND" {
            return is_sized.then_some(clean);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let mut segment = vec![0xFF, marker];
        segment.extend_from_slice(&((body.len() + 2) as u16).to_be_bytes());
        segment.extend_from_slice(body);
        segment
    }

    fn photo(exif: &[u8]) -> Vec<u8> {
        let mut photo = vec![0xFF, 0xD8];
        photo.extend(segment(0xE1, exif));
        photo.extend(segment(0xFE, b"comment"));
        photo.extend(segment(0xC0, &[8, 0, 100, 0, 200, 3]));
        photo.extend(segment(0xDA, &[1, 2, 3]));
        photo.extend_from_slice(&[9, 9, 0xFF, 0xD9]);
        photo.extend_from_slice(b"GPS behind the end");
        photo
    }

    /// An EXIF block of a camera: turned by 90 degrees, and where it was taken.
    fn of_camera() -> Vec<u8> {
        let mut exif = b"Exif\0\0II\x2A\0\x08\0\0\0\x02\0".to_vec();
        exif.extend_from_slice(b"\x25\x88\x04\0\x01\0\0\0GPS!");
        exif.extend_from_slice(b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0");
        exif
    }

    #[test]
    fn what_cameras_add_is_left_out_and_the_turn_stays() {
        let (kind, bytes) = clean(&photo(&of_camera())).expect("a photo");
        assert_eq!(kind, "image/jpeg");
        let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!has(b"GPS") && !has(b"comment"), "{bytes:?}");
        assert!(bytes.ends_with(&[9, 9, 0xFF, 0xD9]));
        assert_eq!(orientation(bytes.get(6..).expect("longer")), Some(6));
        // Cleaning it again changes nothing.
        assert_eq!(clean(&bytes).expect("a photo").1, bytes);
    }

    #[test]
    fn a_png_keeps_its_picture_only() {
        let chunk = |kind: &[u8], body: &[u8]| {
            let mut chunk = (body.len() as u32).to_be_bytes().to_vec();
            chunk.extend_from_slice(kind);
            chunk.extend_from_slice(body);
            chunk.extend_from_slice(&[0; 4]);
            chunk
        };
        let size = |side: u32| [side.to_be_bytes(), side.to_be_bytes()].concat();
        let of = |side: u32| {
            [
                b"\x89PNG\r\n\x1a\n".to_vec(),
                chunk(b"IHDR", &size(side)),
                chunk(b"tEXt", b"place"),
                chunk(b"IDAT", b"pixels"),
                chunk(b"IEND", b""),
            ]
            .concat()
        };
        let (kind, bytes) = clean(&of(40)).expect("a photo");
        assert_eq!(kind, "image/png");
        assert!(!bytes.windows(5).any(|window| window == b"place"));
        assert!(clean(&of(SIDE_MAX + 1)).is_err(), "it unpacks to too much");
    }

    #[test]
    fn what_is_no_photo_is_refused() {
        let cut = photo(&[])[..20].to_vec();
        for wrong in [&b"GIF89a"[..], b"<svg/>", b"", &cut, &[0xFF, 0xD8, 0xFF, 0xE0, 0, 0]] {
            assert!(clean(wrong).is_err(), "{wrong:?}");
        }
        assert!(clean(&vec![0xFF; BYTES_MAX + 1]).is_err());
    }
}
