//! Random bodies, and the check that a wrapper reports their size and end correctly.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use proptest::collection::vec;
use proptest::prelude::*;

/// The most bytes in one frame.
const MAX_FRAME: usize = 40;

/// One poll of the body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Pending,
    Data(usize),
    Trailers,
}

/// The size hint of a script.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hint {
    Exact,
    Lower,
    Absent,
}

/// A body of these frames.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    hint: Hint,
    /// Whether `is_end_stream` reports the end. A body may always return false.
    reports_end: bool,
    /// The content of every byte.
    byte: u8,
}

impl Script {
    /// A strategy for any sequence of frames; every byte is `byte`.
    pub(crate) fn any(byte: u8) -> impl Strategy<Value = Self> {
        let step = prop_oneof![
            1 => Just(Step::Pending),
            3 => (0..=MAX_FRAME).prop_map(Step::Data),
        ];
        let hint = prop_oneof![Just(Hint::Exact), Just(Hint::Lower), Just(Hint::Absent)];
        (vec(step, 0..8), any::<bool>(), hint, any::<bool>()).prop_map(
            move |(steps, has_trailers, hint, reports_end)| {
                let mut steps = VecDeque::from(steps);
                match has_trailers {
                    true => steps.push_back(Step::Trailers),
                    // `is_end_stream` is true after the last frame.
                    false => {
                        while matches!(steps.back(), Some(Step::Pending)) {
                            steps.pop_back();
                        }
                    }
                }
                Self {
                    steps,
                    hint,
                    reports_end,
                    byte,
                }
            },
        )
    }

    /// Data frames of these sizes, without a size hint.
    pub(crate) fn streamed(sizes: &[usize]) -> Self {
        Self {
            steps: sizes.iter().copied().map(Step::Data).collect(),
            hint: Hint::Absent,
            reports_end: false,
            byte: b' ',
        }
    }

    /// The bytes that remain.
    pub(crate) fn length(&self) -> u64 {
        let sizes = self.steps.iter().map(|step| match step {
            Step::Data(size) => u64::try_from(*size).unwrap(),
            Step::Pending | Step::Trailers => 0,
        });
        sizes.sum()
    }

    /// Reads `body`, which wraps this script, and checks its size hint and end before each frame.
    pub(crate) fn check<B>(&self, name: &str, body: B)
    where
        B: Body<Data: Buf, Error: std::fmt::Debug>,
    {
        let mut body = pin!(body);
        let mut rest = self.length();
        let mut polls = 0;
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            let hint = body.size_hint();
            match self.hint {
                Hint::Exact => assert_eq!(hint.exact(), Some(rest), "{name}: {self:?}"),
                Hint::Lower => assert_eq!(hint.lower(), rest, "{name}: {self:?}"),
                Hint::Absent => assert!(hint.lower() <= rest, "{name}: {self:?}"),
            }
            assert!(
                hint.upper().is_none_or(|upper| upper >= rest),
                "{name}: {self:?}"
            );
            let is_over = body.is_end_stream();
            polls += 1;
            assert!(polls < 100, "{name} never ends: {self:?}");
            match body.as_mut().poll_frame(cx) {
                Poll::Pending => assert!(!is_over, "{name}: {self:?}"),
                Poll::Ready(Some(frame)) => {
                    assert!(!is_over, "{name}: {self:?}");
                    if let Ok(data) = frame.unwrap().into_data() {
                        let size = u64::try_from(data.remaining()).unwrap();
                        rest = rest
                            .checked_sub(size)
                            .expect("at most the bytes of the script");
                    }
                }
                Poll::Ready(None) => break,
            }
            let has_trailers = matches!(self.steps.back(), Some(Step::Trailers));
            if rest == 0 && self.reports_end && !has_trailers && self.ends_with_data() {
                assert!(
                    body.is_end_stream(),
                    "{name} does not report its end: {self:?}"
                );
            }
        }
        assert_eq!(rest, 0, "{name}: {self:?}");
    }

    /// Whether no empty frame or pause follows the last byte.
    fn ends_with_data(&self) -> bool {
        matches!(self.steps.back(), Some(Step::Data(1..)))
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.steps.pop_front() {
            None => return Poll::Ready(None),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Data(size)) => Frame::data(Bytes::from(vec![self.byte; size])),
            Some(Step::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-checksum", http::HeaderValue::from_static("abc"));
                Frame::trailers(trailers)
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.reports_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = SizeHint::new();
        match self.hint {
            Hint::Exact => hint.set_exact(self.length()),
            Hint::Lower => hint.set_lower(self.length()),
            Hint::Absent => {}
        }
        hint
    }
}
