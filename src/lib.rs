#![forbid(unsafe_code)]
//! Omneo ID
