//! The watches of several namespaces as one. Whoever reads it sees what a watch of the whole cluster would show: one
//! list, complete only when every namespace is listed, and changes after that. When a single watch has to list
//! anew, that is told as changes too, since the others go on.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::stream::{BoxStream, SelectAll};
use futures::{StreamExt, stream};
use kube::ResourceExt;
use kube::runtime::watcher::{Event, Result};

/// What happens to objects.
pub(super) type Events<K> = BoxStream<'static, Result<Event<K>>>;

/// Joins the watches of these namespaces, each with its name; one alone is as it is. `known` tells what the reader knows
/// of one namespace when it has taken all events before.
pub(super) fn joined<K, F>(mut watches: Vec<(String, Events<K>)>, known: F) -> Events<K>
where
    K: ResourceExt + Send + 'static,
    F: Fn(&str) -> Vec<K> + Send + 'static,
{
    if watches.len() == 1
        && let Some((_, only)) = watches.pop()
    {
        return only;
    }
    let mut joint = Joint::new(watches.iter().map(|(namespace, _)| namespace.clone()));
    let named = |(namespace, watch): (String, Events<K>)| -> BoxStream<'static, (String, Result<Event<K>>)> {
        watch.map(move |event| (namespace.clone(), event)).boxed()
    };
    let all: SelectAll<_> = watches.into_iter().map(named).collect();
    let passed = all.flat_map(move |(namespace, event)| {
        stream::iter(match event {
            Ok(event) => joint.pass(&namespace, event, &known).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    });
    passed.boxed()
}

/// Objects of one namespace by their names.
type ByName<K> = HashMap<String, K>;

enum Joint<K> {
    /// Not every namespace is listed. Nothing is passed on before.
    Listing { unlisted: HashSet<String>, found: BTreeMap<String, ByName<K>> },
    /// All are. Of each namespace that lists anew, what was known before and was not found so far.
    Following { unfound: HashMap<String, ByName<K>> },
}

impl<K: ResourceExt> Joint<K> {
    fn new(namespaces: impl Iterator<Item = String>) -> Self {
        Self::Listing { unlisted: namespaces.collect(), found: BTreeMap::new() }
    }

    fn pass(&mut self, namespace: &str, event: Event<K>, known: &impl Fn(&str) -> Vec<K>) -> Vec<Event<K>> {
        match self {
            Self::Listing { unlisted, found } => {
                let found_here = found.entry(namespace.to_owned()).or_default();
                match event {
                    Event::Init => found_here.clear(),
                    Event::InitApply(object) | Event::Apply(object) => {
                        found_here.insert(object.name_any(), object);
                    }
                    Event::Delete(object) => {
                        found_here.remove(&object.name_any());
                    }
                    Event::InitDone => {
                        unlisted.remove(namespace);
                    }
                }
                if !unlisted.is_empty() {
                    return Vec::new();
                }
                let all = std::mem::take(found).into_values().flat_map(HashMap::into_values);
                let list = all.map(Event::InitApply);
                let list = std::iter::once(Event::Init).chain(list).chain([Event::InitDone]).collect();
                *self = Self::Following { unfound: HashMap::new() };
                list
            }
            Self::Following { unfound } => match event {
                Event::Init => {
                    let known = known(namespace).into_iter().map(|object| (object.name_any(), object));
                    unfound.insert(namespace.to_owned(), known.collect());
                    Vec::new()
                }
                Event::InitApply(object) => {
                    let known = unfound.get_mut(namespace).and_then(|it| it.remove(&object.name_any()));
                    // One that was deleted and made again meanwhile is another.
                    let another = known.filter(|it| it.uid().is_some() && it.uid() != object.uid());
                    another.map(Event::Delete).into_iter().chain([Event::Apply(object)]).collect()
                }
                Event::InitDone => {
                    let gone = unfound.remove(namespace).unwrap_or_default();
                    gone.into_values().map(Event::Delete).collect()
                }
                change => vec![change],
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1::Secret;
    use proptest::prelude::*;

    use super::*;

    fn secret(namespace: &str, name: &str, version: u32) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.namespace = Some(namespace.to_owned());
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.uid = Some(version.to_string());
        secret
    }

    /// What a reader knows: it takes events as the reflector does, and must hear of each object's end.
    #[derive(Default)]
    struct Reader {
        known: BTreeMap<(String, String), Secret>,
        listing: Option<BTreeMap<(String, String), Secret>>,
        lists: usize,
    }

    impl Reader {
        fn take(&mut self, event: Event<Secret>) {
            let key = |it: &Secret| (it.namespace().unwrap(), it.name_any());
            match event {
                Event::Init => self.listing = Some(BTreeMap::new()),
                Event::InitApply(it) => {
                    self.listing.as_mut().expect("a list has begun").insert(key(&it), it);
                }
                Event::InitDone => {
                    self.known = self.listing.take().expect("a list has begun");
                    self.lists += 1;
                }
                Event::Apply(it) => {
                    assert!(self.listing.is_none(), "a change within a list is lost");
                    let uid = it.uid();
                    let before = self.known.insert(key(&it), it);
                    assert!(before.is_none_or(|it| it.uid() == uid), "one took another's place unheard");
                }
                Event::Delete(it) => {
                    assert!(self.listing.is_none(), "a change within a list is lost");
                    self.known.remove(&key(&it));
                }
            }
        }

        fn in_namespace(&self, namespace: &str) -> Vec<Secret> {
            self.known.iter().filter(|((it, _), _)| it == namespace).map(|(_, it)| it.clone()).collect()
        }
    }

    /// What one namespace's watch does next.
    #[derive(Debug, Clone)]
    enum Step {
        Put(u8),
        Remove(u8),
        /// The watch begins anew; so many objects of the list come before it is interrupted, where it is.
        Relist(Option<u8>),
    }

    fn steps() -> impl Strategy<Value = Vec<(bool, Step)>> {
        let step = prop_oneof![
            (0..4_u8).prop_map(Step::Put),
            (0..4_u8).prop_map(Step::Remove),
            proptest::option::of(0..3_u8).prop_map(Step::Relist),
        ];
        proptest::collection::vec((any::<bool>(), step), 0..40)
    }

    /// A namespace as its watch shows it.
    #[derive(Default)]
    struct Watched {
        objects: BTreeMap<String, Secret>,
        listed: bool,
    }

    impl Watched {
        /// The events of a step. Before the first complete list, and after an interrupted one, a watch only lists.
        fn events(&mut self, namespace: &str, step: &Step, version: u32) -> Vec<Event<Secret>> {
            match step {
                Step::Put(name) => {
                    // One that is there is changed, and keeps its uid.
                    let name = format!("s{name}");
                    let made = || secret(namespace, &name, version);
                    let object = self.objects.entry(name.clone()).or_insert_with(made).clone();
                    if self.listed { vec![Event::Apply(object)] } else { Vec::new() }
                }
                Step::Remove(name) => {
                    let removed = self.objects.remove(&format!("s{name}"));
                    let removed = removed.filter(|_| self.listed);
                    removed.map(Event::Delete).into_iter().collect()
                }
                Step::Relist(interrupted) => {
                    self.listed = interrupted.is_none();
                    let shown = interrupted.map_or(usize::MAX, usize::from);
                    let objects = self.objects.values().take(shown).cloned().map(Event::InitApply);
                    let done = self.listed.then_some(Event::InitDone);
                    std::iter::once(Event::Init).chain(objects).chain(done).collect()
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_reader_knows_what_is_there_whatever_the_watches_go_through(steps in steps()) {
            let names = ["a", "b"];
            let mut joint = Joint::new(names.iter().map(|it| (*it).to_owned()));
            let mut watched = [Watched::default(), Watched::default()];
            let mut reader = Reader::default();
            // In the end every watch has listed.
            let last = [(false, Step::Relist(None)), (true, Step::Relist(None))];
            for (version, (second, step)) in (0..).zip(steps.iter().chain(&last)) {
                let which = usize::from(*second);
                for event in watched[which].events(names[which], step, version) {
                    let known = |namespace: &str| reader.in_namespace(namespace);
                    for passed in joint.pass(names[which], event, &known) {
                        reader.take(passed);
                    }
                }
                if reader.lists > 0 && watched.iter().all(|it| it.listed) {
                    let there = |it: &Watched| it.objects.values().cloned().collect::<Vec<_>>();
                    let all: Vec<Secret> = watched.iter().flat_map(there).collect();
                    prop_assert_eq!(reader.known.values().cloned().collect::<Vec<_>>(), all);
                }
            }
            prop_assert_eq!(reader.lists, 1, "one list, whatever the watches do");
        }
    }

    #[tokio::test]
    async fn a_watch_that_is_alone_is_passed_on_as_it_is() {
        let events = [
            Event::Init,
            Event::InitApply(secret("a", "s", 1)),
            Event::InitDone,
            Event::Init,
            Event::InitDone,
        ];
        let events = events.map(Ok);
        let passed: Vec<_> =
            joined(vec![(String::new(), stream::iter(events).boxed())], |_| Vec::new()).collect().await;
        let lists = passed.iter().filter(|event| matches!(event, Ok(Event::InitDone))).count();
        assert_eq!((passed.len(), lists), (5, 2), "what a second list lacks is gone");
    }

    #[test]
    fn nothing_is_known_before_every_namespace_is_listed() {
        let mut joint = Joint::new(["a", "b"].into_iter().map(str::to_owned));
        let none = |_: &str| Vec::new();
        let passed =
            |joint: &mut Joint<Secret>, namespace: &str, event| joint.pass(namespace, event, &none).len();
        assert_eq!(passed(&mut joint, "a", Event::Init), 0);
        assert_eq!(passed(&mut joint, "a", Event::InitApply(secret("a", "one", 1))), 0);
        assert_eq!(passed(&mut joint, "a", Event::InitDone), 0);
        assert_eq!(passed(&mut joint, "a", Event::Apply(secret("a", "two", 2))), 0);
        assert_eq!(passed(&mut joint, "b", Event::Init), 0);
        assert_eq!(passed(&mut joint, "b", Event::InitDone), 4, "begin, two objects, end");
    }
}
