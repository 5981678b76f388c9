//! Shell-style pattern matching for `/`-separated paths.
//!
//! * `?` matches one character other than `/`
//! * `*` matches any run of characters other than `/`
//! * `**` as a whole path component matches any number of components
//!
//! Everything else matches itself.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Component {
    AnyDepth,
    Text(Vec<char>),
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    components: Vec<Component>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum GlobError {
    EmptyPattern,
    /// `**` was mixed with other characters, as in `a**b`.
    PartialDoubleStar(String),
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GlobError::EmptyPattern => write!(f, "the pattern is empty"),
            GlobError::PartialDoubleStar(part) => {
                write!(f, "`**` must stand alone between slashes, found `{part}`")
            }
        }
    }
}

impl std::error::Error for GlobError {}

impl Glob {
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() {
            return Err(GlobError::EmptyPattern);
        }
        let components = pattern
            .split('/')
            .map(parse_component)
            .collect::<Result<_, _>>()?;
        Ok(Glob { components })
    }

    pub fn is_match(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        match_components(&self.components, &parts)
    }
}

fn parse_component(part: &str) -> Result<Component, GlobError> {
    match part {
        "**" => Ok(Component::AnyDepth),
        _ if part.contains("**") => Err(GlobError::PartialDoubleStar(part.to_owned())),
        _ => Ok(Component::Text(part.chars().collect())),
    }
}

fn match_components(pattern: &[Component], parts: &[&str]) -> bool {
    match pattern.split_first() {
        None => parts.is_empty(),
        Some((Component::AnyDepth, rest)) => {
            (0..=parts.len()).any(|skipped| match_components(rest, &parts[skipped..]))
        }
        Some((Component::Text(text), rest)) => match parts.split_first() {
            Some((part, remaining)) => {
                match_text(text, part) && match_components(rest, remaining)
            }
            None => false,
        },
    }
}

/// Matches one component by backtracking to the most recent `*` only, which is
/// enough because a later star can absorb whatever an earlier one could.
fn match_text(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;

    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match last_star {
                Some((star, absorbed)) => {
                    last_star = Some((star, absorbed + 1));
                    p = star + 1;
                    t = absorbed + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Glob::new(pattern).unwrap().is_match(path)
    }

    #[test]
    fn single_star_stays_within_a_component() {
        assert!(matches("src/*.rs", "src/glob.rs"));
        assert!(!matches("src/*.rs", "src/deep/glob.rs"));
    }

    #[test]
    fn double_star_spans_zero_or_more_components() {
        for path in ["docs/a.md", "docs/x/a.md", "docs/x/y/a.md"] {
            assert!(matches("docs/**/a.md", path), "{path}");
        }
    }

    #[test]
    fn backtracks_to_the_last_star() {
        assert!(matches("*ab*b", "aabxabb"));
        assert!(!matches("*ab*b", "aabxaba"));
    }

    #[test]
    fn rejects_glued_double_star() {
        let error = Glob::new("a**/b").unwrap_err();
        assert_eq!(error, GlobError::PartialDoubleStar("a**".into()));
    }
}
