//! The routes beside Omneo ID: health, OpenAPI description and storefront; and `/metrics` on an
//! address of its own.
//!
//! | file | role |
//! | --- | --- |
//! | `routes` | dispatches between these routes and Omneo ID |
//! | `health`, `readiness` | `/healthz`, `/readyz`, and the result of a probe |
//! | `openapi` | `/openapi.json` |
//! | `request_counts`, `metrics`, `scrape` | counters per thread, their text and its listener |

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod readiness;
pub(crate) mod request_counts;
pub(crate) mod routes;
pub(crate) mod scrape;
