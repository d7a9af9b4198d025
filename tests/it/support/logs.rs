//! What the crate logs while the tests run: all of it is read, and what a test asks for is kept.

use std::fmt::{self, Write as _};
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

/// Reads everything that the crate logs from here on, in whatever thread, and ends the process if
/// there is a secret or a personal datum among it. Called by what the tests set their scenes up
/// with; once is enough.
pub(crate) fn watch() {
    static WATCH: LazyLock<()> = LazyLock::new(|| {
        set_global_default(registry().with(Watch(abort))).expect("no other one is set");
    });
    LazyLock::force(&WATCH);
}

/// How many events, spans and later fields were read.
pub(crate) fn watched() -> usize {
    READ.load(Ordering::Relaxed)
}

static READ: AtomicUsize = AtomicUsize::new(0);

/// Reads the records of this crate, and tells of what must not stand there.
struct Watch<F>(F);

/// A panic could end up in a future that is dropped, and prove nothing.
fn abort(found: &str) {
    // `eprintln` would write to where the test harness keeps what tests print.
    let _ = writeln!(io::stderr().lock(), "\nLOGGED: {found}");
    process::abort();
}

impl<F: Fn(&str)> Watch<F> {
    fn read(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Words)) {
        if metadata.target() == "omneo_id" || metadata.target().starts_with("omneo_id::") {
            READ.fetch_add(1, Ordering::Relaxed);
            let mut words = Words::default();
            record(&mut words);
            if let Some(found) = words.0.iter().find_map(|word| forbidden::find(word)) {
                self.0(&format!("{}: {found}", metadata.name()));
            }
        }
    }
}

impl<S, F> Layer<S> for Watch<F>
where
    S: Subscriber + for<'a> registry::LookupSpan<'a>,
    F: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.read(attributes.metadata(), |words| attributes.record(words));
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let metadata = context.metadata(span).expect("a span that is open");
        self.read(metadata, |words| values.record(words));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.read(event.metadata(), |words| event.record(words));
    }
}

/// The values of all fields.
#[derive(Default)]
struct Words(Vec<String>);

impl Visit for Words {
    fn record_str(&mut self, _: &Field, value: &str) {
        self.0.push(value.to_owned());
    }

    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        let mut word = String::new();
        write!(word, "{value:?}").unwrap();
        self.0.push(word);
    }
}

/// What one thread logged.
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
    /// Everything that this thread logs while the guard lives.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        // With one subscriber alive, tracing asks the thread that first reaches an event whether
        // anybody listens, and remembers its no for all. With two it asks the subscribers.
        watch();
        let log = Self::default();
        let lines = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(log.clone());
        let subscriber = registry().with(lines).with(Watch(abort));
        (log, set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn a_secret_in_an_event_or_a_span_is_found() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&found);
    let keep = move |text: &str| keep.lock().unwrap().push(text.to_owned());
    let _guard = set_default(registry().with(Watch(keep)));
    let next = || found.lock().unwrap().pop();
    let secret = "ada.lovelace@example.com";

    tracing::info!(target: "omneo_id::x", "nothing is wrong here");
    tracing::info!(target: "of_somebody_else", secret, "{secret}");
    assert_eq!(next(), None);
    tracing::trace!(target: "omneo_id::x", "{secret}");
    assert!(next().is_some(), "a message");
    tracing::info!(target: "omneo_id::x", secret, "a field");
    assert!(next().is_some(), "a field");
    tracing::info!(target: "omneo_id::x", secret = ?Some(secret), "a field");
    assert!(next().is_some(), "a field by `Debug`");
    tracing::info_span!(target: "omneo_id", "a", %secret);
    assert!(next().is_some(), "a span");
    let span = tracing::info_span!(target: "omneo_id", "a", secret = tracing::field::Empty);
    assert_eq!(next(), None);
    span.record("secret", secret);
    assert!(next().is_some(), "a field that is recorded later");
}

#[tokio::test]
async fn whatever_is_logged_is_read() {
    let shop = super::Shop::open();
    let before = watched();
    shop.get("/profiles/me", "no-token").await;
    // The span, the refusal, and what the span learns of it.
    assert!(watched() >= before + 3);
}
