//! Without a client id: reads once, and writes a file.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::connectors::Connector;
use crate::kinds::Kind;
use crate::snapshot::Selection;
use crate::sync::{OneFile, Plan, run};

use super::super::progress::Bars;
use super::super::results::{RunResult, Scope};
use super::super::{Failed, Output, report};
use super::open::Open;
use super::problem::exit_code;
use super::settings::FileSettings;

/// How long one run may take. A million users take the better part of an hour by the vendors' own allowances, so this only
/// ends what hangs.
pub(super) const AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// What is printed of a run.
#[derive(Serialize)]
struct Printed {
    connector: &'static str,
    #[serde(flatten)]
    run: RunResult,
}

/// Reads once and writes what `selection` wants of it to the file.
pub(super) async fn read<K: Kind>(
    name: &'static str,
    open: Arc<Open<K>>,
    file: FileSettings,
    selection: Selection,
    stop: CancellationToken,
) -> RunResult {
    let bars = Bars::new();
    let bar = bars.add(name);
    let destination = OneFile::new(file.path, file.scratch.clone())
        .keeping_previous(file.keeps_previous)
        .with_only(selection.clone());
    let plan = Plan::once(AT_MOST, file.scratch);
    let watch = |progress| bar.follow(progress);
    let outcome = run(plan, open.as_ref(), Arc::new(destination), watch, stop).await;
    bar.finish();
    let unwanted = open.connector().map(|connector| unwanted(connector.as_ref(), &selection));
    let scope: Scope = Box::new(move |counts| open.scope(counts));
    let mut result = RunResult::new(&scope, outcome);
    if let Ok(unwanted) = unwanted {
        result.keep(|name| !unwanted.contains(&name));
    }
    result
}

/// The names of the counts of what is not written.
fn unwanted(connector: &dyn Connector, selection: &Selection) -> Vec<&'static str> {
    let is_wanted = |id: &str| selection.resource_types.as_ref().is_none_or(|types| types.contains(id));
    let types = connector.resource_types().iter().filter(|it| !is_wanted(it.id)).map(|it| it.plural);
    let others = [("entitlements", selection.entitlements), ("grants", selection.grants)];
    types.chain(others.into_iter().filter(|(_, wanted)| !wanted).map(|(name, _)| name)).collect()
}

/// Prints what came of it, and says what to exit with.
pub(super) fn print(name: &'static str, run: RunResult, output: Output) -> Result<ExitCode, Failed> {
    let code = if run.is_success() { ExitCode::SUCCESS } else { exit_code(run.reason()) };
    match output {
        Output::Table if run.is_success() => report::table(&run.headings(), vec![run.row().to_vec()])?,
        Output::Table => report::error(run.message()),
        Output::Json => report::json(&Printed { connector: name, run })?,
    }
    Ok(code)
}
