//! Data of searches and races: files beside the page, generated images, the user's own texts.

use crate::port::{fetched, send};
use darts_app::messages::{Activity, DataChoice, DataRequest, Message, OwnText};
use darts_engine::data::{Corpus, Dataset, TEXTURES_TRAIN};

/// The packed subset of CIFAR-10 that comes with the page.
const SUBSET: &str = "data/cifar10.packed";
/// The text that comes with the page.
const BOOK: &str = "data/moonstone.txt";
/// Title of the book.
const TITLE: &str = "The Moonstone";

/// Images of a search: those requested, or textures instead, which is reported to the page. `train_images` suffice.
///
/// # Errors
/// The request is for something else.
pub async fn images(request: DataRequest, seed: u64, train_images: Option<usize>, run: u32) -> Result<Dataset, String> {
    let DataRequest::Images { choice } = request else { return Err("this search learns from images".into()) };
    send(&Message::Status { run, activity: Activity::Data });
    let textures = || Dataset::textures(seed, train_images.unwrap_or(TEXTURES_TRAIN), 0);
    let (dataset, data, notice) = match choice {
        DataChoice::Textures => (textures(), choice, None),
        DataChoice::Cifar10 => match subset().await {
            Ok(dataset) => (dataset, choice, None),
            Err(why) => {
                let notice = format!("{why}; the search learns from generated textures instead.");
                (textures(), DataChoice::Textures, Some(notice))
            }
        },
    };
    send(&Message::Data { run, data, images: dataset.train.len(), notice });
    Ok(dataset)
}

/// Text of a search.
///
/// # Errors
/// The request is for something else, the book is missing, or the text is unusable.
pub async fn text(request: DataRequest, run: u32) -> Result<Corpus, String> {
    let DataRequest::Text { words, own } = request else { return Err("this search learns from a text".into()) };
    send(&Message::Status { run, activity: Activity::Data });
    let OwnText { name, bytes } = match own {
        Some(own) => own,
        None => {
            let bytes =
                fetched(BOOK).await.map_err(|why| format!("{why}: drop a text file of your own on the page"))?;
            OwnText { name: TITLE.into(), bytes }
        }
    };
    let corpus = Corpus::from_prose(&name, &bytes, words).map_err(|error| error.to_string())?;
    send(&Message::Text { run, name });
    Ok(corpus)
}

/// The subset of CIFAR-10 beside the page.
///
/// # Errors
/// A clause that says why there is none.
pub async fn subset() -> Result<Dataset, String> {
    Dataset::from_packed(&fetched(SUBSET).await?).map_err(|error| format!("{SUBSET} cannot be read ({error})"))
}
