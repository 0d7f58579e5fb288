//! What a run has published before it was cut off is told by the next one.

use connector_operator::access::Change;
use connector_operator::access::guard::Scoping;

use super::truth::Truth;
use super::world::World;

#[tokio::test]
async fn what_was_published_without_a_word_is_told_by_the_next_run() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    it.now(Truth::of(12).without([3]));
    it.run_unnoticed(None).await.unwrap();
    it.now(Truth::of(13).without([3]));
    let told = it.publishes(None).await.news.unwrap().changes;
    assert_eq!(told["users"], Change { added: 3, removed: 1, changed: 0 });
    let told = it.publishes(None).await.news.unwrap().changes;
    assert_eq!(told["users"], Change::default(), "and only once");
}

#[tokio::test]
async fn a_first_run_that_was_cut_off_after_it_has_published_is_told_of_as_a_first_one() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.run_unnoticed(None).await.unwrap();
    assert_eq!(it.publishes(None).await.news, None);
}

#[tokio::test]
async fn what_was_told_of_and_is_gone_since_is_no_news() {
    let mut it = World::new(Scoping::Users, Truth::of(10));
    it.publishes(None).await;
    let told = it.status.clone().unwrap();
    it.now(Truth::of(11));
    it.run_unnoticed(None).await.unwrap();
    std::fs::remove_file(it.store().path(&it.owner, &told.id)).unwrap();
    assert_eq!(it.publishes(None).await.news, None);
}
