//! The forwarding service: over scripted clients, and over sockets to tenants of every temper.

mod answers;
mod bodies;
mod deadlines;
mod faults;
mod flow;
mod requests;
mod support;
mod tenants;
mod wire;
