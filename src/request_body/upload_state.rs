use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::in_flight::InFlightGuard;
use crate::rejection::RejectionKind;

/// How far a request body has come: written by the body, read by the future that awaits the answer.
///
/// A client may fail to report why it gave up on a request (over HTTP/2 it sees its own reset), and
/// a deadline must know whom it is waiting for. Both are answered here.
#[derive(Clone, Debug)]
pub(crate) struct UploadState(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    turn: WaitingOn,
    is_over: bool,
    failure: Option<RejectionKind>,
    place: Option<InFlightGuard>,
    /// How many hold the place.
    holders: usize,
}

/// Who has to do something next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitingOn {
    /// The client: more of its body is awaited.
    Client,
    /// The tenant, since then: it has everything that the client sent.
    Tenant(Instant),
}

impl UploadState {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            turn: WaitingOn::Tenant(Instant::now()),
            is_over: false,
            failure: None,
            place: None,
            holders: 0,
        })))
    }

    pub(crate) fn turn(&self) -> WaitingOn {
        self.state().turn
    }

    /// Why the client's body broke off, if it did.
    pub(crate) fn failure(&self) -> Option<RejectionKind> {
        self.state().failure
    }

    pub(crate) fn waits_for_client(&self) {
        self.state().turn = WaitingOn::Client;
    }

    pub(crate) fn waits_for_tenant(&self) {
        self.state().turn = WaitingOn::Tenant(Instant::now());
    }

    /// The body was let go, read to its end or not.
    pub(crate) fn is_let_go(&self) {
        let mut state = self.state();
        state.turn = WaitingOn::Tenant(Instant::now());
        state.is_over = true;
    }

    /// Whether nothing more of the body will be read.
    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Keeps the call's place for all who hold it.
    pub(crate) fn keep(&self, place: InFlightGuard) -> InFlightRef {
        self.state().place = Some(place);
        self.hold()
    }

    /// As long as this is held, the call is in flight. Whoever does promises that it comes to an
    /// end.
    pub(crate) fn hold(&self) -> InFlightRef {
        self.state().holders += 1;
        InFlightRef(self.clone())
    }

    pub(crate) fn failed(&self, kind: RejectionKind) {
        self.state().failure = Some(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those who hold a call's place.
#[derive(Debug)]
pub(crate) struct InFlightRef(UploadState);

impl Drop for InFlightRef {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.holders -= 1;
        if state.holders == 0 {
            state.place = None;
        }
    }
}
