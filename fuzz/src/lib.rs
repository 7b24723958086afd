//! What is done with arbitrary bytes. Every function must come back, whatever it is given, and
//! checks what holds for every input.

mod targets;

pub use targets::{answer, decode, frame, notation, strict};
