//! How objects change: made, replaced, patched, applied, deleted, each by the API's rules.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Change, ChangeType, Next, Store, Stored, about, name_of};
use crate::Answer;
use crate::apply::{Conflict, Owners};
use crate::kind::Kind;
use crate::object::{
    complete, differs_in_spec, drop_empty, generation, has_finalizers, merge_patch, named, set, strip, unset,
    whole_seconds, with_status_of,
};
use crate::request::{Asked, refused};

impl Store {
    pub(super) fn create(
        &mut self,
        asked: &Asked,
        mut object: Value,
        now: Timestamp,
    ) -> Result<(u16, Arc<Value>), Answer> {
        let kind = self.serves(asked)?.clone();
        let mut asked = asked.clone();
        asked.name = object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        if asked.name.is_none() {
            return Err(refused(
                422,
                "Invalid",
                "metadata.name: Required value: name or generateName is required",
            ));
        }
        if self.stored(&asked).is_ok() {
            let message = format!("{} \"{}\" already exists", about(&asked), name_of(&asked).1);
            return Err(refused(409, "AlreadyExists", &message));
        }
        complete(&mut object, &kind, &asked);
        self.uids += 1;
        set(&mut object, "uid", json!(format!("00000000-0000-4000-8000-{:012}", self.uids)));
        set(&mut object, "creationTimestamp", json!(whole_seconds(now)));
        unset(&mut object, "deletionTimestamp");
        drop_empty(&mut object);
        if kind.custom {
            set(&mut object, "generation", json!(1));
        }
        if let (Some(status), Some(fields)) = (&kind.status, object.as_object_mut()) {
            fields.insert("status".to_owned(), status.clone());
        }
        refuse(&kind, &object, None)?;
        let next = Next { object, owners: Owners::default(), owners_of_status: Owners::default() };
        Ok((201, self.keep(&asked, next, ChangeType::Added)))
    }

    pub(super) fn replace(&mut self, asked: &Asked, body: &Value) -> Result<(u16, Arc<Value>), Answer> {
        let kind = self.serves(asked)?.clone();
        let stored = self.stored(asked)?.clone();
        let version = body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
        if version.is_none_or(str::is_empty) && kind.custom {
            let message = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
            return Err(refused(422, "Invalid", message));
        }
        require(asked, body, &stored.object)?;
        let object = if is_status(asked) { with_status_of(&stored.object, body) } else { body.clone() };
        let next = Next { object, owners: stored.owners, owners_of_status: stored.owners_of_status };
        self.change(asked, next)
    }

    pub(super) fn merge(&mut self, asked: &Asked, body: &Value) -> Result<(u16, Arc<Value>), Answer> {
        let stored = self.stored(asked)?.clone();
        require(asked, body, &stored.object)?;
        let mut object = Value::clone(&stored.object);
        if is_status(asked) {
            merge_patch(&mut object, &json!({ "status": body.get("status") }));
        } else {
            merge_patch(&mut object, body);
        }
        let next = Next { object, owners: stored.owners, owners_of_status: stored.owners_of_status };
        self.change(asked, next)
    }

    pub(super) fn apply(
        &mut self,
        asked: &Asked,
        body: &Value,
        now: Timestamp,
    ) -> Result<(u16, Arc<Value>), Answer> {
        let manager = asked.query.get("fieldManager").cloned().unwrap_or_default();
        if manager.is_empty() {
            return Err(refused(
                400,
                "BadRequest",
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        let force = asked.query.get("force").is_some_and(|force| force == "true");
        let mut applied = body.clone();
        if !is_status(asked) && self.serves(asked).is_ok() && self.stored(asked).is_err() {
            if body.pointer("/metadata/uid").is_some() {
                return Err(refused(
                    409,
                    "Conflict",
                    "uid mismatch: the provided object specified a uid, and no existing object was found",
                ));
            }
            let mut asked = asked.clone();
            asked.name = None;
            let (code, object) = self.create(&asked, body.clone(), now)?;
            asked.name = Some(named(&object).1);
            strip(&mut applied);
            if let Some(stored) =
                self.objects.get_mut(&asked.plural).and_then(|it| it.get_mut(&name_of(&asked)))
            {
                // It owns what it has made; the merge is of a thing with itself.
                let _ = stored.owners.apply(&manager, true, &object, &applied);
            }
            return Ok((code, object));
        }
        let mut stored = self.stored(asked)?.clone();
        require(asked, body, &stored.object)?;
        strip(&mut applied);
        let owners = if is_status(asked) {
            applied = json!({ "status": applied.get("status") });
            &mut stored.owners_of_status
        } else {
            if let Some(fields) = applied.as_object_mut() {
                fields.remove("status");
            }
            &mut stored.owners
        };
        let merged = owners.apply(&manager, force, &stored.object, &applied).map_err(|it| conflicts(&it))?;
        let next = Next { object: merged, owners: stored.owners, owners_of_status: stored.owners_of_status };
        self.change(asked, next)
    }

    pub(super) fn delete(
        &mut self,
        asked: &Asked,
        body: &Value,
        now: Timestamp,
    ) -> Result<(u16, Arc<Value>), Answer> {
        let stored = self.stored(asked)?.clone();
        let uid = body.pointer("/preconditions/uid");
        if uid.is_some_and(|uid| Some(uid) != stored.object.pointer("/metadata/uid")) {
            return Err(refused(409, "Conflict", "Precondition failed: UID in precondition is another's"));
        }
        if has_finalizers(&stored.object) {
            if stored.object.pointer("/metadata/deletionTimestamp").is_some() {
                return Ok((200, stored.object));
            }
            let mut object = Value::clone(&stored.object);
            set(&mut object, "deletionTimestamp", json!(whole_seconds(now)));
            set(&mut object, "deletionGracePeriodSeconds", json!(0));
            if let Some(generation) = generation(&object) {
                set(&mut object, "generation", json!(generation + 1));
            }
            let next = Next { object, owners: stored.owners, owners_of_status: stored.owners_of_status };
            return Ok((200, self.keep(asked, next, ChangeType::Modified)));
        }
        Ok((200, self.remove(asked, &stored.object)))
    }

    /// Applies the rules to a change, and keeps what comes of it where it is anything new.
    fn change(&mut self, asked: &Asked, next: Next) -> Result<(u16, Arc<Value>), Answer> {
        let kind = self.serves(asked)?.clone();
        let stored = self.stored(asked)?.clone();
        let Next { mut object, owners, owners_of_status } = next;
        complete(&mut object, &kind, asked);
        let fixed = [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "generation",
            "resourceVersion",
            "deletionGracePeriodSeconds",
        ];
        let before = stored.object.get("metadata").cloned().unwrap_or_default();
        for name in fixed {
            match before.get(name) {
                Some(value) => set(&mut object, name, value.clone()),
                None => unset(&mut object, name),
            }
        }
        drop_empty(&mut object);
        if is_status(asked) {
            object = with_status_of(&stored.object, &object);
        } else if kind.status.is_some() {
            object = with_status_of(&object, &stored.object);
        }
        refuse(&kind, &object, Some(&stored.object))?;
        if object == *stored.object {
            if let Some(stored) =
                self.objects.get_mut(&asked.plural).and_then(|it| it.get_mut(&name_of(asked)))
            {
                (stored.owners, stored.owners_of_status) = (owners, owners_of_status);
            }
            return Ok((200, stored.object));
        }
        if let (Some(generation), true) = (generation(&object), differs_in_spec(&object, &stored.object)) {
            set(&mut object, "generation", json!(generation + 1));
        }
        if object.pointer("/metadata/deletionTimestamp").is_some() && !has_finalizers(&object) {
            return Ok((200, self.remove(asked, &object)));
        }
        let next = Next { object, owners, owners_of_status };
        Ok((200, self.keep(asked, next, ChangeType::Modified)))
    }

    fn keep(&mut self, asked: &Asked, next: Next, change: ChangeType) -> Arc<Value> {
        let Next { mut object, owners, owners_of_status } = next;
        self.version += 1;
        set(&mut object, "resourceVersion", json!(self.version.to_string()));
        let object = Arc::new(object);
        let stored = Stored { object: Arc::clone(&object), owners, owners_of_status };
        self.objects.entry(asked.plural.clone()).or_default().insert(name_of(asked), stored);
        self.note(asked, change, Arc::clone(&object));
        object
    }

    fn remove(&mut self, asked: &Asked, object: &Value) -> Arc<Value> {
        self.version += 1;
        let mut object = object.clone();
        set(&mut object, "resourceVersion", json!(self.version.to_string()));
        if let Some(objects) = self.objects.get_mut(&asked.plural) {
            objects.remove(&name_of(asked));
        }
        let object = Arc::new(object);
        self.note(asked, ChangeType::Deleted, Arc::clone(&object));
        object
    }

    fn note(&mut self, asked: &Asked, change: ChangeType, object: Arc<Value>) {
        let plural = Arc::from(asked.plural.as_str());
        self.history.push(Change { version: self.version, change, object, plural });
    }
}

fn refuse(kind: &Kind, object: &Value, before: Option<&Value>) -> Result<(), Answer> {
    match kind.refuses.as_ref().and_then(|refuses| refuses(object, before)) {
        Some(message) => Err(refused(422, "Invalid", &message)),
        None => Ok(()),
    }
}

/// The version and the uid that a change names must be those of the object. A status takes its uid from what is stored,
/// whatever it names.
fn require(asked: &Asked, body: &Value, stored: &Value) -> Result<(), Answer> {
    for (field, what) in [
        ("resourceVersion", "the object has been modified"),
        ("uid", "Precondition failed: UID in precondition is another's"),
    ] {
        let named = body.pointer(&format!("/metadata/{field}")).and_then(Value::as_str);
        let named = named.filter(|named| !named.is_empty() && (field != "uid" || !is_status(asked)));
        if named.is_some_and(|named| {
            Some(named) != stored.pointer(&format!("/metadata/{field}")).and_then(Value::as_str)
        }) {
            let message = format!(
                "Operation cannot be fulfilled on {} \"{}\": {what}; please apply your changes to the latest version and try again",
                about(asked),
                name_of(asked).1
            );
            return Err(refused(409, "Conflict", &message));
        }
    }
    Ok(())
}

fn conflicts(conflict: &Conflict) -> Answer {
    let Conflict { manager, field } = conflict;
    refused(409, "Conflict", &format!("Apply failed with 1 conflict: conflict with \"{manager}\": {field}"))
}

fn is_status(asked: &Asked) -> bool {
    asked.subresource.as_deref() == Some("status")
}
