use super::{EVENTS_MAX, Header, Schedule};

/// Why a text is no schedule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The text is empty.
    #[error(
        "the schedule is empty: its first line is the header, as in {{\"seed\":7,\"shape\":\"star\",\"nodes\":3}}"
    )]
    Empty,
    /// A line cannot be read.
    #[error(
        "line {line} of the schedule cannot be read: compare it with what 'sim run --seed 1 --print' prints"
    )]
    Malformed {
        /// From 1.
        line: usize,
        /// What the reader of JSON says.
        source: serde_json::Error,
    },
    /// An event is earlier than the one before it.
    #[error("line {line} of the schedule is earlier than the line before it: sort the events by 'at_us'")]
    Order {
        /// From 1.
        line: usize,
    },
    /// More events than [`EVENTS_MAX`].
    #[error("the schedule has more than {EVENTS_MAX} events")]
    TooMany,
}

pub(super) fn write(schedule: &Schedule) -> String {
    let mut lines = Vec::with_capacity(schedule.events.len() + 2);
    // A value of these types always is JSON.
    lines.extend(serde_json::to_string(&schedule.header));
    lines.extend(schedule.events.iter().flat_map(serde_json::to_string));
    lines.push(String::new());
    lines.join("\n")
}

pub(super) fn read(text: &str) -> Result<Schedule, LineError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let malformed = |index: usize| move |source| LineError::Malformed { line: index + 1, source };
    let (index, line) = lines.next().ok_or(LineError::Empty)?;
    let header: Header = serde_json::from_str(line).map_err(malformed(index))?;
    let mut schedule = Schedule { header, events: Vec::new() };
    let mut last_us = 0;
    for (index, line) in lines {
        if schedule.events.len() >= EVENTS_MAX {
            return Err(LineError::TooMany);
        }
        let scheduled: super::Scheduled = serde_json::from_str(line).map_err(malformed(index))?;
        if scheduled.at_us < last_us {
            return Err(LineError::Order { line: index + 1 });
        }
        last_us = scheduled.at_us;
        schedule.events.push(scheduled);
    }
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for seed in 0..20 {
            let schedule = Schedule::of_seed(seed, None);
            assert_eq!(Schedule::from_lines(&schedule.to_lines()).unwrap(), schedule);
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let header = "{\"seed\":7,\"shape\":\"star\",\"nodes\":3}\n";
        let refused = |text: &str| Schedule::from_lines(text).unwrap_err().to_string();
        assert!(refused("").starts_with("the schedule is empty"));
        assert!(refused("\nseed 7").starts_with("line 2 of the schedule cannot be read"));
        let read = |at_us: u64| {
            format!(
                "{{\"at_us\":{at_us},\"event\":{{\"read\":{{\"node\":0,\"space\":\"s\",\"key\":\"k\"}}}}}}\n"
            )
        };
        assert!(Schedule::from_lines(&format!("{header}{}{}", read(1), read(1))).is_ok());
        let unsorted = refused(&format!("{header}{}{}", read(2), read(1)));
        assert!(unsorted.starts_with("line 3 of the schedule is earlier"));
    }
}
