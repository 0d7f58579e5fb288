//! One run from start to outcome, and the queue in which runs wait. Reads through a connector, writes through the
//! snapshot store; must not write Kubernetes objects.

mod failure;
mod outcome;
mod queue;
mod run;
mod snapshots;

pub use failure::{Credential, Failure};
pub use outcome::{Ended, Held, Outcome, Published, SecretSeen};
pub use queue::{Class, Job, ObjectKey, Queue, RunView};
pub use run::{Opened, Plan, PublishedBefore, Source, run};
pub use snapshots::{Destination, OneFile, OwnSnapshots, PublishError, Snapshots};
