//! Pagination: one page of a list, with links to the others.

use serde_json::{Value, json};

use super::call::Call;
use super::response::SandboxResponse;

/// The default number of items per page.
const DEFAULT_SIZE: usize = 15;
/// The greatest number of items per page.
const MAX_SIZE: usize = 200;
const PAGE_PARAMETERS: [&str; 4] = ["page", "per_page", "limit", "offset"];

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page<'c> {
    call: &'c Call,
    items: Vec<Value>,
    number: usize,
    size: usize,
    total: usize,
}

impl<'c> Page<'c> {
    /// Takes `page[number]`, `page` or `offset`, and `page[size]`, `per_page` or `limit`, from the
    /// query.
    pub(crate) fn from_query(call: &'c Call, all: Vec<Value>) -> Self {
        let parse =
            |value: Option<&Value>| value.and_then(Value::as_str)?.trim().parse::<usize>().ok();
        let page = call.query.get("page");
        let page_member = |name| page.and_then(|page| page.get(name));
        let positive = |number: &usize| *number > 0;
        let size = parse(page_member("size"))
            .or_else(|| parse(call.query.get("per_page")))
            .or_else(|| parse(call.query.get("limit")))
            .filter(positive)
            .unwrap_or(DEFAULT_SIZE)
            .min(MAX_SIZE);
        let by_offset =
            || parse(call.query.get("offset")).map(|offset| (offset / size).saturating_add(1));
        let number = parse(page_member("number"))
            .or_else(|| parse(page))
            .or_else(by_offset)
            .filter(positive)
            .unwrap_or(1);
        let total = all.len();
        let items = all
            .into_iter()
            .skip((number - 1).saturating_mul(size))
            .take(size)
            .collect();
        Self {
            call,
            items,
            number,
            size,
            total,
        }
    }

    /// `{data, links, meta}`, the form of most lists.
    pub(crate) fn resource(self) -> SandboxResponse {
        let last = self.last();
        let mut links = vec![json!({
            "url": self.previous(), "label": "&laquo; Previous", "active": false,
        })];
        links.extend((1..=last.min(10)).map(|number| {
            json!({ "url": self.url(number), "label": number.to_string(),
                "active": number == self.number })
        }));
        links.push(json!({ "url": self.next(), "label": "Next &raquo;", "active": false }));
        SandboxResponse::bare(json!({
            "links": {
                "first": self.url(1),
                "last": self.url(last),
                "prev": self.previous(),
                "next": self.next(),
            },
            "meta": {
                "current_page": self.number,
                "from": self.from(),
                "last_page": last,
                "links": links,
                "path": self.call.url,
                "per_page": self.size,
                "to": self.to(),
                "total": self.total,
            },
            "data": self.items,
        }))
    }

    /// The bare paginator, without `links` and `meta`.
    pub(crate) fn bare(self) -> SandboxResponse {
        let last = self.last();
        SandboxResponse::bare(json!({
            "current_page": self.number,
            "first_page_url": self.url(1),
            "from": self.from(),
            "last_page": last,
            "last_page_url": self.url(last),
            "next_page_url": self.next(),
            "path": self.call.url,
            "per_page": self.size,
            "prev_page_url": self.previous(),
            "to": self.to(),
            "total": self.total,
            "data": self.items,
        }))
    }

    fn last(&self) -> usize {
        self.total.div_ceil(self.size).max(1)
    }

    fn from(&self) -> Option<usize> {
        (!self.items.is_empty()).then(|| {
            (self.number - 1)
                .saturating_mul(self.size)
                .saturating_add(1)
        })
    }

    fn to(&self) -> Option<usize> {
        self.from()
            .map(|from| from.saturating_add(self.items.len()).saturating_sub(1))
    }

    fn previous(&self) -> Option<String> {
        (self.number > 1).then(|| self.url(self.number - 1))
    }

    fn next(&self) -> Option<String> {
        (self.number < self.last()).then(|| self.url(self.number + 1))
    }

    /// The URL of another page; other query parameters are kept.
    fn url(&self, number: usize) -> String {
        let is_page_parameter = |pair: &&str| {
            let name = pair.split(['=', '[', '%']).next().unwrap_or_default();
            !pair.is_empty() && !PAGE_PARAMETERS.contains(&name)
        };
        let mut url = format!("{}?", self.call.url);
        for pair in self.call.raw_query.split('&').filter(is_page_parameter) {
            url.push_str(pair);
            url.push('&');
        }
        let sized = PAGE_PARAMETERS
            .iter()
            .any(|name| self.call.query.contains_key(*name));
        if sized && self.size != DEFAULT_SIZE {
            url.push_str(&format!("per_page={}&", self.size));
        }
        url.push_str(&format!("page={number}"));
        url
    }
}
