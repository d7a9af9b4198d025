//! Every log record of the crate is searched for secrets; a test can also capture those of its
//! thread.

use std::fmt;
use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default, set_global_default};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry;

use super::forbidden;

/// Installs a global subscriber that searches every record of the crate, on all threads, and aborts
/// the process on a secret or personal data. The set-up functions of the tests call it; further
/// calls do nothing.
pub(crate) fn watch() {
    static SCANNER: LazyLock<()> = LazyLock::new(|| {
        let subscriber = registry().with(LogScanner(abort));
        set_global_default(subscriber).expect("the first global subscriber");
    });
    LazyLock::force(&SCANNER);
}

/// The number of events, spans and recorded span fields that were searched.
pub(crate) fn watched() -> usize {
    SEARCHED.load(Ordering::Relaxed)
}

static SEARCHED: AtomicUsize = AtomicUsize::new(0);

/// A layer that searches the records of this crate, and calls the function for each secret.
pub(crate) struct LogScanner<F>(pub(crate) F);

/// Aborts instead of panicking: the panic of a spawned task would not fail the test.
fn abort(found: &str) {
    // `eprintln` would write to the buffer in which the test harness captures output.
    let _ = writeln!(io::stderr().lock(), "\nLOGGED: {found}");
    process::abort();
}

impl<F: Fn(&str)> LogScanner<F> {
    fn search(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut FieldValues)) {
        if metadata.target() == "omneo_id" || metadata.target().starts_with("omneo_id::") {
            SEARCHED.fetch_add(1, Ordering::Relaxed);
            let mut values = FieldValues::default();
            record(&mut values);
            if let Some(found) = values.0.iter().find_map(|value| forbidden::find(value)) {
                self.0(&format!("{}: {found}", metadata.name()));
            }
        }
    }
}

impl<S, F> Layer<S> for LogScanner<F>
where
    S: Subscriber + for<'a> registry::LookupSpan<'a>,
    F: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.search(attributes.metadata(), |values| attributes.record(values));
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let metadata = context
            .metadata(span)
            .expect("the metadata of an open span");
        self.search(metadata, |fields| values.record(fields));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.search(event.metadata(), |values| event.record(values));
    }
}

/// The values of all fields.
#[derive(Default)]
struct FieldValues(Vec<String>);

impl Visit for FieldValues {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push(value.to_owned());
    }

    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0.push(format!("{value:?}"));
    }
}

/// The captured log of one thread.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Captures the records of this thread until the guard is dropped.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        // With a single subscriber, tracing caches the interest of the thread that reaches an event
        // first, and that thread may have no subscriber. With two it asks both subscribers.
        watch();
        let log = Self::default();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log.clone());
        let subscriber = registry().with(lines).with(LogScanner(abort));
        (log, set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
