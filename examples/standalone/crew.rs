//! The threads that serve, one runtime each. A connection stays on its thread from its first byte
//! to its last, and so do the connections to the tenant that answer it: nothing is handed over,
//! nobody waits for a lock, and no thread wakes another one for a request.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::thread;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread, and what it serves.
pub(crate) struct Worker<S> {
    app: S,
    runtime: Handle,
    // One for each connection, besides this one.
    busy: Arc<()>,
    // The thread ends when this goes away.
    _stop: oneshot::Sender<()>,
}

impl<S> Worker<S> {
    fn start(number: usize, app: S) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || runtime.block_on(stopped))?;
        Ok(Self {
            app,
            runtime: handle,
            busy: Arc::default(),
            _stop: stop,
        })
    }

    /// Has the thread do a piece of work.
    pub(crate) fn spawn<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let busy = Arc::clone(&self.busy);
        self.runtime.spawn(Busy { work, _busy: busy });
    }

    /// What it serves.
    pub(crate) fn app(&self) -> &S {
        &self.app
    }
}

pin_project! {
    /// A piece of work that is counted. No `async` block, which would hold the work twice.
    struct Busy<F> {
        #[pin]
        work: F,
        _busy: Arc<()>,
    }
}

impl<F: Future> Future for Busy<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().work.poll(cx)
    }
}

/// Runs the streams of an HTTP/2 connection, each as a task of its thread. Boxed: a task's future
/// is moved from hand to hand until it runs, and replaced as a whole once it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams;

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Box::pin(stream));
    }
}

/// All the threads.
pub(crate) struct Crew<S>(Vec<Worker<S>>);

impl<S> Crew<S> {
    /// Starts this number of threads.
    pub(crate) fn start(
        threads: NonZeroUsize,
        mut app: impl FnMut() -> io::Result<S>,
    ) -> io::Result<Self> {
        (0..threads.get())
            .map(|number| Worker::start(number, app()?))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// What tells how many connections each has: one reference for each, and one more.
    pub(crate) fn busy(&self) -> Vec<Weak<()>> {
        let busy = self.0.iter().map(|worker| Arc::downgrade(&worker.busy));
        busy.collect()
    }

    /// The one with the fewest connections.
    pub(crate) fn idlest(&self) -> Option<&Worker<S>> {
        self.0
            .iter()
            .min_by_key(|worker| Arc::strong_count(&worker.busy))
    }
}
