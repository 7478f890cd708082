//! The comparison as a drawing: charts of bars, on logarithmic scales.

use std::fmt::Write;

use crate::ipc::report::{Figures, Report};
use crate::ipc::text::{bytes, count, time};
use crate::table::wrap;

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long they may get.
const LEFT: f64 = 170.0;
const LONGEST: f64 = 470.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const TITLE: f64 = 54.0;
/// A line of the note, and characters in it.
const LINE: f64 = 15.0;
const NOTE: usize = 120;
/// Behind what is written across a line of the grid.
const HALO: &str = "stroke=\"#ffffff\" stroke-width=\"5\" paint-order=\"stroke\" fill=\"#222222\"";

struct Chart {
    title: &'static str,
    size: usize,
    figure: fn(&Figures) -> f64,
    show: fn(f64) -> String,
}

const CHARTS: [Chart; 5] = [
    Chart {
        title: "64 bytes there and back, median (shorter is better)",
        size: 0,
        figure: |figures| figures.median_nanoseconds,
        show: time,
    },
    Chart {
        title: "64 bytes there and back, 999 of 1000 within (shorter is better)",
        size: 0,
        figure: |figures| figures.p999_nanoseconds,
        show: time,
    },
    Chart {
        title: "64 bytes one way, messages a second (longer is better)",
        size: 0,
        figure: |figures| figures.messages_per_second,
        show: count,
    },
    Chart {
        title: "4 KiB one way, bytes a second (longer is better)",
        size: 1,
        figure: |figures| figures.bytes_per_second,
        show: bytes,
    },
    Chart {
        title: "1 MiB one way, bytes a second (longer is better)",
        size: 2,
        figure: |figures| figures.bytes_per_second,
        show: bytes,
    },
];

/// Whole powers of ten, among which values lie.
struct Scale {
    lowest: i32,
    highest: i32,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let values = || values.iter().copied().filter(|value| *value > 0.0);
        let least = values().fold(f64::INFINITY, f64::min);
        let most = values().fold(0.0, f64::max);
        if most == 0.0 {
            return Self { lowest: 0, highest: 1 };
        }
        // No bar is so short that it cannot be seen.
        let lowest = (least / 1.5).log10().floor() as i32;
        Self { lowest, highest: (most.log10().ceil() as i32).max(lowest + 1) }
    }

    fn length(&self, value: f64) -> f64 {
        let span = f64::from(self.highest - self.lowest);
        LONGEST * (value.max(1e-9).log10() - f64::from(self.lowest)).clamp(0.0, span) / span
    }

    /// A line at each power of ten, with what it stands for.
    fn grid(&self, svg: &mut String, top: f64, height: f64, show: fn(f64) -> String) {
        for power in self.lowest..=self.highest {
            let value = 10f64.powi(power);
            let (x, bottom) = (LEFT + self.length(value), top + height - 8.0);
            let _ = writeln!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" \
                 stroke=\"#dddddd\"/>"
            );
            let style = "text-anchor=\"middle\" font-size=\"10\" fill=\"#777777\"";
            text(svg, x, top - 5.0, style, &whole(&show(value)));
        }
    }
}

/// Draws it, as SVG 1.1.
pub fn draw(report: &Report) -> String {
    let height =
        CHARTS.len() as f64 * (TITLE + STEP * report.ways.len() as f64) + 24.0 + 2.0 * LINE;
    let mut svg = begin(WIDTH, height);
    let mut top = 0.0;
    for chart in &CHARTS {
        let value = |way: &str| report.figures(way, chart.size).map(chart.figure);
        let values: Vec<f64> = report.ways.iter().filter_map(|row| value(row.way)).collect();
        let scale = Scale::of(&values);
        text(&mut svg, 16.0, top + 26.0, "font-weight=\"bold\" fill=\"#222222\"", chart.title);
        top += TITLE;
        scale.grid(&mut svg, top, STEP * report.ways.len() as f64, chart.show);
        for row in &report.ways {
            let middle = top + BAR / 2.0 + 5.0;
            let label = "text-anchor=\"end\" fill=\"#222222\"";
            text(&mut svg, LEFT - 10.0, middle, label, row.way);
            let color = if row.way.starts_with("folio") { "#0b6e99" } else { "#b8bec6" };
            match value(row.way) {
                Some(value) => {
                    let length = scale.length(value);
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{LEFT}\" y=\"{top:.0}\" width=\"{length:.1}\" height=\"{BAR}\" \
                         fill=\"{color}\"/>"
                    );
                    let end = LEFT + length + 8.0;
                    text(&mut svg, end, middle, HALO, &(chart.show)(value));
                }
                None => text(&mut svg, LEFT, middle, "fill=\"#777777\"", "not available"),
            }
            top += STEP;
        }
    }
    let note = format!("Logarithmic scales. {}", report.note());
    for line in wrap(&note, NOTE) {
        text(&mut svg, 16.0, top + 24.0, "font-size=\"11\" fill=\"#777777\"", &line);
        top += LINE;
    }
    svg.push_str("</svg>\n");
    svg
}

/// A figure of three digits that is a power of ten, with no more digits than that takes.
fn whole(figure: &str) -> String {
    figure.replace(".00", "").replace(".0 ", " ").replace(".0/", "/")
}

/// What a drawing of this size begins with: a white sheet.
pub(crate) fn begin(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    )
}

/// A line of text, with what XML would take for its own written otherwise.
pub(crate) fn text(svg: &mut String, x: f64, y: f64, style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}
