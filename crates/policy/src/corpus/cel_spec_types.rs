//! The message types that the language's tests speak of, as a table.

use std::fmt::Write;

use crate::cel::RESERVED;

/// Scalar kinds with their field number in a message.
const SCALARS: [(&str, &str, u32); 15] = [
    ("int32", "int32", 1),
    ("int64", "int64", 2),
    ("uint32", "uint32", 3),
    ("uint64", "uint64", 4),
    ("sint32", "sint32", 5),
    ("sint64", "sint64", 6),
    ("fixed32", "fixed32", 7),
    ("fixed64", "fixed64", 8),
    ("sfixed32", "sfixed32", 9),
    ("sfixed64", "sfixed64", 10),
    ("float", "float", 11),
    ("double", "double", 12),
    ("bool", "bool", 13),
    ("string", "string", 14),
    ("bytes", "bytes", 15),
];

/// Well-known messages with the name they have in fields.
const WELL_KNOWN: [(&str, &str); 15] = [
    ("any", "Any"),
    ("duration", "Duration"),
    ("timestamp", "Timestamp"),
    ("struct", "Struct"),
    ("value", "Value"),
    ("int64_wrapper", "Int64Value"),
    ("int32_wrapper", "Int32Value"),
    ("double_wrapper", "DoubleValue"),
    ("float_wrapper", "FloatValue"),
    ("uint64_wrapper", "UInt64Value"),
    ("uint32_wrapper", "UInt32Value"),
    ("string_wrapper", "StringValue"),
    ("bool_wrapper", "BoolValue"),
    ("bytes_wrapper", "BytesValue"),
    ("list_value", "ListValue"),
];

/// Defaults that fields of the older syntax declare.
const DEFAULTS: [(&str, &str); 10] = [
    ("int32", "-32"),
    ("int64", "-64"),
    ("uint32", "32"),
    ("uint64", "64"),
    ("float", "3.0"),
    ("double", "6.4"),
    ("bool", "true"),
    ("string", "empty"),
    ("bytes", "none"),
    ("enum", "BAR"),
];

/// The table for one syntax.
fn package(syntax: &str) -> String {
    let mut out = String::new();
    let mut number = 200;
    let mut next = || {
        number += 1;
        number
    };
    let old = syntax == "proto2";
    let default = |kind: &str| {
        let found = DEFAULTS.iter().find(|(known, _)| *known == kind && old);
        found.map_or("", |(_, default)| default)
    };
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!("package cel.expr.conformance.{syntax} {syntax}"));
    line("message TestAllTypes.NestedMessage\nint32 bb 1\nenum TestAllTypes.NestedEnum FOO=0 BAR=1 BAZ=2".into());
    line("enum GlobalEnum GOO=0 GAR=1 GAZ=2\nmessage TestAllTypes".into());
    for (name, kind, number) in SCALARS {
        line(format!("{kind} single_{name} {number} {}", default(kind)));
        line(format!("repeated {kind} repeated_{name} {}", next()));
    }
    line(format!("optional bool optional_bool 16 {}", default("bool")));
    line(format!("optional string optional_string 17 {}", default("string")));
    line("oneof nested_type NestedMessage single_nested_message 21".into());
    line(format!(
        "oneof nested_type NestedEnum single_nested_enum 22 {}",
        default("enum")
    ));
    line("NestedMessage standalone_message 23\nNestedEnum standalone_enum 24".into());
    for (name, kind) in [("nested_message", "NestedMessage"), ("nested_enum", "NestedEnum")] {
        line(format!("repeated {kind} repeated_{name} {}", next()));
    }
    line(format!("repeated string repeated_string_piece {}", next()));
    line(format!("repeated string repeated_cord {}", next()));
    line(format!("repeated NestedMessage repeated_lazy_message {}", next()));
    for (at, (name, kind)) in WELL_KNOWN.iter().enumerate() {
        let plain = if *name == "list_value" {
            (*name).to_owned()
        } else {
            format!("single_{name}")
        };
        line(format!("google.protobuf.{kind} {plain} {}", 100 + at));
        line(format!("repeated google.protobuf.{kind} repeated_{name} {}", next()));
    }
    for (name, kind) in [
        ("null_value", "NullValue"),
        ("optional_null_value", "NullValue"),
        ("field_mask", "FieldMask"),
    ] {
        line(format!("google.protobuf.{kind} {name} {}", next()));
    }
    line(format!("google.protobuf.FieldMask single_field_mask {}", next()));
    line(format!("google.protobuf.Empty empty {}", next()));
    line(format!("google.protobuf.Empty single_empty {}", next()));
    line(format!(
        "repeated google.protobuf.NullValue repeated_null_value {}",
        next()
    ));
    for key in ["bool", "int32", "int64", "uint32", "uint64", "string"] {
        for (name, kind, _) in SCALARS {
            line(format!("map<{key},{kind}> map_{key}_{name} {}", next()));
        }
        for (name, kind) in WELL_KNOWN {
            line(format!("map<{key},google.protobuf.{kind}> map_{key}_{name} {}", next()));
        }
        line(format!(
            "map<{key},google.protobuf.NullValue> map_{key}_null_value {}",
            next()
        ));
        line(format!("map<{key},NestedEnum> map_{key}_enum {}", next()));
        line(format!("map<{key},NestedMessage> map_{key}_message {}", next()));
        line(format!(
            "map<{key},NestedTestAllTypes> map_{key}_nested_type {}",
            next()
        ));
    }
    line(format!("oneof kind NestedTestAllTypes oneof_type {}", next()));
    line(format!("oneof kind NestedMessage oneof_msg {}", next()));
    line(format!("oneof kind bool oneof_bool {}", next()));
    // Words of the language are names of fields too.
    for word in RESERVED {
        line(format!("bool {word} {}", next()));
    }
    line("message NestedTestAllTypes\nNestedTestAllTypes child 1\nTestAllTypes payload 2".into());
    if old {
        line("message TestRequired\nint32 required_int32 1\nmessage Proto2ExtensionScopedMessage".into());
        for (at, (scope, kind)) in [
            ("int32_ext", "int32"),
            ("nested_ext", "TestAllTypes"),
            ("test_all_types_ext", "TestAllTypes"),
            ("nested_enum_ext", "TestAllTypes.NestedEnum"),
            ("repeated_test_all_types", "repeated TestAllTypes"),
            ("Proto2ExtensionScopedMessage.int64_ext", "int64"),
            ("Proto2ExtensionScopedMessage.message_scoped_nested_ext", "TestAllTypes"),
            (
                "Proto2ExtensionScopedMessage.nested_enum_ext",
                "TestAllTypes.NestedEnum",
            ),
            (
                "Proto2ExtensionScopedMessage.message_scoped_repeated_test_all_types",
                "repeated TestAllTypes",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            line(format!("extend TestAllTypes {kind} {scope} {}", 1000 + at));
        }
    }
    out
}

/// The whole table.
pub(super) fn table() -> [String; 2] {
    [package("proto2"), package("proto3")]
}
