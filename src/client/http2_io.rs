use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::sync::Notify;

use super::stats::ConnectionGuard;

/// The length of the client connection preface (RFC 9113 §3.4), which is not a frame.
const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
/// The length of a frame header (RFC 9113 §4.1).
const FRAME_HEADER: u8 = 9;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;

/// The transport of an HTTP/2 connection. It notifies `settings` after hyper has applied SETTINGS.
///
/// hyper does not offer such a notification. It applies the SETTINGS of its peer before it writes
/// their acknowledgement, so this transport searches the written frames for an acknowledgement.
#[derive(Debug)]
pub(super) struct Http2Io<T> {
    inner: T,
    scanner: FrameScanner,
    settings: Arc<Notify>,
    // Counts the connection as open until its transport is dropped.
    _guard: ConnectionGuard,
}

impl<T> Http2Io<T> {
    pub(super) fn new(inner: T, settings: Arc<Notify>, guard: ConnectionGuard) -> Self {
        Self {
            inner,
            scanner: FrameScanner::new(),
            settings,
            _guard: guard,
        }
    }

    fn scan(&mut self, bytes: &[u8]) {
        if self.scanner.scan(bytes) {
            self.settings.notify_one();
        }
    }
}

impl<T: Read + Unpin> Read for Http2Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<T: Write + Unpin> Write for Http2Io<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(length)) = written {
            self.scan(bytes.get(..length).unwrap_or(bytes));
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(mut left)) = written {
            for slice in slices {
                let length = left.min(slice.len());
                self.scan(slice.get(..length).unwrap_or(slice));
                left -= length;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Finds SETTINGS acknowledgements in the bytes that a client writes.
#[derive(Debug)]
struct FrameScanner {
    /// How many bytes to skip before the next frame header.
    skip: usize,
    /// The bytes of the current frame header, in network order: the latest byte is the lowest.
    header: u128,
    /// How many bytes of the frame header are in `header`.
    length: u8,
}

impl FrameScanner {
    fn new() -> Self {
        Self {
            skip: PREFACE,
            header: 0,
            length: 0,
        }
    }

    /// Whether these bytes complete the header of an acknowledgement.
    fn scan(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_acknowledged = false;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let Some((byte, rest)) = bytes.split_at(skipped).1.split_first() else {
                return is_acknowledged;
            };
            bytes = rest;
            self.header = self.header << 8 | u128::from(*byte);
            self.length += 1;
            if self.length == FRAME_HEADER {
                let [.., l2, l1, l0, kind, flags, _, _, _, _] = self.header.to_be_bytes();
                self.skip = usize::from(l2) << 16 | usize::from(l1) << 8 | usize::from(l0);
                self.length = 0;
                is_acknowledged |= kind == SETTINGS && flags & ACK != 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let header = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&header, payload].concat()
    }

    #[test]
    fn an_acknowledgement_is_found_wherever_writes_are_split() {
        let (data, ack) = (0, frame(SETTINGS, ACK, &[]));
        let preface = vec![0; PREFACE];
        let settings = frame(SETTINGS, 0, &[0; 18]);
        // The payload of this DATA frame looks like an acknowledgement.
        let decoy = frame(data, ACK, &[&ack[..], &[0; 70_000]].concat());
        for (frames, expected) in [
            (vec![], 0),
            (vec![&settings, &decoy], 0),
            (vec![&settings, &ack], 1),
            (vec![&settings, &decoy, &ack, &decoy, &ack], 2),
        ] {
            let all: Vec<u8> = [vec![&preface], frames]
                .concat()
                .into_iter()
                .flatten()
                .copied()
                .collect();
            for size in [1, 2, 8, 9, 10, 4096, usize::MAX] {
                let mut scanner = FrameScanner::new();
                let found = all.chunks(size).filter(|chunk| scanner.scan(chunk)).count();
                let most = all.len().div_ceil(size);
                assert_eq!(found, most.min(expected), "{size}");
            }
        }
    }
}
