//! The data that every sandbox starts with.

mod belongings;
mod insert;
mod locations;
pub(crate) mod names;
mod people;

pub(crate) use insert::insert;
