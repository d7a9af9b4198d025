//! Faults of a response over HTTP/2, frame by frame, with the outcome of the request.

use std::slice::from_ref;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200`.
const OK: &[u8] = &[0x88];
/// The same, and `content-length: 5`.
const OF_FIVE: &[u8] = &[0x88, 0x0f, 0x0d, 1, b'5'];
/// `:status: 103`.
const INTERIM: &[u8] = &[0x08, 3, b'1', b'0', b'3'];

/// More than the initial windows of a connection.
pub(crate) const LARGE: usize = 100_000;

/// The reaction of a tenant after it has sent the frames of a fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    Closes,
    /// Does not continue this response; responds to all other requests.
    Stalls,
    /// Continues to read, and does not respond to any request.
    StopsResponding,
    /// Neither reads nor responds.
    StopsReading,
    /// Sends the same frames repeatedly, then responds to other requests.
    Repeats,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    NoResponse,
    Timeout,
    /// 200, and a body that fails at once.
    Truncated,
    /// 200, and a body that times out.
    BodyTimeout,
    /// 200, and a complete body.
    Complete,
}

/// When a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Before any byte, SETTINGS included.
    Connected,
    /// After the preface was read and SETTINGS were sent.
    Begun,
    /// After the head of a write was read.
    Head,
    /// After the body of a write was read.
    Body,
}

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) name: String,
    stage: Stage,
    frames: Vec<u8>,
    pub(crate) then: Then,
    pub(crate) outcome: Outcome,
    /// The length of the body of the write.
    pub(crate) length: usize,
}

impl Fault {
    /// Whether other requests on the connection wait until it is detected as dead.
    pub(crate) fn blocks_connection(&self) -> bool {
        matches!(self.then, Then::StopsResponding | Then::StopsReading)
    }

    /// Whether the tenant reads the write.
    pub(crate) fn is_seen(&self) -> bool {
        matches!(self.stage, Stage::Head | Stage::Body)
    }
}

/// A frame of the write's stream, or of the connection, depending on its kind. [`addressed`] sets
/// its stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 0];
    if matches!(
        kind,
        DATA | HEADERS | RST_STREAM | CONTINUATION | PUSH_PROMISE
    ) {
        frame[8] = b'?';
    }
    frame.extend_from_slice(payload);
    frame
}

/// The frames, addressed to this stream.
fn addressed(frames: &[u8], stream: u32) -> Vec<u8> {
    let mut frames = frames.to_vec();
    let mut at = 0;
    while let Some(head) = frames.get_mut(at..at + 9) {
        if head[8] == b'?' {
            head[5..9].copy_from_slice(&stream.to_be_bytes());
        }
        at += 9 + (usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]));
    }
    frames
}

fn head(block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, block)
}

fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(
        GOAWAY,
        0,
        &[last.to_be_bytes(), code.to_be_bytes()].concat(),
    )
}

/// A head above every limit, in frames of nearly the maximum size.
fn huge() -> Vec<u8> {
    // A literal field `x` of 16,000 bytes.
    let field = [&[0, 1, b'x', 0x7f, 0x81, 0x7c][..], &[b'y'; 16_000]].concat();
    let mut frames = frame(HEADERS, 0, &[OK, &field].concat());
    for _ in 0..6 {
        frames.extend(frame(CONTINUATION, 0, &field));
    }
    frames.extend(frame(CONTINUATION, END_HEADERS, &[]));
    frames
}

pub(crate) fn faults() -> Vec<Fault> {
    use Outcome::{BodyTimeout, Complete, NoResponse, Timeout, Truncated};
    use Stage::{Begun, Body, Connected, Head};
    use Then::{Closes, Repeats, Stalls, StopsReading, StopsResponding};

    let mut faults = Vec::new();
    let mut add = |name: &str, stage, frames: &[Vec<u8>], then, outcome| {
        faults.push(Fault {
            name: format!("{name}, {stage:?}, {then:?}"),
            stage,
            frames: frames.concat(),
            then,
            outcome,
            length: 4,
        });
    };
    for stage in [Connected, Begun, Head, Body] {
        add("nothing", stage, &[], Closes, NoResponse);
        add("nothing", stage, &[], StopsResponding, Timeout);
        add("nothing", stage, &[], StopsReading, Timeout);
    }
    for stage in [Head, Body] {
        add("nothing", stage, &[], Stalls, Timeout);
        // A head that does not end blocks its connection.
        let begun = frame(HEADERS, 0, OK);
        add("half a head", stage, from_ref(&begun), Closes, NoResponse);
        add("half a head", stage, &[begun], StopsResponding, Timeout);
        let part = |block: &[u8], data: &[u8]| [head(block), frame(DATA, 0, data)].concat();
        for (name, sent, fails) in [
            // No part of it has been forwarded.
            ("a head", head(OK), NoResponse),
            ("half a body", part(OK, b"hello"), Truncated),
            (
                "half of the declared length",
                part(OF_FIVE, b"hell"),
                Truncated,
            ),
            ("all but the trailers", part(OF_FIVE, b"hello"), Truncated),
        ] {
            add(name, stage, from_ref(&sent), Closes, fails);
            for then in [Stalls, StopsResponding, StopsReading] {
                add(name, stage, from_ref(&sent), then, BodyTimeout);
            }
            for code in [0, 2, 7, 8, 11] {
                let name = format!("{name}, reset with {code}");
                let reset = frame(RST_STREAM, 0, &[0, 0, 0, code]);
                add(&name, stage, &[sent.clone(), reset], Stalls, fails);
            }
            for code in [0, 2] {
                let name = format!("{name}, going away with {code}");
                let sent = [sent.clone(), goaway(0x7fff_ffff, code)];
                add(&name, stage, &sent, Closes, fails);
                let sent = [sent[0].clone(), goaway(0, code)];
                add(&name, stage, &sent, Closes, fails);
            }
        }
        for code in [0, 1, 2, 3, 5, 7, 8, 11, 13, 255] {
            let name = format!("reset with {code}");
            let reset = frame(RST_STREAM, 0, &[0, 0, 0, code]);
            add(&name, stage, &[reset], Stalls, NoResponse);
        }
        for code in [0, 2, 11] {
            let name = format!("going away with {code}");
            add(
                &name,
                stage,
                &[goaway(0x7fff_ffff, code)],
                Closes,
                NoResponse,
            );
            let name = format!("not processed, going away with {code}");
            add(&name, stage, &[goaway(0, code)], Stalls, NoResponse);
        }
        let http1 = b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec();
        add("another protocol", stage, &[http1], Stalls, NoResponse);
        let push_promise = frame(PUSH_PROMISE, END_HEADERS, &[0, 0, 0, 2, 0x82]);
        let mut elsewhere = head(OK);
        elsewhere[8] = 101;
        let mut stream_zero = frame(DATA, 0, b"x");
        stream_zero[8] = 0;
        for (name, sent) in [
            ("a push", push_promise),
            ("a response to an unknown stream", elsewhere),
            ("data on stream zero", stream_zero),
            ("settings of five bytes", frame(SETTINGS, 0, &[0; 5])),
            ("a window of nothing", frame(WINDOW_UPDATE, 0, &[0; 4])),
            (
                "a window too large",
                frame(WINDOW_UPDATE, 0, &[0x7f, 255, 255, 255]),
            ),
            ("a broken table", head(&[0xff, 0xff, 0xff, 0xff])),
            ("no status", head(&[])),
            ("data first", frame(DATA, 0, b"hello")),
            (
                "an interim end",
                frame(HEADERS, END_HEADERS | END_STREAM, INTERIM),
            ),
            (
                "an end too early",
                frame(HEADERS, END_HEADERS | END_STREAM, OF_FIVE),
            ),
            ("a field in capitals", head(&[0x88, 0, 1, b'X', 1, b'y'])),
            ("a huge head", huge()),
        ] {
            add(name, stage, &[sent], Stalls, NoResponse);
        }
        let short = [head(OF_FIVE), frame(DATA, END_STREAM, b"hell")];
        add("too little", stage, &short, Stalls, NoResponse);
        let long = [head(OF_FIVE), frame(DATA, END_STREAM, b"hello!")];
        add("too much", stage, &long, Stalls, NoResponse);
        let twice = [head(OK), frame(DATA, 0, b"hello"), head(OK)];
        add("a second head", stage, &twice, Stalls, Truncated);
        let flood = vec![head(INTERIM); 50];
        add("interim responses", stage, &flood, Repeats, Timeout);
        let unknown = frame(0xfa, 0xff, b"of a later version");
        add("unknown frames", stage, &[unknown], Repeats, Timeout);
        let pings = vec![frame(PING, 0, &[7; 8]); 50];
        add("pings", stage, &pings, Repeats, Timeout);
        let settings = frame(SETTINGS, 0, &[0, 4, 0, 0, 255, 255]);
        add("settings", stage, &[settings], Repeats, Timeout);
        let nothing = [head(OK), frame(DATA, 0, b"")];
        add("data without data", stage, &nothing, Stalls, BodyTimeout);
    }
    // Frames after a complete response do not change it.
    let whole = [head(OK), frame(DATA, END_STREAM, b"hello")].concat();
    for (name, last) in [
        (
            "a complete response, the upload is reset",
            frame(RST_STREAM, 0, &[0; 4]),
        ),
        (
            "a complete response, a reset",
            frame(RST_STREAM, 0, &[0, 0, 0, 8]),
        ),
    ] {
        add(name, Head, &[whole.clone(), last], Stalls, Complete);
    }
    let last = goaway(0x7fff_ffff, 0);
    add(
        "a complete response, the last",
        Head,
        &[whole, last],
        Closes,
        Complete,
    );
    // The flow-control window of the stream or the connection is closed.
    let closed = frame(SETTINGS, 0, &[0, 4, 0, 0, 0, 0]);
    add("a closed window", Head, &[closed], Stalls, Timeout);
    add("a window of the connection", Head, &[], Stalls, Timeout);
    // The transport is full.
    add("a large body", Begun, &[], StopsReading, Timeout);
    add("a large body", Head, &[], StopsReading, Timeout);
    add("a large body", Head, &[head(OK)], StopsReading, BodyTimeout);
    for fault in faults.iter_mut().rev().take(8) {
        fault.length = LARGE;
    }
    faults
}

/// The tenant's end of a connection. A request with a body, a write, gets the fault; all others get
/// a response.
pub(crate) async fn serve(
    stream: &mut DuplexStream,
    fault: &Fault,
    writes: &AtomicUsize,
    over: watch::Receiver<()>,
) {
    // Usually an error: the client closes the connection.
    let _ = serve_frames(stream, fault, writes, over).await;
}

async fn serve_frames(
    stream: &mut DuplexStream,
    fault: &Fault,
    writes: &AtomicUsize,
    over: watch::Receiver<()>,
) -> std::io::Result<()> {
    if fault.stage == Stage::Connected {
        return inject(stream, fault, 1, over).await;
    }
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(SETTINGS, 0, &[])).await?;
    if fault.stage == Stage::Begun {
        return inject(stream, fault, 1, over).await;
    }
    let mut left = 0;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await?;
        let (kind, flags) = (head[3], head[4]);
        let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match kind {
            SETTINGS if flags & ACK == 0 => {
                stream.write_all(&frame(SETTINGS, ACK, &[])).await?;
            }
            PING if flags & ACK == 0 => {
                stream.write_all(&frame(PING, ACK, &payload)).await?;
            }
            HEADERS if flags & END_STREAM != 0 => {
                let response = [self::head(OK), frame(DATA, END_STREAM, b"ok")].concat();
                stream.write_all(&addressed(&response, number)).await?;
            }
            HEADERS => {
                writes.fetch_add(1, Ordering::SeqCst);
                left = fault.length;
                if fault.stage == Stage::Head {
                    inject(stream, fault, number, over.clone()).await?;
                }
            }
            DATA => {
                left -= length;
                if left == 0 && fault.stage == Stage::Body {
                    inject(stream, fault, number, over.clone()).await?;
                }
            }
            _ => {}
        }
    }
}

/// Returns an error when the connection is to be closed.
async fn inject(
    stream: &mut DuplexStream,
    fault: &Fault,
    number: u32,
    mut over: watch::Receiver<()>,
) -> std::io::Result<()> {
    let frames = addressed(&fault.frames, number);
    stream.write_all(&frames).await?;
    match fault.then {
        Then::Stalls => return Ok(()),
        Then::Closes => {}
        Then::StopsResponding => while stream.read(&mut [0; 1024]).await? > 0 {},
        Then::StopsReading => drop(over.changed().await),
        Then::Repeats => {
            for _ in 0..40 {
                stream.write_all(&frames).await?;
            }
            return Ok(());
        }
    }
    Err(std::io::ErrorKind::ConnectionAborted.into())
}
