//! OCPP 2.0.1: what the charger says, hears and answers, in rust-ocpp's types.

pub(crate) mod commands;
mod device;
pub(crate) mod hear;
mod profiles;
pub(crate) mod say;

pub(crate) use crate::v16::time;
