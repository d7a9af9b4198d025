use http::HeaderMap;

/// A header that needs a closer look where a message has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Special {
    Accept,
    CacheControl,
    Connection,
    ContentEncoding,
    ContentLength,
    ContentLocation,
    ContentType,
    Host,
    Location,
    Te,
    TraceParent,
    TraceState,
    TransferEncoding,
    Upgrade,
    Vary,
}

impl Special {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "accept" => Self::Accept,
            "cache-control" => Self::CacheControl,
            "connection" => Self::Connection,
            "content-encoding" => Self::ContentEncoding,
            "content-length" => Self::ContentLength,
            "content-location" => Self::ContentLocation,
            "content-type" => Self::ContentType,
            "host" => Self::Host,
            "location" => Self::Location,
            "te" => Self::Te,
            "traceparent" => Self::TraceParent,
            "tracestate" => Self::TraceState,
            "transfer-encoding" => Self::TransferEncoding,
            "upgrade" => Self::Upgrade,
            "vary" => Self::Vary,
            _ => return None,
        })
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// Which special headers a message has, found in one pass over its few names: most of the special
/// ones are absent, and each search for one costs as much as the pass.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Census {
    present: u16,
    repeated: u16,
}

impl Census {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let specials = (headers.iter()).filter_map(|(name, _)| Special::of(name.as_str()));
        specials.fold(Self::default(), |so_far, special| Self {
            present: so_far.present | special.bit(),
            repeated: so_far.repeated | so_far.present & special.bit(),
        })
    }

    /// Whether there is such a header.
    pub(crate) fn has(self, special: Special) -> bool {
        self.present & special.bit() != 0
    }

    /// Whether there is more than one.
    pub(crate) fn repeats(self, special: Special) -> bool {
        self.repeated & special.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_special_header_is_found_and_counted() {
        let names = [
            ("accept", Special::Accept),
            ("cache-control", Special::CacheControl),
            ("connection", Special::Connection),
            ("content-encoding", Special::ContentEncoding),
            ("content-length", Special::ContentLength),
            ("content-location", Special::ContentLocation),
            ("content-type", Special::ContentType),
            ("host", Special::Host),
            ("location", Special::Location),
            ("te", Special::Te),
            ("traceparent", Special::TraceParent),
            ("tracestate", Special::TraceState),
            ("transfer-encoding", Special::TransferEncoding),
            ("upgrade", Special::Upgrade),
            ("vary", Special::Vary),
        ];
        for (name, special) in names {
            let mut headers = HeaderMap::new();
            headers.append("x-other", "1".parse().unwrap());
            headers.append(name, "1".parse().unwrap());
            let found = |headers: &HeaderMap| {
                let census = Census::of(headers);
                names.map(|(_, other)| (census.has(other), census.repeats(other)))
            };
            let expected =
                |repeats| names.map(|(_, other)| (other == special, repeats && other == special));
            assert_eq!(found(&headers), expected(false), "{name}");
            headers.append("x-other", "2".parse().unwrap());
            headers.append(name, "2".parse().unwrap());
            assert_eq!(found(&headers), expected(true), "{name}");
        }
    }
}
