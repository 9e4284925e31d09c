//! A recorder for the `metrics` crate that prints what Prometheus scrapes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Counters and gauges by name and labels.
#[derive(Clone, Default)]
pub(crate) struct Scrape(Arc<Mutex<BTreeMap<String, Cell>>>);

#[derive(Clone)]
enum Cell {
    Count(Arc<AtomicU64>),
    Level(Arc<AtomicU64>),
}

impl Scrape {
    fn cell(&self, key: &Key, make: fn(Arc<AtomicU64>) -> Cell) -> Arc<AtomicU64> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        let mut cells = self.0.lock().expect("nobody panics with it");
        let (Cell::Count(cell) | Cell::Level(cell)) =
            cells.entry(name).or_insert_with(|| make(Arc::default()));
        Arc::clone(cell)
    }

    /// In the text format of Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (name, cell) in self.0.lock().expect("nobody panics with it").iter() {
            let written = match cell {
                Cell::Count(count) => writeln!(text, "{name} {}", count.load(Ordering::Relaxed)),
                Cell::Level(level) => {
                    writeln!(text, "{name} {}", f64::from_bits(level.load(Ordering::Relaxed)))
                }
            };
            written.expect("a string takes everything");
        }
        text
    }
}

impl Recorder for Scrape {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key, Cell::Count))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key, Cell::Level))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
