//! A raw HTTP/2 client.

use std::io::ErrorKind;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::raw_client::{HEALTH, PATIENCE, PREFACE, frame};

pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

/// An HTTP/2 connection that sends and receives single frames.
pub(crate) struct Frames<T = TcpStream> {
    pub(crate) stream: T,
    /// Whether PINGs are acknowledged.
    pub(crate) acks: bool,
    next: u32,
}

impl Frames {
    pub(crate) async fn connect(address: std::net::SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Frames<T> {
    /// Begins HTTP/2 on this stream.
    pub(crate) async fn over(mut stream: T) -> Self {
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&begin).await.unwrap();
        let (acks, next) = (true, 1);
        Self { stream, acks, next }
    }

    /// Requests `/healthz` and waits for the response head.
    pub(crate) async fn get_health(&mut self) {
        let request = frame(HEADERS, END_STREAM_AND_HEADERS, self.next, HEALTH);
        self.stream.write_all(&request).await.unwrap();
        self.next += 2;
        while self.read().await.expect("a response").kind != HEADERS {}
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        let read = timeout(PATIENCE, async {
            let mut head = [0; 9];
            match self.stream.read_exact(&mut head).await {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
                Err(error) => panic!("{error}"),
            }
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length.try_into().unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            Some((head[3], head[4], payload))
        });
        let (kind, flags, payload) = read.await.expect("neither a frame nor the end")?;
        if self.acks && kind == PING && flags & ACK == 0 {
            let ack = frame(PING, ACK, 0, &payload);
            self.stream.write_all(&ack).await.unwrap();
        }
        Some(Frame {
            kind,
            flags,
            payload,
        })
    }

    /// The error code of each GOAWAY until the server closes the connection.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        let mut reasons = Vec::new();
        while let Some(frame) = self.read().await {
            if frame.kind == GOAWAY {
                reasons.push(frame.payload[7]);
            }
        }
        reasons
    }
}
