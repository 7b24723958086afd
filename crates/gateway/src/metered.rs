//! A socket that counts its bytes and remembers when it was last heard.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What is granted beside the message itself: pings of an hour or two.
const PATIENCE_EXTRA_BYTES: u64 = 64 << 10;

/// Wraps a socket. Liveness is any inbound byte, not a whole message (behaviours 7 and 10), so it
/// is noted here and costs nothing per message.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    last_heard: Instant,
    received_bytes: u64,
    sent_bytes: u64,
    /// Bytes that may still come before a message must have been complete.
    patience_bytes: u64,
    /// The same after each message.
    patience_bytes_max: u64,
}

/// More came than any message has, and none was complete: empty continuation frames, or pings and
/// nothing else. Each of them is well-formed, so the library goes on for ever.
#[derive(Debug, thiserror::Error)]
#[error("more bytes than a message may have, and no message")]
pub(crate) struct NoMessage;

impl<S> Metered<S> {
    /// Starts counting now. Reading fails with [`NoMessage`] when more than twice
    /// `message_bytes_max` and a little came without a [`Metered::message_ended`] in between:
    /// frames have heads, so that a message in small pieces is longer on the wire.
    pub(crate) fn new(inner: S, message_bytes_max: usize) -> Self {
        let patience_bytes_max = 2 * message_bytes_max as u64 + PATIENCE_EXTRA_BYTES;
        Self {
            inner,
            last_heard: Instant::now(),
            received_bytes: 0,
            sent_bytes: 0,
            patience_bytes: patience_bytes_max,
            patience_bytes_max,
        }
    }

    /// A message was complete.
    pub(crate) fn message_ended(&mut self) {
        self.patience_bytes = self.patience_bytes_max;
    }

    /// When the last byte came.
    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Nothing was read for a while because of us: the peer's silence then says nothing about it.
    pub(crate) fn was_not_listened_to(&mut self) {
        self.last_heard = Instant::now();
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
        if self.patience_bytes == 0 {
            return Poll::Ready(Err(io::Error::other(NoMessage)));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.received_bytes += count as u64;
            self.last_heard = Instant::now();
            self.patience_bytes = self.patience_bytes.saturating_sub(count as u64);
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
