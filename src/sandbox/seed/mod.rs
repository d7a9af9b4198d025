//! The data that every sandbox starts with.

mod belongings;
mod locations;
pub(crate) mod names;
mod people;
mod plant;

pub(crate) use plant::plant;
