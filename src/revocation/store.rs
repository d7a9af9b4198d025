use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;

use super::Revocation;
use crate::error::BoxError;

/// The future of a [`RevocationStore`]'s method.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// Receives revocations from a store, one batch after another.
pub type Receiver<'a> = dyn FnMut(Vec<Revocation>) + Send + 'a;

/// Carries revocations between processes.
///
/// Requests never wait for a store: each process verifies with the revocations that it has read.
/// [`Revocations::synchronize`](crate::Revocations::synchronize) reads the store.
///
/// A store may deliver a revocation more than once, expired ones and those of the same process
/// included. Each call of a store ends within a bounded time, except
/// [`subscribe`](Self::subscribe). Errors contain no credentials, because they are logged.
///
/// A store within one process, for a test:
///
/// ```
/// use std::sync::Mutex;
///
/// use omneo_id::revocation::{Receiver, Revocation, RevocationStore, StoreFuture};
///
/// #[derive(Default)]
/// struct Shared(Mutex<Vec<Revocation>>);
///
/// impl RevocationStore for Shared {
///     fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()> {
///         self.0.lock().unwrap().push(revocation.clone());
///         Box::pin(async { Ok(()) })
///     }
///
///     fn read_all<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
///         receiver(self.0.lock().unwrap().clone());
///         Box::pin(async { Ok(()) })
///     }
/// }
/// ```
pub trait RevocationStore: Send + Sync + 'static {
    /// Writes a revocation, so that every process reads it until it expires.
    ///
    /// It may be written again after an error.
    ///
    /// # Errors
    /// If the store has not confirmed the revocation.
    fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()>;

    /// Reads all revocations that have not expired.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn read_all<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, ()>;

    /// Reads at least the revocations that were written after those of the last successful read.
    ///
    /// Default is to read all.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn read_new<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        self.read_all(receiver)
    }

    /// Receives revocations as they are written, until the subscription fails. A subscription may
    /// miss some, because the store is also read at intervals.
    ///
    /// Default is to receive none.
    ///
    /// # Errors
    /// If the subscription has failed. It is then started again.
    fn subscribe<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, Infallible> {
        let _ = receiver;
        Box::pin(pending())
    }
}
