//! A vendor's JSON, as far as faults need to find their way in it.

use serde_json::{Map, Value};

use super::Vendor;

/// An answer with a page of a listing, or with one item of it.
pub(crate) struct Document<'a> {
    pub(crate) vendor: Vendor,
    pub(crate) json: &'a mut Value,
}

/// What a page says of itself and of its listing.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Current,
    Next,
    Pages,
    Total,
}

impl Mark {
    const ALL: [Self; 4] = [Self::Current, Self::Next, Self::Pages, Self::Total];

    fn key(self, vendor: Vendor) -> &'static str {
        match (self, vendor) {
            (Self::Current, Vendor::Scalr) => "current-page",
            (Self::Next, Vendor::Scalr) => "next-page",
            (Self::Pages, Vendor::Scalr) => "total-pages",
            (Self::Total, Vendor::Scalr) => "total-count",
            (Self::Current, Vendor::PlanetScale) => "current_page",
            (Self::Next, Vendor::PlanetScale) => "next_page",
            (Self::Pages, Vendor::PlanetScale) => "total_pages",
            (Self::Total, Vendor::PlanetScale) => "total_count",
        }
    }
}

impl Document<'_> {
    /// The items of the page; one that was asked for by itself is a page of one.
    pub(crate) fn items(&mut self) -> &mut [Value] {
        if self.json.get("data").is_none() {
            return std::slice::from_mut(self.json);
        }
        match self.json.get_mut("data") {
            Some(Value::Array(items)) => items,
            Some(one) => std::slice::from_mut(one),
            None => &mut [],
        }
    }

    /// The items, where they can be more or fewer.
    pub(crate) fn page(&mut self) -> Option<&mut Vec<Value>> {
        self.json.get_mut("data").and_then(Value::as_array_mut)
    }

    /// The resources that came along (Scalr).
    pub(crate) fn included(&mut self) -> Option<&mut Vec<Value>> {
        self.json.get_mut("included").and_then(Value::as_array_mut)
    }

    pub(crate) fn mark(&mut self, mark: Mark) -> Option<&mut Value> {
        let key = mark.key(self.vendor);
        self.marks()?.get_mut(key)
    }

    /// Takes out all that a page says of itself.
    pub(crate) fn remove_marks(&mut self) {
        let vendor = self.vendor;
        if let Some(marks) = self.marks() {
            marks.retain(|key, _| !Mark::ALL.iter().any(|mark| mark.key(vendor) == key));
        }
    }

    fn marks(&mut self) -> Option<&mut Map<String, Value>> {
        let pointer = match self.vendor {
            Vendor::Scalr => "/meta/pagination",
            Vendor::PlanetScale => "",
        };
        self.json.pointer_mut(pointer)?.as_object_mut()
    }

    /// What is said of each person: Scalr's `attributes`, PlanetScale's `user`.
    pub(crate) fn people(&mut self) -> Vec<&mut Map<String, Value>> {
        match self.vendor {
            Vendor::PlanetScale => {
                self.items().iter_mut().filter_map(|item| item.get_mut("user")?.as_object_mut()).collect()
            }
            Vendor::Scalr => {
                let Some(document) = self.json.as_object_mut() else { return Vec::new() };
                let parts =
                    document.iter_mut().filter(|(name, _)| ["data", "included"].contains(&name.as_str()));
                let resources = parts.flat_map(|(_, part)| match part {
                    Value::Array(resources) => resources.as_mut_slice(),
                    one => std::slice::from_mut(one),
                });
                let people = resources.filter(|resource| {
                    resource.get("type").is_some_and(|kind| kind == "users" || kind == "service-accounts")
                });
                people.filter_map(|person| person.get_mut("attributes")?.as_object_mut()).collect()
            }
        }
    }
}
