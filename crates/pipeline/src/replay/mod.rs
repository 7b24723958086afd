//! Lives through the past once more, with other rules: the stored frames go through a shard of their
//! own in a thread of their own, read-only. Nothing of the running program notices.

mod job;
mod past;

pub use job::{ReplayAsk, ReplayBoard, ReplayStatus, ReplayView, rule_digest};
pub use past::{Progress, replay_past};
