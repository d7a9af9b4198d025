use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::in_flight::InFlightGuard;
use crate::rejection::RejectionKind;

/// The state of an upload: written by the request body, read by the future that awaits the
/// response.
///
/// It exists for two reasons. The HTTP client may report an aborted upload without its cause (over
/// HTTP/2 it reports its own reset). And a deadline of the tenant must not run while the upload
/// waits for the client.
#[derive(Clone, Debug)]
pub(crate) struct UploadState(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    waiting_on: WaitingOn,
    is_finished: bool,
    failure: Option<RejectionKind>,
    in_flight: Option<InFlightGuard>,
    /// How many [`InFlightRef`]s exist. Counted here, so that a reference needs no allocation.
    in_flight_refs: usize,
}

/// The side that the exchange waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitingOn {
    /// The client: more of its body is awaited.
    Client,
    /// The server, since this instant: all data of the client was passed on.
    Server(Instant),
}

impl UploadState {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            waiting_on: WaitingOn::Server(Instant::now()),
            is_finished: false,
            failure: None,
            in_flight: None,
            in_flight_refs: 0,
        })))
    }

    pub(crate) fn waiting_on(&self) -> WaitingOn {
        self.state().waiting_on
    }

    /// The reason of a failed body.
    pub(crate) fn failure(&self) -> Option<RejectionKind> {
        self.state().failure
    }

    pub(super) fn wait_for_client(&self) {
        self.state().waiting_on = WaitingOn::Client;
    }

    pub(super) fn wait_for_server(&self) {
        self.state().waiting_on = WaitingOn::Server(Instant::now());
    }

    /// The body was dropped, at its end or before.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.waiting_on = WaitingOn::Server(Instant::now());
        state.is_finished = true;
    }

    /// Whether the body was dropped: no more of it will be read.
    pub(crate) fn is_finished(&self) -> bool {
        self.state().is_finished
    }

    /// Shares the guard of a request in flight among references.
    pub(crate) fn share_in_flight(&self, guard: InFlightGuard) -> InFlightRef {
        self.state().in_flight = Some(guard);
        self.in_flight_ref()
    }

    /// Returns a reference that keeps the request in flight. The caller must drop it when the
    /// upload ends.
    pub(crate) fn in_flight_ref(&self) -> InFlightRef {
        self.state().in_flight_refs += 1;
        InFlightRef(self.clone())
    }

    pub(super) fn fail(&self, kind: RejectionKind) {
        self.state().failure = Some(kind);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A shared reference to the [`InFlightGuard`] of an upload. The last drop frees it.
#[derive(Debug)]
pub(crate) struct InFlightRef(UploadState);

impl Drop for InFlightRef {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight_refs -= 1;
        if state.in_flight_refs == 0 {
            state.in_flight = None;
        }
    }
}
