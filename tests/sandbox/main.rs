//! The in-memory tenant through its public API.

// The lints for tests also apply to their helpers.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod shared;
mod support;

mod access;
mod awkward;
mod belongings;
mod faults;
mod lists;
mod lookups;
mod pages;
mod profiles;
mod robust;
mod seed;
mod served;
