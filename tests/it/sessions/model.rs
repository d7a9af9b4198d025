//! A property against a naive model.
