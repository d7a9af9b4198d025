//! Sign-ups that touch nothing but consent.

mod answer;
mod call;
mod comms;
mod decide;
mod flow;
mod formats;
mod future;
mod json;
mod layer;
mod lookup;
mod outcome;
mod policy;
mod read;
mod relay;
mod release;
mod schema;
mod service;
mod sign_up;
mod turns;
mod validate;

pub use decide::Decision;
pub use future::ResponseFuture;
pub use layer::CommsUpsertLayer;
pub use outcome::UpsertOutcome;
pub use policy::CommsPolicy;
pub use service::{CommsUpsert, TrustedCaller};
pub use sign_up::SignUp;
