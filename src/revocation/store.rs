use std::future::Future;
use std::pin::Pin;

use super::Revocation;
use crate::error::BoxError;

/// The future of a [`RevocationStore`]'s method.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// Carries revocations between processes.
///
/// Requests never wait for a store: each process verifies with the revocations that it knows.
pub trait RevocationStore: Send + Sync + 'static {
    /// Writes a revocation, so that every process reads it until it expires.
    ///
    /// # Errors
    /// If the store has not confirmed the revocation.
    fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()>;

    /// Reads all revocations that have not expired.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn read_all(&self) -> StoreFuture<'_, Vec<Revocation>>;
}
