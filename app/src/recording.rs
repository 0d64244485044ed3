//! A recorded run, read in pieces of any size: lines of `events.jsonl`, of this version or of version 1, each of them checked.

use darts_engine::{
    event::Event,
    space::{Alphas, Genotype, Space},
};

/// Maximum length of a line: many times that of any event.
const MAX_LINE: usize = 1 << 20;

/// Maximum number of steps, and of epochs, that is accepted.
const MAX_STEPS: usize = 1 << 30;

/// Splits a log into events.
#[derive(Debug, Default)]
pub struct Reader {
    pending: Vec<u8>,
    line: usize,
    begun: Option<Begun>,
}

/// Kind of log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// Of a search in any space.
    Search,
    /// Of a search in this space.
    Of(Space),
}

/// Error in a log; one sentence that names the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Line, from 1.
    pub line: usize,
    /// Fault.
    pub problem: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl Reader {
    /// Reader of single events of a search whose start was reported before.
    pub fn going_on() -> Self {
        Self { begun: Some(Begun::Search), ..Self::default() }
    }

    /// Takes in the next bytes and emits the events that are whole by now.
    ///
    /// # Errors
    /// A line that is no event of a search; the events before it have been emitted.
    pub fn feed(&mut self, mut bytes: &[u8], mut emit: impl FnMut(Event)) -> Result<(), Unreadable> {
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
            event.into_iter().for_each(&mut emit);
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > MAX_LINE {
            return Err(self.wrong(1, "longer than any event"));
        }
        Ok(())
    }

    /// Checks that the log can end here.
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
        if line.len() > MAX_LINE {
            return Err(self.wrong(0, "longer than any event"));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let event = Event::from_json(line).map_err(|error| self.wrong(0, &fault(&error)))?;
        self.place(&event).and_then(|()| check(&event)).map_err(|problem| self.wrong(0, &problem))?;
        Ok(Some(event))
    }

    /// Checks that the event can come where it does.
    fn place(&mut self, event: &Event) -> Result<(), String> {
        match (event, self.begun) {
            (Event::Started { config, .. }, _) => self.begun = Some(Begun::Of(config.space())),
            (Event::TrainStarted { .. }, _) => {
                return Err("this is the log of a training run, and the page shows searches".into());
            }
            (_, None) => return Err("the log does not begin with the start of a search".into()),
            (_, Some(Begun::Search)) => {}
            (_, Some(Begun::Of(space))) => {
                if let Some(other) = spaces(event).find(|other| *other != space) {
                    return Err(format!(
                        "a search in the {space} space continues with an event of one in the {other} space"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Alphas of an event of a search.
fn alphas(event: &Event) -> Option<&Alphas> {
    match event {
        Event::Step { alphas, .. } => alphas.as_ref(),
        Event::Started { alphas, .. }
        | Event::Epoch { alphas, .. }
        | Event::Intervention { alphas, .. }
        | Event::Finished { alphas, .. } => Some(alphas),
        _ => None,
    }
}

/// Derived cells of an event of a search.
fn genotype(event: &Event) -> Option<&Genotype> {
    match event {
        Event::Epoch { genotype, .. } | Event::Finished { genotype, .. } => Some(genotype),
        _ => None,
    }
}

/// Spaces that an event belongs to: one, if it is sound.
fn spaces(event: &Event) -> impl Iterator<Item = Space> {
    alphas(event).map(Alphas::space).into_iter().chain(genotype(event).map(Genotype::space))
}

/// Error in JSON, without its line, which is always 1, and cut to fit in a sentence.
fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string().replace(" at line 1 column", " at column");
    let short: String = text.chars().filter(|c| !c.is_control()).take(160).collect();
    if short.len() < text.len() { short + "\u{2026}" } else { short }
}

/// Checks what the engine does not check when it reads an event: settings, counts and cells. Alphas have their shape.
fn check(event: &Event) -> Result<(), String> {
    match event {
        Event::Started { config, steps_per_epoch, alphas, .. } => {
            config.check().map_err(|error| error.to_string())?;
            if let Some(steps) = steps_per_epoch.filter(|steps| !(1..=MAX_STEPS).contains(steps)) {
                return Err(format!("{steps} steps an epoch make no search"));
            }
            if alphas.space() != config.space() {
                return Err(format!(
                    "a search in the {} space has alphas of the {} space",
                    config.space(),
                    alphas.space()
                ));
            }
        }
        Event::Step { step, .. } | Event::Sampled { step, .. } | Event::Intervention { step, .. }
            if *step > MAX_STEPS =>
        {
            return Err(format!("{step} is no step"));
        }
        Event::Step { epoch, .. } | Event::Epoch { epoch, .. } if *epoch > MAX_STEPS => {
            return Err(format!("{epoch} is no epoch"));
        }
        _ => {}
    }
    genotype(event).map_or(Ok(()), Genotype::check_derived).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cells::Kind,
        describe::network,
        run::{End, Run},
    };
    use darts_engine::{
        config::{AnySearchConfig, RecurrentConfig, SearchConfig},
        event::{LOG_VERSION, Measure},
        intervention::Intervention,
        space::{CONVOLUTIONAL, Op, RECURRENT},
    };

    /// Logs of version 1.
    const OLD_IMAGES: &str = include_str!("version1/images.jsonl");
    const OLD_TEXT: &str = include_str!("version1/text.jsonl");

    fn alphas(space: Space, step: usize) -> Alphas {
        let [rows, ops] = space.alpha_shape();
        Alphas::from_flat(space, &(0..rows * ops).map(|i| ((i * 7 + step * 3) % 31) as f32 / 50.0).collect::<Vec<_>>())
    }

    fn started(config: impl Into<AnySearchConfig>, vocabulary: Option<usize>) -> Event {
        let config = config.into();
        Event::Started {
            version: LOG_VERSION,
            adapter: "a <b>device</b>".into(),
            backend: "Vulkan".into(),
            parameters: 7,
            train_examples: 640,
            valid_examples: 640,
            steps_per_epoch: vocabulary.is_none().then_some(10),
            rows: vocabulary.map(|_| 100),
            vocabulary,
            alphas: alphas(config.space(), 0),
            config,
        }
    }

    /// Step, and the end of its epoch after every tenth.
    fn step(space: Space, step: usize, row: Option<usize>, measure: Measure) -> Vec<Event> {
        let mut events = vec![Event::Step {
            epoch: step / 10,
            step,
            row,
            examples: row.map(|_| 160),
            train: measure,
            valid: measure,
            gradient_norm: 1.0,
            seconds: 0.5,
            alphas: step.is_multiple_of(3).then(|| alphas(space, step)),
        }];
        if (step + 1).is_multiple_of(10) {
            events.push(Event::Epoch {
                epoch: step / 10,
                learning_rate: row.is_none().then_some(0.1),
                train: measure,
                valid: measure,
                evaluation: row.map(|_| measure),
                examples_per_second: 3.0,
                seconds: 1.0,
                genotype: alphas(space, step).genotype(),
                alphas: alphas(space, step),
                curvature: None,
            });
        }
        events
    }

    /// A run of `steps` steps, ten an epoch.
    fn events(steps: usize) -> Vec<Event> {
        let mut events = vec![started(SearchConfig { epochs: steps / 10, ..SearchConfig::default() }, None)];
        events.extend((0..steps).flat_map(|i| step(CONVOLUTIONAL, i, None, Measure::images(2.0, 0.5))));
        events
    }

    /// A run on text of `steps` steps, ten an epoch, with interventions and samples.
    fn text_events(steps: usize) -> Vec<Event> {
        let config = RecurrentConfig { epochs: steps / 10, ..RecurrentConfig::default() };
        let mut events = vec![started(config, Some(40))];
        for i in 0..steps {
            events.extend(step(RECURRENT, i, Some(10 * (i % 10 + 1)), Measure::words(3.0)));
            if i % 7 == 3 {
                let cell = Kind::named("recurrent").unwrap().cell_name();
                let intervention = Intervention::Prune { cell, edge: i % 36, op: Op::RELU };
                events.push(Event::Intervention { step: i + 1, intervention, alphas: alphas(RECURRENT, i) });
            }
            if (i + 1) % 10 == 0 {
                events.push(Event::Sampled { step: i + 1, temperature: 0.8, seed: 1, text: "<b>a\nb".into() });
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
        for live in [events(40), text_events(40)] {
            let bytes = log(&live);
            for piece in [1, 7, 4096, bytes.len()] {
                let (read, outcome) = read(&bytes, piece);
                assert_eq!(outcome, Ok(()));
                assert_eq!(read, live);
            }
            assert_eq!(Run::replay(&read(&bytes, 100).0), Run::replay(&live));
        }
    }

    #[test]
    fn logs_of_version_1_are_read_and_go_on_in_this_version() {
        let (images, outcome) = read(OLD_IMAGES.as_bytes(), 4096);
        assert_eq!(outcome, Ok(()));
        let run = Run::replay(&images);
        assert_eq!((run.steps, run.total_steps(), run.interventions.len()), (2, Some(2), 1));
        assert_eq!((run.course.weight_rate, run.course.alpha_rate), (0.025, 0.3));
        let started = run.started.as_ref().unwrap();
        assert_eq!((started.examples(), network(&started.config)), (8, "3 cells of 2 channels".to_owned()));
        let last = run.last.as_ref().unwrap();
        assert_eq!((last.train, last.valid), (Measure::images(2.2667956, 0.0), Measure::images(2.2542808, 0.5)));
        assert_eq!(run.epochs[0].curvature, Some(0.020224286));
        assert_eq!(run.end, Some(End::Finished { seconds: 0.086194907 }));

        let (text, outcome) = read(OLD_TEXT.as_bytes(), 4096);
        assert_eq!(outcome, Ok(()));
        let run = Run::replay(&text);
        assert_eq!((run.steps, run.samples.len(), run.interventions.len()), (2, 1, 1));
        let started = run.started.as_ref().unwrap();
        assert_eq!((started.examples(), started.vocabulary), (602, Some(8)));
        assert_eq!(run.epochs[0].evaluation.map(|measure| measure.loss), Some(2.076965));

        for (events, old) in [(images, OLD_IMAGES), (text, OLD_TEXT)] {
            // As where a search that was saved by an older page goes on.
            let lines: Vec<&str> = old.lines().collect();
            let mixed = [format!("{}\n{}\n", lines[0], lines[1]).into_bytes(), log(&events[2..])].concat();
            assert_eq!(read(&mixed, 4096), (events, Ok(())));
        }
    }

    #[test]
    fn a_fault_is_reported_with_its_line_and_what_came_before_stays() {
        let live = events(10);
        let bytes = log(&live);
        let (whole, outcome) = read(&bytes[..bytes.len() - 9], 1000);
        assert_eq!(whole.len(), live.len() - 1);
        assert_eq!(outcome.unwrap_err().to_string(), "line 12: it ends in the middle of an event");
        let wrong = |text: &str| {
            let mut bytes = log(&live[..1]);
            bytes.extend_from_slice(text.as_bytes());
            read(&bytes, 512).1.unwrap_err().to_string()
        };
        assert_eq!(wrong("{}\n"), "line 2: missing field `type` at column 2");
        let short = serde_json::to_string(&live[1]).unwrap().replacen("[[", "[[0.5,", 1);
        assert_eq!(wrong(&(short + "\n")), "line 2: normal is not a matrix of 14 rows and 8 columns");
        assert_eq!(wrong(&" ".repeat(MAX_LINE + 2)), "line 2: longer than any event");
        assert_eq!(read(b"\n \n", 1).1.unwrap_err().to_string(), "line 3: there is no event");
        let begun = read(&log(&live[1..2]), 99).1.unwrap_err().to_string();
        assert_eq!(begun, "line 1: the log does not begin with the start of a search");
        let text = text_events(10);
        let other = wrong(&String::from_utf8(log(&text[1..2])).unwrap());
        assert_eq!(
            other,
            "line 2: a search in the convolutional space continues with an event of one in the recurrent space"
        );
        let short = serde_json::to_string(&text[0]).unwrap().replacen("[[", "[[0.5,", 1) + "\n";
        let short = read(short.as_bytes(), 99).1.unwrap_err().to_string();
        assert_eq!(short, "line 1: recurrent is not a matrix of 36 rows and 5 columns");
        let mixed =
            serde_json::to_string(&text[0]).unwrap().replace("\"space\":\"recurrent\"", "\"space\":\"convolutional\"");
        let mixed = mixed.replace("\"hidden\":300,\"bptt\":35,", "");
        assert!(read((mixed + "\n").as_bytes(), 99).1.unwrap_err().problem.contains("unknown field"));
        let far =
            wrong(&(serde_json::to_string(&live[2]).unwrap().replace("\"epoch\":0", "\"epoch\":4294967295") + "\n"));
        assert_eq!(far, "line 2: 4294967295 is no epoch");
        let long = read(format!("{{\"type\":\"{}\"}}\n", "x".repeat(9999)).as_bytes(), 512).1.unwrap_err();
        assert!(long.problem.len() < 400, "{long}");
    }

    /// Whatever is done to a log, it is read or refused, and what is read can be shown.
    #[test]
    fn mutated_logs_are_read_or_refused() {
        let logs = [log(&events(20)), log(&text_events(20)), OLD_IMAGES.into(), OLD_TEXT.into()];
        let mut rng = fastrand::Rng::with_seed(11);
        let mut refused = 0;
        for round in 0..4000 {
            let mut mutated = logs[round % 4].clone();
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
            let (events, outcome) = read(&mutated, rng.usize(1..5000));
            refused += usize::from(outcome.is_err());
            let run = Run::replay(&events);
            let Some(task) = run.task() else { continue };
            for frame in run.frames.all() {
                assert_eq!((frame.alphas.task(), frame.entropy.len()), (task, task.0.rows()));
                for kind in task.kinds() {
                    assert!(frame.alphas.of(kind).iter().all(|row| row.len() == kind.op_count()));
                }
            }
            run.genotype.unwrap().check().unwrap();
        }
        assert!(refused > 1000, "{refused}");
    }
}
