/// Ranges of characters that a tenant may map to one of `. / \ ; ? #` after the check.
///
/// Two mappings are covered: NFKC normalization (from the Unicode Character Database, where
/// compatibility decompositions never change once assigned), and the best-fit mapping of legacy
/// code pages.
const RANGES: [(char, char); 29] = [
    ('\u{037e}', '\u{037e}'),   // Greek question mark
    ('\u{2024}', '\u{2026}'),   // dot leaders, ellipsis
    ('\u{2044}', '\u{2044}'),   // fraction slash, by best fit
    ('\u{2047}', '\u{2049}'),   // doubled question and exclamation marks
    ('\u{2100}', '\u{2101}'),   // a/c, a/s
    ('\u{2105}', '\u{2106}'),   // c/o, c/u
    ('\u{2215}', '\u{2216}'),   // division slash, set minus, by best fit
    ('\u{2488}', '\u{249b}'),   // digits with full stop
    ('\u{29f5}', '\u{29f5}'),   // reverse solidus operator, by best fit
    ('\u{29f8}', '\u{29f8}'),   // big solidus, by best fit
    ('\u{29f9}', '\u{29f9}'),   // big reverse solidus, by best fit
    ('\u{33c2}', '\u{33c2}'),   // a.m.
    ('\u{33c7}', '\u{33c7}'),   // Co.
    ('\u{33d8}', '\u{33d8}'),   // p.m.
    ('\u{fe14}', '\u{fe14}'),   // vertical semicolon
    ('\u{fe16}', '\u{fe16}'),   // vertical question mark
    ('\u{fe19}', '\u{fe19}'),   // vertical ellipsis
    ('\u{fe30}', '\u{fe30}'),   // vertical two dot leader
    ('\u{fe52}', '\u{fe52}'),   // small full stop
    ('\u{fe54}', '\u{fe54}'),   // small semicolon
    ('\u{fe56}', '\u{fe56}'),   // small question mark
    ('\u{fe5f}', '\u{fe5f}'),   // small number sign
    ('\u{fe68}', '\u{fe68}'),   // small reverse solidus
    ('\u{ff03}', '\u{ff03}'),   // fullwidth number sign
    ('\u{ff0e}', '\u{ff0f}'),   // fullwidth full stop, solidus
    ('\u{ff1b}', '\u{ff1b}'),   // fullwidth semicolon
    ('\u{ff1f}', '\u{ff1f}'),   // fullwidth question mark
    ('\u{ff3c}', '\u{ff3c}'),   // fullwidth reverse solidus
    ('\u{1f100}', '\u{1f100}'), // digit zero full stop
];

/// Whether some servers map this character to a dot or a separator.
pub(super) fn is_confusable(character: char) -> bool {
    !character.is_ascii()
        && RANGES
            .iter()
            .any(|&(first, last)| (first..=last).contains(&character))
}
