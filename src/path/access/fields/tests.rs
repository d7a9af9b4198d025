use super::*;

fn limit(names: &[&str]) -> FieldLimit {
    let rule = FieldRule::parse("PUT", "/", names).unwrap();
    FieldLimit::of_path([&rule].into_iter(), &[]).unwrap()
}

fn profile() -> FieldLimit {
    limit(&["first_name", "addresses", "attributes.comms", "x-y:z"])
}

#[test]
fn allowed_fields_of_a_form_are_accepted() {
    for form in [
        "",
        "&&",
        "first_name=Ada",
        "first_name",
        "first_name=a&first_name=tags",
        "first_name=1;;first_name=2;",
        "first%5Fname=%5Btags%5D",
        "addresses[]=1&addresses[0][line]=x",
        "addresses%5B0%5D%5Bline.1%5D=x",
        "attributes[comms][email_promo]=1&attributes%5bcomms%5d=1",
        "x-y:z=1",
    ] {
        assert_eq!(profile().refused_in_form(form.as_bytes()), None, "{form}");
    }
}

#[test]
fn every_other_name_of_a_form_is_refused() {
    for (form, name) in [
        ("tags=1", "tags"),
        ("first_name=1&tags[]=1", "tags[]"),
        ("identities[0][handle]=x", "identities[0][handle]"),
        ("%69dentities%5B0%5D=x", "identities[0]"),
        ("first_name=1;tags=2", "tags"),
        ("first_name=1;;x=1;tags", "x"),
        (";first_name=1", ";first_name"),
        ("first_name;first_name=1", "first_name;first_name"),
        ("first_name=1&&+tags=2", " tags"),
        ("profile.type=x", "profile.type"),
        ("first.name=x", "first.name"),
        ("First_name=x", "First_name"),
        (" first_name=x", " first_name"),
        ("?first_name=x", "?first_name"),
        ("first_name%00=x", "first_name\0"),
        ("first_name[a=x", "first_name[a"),
        ("first_name[a]b=x", "first_name[a]b"),
        ("first_name[a%00]=x", "first_name[a\0]"),
        ("first_name[a][b=x", "first_name[a][b"),
        ("first_name[[a]]=x", "first_name[[a]]"),
        ("[first_name]=x", "[first_name]"),
        ("=x", ""),
        ("attributes=x", "attributes"),
        ("attributes[]=x", "attributes[]"),
        ("attributes[tags]=x", "attributes[tags]"),
        ("attributes[+comms]=x", "attributes[ comms]"),
        ("attributes.comms=x", "attributes.comms"),
        ("attributes_comms=x", "attributes_comms"),
        ("comms=x", "comms"),
    ] {
        let refused = profile().refused_in_form(form.as_bytes());
        assert_eq!(refused.as_deref(), Some(name), "{form}");
    }
}

#[test]
fn every_member_of_a_json_object_is_checked() {
    for (json, refused) in [
        ("{}", None),
        (r#"{"first_name":{"tags":1}}"#, None),
        (r#" {"first_name":1,"addresses":[{"tags":1}]} "#, None),
        (r#"{"attributes":{}}"#, None),
        (r#"{"attributes":{"comms":{"tags":1}}}"#, None),
        (r#"{"tags":1}"#, Some("tags")),
        (r#"{"first_name":1,"tags":1,"tags":2}"#, Some("tags")),
        (r#"{"\u0074ags":1}"#, Some("tags")),
        (r#"{"First_name":1}"#, Some("First_name")),
        (r#"{" first_name":1}"#, Some(" first_name")),
        (r#"{"first_name[]":1}"#, Some("first_name[]")),
        (r#"{"":1}"#, Some("")),
        (r#"{"attributes.comms":1}"#, Some("attributes.comms")),
        (r#"{"attributes":null}"#, Some("attributes")),
        (r#"{"attributes":[{"comms":1}]}"#, Some("attributes")),
        (r#"{"attributes":"comms"}"#, Some("attributes")),
        (
            r#"{"attributes":{"comms":1},"attributes":{"tags":1}}"#,
            Some("attributes.tags"),
        ),
        (
            r#"{"attributes":{"comms.x":1}}"#,
            Some("attributes.comms.x"),
        ),
    ] {
        let found = profile().refused_in_json(json.as_bytes()).unwrap();
        assert_eq!(found.as_deref(), refused, "{json}");
    }
}

#[test]
fn content_that_is_not_a_json_object_is_an_error() {
    for json in [
        &b""[..],
        b"[]",
        b"null",
        b"1",
        b"\"first_name\"",
        b"{",
        b"{} {}",
        b"{\"first_name\":1,}",
        b"\xef\xbb\xbf{}",
        b"{\"first_name\":\"\xff\"}",
        b"{\"\\ud800\":1}",
        b"{'first_name':1}",
        b"{\"tags\":1",
    ] {
        let found = profile().refused_in_json(json);
        assert!(found.is_err(), "{}", json.escape_ascii());
    }
}

#[test]
fn deep_json_is_checked_without_recursion() {
    let deep = |name: &str| {
        format!(
            "{{\"{name}\":{}}}",
            "[".repeat(20_000) + &"]".repeat(20_000)
        )
    };
    let found = profile().refused_in_json(deep("addresses").as_bytes());
    assert_eq!(found.unwrap(), None);
    let found = profile().refused_in_json(deep("tags").as_bytes());
    assert_eq!(found.unwrap().as_deref(), Some("tags"));
}

#[test]
fn the_name_of_a_refused_field_is_bounded() {
    let long = "n".repeat(1000);
    let found = profile().refused_in_form(long.as_bytes()).unwrap();
    assert_eq!(found.len(), MAX_NAME);
    let json = format!("{{\"attributes\":{{\"{long}\":1}}}}");
    let found = profile().refused_in_json(json.as_bytes()).unwrap();
    assert_eq!(found.unwrap().len(), MAX_NAME);
}

#[test]
fn an_object_is_allowed_with_all_its_members_or_with_named_ones() {
    let both = limit(&["attributes.comms", "attributes"]);
    assert!(both.allows("attributes", None));
    assert!(both.allows("attributes", Some("tags")));
    let named = limit(&["attributes.comms"]);
    assert!(!named.allows("attributes", None));
    assert!(named.allows("attributes", Some("comms")));
    assert!(!named.allows("attributes", Some("tags")));
}

#[test]
fn names_without_effect_are_errors() {
    for name in [
        "",
        ".",
        "a.",
        ".a",
        "a.b.c",
        "a b",
        " a",
        "a[b]",
        "a*",
        "caf\u{e9}",
        "a\0",
        "_method",
        "_method.x",
    ] {
        assert!(FieldRule::parse("PUT", "/", [name]).is_err(), "{name:?}");
    }
    for methods in ["GET", "PUT, HEAD", "put", ""] {
        assert!(FieldRule::parse(methods, "/", ["a"]).is_err(), "{methods}");
    }
    assert!(FieldRule::parse("PUT", "x", ["a"]).is_err());
    assert!(FieldRule::parse("*", "/**", [""; 0]).is_ok());
}
