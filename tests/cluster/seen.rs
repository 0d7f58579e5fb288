//! A connector of each kind in each state of the table in `docs/architecture.md`, as others see it: GitOps tools, by
//! Flux' own rules (`tools/kstatus`), and a person, by `kubectl describe`. What a person sees is left in
//! `target/tmp/describe`, to be read as a whole.

mod c1;
mod failures;
mod held;
mod judge;
mod model;
mod runs;
mod stage;

/// Runs what is the same for both kinds.
macro_rules! each_kind {
    ($state:ident) => {{
        $state::<connector_operator::api::ScalrConnector>().await;
        $state::<connector_operator::api::PlanetScaleConnector>().await;
    }};
}
use each_kind;
