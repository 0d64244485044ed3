//! Flags for texts and for language models.

use crate::{keeping::Begin, output::Outcome};
use clap::Args;
use darts_engine::{
    config::{Dropouts, Penalties},
    data::Corpus,
    run::TextSource,
    space::Recurrent,
};
use std::path::{Path, PathBuf};

/// Single files in place of those in the folder of a text.
#[derive(Args)]
pub struct FileFlags {
    /// Training text, in place of the file in the folder.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    train_file: Option<PathBuf>,
    /// Validation text, in place of the file in the folder.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    valid_file: Option<PathBuf>,
    /// Test text, in place of the file in the folder.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    test_file: Option<PathBuf>,
}

impl FileFlags {
    /// Files of the training, validation and test text, if named.
    pub fn named(&self) -> [Option<PathBuf>; 3] {
        [&self.train_file, &self.valid_file, &self.test_file].map(Option::clone)
    }
}

/// Text of a search or a training run.
#[derive(Args)]
pub struct TextFlags {
    /// Folder with train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and so on), one sentence per line.
    #[arg(long, value_name = "DIR", required_unless_present = "resume", help_heading = "Data")]
    data: Option<PathBuf>,
    #[command(flatten)]
    files: FileFlags,
}

impl TextFlags {
    /// Opens the text that the flags name, or that of the run to resume.
    pub fn open(&self, begin: &Begin<Recurrent>) -> Outcome<(Corpus, TextSource)> {
        let mut files = self.files.named();
        if let (None, Some(config)) = (&self.data, begin.config()) {
            let TextSource { train, valid, test, .. } = &config.data;
            files.iter_mut().zip([train, valid, test]).for_each(|(file, was)| {
                file.get_or_insert(was.into());
            });
        }
        let corpus = Corpus::open(self.data.as_deref().unwrap_or(Path::new("")), &files)?;
        let source = TextSource::new(&corpus);
        Ok((corpus, source))
    }
}

/// Dropouts and penalties of a language model.
#[derive(Args)]
pub struct RegularisationFlags {
    /// Share of the vocabulary's words that are dropped out whole.
    #[arg(id = "dropouts.embedding", long = "dropout-embedding", value_name = "SHARE")]
    embedding: f64,
    /// Dropout of the components of word vectors.
    #[arg(id = "dropouts.input", long = "dropout-input", value_name = "SHARE")]
    input: f64,
    /// Dropout of the components of the cell's input.
    #[arg(id = "dropouts.cell_input", long = "dropout-cell-input", value_name = "SHARE")]
    cell_input: f64,
    /// Dropout of the components of states.
    #[arg(id = "dropouts.hidden", long = "dropout-hidden", value_name = "SHARE")]
    hidden: f64,
    /// Dropout of the components of the output.
    #[arg(id = "dropouts.output", long = "dropout-output", value_name = "SHARE")]
    output: f64,
    /// Weight of activation regularisation: the mean square of the output.
    #[arg(id = "penalties.activation", long = "activation-penalty", value_name = "WEIGHT")]
    activation: f64,
    /// Weight of temporal activation regularisation: the mean square of the output's change from word to word.
    #[arg(id = "penalties.slowness", long = "slowness-penalty", value_name = "WEIGHT")]
    slowness: f64,
}

impl RegularisationFlags {
    /// Dropouts from the flags.
    pub fn dropouts(&self) -> Dropouts {
        let &Self { embedding, input, cell_input, hidden, output, .. } = self;
        Dropouts { embedding, input, cell_input, hidden, output }
    }

    /// Penalties from the flags.
    pub fn penalties(&self) -> Penalties {
        Penalties { activation: self.activation, slowness: self.slowness }
    }
}
