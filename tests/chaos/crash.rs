//! A crash before and after every write: whoever starts again on what is stored ends where nobody crashed.

use in_memory_api_server::{Fault, When};

use crate::history::{SCRIPTS, Script, Told, play};
use crate::picture::difference;

/// Plays the script without a fault.
pub fn undisturbed(script: &Script) -> Told {
    play(script, |_, _| {})
}

/// Plays the script with a crash at the `number`th write, and says what is wrong with how it ends.
pub fn crash_at(script: &Script, reference: &Told, number: u64, when: When) -> Result<(), String> {
    let told = play(script, |operators, operator| {
        if operators == 1 {
            operator.connection.fail(number, when, Fault::Crash);
        }
    });
    let about = format!("{}: a crash {when:?} write {number} of {}", script.name, reference.mutations);
    judge(&about, script, reference, &told)
}

/// Plays the script with a crash at the `number`th call to C1 by which anything changes there.
pub fn crash_at_c1(script: &Script, reference: &Told, number: u64, when: When) -> Result<(), String> {
    let told = play(script, |operators, operator| {
        if operators == 1 {
            let connection = operator.connection.clone();
            let c1 = operator.world.c1.as_ref().unwrap();
            c1.cut(number, when == When::After, move || connection.sever());
        }
    });
    let about = format!("{}: a crash {when:?} call {number} to C1", script.name);
    judge(&about, script, reference, &told)
}

/// A crash came, and the script ends as it does without one.
fn judge(about: &str, script: &Script, reference: &Told, told: &Told) -> Result<(), String> {
    // How many writes and calls there are of work for C1 is not the same each time.
    if told.operators < 2 && !script.furniture.c1 {
        return Err(format!("{about} never came"));
    }
    if let Some(difference) = difference(&reference.picture, &told.picture) {
        return Err(format!("{about} ends elsewhere:\n{difference}"));
    }
    if told.readings > reference.readings + reference.dearest {
        return Err(format!(
            "{about}: the upstream was read {} times, not {}",
            told.readings, reference.readings
        ));
    }
    Ok(())
}

/// Plays the script with a crash at every `step`th of its writes and calls, one time before it takes effect and the next
/// time after. How many histories that were, and what went wrong.
pub fn everywhere(script: &Script, step: usize) -> (u64, Vec<String>) {
    let reference = undisturbed(script);
    let both = |number| [(number, When::Before), (number, When::After)];
    let writes = (1..=reference.mutations).flat_map(both);
    let calls = (1..=reference.told_to_c1).flat_map(both);
    let mut failures = Vec::new();
    let mut histories = 0;
    for (number, when) in writes.step_by(step) {
        histories += 1;
        failures.extend(crash_at(script, &reference, number, when).err());
    }
    for (number, when) in calls.step_by(step) {
        histories += 1;
        failures.extend(crash_at_c1(script, &reference, number, when).err());
    }
    (histories, failures)
}

#[test]
fn whoever_crashes_at_a_write_ends_where_nobody_crashed() {
    let mut failures = Vec::new();
    for script in SCRIPTS {
        // Of the longer ones a part; `make chaos` does all.
        let step = if script.name == "first" { 1 } else { 5 };
        let (histories, failed) = everywhere(script, step);
        println!("{}: {histories} histories", script.name);
        failures.extend(failed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
