//! The routes outside the mount of Omneo ID: health, OpenAPI description and storefront. And
//! `/metrics`, on an address of its own.
//!
//! | file | role |
//! | --- | --- |
//! | `routes` | dispatches between these routes and Omneo ID |
//! | `health` | `/healthz`, `/readyz` |
//! | `openapi` | `/openapi.json` |
//! | `request_counts`, `thread_counts` | counters per tenant and thread |
//! | `metrics`, `prometheus_text`, `scrape` | the text of all metrics and its listener |

pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod prometheus_text;
pub(crate) mod request_counts;
pub(crate) mod routes;
pub(crate) mod scrape;
pub(crate) mod thread_counts;
