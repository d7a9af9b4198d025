//! The forwarding headers of a request to the tenant: `X-Forwarded-*`, `Forwarded`, `Via`.

mod policy;

#[cfg(test)]
mod tests;

pub use policy::Forwarding;
