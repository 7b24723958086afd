//! The fuzz targets of `fuzz/` for a fixed number of executions with stable Rust: messages of the
//! table, mutated, and bytes that never were a message. The same seed gives the same run; the long
//! form is `cargo fuzz` (docs/ocpp.md).

#[expect(unreachable_pub, reason = "in the crate that libFuzzer builds they are public")]
#[path = "../../../../fuzz/src/targets.rs"]
mod targets;

use mendpoint_model::Protocol;
use mendpoint_ocpp::definition::messages;
use mendpoint_ocpp::write_call;

use crate::canonical::every_case;

/// Executions of each target; five of them make 200,000. `MENDPOINT_FUZZ_EXECUTIONS` asks for more.
const EXECUTIONS: u32 = 40_000;

fn executions() -> u32 {
    let asked = std::env::var("MENDPOINT_FUZZ_EXECUTIONS").ok();
    asked.and_then(|number| number.parse().ok()).unwrap_or(EXECUTIONS)
}

/// What a mutation may put in: the words at which readers turn.
const WORDS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "0.5",
    "1e999",
    "NaN",
    "\\u0000",
    "\\ud800",
    "\"\"",
    "{}",
    "[]",
    "9223372036854775808",
    "é",
    "\u{0}",
    "customData",
    "[2,",
    "..",
];

/// A generator that needs no crate: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Changes a text in a few places.
fn mutate(random: &mut Random, text: &mut Vec<u8>, others: &[Vec<u8>]) {
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(6) {
            0 if at < text.len() => text[at] = random.next() as u8,
            1 => text.truncate(at),
            2 => {
                let end = (at + random.below(12)).min(text.len());
                text.drain(at..end);
            }
            3 => {
                let word = WORDS[random.below(WORDS.len())];
                text.splice(at..at, word.bytes());
            }
            4 => {
                let end = (at + random.below(40)).min(text.len());
                let again: Vec<u8> = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            _ => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(60)).min(other.len());
                text.splice(at..at, other[from..end].iter().copied());
            }
        }
        // Doubling must not run away.
        text.truncate(8_192);
    }
}

fn run(seed: u64, corpus: &[Vec<u8>], target: fn(&[u8])) {
    let mut random = Random(seed);
    for number in 0..executions() {
        // One in ten was never anything.
        let input = if number % 10 == 0 {
            (0..random.below(200)).map(|_| random.next() as u8).collect()
        } else {
            let mut text = corpus[random.below(corpus.len())].clone();
            mutate(&mut random, &mut text, corpus);
            text
        };
        let result = std::panic::catch_unwind(|| target(&input));
        assert!(
            result.is_ok(),
            "seed {seed}, execution {number}: {:?}",
            String::from_utf8_lossy(&input)
        );
    }
}

fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = every_case()
        .iter()
        .map(|case| {
            let mut text = String::new();
            write_call(&mut text, "19223201", case.action, case.payload);
            text.into_bytes()
        })
        .collect();
    frames.extend([
        br#"[3,"1",{"status":"Accepted"}]"#.to_vec(),
        br#"[4,"1","NotSupported","why",{}]"#.to_vec(),
        br#"[5,"1","FormatViolation","why",{}]"#.to_vec(),
        br#"[6,"1","NotifyPeriodicEventStream",{"id":1}]"#.to_vec(),
    ]);
    frames
}

/// Payloads with the two bytes in front that name their message to the target.
fn payloads() -> Vec<Vec<u8>> {
    const PROTOCOLS: [Protocol; 3] = [Protocol::V16, Protocol::V201, Protocol::V21];
    every_case()
        .iter()
        .filter_map(|case| {
            let version = PROTOCOLS.iter().position(|protocol| *protocol == case.protocol)?;
            let number = messages(case.protocol).position(|it| it.action == case.action)?;
            let mut input = vec![u8::try_from(version).ok()?, u8::try_from(number).ok()?];
            input.extend(case.payload.bytes());
            Some(input)
        })
        .collect()
}

#[test]
fn r11_the_frame_reader() {
    run(1, &frames(), targets::frame);
}

#[test]
fn r11_the_decoders() {
    run(2, &payloads(), targets::decode);
}

#[test]
fn r11_the_strict_reading() {
    run(3, &payloads(), targets::strict);
}

#[test]
fn r11_the_reader_of_answers() {
    run(4, &payloads(), targets::answer);
}

#[test]
fn r11_the_reader_of_definitions() {
    let text = "choice C = a b\nshape S\n  c! C\n  t[1..2] text 20\n  n integer 0..9\nmessage M charger send\n  > s[1..] S\n  > x! time\nmessage N both\n  > a any\n  < b boolean\n";
    run(5, &[text.as_bytes().to_vec()], targets::notation);
}
