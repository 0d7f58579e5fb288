//! How much may go from what is published before somebody has to say that it is right.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::access::guard::Limits;

/// How much may go without anybody's word. No field has a default in the schema: a stored default would be owned by
/// nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemovalGuard {
    /// The most that may be removed or newly disabled of one scope, such as the users of an account or the members
    /// of an organization, in percent of what was published last. More is held. 20 where it is absent, and never
    /// more than the operator's --max-removal-percent (50).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_percent: Option<u32>,
    /// Fewer than this many are never held for their share alone: in a small organization, one of four who leaves is
    /// 25 percent. 3 where it is absent, and never more than the operator's --max-removal-count (10). Whatever this says, it is held when a scope would be emptied, when no
    /// administrator would be left, when an organization would go, and when another account answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub min_removed: Option<u64>,
}

impl RemovalGuard {
    /// What is asked for, with the defaults filled in.
    pub(super) fn limits(&self) -> Limits {
        let Limits { max_percent, min_removed } = Limits::default();
        let asked = self.max_percent.map(|percent| u8::try_from(percent.min(100)).unwrap_or(100));
        Limits {
            max_percent: asked.unwrap_or(max_percent),
            min_removed: self.min_removed.map_or(min_removed, |least| least.clamp(1, 100)),
        }
    }
}
