//! The least a WebSocket server can do: answers every request with `[3,id,{}]`. The measure for
//! everything a real one does beyond it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::frames::{Heard, read_frame};
use super::tls::{ServerFiles, Wire};

/// Listens, and serves until it is dropped, encrypted when there are files for it. It asks nobody
/// who they are and keeps nothing.
///
/// # Errors
/// When the files do not fit, the address cannot be listened on, or accepting fails.
pub async fn serve(address: SocketAddr, files: Option<&ServerFiles>) -> io::Result<Infallible> {
    let tls = files.map(ServerFiles::acceptor).transpose().map_err(io::Error::other)?;
    serve_on(listen(address)?, tls).await
}

/// The same listener as the real server's, with its long queue.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(4_096)
}

pub(super) async fn serve_on(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        let tls = tls.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true).ok();
            match tls {
                None => upgrade(stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        upgrade(stream).await;
                    }
                }
            }
        });
    }
}

async fn upgrade<S: Wire + 'static>(stream: S) {
    let config = Some(socket_config());
    if let Ok(socket) = accept_hdr_async_with_config(stream, agree, config).await {
        // A task of its own, so that what the handshake needed is freed.
        tokio::spawn(answer_all(socket));
    }
}

/// The same limits as the real server's.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1 << 10)
        .write_buffer_size(4 << 10)
        .max_write_buffer_size(256 << 10)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

/// Takes the first sub-protocol offered.
#[expect(clippy::result_large_err, reason = "the library's callback is made so")]
#[expect(clippy::unnecessary_wraps, reason = "the library's callback is made so")]
pub(super) fn agree(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request.headers().get("Sec-WebSocket-Protocol");
    if let Some(first) =
        offered.and_then(|offered| offered.to_str().ok()?.split(',').next()?.trim().parse().ok())
    {
        response.headers_mut().insert("Sec-WebSocket-Protocol", first);
    }
    Ok(response)
}

async fn answer_all<S: Wire>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        if let Heard::Call(id) = read_frame(text.as_str())
            && socket.send(Message::text(format!("[3,\"{id}\",{{}}]"))).await.is_err()
        {
            return;
        }
    }
}
