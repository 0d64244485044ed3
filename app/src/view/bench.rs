//! Steps timed on this machine: shown if the page's address contains `?bench`.

use super::{
    bar::{ChoiceField, order_from_name, order_name},
    page,
};
use crate::page::BenchState;
use darts_engine::config::{Kernels, Order};
use leptos::prelude::*;

#[component]
pub fn Benchmark() -> impl IntoView {
    let page = page();
    let order = RwSignal::new(Order::First);
    let kernels = RwSignal::new(Kernels::Fused);
    let busy = move || matches!(page.bench.get(), BenchState::Running(_)) || page.without_gpu().is_some();
    view! {
        <section class="bench" aria-labelledby="bench">
            <h2 id="bench">"How fast is a step here?"</h2>
            <p>"Time steps on random images, with the channels, cells and batch size set above. A running search is abandoned."</p>
            <form class="bench-settings" on:submit=|event| event.prevent_default()>
                <ChoiceField
                    id="order"
                    label="Order"
                    value=move || order_name(order.get())
                    change=move |name| order.set(order_from_name(&name))
                >
                    <option value="first">"First"</option>
                    <option value="second">"Second"</option>
                </ChoiceField>
                <ChoiceField
                    id="kernels"
                    label="Kernels"
                    value=move || if kernels.get() == Kernels::Reference { "reference" } else { "fused" }
                    change=move |name| kernels.set(if name == "reference" { Kernels::Reference } else { Kernels::Fused })
                >
                    <option value="fused">"Fused"</option>
                    <option value="reference">"Reference"</option>
                </ChoiceField>
                <button type="button" id="bench-start" disabled=busy on:click=move |_| page.time_steps(order.get(), kernels.get())>
                    "Time steps"
                </button>
            </form>
            {move || match page.bench.get() {
                BenchState::Idle => ().into_any(),
                BenchState::Running(text) => view! { <p role="status">{text}</p> }.into_any(),
                BenchState::Done(text) => view! { <pre id="bench-figures">{text}</pre> }.into_any(),
            }}
        </section>
    }
}
