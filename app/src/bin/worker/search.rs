//! Searches in any space: the interface of a space to the worker, and a running search of any space.

use crate::{data, port::send};
use darts_app::messages::{Activity, DataRequest, Message, SearchRequest};
use darts_engine::{
    Error,
    checkpoint::{CheckpointError, Resumable, State},
    config::{AnySearchConfig, RecurrentConfig, SearchConfig},
    data::{Corpus, Dataset, Vocabulary},
    device::Compute,
    event::Event,
    intervention::{Intervention, InterventionError},
    search::{Family, Sampling, Search},
    space::{Convolutional, Recurrent},
};
use futures::future::LocalBoxFuture;

/// Number for messages of no search, which the page ignores.
const NO_SEARCH: u32 = u32::MAX;

/// Interface of a space to the worker: its data, and text if its networks write.
trait Offered: Family {
    /// Fetches the data of search number `run`, and reports it to the page.
    async fn data(config: &Self::Config, request: DataRequest, run: u32) -> Result<Self::Data, String>;

    /// Settings and data of a rehearsal: of the same shapes as those of the search.
    async fn rehearsal(config: Self::Config, request: DataRequest) -> Result<(Self::Config, Self::Data), String> {
        let data = Self::data(&config, request, NO_SEARCH).await?;
        Ok((config, data))
    }

    /// Vocabulary of the network, if it writes.
    fn vocabulary(_data: Self::Data) -> Option<Vocabulary> {
        None
    }

    /// Writes text with the network, if it is a language model.
    async fn sample(_search: &Search<Self>, _words: &Vocabulary, _sampling: Sampling) -> Result<Option<Event>, Error> {
        Ok(None)
    }
}

impl Offered for Convolutional {
    async fn data(config: &SearchConfig, request: DataRequest, run: u32) -> Result<Dataset, String> {
        data::images(request, config.seed, config.train_images, run).await
    }

    async fn rehearsal(config: SearchConfig, _: DataRequest) -> Result<(SearchConfig, Dataset), String> {
        // Only the size of the images counts.
        let images = 4 * config.batch_size;
        Ok((SearchConfig { train_images: Some(images), ..config }, Dataset::textures(0, images, 0)))
    }
}

impl Offered for Recurrent {
    async fn data(_: &RecurrentConfig, request: DataRequest, run: u32) -> Result<Corpus, String> {
        data::text(request, run).await
    }

    fn vocabulary(corpus: Corpus) -> Option<Vocabulary> {
        Some(corpus.vocabulary)
    }

    async fn sample(search: &Search<Self>, words: &Vocabulary, sampling: Sampling) -> Result<Option<Event>, Error> {
        search.sample(words, sampling).await.map(Some)
    }
}

/// Result that a device computes.
type Pending<'a, T> = LocalBoxFuture<'a, Result<T, Error>>;

/// Search in any space.
pub trait AnySearch {
    /// Event that opens the log.
    fn started(&self) -> Event;
    /// Steps done.
    fn steps_done(&self) -> usize;
    /// Whether the last step done was the last of an epoch.
    fn ends_epoch(&self) -> bool;
    /// Whether all epochs are done.
    fn is_finished(&self) -> bool;
    /// Takes a step, and returns its events in order.
    fn step(&mut self) -> Pending<'_, Vec<Event>>;
    /// State that the next steps depend on.
    fn state(&self) -> Pending<'_, State>;
    /// Resumes from a state.
    fn restore(&mut self, state: &State) -> Result<(), CheckpointError>;
    /// Changes the search; a refusal leaves it as it was.
    fn intervene(&mut self, intervention: Intervention) -> Pending<'_, Result<Event, InterventionError>>;
    /// Compiles a part of the shaders of a step.
    fn rehearse(&self, part: usize) -> Pending<'_, ()>;
    /// Whether the network writes.
    fn writes(&self) -> bool;
    /// Writes text with the network, if it is a language model.
    fn sample(&self, sampling: Sampling) -> Pending<'_, Option<Event>>;
}

/// Search in one space, with the words that its network knows.
struct Running<F: Family> {
    search: Search<F>,
    words: Option<Vocabulary>,
}

impl<F: Offered> AnySearch for Running<F> {
    fn started(&self) -> Event {
        self.search.started()
    }

    fn steps_done(&self) -> usize {
        self.search.steps_done()
    }

    fn ends_epoch(&self) -> bool {
        self.search.ends_epoch()
    }

    fn is_finished(&self) -> bool {
        self.search.is_finished()
    }

    fn step(&mut self) -> Pending<'_, Vec<Event>> {
        Box::pin(self.search.step())
    }

    fn state(&self) -> Pending<'_, State> {
        Box::pin(self.search.state())
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        self.search.restore(state)
    }

    fn intervene(&mut self, intervention: Intervention) -> Pending<'_, Result<Event, InterventionError>> {
        Box::pin(self.search.intervene(intervention))
    }

    fn rehearse(&self, part: usize) -> Pending<'_, ()> {
        Box::pin(self.search.rehearse(part))
    }

    fn writes(&self) -> bool {
        self.words.is_some()
    }

    fn sample(&self, sampling: Sampling) -> Pending<'_, Option<Event>> {
        Box::pin(async move {
            match &self.words {
                Some(words) => F::sample(&self.search, words, sampling).await,
                None => Ok(None),
            }
        })
    }
}

/// Purpose of a search that is set up.
#[derive(Clone, Copy)]
pub enum Purpose {
    /// To be stepped, as the search of this number.
    Search(u32),
    /// To have its shaders compiled.
    Rehearsal,
}

/// Sets up a search, and reports it to the page unless it is a rehearsal.
///
/// # Errors
/// The data is missing or does not fit, or the device cannot hold the search.
pub async fn begin(request: SearchRequest, purpose: Purpose, compute: &Compute) -> Result<Box<dyn AnySearch>, String> {
    let SearchRequest { config, data } = request;
    match config {
        AnySearchConfig::Convolutional(config) => begin_in::<Convolutional>(config, data, purpose, compute).await,
        AnySearchConfig::Recurrent(config) => begin_in::<Recurrent>(config, data, purpose, compute).await,
    }
}

async fn begin_in<F: Offered>(
    config: F::Config,
    request: DataRequest,
    purpose: Purpose,
    compute: &Compute,
) -> Result<Box<dyn AnySearch>, String> {
    let (config, data) = match purpose {
        Purpose::Search(run) => {
            let data = F::data(&config, request, run).await?;
            send(&Message::Status { run, activity: Activity::Building });
            (config, data)
        }
        Purpose::Rehearsal => F::rehearsal(config, request).await?,
    };
    let search = Search::<F>::new(config, &data, compute).await.map_err(|error| error.to_string())?;
    Ok(Box::new(Running { search, words: F::vocabulary(data) }))
}
