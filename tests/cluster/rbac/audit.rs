//! What a ServiceAccount was granted, and what the API server's audit says that it asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde::Deserialize;
use serde_json::Value;
use testbed::Asked;

/// A verb on a resource: `secrets`, or `leases.coordination.k8s.io connector-operator` where only that object is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    resource: String,
    verb: String,
}

/// What one account asked for.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// How often it used which right.
    pub(super) used: BTreeMap<Right, usize>,
    /// What it was not allowed, or asked outside of any resource.
    pub(super) refused: Vec<String>,
}

impl Audit {
    /// What was asked for, by the log.
    pub(super) fn of(asked: &[Asked]) -> Self {
        let mut audit = Self::default();
        asked.iter().for_each(|it| audit.note(it));
        audit
    }

    fn note(&mut self, asked: &Asked) {
        if asked.resource.is_empty() || asked.code == 403 || asked.code == 401 {
            self.refused.push(format!("{asked:?}"));
            return;
        }
        let (plural, subresource) = asked.resource.split_once('/').unwrap_or((&asked.resource, ""));
        let resource = resource(&asked.group, plural, subresource);
        let named = plural == "leases" && asked.verb != "create";
        let resource = if named { format!("{resource} {}", asked.name) } else { resource };
        *self.used.entry(Right { resource, verb: asked.verb.clone() }).or_default() += 1;
    }
}

/// Every right in the roles of these manifests.
pub(super) fn granted(manifests: &str) -> BTreeSet<Right> {
    let documents = serde_yaml::Deserializer::from_str(manifests);
    documents.flat_map(|document| rules(&Value::deserialize(document).unwrap())).flat_map(rights).collect()
}

fn rules(manifest: &Value) -> Vec<PolicyRule> {
    manifest.get("rules").map_or_else(Vec::new, |rules| serde_json::from_value(rules.clone()).unwrap())
}

fn rights(rule: PolicyRule) -> Vec<Right> {
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for (resource_name, verb) in
            rule.resources.iter().flatten().flat_map(|it| rule.verbs.iter().map(move |verb| (it, verb)))
        {
            let (plural, subresource) = resource_name.split_once('/').unwrap_or((resource_name, ""));
            let resource = resource(group, plural, subresource);
            let names = rule.resource_names.clone().unwrap_or_default();
            let named = names.iter().map(|name| format!("{resource} {name}"));
            let resources: Vec<String> =
                if names.is_empty() { vec![resource.clone()] } else { named.collect() };
            rights.extend(resources.into_iter().map(|resource| Right { resource, verb: verb.clone() }));
        }
    }
    rights
}

fn resource(group: &str, plural: &str, subresource: &str) -> String {
    let mut resource = plural.to_owned();
    if !group.is_empty() {
        resource = format!("{resource}.{group}");
    }
    if !subresource.is_empty() {
        resource = format!("{resource}/{subresource}");
    }
    resource
}

/// Rights against their uses, for people.
pub(super) fn table(granted: &BTreeSet<Right>, used: &BTreeMap<Right, usize>) -> String {
    let mut table = format!("{:<60} {:<7} {:<8} {:>5}\n", "resource", "verb", "granted", "used");
    let all: BTreeSet<&Right> = granted.iter().chain(used.keys()).collect();
    for right in all {
        let (given, times) = (granted.contains(right), used.get(right).copied().unwrap_or(0));
        let given = if given { "yes" } else { "NO" };
        writeln!(table, "{:<60} {:<7} {given:<8} {times:>5}", right.resource, right.verb).unwrap();
    }
    table
}
