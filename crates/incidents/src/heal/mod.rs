//! Healing: the ladder of rungs, the run of a playbook, and the watch over what it did.

pub(crate) mod approve;
mod beyond;
pub(crate) mod diagnostics;
pub(crate) mod ladder;
mod outcome;
pub(crate) mod run;
pub(crate) mod send;
pub(crate) mod support;
pub(crate) mod verify;
