//! Traces of runs, in OpenTelemetry's protocol over HTTP. They are collected in a queue of bounded length and sent by a
//! thread of their own: what does not get away is lost, and no run waits for it.

use std::env;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use super::collector::Collector;

/// The target of the spans that make up the trace of a run, and of no others: what is logged goes into no trace, nor
/// does what a library has to say. They carry names of objects, counts, and words out of closed lists alone.
pub const TRACED: &str = "connector_operator::run";

/// What the operator calls itself, unless it is told otherwise.
const SERVICE: &str = "connector-operator";

/// Where OpenTelemetry's standard variables say where traces go.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// The only protocol that is spoken.
const HTTP_PROTOBUF: &str = "http/protobuf";

/// Why there are no traces although somebody wants them.
#[derive(Debug, thiserror::Error)]
pub enum NoTraces {
    /// Another protocol is wanted.
    #[error("{variable} wants {protocol}, and they are sent by {HTTP_PROTOBUF} alone: set it to that")]
    Protocol {
        /// The variable that says so.
        variable: &'static str,
        /// What it says.
        protocol: String,
    },
    /// The client cannot be made.
    #[error("no client can be made: {0}")]
    Client(#[from] reqwest::Error),
    /// What the standard variables say cannot be used.
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends traces until it is ended.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends traces to `endpoint`, or to where the standard variables say; `None` where nobody says so. `instance` is what
    /// this one of several operators is called. Requests go out on `runtime`.
    ///
    /// # Errors
    /// [`NoTraces`].
    pub fn begin(endpoint: Option<&Url>, instance: &str, runtime: &Handle) -> Result<Option<Self>, NoTraces> {
        if !is_wanted(endpoint, variable) {
            return Ok(None);
        }
        check_protocol(variable)?;
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = exporter.with_http_client(Collector::new(runtime.clone())?);
        let exporter = match endpoint {
            Some(endpoint) => exporter.with_endpoint(of_traces(endpoint)),
            None => exporter,
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter.build()?)
            .with_resource(resource(instance))
            .build();
        Ok(Some(Self { provider }))
    }

    /// What makes spans of runs part of traces.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let of_runs = |metadata: &Metadata<'_>| metadata.is_span() && metadata.target() == TRACED;
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(FilterFn::new(of_runs).with_max_level_hint(LevelFilter::DEBUG))
    }

    /// Sends what is left, as far as it can be sent `within` that time. Blocks its thread, and needs the runtime.
    pub fn end(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "The last traces could not be sent");
        }
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn is_wanted(endpoint: Option<&Url>, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str, value: &str| variable(name).is_some_and(|it| it.trim().eq_ignore_ascii_case(value));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return false;
    }
    endpoint.is_some() || ENDPOINTS.into_iter().any(|name| variable(name).is_some())
}

fn check_protocol(variable: impl Fn(&str) -> Option<String>) -> Result<(), NoTraces> {
    let said = PROTOCOLS.into_iter().find_map(|name| Some((name, variable(name)?)));
    match said {
        Some((variable, protocol)) if protocol.trim() != HTTP_PROTOBUF => {
            Err(NoTraces::Protocol { variable, protocol })
        }
        _ => Ok(()),
    }
}

/// Where the traces go at an endpoint for everything.
fn of_traces(endpoint: &Url) -> String {
    format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'))
}

/// Who sends them. What the standard variables say comes last, and so goes before what is said here.
fn resource(instance: &str) -> Resource {
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn set(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[rstest]
    #[case::nothing_is_said(&[], false)]
    #[case::the_protocol_alone(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], false)]
    #[case::for_everything(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")], true)]
    #[case::for_traces(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")], true)]
    #[case::switched_off(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "true")],
        false
    )]
    #[case::no_traces(
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_TRACES_EXPORTER", "none")],
        false
    )]
    fn there_are_traces_only_where_somebody_says_where_they_go(
        #[case] variables: &[(&str, &str)],
        #[case] wanted: bool,
    ) {
        assert_eq!(is_wanted(None, set(variables)), wanted);
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_told_with_where_it_comes_from() {
        assert!(check_protocol(set(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")])).is_ok());
        let problem = check_protocol(set(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ]));
        assert_eq!(
            problem.unwrap_err().to_string(),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL wants grpc, and they are sent by http/protobuf alone: set it to that"
        );
    }

    #[test]
    fn the_path_of_traces_follows_an_endpoint_for_everything() {
        for endpoint in ["http://127.0.0.1:4318", "http://127.0.0.1:4318/"] {
            assert_eq!(of_traces(&endpoint.parse().unwrap()), "http://127.0.0.1:4318/v1/traces");
        }
        let below = "https://collector.example/otlp".parse().unwrap();
        assert_eq!(of_traces(&below), "https://collector.example/otlp/v1/traces");
    }
}
