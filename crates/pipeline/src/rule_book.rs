//! The rules in force: those of the files, with what people edited, switched and set otherwise.
//!
//! An edited rule or playbook takes the place of the file's of the same id, or stands beside them. It
//! is checked and its tests are run before it is kept. One that no longer fits after the files changed
//! is set aside with its error, and the file's holds: a bad edit never keeps the program from starting
//! (docs/decisions/006-edited-rules.md).

mod check;
mod compose;
mod edits;

use std::collections::BTreeMap;
use std::sync::Arc;

use mendpoint_incidents::{Catalogue, HealMode, Problem, Target, ThresholdOverride};
use mendpoint_model::{DAY_MS, UnixMs};
use mendpoint_store::{RuleSwitchRow, RuleTextRow, RuleThresholdRow};

pub use self::check::CheckedRule;
use self::check::check;
pub(crate) use self::compose::compose;
use self::compose::file_of;
use self::edits::kept;
pub use self::edits::{RuleEdits, RuleKind};
use crate::{Error, Handle, clock};

/// How long a rule made here stays in shadow at least (G10), unless an administrator says otherwise.
const SHADOW_MS: i64 = 7 * DAY_MS;
/// The longest text of a rule.
const TEXT_MAX: usize = 256 * 1024;

/// What is to be kept.
#[derive(Clone, Debug)]
pub struct NewRuleText {
    /// A rule or a playbook.
    pub kind: RuleKind,
    /// Which one is edited; empty for a new one.
    pub id: String,
    /// The version it was made from; 0 for the file's, or for a new one.
    pub made_from: i64,
    /// The text.
    pub text: String,
    /// Why, in the person's words.
    pub note: String,
    /// Who.
    pub by: String,
}

impl Handle {
    /// What people decided about rules.
    pub fn rule_edits(&self) -> Arc<RuleEdits> {
        self.0.rule_edits.load_full()
    }

    /// The rules and playbooks of the files, without any edits.
    pub fn rule_files(&self) -> Arc<Catalogue> {
        self.0.rule_files.load_full()
    }

    /// Says how the files are read again.
    pub fn set_rule_reader(
        &self,
        read: impl Fn() -> Result<Arc<Catalogue>, String> + Send + Sync + 'static,
    ) {
        // A second reader would be of the same folders.
        let _ = self.0.rule_reader.set(Box::new(read));
    }

    /// Reads the files again and puts them in force, with the edits. Timers and counts go on where a
    /// rule still looks for the same.
    ///
    /// # Errors
    /// What is wrong with the files; then everything stays as it was.
    pub async fn reload_rules(&self, by: &str) -> Result<usize, Error> {
        let inner = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || match inner.rule_reader.get() {
            Some(read) => read(),
            None => Ok(inner.rule_files.load_full()),
        });
        let files = read
            .await
            .map_err(|_| Error::Refused("the files could not be read".to_owned()))?
            .map_err(Error::Refused)?;
        let count = files.rules().len();
        self.set_catalogue(files).await?;
        self.audit(by, "rules read again", "").await;
        Ok(count)
    }

    /// Puts other files in force, with the edits.
    ///
    /// # Errors
    /// When the program is stopping.
    pub async fn set_catalogue(&self, catalogue: Arc<Catalogue>) -> Result<(), Error> {
        let _one = self.0.rule_change.lock().await;
        self.0.rule_files.store(catalogue);
        self.apply_rules((*self.rule_edits()).clone()).await
    }

    /// Puts edits in force.
    async fn apply_rules(&self, mut edits: RuleEdits) -> Result<(), Error> {
        let files = self.rule_files();
        let (catalogue, edits) = tokio::task::spawn_blocking(move || {
            let catalogue = compose(&files, &mut edits);
            (catalogue, edits)
        })
        .await
        .map_err(|_| Error::Stopping)?;
        for (kind, id, problems) in &edits.set_aside {
            let why = problems.first().map(ToString::to_string).unwrap_or_default();
            tracing::error!("the edited {} {id} is set aside: {why}", kind.name());
        }
        let overrides = edits.overrides();
        self.0.rule_edits.store(Arc::new(edits));
        self.0.put_in_force(catalogue, overrides).await
    }

    async fn reread_rules(&self) -> Result<(), Error> {
        let edits = RuleEdits::read(&self.0.store).await?;
        self.apply_rules(edits).await
    }

    /// Looks at a text without keeping it, and runs its tests.
    pub async fn check_rule(&self, kind: RuleKind, text: String) -> CheckedRule {
        if text.len() > TEXT_MAX {
            let message = format!("a {} is at most {} KiB long", kind.name(), TEXT_MAX / 1024);
            let problem = Problem { file: file_of(kind, ""), line: 1, column: 1, message };
            return CheckedRule { problems: vec![problem], ..CheckedRule::default() };
        }
        let (files, edits) = (self.rule_files(), self.rule_edits());
        let checked = tokio::task::spawn_blocking(move || check(&files, &edits, kind, &text)).await;
        checked.unwrap_or_else(|_| CheckedRule {
            problems: vec![Problem {
                file: file_of(kind, ""),
                line: 1,
                column: 1,
                message: "this text could not be looked at".to_owned(),
            }],
            ..CheckedRule::default()
        })
    }

    /// Keeps a text and puts it in force. A new rule begins in shadow (G10).
    ///
    /// # Errors
    /// What is wrong with the text or its tests, or that somebody else was quicker.
    pub async fn save_rule(&self, new: NewRuleText) -> Result<(String, i64), Error> {
        let checked = self.check_rule(new.kind, new.text.clone()).await;
        if !checked.is_good() {
            return Err(Error::Refused(checked.told()));
        }
        let _one = self.0.rule_change.lock().await;
        let (id, noun) = (checked.id, new.kind.name());
        if !new.id.is_empty() && new.id != id {
            return Err(Error::Refused(format!(
                "this is the {noun} {}; to make another one, {id}, begin a new {noun}",
                new.id
            )));
        }
        let catalogue = self.catalogue();
        let is_known = match new.kind {
            RuleKind::Rule => catalogue.rule(&id).is_some(),
            RuleKind::Playbook => catalogue.playbook(&id).is_some(),
        };
        if new.id.is_empty() && is_known {
            return Err(Error::Refused(format!("there is a {noun} {id} already; edit that one")));
        }
        let now = clock::now();
        // A name that was used before goes on with its numbers.
        let made_from = if new.id.is_empty() {
            self.rule_edits().version(new.kind, &id)
        } else {
            new.made_from
        };
        let row = RuleTextRow {
            kind: noun.to_owned(),
            name: id.clone(),
            version: made_from,
            text: new.text,
            note: new.note,
            saved_at: now,
            saved_by: new.by.clone(),
        };
        let Some(version) = self.0.store.put_rule_text(&row).await? else {
            return Err(Error::Refused(format!(
                "somebody changed the {noun} {id} meanwhile; look at its newest version first"
            )));
        };
        if new.kind == RuleKind::Rule && !is_known {
            let heals = checked.rule.is_some_and(|rule| rule.playbook.is_some());
            self.0
                .store
                .put_rule_switch(&RuleSwitchRow {
                    name: id.clone(),
                    is_on: true,
                    mode: if heals { "shadow" } else { "off" }.to_owned(),
                    first_at: now,
                    changed_at: now,
                    changed_by: new.by.clone(),
                })
                .await?;
        }
        self.reread_rules().await?;
        self.audit(&new.by, &format!("{noun} changed"), &format!("{id}, version {version}")).await;
        Ok((id, version))
    }

    /// Puts an older version in force again, as a new version. `version` 0 is the file's: the edit is
    /// taken back, and a rule that no file has is gone.
    ///
    /// # Errors
    /// When there is no such version, or it does not fit any more.
    pub async fn take_back_rule(
        &self,
        kind: RuleKind,
        id: &str,
        version: i64,
        by: &str,
    ) -> Result<i64, Error> {
        let newest = self.rule_edits().version(kind, id);
        let note = if version == 0 {
            "as in the file again".to_owned()
        } else {
            format!("version {version} again")
        };
        if version > 0 {
            let old = self.0.store.rule_version(kind.name(), id, version).await?;
            let Some(old) = old.filter(|old| !old.text.is_empty()) else {
                let what = format!("there is no text in version {version} of {id}");
                return Err(Error::Refused(what));
            };
            let is_there = match kind {
                RuleKind::Rule => self.catalogue().rule(id).is_some(),
                RuleKind::Playbook => self.catalogue().playbook(id).is_some(),
            };
            let new = NewRuleText {
                kind,
                id: if is_there { id.to_owned() } else { String::new() },
                made_from: newest,
                text: old.text,
                note,
                by: by.to_owned(),
            };
            return Ok(self.save_rule(new).await?.1);
        }
        if newest == 0 {
            return Err(Error::Refused(format!("{id} was never edited")));
        }
        let _one = self.0.rule_change.lock().await;
        let row = RuleTextRow {
            kind: kind.name().to_owned(),
            name: id.to_owned(),
            version: newest,
            text: String::new(),
            note,
            saved_at: clock::now(),
            saved_by: by.to_owned(),
        };
        self.refuse_if_missed(kind, &row)?;
        let Some(version) = self.0.store.put_rule_text(&row).await? else {
            let what = format!("somebody changed {id} meanwhile; look at its newest version first");
            return Err(Error::Refused(what));
        };
        self.reread_rules().await?;
        let noun = kind.name();
        self.audit(by, &format!("{noun} taken back"), &format!("{id}, version {version}")).await;
        Ok(version)
    }

    /// A playbook that rules name cannot go.
    fn refuse_if_missed(&self, kind: RuleKind, row: &RuleTextRow) -> Result<(), Error> {
        let id = &row.name;
        if kind == RuleKind::Rule || self.rule_files().playbook(id).is_some() {
            return Ok(());
        }
        let catalogue = self.catalogue();
        let user = catalogue.rules().iter().find(|rule| rule.playbook.as_ref() == Some(id));
        user.map_or(Ok(()), |rule| {
            Err(Error::Refused(format!("the rule {} heals with the playbook {id}", rule.id)))
        })
    }

    /// Switches a rule on or off.
    ///
    /// # Errors
    /// When there is no such rule, or the database refuses.
    pub async fn set_rule_on(&self, id: &str, is_on: bool, by: &str) -> Result<(), Error> {
        let _one = self.0.rule_change.lock().await;
        let row = RuleSwitchRow { is_on, ..self.switch_of(id, by)? };
        self.0.store.put_rule_switch(&row).await?;
        self.reread_rules().await?;
        self.audit(by, if is_on { "rule switched on" } else { "rule switched off" }, id).await;
        Ok(())
    }

    /// Says how much a rule may do by itself (G10). One that was made here stays in shadow for seven
    /// days, unless an administrator says with `at_once` that it need not.
    ///
    /// # Errors
    /// When it is too early, there is no such rule, or it has no playbook.
    pub async fn set_rule_mode(
        &self,
        id: &str,
        mode: HealMode,
        at_once: bool,
        by: &str,
    ) -> Result<(), Error> {
        let _one = self.0.rule_change.lock().await;
        let catalogue = self.catalogue();
        let rule = catalogue.rule(id).ok_or_else(|| unknown(&catalogue, id))?;
        if mode != HealMode::Off && rule.playbook.is_none() {
            return Err(Error::Refused(format!(
                "the rule {id} names no playbook, so it can do nothing by itself"
            )));
        }
        let acts = matches!(mode, HealMode::Approve | HealMode::On);
        if acts
            && !at_once
            && let Some(until) = self.in_shadow_until(id)
        {
            return Err(Error::Refused(format!(
                "the rule {id} is new: it stays in shadow until {} (G10), unless an administrator \
                 says that it need not",
                until.rfc3339()
            )));
        }
        let row = RuleSwitchRow { mode: mode_word(mode).to_owned(), ..self.switch_of(id, by)? };
        self.0.store.put_rule_switch(&row).await?;
        self.reread_rules().await?;
        let early = if acts && at_once { ", without waiting" } else { "" };
        self.audit(by, "rule mode", &format!("{id}: {}{early}", mode_word(mode))).await;
        Ok(())
    }

    /// Until when a rule that was made here stays in shadow (G10); `None` when it need not.
    pub fn in_shadow_until(&self, id: &str) -> Option<UnixMs> {
        if self.rule_files().rule(id).is_some() {
            return None;
        }
        let until = self.rule_edits().switch(id)?.first_at + SHADOW_MS;
        (until > clock::now()).then_some(until)
    }

    fn switch_of(&self, id: &str, by: &str) -> Result<RuleSwitchRow, Error> {
        let catalogue = self.catalogue();
        let rule = catalogue.rule(id).ok_or_else(|| unknown(&catalogue, id))?;
        let now = clock::now();
        let known = self.rule_edits().switch(id).cloned();
        let known = known.unwrap_or_else(|| RuleSwitchRow {
            name: id.to_owned(),
            is_on: rule.enabled,
            mode: String::new(),
            first_at: now,
            changed_at: now,
            changed_by: String::new(),
        });
        Ok(RuleSwitchRow { changed_at: now, changed_by: by.to_owned(), ..known })
    }

    /// Sets a threshold of a rule otherwise for a model, a site or a charger.
    ///
    /// # Errors
    /// When the rule declares no such threshold, or the value is out of its limits.
    pub async fn set_threshold(&self, own: ThresholdOverride, by: &str) -> Result<(), Error> {
        self.catalogue()
            .check_override(&own, &self.rule_edits().overrides())
            .map_err(Error::Refused)?;
        let _one = self.0.rule_change.lock().await;
        let (target_kind, target) = kept(&own.target);
        let subject =
            format!("{}: {} = {} for {target_kind} {target}", own.rule, own.name, own.value);
        let row = RuleThresholdRow {
            rule: own.rule,
            target_kind: target_kind.to_owned(),
            target,
            name: own.name,
            setting: own.value.trim().to_owned(),
            set_at: clock::now(),
            set_by: by.to_owned(),
        };
        self.0.store.put_rule_threshold(&row).await?;
        self.reread_rules().await?;
        self.audit(by, "threshold set", &subject.replace('\n', " ")).await;
        Ok(())
    }

    /// Takes such a setting back; `false` when there was none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn clear_threshold(
        &self,
        rule: &str,
        target: &Target,
        name: &str,
        by: &str,
    ) -> Result<bool, Error> {
        let _one = self.0.rule_change.lock().await;
        let (kind, of) = kept(target);
        if !self.0.store.delete_rule_threshold(rule, kind, &of, name).await? {
            return Ok(false);
        }
        self.reread_rules().await?;
        let subject = format!("{rule}: {name} for {kind} {of}").replace('\n', " ");
        self.audit(by, "threshold taken back", &subject).await;
        Ok(true)
    }

    /// How many chargers have thresholds of their own, by rule: for the page of rules.
    pub fn threshold_counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for row in &self.rule_edits().thresholds {
            *counts.entry(row.rule.clone()).or_default() += 1;
        }
        counts
    }
}

fn unknown(catalogue: &Catalogue, id: &str) -> Error {
    match catalogue.known_rule(id) {
        Err(why) => Error::Refused(why),
        Ok(_) => Error::Refused(format!("unknown rule {id}")),
    }
}

/// The word of a mode in rules.
pub(crate) fn mode_word(mode: HealMode) -> &'static str {
    match mode {
        HealMode::Off => "off",
        HealMode::Shadow => "shadow",
        HealMode::Approve => "approve",
        HealMode::On => "on",
    }
}
