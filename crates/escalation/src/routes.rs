//! Routes: which chain an incident takes. The first one that fits counts.

use serde::Deserialize;

use crate::book::{Access, Book, Brief};
use crate::chain::{Chain, CountsFrom, Step, Target};
use crate::words::parse_duration;
use crate::{Error, pick};

/// Which incidents take which chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its name; a rule may name it.
    pub name: String,
    /// Rules; any when empty. `*` stands for anything, here and below.
    pub rules: Vec<String>,
    /// The least serious severity it is for (0 is danger, 9 is debug).
    pub severity_max: u8,
    /// Sites, by name; any when empty.
    pub sites: Vec<String>,
    /// Labels of chargers or sites; any when empty.
    pub labels: Vec<String>,
    /// Who may charge there and with what; any when empty.
    pub access: Vec<Access>,
    /// The chain.
    pub chain: String,
}

/// The routes in their order, and the chains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routes {
    /// The routes; the last one takes everything.
    pub routes: Vec<Route>,
    /// The chains.
    pub chains: Vec<Chain>,
}

/// The name that rules have which leave the choice to the routes.
const DEFAULT: &str = "default";
/// The file that is built in.
const BUILT_IN: &str = include_str!("../../../config/routes.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    route: Vec<RawRoute>,
    #[serde(default)]
    chain: Vec<RawChain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoute {
    name: String,
    #[serde(default)]
    rules: Vec<String>,
    severity_max: Option<u8>,
    #[serde(default)]
    sites: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    access: Vec<Access>,
    chain: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChain {
    name: String,
    #[serde(default)]
    counts_from: RawCountsFrom,
    #[serde(default = "zero")]
    heal: String,
    #[serde(default)]
    skip_empty: bool,
    #[serde(default = "four_hours")]
    repeat: String,
    #[serde(default = "zero")]
    breach: String,
    #[serde(default)]
    step: Vec<RawStep>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawCountsFrom {
    #[default]
    HandedOver,
    Opened,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    after: String,
    tell: Vec<String>,
}

fn zero() -> String {
    "0s".to_owned()
}

fn four_hours() -> String {
    "4h".to_owned()
}

impl Routes {
    /// Reads a file of routes. Every duration is multiplied by `pace`.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &str, pace: f64) -> Result<Self, Error> {
        let wrong = |sentence: String| Error::Routes(sentence);
        let raw: RawFile = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let ms = |field: &str, text: &str| {
            let ms = parse_duration(text).ok_or_else(|| {
                wrong(format!("{field} is \"{text}\"; write a time, as in 15m or 4h"))
            })?;
            Ok::<_, Error>(if ms == 0 { 0 } else { ((ms as f64 * pace).round() as i64).max(1) })
        };
        let mut chains = Vec::new();
        for raw in raw.chain {
            let mut steps = Vec::new();
            for step in &raw.step {
                let mut tell = Vec::new();
                for text in &step.tell {
                    tell.push(Target::parse(text).ok_or_else(|| {
                        wrong(format!(
                            "the chain \"{}\" tells \"{text}\"; write on_call, second_on_call, owner, \
                             installer, person:NAME, mail:ADDRESS or webhook:NAME",
                            raw.name
                        ))
                    })?);
                }
                steps.push(Step { after_ms: ms("after", &step.after)?, tell });
            }
            if steps.is_empty() {
                return Err(wrong(format!("the chain \"{}\" has no step", raw.name)));
            }
            if !steps.is_sorted_by_key(|step| step.after_ms) {
                return Err(wrong(format!("the steps of \"{}\" are not in their order", raw.name)));
            }
            chains.push(Chain {
                counts_from: match raw.counts_from {
                    RawCountsFrom::HandedOver => CountsFrom::HandedOver,
                    RawCountsFrom::Opened => CountsFrom::Opened,
                },
                heal_ms: ms("heal", &raw.heal)?,
                skip_empty: raw.skip_empty,
                repeat_ms: ms("repeat", &raw.repeat)?,
                breach_ms: ms("breach", &raw.breach)?,
                name: raw.name,
                steps,
            });
        }
        let routes: Vec<Route> = raw
            .route
            .into_iter()
            .map(|raw| Route {
                name: raw.name,
                rules: raw.rules,
                severity_max: raw.severity_max.unwrap_or(9),
                sites: raw.sites,
                labels: raw.labels,
                access: raw.access,
                chain: raw.chain,
            })
            .collect();
        let unknown = routes
            .iter()
            .find(|route| !chains.iter().any(|chain: &Chain| chain.name == route.chain));
        if let Some(route) = unknown {
            let (name, chain) = (&route.name, &route.chain);
            return Err(wrong(format!(
                "the route \"{name}\" takes the chain \"{chain}\", which is not there"
            )));
        }
        let takes_all = |route: &Route| {
            route.name == DEFAULT
                && route.rules.is_empty()
                && route.sites.is_empty()
                && route.labels.is_empty()
                && route.access.is_empty()
                && route.severity_max >= 9
        };
        if !routes.last().is_some_and(takes_all) {
            return Err(wrong(
                "the last route is named \"default\" and takes everything: nothing may be forgotten"
                    .to_owned(),
            ));
        }
        Ok(Self { routes, chains })
    }

    /// The routes that are built in (`config/routes.toml`).
    ///
    /// # Panics
    /// Never: a test reads the file that is built in.
    pub fn built_in(pace: f64) -> Self {
        Self::parse(BUILT_IN, pace).expect("a test reads it")
    }

    /// The names that rules may have as their `route`.
    pub fn names(&self) -> Vec<String> {
        self.routes.iter().map(|route| route.name.clone()).collect()
    }

    /// The route of an incident: the one its rule names, else the first that fits.
    pub fn of(&self, book: &Book, brief: &Brief) -> &Route {
        let named = Some(&brief.route).filter(|name| *name != DEFAULT);
        let named = named.and_then(|name| self.routes.iter().find(|route| route.name == *name));
        let access = book.access(brief);
        let fitting = || {
            self.routes.iter().find(|route| {
                pick::any(&route.rules, &brief.rule)
                    && brief.severity <= route.severity_max
                    && pick::any(&route.sites, &brief.site_name)
                    && pick::any_label(&route.labels, book, brief)
                    && (route.access.is_empty()
                        || access.is_some_and(|access| route.access.contains(&access)))
            })
        };
        named.or_else(fitting).unwrap_or(&self.routes[self.routes.len() - 1])
    }

    /// The chain of a name; the default route's when there is none of that name any more.
    pub fn chain(&self, name: &str) -> &Chain {
        let last = || {
            let route = &self.routes[self.routes.len() - 1];
            self.chains.iter().find(|chain| chain.name == route.chain)
        };
        self.chains.iter().find(|chain| chain.name == name).or_else(last).unwrap_or(&self.chains[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_routes_that_are_built_in_are_those_of_the_specification() {
        let routes = Routes::parse(BUILT_IN, 1.0).expect("they are good");
        let minutes = |name: &str| {
            let steps = routes.chain(name).steps.iter();
            steps.map(|step| (step.after_ms / 60_000, step.tell.len())).collect::<Vec<_>>()
        };
        assert_eq!(routes.chain("public-dc").heal_ms, 15 * 60_000);
        assert_eq!(minutes("public-dc"), [(0, 1), (15, 2), (240, 1)]);
        assert_eq!(minutes("private-ac"), [(120, 1), (24 * 60, 1)]);
        let hurried = Routes::parse(BUILT_IN, 0.1).expect("they are good");
        assert_eq!(hurried.chain("public-dc").heal_ms, 90_000);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let says = |text: &str, words: &str| {
            let error = Routes::parse(text, 1.0).expect_err("it is wrong").to_string();
            assert!(error.contains(words), "{error}");
        };
        let chain = "[[chain]]\nname = \"c\"\n[[chain.step]]\nafter = \"0s\"\ntell = [\"owner\"]\n";
        let all = "[[route]]\nname = \"default\"\nchain = \"c\"\n";
        assert!(Routes::parse(&format!("{all}{chain}"), 1.0).is_ok());
        says(chain, "the last route is named \"default\"");
        says(&format!("{all}{}", chain.replace("owner", "boss")), "tells \"boss\"");
        says(&format!("{all}{}", chain.replace("0s", "soon")), "after is \"soon\"");
        says(&all.replace("\"c\"", "\"d\""), "which is not there");
        says(&format!("{all}[[chain]]\nname = \"c\"\n"), "has no step");
        says(&format!("{all}{chain}[[chain.step]]\nafter = \"0s\"\n"), "missing field");
        says(&format!("{all}colour = 1\n{chain}"), "colour");
    }
}
