//! Output of every subcommand: results on standard output, all else on standard error.

use clap::{Args, error::ErrorKind};
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// Result of a subcommand; the error is one sentence.
pub type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Output of a command.
#[derive(Args, Clone, Copy)]
pub struct Output {
    /// Print the result as one JSON document on standard output.
    #[arg(long, global = true)]
    pub json: bool,
    /// Hide progress and remarks; errors are still printed.
    #[arg(long, global = true)]
    pub quiet: bool,
}

impl Output {
    /// Prints the result of a command: `document` with `--json`, otherwise `text`.
    pub fn print(&self, document: &impl Serialize, text: impl Display) -> Outcome {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, document)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", text.to_string().trim_end())?;
        }
        Ok(out.flush()?)
    }

    /// Prints a remark on standard error.
    pub fn remark(&self, text: impl Display) {
        if !self.quiet {
            // Standard error may be closed, which is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// A progress bar on standard error, hidden with `--quiet` or where it is no terminal; `template` is indicatif's.
    pub fn progress(&self, length: Option<u64>, template: &str) -> ProgressBar {
        let target = if self.quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template(template).expect("templates are constants").progress_chars("=> ");
        ProgressBar::with_draw_target(length, target).with_style(style)
    }
}

/// Count of things: `1 step`, `2 steps`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Time for people to read.
pub fn duration(seconds: f64) -> String {
    match seconds {
        short @ ..60.0 => format!("{short:.1} seconds"),
        long => HumanDuration(Duration::from_secs_f64(long)).to_string(),
    }
}

/// A signal interrupted the run, which stopped after a step.
#[derive(Debug)]
pub struct Interrupted {
    /// Steps done, all of them saved.
    pub steps: usize,
    /// The signal.
    pub signal: usize,
}

impl Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = counted(self.steps, "step");
        write!(f, "interrupted after {steps}, all saved; --resume continues from there")
    }
}

impl Error for Interrupted {}

/// The exit code of a command, after a line about its error.
pub fn report(outcome: Outcome) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    // A reader that closes the pipe early, like `head`, has all it wanted.
    let io_kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    let json_kind = error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    if io_kind.or(json_kind) == Some(io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    say(&error.to_string());
    // As shells report a program that a signal ended.
    let interrupted = error.downcast_ref::<Interrupted>().and_then(|error| u8::try_from(128 + error.signal).ok());
    interrupted.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// The exit code when arguments do not parse: help and version are printed as clap has them, an error as one line.
pub fn usage(error: &clap::Error) -> ExitCode {
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand) || !error.use_stderr() {
        let _ = error.print();
        return code;
    }
    let text = error.to_string();
    let parts =
        text.split("\n\n").filter(|part| !part.starts_with("Usage:") && !part.starts_with("For more information"));
    let parts: Vec<&str> = parts.map(|part| part.trim().trim_start_matches("error: ")).collect();
    say(&format!("{} (see --help)", parts.join("; ")));
    code
}

fn say(message: &str) {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "darts: {line}");
}
