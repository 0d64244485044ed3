use crate::{
    checkpoint::Resumable,
    config::{Order, SearchConfig},
    data::Dataset,
    device::{Compute, DeviceChoice, block_on, read},
    error::Error,
    event::{Event, Measure},
    intervention::{Intervention, InterventionError, PRUNED},
    model::{Minibatch, Wrt},
    search::{Bilevel, ConvSearch, StepBatches, Stream, accuracy, lanczos::largest_eigenvalue, sgd::norm, supernet_for},
    space::{Alphas, CONVOLUTIONAL, CellName, Op},
};

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

fn start(config: SearchConfig) -> Result<ConvSearch, Error> {
    let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
    block_on(ConvSearch::new(config, &Dataset::textures(0, 12, 0), &compute))
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
            Event::Epoch { seconds, images_per_second, .. } => {
                assert!(*images_per_second > 0.0);
                (*seconds, *images_per_second) = (0.0, 0.0);
            }
            _ => {}
        }
    }
    events
}

#[test]
fn a_search_tells_what_it_does_in_order_and_repeats_itself() {
    let told = events(tiny());
    let Event::Started { weight_images: 4, alpha_images: 5, steps_per_epoch: 2, alphas: initial, .. } = &told[0]
    else {
        panic!("{:?}", told[0]);
    };
    assert!(initial.to_flat().iter().all(|alpha| alpha.abs() < 0.01));
    let mut losses = Vec::new();
    for (i, event) in told[1..=2].iter().chain(&told[4..=5]).enumerate() {
        let Event::Step { epoch, step, weights, alphas, gradient_norm, architecture, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((*epoch, *step), (i / 2, i));
        // Every third step is told in full, and the last of an epoch.
        assert_eq!(architecture.is_some(), [true, true, false, true][i]);
        assert!([weights, alphas].iter().all(|m| m.loss > 0.0 && [0.0, 0.5, 1.0].contains(&m.accuracy)));
        assert!(*gradient_norm > 0.0);
        losses.push((weights.loss, alphas.loss));
    }
    for (epoch, event) in [&told[3], &told[6]].into_iter().enumerate() {
        let Event::Epoch { epoch: told, learning_rate, weights, alphas, architecture, genotype, .. } = event else {
            panic!("{event:?}");
        };
        assert_eq!((*told, *learning_rate), (epoch, tiny().learning_rate_at(epoch)));
        let of = &losses[2 * epoch..2 * epoch + 2];
        assert_eq!(weights.loss, (of[0].0 + of[1].0) / 2.0);
        assert_eq!(alphas.loss, (of[0].1 + of[1].1) / 2.0);
        assert_eq!(*genotype, architecture.genotype());
    }
    let Event::Finished { genotype, architecture, epochs: 2, .. } = &told[7] else { panic!("{:?}", told[7]) };
    assert_eq!(*genotype, architecture.genotype());
    assert_ne!(architecture, initial);
    assert_eq!(told.len(), 8);

    let again = events(tiny());
    assert_eq!(told.len(), again.len());
    told.iter().zip(&again).for_each(|(event, again)| assert_eq!(event, again));
    assert_ne!(told[1], events(SearchConfig { seed: 8, epochs: 1, ..tiny() })[1]);
}

#[test]
fn the_curvature_is_told_and_changes_nothing() {
    let rounds = 6;
    let curved = events(SearchConfig { curvature_rounds: rounds, ..tiny() });
    let mut found = Vec::new();
    let without = curved.into_iter().map(|mut event| {
        match &mut event {
            Event::Epoch { curvature, .. } => found.extend(curvature.take()),
            Event::Started { config, .. } => config.curvature_rounds = 0,
            _ => {}
        }
        event
    });
    assert!(without.eq(events(tiny())));
    assert!(found.len() == 2 && found.iter().all(|curvature| *curvature != 0.0), "{found:?}");

    // The loss itself bends as much along the eigenvector, whose parts in the basis follow one from the other.
    let mut search = start(tiny()).unwrap();
    block_on(search.step()).unwrap();
    let batch = Minibatch::upload(&search.alpha_loader.next_batch(), &search.compute.device);
    let Bilevel { weights, alphas, .. } = &search.bilevel;
    let seen = search.bilevel.curvature(&batch, rounds);
    let [diagonal, beside] = [seen.diagonal, seen.beside].map(|tensor| floats(tensor.into_data()));
    let value = largest_eigenvalue(&diagonal, &beside);
    let mut parts = vec![0.0, 1.0];
    for i in 0..rounds - 1 {
        let before = if i == 0 { 0.0 } else { beside[i - 1] * parts[i] };
        parts.push(((value - diagonal[i]) * parts[i + 1] - before) / beside[i]);
    }
    let vector = seen.basis.into_iter().zip(&parts[1..]).map(|(vector, part)| vector * *part);
    let vector = vector.reduce(|sum, part| sum + part).unwrap();
    let vector = vector.clone() / norm(&vector);
    let step = 0.1;
    let [below, at, above] = [-step, 0.0, step].map(|offset| {
        let moved = alphas.clone() + vector.clone().reshape(alphas.dims()) * offset;
        let pass = search.bilevel.supernet().pass(weights, &moved, &batch, Wrt::ALPHAS);
        floats(pass.loss.into_data())[0]
    });
    let bend = (above - 2.0 * at + below) / (step * step);
    // Kinks between the places make them differ.
    assert!((bend / value - 1.0).abs() < 0.35, "{value} {bend}");
}

#[test]
fn a_change_holds_from_the_next_step_on_and_is_told() {
    let mut search = start(tiny()).unwrap();
    let (cell, edge) = (SteeredCell::Normal, 2);
    let steer = |search: &mut ConvSearch, steering| {
        let told = block_on(search.steer(steering)).unwrap();
        let Event::Steered { step, steering: as_told, architecture } = told else { panic!("{told:?}") };
        assert_eq!((step, as_told), (search.step, steering));
        architecture
    };
    let stepped = |search: &mut ConvSearch| {
        let events = block_on(search.step()).unwrap();
        let Event::Step { architecture: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
        alphas.clone()
    };
    let told = steer(&mut search, Steering::Prune { cell, edge, op: Op::SepConv3x3.into() });
    let after = stepped(&mut search);
    assert_eq!((told.normal[edge][4], after.normal[edge][4]), (PRUNED, PRUNED));
    assert_ne!(after.normal[edge][3], told.normal[edge][3], "the other ops still learn");
    steer(&mut search, Steering::Freeze { frozen: true });
    assert_eq!(stepped(&mut search), after, "frozen alphas stay");
    steer(&mut search, Steering::Freeze { frozen: false });
    let order = Steering::Order { order: Order::Second };
    steer(&mut search, order);
    steer(&mut search, Steering::Rates { weights: 0.01, alphas: 0.5 });
    let free = steer(&mut search, Steering::Release { cell, edge });
    assert!(free.normal[edge][4].abs() < 1.0);
    let moved = block_on(search.step()).unwrap();
    assert!(matches!(&moved[0], Event::Step { .. }));
    let refused = block_on(search.steer(Steering::Release { cell, edge: 14 })).unwrap_err();
    assert!(matches!(refused, Error::Steering(_)), "{refused}");
}

#[test]
fn a_search_whose_alphas_rested_goes_on_bit_for_bit() {
    let begin = || start(SearchConfig { epochs: 3, ..tiny() }).unwrap();
    let freeze = |search: &mut ConvSearch, frozen| {
        block_on(search.steer(Steering::Freeze { frozen })).unwrap();
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
    assert_eq!((again.steps_done(), again.bilevel.architecture_steps), (3, 1));
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
    let compute = block_on(Compute::acquire(DeviceChoice::Auto)).unwrap();
    let narrow = Compute { largest_buffer: Some(10 << 20), ..compute };
    let config = SearchConfig { batch_size: 200, init_channels: 4, layers: 3, ..SearchConfig::default() };
    let refusal = supernet_for(&config, 10, [32, 32], &narrow).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "a buffer of 62 MB is needed, and this device allows 10 MB: lower batch-size (now 200) or init-channels (now 4)"
    );
    assert!(supernet_for(&SearchConfig { batch_size: 16, ..config }, 10, [32, 32], &narrow).is_ok());
}

#[test]
fn a_search_that_cannot_be_is_refused() {
    let told = |config| start(config).err().map(|error| error.to_string());
    let refused = |config, why: &str| assert_eq!(told(config).as_deref(), Some(why));
    refused(SearchConfig { epochs: 0, ..tiny() }, "epochs must be at least 1, not 0");
    let most = "train-images is 13, but the data has 12 training images";
    refused(SearchConfig { train_images: Some(13), ..tiny() }, most);
    let half = "batch-size is 5, but the weight half has only 4 images";
    refused(SearchConfig { batch_size: 5, ..tiny() }, half);
    let large = "init-channels and layers make a supernet of 1904815010 weights, and at most 33554432 fit";
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
