//! The Markdown files of this repository, and what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// This repository.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A Markdown file.
pub(crate) struct Page {
    /// Its path in the repository.
    pub(crate) path: PathBuf,
    text: String,
}

/// A block of code.
pub(crate) struct Block {
    /// What it is said to be, such as `yaml`.
    pub(crate) language: String,
    pub(crate) text: String,
    /// Where it is, as `file:line`.
    pub(crate) place: String,
}

/// Where somebody is sent.
pub(crate) struct Link {
    pub(crate) target: String,
    /// Where it is, as `file:line`.
    pub(crate) place: String,
}

/// Every page of the repository.
pub(crate) fn all() -> Vec<Page> {
    let mut pages = Vec::new();
    collect(Path::new(ROOT), &mut pages);
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(pages.len() > 40, "{} pages", pages.len());
    pages
}

/// The pages below one folder or at one path.
pub(crate) fn below(folder: &str) -> Vec<Page> {
    let pages: Vec<Page> = all().into_iter().filter(|page| page.path.starts_with(folder)).collect();
    assert!(!pages.is_empty(), "{folder}");
    pages
}

/// One page.
pub(crate) fn one(path: &str) -> Page {
    Page { path: path.into(), text: fs::read_to_string(format!("{ROOT}/{path}")).unwrap() }
}

fn collect(folder: &Path, pages: &mut Vec<Page>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_ours = (!name.starts_with('.') || name == ".github") && name != "target";
        if path.is_dir() && !path.is_symlink() && is_ours {
            collect(&path, pages);
        } else if name.ends_with(".md") {
            let text = fs::read_to_string(&path).unwrap();
            pages.push(Page { path: path.strip_prefix(ROOT).unwrap().to_owned(), text });
        }
    }
}

impl Page {
    fn events(&self) -> impl Iterator<Item = (Event<'_>, usize)> {
        let parser = Parser::new_ext(&self.text, Options::ENABLE_TABLES).into_offset_iter();
        parser.map(|(event, range)| (event, range.start))
    }

    fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.path.display(), self.text[..offset].lines().count().max(1))
    }

    /// Its blocks of code.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut inside = false;
        for (event, offset) in self.events() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    inside = true;
                    let language = match kind {
                        CodeBlockKind::Fenced(language) => language.to_string(),
                        CodeBlockKind::Indented => String::new(),
                    };
                    blocks.push(Block { language, text: String::new(), place: self.place(offset) });
                }
                Event::End(TagEnd::CodeBlock) => inside = false,
                Event::Text(text) if inside => blocks.last_mut().unwrap().text += &text,
                _ => {}
            }
        }
        blocks
    }

    /// What stands between backticks within its text.
    pub(crate) fn codes(&self) -> Vec<String> {
        let code = |(event, _)| match event {
            Event::Code(code) => Some(code.to_string()),
            _ => None,
        };
        self.events().filter_map(code).collect()
    }

    /// Where its links and images lead.
    pub(crate) fn links(&self) -> Vec<Link> {
        let link = |(event, offset)| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                Some(Link { target: dest_url.to_string(), place: self.place(offset) })
            }
            _ => None,
        };
        self.events().filter_map(link).collect()
    }

    /// The names of its headings, as links have them: GitHub and mdBook make the same ones.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for heading in self.headings() {
            let name = anchor(&heading);
            let numbered = (1..).map(|number| format!("{name}-{number}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|it| !anchors.contains(it));
            anchors.insert(free.unwrap());
        }
        anchors
    }

    /// Its headings of all levels.
    pub(crate) fn headings(&self) -> Vec<String> {
        let mut headings: Vec<String> = Vec::new();
        let mut inside = false;
        for (event, _) in self.events() {
            match event {
                Event::Start(Tag::Heading { .. }) => {
                    inside = true;
                    headings.push(String::new());
                }
                Event::End(TagEnd::Heading(_)) => inside = false,
                Event::Text(text) | Event::Code(text) if inside => *headings.last_mut().unwrap() += &text,
                _ => {}
            }
        }
        headings
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}

#[test]
fn an_anchor_is_what_github_makes_of_a_heading() {
    assert_eq!(anchor("`make test`: what it does"), "make-test-what-it-does");
    let page = Page {
        path: "a.md".into(),
        text: "# One\n## Two, *three*\n### One\n```sh\n# four\n```\n".to_owned(),
    };
    assert_eq!(page.anchors(), BTreeSet::from(["one", "one-1", "two-three"].map(str::to_owned)));
    assert_eq!(page.blocks()[0].text, "# four\n");
}
