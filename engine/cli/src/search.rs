//! `darts search`, in any space.

use crate::{
    device::made_on,
    flags::{SharedFlags, orders},
    keeping::{Begin, RunFlags},
    output::{Outcome, Output},
    runner::{Hooks, Job, Next},
    serve::{STOPPED, WatchFlags, WatchedSearch},
    subcommand::Subcommand,
    view::Summary,
};
use clap::Args;
use darts_engine::{
    config::{ConfigError, Order, SearchSettings},
    device::{Compute, block_on},
    intervention::Control,
    run::{RunConfig, RunSpace},
    search::{self, Family},
};
use serde_json::Value;

/// Interface of a space to `darts search`.
pub trait SearchSpace: RunSpace + Family<Config = <Self as RunSpace>::Search> {
    /// Name of the subcommand.
    const NAME: &'static str;
    /// Help of the subcommand.
    const ABOUT: &'static str;
    /// Flags of this space only: its data and its hyper-parameters.
    type Flags: Args;

    /// Hyper-parameters from the flags.
    fn config(flags: &Self::Flags, search: &SearchFlags) -> Self::Config;

    /// Opens the data that the flags name, or that of the run to resume, and returns it with its source.
    fn open(flags: &Self::Flags, begin: &Begin<Self>, output: &Output) -> Outcome<(Self::Data, Self::Source)>;

    /// Fails unless there is enough data.
    fn fits(_config: &Self::Config, _data: &Self::Data) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Hyper-parameters of all searches.
#[derive(Args)]
pub struct SearchFlags {
    #[command(flatten)]
    pub shared: SharedFlags,
    /// Approximation of the gradient of the alphas.
    #[arg(long, value_name = "ORDER", value_parser = orders(), help_heading = "Search")]
    pub order: Order,
    /// Learning rate of Adam, for the alphas.
    #[arg(long, value_name = "RATE", help_heading = "Alphas")]
    pub arch_learning_rate: f64,
    /// Decay rate of Adam's first moment (beta1).
    #[arg(id = "arch_betas.0", long = "arch-beta1", value_name = "SHARE", help_heading = "Alphas")]
    pub arch_beta1: f64,
    /// Decay rate of Adam's second moment (beta2).
    #[arg(id = "arch_betas.1", long = "arch-beta2", value_name = "SHARE", help_heading = "Alphas")]
    pub arch_beta2: f64,
    /// Weight decay of the alphas.
    #[arg(long, value_name = "RATE", help_heading = "Alphas")]
    pub arch_weight_decay: f64,
}

/// Copies [`SearchFlags`] to the configuration of a space.
macro_rules! copy_search_flags {
    ($flags:expr => $config:expr) => {
        $crate::flags::copy_shared_flags!($flags.shared => $config);
        $crate::flags::copy_fields!($flags => $config; order, arch_learning_rate, arch_weight_decay);
        $config.arch_betas = ($flags.arch_beta1, $flags.arch_beta2);
    };
}
pub(crate) use copy_search_flags;

/// `darts search SPACE`.
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Search<S: SearchSpace> {
    #[command(flatten)]
    own: S::Flags,
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten, next_help_heading = "Page")]
    watch: WatchFlags,
}

impl<S: SearchSpace> Subcommand for Search<S> {
    const NAME: &'static str = S::NAME;
    const ABOUT: &'static str = S::ABOUT;

    fn defaults() -> Value {
        serde_json::to_value(S::Config::default()).expect("settings are JSON")
    }

    fn run(self, output: &Output) -> Outcome {
        let begin = self.run.begin::<S>()?;
        let config = match begin.run() {
            Some(run) => {
                run.config.search.clone().ok_or_else(|| format!("{} holds no search", run.folder.display()))?
            }
            None => self.config(),
        };
        // Bad input is refused before anything slow begins.
        SearchSettings::check(&config)?;
        let (data, source) = S::open(&self.own, &begin, output)?;
        begin.check(&source)?;
        S::fits(&config, &data)?;
        let watched = self.watch.start(begin.folder(), output)?;
        let device = self.run.device(&begin);
        let search = |compute: &Compute| new::<S>(&config, &data, compute);
        let (search, _) = made_on(device, output, search)?;
        drop(data);
        let config = RunConfig::search(device, source, config);
        let job = Job { begin, config: &config, keeping: &self.run.keeping, output };
        let summary = perform(search, job, watched.as_ref())?;
        output.print(&summary, summary.text())
    }
}

impl<S: SearchSpace> Search<S> {
    /// Hyper-parameters from the flags.
    pub fn config(&self) -> S::Config {
        S::config(&self.own, &self.search)
    }
}

/// New search.
pub fn new<S: SearchSpace>(config: &S::Config, data: &S::Data, compute: &Compute) -> Outcome<search::Search<S>> {
    Ok(block_on(search::Search::new(config.clone(), data, compute))?)
}

/// Searches to the end, and shows the search on the page if it is watched.
pub fn perform<S: SearchSpace>(
    mut search: search::Search<S>,
    job: Job<S>,
    watched: Option<&WatchedSearch>,
) -> Outcome<Summary> {
    job.run(&mut search, &Interventions(watched))
}

/// Interventions from the page of a watched search.
struct Interventions<'a>(Option<&'a WatchedSearch>);

impl<F: Family> Hooks<search::Search<F>> for Interventions<'_> {
    fn before(&self, search: &mut search::Search<F>, interrupted: &dyn Fn() -> bool) -> Outcome<Next> {
        let Some(watched) = self.0 else { return Ok(Next::Step) };
        while let Some(control) = watched.asked(interrupted) {
            let Control::Intervene { intervention } = control else {
                return Ok(Next::Stop(STOPPED));
            };
            match block_on(search.intervene(intervention))? {
                Ok(event) => return Ok(Next::Changed(event.into())),
                Err(refused) => watched.refuse(refused.to_string()),
            }
        }
        Ok(Next::Step)
    }
}
