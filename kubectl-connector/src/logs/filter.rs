//! Which lines of the operator's log are about one connector. Each names it by the same three fields: in JSON of the line
//! itself or of a span around it, on the console as text.

use jiff::Timestamp;
use serde_json::Value;

/// What a line must say to be about a connector.
pub(super) struct Filter {
    fields: [(&'static str, String); 3],
    since: Option<Timestamp>,
}

impl Filter {
    pub(super) fn new(kind: &str, namespace: &str, name: &str) -> Self {
        let fields = [("kind", kind), ("namespace", namespace), ("connector", name)];
        Self { fields: fields.map(|(field, value)| (field, value.to_owned())), since: None }
    }

    /// The same, without lines that say an earlier time.
    pub(super) fn since(self, since: Option<Timestamp>) -> Self {
        Self { since, ..self }
    }

    /// Is the line wanted?
    pub(super) fn takes(&self, line: &str) -> bool {
        self.is_about(line) && self.since.is_none_or(|since| time(line).is_none_or(|time| time >= since))
    }

    /// Is the line about the connector?
    fn is_about(&self, line: &str) -> bool {
        match serde_json::from_str::<Value>(line) {
            Ok(line @ Value::Object(_)) => {
                let spans = line.get("spans").and_then(Value::as_array).into_iter().flatten();
                self.are_of(&line) || line.get("span").into_iter().chain(spans).any(|span| self.are_of(span))
            }
            _ => self.fields.iter().all(|(field, value)| line.contains(&format!("{field}=\"{value}\""))),
        }
    }

    fn are_of(&self, fields: &Value) -> bool {
        self.fields.iter().all(|(field, value)| fields.get(field).and_then(Value::as_str) == Some(value))
    }
}

/// When the line was written: its field in JSON, its first word on the console.
fn time(line: &str) -> Option<Timestamp> {
    match serde_json::from_str::<Value>(line) {
        Ok(line @ Value::Object(_)) => line.get("timestamp")?.as_str()?.parse().ok(),
        _ => line.split(' ').next()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = r#""kind":"ScalrConnector","namespace":"identity","connector":"acme""#;

    fn is_about(line: &str) -> bool {
        Filter::new("ScalrConnector", "identity", "acme").is_about(line)
    }

    #[test]
    fn a_line_of_json_is_about_the_connector_of_its_span_or_its_own_fields() {
        for line in [
            format!(r#"{{"level":"INFO","message":"The run begins","span":{{{FIELDS},"name":"run"}}}}"#),
            format!(r#"{{"level":"WARN","message":"x",{FIELDS}}}"#),
            format!(
                r#"{{"message":"x","span":{{"name":"listing"}},"spans":[{{{FIELDS}}},{{"name":"listing"}}]}}"#
            ),
        ] {
            assert!(is_about(&line), "{line}");
            for (field, other) in [("acme", "acme2"), ("identity", "other"), ("ScalrC", "PlanetScaleC")] {
                assert!(!is_about(&line.replace(field, other)), "{line}");
            }
        }
        assert!(!is_about(r#"{"message":"The operator has started"}"#));
        // What is said about it, and not by it.
        assert!(!is_about(
            r#"{"message":"kind=\"ScalrConnector\" namespace=\"identity\" connector=\"acme\""}"#
        ));
    }

    #[test]
    fn a_line_of_the_console_is_about_the_connector_that_it_names() {
        let line = "2026-11-26T05:00:00Z  INFO run{kind=\"ScalrConnector\" namespace=\"identity\" connector=\"acme\" \
                    run=\"3IPX\"}: connector_operator::sync::run: Read 48 users.";
        assert!(is_about(line));
        assert!(!is_about(&line.replace("\"acme\"", "\"acme2\"")));
        assert!(!is_about(&line.replace("\"identity\"", "\"identity2\"")));
        assert!(!is_about("INFO The operator has started"));
    }

    #[test]
    fn what_is_older_than_it_may_be_is_left_out() {
        let since = "2026-11-26T05:00:00Z".parse().unwrap();
        let filter = Filter::new("ScalrConnector", "identity", "acme").since(Some(since));
        let json = |time: &str| format!(r#"{{"timestamp":"{time}",{FIELDS}}}"#);
        let console = |time: &str| {
            format!(r#"{time} INFO kind="ScalrConnector" namespace="identity" connector="acme""#)
        };
        for line in [json("2026-11-26T05:00:00.5Z"), console("2026-11-26T05:00:00.5Z"), json("no time")] {
            assert!(filter.takes(&line), "{line}");
        }
        for line in [json("2026-11-26T04:59:59.9Z"), console("2026-11-26T04:59:59.9Z")] {
            assert!(!filter.takes(&line), "{line}");
        }
    }
}
