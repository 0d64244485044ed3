//! Flags with words as values, flags with the defaults of a configuration, and flags of all runs.

use clap::{
    Args, Command,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use darts_engine::config::{Kernels, Order};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Words that a flag accepts, each with its meaning.
pub type Words = &'static [(&'static str, &'static str)];

const ORDERS: Words = &[
    ("first", "Gradient at the current weights: fast"),
    ("second", "Gradient one weight step ahead: more passes, closer to trained weights"),
];
const KERNELS: Words = &[
    ("fused", "Kernels written for the network, for WebGPU and the CPU"),
    ("reference", "Plain tensor operations: slow, the reference for the kernels"),
];

/// Parser of words that name the values of a serialisable type.
pub fn words<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> impl TypedValueParser<Value = T> {
    let words = words.into_iter().map(|(word, meaning)| PossibleValue::new(word).help(meaning));
    PossibleValuesParser::new(words)
        .map(|word| serde_json::from_value(word.into()).expect("the words are those of the type"))
}

/// Parser of orders of the architecture gradient.
pub fn orders() -> impl TypedValueParser<Value = Order> {
    words(ORDERS.iter().copied())
}

/// Parser of paths that compute a network.
pub fn kernels() -> impl TypedValueParser<Value = Kernels> {
    words(KERNELS.iter().copied())
}

/// Gives the arguments of a command the settings as defaults. The id of an argument is the path of its setting, for example
/// `arch_betas.0`; arguments and settings without a counterpart stay as they are.
pub fn with_defaults(command: Command, settings: &impl Serialize) -> Command {
    let settings = serde_json::to_value(settings).expect("settings are JSON");
    command.mut_args(|argument| {
        let place = format!("/{}", argument.get_id().as_str().replace('.', "/"));
        let default = match settings.pointer(&place) {
            Some(Value::String(word)) => word.clone(),
            Some(Value::Number(number)) if number.is_f64() => number.as_f64().expect("a number").to_string(),
            Some(Value::Number(number)) => number.to_string(),
            _ => return argument,
        };
        // Defaults live as long as the program, and so do the commands.
        argument.required(false).default_value(&*default.leak())
    })
}

/// Copies fields of flags to the fields of the same names of a configuration.
macro_rules! copy_fields {
    ($flags:expr => $config:expr; $($field:ident),+ $(,)?) => {
        $($config.$field = $flags.$field;)+
    };
}
pub(crate) use copy_fields;

/// Hyper-parameters of all searches and training runs.
#[derive(Args, Clone, Copy)]
pub struct SharedFlags {
    /// Implementation of the network.
    #[arg(long, value_name = "KERNELS", value_parser = kernels(), help_heading = "Run")]
    pub kernels: Kernels,
    /// Seed of all random numbers: initial weights and alphas, splits, minibatches, image augmentation and dropout.
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub seed: u64,
    /// Steps from one logged step to the next. A search logs every step, but the alphas only at these and at the end of an
    /// epoch.
    #[arg(long, value_name = "STEPS", help_heading = "Run")]
    pub report_every: usize,
    /// Passes over the data that train the weights.
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub epochs: usize,
    /// Size of a minibatch: images, of which an incomplete last minibatch is skipped; or columns of the text.
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub batch_size: usize,
    /// Learning rate of SGD: the first on images, where it falls by a cosine; on text, that of a window of bptt words.
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub learning_rate: f64,
    /// Weight decay of the weights.
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub weight_decay: f64,
    /// Maximum norm of the weight gradient, which is clipped to it.
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    pub grad_clip: f64,
}

/// Copies [`SharedFlags`] to a configuration.
macro_rules! copy_shared_flags {
    ($flags:expr => $config:expr) => {
        $crate::flags::copy_fields!($flags => $config;
            kernels, seed, report_every, epochs, batch_size, learning_rate, weight_decay, grad_clip);
    };
}
pub(crate) use copy_shared_flags;
