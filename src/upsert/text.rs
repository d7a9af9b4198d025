//! Characters without a glyph. Pure.

/// Whether a text holds nothing that is seen. The tenant's framework trims such characters from
/// each string of a request, and stores the empty string as null.
pub(super) fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// Controls, white space, and format characters that change the order or the look of a text.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control() || character.is_whitespace() || is_format(character)
}

/// Soft hyphen, joiners, directional marks, embeddings and isolates, byte order mark and the like.
fn is_format(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}')
}
