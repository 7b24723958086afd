//! A socket that counts its bytes and remembers when it was last heard.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// What is granted beside the message itself: pings of an hour or two.
const PATIENCE_EXTRA_BYTES: u64 = 64 << 10;

/// How much is asked of the socket at once, in bytes: most meter values whole, with one system call,
/// where the buffer that each connection keeps takes two or three.
const READ_BYTES: usize = 4 << 10;

/// Wraps a socket. Liveness is any inbound byte, not a whole message (behaviours 7 and 10), so it
/// is noted here and costs nothing per message.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    /// What was read and found no room with the one who asked; nothing, most of the time.
    ahead: Box<[u8]>,
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
            ahead: Box::default(),
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

    /// Gives what there is room for, and keeps the rest.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>, bytes: &[u8]) {
        let (now, later) = bytes.split_at(bytes.len().min(buffer.remaining()));
        self.patience_bytes = self.patience_bytes.saturating_sub(now.len() as u64);
        buffer.put_slice(now);
        self.ahead = later.into();
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
        if self.ahead.is_empty() {
            let mut space = [MaybeUninit::uninit(); READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            let read = read.filled();
            if !read.is_empty() {
                self.received_bytes += read.len() as u64;
                self.last_heard = Instant::now();
            }
            self.hand_out(buffer, read);
        } else {
            let ahead = std::mem::take(&mut self.ahead);
            self.hand_out(buffer, &ahead);
        }
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_read_ahead_come_in_order_and_before_the_end() {
        let sent: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
        let (mut theirs, ours) = tokio::io::duplex(64 << 10);
        let mut ours = Metered::new(ours, 64 << 10);
        theirs.write_all(&sent).await.expect("there is room");
        theirs.shutdown().await.expect("it ends");
        let mut got = Vec::new();
        let mut room = [0; 777];
        loop {
            let count = ours.read(&mut room).await.expect("it can be read");
            if count == 0 {
                break;
            }
            got.extend_from_slice(&room[..count]);
        }
        assert_eq!(got, sent);
        assert_eq!(ours.take_bytes(), (20_000, 0));
        assert!(ours.ahead.is_empty());
    }

    #[tokio::test]
    async fn patience_is_used_up_by_what_was_handed_out() {
        let (mut theirs, ours) = tokio::io::duplex(8 << 10);
        let mut ours = Metered::new(ours, 0);
        ours.patience_bytes = 1_000;
        theirs.write_all(&[7; 3_000]).await.expect("there is room");
        let mut room = [0; 600];
        for _ in 0..2 {
            assert_eq!(ours.read(&mut room).await.expect("there is patience"), 600);
        }
        let error = ours.read(&mut room).await.expect_err("no message in all that");
        assert!(
            error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<NoMessage>),
            "{error}"
        );
        ours.message_ended();
        assert_eq!(ours.read(&mut room).await.expect("patience is back"), 600);
    }
}
