//! `darts reproduce ptb`.

use super::*;
use crate::{
    drive::Keeping,
    recurrent::{self, TextFiles},
    text::{self, PtbTraining},
};
use darts_engine::{
    config::{Kernels, RecurrentConfig, TextTrainConfig},
    data::Corpus,
    device::block_on,
    event::WordMeasure,
    run::{TextRunConfig, TextSource},
    search::RecurrentSearch,
    space::{REPORTED_PTB, REPORTED_WT2, RecurrentGenotype, TextReport, published_recurrent, recurrent_parameters},
    train::TextTraining,
};
use std::fmt::Display;

/// What a name that is no searcher means.
const PUBLISHED: &str = "The published cell of that name, without a search";

const SEARCHERS: Words = &[
    ("first", "DARTS of first order"),
    ("second", "DARTS of second order"),
    ("random", "Random search: cells drawn at random, the best by validation"),
    ("ENAS", PUBLISHED),
    ("DARTS_V1", PUBLISHED),
    ("DARTS_V2", PUBLISHED),
];

fn search_paper() -> RecurrentConfig {
    RecurrentConfig::default()
}

fn train_paper() -> TextTrainConfig {
    TextTrainConfig::default()
}

/// Epochs of a brief training (section 3.2).
const BRIEF_EPOCHS: usize = 300;
/// Words of the Penn Treebank's texts, ends of lines among them.
const PTB_WORDS: [usize; 3] = [929_589, 73_760, 82_430];

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Ptb {
    /// A folder with train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and so on), a sentence a line.
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data: PathBuf,
    #[command(flatten)]
    files: TextFiles,
    #[command(flatten)]
    plan: Plan,

    /// What finds cells, one or several after commas.
    #[arg(long, visible_alias = "order", value_name = "SEARCHER", value_delimiter = ',', default_value = "second",
        value_parser = words::<Searcher>(SEARCHERS), help_heading = "Protocol")]
    searcher: Vec<Searcher>,
    /// Cells of a random search.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    random_cells: u16,
    /// Full trainings of a cell.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000),
        help_heading = "Protocol")]
    runs: u16,
    /// Epochs of a brief training.
    #[arg(long, value_name = "N", default_value_t = BRIEF_EPOCHS, help_heading = "Protocol")]
    brief_epochs: usize,

    /// Passes over the training text of a search.
    #[arg(long, value_name = "N", default_value_t = search_paper().epochs, help_heading = "Search")]
    search_epochs: usize,
    /// Columns that a search cuts texts into.
    #[arg(long, value_name = "N", default_value_t = search_paper().batch_size, help_heading = "Search")]
    search_batch_size: usize,
    /// Units of the supernet.
    #[arg(long, value_name = "N", default_value_t = search_paper().hidden, help_heading = "Search")]
    search_hidden: usize,
    /// Words of a column that a search's gradients go back through.
    #[arg(long, value_name = "N", default_value_t = search_paper().bptt, help_heading = "Search")]
    search_bptt: usize,
    /// Learning rate of the supernet's weights.
    #[arg(long, value_name = "RATE", default_value_t = search_paper().learning_rate, help_heading = "Search")]
    search_learning_rate: f64,
    /// Learning rate of the alphas.
    #[arg(long, value_name = "RATE", default_value_t = search_paper().arch_learning_rate, help_heading = "Search")]
    search_arch_learning_rate: f64,

    #[command(flatten)]
    training: PtbTraining,
}

impl Ptb {
    fn search_config(&self, order: Order, seed: u64) -> RecurrentConfig {
        RecurrentConfig {
            order,
            epochs: self.search_epochs,
            batch_size: self.search_batch_size,
            hidden: self.search_hidden,
            bptt: self.search_bptt,
            learning_rate: self.search_learning_rate,
            arch_learning_rate: self.search_arch_learning_rate,
            seed,
            ..search_paper()
        }
    }

    fn train_config(&self, length: Length, seed: u64) -> TextTrainConfig {
        let config = self.training.config(seed, Kernels::default());
        match length {
            Length::Brief => TextTrainConfig { epochs: self.brief_epochs, ..config },
            Length::Full => config,
        }
    }

    /// What is not as in the paper.
    fn scaled(&self, text: &TextSource) -> Vec<Scaled> {
        let (search, train_here, train) = (search_paper(), self.train_config(Length::Full, 0), train_paper());
        let searches = any_search(&self.searcher);
        let random = self.searcher.contains(&Searcher::Random);
        scaled([
            (true, "training words", text.train_words, PTB_WORDS[0]),
            (true, "validation words", text.valid_words, PTB_WORDS[1]),
            (true, "test words", text.test_words, PTB_WORDS[2]),
            (searches, "searches", self.plan.searches.into(), 4),
            (random, "random cells", self.random_cells.into(), 8),
            (searches, "search epochs", self.search_epochs, search.epochs),
            (searches, "search batch size", self.search_batch_size, search.batch_size),
            (searches, "search units", self.search_hidden, search.hidden),
            (searches, "search bptt", self.search_bptt, search.bptt),
            (self.plan.select == Select::Best, "brief epochs", self.brief_epochs, BRIEF_EPOCHS),
            (true, "epochs", train_here.epochs, train.epochs),
            (true, "batch size", train_here.batch_size, train.batch_size),
            (true, "units", train_here.hidden, train.hidden),
            (true, "bptt", train_here.bptt, train.bptt),
            (true, "runs", self.runs.into(), 1),
        ])
    }
}

pub fn run(args: Ptb, output: &Output) -> Outcome {
    check_searchers(&args.searcher)?;
    // What can be refused at once is refused before anything long begins.
    let search = args.search_config(Order::First, args.plan.seed);
    if any_search(&args.searcher) {
        search.check()?;
    }
    let [brief, full] = [Length::Brief, Length::Full].map(|length| args.train_config(length, args.plan.seed));
    brief.check()?;
    full.check()?;
    let corpus = Corpus::open(&args.data, &args.files.named())?;
    let source = TextSource::new(&corpus);
    let [compute, train_compute] = devices_of(&args.plan, output)?;
    let (args, plan) = (&args, &args.plan);
    let protocol = Protocol { task: Texts { args, corpus, source }, output, compute, train_compute };
    let rows = protocol.rows()?;
    let Protocol { task, compute, train_compute, .. } = protocol;
    let report = Report {
        scaled: args.scaled(&task.source),
        text: task.source,
        search,
        train: full,
        adapter: compute.adapter,
        train_adapter: train_compute.adapter,
        select: plan.select,
        rows,
        reported_ptb: REPORTED_PTB.into(),
        reported_wt2: REPORTED_WT2.into(),
    };
    replace_json(&plan.out, REPORT_FILE, &report)?;
    output.print(&report, &report)
}

/// Recurrent cells of language models.
struct Texts<'a> {
    args: &'a Ptb,
    corpus: Corpus,
    source: TextSource,
}

/// What a language model does on the texts that it was not trained on.
#[derive(Clone, Copy, Serialize)]
struct Perplexed {
    /// The lowest validation loss of all epochs.
    valid: WordMeasure,
    /// With the weights of that.
    test: WordMeasure,
}

/// What several do.
#[derive(Serialize)]
struct Perplexities {
    /// Mean.
    valid_perplexity: f64,
    /// Standard deviation, where there are several.
    valid_deviation: Option<f64>,
    /// Mean.
    test_perplexity: f64,
    /// Standard deviation, where there are several.
    test_deviation: Option<f64>,
}

impl Task for Texts<'_> {
    type Settings = TextRunConfig;
    type Genotype = RecurrentGenotype;
    type Tested = Perplexed;
    type Figures = Perplexities;

    const SEARCHERS: Words = SEARCHERS;

    fn plan(&self) -> &Plan {
        &self.args.plan
    }

    fn searchers(&self) -> &[Searcher] {
        &self.args.searcher
    }

    fn random_cells(&self) -> u16 {
        self.args.random_cells
    }

    fn runs(&self) -> u16 {
        self.args.runs
    }

    fn random(seed: u64, count: usize) -> Vec<RecurrentGenotype> {
        RecurrentGenotype::random(seed, count).collect()
    }

    fn published(name: &str) -> Option<RecurrentGenotype> {
        published_recurrent(name)
    }

    fn code(genotype: &RecurrentGenotype) -> Outcome<String> {
        Ok(genotype.code()?)
    }

    fn params(&self, genotype: &RecurrentGenotype) -> u64 {
        let hidden = self.args.train_config(Length::Full, 0).hidden;
        recurrent_parameters(genotype.recurrent.len(), self.corpus.vocabulary.len(), hidden)
    }

    fn to_search(&self, order: Order, seed: u64) -> TextRunConfig {
        let config = self.args.search_config(order, seed);
        TextRunConfig::search(self.args.plan.device, self.source.clone(), config)
    }

    fn search(
        &self,
        asked: &TextRunConfig,
        begin: Begin<TextRunConfig>,
        compute: &Compute,
        output: &Output,
    ) -> Outcome {
        let config = asked.search.clone().expect("a search is asked");
        let search = contain(|| Ok(block_on(RecurrentSearch::new(config, &self.corpus, compute))?))?;
        recurrent::perform(search, begin, asked, &Keeping::of_stage(), None, output).map(drop)
    }

    fn to_train(&self, genotype: &RecurrentGenotype, length: Length, seed: u64) -> TextRunConfig {
        let config = self.args.train_config(length, seed);
        TextRunConfig::train(self.args.plan.train_device(), self.source.clone(), config, genotype.clone())
    }

    fn train(&self, asked: &TextRunConfig, begin: Begin<TextRunConfig>, compute: &Compute, output: &Output) -> Outcome {
        let (config, genotype) = asked.train.clone().zip(asked.genotype.clone()).expect("a training is asked");
        let training = contain(|| Ok(TextTraining::new(config, genotype, &self.corpus, compute)?))?;
        let kept = (&Keeping::of_stage(), &self.corpus.vocabulary);
        text::perform(training, begin, asked, kept, output).map(drop)
    }

    fn found(event: Event) -> Option<(RecurrentGenotype, f64)> {
        match event {
            Event::RecurrentFinished { genotype, seconds, .. } => Some((genotype, seconds)),
            _ => None,
        }
    }

    fn tested(event: &Event) -> Option<(Perplexed, f64)> {
        match event {
            &Event::TextTrainFinished { valid, test, seconds, .. } => Some((Perplexed { valid, test }, seconds)),
            _ => None,
        }
    }

    fn validation(tested: &Perplexed) -> f64 {
        tested.valid.loss.into()
    }

    fn figures(tested: &[Perplexed]) -> Perplexities {
        let of = |measure: fn(&Perplexed) -> WordMeasure| -> Vec<f64> {
            tested.iter().map(|tested| measure(tested).perplexity.into()).collect()
        };
        let (valid, test) = (of(|tested| tested.valid), of(|tested| tested.test));
        Perplexities {
            valid_perplexity: mean(&valid),
            valid_deviation: deviation(&valid),
            test_perplexity: mean(&test),
            test_deviation: deviation(&test),
        }
    }

    fn compared(figures: &Perplexities) -> (f64, Option<f64>) {
        (figures.test_perplexity, figures.test_deviation)
    }
}

/// All that came of it.
#[derive(Serialize)]
struct Report<'a> {
    text: TextSource,
    /// What searched.
    adapter: String,
    /// What trained.
    train_adapter: String,
    /// What is not as in the paper; nothing where it is.
    scaled: Vec<Scaled>,
    select: Select,
    /// The settings of the searches, but for order and seed.
    search: RecurrentConfig,
    /// The settings of the full trainings, but for the seed.
    train: TextTrainConfig,
    /// What was measured here.
    rows: Vec<Row<Texts<'a>>>,
    /// What the paper reports, on the Penn Treebank.
    reported_ptb: Vec<TextReport>,
    /// What the paper reports, on WikiText-2.
    reported_wt2: Vec<TextReport>,
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TextTrainConfig { hidden, epochs, .. } = self.train;
        let plural = if epochs == 1 { "" } else { "s" };
        writeln!(f, "{}: language models of {hidden} units, {epochs} epoch{plural}\n", self.text.train)?;
        let heads = |here: &str, runs: &str, days: &str| {
            format!(
                "{here:<27} {:<16} {:<16} {runs:>4} {:>7} {days:>11}",
                "valid perplexity", "test perplexity", "params"
            )
        };
        writeln!(f, "{}", heads("measured here", "runs", "device days"))?;
        for row in &self.rows {
            let Perplexities { valid_perplexity, valid_deviation, test_perplexity, test_deviation } = row.figures;
            let valid = with_deviation(valid_perplexity, valid_deviation);
            let test = with_deviation(test_perplexity, test_deviation);
            let Row { runs, params, search_days, .. } = row;
            writeln!(f, "{:<27} {valid:<16} {test:<16} {runs:>4} {params:>6.2}M {search_days:>11.4}", row.title())?;
        }
        let tables = [("Penn Treebank, table 2", &self.reported_ptb), ("WikiText-2, table 5", &self.reported_wt2)];
        for (table, reports) in tables {
            writeln!(f, "\nThe paper reports, on {table}:\n{}", heads("", "", "GPU days").trim_end())?;
            for TextReport { network, valid_perplexity, test_perplexity, params, gpu_days, .. } in reports {
                let valid = valid_perplexity.map_or_else(String::new, |valid| format!("{valid:.1}"));
                let days = gpu_days.map_or_else(String::new, |days| days.to_string());
                let line =
                    format!("{network:<27} {valid:<16} {test_perplexity:<16.1} {:>4} {params:>6.0}M {days:>11}", "");
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        writeln!(f)?;
        tell_below(f, &self.rows, &self.scaled)
    }
}
