//! The gateway over real sockets on the loopback interface.

mod attack;
#[expect(dead_code, reason = "shared with the tests of the program, which use other parts")]
mod authority;
mod kit;
mod listener;
mod tls;
