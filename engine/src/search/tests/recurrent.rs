use crate::{
    checkpoint::Resumable,
    config::{Kernels, Order, RecurrentConfig},
    data::Corpus,
    device::{Compute, block_on},
    event::Event,
    intervention::{Intervention, PRUNED},
    search::RecurrentSearch,
    space::{Alphas, CellName, Op, RECURRENT},
};

fn begin() -> RecurrentSearch {
    let text = "One two three four. Five six seven eight. ".repeat(40);
    let corpus = Corpus::from_prose("text", text.as_bytes(), 20).unwrap();
    let config = RecurrentConfig {
        epochs: 2,
        batch_size: 3,
        hidden: 4,
        bptt: 5,
        kernels: Kernels::Reference,
        report_every: 1,
        ..RecurrentConfig::default()
    };
    block_on(RecurrentSearch::new(config, &corpus, &Compute::cpu())).unwrap()
}

fn steer(search: &mut RecurrentSearch, steering: Steering) -> RecurrentAlphas {
    let told = block_on(search.steer(steering)).unwrap();
    let Event::RecurrentSteered { step, steering: as_told, architecture } = told else { panic!("{told:?}") };
    assert_eq!((step, as_told), (search.step, steering));
    architecture
}

fn stepped(search: &mut RecurrentSearch) -> RecurrentAlphas {
    let events = block_on(search.step()).unwrap();
    let Event::RecurrentStep { architecture: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
    alphas.clone()
}

fn bits(search: &RecurrentSearch) -> Vec<Vec<u32>> {
    let state = block_on(search.state()).unwrap();
    state.tensors().map(|(_, values)| values.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn a_change_holds_from_the_next_step_on_is_told_and_is_taken_up_again() {
    let mut search = begin();
    let (cell, edge) = (SteeredCell::Recurrent, 7);
    stepped(&mut search);
    let told = steer(&mut search, Steering::Prune { cell, edge, op: RecurrentOp::Relu.into() });
    let after = stepped(&mut search);
    assert_eq!((told.rows[edge][2], after.rows[edge][2]), (PRUNED, PRUNED));
    assert_ne!(after.rows[edge][1], told.rows[edge][1], "the other ops still learn");
    steer(&mut search, Steering::Freeze { frozen: true });
    assert_eq!(stepped(&mut search), after, "frozen alphas stay");
    steer(&mut search, Steering::Rates { weights: 1.0, alphas: 0.5 });
    steer(&mut search, Steering::Order { order: Order::Second });

    // All of it is in the checkpoint.
    let mut again = begin();
    again.restore(&block_on(search.state()).unwrap()).unwrap();
    assert_eq!((again.steps_done(), again.bilevel.architecture_steps), (3, 2));
    let changed = |search: &RecurrentSearch| {
        let RecurrentConfig { learning_rate, arch_learning_rate, order, .. } = search.config;
        (learning_rate, arch_learning_rate, order)
    };
    assert_eq!(changed(&again), (1.0, 0.5, Order::Second));
    for search in [&mut search, &mut again] {
        assert_eq!(stepped(search), after, "frozen alphas stay");
        steer(search, Steering::Freeze { frozen: false });
        let free = stepped(search);
        assert!(free.rows[edge][2] == PRUNED && (free.rows[edge][1] - after.rows[edge][1]).abs() > 0.05);
    }
    assert!(bits(&search) == bits(&again), "it goes on bit for bit");
    let free = steer(&mut search, Steering::Release { cell, edge });
    assert!(free.rows[edge][2] > -5.0 && stepped(&mut search).rows[edge][2] != free.rows[edge][2]);
    let refused = block_on(search.steer(Steering::Release { cell, edge: 36 })).unwrap_err();
    assert_eq!(refused.to_string(), "a cell has edges 0 to 35, not 36");
}

#[test]
fn a_checkpoint_that_holds_other_alphas_is_refused() {
    let mut search = begin();
    steer(&mut search, Steering::Pin { cell: SteeredCell::Recurrent, edge: 0, op: RecurrentOp::Tanh.into() });
    search.held[3].pop();
    let state = block_on(search.state()).unwrap();
    let refused = begin().restore(&state).unwrap_err();
    assert_eq!(refused.to_string(), "is of another run: it says the alphas taken out is 36 rows");
}
