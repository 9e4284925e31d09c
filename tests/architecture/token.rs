//! From Rust text to what it names: paths, macros and keywords with their lines, without comments and strings.
//!
//! Works on tokens, not on a syntax tree, so that the insides of macro calls count as well.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// One path or keyword as it stands in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    /// The segments, groups in `use` already spread out: `use a::{b, c}` is `a::b` and `a::c`. A glob ends in `*`.
    pub(crate) segments: Vec<String>,
    /// Modules around it, from the crate root.
    pub(crate) module: Vec<String>,
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// Whether it stands in an item under `#[cfg(test)]`.
    pub(crate) in_test: bool,
    /// What comes right after.
    pub(crate) next: Next,
}

/// What follows a path, where a rule needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// `!`: a macro call.
    Bang,
    /// `as`: renamed, or a cast.
    As,
    /// `<` with this many generic arguments.
    Generics(usize),
    /// Anything else.
    Other,
}

/// `mod name;`: a module in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Full path from the crate root.
    pub(crate) path: Vec<String>,
    /// Line of the declaration, from 1.
    pub(crate) line: usize,
    /// Whether it stands under `#[cfg(test)]`.
    pub(crate) in_test: bool,
}

/// Everything a file names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) mentions: Vec<Mention>,
    pub(crate) declared: Vec<Declared>,
}

/// What `text` names; `module` is the path of the file's own module.
pub(crate) fn named(text: &str, module: &[String]) -> Result<Named, String> {
    let stream: TokenStream = text.parse().map_err(|error| format!("is not Rust: {error}"))?;
    let mut named = Named::default();
    walk(stream, module, false, &mut named);
    Ok(named)
}

fn walk(stream: TokenStream, module: &[String], in_test: bool, named: &mut Named) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    // Tokens before this index belong to an item under `#[cfg(test)]`.
    let mut test_until = 0;
    let mut i = 0;
    while i < tokens.len() {
        let in_test = in_test || i < test_until;
        match &tokens[i] {
            TokenTree::Punct(punct) if punct.as_char() == '\'' => i += 2, // a lifetime
            TokenTree::Punct(punct) if punct.as_char() == '.' && punct.spacing() == Spacing::Alone => {
                // A member is no path, but `.await` is a keyword.
                i += 1;
                let range = i >= 2 && is_punct(&tokens[i - 2], '.');
                if !range && matches!(tokens.get(i), Some(TokenTree::Ident(name)) if name != "await") {
                    i += 1;
                }
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Bracket && i > 0 && is_cfg_test(group) {
                    let whole_file = is_punct(&tokens[i - 1], '!');
                    test_until = if whole_file { tokens.len() } else { end_of_item(&tokens, i + 1) };
                }
                walk(group.stream(), module, in_test, named);
                i += 1;
            }
            TokenTree::Ident(word) if word == "mod" => match (tokens.get(i + 1), tokens.get(i + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    let inner: Vec<String> = module.iter().cloned().chain([plain(name)]).collect();
                    walk(body.stream(), &inner, in_test, named);
                    i += 3;
                }
                (Some(TokenTree::Ident(name)), _) => {
                    let path = module.iter().cloned().chain([plain(name)]).collect();
                    named.declared.push(Declared { path, line: word.span().start().line, in_test });
                    i += 2;
                }
                _ => i += 1,
            },
            TokenTree::Ident(_) => i = path(&tokens, i, &[], module, in_test, named),
            _ => i += 1,
        }
    }
}

/// Reads the path that starts at `i`, with `prefix` before it, and gives the index after it.
fn path(
    tokens: &[TokenTree],
    mut i: usize,
    prefix: &[String],
    module: &[String],
    in_test: bool,
    named: &mut Named,
) -> usize {
    let mut segments = prefix.to_vec();
    let line = tokens[i].span().start().line;
    loop {
        match tokens.get(i) {
            Some(TokenTree::Ident(word)) => segments.push(plain(word)),
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => segments.push("*".into()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                use_group(group, &segments, module, in_test, named);
                return i + 1;
            }
            _ => break,
        }
        i += 1;
        // `::<` opens generic arguments, everything else after `::` belongs to the path.
        let colons = is_punct_at(tokens, i, ':') && is_punct_at(tokens, i + 1, ':');
        if !colons || is_punct_at(tokens, i + 2, '<') {
            break;
        }
        i += 2;
    }
    let next = match tokens.get(i) {
        Some(TokenTree::Punct(punct)) if punct.as_char() == '!' && !is_punct_at(tokens, i + 1, '=') => {
            Next::Bang
        }
        Some(TokenTree::Ident(word)) if word == "as" => Next::As,
        Some(_) if is_punct_at(tokens, i, '<') => Next::Generics(generics(&tokens[i + 1..])),
        Some(_) if is_punct_at(tokens, i + 2, '<') && is_punct_at(tokens, i, ':') => {
            Next::Generics(generics(&tokens[i + 3..]))
        }
        _ => Next::Other,
    };
    named.mentions.push(Mention { segments, module: module.to_vec(), line, in_test, next });
    i
}

/// The branches of `prefix::{…}`.
fn use_group(group: &Group, prefix: &[String], module: &[String], in_test: bool, named: &mut Named) {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        let starts = matches!(&tokens[i], TokenTree::Ident(_)) || is_punct(&tokens[i], '*');
        i = if starts { path(&tokens, i, prefix, module, in_test, named) } else { i + 1 };
        // `as name` is no branch of its own.
        if matches!(tokens.get(i), Some(TokenTree::Ident(word)) if word == "as") {
            i += 2;
        }
    }
}

/// How many generic arguments stand before the closing `>`.
fn generics(tokens: &[TokenTree]) -> usize {
    let (mut depth, mut arguments, mut fresh) = (1, 0, true);
    for (i, token) in tokens.iter().enumerate() {
        if let TokenTree::Punct(punct) = token {
            match punct.as_char() {
                '<' => depth += 1,
                '>' if i > 0 && is_punct(&tokens[i - 1], '-') => {} // the arrow of a function type
                '>' => depth -= 1,
                ',' if depth == 1 => {
                    fresh = true;
                    continue;
                }
                _ => {}
            }
        }
        if depth == 0 {
            break;
        }
        if fresh {
            arguments += 1;
            fresh = false;
        }
    }
    arguments
}

/// Whether an attribute reads `cfg(test)` or `cfg(all(test, …))`.
fn is_cfg_test(attribute: &Group) -> bool {
    let mut tokens = attribute.stream().into_iter();
    let (Some(TokenTree::Ident(cfg)), Some(TokenTree::Group(condition))) = (tokens.next(), tokens.next())
    else {
        return false;
    };
    cfg == "cfg" && requires_test(condition.stream())
}

fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    tokens.iter().enumerate().any(|(i, token)| match token {
        TokenTree::Ident(word) if word == "test" => true,
        TokenTree::Ident(word) if word == "all" => {
            matches!(tokens.get(i + 1), Some(TokenTree::Group(inner)) if requires_test(inner.stream()))
        }
        _ => false,
    })
}

/// Words that open an item; a field, a variant or a match arm opens with none of them.
const ITEM: [&str; 13] = [
    "async", "const", "enum", "extern", "fn", "impl", "let", "mod", "static", "struct", "trait", "type",
    "use",
];

/// The index after the item that starts at `start`: its first `;`, or the first brace that is not a `use` group.
/// A field, a variant or an arm ends at its comma.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let mut item = false;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        let ends = match token {
            TokenTree::Ident(word) => {
                item |= ITEM.iter().any(|opening| word == opening);
                false
            }
            TokenTree::Punct(punct) => punct.as_char() == ';' || (punct.as_char() == ',' && !item),
            TokenTree::Group(group) => {
                group.delimiter() == Delimiter::Brace && !is_punct(&tokens[i - 1], ':')
            }
            TokenTree::Literal(_) => false,
        };
        if ends {
            return i + 1;
        }
    }
    tokens.len()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

fn is_punct_at(tokens: &[TokenTree], i: usize, character: char) -> bool {
    tokens.get(i).is_some_and(|token| is_punct(token, character))
}

fn plain(word: &proc_macro2::Ident) -> String {
    let text = word.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}
