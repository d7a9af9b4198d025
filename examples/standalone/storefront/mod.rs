//! The demonstration page in front of the embedded sandbox: `page.html`, `style.css` and
//! `script.js`, served as one document, and the endpoints of its shop.

mod service;

pub(crate) use self::service::Storefront;
