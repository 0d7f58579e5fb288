//! Writing and reading `.c1z` snapshots, and the store that keeps them.
