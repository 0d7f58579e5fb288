//! Builds the book of `docs/`: `book ROOT`. A warning of mdBook fails it.
//!
//! Links that lead out of `docs/` lead to the repository instead, since what they name is no part of the book.

use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use mdbook_driver::MDBook;
use mdbook_preprocessor::book::Book;
use mdbook_preprocessor::errors::Result;
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

fn main() -> ExitCode {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    // There is no other subscriber before this one.
    let _ = tracing::subscriber::set_global_default(Warnings);
    if let Err(error) = build(&root) {
        eprintln!("docs: {error:#}");
        return ExitCode::FAILURE;
    }
    if WARNED.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn build(root: &str) -> Result<()> {
    let mut book = MDBook::load(root)?;
    book.with_preprocessor(LinksOut);
    book.build()
}

/// Sends links that lead out of the book to the repository.
struct LinksOut;

impl Preprocessor for LinksOut {
    fn name(&self) -> &str {
        "links-out"
    }

    fn run(&self, context: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let repository: Option<String> = context.config.get("output.html.git-repository-url")?;
        let (repository, source) = (repository.unwrap_or_default(), context.config.book.src.clone());
        book.for_each_chapter_mut(|chapter| {
            if let Some(path) = &chapter.source_path {
                chapter.content = rewritten(&chapter.content, &source.join(path), &source, &repository);
            }
        });
        Ok(book)
    }
}

/// `text` of the page at `page`, in which each link that leads out of `source` is one into the repository.
fn rewritten(text: &str, page: &Path, source: &Path, repository: &str) -> String {
    let mut parts = text.split("](");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("](");
        let (target, rest) = part.split_once(')').unwrap_or((part, ""));
        match outside(target, page, source) {
            Some(path) => {
                let kind = if Path::new(&path).extension().is_some() { "blob" } else { "tree" };
                out.push_str(&format!("{repository}/{kind}/main/{path}){rest}"));
            }
            None => out.push_str(part),
        }
    }
    out
}

/// The path in the repository that `target` names, where that is outside of `source`.
fn outside(target: &str, page: &Path, source: &Path) -> Option<String> {
    if !target.starts_with("../") {
        return None;
    }
    let mut path: PathBuf = page.parent()?.to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => path.pop().then_some(())?,
            _ => {}
        }
    }
    (!path.starts_with(source)).then(|| path.display().to_string())
}

/// Has mdBook warned of anything?
static WARNED: AtomicBool = AtomicBool::new(false);

/// Prints warnings and errors, and remembers that there were some.
struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        WARNED.store(true, Ordering::Relaxed);
        event.record(&mut Print);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Print;

impl Visit for Print {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            eprintln!("docs: {value:?}");
        }
    }
}
