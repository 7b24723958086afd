//! What the program prints for the person who started it. Everything else goes to the log.

/// A line on standard output. A reader that went away is no reason to fail.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line on standard error.
pub(crate) fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "mendpoint: {text}");
}
