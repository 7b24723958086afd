//! A socket that counts its bytes and remembers when it was last heard.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Wraps a socket. Liveness is any inbound byte, not a whole message (behaviours 7 and 10), so it
/// is noted here and costs nothing per message.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    last_heard: Instant,
    received_bytes: u64,
    sent_bytes: u64,
}

impl<S> Metered<S> {
    /// Starts counting now.
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, last_heard: Instant::now(), received_bytes: 0, sent_bytes: 0 }
    }

    /// When the last byte came.
    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Bytes received and sent since the last time this was asked.
    pub(crate) fn take_bytes(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.received_bytes), std::mem::take(&mut self.sent_bytes))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.received_bytes += count as u64;
            self.last_heard = Instant::now();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = result {
            self.sent_bytes += count as u64;
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
