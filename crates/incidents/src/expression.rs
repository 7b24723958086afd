//! The text of a condition: `status == "Faulted" and error.code != "WeakSignal"`.
//!
//! Words are looked up once, here; what comes out knows fields by number.

use mendpoint_model::{ConnectorStatus, Transport};

use crate::contradiction::{self, Part};
use crate::duration::parse_duration;
use crate::playbook::{LONGEST_MS, too_long};
use crate::predicate::{BurnOver, Compare, Elapsed, Flag, Number, Predicate, Text, status_bit};
use crate::problem::suggestion;
use crate::signal::{Channel, READINGS_MAX};
use crate::threshold::Thresholds;
use crate::vitals::{self, VitalTime};

const FLAGS: [(&str, Flag); 8] = [
    ("connected", Flag::Connected),
    ("ever_connected", Flag::EverConnected),
    ("spoke", Flag::Spoke),
    ("plugged", Flag::Plugged),
    ("transaction.open", Flag::TransactionOpen),
    ("fault.active", Flag::FaultActive),
    ("out_of_service_by_plan", Flag::OutOfServiceByPlan),
    ("answers_commands", Flag::AnswersCommands),
];

const TEXTS: [(&str, Text); 5] = [
    ("error.code", Text::ErrorCode),
    ("vendor", Text::Vendor),
    ("model", Text::Model),
    ("firmware", Text::Firmware),
    ("firmware.status", Text::FirmwareStatus),
];

const NUMBERS: [(&str, Number); 10] = [
    ("connector", Number::Connector),
    ("power_w", Number::Power),
    ("soc_percent", Number::Soc),
    ("temperature_c", Number::Temperature),
    ("clock_skew_s", Number::ClockSkew),
    ("unanswered_commands", Number::UnansweredCommands),
    ("uptime.burn_5m", Number::Burn(BurnOver::FiveMinutes)),
    ("uptime.burn_1h", Number::Burn(BurnOver::Hour)),
    ("uptime.burn_6h", Number::Burn(BurnOver::SixHours)),
    ("uptime.burn_3d", Number::Burn(BurnOver::ThreeDays)),
];

const ELAPSED: [(&str, Elapsed); 7] = [
    ("silent_for", Elapsed::Silent),
    ("offline_for", Elapsed::Offline),
    ("status_for", Elapsed::Status),
    ("plugged_for", Elapsed::Plugged),
    ("transaction.open_for", Elapsed::TransactionAge),
    ("transaction.idle_for", Elapsed::TransactionIdle),
    ("certificate_left", Elapsed::CertificateLeft),
];

pub(crate) const STATUSES: [ConnectorStatus; 10] = [
    ConnectorStatus::Unknown,
    ConnectorStatus::Available,
    ConnectorStatus::Preparing,
    ConnectorStatus::Charging,
    ConnectorStatus::SuspendedEvse,
    ConnectorStatus::SuspendedEv,
    ConnectorStatus::Finishing,
    ConnectorStatus::Reserved,
    ConnectorStatus::Unavailable,
    ConnectorStatus::Faulted,
];

/// Words that have something in parentheses behind them.
pub(crate) const FUNCTIONS: [&str; 13] = [
    "median",
    "known",
    "weak_signal",
    "count",
    "distinct",
    "ratio",
    "below_cohort",
    "times_cohort",
    "cohort_expects",
    "power_of_kind",
    "same",
    "flap",
    "expected_usage_silence",
];

/// Every word that may stand where a field stands.
pub(crate) fn field_names() -> Vec<&'static str> {
    let mut names = vec!["status", "whole.status", "not"];
    names.extend(FUNCTIONS);
    names.extend(FLAGS.iter().map(|(name, _)| *name));
    names.extend(TEXTS.iter().map(|(name, _)| *name));
    names.extend(NUMBERS.iter().map(|(name, _)| *name));
    names.extend(ELAPSED.iter().map(|(name, _)| *name));
    names.extend(Channel::NAMES.iter().map(|(name, _)| *name));
    names.extend(vitals::FLAGS.iter().map(|(name, _)| *name));
    names.extend(vitals::NUMBERS.iter().map(|(name, _)| *name));
    names.extend(vitals::TIMES.iter().map(|(name, _)| *name));
    names
}

/// A mistake: the byte it is at, and what to write instead.
pub(crate) type Mistake = (usize, String);

/// Quoted words with the byte each is at, and whether they are meant or excluded.
type Words<'a> = (Vec<(usize, &'a str)>, bool);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Number(f64),
    Duration(i64),
    Sign(&'static str),
    /// What has no meaning, and was told.
    Wrong,
}

impl Token<'_> {
    fn words(&self) -> String {
        match self {
            Self::Word(word) => format!("`{word}`"),
            Self::Quoted(text) => format!("the text \"{text}\""),
            Self::Number(number) => format!("the number {number}"),
            Self::Duration(_) => "a duration".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::Wrong => String::new(),
        }
    }
}

/// How deep `not` and parentheses may be nested: conditions are read and looked at recursively.
const DEPTH_MAX: usize = 64;

/// Reads a condition without thresholds; of several mistakes the first.
#[cfg(test)]
pub(crate) fn parse_expression(text: &str) -> Result<Predicate, Mistake> {
    parse_with(text, &Thresholds::default())
        .map_err(|mistakes| mistakes.into_iter().next().unwrap_or_default())
}

/// Reads a condition in which the thresholds of its rule may stand for numbers and durations.
///
/// # Errors
/// All mistakes that can be told beside one another, in their order; one without words was told
/// elsewhere.
pub(crate) fn parse_with(text: &str, thresholds: &Thresholds) -> Result<Predicate, Vec<Mistake>> {
    let (tokens, mistakes) = lex(text);
    // What is missing at the end is missing behind the last word, not on a line below it.
    let end = text.trim_end().len();
    let mut parser = Parser { text, tokens: &tokens, thresholds, at: 0, depth: 0, end, mistakes };
    let predicate = parser.any();
    if let Some(token) = parser.peek() {
        let message = match token {
            Token::Wrong => String::new(),
            token => {
                format!("expected `and`, `or` or the end of the condition, found {}", token.words())
            }
        };
        let offset = parser.offset();
        parser.mistakes.push((offset, message));
    }
    let mut mistakes = parser.mistakes;
    if mistakes.is_empty() {
        return Ok(predicate);
    }
    mistakes.sort();
    if mistakes.iter().any(|(_, message)| !message.is_empty()) {
        mistakes.retain(|(_, message)| !message.is_empty());
    }
    Err(mistakes)
}

/// The words of a text, and what in it is none.
fn lex(text: &str) -> (Vec<(usize, Token<'_>)>, Vec<Mistake>) {
    const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "="];
    let mut tokens = Vec::new();
    let mut mistakes = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first == '"' || first == '\'' {
            match rest[1..].find(first) {
                Some(end) => (Ok(Token::Quoted(&rest[1..=end])), end + 2),
                None => (Err("this text has no closing quote".to_owned()), rest.len()),
            }
        } else if first.is_ascii_digit() || first == '-' {
            let length = rest[1..]
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
                .map_or(rest.len(), |end| end + 1);
            (amount(&rest[..length]), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
                .unwrap_or(rest.len());
            (Ok(Token::Word(&rest[..length])), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Ok(Token::Sign(sign)), sign.len())
        } else {
            (Err(format!("`{first}` has no meaning in a condition")), first.len_utf8())
        };
        let token = token.unwrap_or_else(|message| {
            mistakes.push((at, message));
            Token::Wrong
        });
        tokens.push((at, token));
        at += length;
    }
    (tokens, mistakes)
}

/// A number or a duration.
fn amount(word: &str) -> Result<Token<'_>, String> {
    match (word.parse::<f64>(), parse_duration(word)) {
        (Ok(number), _) if number.is_finite() => Ok(Token::Number(number)),
        (Ok(_), _) => Err(format!("`{word}` is larger than any number that can be compared")),
        (_, Some(ms)) => Ok(Token::Duration(ms)),
        _ => Err(format!("`{word}` is neither a number nor a duration such as 90s, 10m or 24h")),
    }
}

pub(crate) struct Parser<'a, 't> {
    text: &'a str,
    tokens: &'t [(usize, Token<'a>)],
    thresholds: &'t Thresholds,
    pub(crate) at: usize,
    /// How many `not` and parentheses are open.
    depth: usize,
    end: usize,
    mistakes: Vec<Mistake>,
}

impl<'a> Parser<'a, '_> {
    pub(crate) fn peek(&self) -> Option<&Token<'a>> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    pub(crate) fn offset(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(offset, _)| *offset)
    }

    fn take(&mut self, token: &Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word))
    }

    pub(crate) fn wrong<T>(&self, expected: &str) -> Result<T, Mistake> {
        if self.peek() == Some(&Token::Wrong) {
            return Err((self.offset(), String::new()));
        }
        let found = self.peek().map_or("the end".to_owned(), Token::words);
        Err((self.offset(), format!("expected {expected}, found {found}")))
    }

    pub(crate) fn expect(&mut self, sign: &'static str) -> Result<(), Mistake> {
        if self.take(&Token::Sign(sign)) { Ok(()) } else { self.wrong(&format!("`{sign}`")) }
    }

    fn any(&mut self) -> Predicate {
        let (from, known) = (self.at, self.mistakes.len());
        let mut parts = vec![self.placed(Self::all)];
        while self.word("or") {
            parts.push(self.placed(Self::all));
        }
        if parts.len() == 1 {
            return parts.remove(0).predicate;
        }
        if self.mistakes.len() == known
            && let Some(mistake) = contradiction::always(&parts, self.tokens[from].0)
        {
            self.mistakes.push(mistake);
        }
        Predicate::Any(parts.into_iter().map(|part| part.predicate).collect())
    }

    fn all(&mut self) -> Predicate {
        let (from, known) = (self.at, self.mistakes.len());
        let mut parts = vec![self.placed(Self::part)];
        while self.word("and") {
            parts.push(self.placed(Self::part));
        }
        if self.mistakes.len() == known
            && let Some(mistake) = contradiction::never(&parts, self.tokens[from].0)
        {
            self.mistakes.push(mistake);
        }
        if parts.len() == 1 {
            return parts.remove(0).predicate;
        }
        Predicate::All(parts.into_iter().map(|part| part.predicate).collect())
    }

    /// A part with its place and its words.
    fn placed(&mut self, read: impl Fn(&mut Self) -> Predicate) -> Part<'a> {
        let start = self.offset();
        let predicate = read(self);
        let text = self.text.get(start..self.offset().max(start)).unwrap_or_default();
        Part { at: start, text: text.trim_end(), predicate }
    }

    /// A part of a condition; behind one that is wrong it goes on with the next.
    fn part(&mut self) -> Predicate {
        let (start, depth) = (self.at, self.depth);
        self.one().unwrap_or_else(|mistake| {
            self.mistakes.push(mistake);
            self.depth = depth;
            self.at = start;
            let mut open = 0_usize;
            while let Some(token) = self.peek() {
                match token {
                    Token::Sign("(") => open += 1,
                    Token::Sign(")") | Token::Word("and" | "or") if open == 0 => break,
                    Token::Sign(")") => open -= 1,
                    _ => {}
                }
                self.at += 1;
            }
            Predicate::Any(Vec::new())
        })
    }

    fn one(&mut self) -> Result<Predicate, Mistake> {
        let offset = self.offset();
        if matches!(self.peek(), Some(Token::Word("not") | Token::Sign("("))) {
            if self.depth == DEPTH_MAX {
                let message = format!(
                    "this condition is nested more than {DEPTH_MAX} deep; use fewer `not` and \
                     parentheses"
                );
                return Err((offset, message));
            }
            self.depth += 1;
            let inner = self.nested();
            self.depth -= 1;
            return inner;
        }
        let Some(&Token::Word(name)) = self.peek() else {
            return self.wrong("a field, `not` or `(`");
        };
        self.at += 1;
        let vital = || look(&vitals::FLAGS, name).map(Flag::Vital);
        if let Some(flag) = look(&FLAGS, name).or_else(vital) {
            return Ok(Predicate::Flag(flag));
        }
        let vital = || look(&vitals::TIMES, name).map(Elapsed::Vital);
        if let Some(field) = look(&ELAPSED, name).or_else(vital) {
            return self.elapsed(name, field);
        }
        if let Some(field) = number_field(name) {
            let (compare, value) = self.compared(name, number_bounds(field))?;
            return Ok(Predicate::Number { field, compare, value });
        }
        if let Some(field) = look(&TEXTS, name) {
            return self.text(field);
        }
        match name {
            "status" | "whole.status" => self.status(name == "whole.status"),
            "median" => self.median(),
            "known" => self.known(),
            "weak_signal" => self.weak(),
            "count" => self.count(false),
            "distinct" => self.count(true),
            "ratio" => self.ratio(),
            "below_cohort" => self.below_cohort(),
            "times_cohort" => self.times_cohort(),
            "cohort_expects" => self.cohort_expects(),
            "power_of_kind" => self.power_of_kind(),
            "same" => self.same(),
            "flap" => self.flap(),
            "expected_usage_silence" => self.silence(),
            _ => {
                let hint = suggestion(name, &field_names());
                Err((offset, format!("unknown field `{name}`{hint}")))
            }
        }
    }

    /// `not ..` or `( .. )`.
    fn nested(&mut self) -> Result<Predicate, Mistake> {
        if self.word("not") {
            return Ok(Predicate::Not(Box::new(self.one()?)));
        }
        self.expect("(")?;
        let inner = self.any();
        self.expect(")")?;
        Ok(inner)
    }

    pub(crate) fn compare(&mut self) -> Result<Compare, Mistake> {
        let compare = match self.peek() {
            Some(Token::Sign("==")) => Compare::Equal,
            Some(Token::Sign("!=")) => Compare::NotEqual,
            Some(Token::Sign("<")) => Compare::Less,
            Some(Token::Sign("<=")) => Compare::AtMost,
            Some(Token::Sign(">")) => Compare::More,
            Some(Token::Sign(">=")) => Compare::AtLeast,
            Some(Token::Sign("=")) => {
                return Err((self.offset(), "write `==` to compare".to_owned()));
            }
            _ => return self.wrong("one of ==, !=, <, <=, >, >="),
        };
        self.at += 1;
        Ok(compare)
    }

    pub(crate) fn number(&mut self) -> Result<f64, Mistake> {
        let offset = self.offset();
        let number = match self.peek() {
            Some(Token::Number(number)) => *number,
            Some(Token::Word(name)) => match self.thresholds.number(name) {
                Some(number) => number.map_err(|message| (offset, message))?,
                None => return self.no_threshold("a number", name),
            },
            _ => return self.wrong("a number"),
        };
        self.at += 1;
        Ok(number)
    }

    /// A word where a value belongs: perhaps a threshold with a typing error.
    fn no_threshold<T>(&self, expected: &str, name: &str) -> Result<T, Mistake> {
        let names = self.thresholds.names();
        if names.is_empty() {
            return self.wrong(expected);
        }
        let hint = suggestion(name, &names);
        Err((self.offset(), format!("expected {expected}; there is no threshold `{name}`{hint}")))
    }

    pub(crate) fn duration(&mut self) -> Result<i64, Mistake> {
        let ms = match self.peek() {
            Some(Token::Duration(ms)) => *ms,
            Some(Token::Quoted(text)) => match parse_duration(text) {
                Some(ms) => ms,
                None => return self.wrong("a duration such as 90s, 10m or 24h"),
            },
            Some(Token::Word(name)) => match self.thresholds.duration(name) {
                Some(ms) => ms.map_err(|message| (self.offset(), message))?,
                None => return self.no_threshold("a duration such as 90s, 10m or 24h", name),
            },
            _ => return self.wrong("a duration such as 90s, 10m or 24h"),
        };
        self.at += 1;
        Ok(ms)
    }

    /// A duration that something is looked back on for: longer than nothing, a year at most.
    pub(crate) fn window(&mut self) -> Result<i64, Mistake> {
        let offset = self.offset();
        match self.duration()? {
            0 => Err((offset, "the time must be longer than nothing, as in 15m".to_owned())),
            ms if ms > LONGEST_MS => Err((offset, too_long("this"))),
            ms => Ok(ms),
        }
    }

    /// A comparison of something that lies within bounds: one that says nothing is refused.
    pub(crate) fn compared(
        &mut self,
        what: &str,
        (least, most): (f64, f64),
    ) -> Result<(Compare, f64), Mistake> {
        let compare = self.compare()?;
        let offset = self.offset();
        let value = self.number()?;
        let (always, never) = match compare {
            Compare::AtLeast => (value <= least, value > most),
            Compare::More => (value < least, value >= most),
            Compare::AtMost => (value >= most, value < least),
            Compare::Less => (value > most, value <= least),
            Compare::Equal => (false, value < least || value > most),
            Compare::NotEqual => (value < least || value > most, false),
        };
        if !always && !never {
            return Ok((compare, value));
        }
        let bounds = match (least.is_finite(), most.is_finite()) {
            (true, true) => format!("lies between {least} and {most}"),
            (true, false) => format!("is never less than {least}"),
            _ => format!("is never more than {most}"),
        };
        let how = if always { "always" } else { "never" };
        Err((offset, format!("{what} {bounds}, so this {how} holds; write another number")))
    }

    fn elapsed(&mut self, name: &str, field: Elapsed) -> Result<Predicate, Mistake> {
        let at_least = match self.peek() {
            Some(Token::Sign(">=" | ">")) => true,
            Some(Token::Sign("<" | "<=")) => false,
            _ => return self.wrong("`>=` or `<` and a duration"),
        };
        self.at += 1;
        let offset = self.offset();
        let ms = self.duration()?;
        // A certificate may be good for years, and be over; what is overdue is so from a moment on.
        let (longest, from_zero) = match field {
            Elapsed::CertificateLeft => (10 * LONGEST_MS, true),
            Elapsed::Vital(VitalTime::MeterOverdue) => (LONGEST_MS, at_least),
            _ => (LONGEST_MS, false),
        };
        if ms > longest {
            return Err((offset, too_long("this")));
        }
        if ms == 0 && !from_zero {
            let how = if at_least { "always" } else { "never" };
            return Err((
                offset,
                format!("{name} is never less than nothing, so this {how} holds"),
            ));
        }
        Ok(Predicate::Elapsed { field, at_least, ms })
    }

    /// `== "x"`, `!= "x"`, `in ["x", "y"]`, `not in [..]`: the words with their places, and whether
    /// they are meant.
    fn words(&mut self) -> Result<Words<'a>, Mistake> {
        let negated = match self.peek() {
            Some(Token::Sign("==")) => Some(false),
            Some(Token::Sign("!=")) => Some(true),
            _ => None,
        };
        if let Some(negated) = negated {
            self.at += 1;
            return Ok((vec![self.quoted()?], !negated));
        }
        let negated = self.word("not");
        if !self.word("in") {
            return self.wrong("`==`, `!=`, `in` or `not in`");
        }
        self.expect("[")?;
        let mut words = vec![self.quoted()?];
        while self.take(&Token::Sign(",")) {
            words.push(self.quoted()?);
        }
        self.expect("]")?;
        Ok((words, !negated))
    }

    fn quoted(&mut self) -> Result<(usize, &'a str), Mistake> {
        let offset = self.offset();
        let Some(&Token::Quoted(text)) = self.peek() else { return self.wrong("a quoted word") };
        self.at += 1;
        Ok((offset, text))
    }

    fn text(&mut self, field: Text) -> Result<Predicate, Mistake> {
        let (words, meant) = self.words()?;
        if field == Text::ErrorCode {
            for (offset, word) in &words {
                if let Err(message) = check_code(word) {
                    self.mistakes.push((*offset, message));
                }
            }
        }
        let any_of = words.into_iter().map(|(_, word)| Box::from(word)).collect();
        Ok(negate_unless(meant, Predicate::Text { field, any_of }))
    }

    fn status(&mut self, whole: bool) -> Result<Predicate, Mistake> {
        let (words, meant) = self.words()?;
        let mut set = 0;
        for (offset, word) in words {
            let Some(status) = STATUSES.iter().find(|status| status.name() == word) else {
                let names: Vec<_> = STATUSES.iter().map(|status| status.name()).collect();
                let hint = suggestion(word, &names);
                self.mistakes.push((offset, format!("unknown status \"{word}\"{hint}")));
                continue;
            };
            set |= status_bit(*status);
        }
        Ok(negate_unless(meant, Predicate::Status { whole, set }))
    }

    fn channel(&mut self) -> Result<Channel, Mistake> {
        let offset = self.offset();
        let names: Vec<_> = Channel::NAMES.iter().map(|(name, _)| *name).collect();
        let Some(&Token::Word(name)) = self.peek() else {
            return self.wrong("a series such as signal.wifi.dbm");
        };
        self.at += 1;
        look(&Channel::NAMES, name)
            .ok_or_else(|| (offset, format!("unknown series `{name}`{}", suggestion(name, &names))))
    }

    /// `median(signal.wifi.dbm, 15m, 3) <= -80`.
    fn median(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let channel = self.channel()?;
        self.expect(",")?;
        let within_ms = self.window()?;
        self.expect(",")?;
        let samples = self.whole(1, READINGS_MAX as u32)? as usize;
        self.expect(")")?;
        let bounds = number_bounds(Number::Signal(channel));
        let (compare, value) = self.compared("this signal", bounds)?;
        Ok(Predicate::Median { channel, within_ms, samples, compare, value })
    }

    /// `known(signal.wifi.dbm)`.
    fn known(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let offset = self.offset();
        let Some(&Token::Word(name)) = self.peek() else { return self.wrong("a number field") };
        let Some(field) = number_field(name) else {
            let mut names: Vec<_> = NUMBERS.iter().map(|(name, _)| *name).collect();
            names.extend(Channel::NAMES.iter().map(|(name, _)| *name));
            let hint = suggestion(name, &names);
            return Err((offset, format!("unknown number field `{name}`{hint}")));
        };
        self.at += 1;
        self.expect(")")?;
        Ok(Predicate::Known(field))
    }

    /// `weak_signal("wifi", 15m)`.
    fn weak(&mut self) -> Result<Predicate, Mistake> {
        self.expect("(")?;
        let (offset, word) = self.quoted()?;
        let transport = match word {
            "wifi" => Transport::Wifi,
            "cell" => Transport::Cellular,
            _ => {
                let hint = suggestion(word, &["wifi", "cell"]);
                return Err((offset, format!("unknown link \"{word}\"{hint}")));
            }
        };
        self.expect(",")?;
        let within_ms = self.window()?;
        self.expect(")")?;
        Ok(Predicate::Weak { transport, within_ms })
    }
}

pub(crate) fn look<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(word, _)| *word == name).map(|(_, value)| *value)
}

fn number_field(name: &str) -> Option<Number> {
    look(&NUMBERS, name)
        .or_else(|| look(&Channel::NAMES, name).map(Number::Signal))
        .or_else(|| look(&vitals::NUMBERS, name).map(Number::Vital))
}

/// Between what a number lies, whatever a charger says.
pub(crate) fn number_bounds(field: Number) -> (f64, f64) {
    match field {
        Number::Soc | Number::Signal(Channel::WifiPercent | Channel::CellPercent) => (0.0, 100.0),
        Number::Signal(Channel::CellCsq) => (0.0, 31.0),
        Number::Signal(_) => (f64::NEG_INFINITY, 0.0),
        // What flows back is less than nothing, and it freezes outside.
        Number::Power | Number::Temperature | Number::ClockSkew => {
            (f64::NEG_INFINITY, f64::INFINITY)
        }
        Number::Connector | Number::UnansweredCommands | Number::Vital(_) | Number::Burn(_) => {
            (0.0, f64::INFINITY)
        }
    }
}

pub(crate) fn negate_unless(meant: bool, predicate: Predicate) -> Predicate {
    if meant { predicate } else { Predicate::Not(Box::new(predicate)) }
}

/// Refuses an error code that nobody knows, in words.
pub(crate) fn check_code(word: &str) -> Result<(), String> {
    if word.is_empty() || crate::codes::code_info(word).is_some() {
        return Ok(());
    }
    let names: Vec<_> = crate::codes::CODES.iter().map(|info| info.name).collect();
    match crate::problem::nearest(word, names.iter().copied()) {
        Some(near) => Err(format!("unknown error code \"{word}\"; did you mean `{near}`?")),
        None => Err(format!("unknown error code \"{word}\"; expected one of {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_conditions() {
        assert_eq!(parse_expression("connected"), Ok(Predicate::Flag(Flag::Connected)));
        assert!(parse_expression("not connected or silent_for >= 120s").is_ok());
        assert!(parse_expression("median(signal.wifi.dbm, 15m, 3) <= -80").is_ok());
        assert!(
            parse_expression("status not in [\"Faulted\", 'Available'] and (power_w < 50)").is_ok()
        );
        assert_eq!(
            parse_expression("silent_for >= 2m"),
            Ok(Predicate::Elapsed { field: Elapsed::Silent, at_least: true, ms: 120_000 })
        );
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        for (open, close) in [("not ", ""), ("(", ")")] {
            let nested = |deep| format!("{}connected{}", open.repeat(deep), close.repeat(deep));
            assert!(parse_expression(&nested(DEPTH_MAX)).is_ok());
            for deep in [DEPTH_MAX + 1, 50_000] {
                let (at, message) = parse_expression(&nested(deep)).expect_err("too deep");
                assert_eq!(at, DEPTH_MAX * open.len());
                assert!(message.contains("nested more than 64 deep"), "{message}");
            }
        }
        // Side by side is not deep.
        let flat = vec!["not (connected)"; 1_000].join(" and ");
        assert!(parse_expression(&flat).is_ok());
    }

    #[test]
    fn mistakes_name_the_place_and_the_word() {
        let mistake = |text| parse_expression(text).expect_err("this is wrong");
        assert_eq!(mistake("statsu == \"Faulted\"").0, 0);
        assert!(mistake("statsu == \"Faulted\"").1.contains("did you mean `status`?"));
        let (at, message) = mistake("status == \"Fautled\"");
        assert_eq!(at, 10);
        assert!(message.contains("did you mean `Faulted`?"), "{message}");
        assert!(mistake("status = \"Faulted\"").1.contains("expected"));
        assert_eq!(mistake("connected and").0, 13);
        assert!(mistake("silent_for >= 5x").1.contains("duration"));
        assert!(mistake("error.code == \"GroundFault\"").1.contains("GroundFailure"));
        assert!(mistake("connected connected").1.contains("expected `and`"));
        assert!(mistake("connected & x").1.contains("no meaning"));
        // What is missing at the end of a text of several lines is missing on its last line.
        assert_eq!(mistake("connected and\n  spoke and\n").0, 25);
    }

    #[test]
    fn what_always_or_never_holds_is_refused() {
        for (text, wanted) in [
            ("times_cohort(faulted, 24h) >= -3", "is never less than 0, so this always holds"),
            ("times_cohort(faulted, 0s) >= 3", "must be longer than nothing"),
            ("count(disconnect, 36500d) >= 3", "longer than a year"),
            ("count(disconnect, 0s) >= 3", "must be longer than nothing"),
            ("silent_for >= 36500d", "longer than a year"),
            ("silent_for >= 0s", "silent_for is never less than nothing, so this always holds"),
            ("status_for < 0s", "this never holds"),
            ("soc_percent > 100", "lies between 0 and 100, so this never holds"),
            ("soc_percent <= 100", "always holds"),
            ("clock_off_s >= 0", "always holds"),
            ("unanswered_commands < 0", "never holds"),
            ("connector == -1", "never holds"),
            ("signal.wifi.dbm >= 80", "is never more than 0, so this never holds"),
            ("median(signal.wifi.dbm, 15m, 65) <= -80", "a whole number from 1 to 64"),
            ("median(signal.wifi.dbm, 0s, 3) <= -80", "must be longer than nothing"),
            ("weak_signal(\"wifi\", 0s)", "must be longer than nothing"),
            ("ratio(attempt_succeeded, attempt_failed, 20) >= 0", "always holds"),
            ("power_of_kind(5) < 0", "never holds"),
            ("cohort_expects(card, 7d) >= 0", "always holds"),
            ("flap(link, 3m) <= 100", "always holds"),
        ] {
            let (_, message) = parse_expression(text).expect_err(text);
            assert!(message.contains(wanted), "{text}: {message}");
        }
        for text in [
            "meter.overdue_for >= 0s",
            "certificate_left < 0s",
            "certificate_left > 1000d",
            "power_w < 0",
            "temperature_c < -20",
            "connector > 0",
        ] {
            assert!(parse_expression(text).is_ok(), "{text}");
        }
    }
}
