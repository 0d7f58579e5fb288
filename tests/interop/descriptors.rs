//! Our `.proto` files against the descriptors that the SDK was generated with. What is ours may be less, but nothing
//! may be otherwise.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use c1_protocol::DESCRIPTORS;
use prost::Message;
use prost_types::field_descriptor_proto::Label;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use crate::programs;

fn compare(descriptors: &[u8]) -> Output {
    let mut command = Command::new(programs::interop());
    command.arg("descriptors").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().unwrap();
    running.stdin.take().unwrap().write_all(descriptors).unwrap();
    running.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8(output.stdout.clone()).unwrap().lines().map(str::to_owned).collect()
}

/// How many of `what` were compared.
fn count(summary: &str, what: &str) -> usize {
    let (_, rest) = summary.split_once(&format!("{what}: ")).unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn our_protocol_is_the_sdks() {
    let output = compare(DESCRIPTORS);
    let lines = lines(&output);
    assert!(output.status.success(), "{lines:#?}");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(count(&lines[0], "differences"), 0);
    // Not an empty comparison: the service, and all messages of both packages.
    assert_eq!(count(&lines[0], "methods"), 7);
    assert!(count(&lines[0], "messages compared") > 50 && count(&lines[0], "fields") > 150, "{}", lines[0]);
}

fn file<'a>(set: &'a mut FileDescriptorSet, ending: &str) -> &'a mut FileDescriptorProto {
    set.file.iter_mut().find(|file| file.name().ends_with(ending)).unwrap()
}

fn message<'a>(set: &'a mut FileDescriptorSet, ending: &str, name: &str) -> &'a mut DescriptorProto {
    file(set, ending).message_type.iter_mut().find(|it| it.name() == name).unwrap()
}

fn field<'a>(set: &'a mut FileDescriptorSet, of: &str, name: &str) -> &'a mut FieldDescriptorProto {
    message(set, "/grant.proto", of).field.iter_mut().find(|it| it.name() == name).unwrap()
}

/// What the comparison says of our descriptors after `tamper`.
fn tampered(tamper: impl FnOnce(&mut FileDescriptorSet)) -> Vec<String> {
    let mut set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    tamper(&mut set);
    let output = compare(&set.encode_to_vec());
    assert!(!output.status.success());
    lines(&output)
}

#[test]
fn a_changed_number_is_a_difference() {
    let lines = tampered(|set| field(set, "Grant", "principal").number = Some(77));
    assert_eq!(lines[0], "c1.connector.v2.Grant.principal: its number is 77, and 2 in the SDK");
    assert_eq!(count(&lines[1], "differences"), 1);
}

#[test]
fn a_field_that_the_sdk_has_not_is_a_difference() {
    let lines = tampered(|set| field(set, "Grant", "principal").name = Some("holder".to_owned()));
    assert_eq!(lines[0], "c1.connector.v2.Grant.holder: the SDK has no such field");
}

#[test]
fn a_field_of_another_type_or_how_often_is_a_difference() {
    let lines = tampered(|set| {
        let entitlement = field(set, "Grant", "entitlement").type_name.clone();
        field(set, "Grant", "principal").type_name = entitlement;
        field(set, "Grant", "id").set_label(Label::Repeated);
    });
    let text = lines.join("\n");
    assert!(text.contains("Grant.principal: its type is c1.connector.v2.Entitlement, and"), "{text}");
    assert!(text.contains("Grant.id: its cardinality is repeated, and optional in the SDK"), "{text}");
}

#[test]
fn a_field_outside_its_oneof_is_a_difference() {
    let lines = tampered(|set| {
        let finish = message(set, "/baton.proto", "BatonServiceFinishTaskRequest");
        let success = finish.field.iter_mut().find(|it| it.name() == "success").unwrap();
        success.oneof_index = None;
    });
    assert!(lines[0].contains("BatonServiceFinishTaskRequest.success: its oneof is , and"), "{lines:#?}");
}

#[test]
fn another_enum_value_or_method_is_a_difference() {
    let lines = tampered(|set| {
        let baton = file(set, "/baton.proto");
        baton.service[0].method[0].client_streaming = Some(true);
        baton.service[0].method[1].name = Some("Elsewhere".to_owned());
        let task = message(set, "/baton.proto", "Task");
        task.enum_type[0].value[1].number = Some(99);
    });
    let text = lines.join("\n");
    assert!(text.contains("its streaming of requests is true, and false in the SDK"), "{text}");
    assert!(text.contains("BatonService.Elsewhere: the SDK has no such method"), "{text}");
    assert!(text.contains("its number is 99, and 1 in the SDK"), "{text}");
}
