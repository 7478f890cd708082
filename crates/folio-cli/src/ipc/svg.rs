//! The comparison as a drawing: three charts of bars, on logarithmic scales.

use std::fmt::Write;

use crate::ipc::report::{Figures, Report};
use crate::ipc::text::{bytes, count, time};

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long they may get.
const LEFT: f64 = 170.0;
const LONGEST: f64 = 470.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TITLE: f64 = 44.0;

struct Chart {
    title: &'static str,
    size: usize,
    figure: fn(&Figures) -> f64,
    show: fn(f64) -> String,
}

const CHARTS: [Chart; 3] = [
    Chart {
        title: "64 bytes there and back, median (shorter is better)",
        size: 0,
        figure: |figures| figures.median_nanoseconds,
        show: time,
    },
    Chart {
        title: "64 bytes one way, messages a second (longer is better)",
        size: 0,
        figure: |figures| figures.messages_per_second,
        show: count,
    },
    Chart {
        title: "1 MiB one way, bytes a second (longer is better)",
        size: 2,
        figure: |figures| figures.bytes_per_second,
        show: bytes,
    },
];

/// Draws it, as SVG 1.1.
pub fn draw(report: &Report) -> String {
    let height = CHARTS.len() as f64 * (TITLE + STEP * report.ways.len() as f64) + 40.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut top = 0.0;
    for chart in &CHARTS {
        let value = |way: &str| report.figures(way, chart.size).map(chart.figure);
        let values: Vec<f64> = report.ways.iter().filter_map(|row| value(row.way)).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min).max(1e-9);
        let most = values.iter().copied().fold(least, f64::max);
        // The shortest bar has a tenth of the length.
        let length = |value: f64| match most > least {
            true => LONGEST * (0.1 + 0.9 * (value / least).ln() / (most / least).ln()),
            false => LONGEST,
        };
        text(&mut svg, 16.0, top + 28.0, "font-weight=\"bold\" fill=\"#222222\"", chart.title);
        top += TITLE;
        for row in &report.ways {
            let middle = top + BAR / 2.0 + 5.0;
            let label = "text-anchor=\"end\" fill=\"#222222\"";
            text(&mut svg, LEFT - 10.0, middle, label, row.way);
            let color = if row.way.starts_with("folio") { "#0b6e99" } else { "#b8bec6" };
            match value(row.way) {
                Some(value) => {
                    let length = length(value);
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{length:.1}\" height=\"{BAR}\" \
                         fill=\"{color}\"/>"
                    );
                    let end = LEFT + length + 8.0;
                    text(&mut svg, end, middle, "fill=\"#222222\"", &(chart.show)(value));
                }
                None => text(&mut svg, LEFT, middle, "fill=\"#777777\"", "not available"),
            }
            top += STEP;
        }
    }
    let Report { rounds, processors, kernel, .. } = report;
    let note = format!(
        "Logarithmic scales. Medians of {rounds} rounds, {processors} processors, Linux {kernel}; payload \
         written and verified."
    );
    text(&mut svg, 16.0, top + 24.0, "font-size=\"11\" fill=\"#777777\"", &note);
    svg.push_str("</svg>\n");
    svg
}

fn text(svg: &mut String, x: f64, y: f64, style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}
