//! Whatever happens, in whatever order: nothing beyond the limits is published that nobody approved, and with honest
//! answers and approvals all of it becomes the truth in the end.

use std::collections::{BTreeMap, BTreeSet};

use connector_operator::access::guard::{Limits, Scoping};
use connector_operator::api::Reason;
use connector_operator::sync::Ended;
use proptest::collection::vec;
use proptest::prelude::*;

use super::losing::copy;
use super::truth::{ROLES, Truth, must_be_held, must_be_held_without_a_baseline, removals};
use super::world::{Listing, Lookup, World};

const USERS: u32 = 12;

/// One change upstream.
#[derive(Debug, Clone)]
enum Edit {
    Remove(u32),
    /// Four at once.
    RemoveFrom(u32),
    Add(u32),
    Toggle(u32),
    Join {
        organization: u32,
        user: u32,
        role: &'static str,
    },
    Leave {
        organization: u32,
        user: u32,
    },
    JoinTeam {
        organization: u32,
        user: u32,
    },
    ClearTeam {
        organization: u32,
    },
    Dissolve {
        organization: u32,
    },
    Move(&'static str),
}

impl Edit {
    fn apply(&self, truth: &mut Truth) {
        match *self {
            Self::Remove(user) => truth.remove(user),
            Self::RemoveFrom(first) => (first..first + 4).for_each(|user| truth.remove(user)),
            Self::Add(user) => {
                truth.users.entry(user).or_insert(true);
            }
            Self::Toggle(user) => {
                truth.users.entry(user).and_modify(|enabled| *enabled = !*enabled);
            }
            Self::Join { organization, user, role } => {
                truth.users.entry(user).or_insert(true);
                truth.organizations.entry(organization).or_default().roles.insert(user, role);
            }
            Self::Leave { organization, user } => {
                truth.organizations.entry(organization).and_modify(|it| {
                    it.roles.remove(&user);
                    it.team.remove(&user);
                });
            }
            Self::JoinTeam { organization, user } => {
                if truth.users.contains_key(&user) {
                    truth.organizations.entry(organization).or_default().team.insert(user);
                }
            }
            Self::ClearTeam { organization } => {
                truth.organizations.entry(organization).and_modify(|it| it.team.clear());
            }
            Self::Dissolve { organization } => {
                truth.organizations.remove(&organization);
            }
            Self::Move(account) => truth.account = account,
        }
    }
}

/// What a run is told of approvals.
#[derive(Debug, Clone, Copy)]
enum Word {
    Nothing,
    /// The id of the latest hold.
    Latest,
    /// That of the one before.
    Former,
    Nonsense,
}

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<Edit>),
    Run {
        word: Word,
        /// The first so many readings show the truth with these changes.
        lies: usize,
        lie: Vec<Edit>,
        lookup: Lookup,
        /// The operator is killed before it writes the status.
        unnoticed: bool,
    },
    LoseTheStore,
    DamageThePointer,
    LoseTheSnapshot,
    LoseTheHold,
    BackUp,
    Restore,
}

fn edit() -> impl Strategy<Value = Edit> {
    let (user, organization) = (0..USERS, 1..4_u32);
    let role = prop_oneof![Just("admin"), Just("member"), Just("member")];
    prop_oneof![
        4 => user.clone().prop_map(Edit::Remove),
        2 => user.clone().prop_map(Edit::RemoveFrom),
        4 => user.clone().prop_map(Edit::Add),
        2 => user.clone().prop_map(Edit::Toggle),
        4 => (organization.clone(), user.clone(), role)
            .prop_map(|(organization, user, role)| Edit::Join { organization, user, role }),
        3 => (organization.clone(), user.clone())
            .prop_map(|(organization, user)| Edit::Leave { organization, user }),
        2 => (organization.clone(), user).prop_map(|(organization, user)| Edit::JoinTeam { organization, user }),
        1 => organization.clone().prop_map(|organization| Edit::ClearTeam { organization }),
        1 => organization.prop_map(|organization| Edit::Dissolve { organization }),
        1 => prop_oneof![Just("acc-1"), Just("acc-2")].prop_map(Edit::Move),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let word = prop_oneof![
        3 => Just(Word::Nothing),
        6 => Just(Word::Latest),
        1 => Just(Word::Former),
        1 => Just(Word::Nonsense),
    ];
    let lookup = prop_oneof![3 => Just(Lookup::Honest), 1 => Just(Lookup::Impossible)];
    let run = (word, 0..5_usize, vec(edit(), 0..4), lookup, any::<bool>()).prop_map(
        |(word, lies, lie, lookup, unnoticed)| Step::Run {
            word,
            lies: lies.saturating_sub(1),
            lie,
            lookup,
            unnoticed,
        },
    );
    prop_oneof![
        6 => vec(edit(), 1..4).prop_map(Step::Change),
        12 => run,
        1 => Just(Step::LoseTheStore),
        1 => Just(Step::DamageThePointer),
        1 => Just(Step::LoseTheSnapshot),
        1 => Just(Step::LoseTheHold),
        2 => Just(Step::BackUp),
        2 => Just(Step::Restore),
    ]
}

/// What was held, and against what.
struct Hold {
    removals: BTreeSet<String>,
    /// What the run showed, and what was remembered of what was published.
    shown: Truth,
    before: Option<Truth>,
    baseline_known: bool,
}

#[derive(Clone)]
struct Backup {
    stored: Option<Truth>,
    behind: bool,
    /// Does the status know of what was published since?
    older: bool,
}

/// What the history has come to.
struct History {
    world: World,
    scoping: Scoping,
    truth: Truth,
    /// What is published in the store, if it can be read there.
    stored: Option<Truth>,
    /// What was published when the status was written last.
    noted: Option<Truth>,
    /// Where nothing can be read: whose numbers are remembered, if any.
    remembered: Option<Truth>,
    /// Has the status missed a publication?
    behind: bool,
    backup: Option<Backup>,
    holds: BTreeMap<String, Hold>,
    ids: Vec<String>,
}

impl History {
    fn new(scoping: Scoping, limits: Limits) -> Self {
        let truth = Truth { services: (USERS - 4..USERS).collect(), ..Truth::of(USERS) };
        let mut world = World::new(scoping, truth.clone());
        world.limits = limits;
        Self {
            world,
            scoping,
            truth,
            stored: None,
            noted: None,
            remembered: None,
            behind: false,
            backup: None,
            holds: BTreeMap::new(),
            ids: Vec::new(),
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Change(edits) => edits.iter().for_each(|edit| edit.apply(&mut self.truth)),
            Step::Run { word, lies, lie, lookup, unnoticed } => {
                let mut shown = self.truth.clone();
                lie.iter().for_each(|edit| edit.apply(&mut shown));
                self.world.shows((0..lies).map(|_| Listing::Shows(shown.clone())));
                self.world.lookup(lookup);
                let word = match word {
                    Word::Nothing => None,
                    Word::Latest => self.ids.last().cloned(),
                    Word::Former => self.ids.iter().rev().nth(1).cloned(),
                    Word::Nonsense => Some("0123456789abcdef".to_owned()),
                };
                // Without a status that remembers, a lost store would be a first run, and rightly so.
                let unnoticed = unnoticed && self.noted.is_some();
                let honest = lookup == Lookup::Honest;
                self.run(word.as_deref(), unnoticed, honest, lies).await;
            }
            // A store that nothing remembers cannot be told from a first run.
            _ if self.noted.is_none() => {}
            Step::LoseTheStore => {
                let _ = std::fs::remove_dir_all(self.world.own_folder());
                self.stored = None;
                self.remembered = self.noted.clone();
            }
            Step::DamageThePointer if self.stored.is_some() => {
                self.world.damage_the_pointer();
                self.stored = None;
                // The status knows that it does not know.
                self.remembered = self.noted.clone().filter(|_| !self.behind);
            }
            Step::LoseTheSnapshot if self.stored.is_some() => {
                self.world.lose_the_snapshot();
                self.remembered = self.stored.take();
            }
            Step::LoseTheHold => self.world.store().clear_hold(&self.world.owner).unwrap(),
            Step::BackUp if self.stored.is_some() => {
                let backup = self.world.scratch().join("backup");
                let _ = std::fs::remove_dir_all(&backup);
                copy(&self.world.own_folder(), &backup);
                self.backup = Some(Backup { stored: self.stored.clone(), behind: self.behind, older: false });
            }
            Step::Restore => {
                if let Some(Backup { stored, behind, older }) = self.backup.clone() {
                    let _ = std::fs::remove_dir_all(self.world.own_folder());
                    copy(&self.world.scratch().join("backup"), &self.world.own_folder());
                    self.stored = stored.filter(|_| !older);
                    self.behind = behind && !older;
                    self.remembered = self.noted.clone();
                }
            }
            _ => {}
        }
    }

    async fn run(&mut self, word: Option<&str>, unnoticed: bool, honest: bool, lies: usize) {
        self.world.now(self.truth.clone());
        self.world.account.0.lock().unwrap().readings.clear();
        let ended = if unnoticed { self.world.run_unnoticed(word).await } else { self.world.run(word).await };
        let shown = self.world.account.0.lock().unwrap().readings.last().cloned();
        match ended {
            Ok(Ended::Published(_)) => {
                let shown = shown.unwrap();
                self.check(&shown, word, honest, lies);
                assert_eq!(self.world.published().unwrap(), shown.ids(self.scoping));
                self.stored = Some(shown.clone());
                self.behind = unnoticed;
                if !unnoticed {
                    self.noted = Some(shown);
                }
                if let Some(backup) = &mut self.backup {
                    backup.older |= !unnoticed;
                }
                assert_eq!(self.world.held(), None);
            }
            Ok(Ended::Held(held)) => {
                let shown = shown.unwrap();
                let before = self.stored.as_ref().or(self.remembered.as_ref()).cloned();
                let hold = Hold {
                    removals: before.iter().flat_map(|it| removals(it, &shown, self.scoping)).collect(),
                    shown,
                    before,
                    baseline_known: self.stored.is_some(),
                };
                self.holds.insert(held.id.clone(), hold);
                self.ids.push(held.id);
            }
            // A listing that keeps lying.
            Err(failure) => assert_eq!(failure.reason, Reason::ListingChanged, "{}", failure.message),
        }
    }

    /// May what was shown have been published?
    fn check(&self, shown: &Truth, word: Option<&str>, honest: bool, lies: usize) {
        let approved = word.and_then(|word| self.holds.get(word));
        match (&self.stored, &self.remembered) {
            (Some(before), _) => {
                let going = removals(before, shown, self.scoping);
                if must_be_held(before, shown, self.scoping, self.world.limits) {
                    let hold = approved.expect("published beyond the limits, and nobody approved");
                    assert!(
                        hold.baseline_known && hold.before.as_ref() == Some(before),
                        "approved of something else"
                    );
                    assert!(hold.removals.is_superset(&going), "approved of others");
                    assert!(hold.shown.account == shown.account || self.scoping == ROLES);
                }
                let truth = self.truth.ids(self.scoping);
                let lied = going.iter().any(|line| truth.contains(line.trim_start_matches("- ")));
                assert!(!(lied && honest && going.len() <= 100), "published without what is still there");
            }
            (None, Some(before)) => {
                assert!(
                    lies > 1 || shown.ids(self.scoping) == self.truth.ids(self.scoping),
                    "one lie was believed"
                );
                if must_be_held_without_a_baseline(before, shown, self.scoping) {
                    let hold = approved.expect("published less than is remembered, and nobody approved");
                    assert!(
                        !hold.baseline_known && hold.before.as_ref() == Some(before),
                        "approved of something else"
                    );
                    assert!(hold.shown.account == shown.account || self.scoping == ROLES);
                }
            }
            (None, None) if self.noted.is_some() => {
                let hold = approved.expect("published although nothing is known, and nobody approved");
                assert!(!hold.baseline_known && hold.before.is_none(), "approved of something else");
                let fewer = must_be_held_without_a_baseline(&hold.shown, shown, self.scoping);
                assert!(!fewer, "fewer than was approved");
            }
            (None, None) => {}
        }
    }

    /// From now on all answers are honest, and whatever is held is approved.
    async fn settle(&mut self) {
        self.world.shows([]);
        self.world.lookup(Lookup::Honest);
        self.run(None, false, true, 0).await;
        if self.stored.as_ref() != Some(&self.truth) {
            let id = self.ids.last().cloned().expect("neither published nor held");
            self.run(Some(&id), false, true, 0).await;
        }
        assert_eq!(self.world.published().unwrap(), self.truth.ids(self.scoping));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_history_publishes_a_removal_beyond_the_limits_that_nobody_approved_and_each_ends_at_the_truth(
        by_roles in any::<bool>(),
        max_percent in prop_oneof![Just(0_u8), Just(20), Just(50)],
        min_removed in 0..4_u64,
        steps in vec(step(), 2..20),
    ) {
        let scoping = if by_roles { ROLES } else { Scoping::Users };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut history = History::new(scoping, Limits { max_percent, min_removed });
            history.run(None, false, true, 0).await;
            for step in steps {
                history.step(step).await;
            }
            history.settle().await;
        });
    }
}
