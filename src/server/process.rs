//! The standard `process_*` metrics, as Linux tells of a process in /proc (proc(5)). What it does not tell is left out.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// This process.
#[derive(Debug)]
pub(super) struct Process;

/// What `/proc/self/stat` says.
#[derive(Debug, PartialEq)]
struct Stat {
    /// Ticks of the clock on a processor, its own and the kernel's.
    cpu: u64,
    /// Ticks of the clock from the start of the system to that of the process.
    start: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn of(text: &str) -> Option<Self> {
        // The name of the program may hold spaces and brackets. What follows begins with the third field.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)? + field(15)?,
            start: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the system has started, in seconds since 1970.
fn boot_time(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|time| time.trim().parse().ok())
}

/// The most files that may be open.
fn most_files(text: &str) -> Option<u64> {
    let limit = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_ascii_whitespace().next()?.parse().ok()
}

fn read<T>(path: &str, look: fn(&str) -> Option<T>) -> Option<T> {
    look(&fs::read_to_string(path).ok()?)
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(stat) = read("/proc/self/stat", Stat::of) {
            let tick = rustix::param::clock_ticks_per_second() as f64;
            let help = "Time on a processor, its own and the kernel's";
            let family =
                encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
            ConstCounter::new(stat.cpu as f64 / tick).encode(family)?;
            let resident = stat.resident_pages.saturating_mul(rustix::param::page_size() as u64);
            gauge(&mut encoder, "process_resident_memory", "Memory in use", Some(Unit::Bytes), resident)?;
            let help = "Address space in use";
            gauge(&mut encoder, "process_virtual_memory", help, Some(Unit::Bytes), stat.virtual_bytes)?;
            if let Some(boot) = read("/proc/stat", boot_time) {
                let help = "When the process has started, since 1970";
                let unit = Unit::Seconds;
                let family =
                    encoder.encode_descriptor("process_start_time", help, Some(&unit), MetricType::Gauge)?;
                ConstGauge::new(boot as f64 + stat.start as f64 / tick).encode(family)?;
            }
        }
        // The folder is open while it is counted.
        if let Some(open) = fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1)) {
            gauge(&mut encoder, "process_open_fds", "Open files and connections", None, open as u64)?;
        }
        if let Some(most) = read("/proc/self/limits", most_files) {
            gauge(&mut encoder, "process_max_fds", "The most of them that may be open", None, most)?;
        }
        Ok(())
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    value: u64,
) -> Result<(), fmt::Error> {
    let family = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_whose_name_has_brackets_is_understood() {
        let text = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 4711 8192000 1500 \
                    18446744073709551615 1 1 0";
        let stat = Stat { cpu: 300, start: 4711, virtual_bytes: 8_192_000, resident_pages: 1500 };
        assert_eq!(Stat::of(text), Some(stat));
        assert_eq!(Stat::of("7 (cut off) S 1"), None);
    }

    #[test]
    fn what_the_system_tells_of_itself_and_its_limits_is_understood() {
        assert_eq!(boot_time("cpu  1 2\nbtime 1795655000\nprocesses 9\n"), Some(1_795_655_000));
        let limits = "Limit     Soft Limit   Hard Limit   Units\nMax open files   1024   4096   files\n";
        assert_eq!(most_files(limits), Some(1024));
        assert_eq!(most_files("Max open files   unlimited   unlimited   files\n"), None);
    }
}
