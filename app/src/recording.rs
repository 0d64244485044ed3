//! A recorded run, read in pieces of any size: lines of `events.jsonl`, each checked before it is believed.

use crate::cells::Task;
use darts_engine::{
    event::Event,
    space::{
        Alphas, EDGES, Genotype, Op, RECURRENT_EDGES, RECURRENT_NODES, RecurrentAlphas, RecurrentGenotype, RecurrentOp,
    },
};

/// The longest line that is read: many times what an event has.
const LONGEST: usize = 1 << 20;

/// The most steps that are believed.
const MOST_STEPS: usize = 1 << 30;

/// Takes a log apart into events.
#[derive(Debug, Default)]
pub struct Reader {
    pending: Vec<u8>,
    line: usize,
    begun: Option<Begun>,
}

/// What a log is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// That of a search, whichever.
    Search,
    /// That of a search of this task.
    Of(Task),
}

/// Why a log cannot be read on; one sentence that names the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Reader {
    /// A reader of single events of a search whose start was told before.
    pub fn going_on() -> Self {
        Self { begun: Some(Begun::Search), ..Self::default() }
    }

    /// Takes in the next bytes and tells the events that are whole by now.
    ///
    /// # Errors
    /// A line that is no event of a search; the events before it have been told.
    pub fn feed(&mut self, mut bytes: &[u8], mut tell: impl FnMut(Event)) -> Result<(), Unreadable> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            let event = if self.pending.is_empty() {
                self.event(line)
            } else {
                self.pending.extend_from_slice(line);
                let whole = std::mem::take(&mut self.pending);
                self.event(&whole)
            }?;
            event.into_iter().for_each(&mut tell);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > LONGEST {
            return Err(self.wrong(1, "longer than any event"));
        }
        Ok(())
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// The last line has no end, or there was no event at all.
    pub fn end(&self) -> Result<(), Unreadable> {
        if !self.pending.iter().all(u8::is_ascii_whitespace) {
            return Err(self.wrong(1, "it ends in the middle of an event"));
        }
        if self.begun.is_some() { Ok(()) } else { Err(self.wrong(1, "there is no event")) }
    }

    fn wrong(&self, further: usize, problem: &str) -> Unreadable {
        Unreadable { line: self.line + further, problem: problem.into() }
    }

    fn event(&mut self, line: &[u8]) -> Result<Option<Event>, Unreadable> {
        self.line += 1;
        if line.len() > LONGEST {
            return Err(self.wrong(0, "longer than any event"));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let event: Event = serde_json::from_slice(line).map_err(|error| self.wrong(0, &told(&error)))?;
        match &event {
            Event::Started { .. } => self.begun = Some(Begun::Of(Task::Convolutional)),
            Event::RecurrentStarted { .. } => self.begun = Some(Begun::Of(Task::Recurrent)),
            Event::TrainStarted { .. } | Event::TextTrainStarted { .. } => {
                return Err(self.wrong(0, "this is the log of a training run, and the page shows searches"));
            }
            _ => match (self.begun, task_of(&event)) {
                (None, _) => return Err(self.wrong(0, "the log does not begin with the start of a search")),
                (Some(Begun::Of(task)), Some(other)) if task != other => {
                    return Err(self.wrong(0, "a search of one kind goes on with an event of the other"));
                }
                _ => {}
            },
        }
        check(&event).map_err(|problem| self.wrong(0, &problem))?;
        Ok(Some(event))
    }
}

/// The task whose searches tell such events, where only one does.
fn task_of(event: &Event) -> Option<Task> {
    match event {
        Event::Step { .. } | Event::Epoch { .. } | Event::Steered { .. } | Event::Finished { .. } => {
            Some(Task::Convolutional)
        }
        Event::RecurrentStep { .. }
        | Event::RecurrentEpoch { .. }
        | Event::RecurrentSteered { .. }
        | Event::Sampled { .. }
        | Event::RecurrentFinished { .. } => Some(Task::Recurrent),
        _ => None,
    }
}

/// What JSON says is wrong, without its line, which is always 1, and cut to what a sentence can hold.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string().replace(" at line 1 column", " at column");
    let short: String = text.chars().filter(|c| !c.is_control()).take(160).collect();
    if short.len() < text.len() { short + "\u{2026}" } else { short }
}

/// Whether what the views index by is as long as they expect.
fn check(event: &Event) -> Result<(), String> {
    match event {
        Event::Started { config, steps_per_epoch, alphas, .. } => {
            config.check().map_err(|error| error.to_string())?;
            if *steps_per_epoch == 0 || *steps_per_epoch > MOST_STEPS {
                return Err(format!("{steps_per_epoch} steps an epoch make no search"));
            }
            check_alphas(alphas)
        }
        Event::RecurrentStarted { config, alphas, .. } => {
            config.check().map_err(|error| error.to_string())?;
            check_recurrent_alphas(alphas)
        }
        Event::Step { step, .. }
        | Event::RecurrentStep { step, .. }
        | Event::Sampled { step, .. }
        | Event::Steered { step, .. }
        | Event::RecurrentSteered { step, .. }
            if *step > MOST_STEPS =>
        {
            Err(format!("{step} is no step"))
        }
        Event::Step { architecture, .. } => architecture.as_ref().map_or(Ok(()), check_alphas),
        Event::RecurrentStep { architecture, .. } => architecture.as_ref().map_or(Ok(()), check_recurrent_alphas),
        Event::RecurrentEpoch { architecture, genotype, .. }
        | Event::RecurrentFinished { architecture, genotype, .. } => {
            check_recurrent_alphas(architecture)?;
            check_recurrent_genotype(genotype)
        }
        Event::Epoch { architecture, genotype, .. } | Event::Finished { architecture, genotype, .. } => {
            check_alphas(architecture)?;
            check_genotype(genotype)
        }
        Event::Steered { architecture, .. } => check_alphas(architecture),
        Event::RecurrentSteered { architecture, .. } => check_recurrent_alphas(architecture),
        _ => Ok(()),
    }
}

fn check_alphas(alphas: &Alphas) -> Result<(), String> {
    for (name, rows) in [("normal", &alphas.normal), ("reduce", &alphas.reduce)] {
        if rows.len() != EDGES || rows.iter().any(|row| row.len() != Op::CANDIDATES.len()) {
            return Err(format!("the alphas of {name} cells are not {EDGES} by {}", Op::CANDIDATES.len()));
        }
        if let Some(alpha) = rows.iter().flatten().find(|alpha| !alpha.is_finite()) {
            return Err(format!("an alpha of {name} cells is {alpha}"));
        }
    }
    Ok(())
}

fn check_recurrent_alphas(alphas: &RecurrentAlphas) -> Result<(), String> {
    let ops = RecurrentOp::CANDIDATES.len();
    if alphas.rows.len() != RECURRENT_EDGES || alphas.rows.iter().any(|row| row.len() != ops) {
        return Err(format!("the alphas of the recurrent cell are not {RECURRENT_EDGES} by {ops}"));
    }
    match alphas.rows.iter().flatten().find(|alpha| !alpha.is_finite()) {
        Some(alpha) => Err(format!("an alpha of the recurrent cell is {alpha}")),
        None => Ok(()),
    }
}

fn check_recurrent_genotype(genotype: &RecurrentGenotype) -> Result<(), String> {
    genotype.check().map_err(|error| error.to_string())?;
    match genotype.recurrent.len() {
        RECURRENT_NODES => Ok(()),
        nodes => Err(format!("a search derives {RECURRENT_NODES} nodes, and these are {nodes}")),
    }
}

fn check_genotype(genotype: &Genotype) -> Result<(), String> {
    genotype.check_derived().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Run;
    use darts_engine::{
        config::{RecurrentConfig, SearchConfig},
        event::{Measure, WordMeasure},
        intervention::{SteeredCell, Steering},
    };

    fn alphas(step: usize) -> Alphas {
        Alphas::from_flat(&(0..224).map(|i| ((i * 7 + step * 3) % 31) as f32 / 50.0).collect::<Vec<_>>())
    }

    /// A run of `steps` steps, ten an epoch.
    fn events(steps: usize) -> Vec<Event> {
        let measure = Measure { loss: 2.0, accuracy: 0.5 };
        let mut events = vec![Event::Started {
            config: SearchConfig { epochs: steps / 10, ..SearchConfig::default() },
            adapter: "a <b>device</b>".into(),
            backend: "Vulkan".into(),
            parameters: 7,
            weight_images: 640,
            alpha_images: 640,
            steps_per_epoch: 10,
            alphas: alphas(0),
        }];
        for step in 0..steps {
            events.push(Event::Step {
                epoch: step / 10,
                step,
                weights: measure,
                alphas: measure,
                gradient_norm: 1.0,
                seconds: 0.5,
                architecture: (step % 3 == 0).then(|| alphas(step)),
            });
            if (step + 1) % 10 == 0 {
                events.push(Event::Epoch {
                    epoch: step / 10,
                    learning_rate: 0.1,
                    weights: measure,
                    alphas: measure,
                    images_per_second: 3.0,
                    seconds: 1.0,
                    architecture: alphas(step),
                    genotype: alphas(step).genotype(),
                    curvature: None,
                });
            }
        }
        events
    }

    /// A recurrent run of `steps` steps, ten an epoch, that writes now and then.
    fn recurrent_events(steps: usize) -> Vec<Event> {
        let alphas = |step: usize| {
            RecurrentAlphas::from_flat(&(0..180).map(|i| ((i * 7 + step * 3) % 31) as f32 / 50.0).collect::<Vec<_>>())
        };
        let measure = WordMeasure::new(3.0);
        let mut events = vec![Event::RecurrentStarted {
            config: RecurrentConfig { epochs: steps / 10, ..RecurrentConfig::default() },
            adapter: "a device".into(),
            backend: "Vulkan".into(),
            parameters: 7,
            vocabulary: 40,
            train_words: 900,
            valid_words: 90,
            rows: 100,
            alphas: alphas(0),
        }];
        for step in 0..steps {
            let epoch = step / 10;
            events.push(Event::RecurrentStep {
                epoch,
                step,
                row: 10 * (step % 10 + 1),
                words: 160,
                weights: measure,
                alphas: measure,
                gradient_norm: 1.0,
                seconds: 0.5,
                architecture: (step % 3 == 0).then(|| alphas(step)),
            });
            if step % 7 == 3 {
                events.push(Event::RecurrentSteered {
                    step: step + 1,
                    steering: Steering::Prune {
                        cell: SteeredCell::Recurrent,
                        edge: step % 36,
                        op: RecurrentOp::Relu.into(),
                    },
                    architecture: alphas(step),
                });
            }
            if (step + 1) % 10 == 0 {
                events.push(Event::RecurrentEpoch {
                    epoch,
                    weights: measure,
                    alphas: measure,
                    valid: measure,
                    words_per_second: 3.0,
                    seconds: 1.0,
                    architecture: alphas(step),
                    genotype: alphas(step).genotype(),
                });
                events.push(Event::Sampled { step: step + 1, temperature: 0.8, seed: 1, text: "<b>a\nb".into() });
            }
        }
        events
    }

    fn log(events: &[Event]) -> Vec<u8> {
        events.iter().flat_map(|event| serde_json::to_vec(event).unwrap().into_iter().chain([b'\n'])).collect()
    }

    fn read(bytes: &[u8], piece: usize) -> (Vec<Event>, Result<(), Unreadable>) {
        let (mut reader, mut events) = (Reader::default(), Vec::new());
        let outcome = bytes.chunks(piece).try_for_each(|piece| reader.feed(piece, |event| events.push(event)));
        (events, outcome.and_then(|()| reader.end()))
    }

    #[test]
    fn a_log_reads_back_in_pieces_of_any_size_and_replays_as_the_live_run_did() {
        for live in [events(40), recurrent_events(40)] {
            let bytes = log(&live);
            for piece in [1, 7, 4096, bytes.len()] {
                let (told, outcome) = read(&bytes, piece);
                assert_eq!(outcome, Ok(()));
                assert_eq!(told, live);
            }
            assert_eq!(Run::replay(&read(&bytes, 100).0), Run::replay(&live));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_came_before_stays() {
        let live = events(10);
        let bytes = log(&live);
        let (told, outcome) = read(&bytes[..bytes.len() - 9], 1000);
        assert_eq!(told.len(), live.len() - 1);
        assert_eq!(outcome.unwrap_err().to_string(), "line 12: it ends in the middle of an event");
        let wrong = |text: &str| {
            let mut bytes = log(&live[..1]);
            bytes.extend_from_slice(text.as_bytes());
            read(&bytes, 512).1.unwrap_err().to_string()
        };
        assert_eq!(wrong("{}\n"), "line 2: missing field `type` at column 2");
        let short = serde_json::to_string(&live[1]).unwrap().replacen("[[", "[[0.5,", 1);
        assert_eq!(wrong(&(short + "\n")), "line 2: the alphas of normal cells are not 14 by 8");
        assert_eq!(wrong(&" ".repeat(LONGEST + 2)), "line 2: longer than any event");
        assert_eq!(read(b"\n \n", 1).1.unwrap_err().to_string(), "line 3: there is no event");
        let begun = read(&log(&live[1..2]), 99).1.unwrap_err().to_string();
        assert_eq!(begun, "line 1: the log does not begin with the start of a search");
        let recurrent = recurrent_events(10);
        let other = wrong(&String::from_utf8(log(&recurrent[1..2])).unwrap());
        assert_eq!(other, "line 2: a search of one kind goes on with an event of the other");
        let short = serde_json::to_string(&recurrent[0]).unwrap().replacen("[[", "[[0.5,", 1) + "\n";
        let short = read(short.as_bytes(), 99).1.unwrap_err().to_string();
        assert_eq!(short, "line 1: the alphas of the recurrent cell are not 36 by 5");
        let long = read(format!("{{\"type\":\"{}\"}}\n", "x".repeat(9999)).as_bytes(), 512).1.unwrap_err();
        assert!(long.problem.len() < 400, "{long}");
    }

    /// Whatever is done to a log, it is read or refused, and what is read can be shown.
    #[test]
    fn mutated_logs_are_read_or_refused() {
        let logs = [log(&events(20)), log(&recurrent_events(20))];
        let mut rng = fastrand::Rng::with_seed(11);
        let mut refused = 0;
        for round in 0..4000 {
            let mut mutated = logs[round % 2].clone();
            for _ in 0..rng.usize(1..6) {
                let at = rng.usize(..mutated.len());
                match rng.usize(..5) {
                    0 => mutated[at] = rng.u8(..),
                    1 => mutated[at] = b"0123456789-.eE[]{},:\"\n"[rng.usize(..22)],
                    2 => drop(mutated.remove(at)),
                    3 => mutated.truncate(at.max(1)),
                    _ => {
                        let from = rng.usize(..mutated.len());
                        let part: Vec<u8> = mutated[from..(from + rng.usize(..80)).min(mutated.len())].to_vec();
                        mutated.splice(at..at, part);
                    }
                }
            }
            let (told, outcome) = read(&mutated, rng.usize(1..5000));
            refused += usize::from(outcome.is_err());
            let run = Run::replay(&told);
            let Some(task) = run.task() else { continue };
            for frame in run.frames.all() {
                let edges: usize = task.kinds().iter().map(|kind| kind.edge_count()).sum();
                assert_eq!((frame.alphas.task(), frame.entropy.len()), (task, edges));
                for kind in task.kinds() {
                    assert!(frame.alphas.of(*kind).iter().all(|row| row.len() == kind.op_count()));
                }
            }
            run.genotype.unwrap().check().unwrap();
        }
        assert!(refused > 1000, "{refused}");
    }
}
