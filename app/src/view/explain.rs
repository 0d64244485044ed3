//! The method in three equations, and the foot of the page.

use leptos::prelude::*;

/// A sub- or superscripted letter.
fn sub(base: &'static str, index: &'static str) -> impl IntoView {
    view! {
        <msub>
            <mi>{base}</mi>
            <mi>{index}</mi>
        </msub>
    }
}

#[component]
pub fn Explain() -> impl IntoView {
    view! {
        <section class="explain" aria-labelledby="how">
            <h2 id="how">"How it works"</h2>
            <div class="steps">
                <article>
                    <h3>"1 \u{2002} Blend instead of choosing"</h3>
                    <p>
                        "A cell is a small graph. Each edge could be one of eight ops; instead of trying them one by one, every edge computes
                        all of them and adds them up, weighted by a softmax over numbers called alphas."
                    </p>
                    <math display="block">
                        <mover><mi>"o"</mi><mo>"\u{af}"</mo></mover>
                        <mo stretchy="false">"("</mo><mi>"x"</mi><mo stretchy="false">")"</mo>
                        <mo>"="</mo>
                        <munder><mo>"\u{2211}"</mo><mi>"o"</mi></munder>
                        <mfrac>
                            <mrow><mi>"exp"</mi><mo stretchy="false">"("</mo>{sub("\u{3b1}", "o")}<mo stretchy="false">")"</mo></mrow>
                            <mrow>
                                <munder><mo>"\u{2211}"</mo><msup><mi>"o"</mi><mo>"\u{2032}"</mo></msup></munder>
                                <mi>"exp"</mi><mo stretchy="false">"("</mo>
                                <msub><mi>"\u{3b1}"</mi><msup><mi>"o"</mi><mo>"\u{2032}"</mo></msup></msub>
                                <mo stretchy="false">")"</mo>
                            </mrow>
                        </mfrac>
                        <mi>"o"</mi><mo stretchy="false">"("</mo><mi>"x"</mi><mo stretchy="false">")"</mo>
                    </math>
                    <p class="where">"Equation 2 of the paper; the heatmaps show these weights."</p>
                </article>
                <article>
                    <h3>"2 \u{2002} Learn weights and alphas in turn"</h3>
                    <p>
                        "The images are split in half. Each search step takes one gradient step on the alphas with a batch of one half, then one
                        on the network\u{2019}s weights with a batch of the other, so that alphas are judged on images the weights never see."
                    </p>
                    <math display="block">
                        <munder><mi>"min"</mi><mi>"\u{3b1}"</mi></munder>
                        <mspace width="0.2em" />
                        {sub("\u{2112}", "val")}
                        <mo stretchy="false">"("</mo>
                        <msup><mi>"w"</mi><mo>"\u{2217}"</mo></msup>
                        <mo stretchy="false">"("</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
                        <mo>","</mo><mi>"\u{3b1}"</mi>
                        <mo stretchy="false">")"</mo>
                    </math>
                    <math display="block">
                        <mtext>"where"</mtext>
                        <mspace width="0.7em" />
                        <msup><mi>"w"</mi><mo>"\u{2217}"</mo></msup>
                        <mo stretchy="false">"("</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
                        <mo>"="</mo>
                        <mi>"arg"</mi><mspace width="0.15em" />
                        <munder><mi>"min"</mi><mi>"w"</mi></munder>
                        <mspace width="0.2em" />
                        {sub("\u{2112}", "train")}
                        <mo stretchy="false">"("</mo><mi>"w"</mi><mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
                    </math>
                    <p class="where">"Equations 3 and 4. First order: the current weights stand for the best ones."</p>
                </article>
                <article>
                    <h3>"3 \u{2002} Keep what grew strong"</h3>
                    <p>
                        "At any time a plain cell can be read off: each edge keeps its strongest op other than none, and each node keeps its two
                        strongest edges. After the search, that cell is trained from scratch."
                    </p>
                    <math display="block">
                        <msup>
                            <mi>"o"</mi>
                            <mrow><mo stretchy="false">"("</mo><mi>"i"</mi><mo>","</mo><mi>"j"</mi><mo stretchy="false">")"</mo></mrow>
                        </msup>
                        <mo>"="</mo>
                        <mi>"arg"</mi><mspace width="0.15em" />
                        <munder>
                            <mi>"max"</mi>
                            <mrow><mi>"o"</mi><mo>"\u{2260}"</mo><mtext>"none"</mtext></mrow>
                        </munder>
                        <mspace width="0.2em" />
                        <msubsup>
                            <mi>"\u{3b1}"</mi>
                            <mi>"o"</mi>
                            <mrow><mo stretchy="false">"("</mo><mi>"i"</mi><mo>","</mo><mi>"j"</mi><mo stretchy="false">")"</mo></mrow>
                        </msubsup>
                    </math>
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
