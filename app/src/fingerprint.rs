//! Fingerprint of a search: decides whether a snapshot belongs to it.

use darts_engine::event::{Event, LOG_VERSION};

/// Fingerprint of a search that begins with this event: its settings, data and device.
pub fn fingerprint(started: &Event) -> String {
    serde_json::to_string(started).unwrap_or_default()
}

/// Whether two fingerprints, of this version or of version 1, are those of the same search.
pub fn same_search(a: &str, b: &str) -> bool {
    let started = |text: &str| {
        let mut event = Event::from_json(text.as_bytes()).ok()?;
        match &mut event {
            Event::Started { version, .. } => *version = LOG_VERSION,
            _ => return None,
        }
        Some(event)
    };
    a == b || started(a).is_some_and(|started_a| Some(started_a) == started(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_of_an_older_page_is_known_again_and_no_other() {
        for log in [include_str!("version1/images.jsonl"), include_str!("version1/text.jsonl")] {
            let old = log.lines().next().unwrap();
            let Event::Started { config, .. } = Event::from_json(old.as_bytes()).unwrap() else { panic!() };
            let mut event = Event::from_json(old.as_bytes()).unwrap();
            if let Event::Started { version, .. } = &mut event {
                *version = LOG_VERSION;
            }
            let now = fingerprint(&event);
            assert_ne!(now, old);
            assert!(same_search(old, &now) && same_search(&now, old) && same_search(old, old));
            let seed = config.basics().seed;
            let other = now.replace(&format!("\"seed\":{seed},"), &format!("\"seed\":{},", seed + 1));
            assert!(!same_search(old, &other) && !same_search(&now, &other));
            assert!(!same_search(old, "{}") && !same_search("", &now));
        }
    }
}
