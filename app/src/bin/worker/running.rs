//! The search of the page, and the rehearsal of one that may come.

use crate::{
    port::send,
    search::{AnySearch, Purpose, begin},
};
use darts_app::{
    fingerprint::{fingerprint, same_search},
    messages::{Activity, Message, SearchRequest},
};
use darts_engine::{
    Error,
    checkpoint::{Checkpoint, LogMark},
    device::Compute,
    event::Event,
    intervention::Control,
    search::{REHEARSALS, Sampling},
};

/// Milliseconds between snapshots while a search runs.
const SNAPSHOT_EVERY: f64 = 10_000.0;
/// Steps between texts that a network writes unasked; the first comes after the first step.
const WRITE_EVERY: usize = 25;
/// Text that a network writes unasked.
const UNASKED: Sampling = Sampling { words: 60, temperature: 0.8, seed: 0 };

/// A search and how far it may go.
pub struct Current {
    run: u32,
    search: Box<dyn AnySearch>,
    /// Fingerprint, from before any intervention.
    began: String,
    /// Milliseconds at which the last snapshot was taken, and the steps done by then.
    snapshot: (f64, usize),
    going: bool,
    /// Single steps requested.
    owed: usize,
    activity: Activity,
}

impl Current {
    /// Starts a search, or resumes one from its checkpoint, and reports it to the page.
    ///
    /// # Errors
    /// The search cannot be set up, or the checkpoint is of another one.
    pub async fn start(
        run: u32,
        request: SearchRequest,
        checkpoint: Option<&[u8]>,
        paused: bool,
        compute: &Compute,
    ) -> Result<Self, String> {
        let refused = |why: String| format!("the saved search cannot be resumed: its checkpoint {why}");
        let checkpoint =
            checkpoint.map(Checkpoint::from_bytes).transpose().map_err(|error| refused(error.to_string()))?;
        let mut search = begin(request, Purpose::Search(run), compute).await?;
        let event = search.started();
        let began = fingerprint(&event);
        match checkpoint {
            None => send(&Message::Event { run, event: event.into() }),
            Some(checkpoint) if same_search(&checkpoint.config, &began) => {
                search.restore(&checkpoint.state).map_err(|error| refused(error.to_string()))?;
            }
            Some(_) => return Err(refused("is of other data, another device or another version of this page".into())),
        }
        let snapshot = (js_sys::Date::now(), search.steps_done());
        Ok(Self { run, search, began, snapshot, going: !paused, owed: 0, activity: Activity::Building })
    }

    /// Whether a step is due.
    pub fn may_step(&self) -> bool {
        (self.going || self.owed > 0) && !self.search.is_finished()
    }

    /// Takes a step and reports its events; then writes text, if that is due.
    ///
    /// # Errors
    /// The device failed, or a number is no longer finite; the error is reported to the page.
    pub async fn step(&mut self) -> Result<(), String> {
        self.is(Activity::Stepping);
        let done = self.try_step().await.map_err(|error| error.to_string());
        if let Err(message) = &done {
            self.report(Event::Failed { message: message.clone() });
        }
        done
    }

    async fn try_step(&mut self) -> Result<(), Error> {
        let events = self.search.step().await?;
        self.owed = self.owed.saturating_sub(1);
        let due = events.iter().find_map(|event| match event {
            Event::Step { step, .. } if *step == 0 || (step + 1).is_multiple_of(WRITE_EVERY) => Some(step + 1),
            _ => None,
        });
        let (over, events): (Vec<Event>, Vec<Event>) =
            events.into_iter().partition(|event| matches!(event, Event::Finished { .. }));
        events.into_iter().for_each(|event| self.report(event));
        if let Some(step) = due {
            self.write(Sampling { seed: step as u64, ..UNASKED }).await?;
        }
        over.into_iter().for_each(|event| self.report(event));
        self.save(false).await
    }

    /// Waits for a command: saves what was done since the last snapshot.
    ///
    /// # Errors
    /// The device failed.
    pub async fn hold(&mut self) -> Result<(), Error> {
        self.save(true).await?;
        self.is(Activity::Holding);
        Ok(())
    }

    /// Sends a snapshot, if anything changed since the last; not too often, unless it is `due`.
    async fn save(&mut self, due: bool) -> Result<(), Error> {
        let search = &self.search;
        let (now, steps) = (js_sys::Date::now(), search.steps_done());
        let (then, known) = self.snapshot;
        if steps == known || search.is_finished() || !(due || search.ends_epoch() || now - then > SNAPSHOT_EVERY) {
            return Ok(());
        }
        let state = search.state().await?;
        // The page has the log, and saves both together.
        let checkpoint = Checkpoint { step: steps, config: self.began.clone(), log: LogMark::default(), state };
        send(&Message::Snapshot { run: self.run, checkpoint: checkpoint.to_bytes() });
        self.snapshot = (js_sys::Date::now(), steps);
        Ok(())
    }

    /// Writes text with the network, if it is a language model, and reports it.
    ///
    /// # Errors
    /// The device failed.
    pub async fn write(&mut self, sampling: Sampling) -> Result<(), Error> {
        if !self.search.writes() {
            return Ok(());
        }
        let before = self.activity;
        self.is(Activity::Writing);
        if let Some(event) = self.search.sample(sampling).await? {
            self.report(event);
        }
        self.is(before);
        Ok(())
    }

    /// Handles a request to the current search.
    ///
    /// # Errors
    /// The device failed.
    pub async fn control(&mut self, control: Control) -> Result<(), Error> {
        match control {
            Control::Pause => (self.going, self.owed) = (false, 0),
            Control::Resume => self.going = true,
            Control::Step => (self.going, self.owed) = (false, self.owed + 1),
            Control::Intervene { intervention } => match self.search.intervene(intervention).await? {
                Ok(event) => {
                    self.report(event);
                    // Without a step done, it is a different search all the same.
                    self.snapshot.1 = usize::MAX;
                }
                Err(refused) => send(&Message::Refused { run: self.run, reason: refused.to_string() }),
            },
            Control::Stop => {}
        }
        Ok(())
    }

    fn report(&self, event: Event) {
        send(&Message::Event { run: self.run, event: event.into() });
    }

    fn is(&mut self, activity: Activity) {
        if self.activity != activity {
            self.activity = activity;
            send(&Message::Status { run: self.run, activity });
        }
    }
}

/// A search that may come, and how many parts of its shaders are compiled.
pub struct Rehearsal {
    search: Box<dyn AnySearch>,
    parts: usize,
}

impl Rehearsal {
    /// Sets up the search.
    ///
    /// # Errors
    /// There is no such search.
    pub async fn begin(request: SearchRequest, compute: &Compute) -> Result<Self, String> {
        Ok(Self { search: begin(request, Purpose::Rehearsal, compute).await?, parts: 0 })
    }

    /// Has the next part compiled. Returns whether there are more.
    ///
    /// # Errors
    /// The device failed.
    pub async fn go_on(&mut self) -> Result<bool, Error> {
        self.search.rehearse(self.parts).await?;
        self.parts += 1;
        Ok(self.parts < REHEARSALS)
    }
}
