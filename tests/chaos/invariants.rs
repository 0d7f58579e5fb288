//! What holds of every status that was ever written: the contract of Flux' conditions, and ours.

use std::collections::BTreeSet;

use connector_operator::api::{ACCEPT_REMOVALS, REQUESTED_AT};
use in_memory_api_server::ChangeType;
use jiff::Timestamp;
use serde_json::Value;

use crate::world::{KINDS, World, condition};

/// The conditions that are there only while they are True.
const PAIR: [&str; 2] = ["Reconciling", "Stalled"];
/// Every text of a token in these histories has this in it.
const CANARY: &str = "canary";
const LONGEST_MESSAGE: usize = 32 << 10;

/// Looks at everything that was written since the `from`th change of a kind.
pub fn of_history(world: &World, from: usize) -> Result<(), String> {
    for (plural, kind) in KINDS {
        let mut before: Option<Value> = None;
        let mut annotations: BTreeSet<(String, String)> = BTreeSet::new();
        for (number, change) in world.api.history(plural).into_iter().enumerate() {
            let object = Value::clone(&change.object);
            for name in [REQUESTED_AT, ACCEPT_REMOVALS] {
                if let Some(value) = object["metadata"]["annotations"][name].as_str() {
                    annotations.insert((name.to_owned(), value.to_owned()));
                }
            }
            let same = before.take().filter(|it| it["metadata"]["uid"] == object["metadata"]["uid"]);
            if number >= from && change.change != ChangeType::Deleted {
                let broken = of_status(&object, &annotations).err();
                let broken = broken.or_else(|| of_step(same.as_ref()?, &object).err());
                if let Some(broken) = broken {
                    let before = same.map(|it| it["status"].clone());
                    return Err(format!("{kind}: {broken}\nbefore {before:#?}\nafter {:#}", object));
                }
            }
            before = Some(object);
        }
    }
    Ok(())
}

fn of_status(object: &Value, annotations: &BTreeSet<(String, String)>) -> Result<(), String> {
    let status = &object["status"];
    let says = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    let generation = object["metadata"]["generation"].as_i64().unwrap();
    let observed = status["observedGeneration"].as_i64().unwrap();
    says(observed <= generation, "observedGeneration is of the future")?;
    if observed < 0 {
        return Ok(());
    }
    says(condition(status, "Ready").is_some(), "there is no Ready")?;
    let is = |type_: &str| condition(status, type_);
    let ready = is("Ready") == Some("True");
    says(!(ready && is("Stalled") == Some("True")), "it is Ready and Stalled")?;
    let idle = status["phase"] != "Syncing";
    says(!(ready && idle && is("Reconciling") == Some("True")), "it is at rest, Ready and Reconciling")?;
    says(!(is("Reconciling").is_some() && is("Stalled").is_some()), "it is Reconciling and Stalled")?;
    for type_ in PAIR {
        says(is(type_).is_none_or(|it| it == "True"), "Reconciling or Stalled is there and not True")?;
    }
    for condition in status["conditions"].as_array().unwrap() {
        let of = condition["observedGeneration"].as_i64().unwrap_or(observed);
        says(of <= generation, "a condition is of the future")?;
        says(condition["message"].as_str().unwrap().len() <= LONGEST_MESSAGE, "a message is too long")?;
    }
    says(!status.to_string().contains(CANARY), "a token is in the status")?;
    for (field, annotation) in
        [("lastHandledReconcileAt", REQUESTED_AT), ("lastHandledApproval", ACCEPT_REMOVALS)]
    {
        let Some(handled) = status[field].as_str() else { continue };
        // Of a long one the beginning is kept.
        let asked = annotations.iter().any(|(name, value)| name == annotation && value.starts_with(handled));
        says(asked, "what was handled was never asked for")?;
    }
    if let (Some(next), Some(ended)) =
        (time(&status["nextSyncTime"]), time(&status["lastSync"]["completionTime"]))
    {
        says(next >= ended, "the next run is due before the last has ended")?;
    }
    if let (Some(begun), Some(ended)) =
        (time(&status["lastSync"]["startTime"]), time(&status["lastSync"]["completionTime"]))
    {
        says(ended >= begun, "a run ended before it began")?;
    }
    Ok(())
}

/// From one status of an object to the next.
fn of_step(before: &Value, after: &Value) -> Result<(), String> {
    let (old, new) = (&before["status"], &after["status"]);
    let says = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    says(
        new["observedGeneration"].as_i64() >= old["observedGeneration"].as_i64(),
        "observedGeneration went back",
    )?;
    // Not by the ids: those of one moment are in no order.
    let time =
        |status: &Value, at: &str| status.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    let interrupted = old["lastSync"]["completionTime"].is_null();
    let began = |status| time(status, "/lastSync/startTime");
    says(began(new) >= began(old) || interrupted, "lastSync went back")?;
    let published = |status| time(status, "/lastSuccessTime");
    says(published(new) >= published(old), "lastPublished went back")?;
    says(
        old["lastHandledReconcileAt"].is_null() || new["lastHandledReconcileAt"].is_string(),
        "what was handled is forgotten",
    )?;
    let conditions = |status: &Value| status["conditions"].as_array().cloned().unwrap_or_default();
    for now in conditions(new) {
        let then = conditions(old).into_iter().find(|it| it["type"] == now["type"]);
        let Some(then) = then else { continue };
        let (same, same_time) =
            (then["status"] == now["status"], then["lastTransitionTime"] == now["lastTransitionTime"]);
        says(!same || same_time, "lastTransitionTime moved, and the status did not")?;
    }
    Ok(())
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
