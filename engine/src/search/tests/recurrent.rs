use crate::{
    checkpoint::{Resumable, State},
    config::{Kernels, Order, RecurrentConfig},
    data::Corpus,
    device::{Compute, block_on},
    event::Event,
    intervention::{Intervention, PRUNED},
    search::RecurrentSearch,
    space::{Alphas, CellName, Op, RECURRENT},
};

const CELL: CellName = CellName::of(&RECURRENT.spec().cells[0]);

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

fn intervene(search: &mut RecurrentSearch, intervention: Intervention) -> Alphas {
    let event = block_on(search.intervene(intervention)).unwrap().unwrap();
    let Event::Intervention { step, intervention: reported, alphas } = event else { panic!("{event:?}") };
    assert_eq!((step, reported), (search.steps_done(), intervention));
    alphas
}

fn stepped(search: &mut RecurrentSearch) -> Alphas {
    let events = block_on(search.step()).unwrap();
    let Event::Step { alphas: Some(alphas), .. } = &events[0] else { panic!("{:?}", events[0]) };
    alphas.clone()
}

fn bits(search: &RecurrentSearch) -> Vec<Vec<u32>> {
    let state = block_on(search.state()).unwrap();
    state.tensors().map(|(_, values)| values.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn an_intervention_holds_from_the_next_step_on_is_reported_and_is_resumed() {
    let mut search = begin();
    let (cell, edge) = (CELL, 7);
    stepped(&mut search);
    let reported = intervene(&mut search, Intervention::Prune { cell, edge, op: Op::RELU });
    let after = stepped(&mut search);
    assert_eq!((reported.rows()[edge][2], after.rows()[edge][2]), (PRUNED, PRUNED));
    assert_ne!(after.rows()[edge][1], reported.rows()[edge][1], "the other ops still learn");
    intervene(&mut search, Intervention::Freeze { frozen: true });
    assert_eq!(stepped(&mut search), after, "frozen alphas stay");
    intervene(&mut search, Intervention::Rates { weights: 1.0, alphas: 0.5 });
    intervene(&mut search, Intervention::Order { order: Order::Second });

    // All of it is in the checkpoint.
    let mut again = begin();
    again.restore(&block_on(search.state()).unwrap()).unwrap();
    assert_eq!((again.steps_done(), again.bilevel().architecture_steps), (3, 2));
    let changed = |search: &RecurrentSearch| {
        let RecurrentConfig { learning_rate, arch_learning_rate, order, .. } = *search.config();
        (learning_rate, arch_learning_rate, order)
    };
    assert_eq!(changed(&again), (1.0, 0.5, Order::Second));
    for search in [&mut search, &mut again] {
        assert_eq!(stepped(search), after, "frozen alphas stay");
        intervene(search, Intervention::Freeze { frozen: false });
        let free = stepped(search);
        let moved = (free.rows()[edge][1] - after.rows()[edge][1]).abs();
        assert!(free.rows()[edge][2] == PRUNED && moved > 0.05);
    }
    assert!(bits(&search) == bits(&again), "it goes on bit for bit");
    let free = intervene(&mut search, Intervention::Release { cell, edge });
    assert!(free.rows()[edge][2] > -5.0 && stepped(&mut search).rows()[edge][2] != free.rows()[edge][2]);
    let refused = block_on(search.intervene(Intervention::Release { cell, edge: 36 })).unwrap().unwrap_err();
    assert_eq!(refused.to_string(), "a cell has edges 0 to 35, not 36");
}

#[test]
fn a_checkpoint_with_another_alpha_mask_is_refused() {
    let mut search = begin();
    intervene(&mut search, Intervention::Pin { cell: CELL, edge: 0, op: Op::TANH });
    let state = block_on(search.state()).unwrap();
    let mut progress: serde_json::Value = state.progress().unwrap();
    assert!(progress["alphas"]["mask"][3].as_array_mut().unwrap().pop().is_some());
    let other = State::new(&progress, state.tensors().map(|(name, values)| (name.to_owned(), values.to_vec())));
    let refused = begin().restore(&other).unwrap_err();
    assert_eq!(refused.to_string(), "is of another run: the alpha mask is 36 rows");
    begin().restore(&state).unwrap();
}
