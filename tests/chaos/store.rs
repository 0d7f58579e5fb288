//! A crash at every step of a publication: the folder is put into the state that each step leaves, and whoever starts on
//! that ends where nobody crashed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::history::{SCRIPTS, Script, Told, crash_before_the_end_is_told, play_in};
use crate::operator::Operator;
use crate::picture::{self, difference};
use crate::world::World;

/// What lies in the store: paths below it, with their content.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// How far a publication has come.
const STEPS: [&str; 6] = [
    "nothing",
    "half a snapshot",
    "a pointer to come",
    "the snapshot's name",
    "the fence",
    "what is held is cleared",
];

fn files(world: &World) -> Files {
    let mut found = Files::new();
    let mut folders = vec![world.store_folder()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(world.store_folder()).unwrap().to_owned();
                found.insert(below, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn put(world: &World, files: &Files) {
    let _ = std::fs::remove_dir_all(world.store_folder());
    for (below, content) in files {
        let path = world.store_folder().join(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// What lies there when a publication that leads from one state to another has come so far.
fn cut(before: &Files, after: &Files, step: usize) -> Files {
    let has = |files: &Files, path: &PathBuf| files.contains_key(path);
    let snapshot =
        after.keys().find(|it| it.extension().is_some_and(|it| it == "c1z") && !has(before, it)).unwrap();
    let folder = snapshot.parent().unwrap();
    let id = snapshot.file_stem().unwrap().to_str().unwrap();
    let content = &after[snapshot];
    let mut files = before.clone();
    if step >= 1 {
        let whole = if step == 1 { content.len() / 2 } else { content.len() };
        files.insert(folder.join(format!("{id}.c1z.tmp")), content[..whole].to_vec());
    }
    if step >= 2 {
        files
            .insert(folder.join(format!("latest-{id}.json.tmp")), after[&folder.join("latest.json")].clone());
    }
    if step >= 3 {
        files.remove(&folder.join(format!("{id}.c1z.tmp")));
        files.insert(snapshot.clone(), content.clone());
    }
    if step >= 4 {
        files.extend(
            after
                .iter()
                .filter(|(path, _)| path.ends_with("lease-transitions"))
                .map(|(path, it)| (path.clone(), it.clone())),
        );
    }
    if step >= 5 {
        files.remove(&folder.join("held.txt.zst"));
    }
    files
}

fn crash_at(script: &Script, reference: &Told, step: usize) -> Result<(), String> {
    let world = World::new(script.furniture);
    let (last, first) = script.acts.split_last().unwrap();
    play_in(&world, &Script { acts: first, ..*script }, |_, _| {});
    let before = files(&world);
    last(&world);
    crash_before_the_end_is_told(&world);
    put(&world, &cut(&before, &files(&world), step));
    let runtime = crate::time::runtime();
    runtime.block_on(async {
        let operator = Operator::start(&world);
        operator.settle().await.unwrap();
        operator.end().await;
    });
    drop(runtime);
    let about = format!("{}: a crash when a publication has come to {}", script.name, STEPS[step]);
    match difference(&reference.picture, &picture::of(&world)) {
        Some(difference) => Err(format!("{about} ends elsewhere:\n{difference}")),
        None if world.readings() > reference.readings + reference.dearest => {
            Err(format!("{about} reads {} times", world.readings()))
        }
        None => Ok(()),
    }
}

#[test]
fn whoever_crashes_at_any_step_of_a_publication_ends_where_nobody_crashed() {
    let mut failures = Vec::new();
    for name in ["first", "asked", "held"] {
        let script = SCRIPTS.iter().find(|it| it.name == name).unwrap();
        let reference = crate::crash::undisturbed(script);
        failures.extend((0..STEPS.len()).filter_map(|step| crash_at(script, &reference, step).err()));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
