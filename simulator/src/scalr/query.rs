//! What a client asks a listing for: page, filters, includes, order.
//!
//! A parameter that the simulator does not know is refused with a 400 that names it, so that no test passes
//! because a filter was silently ignored.

use axum::extract::Query;
use axum::http::Uri;

use super::refusal::Refusal;
use crate::paging::PageRequest;

/// Scalr's page size when none is asked for.
const DEFAULT_SIZE: usize = 20;

/// The parameters that a listing takes besides `page[number]` and `page[size]`.
pub(super) struct Allowed {
    pub(super) filters: &'static [&'static str],
    pub(super) includes: &'static [&'static str],
    pub(super) sorts: &'static [&'static str],
}

/// A filter's value: one literal, or several after `in:`.
pub(super) struct Filter {
    name: String,
    values: Vec<String>,
}

/// A parsed query.
pub(super) struct ListQuery {
    pub(super) page: PageRequest,
    pub(super) sort: Option<String>,
    filters: Vec<Filter>,
    includes: Vec<String>,
}

impl ListQuery {
    pub(super) fn parse(uri: &Uri, allowed: &Allowed) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| refuse("", &format!("The query cannot be read: {error}.")))?;
        let mut query = Self {
            page: PageRequest::first(DEFAULT_SIZE),
            sort: None,
            filters: Vec::new(),
            includes: Vec::new(),
        };
        for (name, value) in pairs {
            query.take(&name, value, allowed)?;
        }
        Ok(query)
    }

    fn take(&mut self, name: &str, value: String, allowed: &Allowed) -> Result<(), Refusal> {
        let positive = || refuse(name, "Not a number above zero.");
        match name {
            "page[number]" => self.page = self.page.with_number(&value).ok_or_else(positive)?,
            "page[size]" => self.page = self.page.with_size(&value).ok_or_else(positive)?,
            "include" => self.includes = known(name, &value, allowed.includes)?,
            "sort" => {
                check_sort(&value, allowed.sorts)?;
                self.sort = Some(value);
            }
            _ => {
                let filter = name.strip_prefix("filter[").and_then(|rest| rest.strip_suffix(']'));
                let filter = filter.filter(|filter| allowed.filters.contains(filter));
                let filter = filter.ok_or_else(|| refuse(name, "This listing has no such parameter."))?;
                self.filters.push(Filter { name: filter.to_owned(), values: values(&value) });
            }
        }
        Ok(())
    }

    /// Whether the client gave this filter.
    pub(super) fn has(&self, name: &str) -> bool {
        self.filters.iter().any(|filter| filter.name == name)
    }

    /// Whether a thing passes a filter: when it was not given, or names the thing's value.
    pub(super) fn passes(&self, name: &str, value: &str) -> bool {
        let mut given = self.filters.iter().filter(|filter| filter.name == name);
        given.all(|filter| filter.values.iter().any(|wanted| wanted == value))
    }

    pub(super) fn includes(&self, what: &str) -> bool {
        self.includes.iter().any(|include| include == what)
    }

    /// Whether the answer has an `included` member at all.
    pub(super) fn includes_anything(&self) -> bool {
        !self.includes.is_empty()
    }
}

/// One key of a `sort` parameter.
#[derive(Clone, Copy)]
pub(super) struct SortKey<'a> {
    pub(super) field: &'a str,
    pub(super) descending: bool,
}

/// The keys of a `sort` parameter, the most important one first.
pub(super) fn sort_keys(sort: &str) -> impl Iterator<Item = SortKey<'_>> {
    sort.split(',').map(|key| match key.strip_prefix('-') {
        Some(field) => SortKey { field, descending: true },
        None => SortKey { field: key, descending: false },
    })
}

fn check_sort(sort: &str, allowed: &[&str]) -> Result<(), Refusal> {
    match sort_keys(sort).find(|key| !allowed.contains(&key.field)) {
        Some(key) => Err(refuse("sort", &format!("Cannot sort by '{}'.", key.field))),
        None => Ok(()),
    }
}

fn known(name: &str, list: &str, allowed: &[&str]) -> Result<Vec<String>, Refusal> {
    let words: Vec<_> = list.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    match words.iter().find(|word| !allowed.contains(&word.as_str())) {
        Some(word) => Err(refuse(name, &format!("'{word}' is not one of {}.", allowed.join(", ")))),
        None => Ok(words),
    }
}

fn values(text: &str) -> Vec<String> {
    match text.strip_prefix("in:") {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => vec![text.to_owned()],
    }
}

fn refuse(parameter: &str, detail: &str) -> Refusal {
    Refusal::BadParameter { parameter: parameter.to_owned(), detail: detail.to_owned() }
}
