//! Text in the Prometheus format.

use std::fmt::{Display, Write};

/// The text of a scrape.
pub(crate) struct Text(String);

/// The labels of a line, without the braces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels(String);

impl Text {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(crate) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(crate) fn line(&mut self, name: &str, labels: &Labels, value: impl Display) {
        let _ = match labels.0.as_str() {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    /// A metric of one line without labels.
    pub(crate) fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, &Labels::default(), value);
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl Labels {
    /// These labels and a further one. `value` must not contain a quote, a backslash or a line
    /// break.
    pub(crate) fn with(&self, name: &str, value: impl Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        Self(format!("{}{comma}{name}=\"{value}\"", self.0))
    }
}
