//! What chat templates call: the functions and methods that Python's template engine gives them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// How deep macros and loops may call themselves.
const RECURSION: usize = 200;

/// Marks an error that a template raised by itself.
const RAISED: &str = "raised: ";

/// An environment with nothing but what templates of models use: no loader, no file, no clock but the one given.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_recursion_limit(RECURSION);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_syntax(syntax());
    // As Python has it: texts and mappings are sequences, nothing is not to be iterated.
    let iterable = |value: &Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::String)
    };
    environment.add_test("iterable", iterable);
    environment.add_test("sequence", iterable);
    environment.add_filter("tojson", super::json::to_json);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, format!("{RAISED}{message}")))
    });
    environment
}

/// How templates of models are written.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().unwrap_or_default()
}

/// What went wrong, for a message: what the template said, or where it failed.
pub(super) fn problem(error: &Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<Error>()
            && let Some(raised) = error.detail().and_then(|detail| detail.strip_prefix(RAISED))
        {
            return format!("the chat template refuses it: {}", crate::error::printable_up_to(raised, 200));
        }
        cause = error.source();
    }
    if error.kind() == ErrorKind::OutOfFuel {
        return "the chat template takes more time or memory than any should".into();
    }
    let text = crate::error::printable_up_to(&error.to_string(), 200);
    format!("the chat template fails: {text}")
}

/// `strftime` of a time in UTC, with the directives that templates use; others stay as they are.
pub(super) fn strftime(format: &str, now: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let month_name = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let day_name = DAYS.get((days % 7) as usize).copied().unwrap_or_default();
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = chars.next();
        let padded = directive != Some('-');
        if !padded {
            directive = chars.next();
        }
        let number = |number: u64, width: usize| {
            if padded { format!("{number:0width$}") } else { number.to_string() }
        };
        out.push_str(&match directive {
            Some('Y') => year.to_string(),
            Some('y') => number(year % 100, 2),
            Some('m') => number(month, 2),
            Some('d') => number(day, 2),
            Some('H') => number(hour, 2),
            Some('I') => number((hour + 11) % 12 + 1, 2),
            Some('M') => number(minute, 2),
            Some('S') => number(second % 60, 2),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('B') => month_name.to_owned(),
            Some('b') => month_name.chars().take(3).collect(),
            Some('A') => day_name.to_owned(),
            Some('a') => day_name.chars().take(3).collect(),
            Some('%') => "%".to_owned(),
            other => std::iter::once('%').chain(other).collect(),
        });
    }
    out
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Source: Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days.saturating_add(719_468); // days since 0000-03-01
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let format = "%A %a %d %-d %B %b %Y %y %H:%M:%S %I %p %% %q";
        assert_eq!(strftime(format, at(0)), "Thursday Thu 01 1 January Jan 1970 70 00:00:00 12 AM % %q");
        let leap_day = "Thursday Thu 29 29 February Feb 2024 24 23:59:59 11 PM % %q";
        assert_eq!(strftime(format, at(1_709_251_199)), leap_day);
        assert_eq!(strftime("%d %b %Y%", at(4_102_444_800)), "01 Jan 2100%");
    }
}
