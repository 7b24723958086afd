//! A bare WebSocket server that answers every OCPP request with `{}`, to compare with:
//! `cargo run --release -p mendpoint-simulator --example bare_server -- 127.0.0.1:9100`.

use std::net::SocketAddr;

use mendpoint_simulator::load::bare;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9100".to_owned());
    let address: SocketAddr = address.parse()?;
    match bare::serve(address, None).await? {}
}
