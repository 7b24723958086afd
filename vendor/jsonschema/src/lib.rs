//! Empty on purpose: rust-ocpp names this crate and uses nothing of it.
