//! A model of the most lenient tenant. It decodes a path until no escape remains. After each step
//! it maps all look-alike characters, removes parameters and resolves dots. It also parses queries
//! and forms. It is independent of the crate's own parsers, with which it is compared.

/// Whether every reading of a path is at or below this prefix.
pub(crate) fn stays_below(path: &[u8], prefix: &[&str]) -> bool {
    readings(path).iter().all(|segments| {
        segments.len() >= prefix.len() && segments.iter().zip(prefix).all(|(a, b)| a == b)
    })
}

/// The segments of a path at each depth of decoding.
pub(crate) fn readings(path: &[u8]) -> Vec<Vec<String>> {
    let mut bytes = path.to_vec();
    let mut readings = Vec::new();
    for _ in 0..16 {
        let text = characters(&bytes);
        for cut in [false, true] {
            readings.push(resolve(&text, cut));
        }
        let next = percent(text.as_bytes());
        if next == bytes {
            break;
        }
        bytes = next;
    }
    readings
}

/// The names and values of a query or form, with the rules of all PHP servers. Pairs end at `&` or
/// `;`. Question marks, ampersands, whitespace and control characters before a name are skipped.
/// NUL and `[` end a name; `.`, space and a leading `[` become `_`.
pub(crate) fn query_pairs(text: &[u8]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for separators in [&b"&"[..], b"&;"] {
        for pair in text.split(|byte| separators.contains(byte)) {
            let mut halves = pair.splitn(2, |&byte| byte == b'=').map(form_decode);
            let name = halves.next().unwrap_or_default();
            let name = name.trim_start_matches(|c| c <= ' ' || c == '?' || c == '&');
            let name = name.split('\0').next().unwrap_or_default();
            let rest = name.get(1..).unwrap_or_default();
            let key = rest.find('[').filter(|&at| rest[at..].contains(']'));
            let name = &name[..key.map_or(name.len(), |at| at + 1)];
            let value = halves.next().unwrap_or_default();
            pairs.push((name.replace(['.', ' ', '['], "_"), value));
        }
    }
    pairs
}

/// The names of a query or form, with the rules of [`query_pairs`]: the field, and its first key.
pub(crate) fn query_names(text: &[u8]) -> Vec<(String, Option<String>)> {
    let key = |raw: &[u8]| {
        let name = form_decode(raw.split(|&byte| byte == b'=').next().unwrap_or_default());
        let name = name
            .trim_start_matches(|c| c <= ' ' || c == '?' || c == '&')
            .to_owned();
        let name = name.split('\0').next().unwrap_or_default().to_owned();
        let (_, keys) = name.get(1..)?.split_once('[')?;
        let (key, _) = keys.split_once(']')?;
        Some(key.trim().to_owned())
    };
    let pairs = [&b"&"[..], b"&;"].into_iter().flat_map(|separators| {
        text.split(|byte| separators.contains(byte))
            .map(key)
            .collect::<Vec<_>>()
    });
    let fields = query_pairs(text).into_iter().map(|(field, _)| field);
    fields.zip(pairs).collect()
}

/// `%XX` and `+`, decoded once.
fn form_decode(text: &[u8]) -> String {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digits = tail
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (byte, length) = match (first, code) {
            (b'%', Some(code)) => (code, 2),
            (b'+', _) => (b' ', 0),
            _ => (*first, 0),
        };
        decoded.push(byte);
        rest = &tail[length..];
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Decodes `%XX` and `%uXXXX`, and keeps all other bytes.
fn percent(bytes: &[u8]) -> Vec<u8> {
    let hex = |from: usize, to: usize| {
        let digits = std::str::from_utf8(bytes.get(from..to)?).ok()?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
    };
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let wide = byte == b'%' && matches!(bytes.get(at + 1), Some(b'u' | b'U'));
        let code = wide.then(|| hex(at + 2, at + 6)).flatten();
        if let Some(code) = code.and_then(char::from_u32) {
            decoded.extend(code.to_string().bytes());
            at += 6;
            continue;
        }
        match (byte, hex(at + 1, at + 3)) {
            (b'%', Some(code)) => {
                decoded.push(u8::try_from(code).unwrap_or(b'?'));
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Decodes UTF-8 without its restrictions: it accepts overlong forms, and reads other bytes as
/// Latin-1.
fn characters(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        let (length, mut code) = match lead {
            0xc0..=0xdf => (2, u32::from(lead & 0x1f)),
            0xe0..=0xef => (3, u32::from(lead & 0x0f)),
            0xf0..=0xf7 => (4, u32::from(lead & 0x07)),
            _ => (1, u32::from(lead)),
        };
        let rest = bytes.get(at + 1..at + length).unwrap_or_default();
        let whole = rest.len() + 1 == length && rest.iter().all(|byte| byte & 0xc0 == 0x80);
        if whole {
            for byte in rest {
                code = code << 6 | u32::from(byte & 0x3f);
            }
            at += length;
        } else {
            code = u32::from(lead);
            at += 1;
        }
        match char::from_u32(code) {
            Some(character) => fold(character, &mut text),
            None => text.push('\u{fffd}'),
        }
    }
    text
}

/// Maps full-width forms, and characters that look like or normalise to a dot or a slash.
fn fold(character: char, text: &mut String) {
    let code = u32::from(character);
    match character {
        '\u{ff01}'..='\u{ff5e}' => text.extend(char::from_u32(code - 0xfee0)),
        '\u{2024}' | '\u{fe52}' => text.push('.'),
        '\u{2025}' | '\u{fe30}' => text.push_str(".."),
        '\u{2026}' | '\u{fe19}' => text.push_str("..."),
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => text.push('/'),
        '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' => text.push('\\'),
        '\u{37e}' | '\u{fe14}' | '\u{fe54}' => text.push(';'),
        '\u{fe56}' | '\u{fe16}' => text.push('?'),
        '\u{fe5f}' => text.push('#'),
        _ => text.push(character),
    }
}

/// Splits at slashes and backslashes, and resolves dots. With `cut`, it first removes everything
/// that some servers remove: from NUL, `?` or `#` to the end, from `;` to the end of a segment, and
/// surrounding whitespace and control characters.
fn resolve(text: &str, cut: bool) -> Vec<String> {
    let mut text = text.replace('\\', "/");
    if cut {
        let end = text.find(['\0', '?', '#']).unwrap_or(text.len());
        text.truncate(end);
    }
    let mut kept: Vec<String> = Vec::new();
    for segment in text.split('/') {
        let mut segment = segment;
        if cut {
            segment = segment.split(';').next().unwrap_or_default();
            segment = segment.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        }
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment.to_owned()),
        }
    }
    kept
}

#[test]
fn the_naive_parser_is_lenient() {
    let out = [
        "/a/b/../c",
        "/a/b/%2e%2e",
        "/a/b/%252e%252e/c",
        "/a/b/..%2fc",
        "/a/b\\..\\c",
    ];
    let further = [
        "/a/b/..;x/c",
        "/a/b/%c0%ae%c0%ae/c",
        "/a/b/%uff0e%uff0e/c",
        "/a/b/..%e2%88%95c",
    ];
    for path in out
        .into_iter()
        .chain(further)
        .chain(["/a/b/..%00/c", "/a/b/%20..%09/c", "/a/c"])
    {
        assert!(!stays_below(path.as_bytes(), &["a", "b"]), "{path}");
    }
    for path in [
        "/a/b",
        "/a/b/",
        "//a//b//c",
        "/a/b/c..d/.e/...",
        "/a/b/%252541",
        "/a/b/caf%C3%A9",
    ] {
        assert!(stays_below(path.as_bytes(), &["a", "b"]), "{path}");
    }
}
