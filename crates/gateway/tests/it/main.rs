//! The gateway over real sockets on the loopback interface.

mod attack;
mod authority;
mod kit;
mod listener;
mod tls;
