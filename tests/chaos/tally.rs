//! What was done to operators, in numbers.

use std::collections::BTreeMap;

use in_memory_api_server::Fault;

/// What was done to operators.
#[derive(Debug, Default)]
pub struct Tally {
    pub histories: u64,
    /// Operators that were started.
    pub operators: u64,
    /// Changes of connectors that the API server kept.
    pub writes: u64,
    pub faults: BTreeMap<String, u64>,
}

impl Tally {
    pub fn fault(&mut self, fault: Fault) {
        let text = format!("{fault:?}");
        let name = text.split('(').next().unwrap_or_default().to_owned();
        *self.faults.entry(name).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.operators += other.operators;
        self.writes += other.writes;
        for (fault, times) in other.faults {
            *self.faults.entry(fault).or_default() += times;
        }
    }
}
