use crate::{
    checkpoint::Resumable,
    config::{AnySearchConfig, Order, SearchConfig},
    data::Dataset,
    device::{Compute, DeviceChoice, block_on},
    error::Error,
    event::Event,
    intervention::{Intervention, InterventionError, PRUNED},
    model::GradientTargets,
    search::{Bilevel, ConvSearch, Stream, accuracy, lanczos::largest_eigenvalue, sgd::norm, supernet_for},
    space::{CONVOLUTIONAL, CellName, Op},
};
use burn::tensor::TensorData;

fn tiny() -> SearchConfig {
    SearchConfig {
        epochs: 2,
        batch_size: 2,
        init_channels: 2,
        layers: 2,
        train_images: Some(9),
        report_every: 3,
        seed: 7,
        ..SearchConfig::default()
    }
}

fn compute() -> Compute {
    block_on(Compute::acquire(DeviceChoice::Auto)).unwrap()
}

fn start(config: SearchConfig) -> Result<ConvSearch, Error> {
    block_on(ConvSearch::new(config, &Dataset::textures(0, 12, 0), &compute()))
}

fn floats(data: TensorData) -> Vec<f32> {
    data.try_to_vec::<f32>().expect("a float tensor")
}

/// Every event of a search, its wall times set to 0.
fn events(config: SearchConfig) -> Vec<Event> {
    let mut search = start(config).unwrap();
    let mut events = vec![search.started()];
    while !search.is_finished() {
        events.extend(block_on(search.step()).unwrap());
    }
    assert!(matches!(block_on(search.step()), Err(Error::Finished)));
    for event in &mut events {
        match event {
            Event::Step { seconds, .. } | Event::Finished { seconds, .. } => *seconds = 0.0,
            Event::Epoch { seconds, examples_per_second, .. } => {
                assert!(*examples_per_second > 0.0);
                (*seconds, *examples_per_second) = (0.0, 0.0);
            }
            _ => {}
        }
    }
    events
}

#[test]
fn a_search_reports_its_events_in_order_and_repeats_itself() {
    let found = events(tiny());
    let Event::Started {
        train_examples: 4, valid_examples: 5, steps_per_epoch: Some(2), alphas: initial, config, ..
    } = &found[0]
    else {
        panic!("{:?}", found[0]);
    };
    assert_eq!(*config, AnySearchConfig::Convolutional(tiny()));
    assert!(initial.to_flat().iter().all(|alpha| alpha.abs() < 0.01));
    let mut losses = Vec::new();
    for (i, event) in found[1..=2].iter().chain(&found[4..=5]).enumerate() {
        let Event::Step { epoch, step, train, valid, gradient_norm, alphas, examples, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((*epoch, *step, *examples), (i / 2, i, Some(2)));
        // Every third step is reported in full, and so is the last of an epoch.
        assert_eq!(alphas.is_some(), [true, true, false, true][i]);
        let halves = [Some(0.0), Some(0.5), Some(1.0)];
        assert!([train, valid].iter().all(|m| m.loss > 0.0 && halves.contains(&m.accuracy)));
        assert!(*gradient_norm > 0.0);
        losses.push((train.loss, valid.loss));
    }
    for (epoch, event) in [&found[3], &found[6]].into_iter().enumerate() {
        let Event::Epoch { epoch: number, learning_rate, train, valid, alphas, genotype, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((*number, *learning_rate), (epoch, Some(tiny().learning_rate_at(epoch))));
        let of = &losses[2 * epoch..2 * epoch + 2];
        assert_eq!(train.loss, (of[0].0 + of[1].0) / 2.0);
        assert_eq!(valid.loss, (of[0].1 + of[1].1) / 2.0);
        assert_eq!(*genotype, alphas.genotype());
    }
    let Event::Finished { genotype, alphas, epochs: 2, .. } = &found[7] else { panic!("{:?}", found[7]) };
    assert_eq!(*genotype, alphas.genotype());
    assert_ne!(alphas, initial);
    assert_eq!(found.len(), 8);

    let again = events(tiny());
    assert_eq!(found.len(), again.len());
    found.iter().zip(&again).for_each(|(event, again)| assert_eq!(event, again));
    assert_ne!(found[1], events(SearchConfig { seed: 8, epochs: 1, ..tiny() })[1]);
}

#[test]
fn the_curvature_is_reported_and_changes_nothing() {
    let rounds = 6;
    let curved = events(SearchConfig { curvature_rounds: rounds, ..tiny() });
    let mut found = Vec::new();
    let without = curved.into_iter().map(|mut event| {
        match &mut event {
            Event::Epoch { curvature, .. } => found.extend(curvature.take()),
            Event::Started { config: AnySearchConfig::Convolutional(config), .. } => config.curvature_rounds = 0,
            _ => {}
        }
        event
    });
    assert!(without.eq(events(tiny())));
    assert!(found.len() == 2 && found.iter().all(|curvature| *curvature != 0.0), "{found:?}");

    // The loss itself has this curvature along the eigenvector, whose parts in the basis follow one from the other.
    let mut search = start(tiny()).unwrap();
    block_on(search.step()).unwrap();
    let batch = search.stream().clone().next(search.config(), search.steps_done(), &compute().device).valid;
    let Bilevel { weights, alphas, .. } = search.bilevel();
    let seen = search.bilevel().curvature(&batch, rounds);
    let [diagonal, off_diagonal] = [seen.diagonal, seen.off_diagonal].map(|tensor| floats(tensor.into_data()));
    let value = largest_eigenvalue(&diagonal, &off_diagonal);
    let mut parts = vec![0.0, 1.0];
    for i in 0..rounds - 1 {
        let before = if i == 0 { 0.0 } else { off_diagonal[i - 1] * parts[i] };
        parts.push(((value - diagonal[i]) * parts[i + 1] - before) / off_diagonal[i]);
    }
    let vector = seen.basis.into_iter().zip(&parts[1..]).map(|(vector, part)| vector * *part);
    let vector = vector.reduce(|sum, part| sum + part).unwrap();
    let vector = vector.clone() / norm(&vector);
    let step = 0.1;
    let [below, at, above] = [-step, 0.0, step].map(|offset| {
        let moved = alphas.clone() + vector.clone().reshape(alphas.dims()) * offset;
        let pass = search.bilevel().network().pass(weights, &moved, &batch, GradientTargets::ALPHAS);
        floats(pass.loss.into_data())[0]
    });
    let bend = (above - 2.0 * at + below) / (step * step);
    // Kinks of the loss in between make them differ.
    assert!((bend / value - 1.0).abs() < 0.35, "{value} {bend}");
}

#[test]
fn an_intervention_holds_from_the_next_step_on_and_is_reported() {
    let mut search = start(tiny()).unwrap();
    let (cell, edge) = (CellName::of(&CONVOLUTIONAL.spec().cells[0]), 2);
    let intervene = |search: &mut ConvSearch, intervention| {
        let event = block_on(search.intervene(intervention)).unwrap().unwrap();
        let Event::Intervention { step, intervention: reported, alphas } = event else { panic!("{event:?}") };
        assert_eq!((step, reported), (search.steps_done(), intervention));
        alphas
    };
    let stepped = |search: &mut ConvSearch| {
        let events = block_on(search.step()).unwrap();
        let Event::Step { alphas: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
        alphas.clone()
    };
    let reported = intervene(&mut search, Intervention::Prune { cell, edge, op: Op::SEP_CONV_3X3 });
    let after = stepped(&mut search);
    assert_eq!((reported.of(0)[edge][4], after.of(0)[edge][4]), (PRUNED, PRUNED));
    assert_ne!(after.of(0)[edge][3], reported.of(0)[edge][3], "the other ops still learn");
    intervene(&mut search, Intervention::Freeze { frozen: true });
    assert_eq!(stepped(&mut search), after, "frozen alphas stay");
    intervene(&mut search, Intervention::Freeze { frozen: false });
    let order = Intervention::Order { order: Order::Second };
    intervene(&mut search, order);
    intervene(&mut search, Intervention::Rates { weights: 0.01, alphas: 0.5 });
    let SearchConfig { order, learning_rate, learning_rate_min, arch_learning_rate, .. } = *search.config();
    let rates = (learning_rate, learning_rate_min, arch_learning_rate);
    assert_eq!((order, rates), (Order::Second, (0.01, tiny().learning_rate_min, 0.5)));
    let free = intervene(&mut search, Intervention::Release { cell, edge });
    assert!(free.of(0)[edge][4].abs() < 1.0);
    let moved = block_on(search.step()).unwrap();
    assert!(matches!(&moved[0], Event::Step { .. }));
    let refused = block_on(search.intervene(Intervention::Release { cell, edge: 14 })).unwrap().unwrap_err();
    assert_eq!(refused, InterventionError::Edge { edge: 14, last: 13 });
}

#[test]
fn a_search_whose_alphas_rested_goes_on_bit_for_bit() {
    let begin = || start(SearchConfig { epochs: 3, ..tiny() }).unwrap();
    let freeze = |search: &mut ConvSearch, frozen| {
        block_on(search.intervene(Intervention::Freeze { frozen })).unwrap().unwrap();
    };
    let mut search = begin();
    block_on(search.step()).unwrap();
    freeze(&mut search, true);
    for _ in 0..2 {
        block_on(search.step()).unwrap();
    }
    let state = block_on(Resumable::state(&search)).unwrap();
    let mut again = begin();
    again.restore(&state).unwrap();
    assert_eq!((again.steps_done(), again.bilevel().architecture_steps), (3, 1));
    for search in [&mut search, &mut again] {
        freeze(search, false);
        block_on(search.step()).unwrap();
    }
    let tensors = |search: &ConvSearch| {
        let state = block_on(Resumable::state(search)).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        state.tensors().map(|(name, values)| (name.to_owned(), bits(values))).collect::<Vec<_>>()
    };
    assert!(tensors(&search) == tensors(&again), "Adam counts the steps that it took");
}

#[test]
fn what_no_buffer_holds_is_refused_before_the_search() {
    let narrow = Compute { largest_buffer: Some(10 << 20), ..compute() };
    let config = SearchConfig { batch_size: 200, init_channels: 4, layers: 3, ..SearchConfig::default() };
    let refusal = supernet_for(&config, 10, [32, 32], &narrow).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "a buffer of 62 MB is needed, but this device allows 10 MB: lower batch-size (now 200) or init-channels (now 4)"
    );
    assert!(supernet_for(&SearchConfig { batch_size: 16, ..config }, 10, [32, 32], &narrow).is_ok());
}

#[test]
fn a_search_that_cannot_be_is_refused() {
    let refusal = |config| start(config).err().map(|error| error.to_string());
    let refused = |config, why: &str| assert_eq!(refusal(config).as_deref(), Some(why));
    refused(SearchConfig { epochs: 0, ..tiny() }, "epochs must be at least 1, not 0");
    let most = "train-images is 13, but the data has 12 training images";
    refused(SearchConfig { train_images: Some(13), ..tiny() }, most);
    let split = "batch-size is 5, but the train split has only 4 images";
    refused(SearchConfig { batch_size: 5, ..tiny() }, split);
    let large = "init-channels and layers make a network of 1904815010 weights, but at most 33554432 fit";
    refused(SearchConfig { init_channels: 1000, ..tiny() }, large);
}

#[test]
fn numbers_that_are_none_stop_a_search() {
    let mut search = start(SearchConfig { learning_rate: 1e30, ..tiny() }).unwrap();
    let error = (0..2).find_map(|_| block_on(search.step()).err()).expect("an error");
    assert!(matches!(error, Error::NotFinite { .. }), "{error}");
}

#[test]
fn accuracy_counts_the_greatest_scores() {
    let logits = [0.1, 0.9, -3.0, -2.0, 5.0, 4.0];
    assert_eq!(accuracy(&logits, &[1, 0, 0]), 2.0 / 3.0);
    assert_eq!(accuracy(&logits, &[0, 0, 1]), 0.0);
}
