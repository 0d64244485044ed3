//! The engine in a Web Worker: takes commands, computes steps, reports events.

mod data;
mod port;
mod race;
mod running;
mod search;
mod service;

use darts_app::messages::{Command, Message};
use futures::channel::mpsc;
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::MessageEvent;

fn main() {
    darts_app::construct();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        // After a panic nothing of this module runs again, so this is its last message.
        port::send(&Message::Failed { message: format!("the engine broke: {}", panic_text(info)) });
    }));
    let (sender, inbox) = mpsc::unbounded();
    let receive = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        match serde_wasm_bindgen::from_value::<Command>(event.data()) {
            // It cannot fail: the other end lives as long as the worker.
            Ok(command) => drop(sender.unbounded_send(command)),
            Err(error) => {
                port::send(&Message::Failed { message: format!("the engine received an unreadable command: {error}") });
            }
        }
    });
    port::scope().set_onmessage(Some(receive.as_ref().unchecked_ref()));
    receive.forget();
    spawn_local(async {
        if let Err(message) = service::serve(inbox).await {
            port::send(&Message::Failed { message });
        }
    });
}

fn panic_text(info: &std::panic::PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given").split_whitespace().collect::<Vec<_>>().join(" ")
}
