//! Every message by which a program says that something went wrong, in one list for people to review: `snapshots/`. The list
//! is made from the code, so that a new message is in it, or this test fails.
//!
//! A message is whatever an error is described by, and whatever text is made where an error is. What ends up in conditions and
//! events is put together from several of these; whole sentences of that are in the snapshots of `sync/failure`,
//! `controller/inputs` and `controller/delivery/told`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Lit, LitStr, Meta};

use crate::pages::ROOT;

/// What people run.
const PROGRAMS: [&str; 2] = ["src", "kubectl-connector/src"];
/// What makes an error of its arguments.
const MAKERS: [&str; 9] =
    ["Err", "usage", "of", "unsupported", "problem", "refused", "invalid", "wrong", "sentence"];
/// What makes another error of one.
const METHODS: [&str; 4] = ["map_err", "ok_or", "ok_or_else", "unwrap_or_else"];
/// The parts of an error that are words.
const FIELDS: [&str; 4] = ["problem", "reason", "doing", "message"];
/// Functions all of whose texts are of errors.
const SPEAKERS: [&str; 7] = ["missing", "refused", "remedy", "no_snapshot", "nothing", "timed_out", "allow"];

/// The messages of one file, in the order in which they stand there.
#[derive(Default)]
struct Messages(Vec<String>);

impl Messages {
    fn of(file: &Path) -> Self {
        let mut messages = Self::default();
        messages.visit_file(&syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap());
        messages
    }

    fn add(&mut self, text: &str) {
        // One word is a name or an id.
        let is_said = text.trim().contains(' ') && text.contains(char::is_alphabetic);
        if is_said && !self.0.iter().any(|it| it == text) {
            self.0.push(text.replace('\n', " "));
        }
    }

    fn add_all(&mut self, expression: &Expr) {
        struct Texts<'m>(&'m mut Messages);
        impl<'ast> Visit<'ast> for Texts<'_> {
            fn visit_lit_str(&mut self, text: &'ast LitStr) {
                self.0.add(&text.value());
            }
            fn visit_macro(&mut self, made: &'ast syn::Macro) {
                self.0.add_tokens(made.tokens.clone());
            }
        }
        Texts(self).visit_expr(expression);
    }

    fn add_of_speaker(&mut self, signature: &syn::Signature, block: &syn::Block) {
        if SPEAKERS.iter().any(|name| signature.ident == name) {
            self.add_all(&syn::parse_quote!(#block));
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.add(&text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_cfg = |it: &Attribute| match &it.meta {
        Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string().contains("test"),
        _ => false,
    };
    attributes.iter().any(is_cfg)
}

impl<'ast> Visit<'ast> for Messages {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add_of_speaker(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add_of_speaker(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let (true, Meta::List(list)) = (attribute.path().is_ident("error"), &attribute.meta) {
            self.add_tokens(list.tokens.clone());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(called) = &*call.func {
            let name = called.path.segments.last().unwrap().ident.to_string();
            if MAKERS.contains(&name.as_str()) {
                call.args.iter().for_each(|argument| self.add_all(argument));
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if METHODS.iter().any(|name| call.method == name) {
            call.args.iter().for_each(|argument| self.add_all(argument));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        if let syn::Member::Named(name) = &field.member
            && FIELDS.iter().any(|it| name == it)
        {
            self.add_all(&field.expr);
        }
        visit::visit_field_value(self, field);
    }
}

/// The messages of each file below `folder`.
fn collect(folder: &Path, all: &mut BTreeMap<String, Vec<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_shipped =
            !["tests", "testing", "fuzzing", "scripted"].contains(&name) && !name.ends_with("_tests");
        if path.is_dir() && name != "tests" {
            collect(&path, all);
        } else if is_shipped && path.extension().is_some_and(|it| it == "rs") {
            let messages = Messages::of(&path).0;
            if !messages.is_empty() {
                all.insert(path.strip_prefix(ROOT).unwrap().display().to_string(), messages);
            }
        }
    }
}

#[test]
fn every_message_is_in_the_list_that_people_have_reviewed() {
    let mut all = BTreeMap::new();
    PROGRAMS.iter().for_each(|folder| collect(&Path::new(ROOT).join(folder), &mut all));
    let mut list = String::new();
    for (file, messages) in all {
        list += &format!("## {file}\n");
        messages.iter().for_each(|message| list += &format!("{message}\n"));
    }
    insta::assert_snapshot!(list);
}

#[test]
fn a_message_is_found_wherever_an_error_is_made_and_not_in_tests() {
    let mut messages = Messages::default();
    messages.visit_file(&syn::parse_quote! {
        #[derive(thiserror::Error)]
        enum Error { #[error("reading {0} failed")] Read(String) }
        fn make() -> Result<(), String> {
            let one = two.map_err(|error| format!("--file {}: {error}", 1))?;
            let text = "this is no error";
            Err(Problem { problem: "has no colon", code: 1 }.into())
        }
        #[cfg(test)]
        mod tests { fn test() { Err("not this one") } }
    });
    assert_eq!(messages.0, ["reading {0} failed", "--file {}: {error}", "has no colon"]);
}
