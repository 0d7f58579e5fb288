//! One run from start to outcome, what C1 gets of it, and the queue in which runs wait. Reads through a connector, writes
//! through the snapshot store; must not write Kubernetes objects.

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

pub use baseline::{Baseline, Known, PublishedBefore};
pub use delivery::{called_off, deliver};
pub use failure::{Credential, Failure};
pub use one_file::OneFile;
pub use outcome::{Ended, Held, Outcome, Published, SecretSeen};
pub use progress::ProgressLog;
pub use queue::{Class, CredentialKey, Job, NewRun, ObjectKey, Queue, RunView};
pub use run::{Opened, Plan, Source, run};
pub use settings::Settings;
pub use snapshots::{Destination, Holds, OwnSnapshots, Place, PublishError, Snapshots};
