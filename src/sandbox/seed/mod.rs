//! The data that every sandbox starts with.

mod belongings;
mod locations;
mod people;
mod plant;

pub(crate) use plant::plant;
