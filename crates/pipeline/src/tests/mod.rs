//! The pipeline as a whole, over a real database and chargers that a test plays.

mod commands;
mod contest;
mod disk;
mod kit;
mod lag;
mod replay;
mod rule_book;
