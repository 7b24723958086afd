//! OCPP 2.0.1, and OCPP 2.1 as far as it is the same.

mod actions;
mod answers;
mod decode;
mod device_model;
mod encode;
mod parts;
mod reply;
mod strict;
mod transaction;

pub(crate) use actions::{ACTIONS, ACTIONS_V21};
pub(crate) use answers::read_answer;
pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use reply::push_token_reply;
pub(crate) use strict::CHECKS;
