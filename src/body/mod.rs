//! Bodies: [`Body`], of any origin, and [`ResponseBody`], an inner service's or one of ours.

#[cfg(feature = "client")]
mod driven;
mod erased;
#[cfg(feature = "client")]
mod idle;
#[cfg(feature = "client")]
mod relayed;
mod response;
#[cfg(feature = "client")]
mod screen;

#[cfg(feature = "client")]
pub(crate) use driven::Carrier;
#[cfg(feature = "client")]
pub use driven::DrivenBody;
pub use erased::Body;
#[cfg(feature = "client")]
pub use idle::{IdleError, IdleTimeout};
#[cfg(feature = "client")]
pub(crate) use relayed::{Relayed, Watch};
pub use response::ResponseBody;
#[cfg(feature = "client")]
pub(crate) use screen::{Secret, SecretFound};
