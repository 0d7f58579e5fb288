//! Text that came from outside, cleaned before a person, a log or C1 sees it.

/// `text` on one line: no control or text-direction characters, no space around it, at most `max` bytes.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.len() <= max && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let character = if is_invisible(character) { ' ' } else { character };
        if line.len() + character.len_utf8() > max {
            break;
        }
        line.push(character);
    }
    line.truncate(line.trim_end().len());
    let leading = line.len() - line.trim_start().len();
    line.drain(..leading);
    line
}

/// Characters that break a line, or make it read as something that it is not.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_an_answer_says_cannot_break_a_line_or_turn_it_round() {
        assert_eq!(clean("\u{1b}[31mred\r\nadmin\u{202e}gnp", 100), "[31mred  admin gnp");
        assert_eq!(clean("\n  Ada\t", 100), "Ada");
    }

    proptest! {
        #[test]
        fn clean_text_is_short_and_stays_as_it_is(text in ".*", max in 0_usize..40) {
            let once = clean(&text, max);
            prop_assert!(once.len() <= max);
            prop_assert!(!once.chars().any(is_invisible));
            prop_assert_eq!(clean(&once, max), once);
        }
    }
}
