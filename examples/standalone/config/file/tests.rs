use super::*;

/// The commented example.
const EXAMPLE: &str = include_str!("../../deploy/omneo-id.toml");

fn parse(text: &str) -> (Result<File, String>, Vec<String>) {
    let source = Source {
        path: "a.toml".into(),
        text: text.to_owned(),
    };
    let mut problems = Vec::new();
    (File::parse(source, &mut problems), problems)
}

/// The only problem of a text.
fn problem(text: &str) -> String {
    let (file, mut problems) = parse(text);
    problems.extend(file.err());
    assert_eq!(problems.len(), 1, "{text:?} {problems:?}");
    problems.remove(0)
}

/// The fields that a text sets, or shows in a comment.
fn shown(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| {
        let line = line.trim_start_matches('#');
        line.strip_prefix(" Example: ").unwrap_or(line)
    });
    let fields = lines.filter_map(|line| line.split_once(" = "));
    let is_name = |field: &str| {
        field
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    fields
        .map(|(field, _)| field)
        .filter(|field| is_name(field))
        .collect()
}

#[test]
fn the_example_shows_every_field_and_no_other() {
    let (server, tenants) = EXAMPLE.split_once("[defaults]\n").unwrap();
    let (server, tenants) = (shown(server), shown(tenants));
    let defaults = EXAMPLE.split_once("[defaults]\n").unwrap().1;
    let defaults = shown(defaults.split_once("[[tenant]]\n").unwrap().0);
    for (shown, known) in [
        (&server, field_names::<ServerFields>()),
        (&tenants, field_names::<TenantFields>()),
    ] {
        for field in known {
            assert!(shown.contains(field), "{field} is missing");
        }
        for field in shown {
            assert!(known.contains(field), "{field} is unknown");
        }
    }
    for field in field_names::<TenantFields>() {
        let is_default = !NOT_IN_DEFAULTS.contains(field);
        assert_eq!(defaults.contains(field), is_default, "{field}");
    }
}

#[test]
fn the_examples_in_comments_have_the_right_types() {
    let text = EXAMPLE.replace("\n# Example: ", "\n");
    assert_ne!(text, EXAMPLE);
    let (file, problems) = parse(&text);
    assert_eq!(file.map(|file| file.tenants.len()), Ok(2));
    assert_eq!(problems, <[String; 0]>::default());
}

#[test]
fn fields_of_defaults_apply_to_tenants_that_do_not_set_them() {
    let (file, problems) = parse(
        "[defaults]\nmount = \"/a\"\ntoken_ttl = \"2h\"\ncors_origin = [\"*\"]\n\
         [[tenant]]\nmount = \"/b\"\n[[tenant]]\ncors_origin = []\n",
    );
    let file = file.map_err(|problem| panic!("{problem}")).unwrap();
    assert_eq!(problems, <[String; 0]>::default());
    assert_eq!(file.offsets.len(), 2);
    let [one, other] = file.tenants.as_slice() else {
        panic!("two tenants");
    };
    let text = |setting: &Option<super::super::setting::Setting<String>>| {
        let setting = setting.as_ref().unwrap();
        let position = file.source.position(setting.offset.unwrap());
        (setting.value.clone(), position)
    };
    assert_eq!(text(&one.mount), ("/b".to_owned(), "a.toml:6".to_owned()));
    assert_eq!(text(&other.mount), ("/a".to_owned(), "a.toml:2".to_owned()));
    assert_eq!(text(&one.token_ttl), text(&other.token_ttl));
    assert_eq!(one.cors_origin.as_ref().map(Vec::len), Some(1));
    assert_eq!(other.cors_origin.as_ref().map(Vec::len), Some(0));
}

#[test]
fn unknown_fields_are_reported_at_once_with_line_and_nearest_field() {
    let (file, problems) = parse(
        "server = { trheads = 2 }\nfoo = 1\n[defaults]\ntoken-ttl = \"1h\"\n\
         api_token = \"hunter2\"\n[[tenant]]\nKey = \"acme\"\nzzzzz = \"hunter2\"\n\
         [[tenant]]\nupstreams = 3\n[[tenants]]\nkey = \"b\"\n",
    );
    assert!(file.is_ok());
    assert_eq!(
        problems,
        [
            "a.toml:1: \"trheads\" is not a field of [server]: threads is meant",
            "a.toml:2: \"foo\" is not a field of the file",
            "a.toml:4: \"token-ttl\" is not a field of [defaults]: token_ttl is meant",
            "a.toml:5: api_token is a field of a [[tenant]] only",
            "a.toml:7: \"Key\" is not a field of [[tenant]]: key is meant",
            "a.toml:8: \"zzzzz\" is not a field of [[tenant]]",
            "a.toml:10: \"upstreams\" is not a field of [[tenant]]: upstream is meant",
            "a.toml:11: \"tenants\" is not a field of the file: tenant is meant",
        ]
    );
}

#[test]
fn an_error_of_syntax_or_type_names_line_and_field_and_shows_no_value() {
    for (text, expected) in [
        (
            "[server]\nthreads = \"hunter2\"",
            "a.toml:2: threads must be a whole number",
        ),
        ("[server]\nlog = hunter2", "a.toml:2: "),
        ("[server]\nlog = \"hunter2", "a.toml:2: "),
        ("[server]\nlog = 'a' 'hunter2'", "a.toml:2: "),
        ("[server]\nlog = \"a\"\nlog = \"hunter2\"", "a.toml:3: "),
        ("server = \"hunter2\"", "a.toml:1: server "),
        ("[server]\nlisten = \"hunter2\"", "a.toml:2: listen "),
        (
            "[server]\nlisten = [\"hunter2\", 2]",
            "a.toml:2: listen must be a text in quotes",
        ),
        ("[tenant]\nkey = \"hunter2\"", "a.toml:1: tenant "),
        ("tenant = [\"hunter2\"]", "a.toml:1: tenant "),
        (
            "[[tenant]]\napi_token = 47110815",
            "a.toml:2: api_token must be a text in quotes",
        ),
        (
            "[[tenant]]\napi_token_file = 47110815",
            "a.toml:2: api_token_file must be a path",
        ),
        (
            "[[tenant]]\nsigning_key = [\"hunter2\"]",
            "a.toml:2: signing_key must be a text",
        ),
        (
            "[[tenant]]\nvia = \"hunter2\"",
            "a.toml:2: via must be true or false",
        ),
        (
            "[[tenant]]\ntoken_cache = 47110815.5",
            "a.toml:2: token_cache must be a whole number",
        ),
        (
            "[[tenant]]\nsigning_key.hunter = 2",
            "a.toml:2: signing_key must be a text in quotes",
        ),
        (
            "[defaults]\nmount = 47110815\n[[tenant]]\nmount = '/a'",
            "a.toml:2: mount must be",
        ),
    ] {
        let problem = problem(text);
        assert!(problem.starts_with(expected), "{text:?} {problem:?}");
        for secret in ["hunter2", "47110815"] {
            assert!(!problem.contains(secret), "{text:?} {problem:?}");
        }
        assert_eq!(problem.lines().count(), 1, "{problem:?}");
    }
}

#[test]
fn defaults_need_a_tenant() {
    let expected = "a.toml:1: [defaults] has no effect without a [[tenant]]";
    assert_eq!(problem("[defaults]\nmount = \"/a\""), expected);
}

#[test]
fn an_empty_file_has_no_tenants() {
    let (file, problems) = parse("");
    assert_eq!(file.map(|file| file.tenants.len()), Ok(0));
    assert_eq!(problems, <[String; 0]>::default());
}

#[test]
fn files_are_relative_to_the_file_that_names_them() {
    let source = Source {
        path: "/etc/omneo-id/a.toml".into(),
        text: String::new(),
    };
    let resolve = |path: &str| source.resolve(Path::new(path));
    assert_eq!(resolve("key.pem"), Path::new("/etc/omneo-id/key.pem"));
    assert_eq!(resolve("/run/key.pem"), Path::new("/run/key.pem"));
}
