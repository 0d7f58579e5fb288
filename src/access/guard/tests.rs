use rstest::rstest;

use super::*;

const LIMITS: Limits = Limits { max_percent: 20, min_removed: 3 };

fn change(part: Part, before: u64, removed: u64, disabled: u64, somebody_left: bool) -> ScopeChange {
    ScopeChange { part, title: part.title("acme"), before, removed, disabled, somebody_left }
}

fn why(change: ScopeChange, limits: Limits) -> Option<Why> {
    judge(&[change], false, limits).first().map(|removal| removal.why)
}

#[rstest]
#[case::nothing_went(100, 0, 0, None)]
#[case::two_of_five_are_too_few_to_hold(5, 2, 0, None)]
#[case::three_of_five_are_not(5, 3, 0, Some(Why::TooMany))]
#[case::a_fifth_may_go(100, 20, 0, None)]
#[case::more_than_a_fifth_may_not(100, 21, 0, Some(Why::TooMany))]
#[case::of_fourteen_three_are_more_than_a_fifth(14, 3, 0, Some(Why::TooMany))]
#[case::of_fifteen_they_are_not(15, 3, 0, None)]
#[case::the_disabled_count_too(100, 10, 11, Some(Why::TooMany))]
#[case::even_alone(100, 0, 21, Some(Why::TooMany))]
#[case::numbers_beyond_all_measure_do_not_wrap(u64::MAX, u64::MAX, u64::MAX, Some(Why::TooMany))]
fn a_scope_is_held_for_its_share(
    #[case] before: u64,
    #[case] removed: u64,
    #[case] disabled: u64,
    #[case] expected: Option<Why>,
) {
    for part in [Part::Users, Part::Members, Part::Administrators, Part::Memberships] {
        assert_eq!(why(change(part, before, removed, disabled, true), LIMITS), expected, "{part:?}");
    }
}

#[rstest]
#[case(Part::Users, Why::Emptied)]
#[case(Part::ServiceAccounts, Why::Emptied)]
#[case(Part::Members, Why::Emptied)]
#[case(Part::Memberships, Why::Emptied)]
#[case(Part::Administrators, Why::NoAdministrator)]
fn the_last_one_is_held_whatever_the_limits(#[case] part: Part, #[case] expected: Why) {
    let generous = Limits { max_percent: 100, min_removed: u64::MAX };
    assert_eq!(why(change(part, 1, 1, 0, false), generous), Some(expected));
    assert_eq!(why(change(part, 1, 0, 1, false), generous), Some(expected));
    assert_eq!(why(change(part, 0, 0, 0, false), generous), None, "where nobody went");
}

#[test]
fn an_owner_that_is_gone_is_held_whatever_the_limits() {
    let generous = Limits { max_percent: 100, min_removed: u64::MAX };
    assert_eq!(why(change(Part::Owner, 1, 1, 0, false), generous), Some(Why::OwnerGone));
    assert_eq!(why(change(Part::Owner, 0, 0, 0, false), generous), Some(Why::OwnerGone), "even an empty one");
}

#[test]
fn the_limits_are_the_callers() {
    let all_of_it = Limits { max_percent: 100, min_removed: 0 };
    assert_eq!(why(change(Part::Users, 10, 10, 0, true), all_of_it), None);
    let nothing = Limits { max_percent: 0, min_removed: 0 };
    assert_eq!(why(change(Part::Users, 1_000_000, 1, 0, true), nothing), Some(Why::TooMany));
    assert_eq!(why(change(Part::Users, 1_000_000, 0, 0, true), nothing), None);
}

#[test]
fn another_account_is_held_although_nobody_seems_to_go() {
    let same = change(Part::Users, 7, 0, 0, true);
    let removals = judge(std::slice::from_ref(&same), true, LIMITS);
    let expected =
        Removal { scope: "users".into(), before: 7, removed: 0, disabled: 0, why: Why::AnotherAccount };
    assert_eq!(removals, [expected]);
    assert_eq!(judge(&[same], false, LIMITS), []);
}

#[test]
fn each_scope_is_judged_by_itself_and_told_by_its_title() {
    let removals = judge(
        &[
            change(Part::Members, 100, 30, 0, true),
            change(Part::Administrators, 10, 1, 0, true),
            change(Part::Memberships, 4, 4, 0, false),
        ],
        false,
        LIMITS,
    );
    let told: Vec<_> = removals.iter().map(|removal| (removal.scope.as_str(), removal.why)).collect();
    assert_eq!(told, [("members of acme", Why::TooMany), ("group memberships of acme", Why::Emptied)]);
}

/// So many people, all of them enabled.
fn people(all: u64) -> Census {
    Census::of_users(Headcount { all, enabled: all }, Headcount::default())
}

fn organizations(count: usize, members: u64) -> Census {
    let mut census = Census::default();
    for number in 0..count {
        census.add_owner(&format!("organization:o{number}"), format!("org {number}"), [members, 2, 30]);
    }
    census
}

#[test]
fn a_lost_baseline_holds_any_decrease_and_no_increase() {
    let before = organizations(2, 10).remembered();
    assert_eq!(before["organization:o1/administrators"], 2);
    assert_eq!(judge_lost(&before, false, &organizations(2, 10)), []);
    assert_eq!(judge_lost(&before, false, &organizations(3, 11)), []);
    let fewer_people = judge_lost(&before, false, &organizations(2, 9));
    let told: Vec<_> = fewer_people.iter().map(|it| (it.scope.as_str(), it.removed, it.why)).collect();
    assert_eq!(
        told,
        [("members of org 0", 1, Why::BaselineLost), ("members of org 1", 1, Why::BaselineLost)]
    );
    let one_gone = judge_lost(&before, false, &organizations(1, 10));
    assert_eq!(one_gone.len(), 3);
    assert_eq!(one_gone[1].scope, "members of organization:o1", "its name is not known any more");
    assert_eq!(fewer(&before, &organizations(1, 10))["organization:o1/memberships"], 30);
}

#[test]
fn a_lost_baseline_of_another_account_is_held_although_there_are_more() {
    let before = people(3).remembered();
    assert_eq!(judge_lost(&before, false, &people(4)), []);
    assert_eq!(judge_lost(&before, true, &people(4))[0].why, Why::AnotherAccount);
}

#[test]
fn a_lost_baseline_holds_whoever_is_disabled_and_each_kind_of_user() {
    let census = |people: [u64; 2], programs: [u64; 2]| {
        let [people, programs] = [people, programs].map(|[all, enabled]| Headcount { all, enabled });
        Census::of_users(people, programs)
    };
    let before = census([10, 9], [4, 4]).remembered();
    let held = |now: Census| fewer(&before, &now).into_iter().collect::<Vec<_>>();
    assert_eq!(held(census([11, 9], [4, 4])), []);
    assert_eq!(held(census([10, 0], [4, 4])), [("enabled users".to_owned(), 9)]);
    let programs = [("enabled service accounts".to_owned(), 4), ("service accounts".to_owned(), 4)];
    assert_eq!(held(census([14, 13], [0, 0])), programs);
    assert_eq!(people(3).remembered().len(), 2, "what there is none of is not remembered");
}

#[test]
fn a_lost_baseline_of_which_nothing_is_remembered_is_held() {
    let removals = judge_lost(&ScopeCounts::new(), false, &people(4));
    assert_eq!(removals.len(), 1);
    assert_eq!(removals[0].why, Why::BaselineLost);
}

#[test]
fn of_many_owners_only_the_sums_are_remembered() {
    let many = organizations(OWNERS_COUNTED + 1, 10);
    let sums = many.remembered();
    let expected = [
        ("organization/administrators", 402),
        ("organization/members", 2010),
        ("organization/memberships", 6030),
        ("organization/owners", 201),
    ];
    assert_eq!(sums, expected.map(|(id, count)| (id.to_owned(), count)).into());
    assert_eq!(judge_lost(&sums, false, &many), []);
    let one_less = judge_lost(&sums, false, &organizations(OWNERS_COUNTED, 10));
    let told: Vec<_> = one_less.iter().map(|it| (it.scope.as_str(), it.removed)).collect();
    assert_eq!(
        told,
        [
            ("administrators of all organizations", 2),
            ("members of all organizations", 10),
            ("group memberships of all organizations", 30),
            ("organizations", 1),
        ]
    );
}
