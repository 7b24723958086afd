//! OCPP 1.6J with its security extension (the security whitepaper).

mod actions;
mod answers;
mod decode;
mod encode;
mod reply;
mod strict;

pub(crate) use actions::ACTIONS;
pub(crate) use answers::{read_answer, read_data_transfer_answer};
pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use reply::push_token_reply;
pub(crate) use strict::CHECKS;
