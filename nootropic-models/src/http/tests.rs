use super::url::{encode, join};
use super::*;

#[test]
fn redirects_lead_where_the_standard_says() {
    let base = "https://hub.example/a/b/c?q=/x";
    for (location, expected) in [
        ("https://cdn.example/f?sig=1#x", "https://cdn.example/f?sig=1"),
        ("//cdn.example/f", "https://cdn.example/f"),
        ("/api/f", "https://hub.example/api/f"),
        ("d", "https://hub.example/a/b/d"),
        ("d?x=a:b", "https://hub.example/a/b/d?x=a:b"),
    ] {
        assert_eq!(join(base, location).as_deref(), Some(expected), "{location}");
    }
    assert_eq!(join("https://hub.example", "d").as_deref(), Some("https://hub.example/d"));
    assert_eq!(join("https://hub.example?x", "/d").as_deref(), Some("https://hub.example/d"));
    assert_eq!(join(base, "#top"), None);
}

#[test]
fn a_path_stays_a_path() {
    assert_eq!(encode("a b/ü?#%.gguf"), "a%20b/%C3%BC%3F%23%25.gguf");
}

#[test]
fn other_machines_are_spoken_to_in_secret() {
    for url in
        ["http://hub.example", "ftp://hub.example", "file:///etc/passwd", "https://user@hub.example", "hub.example"]
    {
        let error = endpoint_of(url).unwrap_err();
        assert!(matches!(error, PullError::Url { .. }), "{url}: {error:?}");
    }
    for url in ["https://hub.example", "http://localhost:80", "http://127.0.0.1:8080/x", "http://[::1]:80"] {
        assert!(endpoint_of(url).is_ok(), "{url}");
    }
}
