//! One binary for all that is tested through the public API.

mod keys;
