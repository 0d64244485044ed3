use super::{RecurrentBilevel, Sampling, check_held, floats, reason};
use crate::{
    checkpoint::{
        CheckpointError, Resumable, State, by_its_own_methods, check_architecture_steps, check_seconds, exactly,
    },
    config::{Dropouts, Kernels},
    data::{Columns, Corpus, Text, TextError, Vocabulary, Window, readable},
    device::{Compute, out_of_memory},
    event::{Event, WordMeasure},
    kernels::largest_buffer,
    model::{Masks, Passage, RunningStatistics, TextBatch},
    network::RecurrentNet,
    space::RecurrentAlphas,
};
use crate::{
    config::{ConfigError, Order, RecurrentConfig},
    intervention::{Held, SteerError, Steering},
};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use web_time::Instant;

/// Columns that the validation text is cut into where it is only evaluated.
pub const EVALUATION_BATCH: usize = 10;
/// Weights of which a checkpoint holds three vectors: half as many again as the published cells' networks for WikiText-2.
const MOST_WEIGHTS: usize = 48 << 20;
/// Share of the steps that take `bptt` words; the others take half.
const FULL_STEPS: f64 = 0.95;

/// Why a search or a training run on text cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RecurrentError {
    /// A setting makes no run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The text cannot be used.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The device failed.
    #[error("the device failed: {0}")]
    Device(String),
    /// A number is no longer one.
    #[error("{what} is {value} at step {step} of epoch {epoch}: a lower learning-rate or grad-clip usually helps")]
    NotFinite {
        /// What is not finite.
        what: &'static str,
        /// Its value.
        value: f32,
        /// The step, from 0.
        step: usize,
        /// Its epoch, from 0.
        epoch: usize,
    },
    /// Columns that nothing tells apart at their first word.
    #[error(
        "all {columns} columns of {file} begin with {word:?}, and BatchNorm cannot normalise states that are all the same: \
         another batch-size helps, or dropout-input above 0"
    )]
    Alike {
        /// The text.
        file: String,
        /// Columns that it is cut into.
        columns: usize,
        /// Their first word.
        word: String,
    },
    /// The network is beyond what a checkpoint holds.
    #[error("hidden and the vocabulary make a network of {weights} weights, and at most {MOST_WEIGHTS} fit")]
    TooLarge {
        /// Its weights.
        weights: usize,
    },
    /// A buffer is beyond what the device allows.
    #[error(
        "a buffer of {} MB is needed, and this device allows {} MB: lower hidden (now {hidden}) or batch-size (now \
         {batch_size})", needed >> 20, limit >> 20
    )]
    BufferTooLarge {
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
        /// Units.
        hidden: usize,
        /// Columns.
        batch_size: usize,
    },
    /// An allocation failed.
    #[error("the device ran out of memory: lower batch-size (now {batch_size}) or hidden (now {hidden})")]
    OutOfMemory {
        /// Columns.
        batch_size: usize,
        /// Units.
        hidden: usize,
    },
    /// A change that cannot be made; the search goes on as before.
    #[error(transparent)]
    Steering(#[from] SteerError),
    /// The run is over.
    #[error("the run is finished")]
    Finished,
}

/// A recurrent search that is stepped from outside and tells what it does in [`Event`]s.
pub struct RecurrentSearch {
    config: RecurrentConfig,
    compute: Compute,
    bilevel: RecurrentBilevel,
    train: Columns,
    valid: Columns,
    evaluation: Columns,
    words: [usize; 2],
    /// States left by the windows before, of the training and the validation text.
    hidden: [Tensor<2>; 2],
    step: usize,
    epoch: usize,
    /// Rows of the training text that the epoch has gone through.
    row: usize,
    /// Over the epoch: steps, words and losses of both texts, each step's counted once.
    sums: Sums,
    seconds: f64,
    initial: RecurrentAlphas,
    held: Held,
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sums {
    steps: usize,
    words: usize,
    weights: f32,
    alphas: f32,
    #[serde(with = "exactly")]
    seconds: f64,
}

impl RecurrentSearch {
    /// Cuts the texts, lays out the supernet and draws its weights and alphas.
    ///
    /// # Errors
    /// A setting that makes no search, or texts too short for it.
    pub async fn new(config: RecurrentConfig, corpus: &Corpus, compute: &Compute) -> Result<Self, RecurrentError> {
        config.check()?;
        // A step leaves the last two rows alone, as the authors' loop does.
        let train = corpus.train.columns(config.batch_size, 3)?;
        let valid = corpus.valid.columns(config.batch_size, 2)?;
        check_apart(&config.dropouts, &corpus.vocabulary, [(&corpus.train, &train), (&corpus.valid, &valid)])?;
        let evaluation = corpus.valid.columns(EVALUATION_BATCH, 2)?;
        let &RecurrentConfig { hidden, batch_size, bptt, .. } = &config;
        let net = RecurrentNet::relaxed(corpus.vocabulary.len(), hidden, config.kernels);
        check_device(&net, [batch_size, bptt], compute)?;
        let bilevel = RecurrentBilevel::new(net, config.seed, &compute.device);
        let first = bilevel.net().first_hidden(batch_size, &compute.device);
        let [initial] = read_together([bilevel.alphas.clone().flatten(0, 1)], [batch_size, hidden]).await?;
        Ok(Self {
            words: [corpus.train.tokens.len(), corpus.valid.tokens.len()],
            hidden: [first.clone(), first],
            initial: RecurrentAlphas::from_flat(&initial),
            compute: compute.clone(),
            config,
            bilevel,
            train,
            valid,
            evaluation,
            step: 0,
            epoch: 0,
            row: 0,
            sums: Sums::default(),
            seconds: 0.0,
            held: Held::new(),
        })
    }

    /// The event that opens the log.
    pub fn started(&self) -> Event {
        let [train_words, valid_words] = self.words;
        Event::RecurrentStarted {
            config: self.config.clone(),
            adapter: self.compute.adapter.clone(),
            backend: self.compute.backend.clone(),
            parameters: self.bilevel.net().layout().len(),
            vocabulary: self.bilevel.net().vocabulary(),
            train_words,
            valid_words,
            rows: self.rows(),
            alphas: self.initial.clone(),
        }
    }

    /// Rows of the training text that an epoch goes through.
    pub fn rows(&self) -> usize {
        self.train.rows - 2
    }

    /// Where the search is: the epoch, from 0, and the rows that it has gone through.
    pub fn place(&self) -> (usize, usize) {
        (self.epoch, self.row)
    }

    /// Whether all epochs are done.
    pub fn is_finished(&self) -> bool {
        self.epoch == self.config.epochs
    }

    /// Has the device compile the shaders of a step, in [`REHEARSALS`](super::REHEARSALS) parts from 0 on, as
    /// [`ConvSearch::rehearse`](super::ConvSearch::rehearse) does.
    ///
    /// # Errors
    /// The device failed.
    #[cfg(target_arch = "wasm32")]
    pub async fn rehearse(&self, part: usize) -> Result<(), RecurrentError> {
        let window = self.train.window(self.row, self.config.bptt);
        let masks = self.masks(self.config.dropouts, &window, &mut at_step(self.config.seed, self.step));
        let text = TextBatch::upload(&window, &self.compute.device);
        let passage = Passage { text, hidden: self.hidden[0].clone(), masks };
        let (mut bilevel, rate) = (self.bilevel.clone(), self.config.learning_rate);
        let rehearsal = cubecl::dry_run::DryRun::new();
        match part {
            0 => drop(bilevel.architecture_step(&self.config, rate, &passage, &passage)),
            1 => drop(bilevel.weight_step(&self.config, rate, &passage)),
            _ => {}
        }
        drop(rehearsal);
        let alphas = self.bilevel.alphas.clone().flatten(0, 1);
        read_together([alphas], [self.config.batch_size, self.config.hidden]).await.map(drop)
    }

    /// One search step. Its events in order: the step, then the epoch and the end of the search where they are due.
    ///
    /// # Errors
    /// The device failed, a number is no longer finite, or the search is over.
    pub async fn step(&mut self) -> Result<Vec<Event>, RecurrentError> {
        if self.is_finished() {
            return Err(RecurrentError::Finished);
        }
        let began = Instant::now();
        let (step, epoch) = (self.step, self.epoch);
        let &RecurrentConfig { bptt, batch_size, hidden, .. } = &self.config;
        let mut rng = at_step(self.config.seed, step);
        let length = if rng.random_bool(FULL_STEPS) { bptt } else { (bptt / 2).max(1) };
        let train = self.train.window(self.row, length);
        let valid = self.valid.window(self.row % (self.valid.rows - 1), bptt);
        let learning_rate = self.config.learning_rate * train.length as f64 / bptt as f64;
        let [train_masks, valid_masks, weight_masks] =
            [&train, &valid, &train].map(|window| self.masks(self.config.dropouts, window, &mut rng));
        let [train_text, valid_text] = [&train, &valid].map(|window| TextBatch::upload(window, &self.compute.device));
        let [train_hidden, valid_hidden] = self.hidden.clone();
        let train_passage = Passage { text: train_text, hidden: train_hidden, masks: train_masks };
        let valid_passage = Passage { text: valid_text, hidden: valid_hidden, masks: valid_masks };
        let architecture = self.bilevel.architecture_step(&self.config, learning_rate, &train_passage, &valid_passage);
        let passage = Passage { masks: weight_masks, ..train_passage };
        let (weight, norm) = self.bilevel.weight_step(&self.config, learning_rate, &passage);
        self.hidden = [weight.hidden, architecture.hidden];
        self.row += train.length;
        let last_of_epoch = self.row >= self.rows();
        let report = last_of_epoch || step.is_multiple_of(self.config.report_every);
        let alphas = self.bilevel.alphas.clone().flatten(0, 1);
        let [weights, held_out, norm, alphas] =
            read_together([weight.nll, architecture.nll, norm, alphas], [batch_size, hidden]).await?;
        for (what, value) in [
            ("the training loss", weights[0]),
            ("the validation loss", held_out[0]),
            ("the norm of the weight gradient", norm[0]),
        ]
        .into_iter()
        .chain(alphas.iter().map(|&alpha| ("an alpha", alpha)))
        {
            if !value.is_finite() {
                return Err(RecurrentError::NotFinite { what, value, step, epoch });
            }
        }
        let architecture = RecurrentAlphas::from_flat(&alphas);
        let seconds = began.elapsed().as_secs_f64();
        self.step += 1;
        self.seconds += seconds;
        self.sums.steps += 1;
        self.sums.words += train.tokens.len() + valid.tokens.len();
        self.sums.weights += weights[0];
        self.sums.alphas += held_out[0];
        self.sums.seconds += seconds;
        let mut events = vec![Event::RecurrentStep {
            epoch,
            step,
            row: self.row.min(self.rows()),
            words: train.tokens.len(),
            weights: WordMeasure::new(weights[0]),
            alphas: WordMeasure::new(held_out[0]),
            gradient_norm: norm[0],
            seconds,
            architecture: report.then(|| architecture.clone()),
        }];
        if last_of_epoch {
            events.extend(self.end_epoch(architecture).await?);
        }
        Ok(events)
    }

    /// The events of an epoch's end: the epoch with the perplexity of the whole validation text, and the end of the search.
    async fn end_epoch(&mut self, architecture: RecurrentAlphas) -> Result<Vec<Event>, RecurrentError> {
        let began = Instant::now();
        let &RecurrentConfig { batch_size, bptt, epochs, .. } = &self.config;
        let RecurrentBilevel { weights, alphas, statistics, .. } = &self.bilevel;
        let relaxed = Some((alphas, statistics));
        let valid = evaluate_text(self.bilevel.net(), weights, relaxed, &self.evaluation, bptt).await?;
        if !valid.loss.is_finite() {
            let (what, step, epoch) = ("the loss of the whole validation text", self.step - 1, self.epoch);
            return Err(RecurrentError::NotFinite { what, value: valid.loss, step, epoch });
        }
        self.seconds += began.elapsed().as_secs_f64();
        let Sums { steps, words, weights, alphas, seconds } = std::mem::take(&mut self.sums);
        let mut events = vec![Event::RecurrentEpoch {
            epoch: self.epoch,
            weights: WordMeasure::new(weights / steps as f32),
            alphas: WordMeasure::new(alphas / steps as f32),
            valid,
            words_per_second: words as f64 / seconds,
            seconds: self.seconds,
            genotype: architecture.genotype(),
            architecture: architecture.clone(),
        }];
        self.epoch += 1;
        self.row = 0;
        let first = self.bilevel.net().first_hidden(batch_size, &self.compute.device);
        self.hidden = [first.clone(), first];
        if self.is_finished() {
            events.push(Event::RecurrentFinished {
                genotype: architecture.genotype(),
                architecture,
                valid,
                epochs,
                seconds: self.seconds,
            });
        }
        Ok(events)
    }

    /// Text with which the network in which every edge mixes all ops goes on from the beginning of the validation text. The
    /// search is not changed by it; `vocabulary` is its corpus's.
    ///
    /// # Errors
    /// The device failed.
    pub async fn sample(&self, vocabulary: &Vocabulary, sampling: Sampling) -> Result<Event, RecurrentError> {
        let RecurrentBilevel { weights, alphas, .. } = &self.bilevel;
        let words = sampling.write(self.bilevel.net(), weights, alphas, &self.valid).await?;
        let words = words.iter().map(|&word| vocabulary.words()[word as usize].as_str());
        let Sampling { temperature, seed, .. } = sampling;
        Ok(Event::Sampled { step: self.step, temperature, seed, text: readable(words) })
    }

    /// Changes the search from the next step on; the event tells the change and the alphas after it.
    ///
    /// # Errors
    /// A change that cannot be made, or the device failed.
    pub async fn steer(&mut self, steering: Steering) -> Result<Event, RecurrentError> {
        let &RecurrentConfig { batch_size, hidden, .. } = &self.config;
        let [before] = read_together([self.bilevel.alphas.clone().flatten(0, 1)], [batch_size, hidden]).await?;
        let architecture = steering.apply(&RecurrentAlphas::from_flat(&before), &mut self.held)?;
        match steering {
            Steering::Freeze { frozen } => self.bilevel.hold.frozen = frozen,
            Steering::Rates { weights, alphas } => {
                (self.config.learning_rate, self.config.arch_learning_rate) = (weights, alphas);
            }
            Steering::Order { order } => self.config.order = order,
            Steering::Pin { .. } | Steering::Prune { .. } | Steering::Release { .. } | Steering::Nudge { .. } => {
                let flat = TensorData::new(architecture.to_flat(), self.bilevel.alphas.dims());
                self.bilevel.alphas = Tensor::from_data(flat, &self.compute.device);
                self.bilevel.hold.some(&self.held, &self.bilevel.alphas);
            }
        }
        Ok(Event::RecurrentSteered { step: self.step, steering, architecture })
    }

    fn masks(&self, dropouts: Dropouts, window: &Window, rng: &mut ChaCha8Rng) -> Masks {
        let net = self.bilevel.net();
        dropouts.draw(window, net.vocabulary(), net.hidden(), rng, &self.compute.device)
    }
}

/// Where a search is, beside its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    step: usize,
    /// Fewer than steps where the alphas were frozen.
    architecture_steps: i32,
    epoch: usize,
    row: usize,
    sums: Sums,
    #[serde(with = "exactly")]
    seconds: f64,
    steered: Steered,
}

/// What steering has changed in all.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steered {
    held: Held,
    frozen: bool,
    order: Order,
    #[serde(with = "exactly")]
    learning_rate: f64,
    #[serde(with = "exactly")]
    arch_learning_rate: f64,
}

/// The states that the windows of both texts left.
const HIDDEN: [&str; 2] = ["hidden.train", "hidden.valid"];

impl Resumable for RecurrentSearch {
    by_its_own_methods!(RecurrentError);

    fn ends_epoch(&self) -> bool {
        self.row == 0
    }

    async fn state(&self) -> Result<State, RecurrentError> {
        let &Self { step, epoch, row, sums, seconds, .. } = self;
        let architecture_steps = self.bilevel.architecture_steps;
        let &RecurrentConfig { order, learning_rate, arch_learning_rate, .. } = &self.config;
        let (held, frozen) = (self.held.clone(), self.bilevel.hold.frozen);
        let steered = Steered { held, frozen, order, learning_rate, arch_learning_rate };
        let progress = Progress { step, architecture_steps, epoch, row, sums, seconds, steered };
        let hidden = [0, 1].map(|i| (HIDDEN[i], self.hidden[i].clone().flatten(0, 1)));
        let tensors = self.bilevel.tensors().into_iter().chain(hidden);
        read_state(&progress, tensors, [self.config.batch_size, self.config.hidden], [step, epoch, row]).await
    }

    fn restore(&mut self, state: &State) -> Result<(), CheckpointError> {
        let Progress { step, architecture_steps, epoch, row, sums, seconds, steered } = state.progress()?;
        check_place([step, epoch, row], self.config.epochs, self.rows())?;
        check_architecture_steps(architecture_steps, step)?;
        check_sums(sums.steps, step, row)?;
        check_seconds([sums.seconds, seconds])?;
        let Steered { held, frozen, order, learning_rate, arch_learning_rate } = steered;
        check_held(&held, self.bilevel.alphas.dims())?;
        let config = RecurrentConfig { order, learning_rate, arch_learning_rate, ..self.config.clone() };
        if let Err(error) = config.check() {
            return Err(CheckpointError::Progress { what: "a changed setting", value: error.to_string() });
        }
        let hidden = [state.tensor(HIDDEN[0], &self.hidden[0])?, state.tensor(HIDDEN[1], &self.hidden[1])?];
        self.bilevel.restore(state, architecture_steps)?;
        (self.config, self.held, self.bilevel.hold.frozen) = (config, held, frozen);
        self.bilevel.hold.some(&self.held, &self.bilevel.alphas);
        self.hidden = hidden;
        (self.step, self.epoch, self.row, self.sums, self.seconds) = (step, epoch, row, sums, seconds);
        Ok(())
    }
}

/// Fails unless an epoch's first states vary over the columns. Where they do not, BatchNorm multiplies what rounding leaves of
/// them, their gradients, and later on whatever is unlike the running mean by 316 (one over the root of its epsilon) in each of
/// eight nodes one after the other, which is soon beyond float32.
fn check_apart(
    dropouts: &Dropouts,
    vocabulary: &Vocabulary,
    texts: [(&Text, &Columns); 2],
) -> Result<(), RecurrentError> {
    // What is dropped of the input is drawn for each column.
    if dropouts.input > 0.0 || dropouts.cell_input > 0.0 {
        return Ok(());
    }
    for (text, columns) in texts {
        let Window { tokens, batch_size, .. } = columns.window(0, 1);
        if tokens.iter().all(|&token| token == tokens[0]) {
            let word = vocabulary.words()[tokens[0] as usize].clone();
            return Err(RecurrentError::Alike { file: text.file.clone(), columns: batch_size, word });
        }
    }
    Ok(())
}

/// Fails unless a run of so many epochs of so many rows can be at this step, epoch and row.
pub(crate) fn check_place([step, epoch, row]: [usize; 3], epochs: usize, rows: usize) -> Result<(), CheckpointError> {
    let refused = |what, value: usize| Err(CheckpointError::Progress { what, value: value.to_string() });
    if epoch > epochs {
        return refused("the epoch", epoch);
    }
    if row >= if epoch == epochs { 1 } else { rows } {
        return refused("the row", row);
    }
    // A step takes one row or more.
    let most = epoch * rows + row;
    if step > most || step < epoch + usize::from(row > 0) { refused("the step", step) } else { Ok(()) }
}

/// Fails unless the sums of an epoch that has come to `row` can be over so many steps.
pub(crate) fn check_sums(steps: usize, all: usize, row: usize) -> Result<(), CheckpointError> {
    match (steps > 0) == (row > 0) && steps <= all.min(row) {
        true => Ok(()),
        false => Err(CheckpointError::Progress { what: "the count of an epoch's steps", value: steps.to_string() }),
    }
}

/// Reads the state of a run on text that is at this step, epoch and row.
pub(crate) async fn read_state<'a>(
    progress: &impl Serialize,
    tensors: impl IntoIterator<Item = (&'a str, Tensor<1>)>,
    [batch_size, hidden]: [usize; 2],
    [step, epoch, row]: [usize; 3],
) -> Result<State, RecurrentError> {
    let state = State::read(progress, tensors).await;
    if out_of_memory() {
        return Err(RecurrentError::OutOfMemory { batch_size, hidden });
    }
    let state = state.map_err(|error| RecurrentError::Device(reason(&error)))?;
    match state.not_finite() {
        None => Ok(state),
        Some(value) => Err(bad_weight(value, [step, epoch, row])),
    }
}

/// A weight is none after a run on text came to this step, epoch and row.
pub(crate) fn bad_weight(value: f32, [step, epoch, row]: [usize; 3]) -> RecurrentError {
    let epoch = epoch.saturating_sub(usize::from(row == 0));
    RecurrentError::NotFinite { what: "a weight", value, step: step.saturating_sub(1), epoch }
}

/// The random numbers of a step: they depend on the seed and the step alone.
pub(crate) fn at_step(seed: u64, step: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(3);
    // Far more numbers than a step takes lie between the starting points of two.
    rng.set_word_pos((step as u128) << 32);
    rng
}

/// Checks that the device has buffers large enough for a network's windows of `bptt` rows of `batch_size`
/// columns.
pub(crate) fn check_device(
    net: &RecurrentNet,
    [batch_size, bptt]: [usize; 2],
    compute: &Compute,
) -> Result<(), RecurrentError> {
    let weights = net.layout().len();
    if weights > MOST_WEIGHTS {
        return Err(RecurrentError::TooLarge { weights });
    }
    let hidden = net.hidden();
    // The flat weights, and the gates of all edges into the last node, for all words on plain ops' inputs.
    let gates = 2 * hidden * batch_size * bptt.max(crate::space::RECURRENT_NODES);
    let fused = match net.kernels() {
        Kernels::Fused => largest_buffer(bptt, hidden, batch_size, net.genotype()),
        Kernels::Reference => 0,
    };
    let needed = 4 * weights.max(gates).max(fused) as u64;
    match compute.largest_buffer {
        Some(limit) if needed > limit => Err(RecurrentError::BufferTooLarge { needed, limit, hidden, batch_size }),
        _ => Ok(()),
    }
}

/// The loss of a whole text in evaluation mode, its windows one after the other.
pub(crate) async fn evaluate_text(
    net: &RecurrentNet,
    weights: &Tensor<1>,
    relaxed: Option<(&Tensor<2>, &RunningStatistics)>,
    text: &Columns,
    bptt: usize,
) -> Result<WordMeasure, RecurrentError> {
    let device: Device = weights.device();
    let mut hidden = net.first_hidden(text.batch_size, &device);
    let (mut sum, mut row) = (0.0f64, 0);
    while row < text.rows - 1 {
        let window = text.window(row, bptt);
        let nll;
        (nll, hidden) = net.evaluate(weights, relaxed, &TextBatch::upload(&window, &device), &hidden);
        let [nll] = read_together([nll], [text.batch_size, net.hidden()]).await?;
        sum += f64::from(nll[0]) * window.length as f64;
        row += window.length;
    }
    Ok(WordMeasure::new((sum / row as f64) as f32))
}

/// Reads tensors back together; `batch_size` and `hidden` are for the error of a lack of memory.
pub(crate) async fn read_together<const N: usize>(
    tensors: [Tensor<1>; N],
    [batch_size, hidden]: [usize; 2],
) -> Result<[Vec<f32>; N], RecurrentError> {
    let transaction = tensors.into_iter().fold(Transaction::default(), |all, tensor| all.register(tensor));
    let read = transaction.execute_async().await;
    // What was computed after an allocation failed is void, whatever the device says.
    if out_of_memory() {
        return Err(RecurrentError::OutOfMemory { batch_size, hidden });
    }
    let read = read.map_err(|error| RecurrentError::Device(reason(&error)))?;
    Ok(read.into_iter().map(floats).collect::<Vec<_>>().try_into().expect("as many as were registered"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::block_on,
        intervention::{PRUNED, SteeredCell},
        space::RecurrentOp,
    };

    fn begin() -> RecurrentSearch {
        let text = "One two three four. Five six seven eight. ".repeat(40);
        let corpus = Corpus::from_prose("text", text.as_bytes(), 20).unwrap();
        let config = RecurrentConfig {
            epochs: 2,
            batch_size: 3,
            hidden: 4,
            bptt: 5,
            kernels: Kernels::Reference,
            report_every: 1,
            ..RecurrentConfig::default()
        };
        block_on(RecurrentSearch::new(config, &corpus, &Compute::cpu())).unwrap()
    }

    fn steer(search: &mut RecurrentSearch, steering: Steering) -> RecurrentAlphas {
        let told = block_on(search.steer(steering)).unwrap();
        let Event::RecurrentSteered { step, steering: as_told, architecture } = told else { panic!("{told:?}") };
        assert_eq!((step, as_told), (search.step, steering));
        architecture
    }

    fn stepped(search: &mut RecurrentSearch) -> RecurrentAlphas {
        let events = block_on(search.step()).unwrap();
        let Event::RecurrentStep { architecture: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
        alphas.clone()
    }

    fn bits(search: &RecurrentSearch) -> Vec<Vec<u32>> {
        let state = block_on(search.state()).unwrap();
        state.tensors().map(|(_, values)| values.iter().map(|value| value.to_bits()).collect()).collect()
    }

    #[test]
    fn a_change_holds_from_the_next_step_on_is_told_and_is_taken_up_again() {
        let mut search = begin();
        let (cell, edge) = (SteeredCell::Recurrent, 7);
        stepped(&mut search);
        let told = steer(&mut search, Steering::Prune { cell, edge, op: RecurrentOp::Relu.into() });
        let after = stepped(&mut search);
        assert_eq!((told.rows[edge][2], after.rows[edge][2]), (PRUNED, PRUNED));
        assert_ne!(after.rows[edge][1], told.rows[edge][1], "the other ops still learn");
        steer(&mut search, Steering::Freeze { frozen: true });
        assert_eq!(stepped(&mut search), after, "frozen alphas stay");
        steer(&mut search, Steering::Rates { weights: 1.0, alphas: 0.5 });
        steer(&mut search, Steering::Order { order: Order::Second });

        // All of it is in the checkpoint.
        let mut again = begin();
        again.restore(&block_on(search.state()).unwrap()).unwrap();
        assert_eq!((again.steps_done(), again.bilevel.architecture_steps), (3, 2));
        let changed = |search: &RecurrentSearch| {
            let RecurrentConfig { learning_rate, arch_learning_rate, order, .. } = search.config;
            (learning_rate, arch_learning_rate, order)
        };
        assert_eq!(changed(&again), (1.0, 0.5, Order::Second));
        for search in [&mut search, &mut again] {
            assert_eq!(stepped(search), after, "frozen alphas stay");
            steer(search, Steering::Freeze { frozen: false });
            let free = stepped(search);
            assert!(free.rows[edge][2] == PRUNED && (free.rows[edge][1] - after.rows[edge][1]).abs() > 0.05);
        }
        assert!(bits(&search) == bits(&again), "it goes on bit for bit");
        let free = steer(&mut search, Steering::Release { cell, edge });
        assert!(free.rows[edge][2] > -5.0 && stepped(&mut search).rows[edge][2] != free.rows[edge][2]);
        let refused = block_on(search.steer(Steering::Release { cell, edge: 36 })).unwrap_err();
        assert_eq!(refused.to_string(), "a cell has edges 0 to 35, not 36");
    }

    #[test]
    fn a_checkpoint_that_holds_other_alphas_is_refused() {
        let mut search = begin();
        steer(&mut search, Steering::Pin { cell: SteeredCell::Recurrent, edge: 0, op: RecurrentOp::Tanh.into() });
        search.held[3].pop();
        let state = block_on(search.state()).unwrap();
        let refused = begin().restore(&state).unwrap_err();
        assert_eq!(refused.to_string(), "is of another run: it says the alphas taken out is 36 rows");
    }
}
