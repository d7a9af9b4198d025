//! Writes the log from a thread of its own, so that a slow, full or closed stderr delays no
//! request.
//!
//! Lines that do not fit into the buffer, or that cannot be written, are lost and counted. A
//! warning reports them once writing succeeds again.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Bytes that wait for the thread: about 3000 lines of requests.
const CAPACITY: usize = 1024 * 1024;

/// A bounded buffer of lines in front of a thread that writes them. Each write is a whole line.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// The queue has lines.
    filled: Condvar,
    /// Every line has been written or lost.
    emptied: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    /// The thread has taken lines that it has not written yet.
    is_writing: bool,
}

impl LogWriter {
    /// Starts the thread. It ends with the process.
    pub(crate) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Self(Arc::clone(&shared));
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || shared.write_to(output))?;
        Ok(writer)
    }

    /// The number of lost lines.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until every line has been written or lost, but no longer than that.
    pub(crate) fn flush_within(&self, limit: Duration) {
        let queue = self.0.lock();
        let is_busy = |queue: &mut Queue| queue.is_writing || !queue.lines.is_empty();
        drop(self.0.emptied.wait_timeout_while(queue, limit, is_busy));
    }
}

impl Write for LogWriter {
    /// Never fails and never waits for the output.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.lines.len() + line.len() > CAPACITY {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            // The thread waits for an empty queue only.
            if queue.lines.is_empty() {
                self.0.filled.notify_one();
            }
            queue.lines.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut output: impl Write) {
        let mut lines = Vec::new();
        let mut reported = 0;
        loop {
            self.take(&mut lines);
            let lost = write_lines(&mut output, &lines);
            self.lost.fetch_add(lost, Ordering::Relaxed);
            lines.clear();
            // Where the queue is nearly full, the report could be lost itself.
            let has_room = self.lock().lines.len() < CAPACITY / 2;
            let total = self.lost.load(Ordering::Relaxed);
            if lost == 0 && total != reported && has_room {
                reported = total;
                warn!(lines_lost = total, "lines of the log have been lost");
            }
            self.written();
        }
    }

    /// Waits for lines and takes all of them. The two buffers change places: neither is ever freed.
    fn take(&self, lines: &mut Vec<u8>) {
        let queue = self.lock();
        let is_empty = |queue: &mut Queue| queue.lines.is_empty();
        let queue = self.filled.wait_while(queue, is_empty);
        let mut queue = queue.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.lines, lines);
        queue.is_writing = true;
    }

    fn written(&self) {
        let mut queue = self.lock();
        queue.is_writing = false;
        if queue.lines.is_empty() {
            self.emptied.notify_all();
        }
    }
}

/// Writes as much as can be written, and returns the number of lines that are lost.
fn write_lines(output: &mut impl Write, mut lines: &[u8]) -> u64 {
    while !lines.is_empty() {
        match output.write(lines) {
            Ok(0) => break,
            Ok(written) => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let ends = lines.iter().filter(|&&byte| byte == b'\n');
    ends.count() as u64
}
