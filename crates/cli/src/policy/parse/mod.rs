//! Files of many formats as documents: what a policy looks at need not be a Kubernetes object.

mod config_hcl;
mod dockerfile;
mod lines;

use ridgeway_doc::{Doc, Value};

/// How a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Parser {
    /// YAML, also several documents.
    Yaml,
    /// JSON.
    Json,
    /// TOML.
    Toml,
    /// HCL 2: Terraform, OpenTofu, Packer.
    #[value(alias = "hcl2", alias = "tf")]
    Hcl,
    /// Dockerfile: a list of commands for each stage.
    Dockerfile,
    /// INI: sections of keys.
    Ini,
    /// `.env`: keys and values.
    #[value(alias = "env")]
    Dotenv,
}

/// Why a text is not of a format, and where.
pub(super) struct Fault {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) message: String,
}

impl Fault {
    fn at(line: usize, column: usize, message: impl Into<String>) -> Fault {
        Fault {
            line: line as u32,
            column: column as u32,
            message: message.into(),
        }
    }
}

impl Parser {
    /// By a file's name.
    pub(super) fn of_file(path: &str) -> Option<Parser> {
        let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        Some(match extension {
            _ if name == "dockerfile" || name == "containerfile" || name.starts_with("dockerfile.") => {
                Parser::Dockerfile
            }
            _ if name == ".env" || name.starts_with(".env.") => Parser::Dotenv,
            "yaml" | "yml" => Parser::Yaml,
            "json" | "tfstate" | "tfplan" => Parser::Json,
            "toml" => Parser::Toml,
            "tf" | "tofu" | "hcl" | "tfvars" => Parser::Hcl,
            "dockerfile" => Parser::Dockerfile,
            "ini" | "cfg" | "conf" => Parser::Ini,
            "env" => Parser::Dotenv,
            _ => return None,
        })
    }

    /// For sentences.
    pub(super) fn name(self) -> &'static str {
        match self {
            Parser::Yaml => "YAML",
            Parser::Json => "JSON",
            Parser::Toml => "TOML",
            Parser::Hcl => "HCL",
            Parser::Dockerfile => "Dockerfile",
            Parser::Ini => "INI file",
            Parser::Dotenv => "env file",
        }
    }
}

/// Reads a text.
pub(super) fn parse(parser: Parser, text: &str) -> Result<Vec<Doc>, Fault> {
    let doc = |error: ridgeway_doc::ParseError| Fault {
        line: error.position.line,
        column: error.position.column,
        message: error.message,
    };
    match parser {
        Parser::Yaml => ridgeway_doc::parse_yaml(text).map_err(doc),
        Parser::Json => Ok(vec![ridgeway_doc::parse_json(text.as_bytes()).map_err(doc)?]),
        Parser::Toml => {
            let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
                let at = error.span().map_or(0, |span| span.start).min(text.len());
                let position = ridgeway_doc::Position::in_text(text, at);
                Fault {
                    line: position.line,
                    column: position.column,
                    message: error.message().to_owned(),
                }
            })?;
            Ok(vec![from_toml(toml::Value::Table(table)).into_doc()])
        }
        Parser::Hcl => config_hcl::parse(text).map(|value| vec![value.into_doc()]),
        Parser::Dockerfile => dockerfile::parse(text).map(|value| vec![value.into_doc()]),
        Parser::Ini => lines::ini(text).map(|value| vec![value.into_doc()]),
        Parser::Dotenv => lines::dotenv(text).map(|value| vec![value.into_doc()]),
    }
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(n) => n.into(),
        toml::Value::Float(n) => n.into(),
        toml::Value::Boolean(b) => b.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => {
            let mut out = Value::object();
            for (key, member) in table {
                out.make_object().insert(key, from_toml(member));
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn json(parser: Parser, text: &str) -> String {
        match parse(parser, text) {
            Ok(docs) => docs.iter().map(|d| d.root().to_json()).collect::<Vec<_>>().join("\n"),
            Err(fault) => format!("{}:{}: {}", fault.line, fault.column, fault.message),
        }
    }

    #[test]
    fn every_format() {
        for (parser, text, want) in [
            (Parser::Json, r#"[{"a": 1}]"#, expect![[r#"[{"a":1}]"#]]),
            (
                Parser::Toml,
                "a = 1\nt = 2026-01-02\n[b]\nc = [true, 1.5, 'x']\n[[d]]\ne = 1\n",
                expect![[r#"{"a":1,"b":{"c":[true,1.5,"x"]},"d":[{"e":1}],"t":"2026-01-02"}"#]],
            ),
            (
                Parser::Hcl,
                "resource \"aws_s3_bucket\" \"b\" {\n  acl = \"public-read\"\n  n = 1 + 1\n  tags = { a = var.x }\n  rule {\n    on = true\n  }\n}\nlocals {\n  y = [1, \"a${var.z}\"]\n}\n",
                expect![[
                    r#"{"resource":{"aws_s3_bucket":{"b":[{"acl":"public-read","n":"${1 + 1}","tags":{"a":"${var.x}"},"rule":[{"on":true}]}]}},"locals":[{"y":[1,"a${var.z}"]}]}"#
                ]],
            ),
            (
                Parser::Dockerfile,
                "# syntax\nFROM golang:1 AS build\nRUN go build \\\n  ./...\n\nFROM --platform=linux/amd64 alpine\nCMD [\"sh\", \"-c\"]\nENV A=b\n",
                expect![[
                    r#"[{"Cmd":"from","Flags":[],"JSON":false,"Line":2,"Stage":0,"SubCmd":"","Value":["golang:1","AS","build"]},{"Cmd":"run","Flags":[],"JSON":false,"Line":3,"Stage":0,"SubCmd":"","Value":["go build   ./..."]},{"Cmd":"from","Flags":["--platform=linux/amd64"],"JSON":false,"Line":6,"Stage":1,"SubCmd":"","Value":["alpine"]},{"Cmd":"cmd","Flags":[],"JSON":true,"Line":7,"Stage":1,"SubCmd":"","Value":["sh","-c"]},{"Cmd":"env","Flags":[],"JSON":false,"Line":8,"Stage":1,"SubCmd":"","Value":["A","b"]}]"#
                ]],
            ),
            (
                Parser::Ini,
                "top = 1\n; note\n[server]\nport=80\nname: 'a b'\non = true\n",
                expect![[r#"{"top":1,"server":{"port":80,"name":"a b","on":true}}"#]],
            ),
            (
                Parser::Dotenv,
                "# note\nexport A=b\nC=\"d e\" # f\nG='$h'\nI=\n",
                expect![[r#"{"A":"b","C":"d e","G":"$h","I":""}"#]],
            ),
        ] {
            want.assert_eq(&json(parser, text));
        }
    }

    #[test]
    fn faults_name_their_place() {
        for (parser, text, want) in [
            (Parser::Yaml, "a: [", "1:"),
            (Parser::Json, "{\n \"a\": }", "2:"),
            (Parser::Toml, "a = 1\nb = = 2", "2:5"),
            (Parser::Hcl, "a = 1\nb {\n  c = \n}\n", "3:"),
            (Parser::Dockerfile, "FROM a\nFRM b\n", "2:1: FRM"),
            (Parser::Ini, "[a\n", "1:1"),
            (Parser::Dotenv, "A=1\nB C\n", "2:1"),
        ] {
            let told = json(parser, text);
            assert!(told.starts_with(want), "{parser:?}: {told}");
        }
    }

    #[test]
    fn names_tell_formats() {
        for (name, want) in [
            ("a/b.yaml", Some(Parser::Yaml)),
            ("Dockerfile", Some(Parser::Dockerfile)),
            ("x/Dockerfile.dev", Some(Parser::Dockerfile)),
            ("main.tf", Some(Parser::Hcl)),
            (".env", Some(Parser::Dotenv)),
            ("app.cfg", Some(Parser::Ini)),
            ("notes.txt", None),
        ] {
            assert_eq!(Parser::of_file(name), want, "{name}");
        }
    }
}
