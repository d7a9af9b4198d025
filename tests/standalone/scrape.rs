//! A strict parser of the Prometheus text format, which rejects all other input.

use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;

/// The types of the metrics by name, and the samples in order.
#[derive(Debug, Default)]
pub(crate) struct Scrape {
    types: BTreeMap<String, String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Scrape {
    /// The sample of this name with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let matches = |has: &Labels| {
            has.len() == labels.len()
                && (labels.iter()).all(|(name, value)| has.get(*name).is_some_and(|v| v == value))
        };
        let mut samples = self.samples.iter();
        let (_, _, value) = samples.find(|(of, has, _)| of == name && matches(has))?;
        Some(*value)
    }

    /// All samples of this name.
    pub(crate) fn series(&self, name: &str) -> impl Iterator<Item = f64> {
        let samples = self.samples.iter().filter(move |(of, ..)| of == name);
        samples.map(|(.., value)| *value)
    }

    /// All labels with their values.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.samples.iter().flat_map(|(_, labels, _)| labels);
        labels.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Parses a scrape: `HELP`, `TYPE` and samples of each metric.
pub(crate) fn parse(text: &str) -> Result<Scrape, String> {
    let mut scrape = Scrape::default();
    let mut family: Option<(String, String)> = None;
    let mut helped: Option<String> = None;
    if !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    for line in text.lines() {
        let wrong = |why: &str| Err(format!("{why}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help")?;
            if !is_name(name) || help.trim().is_empty() || scrape.types.contains_key(name) {
                return wrong("an invalid HELP");
            }
            helped = Some(name.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if helped.take().as_deref() != Some(name) {
                return wrong("TYPE does not follow its HELP");
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return wrong("no such type");
            }
            if (kind == "counter") != name.ends_with("_total") {
                return wrong("counters, and only they, end in _total");
            }
            scrape.types.insert(name.to_owned(), kind.to_owned());
            family = Some((name.to_owned(), kind.to_owned()));
        } else {
            let Some((of, kind)) = &family else {
                return wrong("a sample of no family");
            };
            let (name, labels, value) = sample(line)?;
            let suffix = name.strip_prefix(of.as_str()).unwrap_or("?");
            let fits = match &**kind {
                "histogram" => match suffix {
                    "_bucket" => labels.contains_key("le"),
                    "_sum" | "_count" => !labels.contains_key("le"),
                    _ => false,
                },
                _ => suffix.is_empty(),
            };
            if !fits {
                return wrong("a sample of another family");
            }
            if !value.is_finite() || value < 0.0 {
                return wrong("a negative or infinite value");
            }
            if (scrape.samples.iter()).any(|(n, l, _)| (n, l) == (&name, &labels)) {
                return wrong("a duplicate sample");
            }
            scrape.samples.push((name, labels, value));
        }
    }
    check_histograms(&scrape)?;
    Ok(scrape)
}

fn sample(line: &str) -> Result<(String, Labels, f64), String> {
    let wrong = || format!("no sample: {line:?}");
    let (front, value) = line.rsplit_once(' ').ok_or_else(wrong)?;
    let value = value.parse().map_err(|_| wrong())?;
    let (name, labels) = match front.split_once('{') {
        None => (front, ""),
        Some((name, rest)) => (name, rest.strip_suffix('}').ok_or_else(wrong)?),
    };
    if !is_name(name) {
        return Err(wrong());
    }
    let mut map = Labels::new();
    for pair in labels.split(',').filter(|_| front.contains('{')) {
        let (label, quoted) = pair.split_once('=').ok_or_else(wrong)?;
        let text = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
        let text = text.ok_or_else(wrong)?;
        // The values need no escapes.
        let plain = !text.is_empty() && !text.contains(['"', '\\', '{', '}']);
        if !is_name(label) || !plain || map.insert(label.into(), text.into()).is_some() {
            return Err(wrong());
        }
    }
    Ok((name.to_owned(), map, value))
}

fn is_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(word)
}

/// Checks that the buckets are cumulative, and that the last one equals the count.
fn check_histograms(scrape: &Scrape) -> Result<(), String> {
    let histograms = scrape.types.iter().filter(|(_, kind)| *kind == "histogram");
    for (name, _) in histograms {
        let mut rows: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        let bucket = format!("{name}_bucket");
        for (_, labels, value) in scrape.samples.iter().filter(|(of, ..)| *of == bucket) {
            let mut labels = labels.clone();
            let bound = labels.remove("le").unwrap_or_default();
            let bound = bound.parse().map_err(|_| format!("{name}: no bound"))?;
            rows.entry(labels).or_default().push((bound, *value));
        }
        if rows.is_empty() {
            return Err(format!("{name}: no buckets"));
        }
        for (labels, buckets) in rows {
            let grows = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
            let pairs: Vec<_> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
            let last = *buckets.last().ok_or("no bucket")?;
            let count = scrape.value(&format!("{name}_count"), &pairs);
            let sum = scrape.value(&format!("{name}_sum"), &pairs);
            if !buckets.windows(2).all(grows) || last.0 != f64::INFINITY {
                return Err(format!("{name}: {buckets:?}"));
            }
            if count != Some(last.1) || sum.is_none() {
                return Err(format!("{name}: {count:?} {sum:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn invalid_texts_are_rejected() {
    let counter = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 1\na_total 2\n";
    assert_eq!(
        parse(counter).unwrap().value("a_total", &[("b", "c")]),
        Some(1.0)
    );
    let histogram = "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n\
        h_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    parse(histogram).unwrap();
    for (from, to) in [
        ("a_total 2\n", "a_total 2"),
        ("a_total 2", "b_total 2"),
        ("a_total 2", "a_total two"),
        ("a_total 2", "a_total NaN"),
        ("a_total 2", "a_total -1"),
        ("a_total 2", "a_total{b=\"c\"} 2"),
        ("a_total 2", "a_total{} 2"),
        ("a_total 2", "a_total{b=c} 2"),
        ("a_total 2", "a_total{b=\"/x\"y\"} 2"),
        ("a_total 2", "A_total 2"),
        ("counter", "gauge"),
        ("counter", "number"),
        ("# HELP a_total x\n", ""),
    ] {
        assert!(parse(&counter.replacen(from, to, 1)).is_err(), "{to}");
    }
    for (from, to) in [
        ("le=\"1\"} 1", "le=\"1\"} 3"),
        ("h_count 2", "h_count 3"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("h_sum 3\n", ""),
    ] {
        assert!(parse(&histogram.replacen(from, to, 1)).is_err(), "{to}");
    }
}
