//! A Git server, and repositories that are committed to: `git http-backend`, which is a CGI program, behind HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use tokio::io::AsyncWriteExt;

use crate::commands::text;

/// What a client sends when it asks for commits.
const LARGEST_REQUEST: usize = 16 << 20;

/// A server of all repositories in a folder.
pub(crate) struct GitServer {
    folder: PathBuf,
    address: SocketAddr,
}

/// A repository, with the files that the next commit is made of.
pub(crate) struct Repository {
    files: PathBuf,
    pub(crate) url: String,
}

impl GitServer {
    /// Starts one, which lives as long as the runtime.
    pub(crate) async fn start(folder: &Path, address: Ipv4Addr) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let listener = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let server = Self { folder: folder.to_owned(), address: listener.local_addr().unwrap() };
        let app = Router::new().fallback(answer).with_state(Arc::new(folder.to_owned()));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        server
    }

    /// A new repository without commits.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        let files = self.folder.join(name);
        std::fs::create_dir(&files).unwrap();
        let repository = Repository { files, url: format!("http://{}/{name}/.git", self.address) };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }
}

impl Repository {
    /// Puts a file in, or what is in a folder.
    pub(crate) fn write(&self, file: &str, what: &str) {
        let path = self.files.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, what).unwrap();
    }

    pub(crate) fn copy(&self, folder: &Path) {
        let copied = Command::new("cp").arg("-R").arg(folder).arg(&self.files).status();
        assert!(copied.unwrap().success());
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.files.join(file)).unwrap();
    }

    /// Commits all, and gives the revision as Flux writes it.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        format!("main@sha1:{}", self.git(&["rev-parse", "HEAD"]).trim())
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(&self.files)
            .env("HOME", &self.files)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// What the program answers to one request.
async fn answer(State(folder): State<Arc<PathBuf>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_REQUEST).await.unwrap();
    let header = |name: &str| value(&head.headers, name);
    let mut program = tokio::process::Command::new("git");
    program
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", folder.as_path())
        .env("GIT_PROJECT_ROOT", folder.as_path())
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = program.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let feed = async move {
        // It may end without reading all.
        let _ = input.write_all(&body).await;
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    parsed(&output.unwrap().stdout)
}

fn value(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// The answer of a CGI program: headers, of which one may be the status, an empty line, and the body.
fn parsed(written: &[u8]) -> Response<Body> {
    let end = written.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let mut response = Response::new(Body::from(written[end + 4..].to_vec()));
    for line in text(&written[..end]).lines() {
        let (name, value) = line.split_once(": ").unwrap();
        if name == "Status" {
            *response.status_mut() = value[..3].parse::<StatusCode>().unwrap();
        } else {
            let name = name.parse::<axum::http::HeaderName>().unwrap();
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    response
}
