//! Checks of the source tree: imports and cycles, the layout of files, the language of comments.
//!
//! The rules are in `src/docs/architecture.md`. Each check has a test with a planted violation.

mod cycles;
mod imports;
mod layout;
mod levels;
mod modules;
mod prose;
mod sources;
