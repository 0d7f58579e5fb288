//! Which events are worth a look at the object: those that change something on which a decision depends.

use std::collections::HashMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// What was seen last of each object. What is gone is forgotten: if it comes back, it is looked at.
#[derive(Debug, Default)]
pub(super) struct Changes {
    seen: HashMap<Named, u64>,
    listed: HashMap<Named, u64>,
}

/// The namespace and the name of an object.
pub(super) type Named = (String, String);

impl Changes {
    /// The objects that are worth a look after the event. `digest` is of all that a decision depends on. What a list finds
    /// is not before the list is complete: until then, the store shows what was there earlier.
    pub(super) fn worth_a_look<K: ResourceExt>(
        &mut self,
        event: &Event<K>,
        digest: impl Fn(&K) -> u64,
    ) -> Vec<Named> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(named(object), digest(object));
                Vec::new()
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut self.seen, std::mem::take(&mut self.listed));
                let is_news = |(named, digest): &(&Named, &u64)| before.get(*named) != Some(digest);
                let mut found: Vec<Named> =
                    self.seen.iter().filter(is_news).map(|(it, _)| it.clone()).collect();
                found.sort_unstable();
                found
            }
            Event::Apply(object) => {
                let (named, digest) = (named(object), digest(object));
                let is_the_same = self.seen.insert(named.clone(), digest) == Some(digest);
                if is_the_same { Vec::new() } else { vec![named] }
            }
            Event::Delete(object) => {
                self.seen.remove(&named(object));
                Vec::new()
            }
        }
    }
}

fn named(object: &impl ResourceExt) -> Named {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, generation: i64) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.generation = Some(generation);
        object
    }

    /// The names that are worth a look.
    fn looked_at(events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let mut changes = Changes::default();
        let digest = |it: &ConfigMap| it.metadata.generation.unwrap().unsigned_abs();
        let worth = |event| changes.worth_a_look(event, digest);
        events.iter().flat_map(worth).map(|(_, name)| name).collect()
    }

    #[test]
    fn what_is_the_same_is_looked_at_once_and_what_was_gone_again() {
        let looked_at = looked_at(vec![
            Event::Init,
            Event::InitApply(object("a", 1)),
            Event::InitDone,
            Event::Apply(object("a", 1)),
            Event::Apply(object("b", 1)),
            Event::Apply(object("a", 2)),
            Event::Delete(object("a", 2)),
            Event::Apply(object("a", 2)),
        ]);
        assert_eq!(looked_at, ["a", "b", "a", "a"]);
    }

    #[test]
    fn a_list_forgets_what_it_does_not_find_and_repeats_nothing() {
        let list = |names: &[&str]| {
            let objects: Vec<_> = names.iter().map(|name| Event::InitApply(object(name, 1))).collect();
            [vec![Event::Init], objects, vec![Event::InitDone]].concat()
        };
        let looked_at = looked_at([list(&["a", "b"]), list(&["a"]), list(&["a", "b"])].concat());
        assert_eq!(looked_at, ["a", "b", "b"]);
    }

    #[test]
    fn what_a_list_finds_is_looked_at_when_it_is_complete_and_what_an_interrupted_one_found_is_not() {
        let mut changes = Changes::default();
        let digest = |it: &ConfigMap| it.metadata.generation.unwrap().unsigned_abs();
        let mut worth = |event| changes.worth_a_look(&event, digest).len();
        assert_eq!([Event::Init, Event::InitApply(object("a", 1))].map(&mut worth), [0, 0]);
        let again = [Event::Init, Event::InitApply(object("b", 1)), Event::InitDone];
        assert_eq!(again.map(&mut worth), [0, 0, 1]);
    }
}
