//! Characters without a visible glyph.

/// Whether a text has only invisible characters. The tenant's framework trims these from each
/// string of a request, and stores an empty string as null.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// Whether a character is an ASCII control, white space or a format character.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_ascii_control() || character.is_whitespace() || is_format(character)
}

/// Soft hyphen, joiners, directional marks, embeddings and isolates, the byte order mark and other
/// characters that change the order or the appearance of a text.
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}')
}
