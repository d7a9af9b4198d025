//! The whole service, over a scripted tenant with unusual responses.

mod failures;
mod headers;
mod keys;
mod me;
mod routes;
mod sign_ups;
mod tokens;
