//! OCPP 2.0.1 and OCPP 2.1, which differ by the messages that the latter added.

mod added_in_21;
mod answers;
mod decode;
mod device_model;
mod encode;
mod parts;
mod reply;
mod transaction;

pub(crate) use answers::read_answer;
pub(crate) use decode::decode;
pub(crate) use encode::encode;
pub(crate) use reply::push_token_reply;
