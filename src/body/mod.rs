//! Bodies: [`Body`], of any origin, and [`ResponseBody`], an inner service's or one of ours.

mod erased;
mod response;

pub use erased::Body;
pub use response::ResponseBody;
