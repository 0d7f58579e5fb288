//! Listings read from a server that answers as it is told, page after page and several pages at once.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::http::{Allowances, Credential, UpstreamClient, Vendor};
use super::super::scripted::{Asked, Reply, Scripted, options};
use super::super::text::Text;
use super::*;
use crate::access::{Resource, ResourceId, ResourceKind, channel};

const LISTING: Listing<'_> = Listing {
    what: "the things",
    operation: "list_things",
    path: &["things"],
    query: &[],
    number: "page",
    totals: Totals::Possible,
};

#[derive(Debug, Deserialize)]
struct Things<'a> {
    page: u64,
    next: Option<u64>,
    total: Option<u64>,
    #[serde(borrow)]
    ids: Vec<Text<'a>>,
}

impl Page for Things<'_> {
    fn mark(&self) -> PageMark {
        PageMark { current: self.page, next: self.next, total: self.total }
    }

    fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|id| &**id)
    }
}

/// Makes a resource of each thing.
#[derive(Default)]
struct Collect(IdSet);

impl Visitor for Collect {
    type Page<'a> = Things<'a>;

    fn is_new(&mut self, id: &str) -> bool {
        self.0.insert(id)
    }

    fn visit(&mut self, page: Self::Page<'_>) -> Result<Vec<Record>, Fault> {
        Ok(page.ids.iter().map(|id| thing(id)).collect())
    }
}

fn thing(id: &str) -> Record {
    Record::Resource(Resource {
        id: ResourceId::new("thing", id),
        parent: None,
        display_name: String::new(),
        description: None,
        link: None,
        created_at: None,
        profile: crate::access::Profile::new(),
        kind: ResourceKind::Plain,
    })
}

fn client(server: &Scripted, in_flight: usize) -> Arc<UpstreamClient> {
    let vendor = Vendor {
        name: "Vendor",
        accept: "application/json",
        error_text: |_| None,
        requests_per_minute: std::num::NonZeroU32::MIN,
    };
    let credential = Credential { authorization: "token".to_owned().into(), secrets: Vec::new() };
    let allowances = Allowances::with_in_flight(Some(0), in_flight);
    let mut options = super::super::http::ClientOptions { allowances, ..options() };
    options.retry.tries = 1;
    Arc::new(UpstreamClient::new(vendor, server.base.clone(), credential, options).unwrap())
}

/// How the walk ended, and the ids in the order in which they came.
async fn walked(server: &Scripted, in_flight: usize) -> (Result<u64, String>, Vec<String>) {
    let (records, mut receiver) = channel();
    let client = client(server, in_flight);
    let reading = async {
        let records = records;
        walk(&client, &LISTING, &mut Collect::default(), &records).await.map_err(|error| error.to_string())
    };
    let receiving = async {
        let mut ids = Vec::new();
        while let Some(page) = receiver.next().await {
            ids.extend(page.into_iter().map(|record| match record {
                Record::Resource(resource) => resource.id.id,
                other => panic!("{other:?}"),
            }));
        }
        ids
    };
    tokio::join!(reading, receiving)
}

/// The pages asked for, in order.
fn pages(server: &Scripted) -> Vec<u64> {
    let mut pages: Vec<_> = server.asked().iter().map(|asked| asked.query("page").parse().unwrap()).collect();
    pages.sort_unstable();
    pages
}

fn number(asked: &Asked) -> u64 {
    asked.query("page").parse().unwrap()
}

/// Page `page` of `last`, with two things on each but the last, which has one.
fn page_of(page: u64, last: u64, total: Option<u64>) -> Value {
    let ids: Vec<_> =
        (2 * page..2 * page + if page < last { 2 } else { 1 }).map(|id| id.to_string()).collect();
    json!({"page": page, "next": (page < last).then_some(page + 1), "total": total, "ids": ids})
}

#[tokio::test]
async fn pages_that_come_in_any_order_are_taken_in_theirs_and_asked_for_once() {
    let server = Scripted::start(|asked| {
        let page = number(asked);
        // The earlier a page of a batch, the later it comes.
        Reply::json(page_of(page, 11, Some(21))).after(10 * (4 - page % 4))
    })
    .await;
    let (end, ids) = walked(&server, 4).await;
    assert_eq!(end, Ok(21));
    assert_eq!(ids, (2..23).map(|id| id.to_string()).collect::<Vec<_>>());
    assert_eq!(pages(&server), (1..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn four_pages_at_once_and_no_more() {
    let server = Scripted::start(|asked| Reply::json(page_of(number(asked), 30, Some(59))).after(10)).await;
    assert_eq!(walked(&server, 4).await.0, Ok(59));
    assert_eq!(server.most_under_way(), 4);
}

#[tokio::test]
async fn without_a_total_each_page_waits_for_the_one_before() {
    let server = Scripted::start(|asked| Reply::json(page_of(number(asked), 5, None))).await;
    assert_eq!(walked(&server, 4).await.0, Ok(9));
    assert_eq!(server.asked().iter().map(number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_page_beyond_the_last_by_the_sum_is_asked_for_only_where_one_names_it() {
    let server = Scripted::start(|asked| {
        // Three on page 1, and then one on each: the sum says two pages, the chain leads to four.
        let page = number(asked);
        let ids: Vec<_> =
            if page == 1 { vec!["a", "b", "c"] } else { vec![["d", "e", "f"][page as usize - 2]] };
        Reply::json(json!({"page": page, "next": (page < 4).then_some(page + 1), "total": 6, "ids": ids}))
    })
    .await;
    assert_eq!(walked(&server, 4).await.0, Ok(6));
    assert_eq!(pages(&server), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_listing_that_ends_before_its_sum_is_refused_by_the_sum() {
    let server = Scripted::start(|asked| {
        let page = number(asked);
        let mut body = page_of(page, 6, Some(11));
        if page == 3 {
            body["next"] = Value::Null;
        }
        Reply::json(body)
    })
    .await;
    let (end, ids) = walked(&server, 4).await;
    assert!(end.as_ref().is_err_and(|error| error.contains("it has 11 items, and 6 came")), "{end:?}");
    assert_eq!(ids.len(), 4, "the page that ends the listing is not sent");
    assert!(pages(&server).iter().all(|page| *page <= 6));
}

#[tokio::test]
async fn the_error_of_a_page_fetched_ahead_comes_when_it_is_its_turn() {
    let server = Scripted::start(|asked| match number(asked) {
        5 => Reply::status(418),
        page => Reply::json(page_of(page, 8, Some(15))).after(if page == 2 { 50 } else { 0 }),
    })
    .await;
    let (end, ids) = walked(&server, 4).await;
    assert!(end.as_ref().is_err_and(|error| error.contains("418")), "{end:?}");
    assert_eq!(ids, (2..10).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_promises_a_million_pages_is_not_asked_for_them() {
    let server = Scripted::start(|asked| {
        let page = number(asked);
        let next = (page < 3).then_some(page + 1);
        Reply::json(json!({"page": page, "next": next, "total": u64::MAX, "ids": [page.to_string()]}))
    })
    .await;
    assert!(walked(&server, 4).await.0.is_err());
    assert!(pages(&server).len() <= 7, "{:?}", pages(&server));
}

/// Page `page`, cut right behind a brace that is not its last.
fn cut(page: u64, last: u64, total: Option<u64>) -> Reply {
    let mut whole = page_of(page, last, total);
    whole["a"] = json!({});
    let body = whole.to_string();
    let end = body.find("{}").unwrap() + 2;
    Reply::json(&body[..end])
}

#[tokio::test]
async fn a_page_cut_behind_a_brace_is_asked_for_once_more() {
    for number_cut in [1, 3] {
        let server = Scripted::start(move |asked| match number(asked) {
            page if page == number_cut && asked.before == 0 => cut(page, 4, Some(7)),
            page => Reply::json(page_of(page, 4, Some(7))),
        })
        .await;
        let (end, ids) = walked(&server, 4).await;
        assert_eq!(end, Ok(7));
        assert_eq!(ids, (2..9).map(|id| id.to_string()).collect::<Vec<_>>());
        let mut expected = vec![1, 2, 3, 4, number_cut];
        expected.sort_unstable();
        assert_eq!(pages(&server), expected);
    }
}

#[tokio::test]
async fn a_page_that_is_always_cut_ends_the_reading() {
    let server = Scripted::start(|asked| cut(number(asked), 4, Some(7))).await;
    let (end, ids) = walked(&server, 4).await;
    assert!(end.as_ref().is_err_and(|error| error.contains("EOF while parsing")), "{end:?}");
    assert!(ids.is_empty());
    assert_eq!(pages(&server), [1, 1]);
}

#[tokio::test]
async fn whoever_waits_for_the_writer_stops_nobody_else_with_the_credential() {
    // The pages up to the fifth fill the way to the writer, whom nobody wakes. The sixth has to wait for its turn,
    // for page 4 says that nothing is left for now.
    let server = Scripted::start(|asked| match asked.query.get("page").map(String::as_str) {
        Some("4") => Reply::json(page_of(4, 9, Some(17)))
            .with_header("ratelimit-remaining", "0")
            .with_header("ratelimit-reset", "1"),
        Some("5") => Reply::json(page_of(5, 9, Some(17))).after(200),
        Some(page) => Reply::json(page_of(page.parse().unwrap(), 9, Some(17))),
        None => Reply::json("{}"),
    })
    .await;
    let client = client(&server, 2);
    let (records, _receiver) = channel();
    let mut collect = Collect::default();
    let reading = walk(&client, &LISTING, &mut collect, &records);
    let stalled = async {
        while records.progress().pages() < 5 {
            tokio::task::yield_now().await;
        }
    };
    let mut reading = std::pin::pin!(reading);
    tokio::select! {
        end = &mut reading => panic!("nobody takes the records, and yet: {end:?}"),
        () = stalled => {}
    }
    let other = Get { what: "another thing", operation: "get_thing", path: &["other"], query: &[] };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(10), client.get(&other)).await;
    assert!(answer.expect("it is kept from its turn").is_ok());
}

/// A listing in which up to two pages are not what they should be.
fn listing() -> impl Strategy<Value = Vec<Value>> {
    let wrong = (0_u64..9, prop_oneof!["page", "next", "total", "ids"], 0_u64..9);
    (1_u64..9, any::<bool>(), prop::collection::vec(wrong, 0..3)).prop_map(|(last, says_total, wrongs)| {
        let total = says_total.then_some(2 * last - 1);
        let mut pages: Vec<_> = (1..=last).map(|page| page_of(page, last, total)).collect();
        for (page, field, value) in wrongs {
            let page = &mut pages[(page % last) as usize];
            page[&field] = match field.as_str() {
                "ids" => json!((0..value).map(|id| id.to_string()).collect::<Vec<_>>()),
                "next" | "total" if value == 0 => Value::Null,
                _ => json!(value),
            };
        }
        pages
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn several_pages_at_once_give_what_one_after_another_gives(listing in listing()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (sequential, parallel, asked) = runtime.block_on(async {
            let server = Scripted::start(move |asked| {
                let page = listing.get(number(asked) as usize - 1);
                page.map_or_else(|| Reply::status(404), Reply::json)
            })
            .await;
            let sequential = walked(&server, 1).await;
            let parallel = walked(&server, 4).await;
            (sequential, parallel, pages(&server))
        });
        prop_assert_eq!(sequential, parallel);
        prop_assert!(asked.chunk_by(|one, other| one == other).all(|same| same.len() <= 2), "a page was asked for twice");
    }
}
