use super::*;
use crate::cells::Kind;
use darts_engine::{
    config::{RecurrentConfig, SearchConfig},
    event::LOG_VERSION,
    space::{CONVOLUTIONAL, Op, RECURRENT, Space},
};

fn alphas(space: Space, favourite: usize) -> Alphas {
    let [rows, ops] = space.alpha_shape();
    Alphas::from_flat(space, &(0..rows * ops).map(|i| f32::from(i % ops == favourite)).collect::<Vec<_>>())
}

fn images(favourite: usize) -> Alphas {
    alphas(CONVOLUTIONAL, favourite)
}

fn kind(name: &str) -> Kind {
    Kind::named(name).unwrap()
}

fn started(epochs: usize) -> Event {
    Event::Started {
        version: LOG_VERSION,
        config: SearchConfig { epochs, batch_size: 8, ..SearchConfig::default() }.into(),
        adapter: "an adapter".into(),
        backend: "WebGPU".into(),
        parameters: 10,
        train_examples: 80,
        valid_examples: 80,
        steps_per_epoch: Some(10),
        rows: None,
        vocabulary: None,
        alphas: images(4),
    }
}

fn step(step: usize, alphas: Option<Alphas>) -> Event {
    Event::Step {
        epoch: step / 10,
        step,
        row: None,
        examples: None,
        train: Measure::images(step as f32, 0.5),
        valid: Measure::images(2.0, 0.25),
        gradient_norm: 1.0,
        seconds: 0.5,
        alphas,
    }
}

#[test]
fn a_run_is_what_its_events_say() {
    let mut events = vec![started(2), step(0, None), step(1, Some(images(3)))];
    let run = Run::replay(&events);
    assert_eq!((run.steps, run.epoch, run.series.points().len()), (2, 0, 2));
    assert_eq!(run.speed(), Some(32.0));
    assert_eq!(run.total_steps(), Some(20));
    assert_eq!(run.changes, [2]);
    assert_eq!(run.genotype.as_ref().unwrap().skips(), [8, 8]);
    let last = run.last.unwrap();
    let share = |op| last.share(kind("normal"), op);
    assert!(((0..8).map(share).sum::<f32>() - 1.0).abs() < 1e-6 && share(3) > share(4));
    assert_eq!(last.share(kind("reduce"), 3), share(3));

    events.push(Event::Failed { message: "the device was lost".into() });
    let run = Run::replay(&events);
    assert_eq!(run.end, Some(End::Failed { message: "the device was lost".into() }));
    assert_eq!(run.steps, 2, "what was shown stays");

    let again = Run::replay(events.iter().chain([&started(1)]));
    assert_eq!(again, Run::replay(&[started(1)]), "a new start forgets the old run");
}

#[test]
fn the_alphas_of_every_moment_can_be_looked_at() {
    let favourite = |i: usize| if i < 12 { 4 } else { 3 };
    let mut events = vec![started(2)];
    events.extend((0..20).map(|i| step(i, Some(images(favourite(i))))));
    let freeze = Intervention::Freeze { frozen: true };
    events.push(Event::Intervention { step: 20, intervention: freeze, alphas: images(3) });
    let run = Run::replay(&events);
    assert_eq!(run.frames.all().len(), 21, "before the first step, and after each");
    for (steps, op) in [(0, 4), (1, 4), (12, 4), (13, 3), (20, 3), (99, 3)] {
        let frame = &run.frames.all()[run.frames.at(steps).unwrap()];
        assert_eq!((frame.steps, &frame.alphas), (steps.min(20), &Matrices(images(op))));
    }
    let moment = run.moment(Some(12), &[]).unwrap();
    assert_eq!((moment.steps, &moment.alphas), (12, &Matrices(images(4))));
    assert_eq!(moment.genotype, Cells(images(4).genotype()));
    let normal = kind("normal");
    let pin = Intervention::Pin { cell: normal.cell_name(), edge: 0, op: Op::DIL_CONV_5X5 };
    let what_if = run.moment(Some(12), &[pin]).unwrap();
    let kept = what_if.genotype.kept(normal)[0];
    assert_eq!((kept.op.op, kept.state), (Op::DIL_CONV_5X5, 0));
    assert_eq!(run.moment(None, &[]).unwrap().steps, 20);
    assert_eq!(run.changes, [13]);
    assert_eq!(run.interventions, [(20, freeze)]);
    assert!(run.course.frozen);
    let row = &run.frames.all()[3].alphas.softmax().of(normal)[0].clone();
    assert!((run.frames.all()[3].entropy[0] - entropy(row)).abs() < 1e-6);
    assert_eq!(run.csv().lines().count(), 21);
    assert!(run.csv().lines().all(|line| line.matches(',').count() == 20));
    assert_eq!(run.entropy_csv().lines().count(), 22);
}

#[test]
fn the_order_of_a_nodes_ops_is_no_change() {
    let a = images(4).genotype();
    let mut b = a.clone();
    b.cells_mut()[0].ops.swap(0, 1);
    assert!(Cells(a.clone()).same(&Cells(b.clone())));
    b.cells_mut()[0].ops[0].0 = Op::SKIP_CONNECT;
    assert!(!Cells(a).same(&Cells(b)));
}

/// A run on text that writes twice.
fn text_events() -> Vec<Event> {
    let alphas = |favourite| alphas(RECURRENT, favourite);
    let mut events = vec![Event::Started {
        version: LOG_VERSION,
        config: RecurrentConfig { epochs: 2, ..RecurrentConfig::default() }.into(),
        adapter: "an adapter".into(),
        backend: "WebGPU".into(),
        parameters: 10,
        train_examples: 900,
        valid_examples: 100,
        steps_per_epoch: None,
        rows: Some(40),
        vocabulary: Some(50),
        alphas: alphas(1),
    }];
    events.extend((0..4).map(|step| Event::Step {
        epoch: step / 2,
        step,
        row: Some(20 * (step + 1)),
        examples: Some(320),
        train: Measure::words(4.0),
        valid: Measure::words(5.0),
        gradient_norm: 1.0,
        seconds: 0.5,
        alphas: Some(alphas(if step < 2 { 1 } else { 4 })),
    }));
    let sampled = |step, text: &str| Event::Sampled { step, temperature: 0.8, seed: 1, text: text.into() };
    events.insert(2, sampled(1, "the the"));
    events.push(sampled(4, "the cat"));
    events.push(Event::Epoch {
        epoch: 1,
        learning_rate: None,
        train: Measure::words(4.0),
        valid: Measure::words(5.0),
        evaluation: Some(Measure::words(4.5)),
        examples_per_second: 1.0,
        seconds: 2.0,
        alphas: alphas(4),
        genotype: alphas(4).genotype(),
        curvature: None,
    });
    events
}

#[test]
fn a_run_on_text_is_what_its_events_say() {
    let run = Run::replay(&text_events());
    assert_eq!((run.task(), run.steps, run.epoch, run.total_steps()), (Some(Task::RECURRENT), 4, 1, None));
    assert_eq!((run.speed(), run.changes.len()), (Some(1280.0), 1));
    assert_eq!(run.epochs[0].evaluation, Some(Measure::words(4.5)));
    let text = |at| run.sample(at).map(|sample| sample.text.as_str());
    assert_eq!([text(None), text(Some(3)), text(Some(0))], [Some("the cat"), Some("the the"), None]);
    let started = run.started.as_ref().unwrap();
    assert_eq!((started.examples(), started.vocabulary, started.epochs()), (1000, Some(50), 2));
    assert!(started.config_of::<SearchConfig>().is_none() && started.config_of::<RecurrentConfig>().is_some());
    let moment = run.moment(None, &[]).unwrap();
    assert_eq!((moment.entropy.len(), moment.weights.of(kind("normal")).len()), (36, 0));
    let cell = moment.genotype.0.cells()[0].clone();
    assert_eq!((cell.ops, cell.concat), (vec![(Op::IDENTITY, 0); 8], (1..=8).collect()));
    // What if its first edge were left only the sigmoid?
    let recurrent = kind("recurrent");
    let pin = Intervention::Pin { cell: recurrent.cell_name(), edge: 0, op: Op::SIGMOID };
    let weights = run.moment(None, &[pin]).unwrap().weights;
    assert!(weights.at(recurrent, 0, 3).unwrap() > 0.999_999);
    let csv = run.csv();
    assert!(csv.starts_with("step,train_loss,train_perplexity,"), "{csv}");
    assert!(csv.lines().all(|line| line.matches(',').count() == 9));
    assert!(csv.contains(&format!(",4,{},", 4.0f32.exp())));
    assert_eq!(run.entropy_csv().lines().next().unwrap().matches(',').count(), 36);
}
