//! The method in three equations, and the foot of the page.

use super::math;
use leptos::prelude::*;

#[component]
pub fn Explain() -> impl IntoView {
    view! {
        <section class="explain" aria-labelledby="how">
            <h2 id="how">"How it works"</h2>
            <div class="steps">
                <article>
                    <h3>"1 \u{2002} Blend instead of choosing"</h3>
                    <p>
                        "A cell is a small graph. Each edge could be one of several ops; instead of trying them one by one, every edge computes
                        all of them and adds them up, weighted by a softmax over numbers called alphas."
                    </p>
                    {math::relaxed()}
                    <p class="where">"Equation 2 of the paper; the heatmaps show these weights."</p>
                </article>
                <article>
                    <h3>"2 \u{2002} Learn weights and alphas in turn"</h3>
                    <p>
                        "The data are split in two. Each search step takes one gradient step on the alphas with a batch of one part, then one
                        on the network\u{2019}s weights with a batch of the other, so that alphas are judged on what the weights never see."
                    </p>
                    {math::outer()}
                    {math::inner()}
                    <p class="where">"Equations 3 and 4. Where the best weights would be needed, first order takes the current ones, second order those one step ahead (equation 6):"</p>
                    {math::unrolled()}
                </article>
                <article>
                    <h3>"3 \u{2002} Keep what grew strong"</h3>
                    <p>
                        "At any time a plain cell can be read off: each edge keeps its strongest op other than none, and each node keeps its two
                        strongest edges, or the strongest in a recurrent cell. After the search, that cell is trained from scratch."
                    </p>
                    {math::kept()}
                    <p class="where">"Section 2.4; the graphs show the cells that would be kept now."</p>
                </article>
            </div>
        </section>
    }
}

#[component]
pub fn Foot() -> impl IntoView {
    view! {
        <footer class="foot">
            <p>
                "After "
                <a href="https://arxiv.org/abs/1806.09055" rel="noreferrer">
                    "H. Liu, K. Simonyan and Y. Yang, \u{201c}DARTS: Differentiable Architecture Search\u{201d}, ICLR 2019"
                </a>
                ". Everything on this page is computed in it; nothing leaves your machine."
            </p>
        </footer>
    }
}
