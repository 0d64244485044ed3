//! Text: a corpus of words, cut into columns as in the authors' preprocessing (that of Merity et al., 2018).

use std::collections::HashMap;

/// Word that ends every line.
pub const END_OF_SENTENCE: &str = "<eos>";

/// Text that cannot be used. Each message is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file or folder cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Its path.
        file: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A folder lacks a part of the corpus.
    #[error("{folder} has no {part} text: {names} is missing, but a corpus needs train, valid and test")]
    Missing {
        /// The folder.
        folder: String,
        /// `train`, `valid` or `test`.
        part: &'static str,
        /// Names that the file may have.
        names: String,
    },
    /// Bytes that are not text.
    #[error("{file} is not UTF-8 text: byte {byte}, on line {line}, is invalid")]
    Utf8 {
        /// The file.
        file: String,
        /// Byte, from 1.
        byte: usize,
        /// Line, from 1.
        line: usize,
    },
    /// A text without words.
    #[error("{0} has no words")]
    Empty(String),
    /// Prose with too few sentences to hold some out.
    #[error("{file} has {sentences} sentences, but at least {needed} are needed to hold some out")]
    FewSentences {
        /// The file.
        file: String,
        /// Sentences in it.
        sentences: usize,
        /// Sentences needed.
        needed: usize,
    },
    /// A text that does not fill a minibatch.
    #[error("{file} has {words} words, but batch-size {batch_size} needs at least {needed}")]
    TooShort {
        /// The file.
        file: String,
        /// Words in it, ends of lines included.
        words: usize,
        /// Columns that it is cut into.
        batch_size: usize,
        /// Words needed.
        needed: usize,
    },
    /// A word that a fixed vocabulary does not have.
    #[error("{file}, line {line}: {word} is not among the {known} words of the vocabulary")]
    Unknown {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The word.
        word: String,
        /// Words of the vocabulary.
        known: usize,
    },
    /// A vocabulary with a word twice.
    #[error("{file}, line {line}: {word} appears twice")]
    Twice {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// The word.
        word: String,
    },
}

/// Distinct words of a corpus, numbered from 0 in the order of first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    words: Vec<String>,
    numbers: HashMap<String, i32>,
}

impl Vocabulary {
    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Words in the order of their numbers.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Words, one per line, as [`Vocabulary::from_text`] reads it.
    pub fn to_text(&self) -> String {
        self.words.iter().flat_map(|word| [word, "\n"]).collect()
    }

    /// Reads a list of words, one per line.
    ///
    /// # Errors
    /// The bytes are not text, have no words, or have one twice.
    pub fn from_text(file: &str, bytes: &[u8]) -> Result<Self, TextError> {
        let mut vocabulary = Self::default();
        for (line, word) in utf8(file, bytes)?.lines().enumerate() {
            let known = vocabulary.len();
            vocabulary.number(word);
            if vocabulary.len() == known {
                return Err(TextError::Twice { file: file.into(), line: line + 1, word: word.into() });
            }
        }
        if vocabulary.is_empty() { Err(TextError::Empty(file.into())) } else { Ok(vocabulary) }
    }

    /// Numbers of the words of a text; new words are added.
    fn add(&mut self, file: &str, bytes: &[u8]) -> Result<Vec<i32>, TextError> {
        let mut tokens = Vec::new();
        for line in utf8(file, bytes)?.lines() {
            tokens.extend(line.split_whitespace().chain([END_OF_SENTENCE]).map(|word| self.number(word)));
        }
        // Blank lines alone do not count as words.
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(TextError::Empty(file.into()));
        }
        Ok(tokens)
    }

    /// Numbers of the words of a text.
    ///
    /// # Errors
    /// The bytes are not text, have no words, or have one outside the vocabulary; the message names its line.
    pub fn read(&self, file: &str, bytes: &[u8]) -> Result<Vec<i32>, TextError> {
        let mut grown = self.clone();
        let tokens = grown.add(file, bytes)?;
        let Some(word) = grown.words.get(self.len()) else { return Ok(tokens) };
        let line = utf8(file, bytes)?
            .lines()
            .position(|line| line.split_whitespace().chain([END_OF_SENTENCE]).any(|found| found == word));
        let line = line.expect("a word comes from a line") + 1;
        Err(TextError::Unknown { file: file.into(), line, word: word.clone(), known: self.len() })
    }

    fn number(&mut self, word: &str) -> i32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.words.len() as i32;
        self.words.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }
}

pub(super) fn utf8<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, TextError> {
    str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.iter().filter(|&&byte| byte == b'\n').count() + 1;
        TextError::Utf8 { file: file.into(), byte: good.len() + 1, line }
    })
}

/// Corpus in three parts, as the numbers of its words: the words of each line, then [`END_OF_SENTENCE`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Distinct words, in the order of first appearance over train, valid and test.
    pub vocabulary: Vocabulary,
    /// Text that trains the weights.
    pub train: Text,
    /// Text that trains the alphas, and that training is validated on.
    pub valid: Text,
    /// Text to test on.
    pub test: Text,
}

/// Part of a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Name of its file in errors.
    pub file: String,
    /// Numbers of its words.
    pub tokens: Vec<i32>,
}

impl Corpus {
    /// Corpus from its three texts, each with its name in errors.
    ///
    /// # Errors
    /// A text is not UTF-8, or has no words.
    pub fn from_texts(texts: [(&str, &[u8]); 3]) -> Result<Self, TextError> {
        let mut vocabulary = Vocabulary::default();
        let mut read =
            |(file, bytes): (&str, &[u8])| Ok(Text { file: file.into(), tokens: vocabulary.add(file, bytes)? });
        let [train, valid, test] = texts;
        let [train, valid, test] = [read(train)?, read(valid)?, read(test)?];
        Ok(Self { vocabulary, train, valid, test })
    }
}

impl Text {
    /// Cuts the text into `batch_size` columns of consecutive words; words that do not fill a last row are left out.
    ///
    /// # Errors
    /// There are fewer than `least_rows` rows.
    pub fn columns(&self, batch_size: usize, least_rows: usize) -> Result<Columns, TextError> {
        let (words, rows) = (self.tokens.len(), self.tokens.len() / batch_size);
        if rows < least_rows {
            let needed = least_rows.saturating_mul(batch_size);
            return Err(TextError::TooShort { file: self.file.clone(), words, batch_size, needed });
        }
        let tokens = (0..rows).flat_map(|row| (0..batch_size).map(move |column| column * rows + row));
        Ok(Columns { tokens: tokens.map(|at| self.tokens[at]).collect(), rows, batch_size })
    }
}

/// Text in columns, stored row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    tokens: Vec<i32>,
    /// Words of a column.
    pub rows: usize,
    /// Columns.
    pub batch_size: usize,
}

/// Consecutive rows of columns, each word with the one that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Words [length, batch].
    pub tokens: Vec<i32>,
    /// Following words [length, batch].
    pub targets: Vec<i32>,
    /// Rows.
    pub length: usize,
    /// Columns.
    pub batch_size: usize,
}

impl Columns {
    /// Window of at most `length` rows from row `start`; fewer at the end, as the last row has no following words.
    pub fn window(&self, start: usize, length: usize) -> Window {
        let length = length.min(self.rows - 1 - start);
        let rows = |from: usize| self.tokens[from * self.batch_size..(from + length) * self.batch_size].to_vec();
        Window { tokens: rows(start), targets: rows(start + 1), length, batch_size: self.batch_size }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod files {
    use super::{Corpus, Text, TextError, Vocabulary};
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    /// Parts of a corpus.
    const PARTS: [&str; 3] = ["train", "valid", "test"];

    impl Corpus {
        /// Opens a folder with a training, a validation and a test text: `train.txt`, `ptb.train.txt` or
        /// `wiki.train.tokens`, and likewise for the others. Where `instead` names a file, that part is read from it.
        ///
        /// # Errors
        /// A file is missing, cannot be read, is not text, or has no words.
        pub fn open(folder: &Path, instead: &[Option<PathBuf>; 3]) -> Result<Self, TextError> {
            let mut texts = Vec::new();
            for (part, instead) in PARTS.into_iter().zip(instead) {
                let path = find(folder, part, instead.as_deref())?;
                texts.push((path.display().to_string(), read(&path)?));
            }
            let [train, valid, test] = [0, 1, 2].map(|i| (texts[i].0.as_str(), texts[i].1.as_slice()));
            Self::from_texts([train, valid, test])
        }
    }

    impl Text {
        /// Opens the test text of a folder, or of the file `instead`, in a fixed vocabulary.
        ///
        /// # Errors
        /// The file is missing, cannot be read, is not text, has no words, or one outside the vocabulary.
        pub fn open_test(folder: &Path, instead: Option<&Path>, vocabulary: &Vocabulary) -> Result<Self, TextError> {
            let path = find(folder, "test", instead)?;
            let file = path.display().to_string();
            Ok(Self { tokens: vocabulary.read(&file, &read(&path)?)?, file })
        }
    }

    impl Vocabulary {
        /// Opens a list of words, one per line.
        ///
        /// # Errors
        /// The file cannot be read, is not text, has no words, or has one twice.
        pub fn open(path: &Path) -> Result<Self, TextError> {
            Self::from_text(&path.display().to_string(), &read(path)?)
        }
    }

    fn find(folder: &Path, part: &'static str, instead: Option<&Path>) -> Result<PathBuf, TextError> {
        if let Some(file) = instead {
            return Ok(file.to_owned());
        }
        let names = [format!("{part}.txt"), format!("ptb.{part}.txt"), format!("wiki.{part}.tokens")];
        if let Some(name) = names.iter().find(|name| folder.join(name).is_file()) {
            return Ok(folder.join(name));
        }
        // A missing folder, or a path that is not a folder, has an error of its own.
        let place = folder.display().to_string();
        match fs::read_dir(folder) {
            Err(source) => Err(TextError::Read { file: place, source }),
            Ok(_) => Err(TextError::Missing { folder: place, part, names: names.join(" or ") }),
        }
    }

    fn read(path: &Path) -> Result<Vec<u8>, TextError> {
        fs::read(path).map_err(|source| TextError::Read { file: path.display().to_string(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(train: &str, valid: &str, test: &str) -> Corpus {
        let texts = [("train", train), ("valid", valid), ("test", test)];
        Corpus::from_texts(texts.map(|(file, text)| (file, text.as_bytes()))).unwrap()
    }

    #[test]
    fn words_are_numbered_as_they_appear() {
        let corpus = corpus(" the cat \n\nthe dog\n", "a cat", "dog the\r\nend\n");
        assert_eq!(corpus.vocabulary.words(), ["the", "cat", "<eos>", "dog", "a", "end"]);
        assert_eq!(corpus.train.tokens, [0, 1, 2, 2, 0, 3, 2]);
        assert_eq!(corpus.valid.tokens, [4, 1, 2]);
        assert_eq!(corpus.test.tokens, [3, 0, 2, 5, 2]);
        let text = corpus.vocabulary.to_text();
        let again = Vocabulary::from_text("words", text.as_bytes()).unwrap();
        assert_eq!(again, corpus.vocabulary);
        assert_eq!(again.read("test", b"dog the\nend").unwrap(), corpus.test.tokens);
    }

    #[test]
    fn columns_are_runs_of_words() {
        let text = Text { file: "t".into(), tokens: (0..11).collect() };
        let columns = text.columns(2, 3).unwrap();
        assert_eq!((columns.rows, columns.batch_size), (5, 2));
        let window = columns.window(1, 2);
        assert_eq!((window.tokens, window.targets), (vec![1, 6, 2, 7], vec![2, 7, 3, 8]));
        assert_eq!(columns.window(3, 35), Window { tokens: vec![3, 8], targets: vec![4, 9], length: 1, batch_size: 2 });
        let short = text.columns(4, 3).unwrap_err().to_string();
        assert_eq!(short, "t has 11 words, but batch-size 4 needs at least 12");
    }

    #[test]
    fn invalid_text_is_refused_with_its_place() {
        let refusal =
            |train: &[u8]| Corpus::from_texts([("a.txt", train), ("b", b"x"), ("c", b"x")]).unwrap_err().to_string();
        assert_eq!(refusal(b"good\nba\xffd"), "a.txt is not UTF-8 text: byte 8, on line 2, is invalid");
        assert_eq!(refusal(b""), "a.txt has no words");
        assert_eq!(refusal(b" \n\n"), "a.txt has no words");
        let known = Vocabulary::from_text("words", b"a\n<eos>\n").unwrap();
        let unknown = known.read("t", b"a a\na bee a\n").unwrap_err().to_string();
        assert_eq!(unknown, "t, line 2: bee is not among the 2 words of the vocabulary");
        let twice = Vocabulary::from_text("words", b"a\nb\na\n").unwrap_err().to_string();
        assert_eq!(twice, "words, line 3: a appears twice");
    }
}
