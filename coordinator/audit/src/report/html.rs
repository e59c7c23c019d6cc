//! A report as one page that needs nothing from elsewhere: no scripts, no fonts, no images.

use std::collections::BTreeMap;
use std::fmt::Write;

use mpic_common::code::PerspectiveId;
use mpic_common::observation::CheckKind;
use mpic_common::policy::Outcome;
use mpic_common::time::UnixMs;

use super::{Attempt, Rate, Rates};

/// The page of these attempts; `logs` are the heads that they were read under, one a line.
pub fn html(attempts: &[Attempt], logs: &[String]) -> String {
    let rates = Rates::of(attempts);
    let mut page = String::from(HEAD);
    // Writing to a String does not fail.
    let _ = write!(page, "<h1>Multi-perspective corroboration</h1>\n{}", summary(attempts, logs));
    let _ = write!(page, "<h2>Without corroboration, by perspective</h2>\n{}", charts(&rates));
    page.push_str("<h2>Attempts</h2>\n");
    for attempt in attempts {
        let class = if attempt.has_failed() { "failed" } else { attempt.outcome.as_str() };
        let text = escaped(&attempt.to_string());
        let _ = writeln!(page, "<pre class=\"{class}\">{text}</pre>");
    }
    page.push_str("</body></html>\n");
    page
}

fn summary(attempts: &[Attempt], logs: &[String]) -> String {
    let count = |is: fn(&Attempt) -> bool| attempts.iter().filter(|attempt| is(attempt)).count();
    let corroborated = count(|attempt| attempt.outcome == Outcome::Corroborate);
    let failed = count(Attempt::has_failed);
    let logs: Vec<_> = logs.iter().map(|log| escaped(log)).collect();
    format!(
        "<p>{} attempts: {corroborated} corroborated, {} refused; {failed} in which a replay finds \
         a fault.</p>\n<pre>{}</pre>\n",
        attempts.len(),
        attempts.len() - corroborated,
        logs.join("\n")
    )
}

/// A chart a perspective and check, all over the same time.
fn charts(rates: &Rates) -> String {
    let mut charts: BTreeMap<(&PerspectiveId, CheckKind), Vec<&Rate>> = BTreeMap::new();
    for rate in &rates.rows {
        charts.entry((&rate.perspective, rate.check)).or_default().push(rate);
    }
    let times = || rates.rows.iter().map(|rate| rate.from_ms);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return "<p>Nobody was asked.</p>\n".to_owned();
    };
    let span =
        format!("<p>{first} to {}, a bar for each {}.</p>\n", end(last, rates), period(rates));
    let charts = charts.into_iter().map(|((perspective, check), bars)| {
        let sum = |of: fn(&Rate) -> u64| bars.iter().map(|rate| of(rate)).sum::<u64>();
        let total = Rate {
            perspective: perspective.clone(),
            check,
            from_ms: first,
            asked: sum(|rate| rate.asked),
            not_corroborating: sum(|rate| rate.not_corroborating),
        };
        let bars: String = bars.iter().map(|rate| bar(rate, first, rates.period_ms)).collect();
        let periods = (last.0 - first.0) / rates.period_ms + 1;
        format!(
            "<figure><svg viewBox=\"0 0 {} 100\" preserveAspectRatio=\"none\" role=\"img\">\
             <title>{perspective} {}</title>{bars}</svg><figcaption>{perspective} {}: {} of {}\
             </figcaption></figure>\n",
            periods * BAR,
            check.as_str(),
            check.as_str(),
            total.not_corroborating,
            total.asked
        )
    });
    std::iter::once(span).chain(charts).collect()
}

/// From the bottom, as high as the rate; what was asked and corroborated is the light part.
fn bar(rate: &Rate, first: UnixMs, period_ms: u64) -> String {
    let left = (rate.from_ms.0 - first.0) / period_ms * BAR;
    let height = rate.per_mille() / 10;
    format!(
        "<g><title>{}</title><rect class=\"asked\" x=\"{left}\" y=\"0\" width=\"{1}\" \
         height=\"100\"/><rect class=\"not\" x=\"{left}\" y=\"{2}\" width=\"{1}\" \
         height=\"{height}\"/></g>",
        escaped(&rate.to_string()),
        BAR - 1,
        100 - height
    )
}

fn end(last: UnixMs, rates: &Rates) -> UnixMs {
    UnixMs(last.0 + rates.period_ms)
}

fn period(rates: &Rates) -> String {
    match rates.period_ms / 3_600_000 {
        1 => "hour".to_owned(),
        24 => "day".to_owned(),
        hours => format!("{} days", hours / 24),
    }
}

/// Names and reasons come from strangers.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Units of the drawing.
const BAR: u64 = 10;

/// The policy keeps a browser from fetching or running anything, whatever a name says.
const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<title>Multi-perspective corroboration</title>
<style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em }
figure { display: inline-block; margin: 0 1em 1em 0; width: 22em }
svg { width: 100%; height: 5em; background: #f4f4f4 }
rect.asked { fill: #cfe3d4 } rect.not { fill: #b3261e }
pre { overflow-x: auto; padding: .6em; border-left: .3em solid #999; background: #f8f8f8 }
pre.corroborate { border-color: #2e7d32 } pre.refuse { border-color: #999 }
pre.failed { border-color: #b3261e; background: #fdecea }
</style></head><body>
";
