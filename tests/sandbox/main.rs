//! The in-memory tenant, as its callers see it.

// Helpers of tests are tests, too.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

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
