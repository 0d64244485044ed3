//! The settings as part of the URL fragment; the grammar is that of [`crate::share_link`].

use super::{IntegerSetting, RateSetting, Settings, excerpt};
use crate::{
    cells::Task,
    messages::{DataChoice, TextChoice},
};
use darts_engine::config::Order;

impl Settings {
    /// The settings in the URL fragment, without `#`.
    pub fn to_fragment(&self) -> String {
        let order = if self.order == Order::Second { "&order=second" } else { "" };
        let task = if self.task == Task::default() { String::new() } else { format!("task={}&", self.task.name()) };
        if self.task.of_text() {
            let dropout = if self.dropout { "&dropout=paper" } else { "" };
            return format!(
                "{task}text={}&words={}&units={}&bptt={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{dropout}",
                self.text.name(),
                self.words,
                self.units,
                self.bptt,
                self.batch,
                self.epochs,
                self.weight_rate,
                self.alpha_rate,
                self.seed
            );
        }
        let curvature = if self.curvature { "&curvature=measured" } else { "" };
        format!(
            "{task}data={}&images={}&channels={}&cells={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{curvature}",
            self.data.name(),
            self.images,
            self.channels,
            self.cells,
            self.batch,
            self.epochs,
            self.weight_rate,
            self.alpha_rate,
            self.seed
        )
    }

    /// Sets the setting named `key` in the URL; the task comes first, as the others depend on it.
    ///
    /// # Errors
    /// A sentence: an unknown setting, or a value outside its range.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let integer = |setting: IntegerSetting| setting.parse(value).map(|n| n as usize);
        let wrong = |rule: String| format!("{rule}, not \u{201c}{}\u{201d}.", excerpt(value));
        let either = |words: [&str; 2]| match words.contains(&value) {
            true => Ok(value),
            false => Err(wrong(format!("{key} must be {} or {}", words[0], words[1]))),
        };
        let of_text = match key {
            "text" | "words" | "units" | "bptt" | "dropout" => true,
            "data" | "images" | "channels" | "cells" | "curvature" => false,
            _ => self.task.of_text(),
        };
        if of_text != self.task.of_text() {
            return Err(format!("{key} is not a setting of a {} search.", self.task.name()));
        }
        match key {
            "task" => {
                let names = || Task::all().map(Task::name).collect::<Vec<_>>().join(" or ");
                let task = Task::named(value).ok_or_else(|| wrong(format!("task must be {}", names())))?;
                *self = Self::for_task(task);
            }
            "text" => {
                let rule = "text must be \u{201c}book\u{201d} or \u{201c}own\u{201d}";
                self.text = TextChoice::from_name(value).ok_or_else(|| wrong(rule.into()))?;
            }
            "words" => self.words = integer(IntegerSetting::WORDS)?,
            "units" => self.units = integer(IntegerSetting::UNITS)?,
            "bptt" => self.bptt = integer(IntegerSetting::BPTT)?,
            "dropout" => self.dropout = either(["paper", "none"])? == "paper",
            "data" => {
                let rule = "data must be \u{201c}cifar10\u{201d} or \u{201c}textures\u{201d}";
                self.data = DataChoice::from_name(value).ok_or_else(|| wrong(rule.into()))?;
            }
            "images" => self.images = integer(IntegerSetting::IMAGES)?,
            "channels" => self.channels = integer(IntegerSetting::CHANNELS)?,
            "cells" => self.cells = integer(IntegerSetting::CELLS)?,
            "batch" if self.task.of_text() => self.batch = integer(IntegerSetting::COLUMNS)?,
            "batch" => self.batch = integer(IntegerSetting::BATCH)?,
            "epochs" => self.epochs = integer(IntegerSetting::EPOCHS)?,
            "seed" => self.seed = IntegerSetting::SEED.parse(value)?,
            "order" => {
                self.order = if either(["first", "second"])? == "second" { Order::Second } else { Order::First };
            }
            "curvature" => self.curvature = either(["measured", "none"])? == "measured",
            "lr" => self.weight_rate = Self::weight_rate_setting(self.task).parse(value)?,
            "alr" => self.alpha_rate = RateSetting::ALPHAS.parse(value)?,
            _ => return Err(format!("\u{201c}{}\u{201d} is not a setting.", excerpt(key))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share_link::ShareLink;

    fn read(fragment: &str) -> (Settings, Vec<String>) {
        let (link, problems) = ShareLink::from_fragment(fragment);
        (link.settings, problems)
    }

    #[test]
    fn a_fragment_brings_back_its_settings() {
        for preset in &Settings::PRESETS {
            let settings = Settings {
                seed: IntegerSetting::SEED.max,
                data: DataChoice::Textures,
                curvature: true,
                ..preset.settings
            };
            let (again, problems) = read(&format!("#{}", settings.to_fragment()));
            assert_eq!((again, problems), (settings, vec![]));
            assert_eq!(again.preset(), Some(preset));
            settings.convolutional_config().check().unwrap();
            settings.convolutional_config().split(preset.settings.images).unwrap();
        }
        for preset in &Settings::TEXT_PRESETS {
            let settings = Settings { seed: 7, text: TextChoice::Own, order: Order::Second, ..preset.settings };
            // The task may come anywhere.
            let fragment = settings.to_fragment().replacen("task=recurrent&", "", 1) + "&task=recurrent";
            assert_eq!(read(&fragment), (settings, vec![]));
            assert_eq!(settings.preset(), Some(preset));
            settings.recurrent_config().check().unwrap();
        }
        assert_eq!(read(""), (Settings::default(), vec![]));
    }

    /// Fragments as pages wrote them while there were two tasks.
    #[test]
    fn older_fragments_mean_what_they_meant() {
        let old = "data=textures&images=512&channels=4&cells=3&batch=16&epochs=5&lr=0.025&alr=0.01&seed=7&order=second&curvature=measured";
        let of_images = Settings {
            seed: 7,
            data: DataChoice::Textures,
            order: Order::Second,
            curvature: true,
            ..Settings::PRESETS[0].settings
        };
        assert_eq!((read(old), of_images.to_fragment().as_str()), ((of_images, vec![]), old));
        let old = "task=recurrent&text=own&words=10000&units=300&bptt=35&batch=256&epochs=50&lr=20&alr=0.003&seed=0&dropout=paper";
        let of_text = Settings { text: TextChoice::Own, ..Settings::TEXT_PRESETS[3].settings };
        assert_eq!((read(old), of_text.to_fragment().as_str()), ((of_text, vec![]), old));
        assert!(Task::all().all(Settings::offers));
        assert_eq!(of_images.search_config(), Some(of_images.convolutional_config().into()));
        assert_eq!(of_text.search_config(), Some(of_text.recurrent_config().into()));
    }

    #[test]
    fn a_mangled_fragment_keeps_defaults_and_says_why() {
        let (settings, problems) = read("batch=0&channels=4&alr=NaN&<script>=1&data=mnist");
        assert_eq!(settings, Settings { channels: 4, ..Settings::default() });
        assert_eq!(problems.len(), 3, "no more than can be read");
        assert_eq!(
            problems[0],
            "In this page\u{2019}s address, batch must be a whole number from 1 to 1024, not \u{201c}0\u{201d}."
        );
        assert!(problems[1].contains("alr must be a number above 0"));
        let (_, problems) = read("task=recurrent&channels=4&lr=1000");
        assert!(problems[0].ends_with("channels is not a setting of a recurrent search."), "{problems:?}");
        assert!(problems[1].contains("lr must be a number above 0 and at most 100, "));
        let (_, problems) = read(&format!("seed={}", "9".repeat(10_000)));
        assert!(problems[0].len() < 200);
    }
}
