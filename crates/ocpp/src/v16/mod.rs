//! OCPP 1.6J with its security extension (the security whitepaper).

mod answers;
mod decode;
mod encode;
mod reply;

pub(crate) use answers::{read_answer, read_data_transfer_answer};
pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use reply::push_token_reply;
