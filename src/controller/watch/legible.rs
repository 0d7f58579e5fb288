//! Objects that this operator cannot make sense of, such as those of a later version of the CRD: they are told of and
//! left alone, and no other object notices.

use std::collections::HashMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::Event;

use super::guarded::{Guarded, Illegible};
use crate::kinds::Kind;

/// Keeps objects that cannot be read from those that can.
pub(super) struct Legible<K: Kind> {
    /// What is known of those that could be read.
    store: Store<K>,
    /// Each that cannot be, by namespace and name.
    illegible: HashMap<Named, Illegible>,
    /// The same, while a list is under way.
    listed: HashMap<Named, Illegible>,
}

type Named = (String, String);

impl<K: Kind> Legible<K> {
    /// Knows of what it has let pass by this store.
    pub(super) fn new(store: Store<K>) -> Self {
        Self { store, illegible: HashMap::new(), listed: HashMap::new() }
    }

    /// The objects that cannot be read.
    pub(super) fn illegible(&self) -> impl ExactSizeIterator<Item = &Illegible> {
        self.illegible.values()
    }

    /// The event as it is without those that cannot be read. One that could be before is gone, as far as anybody is
    /// concerned who would act on it: to go on with what it said before would be to act on something else than what is
    /// asked for.
    pub(super) fn pass(&mut self, event: Event<Guarded<K>>) -> (Option<Event<K>>, Option<Illegible>) {
        match event {
            Event::Init => {
                self.listed.clear();
                (Some(Event::Init), None)
            }
            Event::InitDone => {
                self.illegible = std::mem::take(&mut self.listed);
                (Some(Event::InitDone), None)
            }
            Event::InitApply(Guarded(Ok(object))) => (Some(Event::InitApply(object)), None),
            Event::InitApply(Guarded(Err(object))) => {
                let (named, news) = (named(&object.metadata), self.is_news(&object));
                self.listed.insert(named, object.clone());
                (None, news.then_some(object))
            }
            Event::Apply(Guarded(Ok(object))) => {
                self.illegible.remove(&named(object.meta()));
                (Some(Event::Apply(object)), None)
            }
            Event::Apply(Guarded(Err(object))) => {
                let (named, news) = (named(&object.metadata), self.is_news(&object));
                self.illegible.insert(named.clone(), object.clone());
                (self.known(&named).map(Event::Delete), news.then_some(object))
            }
            Event::Delete(Guarded(object)) => {
                let named = named(object.as_ref().map_or_else(|illegible| &illegible.metadata, K::meta));
                self.illegible.remove(&named);
                (object.ok().or_else(|| self.known(&named)).map(Event::Delete), None)
            }
        }
    }

    fn is_news(&self, object: &Illegible) -> bool {
        let known = self.illegible.get(&named(&object.metadata));
        known.is_none_or(|known| known.metadata.generation != object.metadata.generation)
    }

    fn known(&self, (namespace, name): &Named) -> Option<K> {
        let known = self.store.get(&ObjectRef::new(name).within(namespace))?;
        Some(known.as_ref().clone())
    }
}

fn named(meta: &ObjectMeta) -> Named {
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ScalrConnector;

    fn object(name: &str, generation: i64, spec: Value) -> Guarded<ScalrConnector> {
        serde_json::from_value(json!({
            "apiVersion": "connectors.conductorone.com/v1alpha1",
            "kind": "ScalrConnector",
            "metadata": { "name": name, "namespace": "identity", "uid": name, "generation": generation },
            "spec": spec,
        }))
        .unwrap()
    }

    fn good(name: &str, generation: i64) -> Guarded<ScalrConnector> {
        object(name, generation, json!({ "account": "acme", "apiTokenSecretRef": { "name": "token" } }))
    }

    fn bad(name: &str, generation: i64) -> Guarded<ScalrConnector> {
        object(name, generation, json!({ "account": "acme", "apiTokenSecretRef": "s3cret" }))
    }

    /// What passes of each event, as `Kind name`, with a `!` where something is told.
    fn pass(events: Vec<Event<Guarded<ScalrConnector>>>) -> (Vec<String>, usize) {
        let (store, mut writer) = reflector::store();
        let mut legible = Legible::<ScalrConnector>::new(store);
        let mut passed = Vec::new();
        for event in events {
            let (event, told) = legible.pass(event);
            if let Some(event) = &event {
                writer.apply_watcher_event(event);
            }
            let word = match event {
                None => "nothing".to_owned(),
                Some(Event::Init) => "begins".to_owned(),
                Some(Event::InitDone) => "ends".to_owned(),
                Some(Event::InitApply(it)) => format!("lists {}", it.metadata.name.unwrap()),
                Some(Event::Apply(it)) => format!("shows {}", it.metadata.name.unwrap()),
                Some(Event::Delete(it)) => format!("removes {}", it.metadata.name.unwrap()),
            };
            passed.push(if told.is_some() { format!("{word}!") } else { word });
        }
        (passed, legible.illegible().len())
    }

    #[test]
    fn one_that_cannot_be_read_keeps_no_other_from_being_listed_and_is_told_of_once() {
        let list = || {
            let objects = [good("a", 1), bad("b", 1), good("c", 1)].map(Event::InitApply);
            [Event::Init].into_iter().chain(objects).chain([Event::InitDone])
        };
        let (passed, illegible) = pass(list().chain(list()).collect());
        let first = ["begins", "lists a", "nothing!", "lists c", "ends"];
        let second = ["begins", "lists a", "nothing", "lists c", "ends"];
        assert_eq!(passed, [first, second].concat());
        assert_eq!(illegible, 1);
    }

    #[test]
    fn one_that_can_no_longer_be_read_is_gone_until_it_can() {
        let (passed, illegible) = pass(vec![
            Event::Init,
            Event::InitDone,
            Event::Apply(good("a", 1)),
            Event::Apply(bad("a", 2)),
            Event::Apply(bad("a", 2)),
            Event::Apply(good("a", 3)),
            Event::Apply(bad("a", 4)),
            Event::Delete(bad("a", 4)),
        ]);
        let words =
            ["begins", "ends", "shows a", "removes a!", "nothing", "shows a", "removes a!", "nothing"];
        assert_eq!(passed, words);
        assert_eq!(illegible, 0);
    }

    #[test]
    fn one_that_is_deleted_when_it_cannot_be_read_is_gone() {
        let (passed, illegible) = pass(vec![
            Event::Init,
            Event::InitApply(good("a", 1)),
            Event::InitDone,
            Event::Delete(bad("a", 2)),
        ]);
        assert_eq!(passed, ["begins", "lists a", "ends", "removes a"]);
        assert_eq!(illegible, 0);
    }
}
