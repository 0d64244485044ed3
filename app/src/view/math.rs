//! The paper's equations, as MathML that the browser sets by itself.

use leptos::prelude::*;

/// A letter with an index.
fn sub(base: &'static str, index: &'static str) -> impl IntoView {
    view! {
        <msub>
            <mi>{base}</mi>
            <mi>{index}</mi>
        </msub>
    }
}

/// The softmax weight of an op (equation 2).
fn weight() -> impl IntoView {
    view! {
        <mfrac>
            <mrow><mi>"exp"</mi><mo stretchy="false">"("</mo>{sub("\u{3b1}", "o")}<mo stretchy="false">")"</mo></mrow>
            <mrow>
                <munder><mo>"\u{2211}"</mo><msup><mi>"o"</mi><mo>"\u{2032}"</mo></msup></munder>
                <mi>"exp"</mi><mo stretchy="false">"("</mo>
                <msub><mi>"\u{3b1}"</mi><msup><mi>"o"</mi><mo>"\u{2032}"</mo></msup></msub>
                <mo stretchy="false">")"</mo>
            </mrow>
        </mfrac>
    }
}

/// The weights' optimum at these alphas.
fn optimum() -> impl IntoView {
    view! {
        <msup><mi>"w"</mi><mo>"\u{2217}"</mo></msup>
        <mo stretchy="false">"("</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
    }
}

/// A relaxed edge: all ops, weighted by the softmax of their alphas (equation 2).
pub fn relaxed() -> impl IntoView {
    view! {
        <math display="block">
            <mover><mi>"o"</mi><mo>"\u{af}"</mo></mover>
            <mo stretchy="false">"("</mo><mi>"x"</mi><mo stretchy="false">")"</mo>
            <mo>"="</mo>
            <munder><mo>"\u{2211}"</mo><mi>"o"</mi></munder>
            {weight()}
            <mi>"o"</mi><mo stretchy="false">"("</mo><mi>"x"</mi><mo stretchy="false">")"</mo>
        </math>
    }
}

/// The softmax weight by itself.
pub fn softmax() -> impl IntoView {
    view! {
        <math>{sub("p", "o")}<mo>"="</mo>{weight()}</math>
    }
}

/// The outer problem (equation 3).
pub fn outer() -> impl IntoView {
    view! {
        <math display="block">
            <munder><mi>"min"</mi><mi>"\u{3b1}"</mi></munder>
            <mspace width="0.2em" />
            {sub("\u{2112}", "val")}
            <mo stretchy="false">"("</mo>{optimum()}<mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
        </math>
    }
}

/// The inner problem (equation 4).
pub fn inner() -> impl IntoView {
    view! {
        <math display="block">
            <mtext>"where"</mtext>
            <mspace width="0.7em" />
            {optimum()}
            <mo>"="</mo>
            <mi>"arg"</mi><mspace width="0.15em" />
            <munder><mi>"min"</mi><mi>"w"</mi></munder>
            <mspace width="0.2em" />
            {sub("\u{2112}", "train")}
            <mo stretchy="false">"("</mo><mi>"w"</mi><mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
        </math>
    }
}

/// The two losses of the curves.
pub fn losses() -> impl IntoView {
    view! {
        <math>
            {sub("\u{2112}", "train")}<mo stretchy="false">"("</mo><mi>"w"</mi><mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
        </math>
        ", "
        <math>
            {sub("\u{2112}", "val")}<mo stretchy="false">"("</mo><mi>"w"</mi><mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
        </math>
    }
}

/// The op that an edge keeps (section 2.4).
pub fn kept() -> impl IntoView {
    let edge = || {
        view! { <mrow><mo stretchy="false">"("</mo><mi>"i"</mi><mo>","</mo><mi>"j"</mi><mo stretchy="false">")"</mo></mrow> }
    };
    view! {
        <math display="block">
            <msup><mi>"o"</mi>{edge()}</msup>
            <mo>"="</mo>
            <mi>"arg"</mi><mspace width="0.15em" />
            <munder>
                <mi>"max"</mi>
                <mrow><mi>"o"</mi><mo>"\u{2260}"</mo><mtext>"none"</mtext></mrow>
            </munder>
            <mspace width="0.2em" />
            <msubsup><mi>"\u{3b1}"</mi><mi>"o"</mi>{edge()}</msubsup>
        </math>
    }
}

/// The entropy of an edge in bits.
pub fn entropy() -> impl IntoView {
    view! {
        <math>
            <mi>"H"</mi><mo>"="</mo><mo>"\u{2212}"</mo>
            <munder><mo>"\u{2211}"</mo><mi>"o"</mi></munder>
            {sub("p", "o")}
            <msub><mi>"log"</mi><mn>"2"</mn></msub>
            {sub("p", "o")}
        </math>
    }
}

/// The largest eigenvalue of the Hessian of the validation loss with respect to the alphas.
pub fn curvature() -> impl IntoView {
    view! {
        <math>
            {sub("\u{3bb}", "max")}<mo stretchy="false">"("</mo>
            <msubsup><mo>"\u{2207}"</mo><mi>"\u{3b1}"</mi><mn>"2"</mn></msubsup>
            {sub("\u{2112}", "val")}<mo stretchy="false">")"</mo>
        </math>
    }
}

/// The architecture gradient with one unrolled weight step (equations 5 and 6).
pub fn unrolled() -> impl IntoView {
    view! {
        <math display="block">
            {sub("\u{2207}", "\u{3b1}")}
            {sub("\u{2112}", "val")}
            <mo stretchy="false">"("</mo>
            <mi>"w"</mi><mo>"\u{2212}"</mo><mi>"\u{3be}"</mi>
            {sub("\u{2207}", "w")}
            {sub("\u{2112}", "train")}
            <mo stretchy="false">"("</mo><mi>"w"</mi><mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
            <mo>","</mo><mi>"\u{3b1}"</mi><mo stretchy="false">")"</mo>
        </math>
    }
}

/// A node of a recurrent cell: the state it reads, moved by a gate towards the output of its op.
pub fn step() -> impl IntoView {
    view! {
        <math>
            {sub("s", "j")}<mo>"="</mo>{sub("s", "i")}<mo>"+"</mo>{sub("g", "j")}<mo>"\u{22c5}"</mo>
            <mo stretchy="false">"("</mo><mi>"o"</mi><mo stretchy="false">"("</mo>{sub("W", "j")}{sub("s", "i")}
            <mo stretchy="false">")"</mo><mo>"\u{2212}"</mo>{sub("s", "i")}<mo stretchy="false">")"</mo>
        </math>
    }
}

/// The perplexity of a loss.
pub fn perplexity() -> impl IntoView {
    view! {
        <math>
            <msup><mi>"e"</mi><mi>"\u{2112}"</mi></msup>
        </math>
    }
}
