//! What must become of a task for each thing that C1 can do wrong.

use std::fmt;

use connector_simulator::C1Fault;
use tonic::Code;

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The task is done, with one file, after so many reads.
    Done { reads: usize },
    /// The task is ended with this code.
    Fails(Code),
    /// C1 cannot be asked, for a reason that lasts or passes; when it can, the task is done.
    Waits { lasts: bool },
    /// The loop ends, where it may.
    Ends,
}

/// Until when the read takes, where the fault strikes during it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// No time.
    AtOnce,
    /// Until the fault has struck as often as it does.
    UntilStruck,
    /// Until C1 has given so many tokens.
    UntilTokens(usize),
    /// Until it is dropped.
    Forever,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) fault: C1Fault,
    pub(crate) times: Option<u32>,
    pub(crate) read: Read,
    pub(crate) end: End,
}

pub(crate) fn rows() -> Vec<Row> {
    use C1Fault as F;
    let row = |fault, times: u32, read, end| Row { fault, times: (times > 0).then_some(times), read, end };
    let done = End::Done { reads: 1 };
    let canceled = End::Fails(Code::Cancelled);
    const ALWAYS: u32 = 0;
    vec![
        row(F::Unavailable, 5, Read::AtOnce, done),
        row(F::Unavailable, 5, Read::UntilStruck, done),
        row(F::Unavailable, ALWAYS, Read::AtOnce, End::Waits { lasts: false }),
        row(F::TokenUnavailable, 3, Read::AtOnce, done),
        row(F::TokenUnavailable, ALWAYS, Read::AtOnce, End::Waits { lasts: false }),
        row(F::TokenRefused, 2, Read::AtOnce, done),
        row(F::TokenRefused, ALWAYS, Read::AtOnce, End::Waits { lasts: true }),
        row(F::TokenRefused, ALWAYS, Read::AtOnce, End::Ends),
        row(F::TokenExpires, ALWAYS, Read::UntilTokens(3), done),
        row(F::UnauthenticatedOnce, 1, Read::AtOnce, done),
        row(F::UnauthenticatedOnce, 1, Read::UntilStruck, done),
        row(F::DropUpload, 1, Read::AtOnce, done),
        row(F::DropUpload, 2, Read::AtOnce, done),
        row(F::DropUpload, ALWAYS, Read::AtOnce, End::Fails(Code::Unavailable)),
        row(F::BadChecksumAnswer, 2, Read::AtOnce, done),
        row(F::BadChecksumAnswer, ALWAYS, Read::AtOnce, End::Fails(Code::DataLoss)),
        row(F::CancelWhileReading, 1, Read::Forever, canceled),
        row(F::SharedCredentials, 1, Read::AtOnce, done),
        row(F::HeartbeatFails, 9, Read::UntilStruck, done),
        row(F::HeartbeatFails, ALWAYS, Read::Forever, canceled),
        row(F::HeartbeatNotFound, 1, Read::Forever, canceled),
        row(F::SlowPoll, ALWAYS, Read::AtOnce, done),
        row(F::DuplicateTask, 3, Read::UntilStruck, done),
        row(F::UnknownTask, 1, Read::AtOnce, done),
        row(F::FinishUnavailable, 4, Read::AtOnce, done),
        row(F::FinishUnavailable, 12, Read::AtOnce, done),
        row(F::HelloRefused, 2, Read::AtOnce, done),
        row(F::HelloRefused, ALWAYS, Read::AtOnce, End::Waits { lasts: true }),
        row(F::HelloRefused, ALWAYS, Read::AtOnce, End::Ends),
        row(F::PollRefused, 2, Read::AtOnce, done),
        row(F::PollRefused, ALWAYS, Read::AtOnce, End::Waits { lasts: true }),
        row(F::Hang, 3, Read::AtOnce, done),
        row(F::Hang, 3, Read::UntilStruck, done),
        row(F::Hang, ALWAYS, Read::AtOnce, End::Waits { lasts: false }),
        row(F::NextPollZero, ALWAYS, Read::AtOnce, done),
    ]
}

impl Row {
    pub(crate) fn name(&self) -> String {
        let times = self.times.map_or_else(|| "always".to_owned(), |times| format!("x{times}"));
        let during = if self.read == Read::UntilStruck { ", while reading" } else { "" };
        format!("{} {times}{during}", self.fault)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { .. } => f.write_str("done"),
            Self::Fails(code) => write!(f, "ended: {code:?}"),
            Self::Waits { lasts: false } => f.write_str("waits, then done"),
            Self::Waits { lasts: true } => f.write_str("asks rarely, then done"),
            Self::Ends => f.write_str("the loop ends"),
        }
    }
}
