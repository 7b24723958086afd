//! The pipeline as a whole, over a real database and chargers that a test plays.

mod contest;
mod disk;
mod kit;
mod lag;
