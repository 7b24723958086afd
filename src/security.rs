//! What is said of the security of chargers' connections while the program runs.

use std::net::SocketAddr;

use mendpoint_model::SecurityProfile;

/// Says which listeners take in chargers without a password (profile 0).
pub(crate) fn warn_of_open_listeners(listeners: &[(SocketAddr, SecurityProfile)]) {
    for (address, profile) in listeners {
        if *profile == SecurityProfile::Open {
            tracing::warn!(
                listener = %address,
                "chargers without a password are taken in, not encrypted (security profile 0); \
                 set ocpp.profile = 1 or use [[ocpp.listeners]] with TLS"
            );
        }
    }
}
