//! `snapshot`: looks at what is stored, pairs two for `baton diff`, prunes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use crate::printing;
use crate::snapshot::{self, Owner, Store};

use super::storage::Storage;
use super::{Failed, Output, report};

/// Looks at stored snapshots
#[derive(Debug, Subcommand)]
pub(super) enum Snapshot {
    /// Lists the snapshots of every connector
    List(List),
    /// Puts two snapshots into one file, as baton diff wants them
    Pair(Pair),
    /// Removes all but the last snapshots of every connector
    Prune(Prune),
}

#[derive(Debug, Args)]
struct Stored {
    #[command(flatten)]
    storage: Storage,
    /// Only connectors in this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    store: Stored,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Pair {
    /// The earlier snapshot.
    first: PathBuf,
    /// The later snapshot.
    second: PathBuf,
    /// The file to write.
    #[arg(long, default_value = "pair.c1z", value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    #[command(flatten)]
    store: Stored,
    /// How many to keep of each connector.
    #[arg(long, default_value = "5")]
    keep: NonZeroUsize,
}

#[derive(Debug, Serialize)]
struct Row {
    namespace: String,
    kind: String,
    name: String,
    uid: String,
    id: String,
    latest: bool,
    size: u64,
    /// Where it is, of snapshots in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    uri: String,
}

impl Snapshot {
    pub(super) fn execute(self) -> Result<(), Failed> {
        match self {
            Self::List(list) => list.execute(),
            Self::Pair(pair) => pair.execute(),
            Self::Prune(prune) => prune.execute(),
        }
    }
}

impl Stored {
    fn open(&self) -> Result<Store, Failed> {
        self.storage.open_existing(&std::env::temp_dir())
    }

    fn owners(&self, store: &Store) -> Result<Vec<Owner>, Failed> {
        let mut owners = store.owners()?;
        owners.retain(|owner| self.namespace.as_deref().is_none_or(|it| it == owner.namespace()));
        Ok(owners)
    }
}

impl List {
    fn execute(self) -> Result<(), Failed> {
        let store = self.store.open()?;
        let mut rows = Vec::new();
        for owner in self.store.owners(&store)? {
            rows.extend(store.list(&owner)?.into_iter().map(|entry| Row {
                namespace: owner.namespace().to_owned(),
                kind: owner.kind().to_owned(),
                name: owner.name().to_owned(),
                uid: owner.uid().to_owned(),
                path: match &store {
                    Store::Directory(folders) => Some(folders.path(&owner, &entry.id)),
                    Store::Bucket(_) => None,
                },
                uri: store.uri(&owner, &entry.id),
                id: entry.id.to_string(),
                latest: entry.latest,
                size: entry.size,
            }));
        }
        match self.output {
            Output::Json => report::json(&rows),
            Output::Table => {
                let rows: Vec<Vec<String>> = rows.into_iter().map(cells).collect();
                report::table(&["NAMESPACE", "KIND", "NAME", "ID", "LATEST", "SIZE"], rows)
            }
        }
    }
}

fn cells(row: Row) -> Vec<String> {
    let latest = if row.latest { "yes" } else { "" }.to_owned();
    vec![row.namespace, row.kind, row.name, row.id, latest, printing::bytes(row.size)]
}

impl Pair {
    fn execute(self) -> Result<(), Failed> {
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty());
        let scratch = folder.unwrap_or(Path::new("."));
        let first = snapshot::Snapshot::open(&self.first, scratch)?;
        let second = snapshot::Snapshot::open(&self.second, scratch)?;
        let packed = snapshot::pair(&first, &second, &self.out, scratch)?;
        report::text(&format!("{}: {}\n", packed.path.display(), printing::bytes(packed.size)))
    }
}

impl Prune {
    fn execute(self) -> Result<(), Failed> {
        let store = self.store.open()?;
        let (mut snapshots, mut leftovers) = (0, 0);
        for owner in self.store.owners(&store)? {
            let pruned = store.prune(&owner, self.keep.get(), Timestamp::now())?;
            snapshots += pruned.snapshots;
            leftovers += pruned.leftovers;
        }
        report::text(&format!("removed {snapshots} snapshots and {leftovers} incomplete files\n"))
    }
}
