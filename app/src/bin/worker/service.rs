//! The worker's loop: commands first, then a step of what is to be stepped.

use crate::{
    port::{AdapterInfo, adapter_info, breathe, send},
    race::Race,
    running::{Current, Rehearsal},
};
use darts_app::messages::{Command, Message};
use darts_engine::{
    bench::step_benchmark,
    config::SearchConfig,
    device::{Compute, DeviceChoice},
    event::Event,
    intervention::Control,
    search::Sampling,
};
use futures::{StreamExt, channel::mpsc};

/// Takes commands until the page is gone.
///
/// # Errors
/// The device failed. It may be gone, so the page replaces this worker.
pub async fn serve(inbox: mpsc::UnboundedReceiver<Command>) -> Result<(), String> {
    let compute = acquire().await;
    Service { inbox, compute, current: None, race: None, rehearsal: None }.run().await
}

/// Acquires the GPU, or the CPU if there is none, and reports which.
async fn acquire() -> Compute {
    // Without an adapter there is nothing to acquire, and the runtime would panic.
    let info = adapter_info().await;
    let acquired = match &info {
        Some(_) => {
            Compute::acquire(DeviceChoice::Auto).await.map_err(|error| format!("WebGPU does not start: {error}."))
        }
        None => Err("WebGPU has no adapter here.".to_owned()),
    };
    let (compute, instead) = match acquired {
        Ok(compute) => (compute, None),
        Err(reason) => (Compute::cpu(), Some(reason)),
    };
    let AdapterInfo { name, software } = info.filter(|_| instead.is_none()).unwrap_or_default();
    send(&Message::Ready {
        adapter: name.unwrap_or_else(|| compute.adapter.clone()),
        backend: compute.backend.clone(),
        software: compute.software || software,
        instead,
    });
    compute
}

/// Tasks of the worker.
struct Service {
    inbox: mpsc::UnboundedReceiver<Command>,
    compute: Compute,
    current: Option<Current>,
    race: Option<Race>,
    rehearsal: Option<Rehearsal>,
}

impl Service {
    async fn run(mut self) -> Result<(), String> {
        loop {
            if let Some(current) = self.current.as_mut().filter(|current| !current.may_step()) {
                current.hold().await.map_err(|error| error.to_string())?;
            }
            self.race = self.race.take().filter(|race| !race.is_over());
            // Pending commands come before the next step; without a step to do, the worker waits for a command.
            let busy = self.race.is_some() || self.current.as_ref().is_some_and(Current::may_step);
            let command = match busy || self.rehearsal.is_some() {
                true => self.inbox.try_recv().ok(),
                false => match self.inbox.next().await {
                    Some(command) => Some(command),
                    None => return Ok(()),
                },
            };
            match command {
                Some(command) => self.obey(command).await?,
                None if busy => self.step().await?,
                None => self.rehearse().await,
            }
        }
    }

    /// A step of the race, and one of the search.
    async fn step(&mut self) -> Result<(), String> {
        if let Some(race) = &mut self.race {
            race.step().await?;
        }
        breathe().await;
        if let Some(current) = self.current.as_mut().filter(|current| current.may_step()) {
            current.step().await?;
            breathe().await;
        }
        Ok(())
    }

    /// A part of the rehearsal; a failed one is given up, as the error returns when the search starts.
    async fn rehearse(&mut self) {
        if let Some(rehearsal) = &mut self.rehearsal
            && !rehearsal.go_on().await.unwrap_or(false)
        {
            self.rehearsal = None;
        }
        breathe().await;
    }

    /// Handles a command.
    async fn obey(&mut self, command: Command) -> Result<(), String> {
        self.rehearsal = None;
        match command {
            Command::Start { run, request, checkpoint, paused } => {
                self.current = None;
                match Current::start(run, request, checkpoint.as_deref(), paused, &self.compute).await {
                    Ok(current) => self.current = Some(current),
                    Err(message) => send(&Message::Event { run, event: Event::Failed { message }.into() }),
                }
            }
            Command::Rehearse { request } => {
                self.rehearsal = Rehearsal::begin(request, &self.compute).await.ok();
            }
            Command::Sample { words, temperature, seed } => {
                if let Some(current) = &mut self.current {
                    let sampling = Sampling { words, temperature, seed };
                    current.write(sampling).await.map_err(|error| error.to_string())?;
                }
            }
            Command::Race { race, config, data, cells } => {
                self.race = None;
                match Race::begin(race, config, data, cells, &self.compute).await {
                    Ok(begun) => self.race = Some(begun),
                    Err(message) => {
                        let event = Event::Failed { message }.into();
                        send(&Message::Raced { race, runner: 0, event });
                    }
                }
            }
            Command::StopRace => self.race = None,
            Command::Control { control: Control::Stop } => self.current = None,
            Command::Control { control } => {
                if let Some(current) = &mut self.current {
                    current.control(control).await.map_err(|error| error.to_string())?;
                }
            }
            Command::Bench { run, config, steps } => self.bench(run, config, steps).await?,
        }
        Ok(())
    }

    /// Times steps; everything else waits.
    async fn bench(&mut self, run: u32, config: SearchConfig, steps: usize) -> Result<(), String> {
        (self.current, self.race) = (None, None);
        let progress = |kind: &str, done| send(&Message::Timing { run, kind: kind.to_owned(), done });
        let figures = step_benchmark(config, steps, false, &self.compute, progress).await;
        let figures = figures.map_err(|error| error.to_string())?;
        send(&Message::Benchmark { run, figures: Box::new(figures) });
        Ok(())
    }
}
