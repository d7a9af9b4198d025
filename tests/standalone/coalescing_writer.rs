//! The coalescing writer of HTTP/2: it sends all bytes once and in order.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::process::Server;
use crate::server::coalescing_writer::CoalescingWriter;

/// A socket with a send buffer of limited size.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    room: usize,
    /// The bytes of each write.
    writes: Vec<Vec<u8>>,
    is_shut: bool,
}

impl Peer {
    fn with_room(room: usize) -> Self {
        let peer = Self::default();
        peer.make_room(room);
        peer
    }

    fn make_room(&self, room: usize) {
        self.0.lock().unwrap().room = room;
    }

    fn writes(&self) -> Vec<Vec<u8>> {
        mem::take(&mut self.0.lock().unwrap().writes)
    }

    fn is_shut(&self) -> bool {
        self.0.lock().unwrap().is_shut
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Peer {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        let mut bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        bytes.truncate(state.room);
        if bytes.is_empty() {
            return Poll::Pending;
        }
        let count = bytes.len();
        state.room -= count;
        state.writes.push(bytes);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().is_shut = true;
        Poll::Ready(Ok(()))
    }
}

fn write<T: AsyncWrite + Unpin>(writer: &mut CoalescingWriter<T>, slices: &[&[u8]]) -> Poll<usize> {
    let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut cx = Context::from_waker(Waker::noop());
    let wrote = Pin::new(&mut *writer).poll_write_vectored(&mut cx, &slices);
    assert!(Pin::new(writer).poll_flush(&mut cx).is_ready());
    wrote.map(Result::unwrap)
}

fn is_sent<T: AsyncWrite + Unpin>(writer: &CoalescingWriter<T>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    writer.poll_send(&mut cx).map(Result::unwrap).is_ready()
}

#[test]
fn writes_are_coalesced_until_they_are_sent() {
    let peer = Peer::with_room(usize::MAX);
    let mut writer = CoalescingWriter::new(peer.clone());
    let outgoing = writer.handle();
    for _ in 0..2 {
        assert!(is_sent(&outgoing));
        assert_eq!(peer.writes(), [b""; 0]);
        assert_eq!(write(&mut writer, &[b"head", b"body"]), Poll::Ready(8));
        assert_eq!(write(&mut writer, &[b"next"]), Poll::Ready(4));
        assert_eq!(peer.writes(), [b""; 0]);
        assert!(is_sent(&outgoing));
        assert_eq!(peer.writes(), [b"headbodynext"]);
    }
}

#[test]
fn a_large_write_is_not_copied_and_keeps_the_order() {
    let peer = Peer::with_room(usize::MAX);
    let mut writer = CoalescingWriter::new(peer.clone());
    let large = [b'x'; 16 * 1024];
    assert_eq!(write(&mut writer, &[b"first"]), Poll::Ready(5));
    assert_eq!(
        write(&mut writer, &[b"head", &large]),
        Poll::Ready(4 + large.len())
    );
    assert_eq!(
        peer.writes(),
        [b"first".to_vec(), [b"head", &large[..]].concat()]
    );
    assert_eq!(write(&mut writer, &[b"last"]), Poll::Ready(4));
    assert!(is_sent(&writer));
    assert_eq!(peer.writes(), [b"last"]);
}

#[test]
fn a_blocked_client_bounds_the_buffer() {
    let peer = Peer::default();
    let mut writer = CoalescingWriter::new(peer.clone());
    let answer = [b'x'; 1024];
    let held = (0..1024).take_while(|_| write(&mut writer, &[&answer]).is_ready());
    let held = held.count() * answer.len();
    assert!((8 * 1024..=16 * 1024).contains(&held), "{held}");
    // Partial writes lose and repeat no bytes.
    let mut sent = 0;
    while !is_sent(&writer) {
        peer.make_room(1000);
        sent += peer.writes().concat().len();
    }
    assert_eq!(sent + peer.writes().concat().len(), held);
}

#[test]
fn the_buffer_of_the_stream_is_flushed() {
    // Like TLS, `BufWriter` accepts bytes that it has not sent.
    for length in [10, 32 * 1024] {
        let peer = Peer::default();
        let mut writer = CoalescingWriter::new(BufWriter::with_capacity(1 << 20, peer.clone()));
        let outgoing = writer.handle();
        let bytes = vec![b'a'; length];
        assert_eq!(write(&mut writer, &[&bytes]), Poll::Ready(length));
        assert!(!is_sent(&outgoing), "{length}");
        // Nothing is written in between: only the flush has something to send.
        assert!(!is_sent(&outgoing), "{length}");
        peer.make_room(usize::MAX);
        assert!(is_sent(&outgoing), "{length}");
        assert_eq!(peer.writes().concat(), bytes);
    }
}

#[test]
fn shutdown_sends_the_buffered_bytes_first() {
    let peer = Peer::with_room(3);
    let mut writer = CoalescingWriter::new(peer.clone());
    assert_eq!(write(&mut writer, &[b"goodbye"]), Poll::Ready(7));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut writer).poll_shutdown(&mut cx).is_pending());
    assert!(!peer.is_shut());
    peer.make_room(100);
    assert!(Pin::new(&mut writer).poll_shutdown(&mut cx).is_ready());
    assert!(peer.is_shut());
    assert_eq!(peer.writes(), [&b"goo"[..], b"dbye"]);
}

#[tokio::test]
async fn small_and_large_responses_share_a_connection() {
    let server = Server::start(&["--threads", "1"], &[]);
    let paths = ["/healthz", "/openapi.json"];
    let expected = [server.get(paths[0]).await, server.get(paths[1]).await];
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        // The large response waits for window updates between the others.
        .initial_stream_window_size(20_000)
        .handshake(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut answers = JoinSet::new();
    for number in 0..100 {
        let uri = format!("http://{}{}", server.address, paths[number % 2]);
        let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
        let mut sender = sender.clone();
        answers.spawn(async move {
            sender.ready().await.unwrap();
            let body = sender.send_request(request).await.unwrap().into_body();
            (number, body.collect().await.unwrap().to_bytes())
        });
    }
    for (number, body) in answers.join_all().await {
        assert_eq!(body, expected[number % 2].body(), "{number}");
    }
}
