//! One run from start to outcome, what C1 gets of it, and the queue in which runs wait. Reads through a connector, writes
//! through the snapshot store; must not write Kubernetes objects.

mod background;
mod baseline;
mod confirm;
mod delivery;
mod failure;
mod one_file;
mod outcome;
mod progress;
mod queue;
mod reading;
mod run;
mod settings;
mod snapshots;
mod verdict;

pub(crate) use background::in_background;
pub use baseline::{Baseline, Known, PublishedBefore, Told};
pub use delivery::{called_off, deliver};
#[cfg(test)]
pub(crate) use failure::tests::assert_says_what_to_do;
pub use failure::{Credential, Failure};
pub use one_file::OneFile;
pub use outcome::{Ended, Held, Outcome, Published, SecretSeen};
pub use progress::ProgressLog;
pub use queue::{Class, CredentialKey, Job, NewRun, ObjectKey, Queue, RunView};
pub use run::{Opened, Plan, Source, run};
pub use settings::Settings;
pub use snapshots::{Destination, Holds, OwnSnapshots, Place, PublishError, Snapshots};
