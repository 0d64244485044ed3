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
        if self.task == Task::Recurrent {
            let dropout = if self.dropout { "&dropout=paper" } else { "" };
            return format!(
                "task=recurrent&text={}&words={}&units={}&bptt={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{dropout}",
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
            "data={}&images={}&channels={}&cells={}&batch={}&epochs={}&lr={}&alr={}&seed={}{order}{curvature}",
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
        let only = |task: Task| match self.task == task {
            true => Ok(()),
            false => Err(format!("{key} is no setting of a {} search.", Task::ALL[self.task as usize].1)),
        };
        match key {
            "text" | "words" | "units" | "bptt" | "dropout" => only(Task::Recurrent)?,
            "data" | "images" | "channels" | "cells" | "curvature" => only(Task::Convolutional)?,
            _ => {}
        }
        match key {
            "task" => {
                let found = Task::ALL.iter().find(|(_, name)| *name == value);
                let (task, _) = found.ok_or_else(|| wrong("task must be convolutional or recurrent".into()))?;
                *self = Self::for_task(*task);
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
            "batch" if self.task == Task::Recurrent => self.batch = integer(IntegerSetting::COLUMNS)?,
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
            settings.search_config().check().unwrap();
            settings.search_config().split(preset.settings.images).unwrap();
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
        assert!(problems[0].ends_with("channels is no setting of a recurrent search."), "{problems:?}");
        assert!(problems[1].contains("lr must be a number above 0 and at most 100, "));
        let (_, problems) = read(&format!("seed={}", "9".repeat(10_000)));
        assert!(problems[0].len() < 200);
    }
}
