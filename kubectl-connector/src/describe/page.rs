//! What the page says, and how it looks.

use connector_operator::access::{in_words, thousands};
use connector_operator::api::{
    C1Status, ConditionType, ConnectorStatus, Hold, LastPublished, LastSync, Phase, Reason,
};
use connector_operator::printing::{self, Table, WIDTH};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::Serialize;

use crate::connectors::Connector;
use crate::screen::{self, Colour, painted};
use crate::telling;

/// So many events are shown.
const EVENTS: usize = 5;
/// The width of the words on the left.
const LABEL: usize = 13;

/// What is told about a connector.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    kind: String,
    namespace: String,
    name: String,
    phase: Option<Phase>,
    reads: String,
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    secret: String,
    secret_key: String,
    schedule: String,
    suspended: bool,
    ready: String,
    reason: String,
    message: String,
    /// What the operator does by itself about a failure.
    #[serde(skip_serializing_if = "str::is_empty")]
    next_step: &'static str,
    /// What a person can type about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sync: Option<LastSync>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_published: Option<LastPublished>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_sync_time: Option<Time>,
    consecutive_failures: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Hold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c1: Option<Delivery>,
    events: Vec<Told>,
}

/// How it stands with C1.
#[derive(Debug, Serialize)]
struct Delivery {
    connected: String,
    message: String,
    #[serde(flatten)]
    status: C1Status,
}

/// One thing that was told about the connector.
#[derive(Debug, Serialize)]
struct Told {
    time: Option<Time>,
    r#type: String,
    reason: String,
    message: String,
}

/// When it was told.
pub(super) fn time_of(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    series.or_else(|| event.event_time.as_ref().map(|time| time.0))
}

impl Page {
    pub(super) fn of(connector: &Connector, events: Vec<Event>) -> Self {
        let status = &connector.status;
        let ready = status.condition(ConditionType::Ready);
        let word = |word: fn(&Condition) -> &String| ready.map(word).cloned().unwrap_or_default();
        let reason = word(|ready| &ready.reason);
        let skipped = events.len().saturating_sub(EVENTS);
        Self {
            kind: connector.kind.resource.kind.clone(),
            namespace: connector.namespace().to_owned(),
            name: connector.name().to_owned(),
            phase: status.phase,
            reads: connector.what.clone(),
            origin: connector.origin.clone(),
            owner: connector.common.owner.clone(),
            secret: connector.credential.secret.clone(),
            secret_key: connector.credential.key.clone(),
            schedule: schedule(connector),
            suspended: connector.is_suspended(),
            ready: ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            message: ready.map_or_else(|| UNSEEN.to_owned(), |ready| ready.message.clone()),
            next_step: Reason::of_word(&reason).map_or("", Reason::next),
            reason,
            commands: commands(connector),
            last_sync: status.last_sync.clone(),
            last_published: status.last_published.clone(),
            last_success_time: status.last_success_time.clone(),
            next_sync_time: status.next_sync_time.clone(),
            consecutive_failures: status.consecutive_failures.unwrap_or_default(),
            held: status.held.as_deref().cloned(),
            c1: delivery(status),
            events: events.into_iter().skip(skipped).map(Told::from).collect(),
        }
    }

    /// The page as text.
    pub(super) fn text(&self, connector: &Connector, now: Timestamp) -> String {
        let phase = connector.phase();
        let label = if phase.is_empty() { "not seen yet" } else { &phase };
        let mut text = Text(String::new());
        text.line(&format!(
            "{}  {}",
            painted(Some(Colour::Strong), &connector.title()),
            painted(Colour::of_phase(&phase), label)
        ));
        self.about(&mut text);
        text.blank();
        self.health(&mut text);
        text.blank();
        self.runs(&mut text, now);
        self.removals(&mut text, connector, now);
        self.delivery(&mut text, now);
        self.told(&mut text, now);
        text.0
    }

    fn about(&self, text: &mut Text) {
        text.say("Namespace", &self.namespace);
        text.say("Reads", &format!("{}, at {}", self.reads, self.origin));
        text.say("Owner", self.owner.as_deref().unwrap_or("nobody is named: set spec.owner"));
        text.say("Credential", &format!("key {} of Secret {}", self.secret_key, self.secret));
        text.say("Schedule", &self.schedule);
    }

    fn health(&self, text: &mut Text) {
        let ready = match self.ready.as_str() {
            "True" => painted(Some(Colour::Good), "yes"),
            "False" => painted(Some(Colour::Bad), "no"),
            _ => painted(Some(Colour::Busy), "not known yet"),
        };
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        text.raw("Ready", &format!("{ready}{reason}"));
        text.say("", &self.message);
        let failures = match self.consecutive_failures {
            0 => String::new(),
            1 => "; one run has failed".to_owned(),
            many => format!("; {many} runs have failed in succession"),
        };
        if !self.next_step.is_empty() {
            text.say("The operator", &format!("{}{failures}", self.next_step));
        }
        for (index, command) in self.commands.iter().enumerate() {
            let label = if index == 0 { "You can" } else { "" };
            text.raw(label, &painted(Some(Colour::Strong), command));
        }
    }

    fn runs(&self, text: &mut Text, now: Timestamp) {
        match &self.last_sync {
            None => text.say("Last run", "none yet"),
            Some(sync) => {
                text.say("Last run", &last_run(sync, now));
                if !sync.counts.is_empty() {
                    text.say("", &format!("read {}", in_words(&sync.counts)));
                }
                if !sync.changes.is_empty() {
                    text.say("Changed", &telling::changes(&sync.changes));
                }
            }
        }
        match (&self.last_published, &self.last_success_time) {
            (Some(published), Some(time)) => {
                text.say(
                    "Published",
                    &format!("{}: {}", telling::ago(time, now), in_words(&published.counts)),
                );
                text.say("", &format!("snapshot {}, {}", published.id, printing::bytes(published.size)));
            }
            _ => text.say("Published", "nothing yet"),
        }
        match &self.next_sync_time {
            Some(time) => {
                text.say("Next run", &format!("{}, at {}", telling::ahead(time, now), telling::moment(time)));
            }
            None if self.suspended => text.say("Next run", "none: it is suspended"),
            None => text.say("Next run", "not known yet"),
        }
    }

    fn removals(&self, text: &mut Text, connector: &Connector, now: Timestamp) {
        let Some(held) = &self.held else { return };
        text.blank();
        text.raw("Removals held", &format!("since {}, id {}", telling::ago(&held.since, now), held.id));
        text.table(telling::removals(held));
        if let Some(more) = held.more {
            text.line(&format!("  and {} more scopes", thousands(more)));
        }
        let next = if held.accepted {
            "They were accepted: the next run publishes them.".to_owned()
        } else {
            format!(
                "Who would go, and accept it: kubectl connector accept-removals {}",
                self.typed(connector)
            )
        };
        text.line(&format!("  {next}"));
    }

    fn delivery(&self, text: &mut Text, now: Timestamp) {
        let Some(c1) = &self.c1 else { return };
        text.blank();
        text.say("C1", &format!("connected: {}. {}", c1.connected, c1.message));
        if let Some(task) = &c1.status.last_task {
            let message = task.message.as_ref().map_or(String::new(), |message| format!(": {message}"));
            let ended = telling::ago(&task.completion_time, now);
            text.say("Last task", &format!("{} {ended}: {}{message}", task.r#type, task.result));
        }
        if let Some(upload) = &c1.status.last_upload {
            let size = printing::bytes(upload.size);
            let taken = telling::ago(&upload.time, now);
            text.say("Last upload", &format!("{taken}: snapshot {}, {size}", upload.sync_id));
        }
    }

    fn told(&self, text: &mut Text, now: Timestamp) {
        if self.events.is_empty() {
            return;
        }
        text.blank();
        text.raw("Events", "");
        for event in &self.events {
            let age = event.time.as_ref().map_or_else(String::new, |time| telling::ago(time, now));
            let colour = (event.r#type == "Warning").then_some(Colour::Waiting);
            let told = format!("{}: {}", event.reason, event.message);
            for (index, line) in printing::wrapped(&told, WIDTH - LABEL - 2).into_iter().enumerate() {
                let age = if index == 0 { age.as_str() } else { "" };
                text.line(&format!("  {age:>9}  {}", painted(colour, &line)));
            }
        }
    }

    fn typed(&self, connector: &Connector) -> String {
        format!("{} -n {}", connector.title(), self.namespace)
    }
}

/// What the operator has not looked at yet.
const UNSEEN: &str =
    "The operator has not looked at it yet: is it running, and does it look after this namespace?";

fn schedule(connector: &Connector) -> String {
    let schedule = connector.common.schedule.clone().unwrap_or_default();
    match (schedule.cron, schedule.interval) {
        (Some(cron), _) => {
            format!("cron {cron}, by the clock of {}", schedule.time_zone.as_deref().unwrap_or("UTC"))
        }
        (None, Some(interval)) => format!("every {interval}"),
        (None, None) => "as often as the operator is set to".to_owned(),
    }
}

/// What a person may type next.
fn commands(connector: &Connector) -> Vec<String> {
    let typed = format!("{} -n {}", connector.title(), connector.namespace());
    let command = |verb: &str, more: &str| format!("kubectl connector {verb} {typed}{more}");
    match connector.status.phase {
        _ if connector.is_suspended() => vec![command("resume", "")],
        Some(Phase::Error) => vec![command("logs", " --since 1h"), command("sync", " --wait")],
        Some(Phase::Held) => vec![command("accept-removals", "")],
        Some(Phase::Pending) => {
            vec![format!("kubectl get secret {} -n {}", connector.credential.secret, connector.namespace())]
        }
        _ => Vec::new(),
    }
}

fn last_run(sync: &LastSync, now: Timestamp) -> String {
    let why = sync.trigger.as_str();
    match &sync.completion_time {
        Some(ended) => {
            format!("{}: {why}, took {}", telling::ago(ended, now), telling::took(&sync.start_time, ended))
        }
        None => format!("under way since {}: {why}", telling::ago(&sync.start_time, now)),
    }
}

fn delivery(status: &ConnectorStatus) -> Option<Delivery> {
    let condition = status.condition(ConditionType::C1Connected);
    if condition.is_none() && status.c1.is_none() {
        return None;
    }
    Some(Delivery {
        connected: condition.map_or_else(|| "Unknown".to_owned(), |it| it.status.clone()),
        message: condition.map_or_else(String::new, |it| it.message.clone()),
        status: status.c1.as_deref().cloned().unwrap_or_default(),
    })
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        Self {
            time: time_of(&event).map(Time),
            r#type: event.type_.unwrap_or_default(),
            reason: event.reason.unwrap_or_default(),
            message: event.note.unwrap_or_default(),
        }
    }
}

/// A page that grows: words on the left, what they are about beside them.
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line.trim_end());
        self.0.push('\n');
    }

    fn blank(&mut self) {
        self.line("");
    }

    /// A line that is as long as it is: a command must be whole to be copied.
    fn raw(&mut self, label: &str, said: &str) {
        let label = painted(Some(Colour::Faint).filter(|_| !label.is_empty()), &format!("{label:<LABEL$}"));
        self.line(&format!("{label}  {said}"));
    }

    /// Text that is broken where the page ends.
    fn say(&mut self, label: &str, said: &str) {
        for (index, line) in printing::wrapped(said, WIDTH - LABEL - 2).iter().enumerate() {
            self.raw(if index == 0 { label } else { "" }, line);
        }
    }

    fn table(&mut self, table: Table<'_>) {
        let table = screen::table(table, |_, _| None);
        table.lines().for_each(|line| self.line(&format!("  {line}")));
    }
}
