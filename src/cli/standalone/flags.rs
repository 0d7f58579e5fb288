//! The flags and variables that every self-hosted connector has: those of C1's own SDK (baton-sdk v0.25.0,
//! `pkg/field/defaults.go`) that mean something here, with its names and defaults, and a few of our own.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use crate::telemetry::LogFormat;

use super::super::Output;
use super::super::asking::Asking;

/// What every self-hosted connector is told.
#[derive(Debug, Args)]
pub(super) struct Flags {
    #[command(flatten)]
    pub(super) c1: C1Flags,
    #[command(flatten)]
    pub(super) file: FileFlags,
    #[command(flatten)]
    pub(super) wanted: WantedFlags,
    #[command(flatten)]
    pub(super) network: NetworkFlags,
    #[command(flatten)]
    pub(super) logs: LogFlags,
    #[command(flatten)]
    pub(super) health: HealthFlags,
}

/// Whether and as whom to work for C1.
#[derive(Debug, Args)]
#[command(next_help_heading = "C1")]
pub(super) struct C1Flags {
    /// The client id that C1 shows where the connector is set up. With it the connector stays and delivers to C1
    /// whenever C1 asks; without it, it reads once and writes a file.
    #[arg(long, env = "BATON_CLIENT_ID", value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// The client secret that C1 showed with the client id.
    #[arg(long, env = "BATON_CLIENT_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub(super) client_secret: Option<SecretString>,
    /// What the connector calls itself to C1.
    #[arg(long, env = "BATON_HOST_ID", value_name = "NAME")]
    pub(super) host_id: Option<String>,
    /// The host of C1, with a port where it has one, instead of the one in the client id.
    #[arg(long, env = "BATON_C1_API_HOST", value_name = "HOST")]
    pub(super) c1_api_host: Option<String>,
    /// How many tasks of C1 to do at once.
    #[arg(
        long,
        env = "BATON_TASK_CONCURRENCY",
        value_name = "N",
        default_value = "3",
        value_parser = clap::value_parser!(u8).range(1..=100)
    )]
    pub(super) task_concurrency: u8,
    /// Read nothing: without a client id the command ends at once, and with one C1's tasks to sync are refused.
    #[arg(long, env = "BATON_SKIP_FULL_SYNC")]
    pub(super) skip_full_sync: bool,
}

/// Where what is read goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "File")]
pub(super) struct FileFlags {
    /// The file to write without a client id. A run that fails leaves an older one as it was.
    #[arg(short, long, env = "BATON_FILE", value_name = "FILE", default_value = "sync.c1z")]
    pub(super) file: PathBuf,
    /// How many runs the file keeps: the last one (1), or the one before too (2), which is what baton diff compares.
    #[arg(
        long,
        env = "BATON_KEEP_SYNC_COUNT",
        value_name = "N",
        default_value = "2",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) keep_sync_count: u32,
    /// A folder for scratch files, which must exist. The system's folder for temporary files where it is not given, or
    /// that of --file where that one cannot be written to.
    #[arg(long, env = "BATON_C1Z_TEMP_DIR", value_name = "DIR")]
    pub(super) c1z_temp_dir: Option<PathBuf>,
    /// The same, where --c1z-temp-dir is not given.
    #[arg(long, env = "BATON_TMPDIR", value_name = "DIR", hide = true)]
    pub(super) tmpdir: Option<PathBuf>,
    /// The form of new files: sqlite. Files are always of version 1 (SQLite), which every version of baton and C1
    /// reads.
    #[arg(long, env = "BATON_STORAGE_ENGINE", value_name = "ENGINE", value_parser = storage_engine)]
    pub(super) storage_engine: Option<String>,
    /// How to print at the end what was read.
    #[arg(short, long, value_enum, default_value_t = Output::Table, global = true)]
    pub(super) output: Output,
}

/// What of all that is read is wanted.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is written")]
pub(super) struct WantedFlags {
    /// Only resources of these types, separated by commas. All where it is not given. Everything is read and compared
    /// all the same. Where a task of C1 names types, it is those.
    #[arg(long, env = "BATON_SYNC_RESOURCE_TYPES", value_name = "TYPES")]
    sync_resource_types: Vec<String>,
    /// No grants.
    #[arg(long, env = "BATON_SKIP_GRANTS")]
    pub(super) skip_grants: bool,
    /// No entitlements and no grants. Such a run is not kept beside another in one file.
    #[arg(long, env = "BATON_SKIP_ENTITLEMENTS_AND_GRANTS")]
    pub(super) skip_entitlements_and_grants: bool,
}

impl WantedFlags {
    /// The wanted types, none for all. Like the SDK's, lists in variables may be separated by blanks too.
    pub(super) fn resource_types(&self) -> Vec<String> {
        listed(&self.sync_resource_types)
    }
}

/// How others are asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkFlags {
    /// A file with PEM certificates to trust besides the system's, upstream and at C1. (Not in C1's SDK.)
    #[arg(long, env = "BATON_CA_BUNDLE", value_name = "FILE")]
    pub(super) ca_bundle: Option<PathBuf>,
    /// How long one answer of the upstream may take, 1 to 1800.
    #[arg(
        long,
        env = "BATON_HTTP_TIMEOUT_SECONDS",
        value_name = "SECONDS",
        default_value = "300",
        value_parser = clap::value_parser!(u64).range(1..=1800)
    )]
    pub(super) http_timeout_seconds: u64,
    #[command(flatten)]
    pub(super) asking: Asking,
}

/// What is logged, and where to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logs")]
pub(super) struct LogFlags {
    /// What to log: debug, info, warn or error; also off and trace, or per module as in info,hyper=warn. info where it
    /// is not given.
    #[arg(long, global = true, env = "BATON_LOG_LEVEL", value_name = "LEVEL", value_parser = log_level)]
    log_level: Option<String>,
    /// How to log; console where standard output is a terminal, otherwise json.
    #[arg(long, global = true, env = "BATON_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// The files to append the logs to, or stdout or stderr, separated by commas. stderr where it is not given.
    #[arg(long, env = "BATON_LOG_PATH", value_name = "FILES")]
    log_path: Vec<String>,
}

impl LogFlags {
    /// Where the logs go; nowhere in particular is stderr.
    pub(super) fn paths(&self) -> Vec<String> {
        listed(&self.log_path)
    }
}

/// Where to say how the connector is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Health")]
pub(super) struct HealthFlags {
    /// Serve /health (does the credential work?), /ready and /live.
    #[arg(long, env = "BATON_HEALTH_CHECK", global = true)]
    pub(super) health_check: bool,
    /// The port to serve them on.
    #[arg(long, env = "BATON_HEALTH_CHECK_PORT", global = true, value_name = "PORT", default_value = "8081")]
    pub(super) health_check_port: u16,
    /// The address to serve them on; 0.0.0.0 for probes from outside.
    #[arg(
        long,
        env = "BATON_HEALTH_CHECK_BIND_ADDRESS",
        global = true,
        value_name = "ADDRESS",
        default_value = "127.0.0.1"
    )]
    pub(super) health_check_bind_address: String,
}

fn listed(values: &[String]) -> Vec<String> {
    let words = values.iter().flat_map(|value| value.split([',', ' ']));
    words.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn storage_engine(text: &str) -> Result<String, String> {
    match text {
        "" | "sqlite" => Ok(text.to_owned()),
        "pebble" => Err("files are always SQLite (.c1z version 1), which every baton and C1 reads; leave \
                         --storage-engine out, or set sqlite"
            .to_owned()),
        _ => Err("must be sqlite".to_owned()),
    }
}

/// The SDK's words are zap's, which has three more that are all worse than an error.
fn log_level(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        "dpanic" | "panic" | "fatal" => Ok("error".to_owned()),
        word @ ("off" | "error" | "warn" | "info" | "debug" | "trace") => Ok(word.to_owned()),
        filter if filter.contains(['=', ',']) => match text.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        },
        _ => Err("must be debug, info, warn or error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn lists_are_separated_by_commas_or_blanks_as_flags_and_as_variables() {
        let given = ["user,team".to_owned(), " organization  user ".to_owned(), String::new()];
        assert_eq!(listed(&given), ["user", "team", "organization", "user"]);
    }

    #[rstest]
    #[case("INFO", Ok("info"))]
    #[case("fatal", Ok("error"))]
    #[case("info,hyper=warn", Ok("info,hyper=warn"))]
    #[case("verbose", Err("must be debug, info, warn or error"))]
    fn a_level_that_nothing_has_is_refused_before_it_silences_everything(
        #[case] text: &str,
        #[case] understood: Result<&str, &str>,
    ) {
        assert_eq!(log_level(text).as_deref().map_err(String::as_str), understood);
    }

    #[test]
    fn the_other_form_of_file_is_refused_with_the_reason() {
        assert!(storage_engine("pebble").unwrap_err().contains("every baton"));
        assert_eq!(storage_engine("sqlite").as_deref(), Ok("sqlite"));
    }
}
