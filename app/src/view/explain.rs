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
                    <h3>"1 \u{2002} Blend all ops"</h3>
                    <p>
                        "A cell is a small graph, and each edge may use one of several ops. Instead of trying them one by one, every edge
                        computes all of them and adds up the results, weighted by a softmax over numbers called alphas."
                    </p>
                    {math::relaxed()}
                    <p class="where">"Equation 2 of the paper; the heatmaps show these weights."</p>
                </article>
                <article>
                    <h3>"2 \u{2002} Train weights and alphas in turn"</h3>
                    <p>
                        "The data is split in two. Each search step updates the alphas on a batch of the valid split, then the network\u{2019}s
                        weights on a batch of the train split. So the alphas are judged on data that the weights never see."
                    </p>
                    {math::outer()}
                    {math::inner()}
                    <p class="where">"Equations 3 and 4. In place of the optimal weights, first order uses the current weights, and second order the weights one step ahead (equation 6):"</p>
                    {math::unrolled()}
                </article>
                <article>
                    <h3>"3 \u{2002} Keep the strongest"</h3>
                    <p>
                        "A plain cell can be derived at any time: each edge keeps its strongest op other than none, and each node its two
                        strongest edges (one in a recurrent cell). After the search, the derived cell is trained from scratch."
                    </p>
                    {math::kept()}
                    <p class="where">"Section 2.4 of the paper; the graphs show the cells derived now."</p>
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
                ". Everything is computed in your browser; nothing leaves your machine."
            </p>
        </footer>
    }
}
