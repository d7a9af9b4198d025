//! Where, and as whom, the tenant is called.

mod api_token;
mod marks;
mod origin;
mod settings;

pub use api_token::ApiToken;
pub use marks::{CallAs, Permit};
pub(crate) use origin::Origin;
pub use settings::Tenant;
