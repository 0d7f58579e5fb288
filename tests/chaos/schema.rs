//! Specs drawn from the kinds' own schema, good and bad, and what the schema itself refuses. Its rules in CEL are the API
//! server's to check: what only they refuse gets through to the operator here, which must bear it too.

use std::sync::LazyLock;

use connector_operator::kinds;
use fastrand::Rng;
use serde_json::{Value, json};

/// The schema of a kind's spec.
fn of_spec(kind: &str) -> &'static Value {
    static SCHEMAS: LazyLock<Vec<(String, Value)>> = LazyLock::new(kinds::json_schemas);
    let begin = kind.to_lowercase();
    let (_, schema) = SCHEMAS.iter().find(|(name, _)| name.starts_with(&begin)).unwrap();
    &schema["properties"]["spec"]
}

/// What the schema has against the spec of an object.
pub fn refusal(kind: &str, object: &Value) -> Option<String> {
    against(of_spec(kind), &object["spec"], "spec")
}

fn against(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let wrong = |what: &str| Some(format!("{path}: {what}"));
    if value.is_null() {
        return if schema["nullable"] == true { None } else { wrong("is null") };
    }
    let right_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !right_type {
        return wrong("is of another type");
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return wrong("is none of those that may be");
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as u64;
        let bounds =
            (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64().unwrap_or(u64::MAX));
        if length < bounds.0 || length > bounds.1 {
            return wrong("is too short or too long");
        }
    }
    if let Some(number) = value.as_f64() {
        let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            return wrong("is too small or too large");
        }
    }
    let fields = value.as_object()?;
    for required in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(required.as_str()?) {
            return wrong("lacks what is required");
        }
    }
    fields.iter().find_map(|(name, value)| {
        let field = &schema["properties"][name];
        if field.is_null() {
            wrong("has a field of no meaning")
        } else {
            against(field, value, &format!("{path}.{name}"))
        }
    })
}

/// Something done to one field of a spec: its path, and what is put there; null removes it.
pub fn edit(random: &mut Rng, kind: &str) -> Value {
    edit_of(random, of_spec(kind), 0)
}

fn edit_of(random: &mut Rng, schema: &Value, depth: usize) -> Value {
    let fields: Vec<(&String, &Value)> = schema["properties"].as_object().into_iter().flatten().collect();
    if fields.is_empty() {
        return value_of(random, schema);
    }
    let (name, field) = fields[random.usize(..fields.len())];
    // Where it reads, and as whom, is what the end of a walk puts right.
    let inner = if random.u32(..8) == 0 {
        Value::Null
    } else if field["properties"].is_object() && depth < 3 {
        edit_of(random, field, depth + 1)
    } else {
        value_of(random, field)
    };
    json!({ name: inner })
}

fn value_of(random: &mut Rng, schema: &Value) -> Value {
    if random.u32(..6) == 0 {
        let strange = [json!(7), json!("x"), json!(true), json!([]), json!({ "a": 1 }), json!("")];
        return strange[random.usize(..strange.len())].clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[random.usize(..values.len())].clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => random.bool().into(),
        Some("integer") => {
            let (least, most) =
                (schema["minimum"].as_i64().unwrap_or(0), schema["maximum"].as_i64().unwrap_or(100));
            [least, most, least - 1, most + 1, random.i64(least..=most)][random.usize(..5)].into()
        }
        Some("string") => text_of(random, schema),
        _ => json!({}),
    }
}

fn text_of(random: &mut Rng, schema: &Value) -> Value {
    const TEXTS: [&str; 16] = [
        "30m",
        "1h",
        "1h30m",
        "1s",
        "0s",
        "99999999h",
        "hourly",
        "0 6 * * *",
        "0 0 30 2 *",
        "*/5 * * * 1-5",
        "Europe/Prague",
        "Nowhere/Nothing",
        "scalr",
        "elsewhere",
        "http://127.0.0.1:1",
        "ada@example.com",
    ];
    let most = schema["maxLength"].as_u64().unwrap_or(300) as usize;
    match random.u32(..8) {
        0 => "a".repeat(most).into(),
        1 => "a".repeat(most + 1).into(),
        2 => "ž\u{202e}\u{0}\n".into(),
        _ => TEXTS[random.usize(..TEXTS.len())].into(),
    }
}
