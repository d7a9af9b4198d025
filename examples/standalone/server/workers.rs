//! Worker threads, each with a runtime of its own. A connection and its connections to the tenant
//! stay on one thread: no handover, no lock, and no wake-up across threads per request.

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

/// All worker threads.
pub(crate) struct Workers<S>(Vec<Worker<S>>);

impl<S> Workers<S> {
    /// Starts this number of threads, each with an `app` of its own.
    pub(crate) fn start(
        threads: NonZeroUsize,
        mut app: impl FnMut() -> io::Result<S>,
    ) -> io::Result<Self> {
        (0..threads.get())
            .map(|number| Worker::start(number, app()?))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The connection counter of each worker. Its strong count is one more than the connections.
    pub(crate) fn connection_counters(&self) -> Vec<Weak<()>> {
        let workers = self.0.iter();
        workers
            .map(|worker| Arc::downgrade(&worker.connections))
            .collect()
    }

    /// The worker with the fewest connections.
    pub(crate) fn least_loaded(&self) -> Option<&Worker<S>> {
        self.0
            .iter()
            .min_by_key(|worker| Arc::strong_count(&worker.connections))
    }
}

/// A thread with its runtime and the service that it runs.
pub(crate) struct Worker<S> {
    app: S,
    runtime: Handle,
    // One reference per connection, and this one.
    connections: Arc<()>,
    // The thread ends when this is dropped.
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
            connections: Arc::default(),
            _stop: stop,
        })
    }

    /// Spawns the task of a connection on this thread.
    pub(crate) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let _count = Arc::clone(&self.connections);
        self.runtime.spawn(CountedTask { task, _count });
    }

    pub(crate) fn app(&self) -> &S {
        &self.app
    }
}

pin_project! {
    /// A connection's task, counted until it is dropped. An `async` block would contain the future
    /// twice: as a captured variable and as the awaited one.
    struct CountedTask<F> {
        #[pin]
        task: F,
        _count: Arc<()>,
    }
}

impl<F: Future> Future for CountedTask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().task.poll(cx)
    }
}

/// Spawns each HTTP/2 stream as a task on the current worker. The future is boxed because tokio
/// copies it several times before the first poll and overwrites it after the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamExecutor;

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        tokio::spawn(Box::pin(stream));
    }
}
