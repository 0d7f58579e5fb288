//! The operator's pods, and what their cgroups say.

use serde_json::Value;

/// A pod of the operator that runs.
#[derive(Debug, Clone)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) restarts: u64,
    pub(crate) ready: bool,
    /// The id of its container.
    pub(crate) container: String,
}

impl Pod {
    /// What `kubectl get pods` gives, without those that are ending.
    pub(crate) fn all(list: &Value) -> Vec<Self> {
        let running = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        list["items"].as_array().unwrap().iter().filter(running).map(Self::of).collect()
    }

    fn of(pod: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let container = &pod["status"]["containerStatuses"][0];
        Self {
            name: text(&pod["metadata"]["name"]),
            image: text(&pod["spec"]["containers"][0]["image"]),
            restarts: container["restartCount"].as_u64().unwrap_or_default(),
            ready: container["ready"] == true,
            container: text(&container["containerID"]).trim_start_matches("containerd://").to_owned(),
        }
    }
}

/// Memory of the cgroup that a process is in, in MiB: all that counts against its limit, the most that ever did, and
/// the part that is the program's own and no file's.
pub(crate) fn memory(process: i32) -> [f64; 3] {
    let cgroups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
    let path = |controller: &str| {
        cgroups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            (parts.next()? == controller).then(|| parts.next()).flatten()
        })
    };
    let (folder, names) = match path("memory") {
        Some(path) => (
            format!("/sys/fs/cgroup/memory{path}"),
            ["memory.usage_in_bytes", "memory.max_usage_in_bytes", "rss"],
        ),
        None => (format!("/sys/fs/cgroup{}", path("").unwrap()), ["memory.current", "memory.peak", "anon"]),
    };
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let own = |stat: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(names[2])?.strip_prefix(' '));
        line.unwrap().to_owned()
    };
    [read(names[0]), read(names[1]), own(&read("memory.stat"))]
        .map(|bytes| bytes.trim().parse::<f64>().unwrap() / 1_048_576.0)
}
