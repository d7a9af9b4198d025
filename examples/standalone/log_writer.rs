//! Writes the log in a thread of its own: a slow, full or closed stderr does not delay requests.
//!
//! Lines that do not fit into the buffer, and lines that cannot be written, are lost and counted. A
//! warning reports their number once a write succeeds again.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// Size of the buffer: about 3000 request lines of 350 bytes.
const CAPACITY: usize = 1024 * 1024;

/// A bounded buffer of lines in front of a thread that writes them. Each write is a complete line.
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
    /// The thread is writing lines that it has removed from the queue.
    is_writing: bool,
}

impl LogWriter {
    /// Starts the thread, which runs until the process ends.
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

    /// Waits until every line has been written or lost, for at most this time.
    pub(crate) fn flush_within(&self, limit: Duration) {
        let queue = self.0.lock();
        let emptied = &self.0.emptied;
        drop(emptied.wait_timeout_while(queue, limit, |queue| {
            queue.is_writing || !queue.lines.is_empty()
        }));
    }
}

impl Write for LogWriter {
    /// Never fails and never waits for the output.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.lock();
        if queue.lines.len() + line.len() > CAPACITY {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            // The thread waits only while the queue is empty.
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
            self.wait_for_lines(&mut lines);
            let lost = write_lines(&mut output, &lines);
            self.lost.fetch_add(lost, Ordering::Relaxed);
            lines.clear();
            // In a nearly full queue the warning itself could be lost.
            let has_room = self.lock().lines.len() < CAPACITY / 2;
            let total = self.lost.load(Ordering::Relaxed);
            if lost == 0 && total != reported && has_room {
                reported = total;
                warn!(lines_lost = total, "log lines have been lost");
            }
            self.finish_write();
        }
    }

    /// Waits for lines and removes all of them from the queue. The two buffers are swapped: neither
    /// is ever freed.
    fn wait_for_lines(&self, lines: &mut Vec<u8>) {
        let queue = self.lock();
        let filled = self
            .filled
            .wait_while(queue, |queue| queue.lines.is_empty());
        let mut queue = filled.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut queue.lines, lines);
        queue.is_writing = true;
    }

    fn finish_write(&self) {
        let mut queue = self.lock();
        queue.is_writing = false;
        if queue.lines.is_empty() {
            self.emptied.notify_all();
        }
    }
}

/// Writes until the output fails, and returns the number of lost lines.
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
