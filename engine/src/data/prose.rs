//! Prose as a corpus: a book or any other running text, split into the lines of words that language models are searched on.

use super::{
    Corpus, TextError,
    text::{END_OF_SENTENCE, utf8},
};
use std::collections::HashMap;

/// Word that replaces all words outside the vocabulary.
pub const UNKNOWN: &str = "<unk>";
/// Word that replaces numbers.
const NUMBER: &str = "N";
/// Sentences of which one is for validation and one for testing.
const SHARE: usize = 10;

impl Corpus {
    /// Corpus from running text, made much as the Penn Treebank's: sentences become lines, words are lower-cased, punctuation
    /// marks become words, numbers become `N`, and the vocabulary keeps the `most` most frequent words, [`UNKNOWN`] and
    /// the end of sentence included; of equally frequent words the earlier ones. Of every ten sentences the last is for
    /// testing and the one before for validation.
    ///
    /// # Errors
    /// The bytes are not UTF-8 text, or have fewer than ten sentences.
    ///
    /// # Panics
    /// `most` is less than 3.
    pub fn from_prose(file: &str, bytes: &[u8], most: usize) -> Result<Self, TextError> {
        assert!(most >= 3, "a vocabulary has a word besides the two that stand for others");
        let sentences = sentences(utf8(file, bytes)?);
        if sentences.is_empty() {
            return Err(TextError::Empty(file.into()));
        }
        if sentences.len() < SHARE {
            return Err(TextError::FewSentences { file: file.into(), sentences: sentences.len(), needed: SHARE });
        }
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (place, word) in sentences.iter().flatten().enumerate() {
            counts.entry(word).or_insert((0, place)).0 += 1;
        }
        let mut ranked: Vec<(&str, (usize, usize))> = counts.into_iter().collect();
        ranked.sort_by(|(_, a), (_, b)| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        // If all words fit, UNKNOWN needs no place.
        let kept = if ranked.len() < most { ranked.len() } else { most - 2 };
        let known: std::collections::HashSet<&str> = ranked.iter().take(kept).map(|(word, _)| *word).collect();
        let part = |places: std::ops::Range<usize>| -> String {
            let chosen = sentences.iter().enumerate().filter(|(i, _)| places.contains(&(i % SHARE)));
            let line = |sentence: &Vec<String>| {
                let words = sentence.iter().map(|word| if known.contains(word.as_str()) { word } else { UNKNOWN });
                words.collect::<Vec<_>>().join(" ") + "\n"
            };
            chosen.map(|(_, sentence)| line(sentence)).collect()
        };
        let [train, valid, test] = [part(0..SHARE - 2), part(SHARE - 2..SHARE - 1), part(SHARE - 1..SHARE)];
        Self::from_texts([train, valid, test].each_ref().map(|text| (file, text.as_bytes())))
    }
}

/// Words of each sentence.
fn sentences(text: &str) -> Vec<Vec<String>> {
    let mut sentences = vec![Vec::new()];
    let mut blank = 0;
    let end = |sentences: &mut Vec<Vec<String>>| {
        if sentences.last().is_some_and(|last| !last.is_empty()) {
            sentences.push(Vec::new());
        }
    };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // A paragraph ends a sentence even without a mark, as in a heading.
        if character == '\n' {
            blank += 1;
            if blank > 1 {
                end(&mut sentences);
            }
            continue;
        }
        if character.is_whitespace() {
            continue;
        }
        blank = 0;
        let last = sentences.last_mut().expect("there is always one");
        if character.is_alphanumeric() {
            let mut word: String = character.to_lowercase().collect();
            while let Some(&next) = characters.peek() {
                // An apostrophe between letters belongs to the word.
                let joins = matches!(next, '\'' | '\u{2019}') && {
                    let mut ahead = characters.clone();
                    ahead.next();
                    ahead.next().is_some_and(char::is_alphabetic)
                };
                if next.is_alphanumeric() {
                    word.extend(next.to_lowercase());
                } else if joins {
                    word.push('\'');
                } else {
                    break;
                }
                characters.next();
            }
            let number = word.chars().all(|c| c.is_numeric());
            last.push(if number { NUMBER.to_owned() } else { word });
            continue;
        }
        match character {
            '.' | '!' | '?' => {
                // "Mr. Franklin" does not end a sentence; an ellipsis does.
                let abbreviated = character == '.'
                    && last.last().is_some_and(|word| ["mr", "mrs", "dr", "st"].contains(&word.as_str()));
                if !abbreviated && !last.is_empty() {
                    last.push(character.to_string());
                    end(&mut sentences);
                }
            }
            ',' | ';' | ':' if !last.is_empty() => last.push(character.to_string()),
            // Quotation marks, brackets and dashes are left out.
            _ => {}
        }
    }
    sentences.retain(|sentence| sentence.iter().any(|word| word.chars().any(char::is_alphanumeric)));
    sentences
}

/// Readable text: joins words that [`Corpus::from_prose`] split, one sentence per line.
pub fn readable<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for word in words {
        let fresh = text.is_empty() || text.ends_with('\n');
        match word {
            END_OF_SENTENCE if fresh => {}
            END_OF_SENTENCE => text.push('\n'),
            "," | ";" | ":" | "." | "!" | "?" => text.push_str(word),
            word => {
                if !fresh {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROSE: &str =
        "CHAPTER I\n\nMr. Franklin's boy--aged 12--came\nback; \u{201c}Don\u{2019}t!\u{201d} he said... It never came.";

    #[test]
    fn prose_is_taken_apart() {
        let lines: Vec<String> = sentences(PROSE).into_iter().map(|sentence| sentence.join(" ")).collect();
        assert_eq!(
            lines,
            ["chapter i", "mr franklin's boy aged N came back ; don't !", "he said .", "it never came ."]
        );
        let line = readable("it never came , mr franklin . <eos> <eos> no ! <eos>".split(' '));
        assert_eq!(line, "it never came, mr franklin.\nno!");
    }

    #[test]
    fn frequent_words_stay_and_every_tenth_sentence_is_held_out() {
        let text: String = (0..30).map(|i| format!("The cat number{} sat. ", i % 10)).collect();
        let corpus = Corpus::from_prose("book", text.as_bytes(), 7).unwrap();
        let words = corpus.vocabulary.words();
        assert_eq!(words, ["the", "cat", "number0", "sat", ".", "<eos>", "<unk>"]);
        let count = |text: &crate::data::Text| text.tokens.len();
        assert_eq!([&corpus.train, &corpus.valid, &corpus.test].map(count), [24 * 6, 3 * 6, 3 * 6]);
        let all = Corpus::from_prose("book", text.as_bytes(), 100).unwrap();
        assert!(!all.vocabulary.words().contains(&UNKNOWN.to_owned()));
    }

    #[test]
    fn text_without_enough_sentences_is_refused() {
        let refusal = |bytes: &[u8]| Corpus::from_prose("a.txt", bytes, 100).unwrap_err().to_string();
        assert_eq!(refusal(b" .. -- \n"), "a.txt has no words");
        assert_eq!(refusal(b"One. Two!"), "a.txt has 2 sentences, but at least 10 are needed to hold some out");
        assert_eq!(refusal(b"good\nba\xffd"), "a.txt is not UTF-8 text: byte 8, on line 2, is invalid");
    }
}
