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

/// The rules of files with what people edited, switched and put on trial in the database: those that
/// a program on it has in force.
///
/// # Errors
/// When the database cannot be read.
pub async fn rules_in_force(
    store: &mendpoint_store::Store,
    files: Catalogue,
) -> Result<Catalogue, Error> {
    let mut edits = RuleEdits::read(store).await?;
    Ok((*compose(&Arc::new(files), &mut edits)).clone())
}

/// A text that is looked at and not kept.
#[derive(Clone, Debug)]
pub struct RuleDraft {
    /// A rule or a playbook.
    pub kind: RuleKind,
    /// Which one it is an edit of, empty for a new one: a text that gives itself no id is told under
    /// that.
    pub id: String,
    /// The text.
    pub text: String,
}

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

impl NewRuleText {
    /// It, to be looked at first.
    pub fn draft(&self) -> RuleDraft {
        RuleDraft { kind: self.kind, id: self.id.clone(), text: self.text.clone() }
    }
}

/// A version of a text that somebody kept after the one that another text was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewerText {
    /// Which of the two.
    pub kind: RuleKind,
    /// Its id.
    pub id: String,
    /// What the other text was made from; 0 for the file's.
    pub made_from: i64,
    /// The newest version.
    pub version: i64,
    /// Who kept it.
    pub saved_by: String,
    /// When.
    pub saved_at: Option<UnixMs>,
}

impl NewerText {
    /// A sentence that says so.
    pub fn words(&self) -> String {
        let noun = self.kind.name();
        if self.made_from < 0 || self.made_from > self.version {
            let newest = match self.version {
                0 => "it was never edited, so its text is version 0".to_owned(),
                version => format!("the newest is version {version}"),
            };
            return format!(
                "there is no version {} of the {noun} {}: {newest}; begin from that one",
                self.made_from, self.id
            );
        }
        let from = match self.made_from {
            0 => "the file's text".to_owned(),
            version => format!("version {version}"),
        };
        format!(
            "{} changed the {noun} {} meanwhile: version {} is newer than {from}, which this was made \
             from; look first at what it changed: /{noun}s/{}?version={}",
            self.saved_by, self.id, self.version, self.id, self.version
        )
    }
}

impl Handle {
    /// What people decided about rules.
    pub fn rule_edits(&self) -> Arc<RuleEdits> {
        self.0.rule_edits.load_full()
    }

    /// What was kept of a rule or playbook after a version of it: its newest; `None` when that version is
    /// the newest.
    pub fn newer_than(&self, kind: RuleKind, id: &str, made_from: i64) -> Option<NewerText> {
        let edits = self.rule_edits();
        let row = edits.texts.iter().find(|row| row.kind == kind.name() && row.name == id);
        let version = row.map_or(0, |row| row.version);
        (version != made_from).then(|| NewerText {
            kind,
            id: id.to_owned(),
            made_from,
            version,
            saved_by: row.map_or_else(String::new, |row| row.saved_by.clone()),
            saved_at: row.map(|row| row.saved_at),
        })
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
        let draft = RuleDraft { kind, id: String::new(), text };
        self.check_rules(vec![draft]).await.pop().unwrap_or_default()
    }

    /// Looks at several texts as if all of them were kept, and runs their tests; what came of each, in
    /// their order.
    pub async fn check_rules(&self, drafts: Vec<RuleDraft>) -> Vec<CheckedRule> {
        let problem = |kind: RuleKind, id: &str, message: String| CheckedRule {
            problems: vec![Problem { file: file_of(kind, id), line: 1, column: 1, message }],
            ..CheckedRule::default()
        };
        if drafts.iter().any(|draft| draft.text.len() > TEXT_MAX) {
            let told = |draft: &RuleDraft| {
                let noun = draft.kind.name();
                let words = format!("a {noun} is at most {} KiB long", TEXT_MAX / 1024);
                let is_long = draft.text.len() > TEXT_MAX;
                if is_long { problem(draft.kind, &draft.id, words) } else { CheckedRule::default() }
            };
            return drafts.iter().map(told).collect();
        }
        let (files, edits) = (self.rule_files(), self.rule_edits());
        let routes = self.0.duty.route_names();
        let named: Vec<_> = drafts.iter().map(|draft| (draft.kind, draft.id.clone())).collect();
        let checked =
            tokio::task::spawn_blocking(move || check(&files, &edits, &routes, &drafts)).await;
        checked.unwrap_or_else(|_| {
            let words = "this text could not be looked at";
            named.into_iter().map(|(kind, id)| problem(kind, &id, words.to_owned())).collect()
        })
    }

    /// Keeps a text and puts it in force. A new rule begins on trial, and its healing in shadow (G10).
    ///
    /// # Errors
    /// What is wrong with the text or its tests, or that somebody else was quicker.
    pub async fn save_rule(&self, new: NewRuleText) -> Result<(String, i64), Error> {
        let kept = self.save_rules(vec![new]).await?;
        kept.into_iter().next().ok_or_else(|| Error::Unfit("there is no text".to_owned()))
    }

    /// Keeps several texts and puts them in force in one go, all of them or none: what fits only
    /// together is looked at together. A new rule begins on trial, and its healing in shadow (G10).
    ///
    /// # Errors
    /// What is wrong with one of the texts or their tests, or that somebody else was quicker.
    pub async fn save_rules(&self, all: Vec<NewRuleText>) -> Result<Vec<(String, i64)>, Error> {
        let checked = self.check_rules(all.iter().map(NewRuleText::draft).collect()).await;
        if !checked.iter().all(CheckedRule::is_good) {
            let told: Vec<String> = checked.iter().map(CheckedRule::told).collect();
            return Err(Error::Unfit(told.join("\n").trim().to_owned()));
        }
        let _one = self.0.rule_change.lock().await;
        let catalogue = self.catalogue();
        let now = clock::now();
        let mut rows: Vec<RuleTextRow> = Vec::new();
        let mut new_rules = Vec::new();
        for (new, checked) in all.into_iter().zip(&checked) {
            let (id, noun) = (checked.id.clone(), new.kind.name());
            if !new.id.is_empty() && new.id != id {
                return Err(Error::Unfit(format!(
                    "this is the {noun} {}; to make another one, {id}, begin a new {noun}",
                    new.id
                )));
            }
            if rows.iter().any(|row| row.kind == noun && row.name == id) {
                return Err(Error::Unfit(format!("the {noun} {id} is there twice")));
            }
            let is_known = match new.kind {
                RuleKind::Rule => catalogue.rule(&id).is_some(),
                RuleKind::Playbook => catalogue.playbook(&id).is_some(),
            };
            if new.id.is_empty() && is_known {
                return Err(Error::Refused(format!(
                    "there is a {noun} {id} already; edit that one"
                )));
            }
            if new.kind == RuleKind::Rule && !is_known {
                let rule = checked.rule.as_ref();
                let heals = rule.is_some_and(|rule| rule.playbook.is_some());
                let on_trial = rule.is_some_and(|rule| !rule.scope.is_wide());
                new_rules.push((id.clone(), (heals, on_trial), new.by.clone()));
            }
            // What is as in the file is no edit of it.
            let in_file = self.file_text(new.kind, &id);
            let is_edit = in_file.as_ref() != Some(&new.text);
            rows.push(RuleTextRow {
                kind: noun.to_owned(),
                // A name that was used before goes on with its numbers.
                version: if new.id.is_empty() {
                    self.rule_edits().version(new.kind, &id)
                } else {
                    new.made_from
                },
                name: id,
                text: if is_edit { new.text } else { String::new() },
                note: new.note,
                saved_at: now,
                saved_by: new.by,
            });
        }
        let Some(versions) = self.0.store.put_rule_texts(&rows).await? else {
            let stale = rows.iter().find(|row| {
                let kind = RuleKind::from_name(&row.kind).unwrap_or(RuleKind::Rule);
                self.rule_edits().version(kind, &row.name) != row.version
            });
            let why = stale.and_then(|row| {
                let kind = RuleKind::from_name(&row.kind).unwrap_or(RuleKind::Rule);
                self.newer_than(kind, &row.name, row.version).map(|newer| newer.words())
            });
            return Err(Error::Refused(why.unwrap_or_else(|| {
                "somebody changed it in the same moment; look at its newest version first"
                    .to_owned()
            })));
        };
        for (name, (heals, on_trial), by) in new_rules {
            self.0
                .store
                .put_rule_switch(&RuleSwitchRow {
                    name,
                    is_on: false,
                    on_trial,
                    mode: if heals { "shadow" } else { "off" }.to_owned(),
                    first_at: now,
                    changed_at: now,
                    changed_by: by,
                })
                .await?;
        }
        self.reread_rules().await?;
        for (row, version) in rows.iter().zip(&versions) {
            let subject = format!("{}, version {version}", row.name);
            self.audit(&row.saved_by, &format!("{} changed", row.kind), &subject).await;
        }
        Ok(rows.into_iter().map(|row| row.name).zip(versions).collect())
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
        if let Some(text) = self.file_text(kind, id) {
            let checked = self.check_rule(kind, text).await;
            if !checked.is_good() {
                return Err(Error::Unfit(checked.told()));
            }
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

    /// The text of a rule's or playbook's file, where there is one.
    pub fn file_text(&self, kind: RuleKind, id: &str) -> Option<String> {
        let files = self.rule_files();
        match kind {
            RuleKind::Rule => files.rule(id).map(|rule| rule.source.to_string()),
            RuleKind::Playbook => files.playbook(id).map(|book| book.source.to_string()),
        }
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

    /// Puts a rule on trial: nobody is told of what it finds, nothing is healed, no uptime is
    /// touched. What it would have opened can be seen with [`Handle::hindsight`].
    ///
    /// # Errors
    /// When there is no such rule, or the database refuses.
    pub async fn set_rule_on_trial(&self, id: &str, by: &str) -> Result<(), Error> {
        let _one = self.0.rule_change.lock().await;
        if self.catalogue().rule(id).is_some_and(|rule| rule.scope.is_wide()) {
            return Err(Error::Refused(format!(
                "the rule {id} is about many chargers, which are counted over the whole fleet: it cannot \
                 be on trial; switch it off and try it on the past"
            )));
        }
        let row = RuleSwitchRow { is_on: false, on_trial: true, ..self.switch_of(id, by)? };
        self.0.store.put_rule_switch(&row).await?;
        self.reread_rules().await?;
        self.audit(by, "rule on trial", id).await;
        Ok(())
    }

    /// Switches a rule on or off; a trial of it ends.
    ///
    /// # Errors
    /// When there is no such rule, or the database refuses.
    pub async fn set_rule_on(&self, id: &str, is_on: bool, by: &str) -> Result<(), Error> {
        let _one = self.0.rule_change.lock().await;
        let row = RuleSwitchRow { is_on, on_trial: false, ..self.switch_of(id, by)? };
        self.0.store.put_rule_switch(&row).await?;
        self.reread_rules().await?;
        self.0.store.end_rule_trials(Some(id), clock::now()).await?;
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
                "the rule {id} is new: it stays in shadow until {} UTC (G10), unless an administrator \
                 says that it need not",
                until.minute()
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
            on_trial: rule.on_trial,
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
            .map_err(Error::Unfit)?;
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
