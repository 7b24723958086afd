//! What a shard decided, as entries for the journal and things that wait for it.

use mendpoint_incidents::{Effect, Memory, Request};
use mendpoint_model::{ChargerKey, Fact, FindingCode, FrameSeq, LedgerLine, UnixMs};
use mendpoint_shard::Trial;
use mendpoint_store::Entry;
use tokio::sync::oneshot;

use super::ShardTask;
use crate::message::ShardMessage;
use crate::power::PowerRequest;
use crate::release::{Release, TicketEvidence};

/// Room for so many facts is kept from one message to the next; what a rush needed is given back.
const ROOM_KEPT: usize = 64;

impl ShardTask {
    /// Turns what the shard decided into entries and releases.
    pub(crate) fn take_outputs(&mut self) {
        let mut facts = std::mem::take(&mut self.state.outputs.facts);
        let mut together = None;
        for (charger, at, frame, fact) in facts.drain(..) {
            self.note_link(charger, at, &fact);
            match &fact {
                Fact::TransactionOpened(transaction) => {
                    self.inner.tokens.began(charger, transaction);
                }
                Fact::TransactionClosed { transaction, .. } => {
                    self.inner.tokens.ended(transaction);
                    let stop_token = transaction.stop_token.as_deref().unwrap_or_default();
                    if self.inner.tokens.are_together(&transaction.id_token, stop_token) {
                        together = Some(transaction.id);
                    }
                }
                _ => {}
            }
            self.state.touched.insert(charger);
            if !matches!(fact, Fact::StatusRepeated { .. }) {
                self.state.dirty.insert(charger);
            }
            self.fact(charger, at, frame, fact);
        }
        if facts.capacity() <= ROOM_KEPT {
            self.state.outputs.facts = facts;
        }
        let lines = std::mem::take(&mut self.state.outputs.lines);
        for (charger, at, frame, line) in lines {
            // Whoever belongs to the same group may end it (behaviour 59).
            let is_by_group = matches!(&line, LedgerLine::Found(id, finding)
                if finding.code == FindingCode::StoppedByOther && together == Some(*id));
            if is_by_group {
                continue;
            }
            self.line(charger, at, frame, line);
        }
        let effects = std::mem::take(&mut self.state.outputs.effects);
        for effect in effects {
            self.effect(effect);
        }
        for Trial { incident, asks } in std::mem::take(&mut self.state.outputs.trials) {
            self.state.entries.push(Entry::Trial { incident: Box::new(incident), asks });
        }
        let upkeep = std::mem::take(&mut self.state.outputs.upkeep);
        for effect in upkeep {
            self.upkeep(effect);
        }
        let mut reports = std::mem::take(&mut self.state.outputs.reports);
        self.reports.hand_over(&mut reports);
        self.state.outputs.reports = reports;
    }

    fn fact(&mut self, charger: ChargerKey, at: UnixMs, frame: FrameSeq, fact: Fact) {
        let entry = match fact {
            Fact::LinkUp { .. } => {
                Entry::LinkChange { charger, at, online: true, reason: String::new() }
            }
            Fact::LinkDown { reason } => Entry::LinkChange { charger, at, online: false, reason },
            Fact::StatusChanged { connector, to, error, since, historical, .. } => {
                let error = error.map(|error| error.code).unwrap_or_default();
                if since < at {
                    // Of the time that it is about, not of that in which it was told.
                    if historical {
                        self.inner.lately.told(charger, since);
                    }
                    Entry::StateChange { charger, connector, at: since, status: to, error }
                } else if historical {
                    // Of an older connection, and nobody knows of when.
                    return;
                } else {
                    let told = Some((to, error));
                    let Some(entry) = self.state_entry(charger, at, connector, told) else {
                        return;
                    };
                    entry
                }
            }
            Fact::FaultChanged(fault) => {
                let Some(entry) = self.state_entry(charger, at, fault.connector, None) else {
                    return;
                };
                entry
            }
            Fact::TransactionOpened(transaction) => {
                Entry::TransactionOpened { charger, transaction }
            }
            Fact::TransactionClosed { transaction, reason, ended_at, energy_wh, .. } => {
                if at.since_ms(ended_at) > self.inner.settings.fleet.late_ms {
                    self.inner.lately.told(charger, transaction.started_at.min(ended_at));
                }
                Entry::TransactionClosed { charger, transaction, reason, ended_at, energy_wh }
            }
            Fact::TransactionOrphaned { id, external_id, ended } => {
                self.inner.look_for_owner(charger, id);
                Entry::TransactionOrphan { charger, id, external_id, at, frame, ended }
            }
            Fact::SignalRead(reading) => Entry::Signal { charger, at, reading },
            _ => return,
        };
        self.state.entries.push(entry);
    }

    /// Writes down what was said of a transaction, and what is odd about it.
    fn line(&mut self, charger: ChargerKey, at: UnixMs, frame: FrameSeq, line: LedgerLine) {
        let entry = match line {
            LedgerLine::Note(transaction, note) => {
                Entry::TransactionNote { transaction, at, frame, note }
            }
            LedgerLine::Found(transaction, finding) => {
                Entry::TransactionFinding { transaction, at, finding }
            }
            LedgerLine::Cleared(transaction, code) => {
                Entry::TransactionCleared { transaction, at, code }
            }
            LedgerLine::Joined { transaction, sent, external_id } => {
                Entry::OrphanJoined { charger, sent, external_id, transaction }
            }
        };
        self.state.entries.push(entry);
    }

    fn effect(&mut self, effect: Effect) {
        match effect {
            Effect::Incident(incident) => {
                self.state.touched.insert(incident.charger);
                self.state.urgent.insert(incident.charger);
                self.inner.metrics.incident(&incident);
                self.inner.topics.touch(|versions| versions.incidents += 1);
                self.state.released.push(Release::Incident(incident.clone()));
                self.inner.note_rollout(&incident);
                if incident.state.is_over() && !incident.ties.merged.is_empty() {
                    // What people merged into it may live in other shards.
                    let id = incident.id;
                    self.inner.feed_back_all(|| {
                        let (answer, _) = oneshot::channel();
                        ShardMessage::Request(Request::ParentOver { incident: id }, answer)
                    });
                }
                self.state.entries.push(Entry::Incident(incident));
            }
            Effect::Timeline(entry) => self.state.entries.push(Entry::Timeline(entry)),
            Effect::Send(command) => self.send(command),
            Effect::OpenTicket(request) => self.state.released.push(Release::Ticket(request)),
            Effect::TicketEvidence { ticket, incident, kind, text, .. } => {
                let evidence = TicketEvidence { ticket, incident, kind, text };
                self.state.released.push(Release::Evidence(evidence));
            }
            Effect::CloseSocket(charger) => self.state.released.push(Release::Close(charger)),
            Effect::SwitchPower { command, charger, site, incident, not_after } => {
                self.switch_power(PowerRequest { command, charger, site, incident, not_after });
            }
            Effect::Remember(memory) => self.state.entries.push(memory_entry(memory)),
            Effect::Exclusion(proposal) => self.state.entries.push(Entry::Exclusion(proposal)),
            Effect::Notice(notice) => self.state.released.push(Release::Notice(notice)),
            // The shard's upkeep asks; the overseer's task writes down vehicles, once for all shards.
            Effect::AskSignal(_) | Effect::CloseTransaction { .. } | Effect::Vehicle(..) => {}
            // Figures are made from what is stored of sessions.
            Effect::Attempt(ended) => self.inner.kpis.attempt(&ended),
            Effect::Visit(ended) => self.inner.kpis.visit(&ended),
        }
    }

    /// Journals that the power is to be switched, then lets the hook be asked (G11).
    fn switch_power(&mut self, request: PowerRequest) {
        let record = self.inner.directory.charger(request.charger);
        let identity = record.map(|record| record.identity.to_string()).unwrap_or_default();
        self.state.entries.push(Entry::Audit {
            at: self.state.now,
            actor: crate::AuditActor::Engine(request.incident).to_string(),
            action: "power switched off and on".to_owned(),
            subject: identity,
            detail: format!("for {}, by the hook of the site", request.incident),
        });
        self.state.released.push(Release::Power(request));
    }
}

/// What healing must remember, for the journal.
pub(crate) fn memory_entry(memory: Memory) -> Entry {
    let Memory { kind, key, json, revision } = memory;
    Entry::Memory(mendpoint_store::Memory { kind, key, json, revision })
}
