//! The modules of a crate, read from its files: what each imports, what it names by a path, its functions and its texts.
//! Tests are left out: what stands under `#[cfg(test)]` and the files that only tests declare.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A module, in a file of its own or within another's.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Its name from the root of the crate on; empty for the root.
    pub(crate) path: Vec<String>,
    /// The file that it stands in.
    pub(crate) file: PathBuf,
    /// What it imports, re-exports included.
    pub(crate) imports: Vec<Import>,
    /// The other paths that it names, of two segments or more.
    pub(crate) paths: Vec<Vec<String>>,
    /// The names in capitals that it uses, by the last segment of their paths: constants, but for the names of headers.
    pub(crate) constants: Vec<String>,
    /// The names of everything that it declares, or imports for others.
    pub(crate) declared: BTreeSet<String>,
    /// The types of which it declares what they do, and the words beside their names.
    pub(crate) implements: BTreeSet<String>,
    /// The fields of its structs: the struct, and the field.
    fields: Vec<(String, String)>,
    /// Its functions, methods included.
    pub(crate) functions: Vec<Function>,
    /// Its string literals, as they are written between the quotes.
    pub(crate) texts: Vec<String>,
}

impl Module {
    /// The fields of a struct of its own.
    pub(crate) fn fields(&self, of: &str) -> Vec<String> {
        self.fields.iter().filter(|(named, _)| named == of).map(|(_, field)| field.clone()).collect()
    }
}

/// One name that a `use` brings in.
#[derive(Debug, PartialEq)]
pub(crate) struct Import {
    /// The name that it has here; `*` for all of a module.
    pub(crate) name: String,
    /// What it is.
    pub(crate) path: Vec<String>,
}

/// A function and how many lines it has, from `fn` to the closing brace.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) lines: usize,
}

/// All modules of the crate with this root file, the root first.
pub(crate) fn modules(root: &Path) -> Result<Vec<Module>, String> {
    let folder = root.parent().unwrap_or(Path::new(""));
    let mut reader = Reader::default();
    reader.file(root, folder, Vec::new())?;
    Ok(reader.modules)
}

#[derive(Default)]
struct Reader {
    modules: Vec<Module>,
}

/// Where a module is read: its number, and the folder in which its children stand.
#[derive(Clone, Copy)]
struct Place<'a> {
    module: usize,
    children: &'a Path,
}

impl Reader {
    fn file(&mut self, file: &Path, children: &Path, path: Vec<String>) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
        let tokens: TokenStream = text.parse().map_err(|error| failed(&error))?;
        self.module(file, children, path, tokens)
    }

    fn module(&mut self, file: &Path, children: &Path, path: Vec<String>, tokens: TokenStream) -> Result<(), String> {
        let module = self.modules.len();
        self.modules.push(Module { path, file: file.to_owned(), ..Module::default() });
        self.tokens(Place { module, children }, tokens)
    }

    fn tokens(&mut self, place: Place<'_>, tokens: TokenStream) -> Result<(), String> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        // Whether what comes next is declared for others: after `pub`, and how far that goes.
        let mut is_for_others = false;
        while let Some((first, after)) = rest.split_first() {
            self.at(place, |module| module.declared.extend(declares(first, after)));
            let was_for_others = is_for_others;
            is_for_others = match first {
                TokenTree::Ident(word) => *word == "pub",
                TokenTree::Group(_) => is_for_others,
                _ => false,
            };
            rest = match first {
                TokenTree::Punct(punct) if punct.as_char() == '#' => after_attribute(after),
                TokenTree::Ident(word) if *word == "mod" => self.child(place, after)?,
                TokenTree::Ident(word) if *word == "use" => self.import(place, after, was_for_others),
                TokenTree::Ident(word) if *word == "fn" => {
                    self.function(place, word.span().start().line, after);
                    after
                }
                TokenTree::Ident(word) if *word == "struct" => {
                    self.record(place, after);
                    after
                }
                TokenTree::Ident(word) if *word == "impl" => {
                    self.at(place, |module| module.implements.extend(words_before_the_body(after)));
                    after
                }
                TokenTree::Ident(word) if *word == "enum" => {
                    self.at(place, |module| module.declared.extend(variants(after)));
                    after
                }
                TokenTree::Ident(_) => self.path(place, rest),
                TokenTree::Group(group) => {
                    self.tokens(place, group.stream())?;
                    after
                }
                TokenTree::Literal(literal) => {
                    let text = between_quotes(&literal.to_string());
                    self.at(place, |module| module.texts.extend(text));
                    after
                }
                TokenTree::Punct(_) => after,
            };
        }
        Ok(())
    }

    fn at(&mut self, place: Place<'_>, change: impl FnOnce(&mut Module)) {
        if let Some(module) = self.modules.get_mut(place.module) {
            change(module);
        }
    }

    /// A child module: `name;` in a file of its own, `name { .. }` here.
    fn child<'t>(&mut self, place: Place<'_>, after: &'t [TokenTree]) -> Result<&'t [TokenTree], String> {
        let [TokenTree::Ident(name), next, rest @ ..] = after else { return Ok(after) };
        let name = name.to_string();
        self.at(place, |module| module.declared.extend([name.clone()]));
        let Some(parent) = self.modules.get(place.module) else { return Ok(rest) };
        let path: Vec<String> = parent.path.iter().cloned().chain([name.clone()]).collect();
        let folder = place.children.join(&name);
        if let TokenTree::Group(group) = next {
            let file = parent.file.clone();
            self.module(&file, &folder, path, group.stream())?;
        } else {
            let beside = place.children.join(format!("{name}.rs"));
            let file = if beside.exists() { beside } else { folder.join("mod.rs") };
            self.file(&file, &folder, path)?;
        }
        Ok(rest)
    }

    fn import<'t>(&mut self, place: Place<'_>, after: &'t [TokenTree], is_for_others: bool) -> &'t [TokenTree] {
        let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
        let end = after.iter().position(is_end).unwrap_or(after.len());
        let (tree, rest) = after.split_at_checked(end).unwrap_or((after, &[]));
        let mut imports = Vec::new();
        use_tree(&[], tree, &mut imports);
        self.at(place, |module| {
            let names = imports.iter().filter(|_| is_for_others).map(|import| import.name.clone());
            module.declared.extend(names);
            module.imports.append(&mut imports);
        });
        rest
    }

    /// A function, if this is one and not the type of one. What stands in it is read as everything else is.
    fn function(&mut self, place: Place<'_>, first: usize, after: &[TokenTree]) {
        let Some((TokenTree::Ident(name), rest)) = after.split_first() else { return };
        let body = rest.iter().find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(Some(group)),
            TokenTree::Punct(punct) if punct.as_char() == ';' => Some(None),
            _ => None,
        });
        let Some(body) = body.flatten() else { return };
        let lines = body.span_close().end().line + 1 - first;
        self.at(place, |module| module.functions.push(Function { name: name.to_string(), lines }));
    }

    /// The fields of a struct that has names for them.
    fn record(&mut self, place: Place<'_>, after: &[TokenTree]) {
        let Some((TokenTree::Ident(name), rest)) = after.split_first() else { return };
        let body = rest.iter().find_map(|token| match token {
            TokenTree::Group(group) => Some((group.delimiter() == Delimiter::Brace).then(|| group.stream())),
            TokenTree::Punct(punct) if punct.as_char() == ';' => Some(None),
            _ => None,
        });
        let Some(body) = body.flatten() else { return };
        let tokens: Vec<TokenTree> = body.into_iter().collect();
        let is_one =
            |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
        // A name with a single colon after it; a path has two.
        let fields = tokens.windows(3).filter_map(|three| match three {
            [TokenTree::Ident(field), one, next] if is_one(one, ':') && !is_one(next, ':') => Some(field.to_string()),
            _ => None,
        });
        let fields: Vec<(String, String)> = fields.map(|field| (name.to_string(), field)).collect();
        self.at(place, |module| {
            module.declared.extend(fields.iter().map(|(_, field)| field.clone()));
            module.fields.extend(fields);
        });
    }

    /// A path, if it has two segments or more.
    fn path<'t>(&mut self, place: Place<'_>, tokens: &'t [TokenTree]) -> &'t [TokenTree] {
        let (path, rest) = segments(tokens);
        let is_constant = |name: &str| name.len() > 1 && name.chars().all(|one| one.is_ascii_uppercase() || one == '_');
        // `header::LOCATION` is no type.
        let of_http = path.iter().rev().nth(1).is_some_and(|before| before == "header");
        if let Some(last) = path.last().filter(|last| is_constant(last) && !of_http) {
            let name = last.clone();
            self.at(place, |module| module.constants.push(name));
        }
        if path.len() > 1 {
            self.at(place, |module| module.paths.push(path));
        }
        rest
    }
}

/// The name that an item declares, if this is the word at its beginning.
fn declares(first: &TokenTree, after: &[TokenTree]) -> Option<String> {
    const WORDS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];
    match (first, after.first()) {
        (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if WORDS.iter().any(|one| word == one) => {
            Some(name.to_string())
        }
        _ => None,
    }
}

fn words_before_the_body(tokens: &[TokenTree]) -> impl Iterator<Item = String> {
    let before = tokens
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace));
    before.filter_map(|token| match token {
        TokenTree::Ident(word) => Some(word.to_string()),
        _ => None,
    })
}

/// The variants of an enum whose name and body these tokens begin with.
fn variants(after: &[TokenTree]) -> Vec<String> {
    let body = after.iter().find_map(|token| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
        _ => None,
    });
    let tokens: Vec<TokenTree> = body.into_iter().flatten().collect();
    let is_at_its_end = |next: Option<&TokenTree>| match next {
        Some(TokenTree::Punct(punct)) => matches!(punct.as_char(), ',' | '='),
        Some(TokenTree::Group(_)) | None => true,
        Some(_) => false,
    };
    let names = tokens.iter().enumerate().filter_map(|(place, token)| match token {
        TokenTree::Ident(name) if is_at_its_end(tokens.get(place + 1)) => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

/// What comes after an attribute; after the whole item if the attribute says that it belongs to the tests.
fn after_attribute(tokens: &[TokenTree]) -> &[TokenTree] {
    let tokens = match tokens {
        [TokenTree::Punct(punct), rest @ ..] if punct.as_char() == '!' => rest,
        _ => tokens,
    };
    let [TokenTree::Group(attribute), rest @ ..] = tokens else { return tokens };
    if !is_for_tests(attribute) {
        return rest;
    }
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let end = rest.iter().position(ends).map_or(rest.len(), |position| position + 1);
    rest.get(end..).unwrap_or(&[])
}

fn is_for_tests(attribute: &Group) -> bool {
    let words: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match words.as_slice() {
        [TokenTree::Ident(word)] => *word == "test",
        [TokenTree::Ident(word), TokenTree::Group(condition)] => {
            *word == "cfg" && condition.stream().to_string() == "test"
        }
        _ => false,
    }
}

/// The segments of a path at the beginning of the tokens (none of its generic arguments), and what follows.
fn segments(tokens: &[TokenTree]) -> (Vec<String>, &[TokenTree]) {
    let mut path = Vec::new();
    let mut rest = tokens;
    while let [TokenTree::Ident(word), after @ ..] = rest {
        path.push(word.to_string());
        rest = after;
        match after {
            [TokenTree::Punct(one), TokenTree::Punct(two), next @ ..]
                if one.as_char() == ':'
                    && two.as_char() == ':'
                    && matches!(next.first(), Some(TokenTree::Ident(_))) =>
            {
                rest = next;
            }
            _ => break,
        }
    }
    (path, rest)
}

/// The names that a tree of imports brings in below a prefix.
fn use_tree(prefix: &[String], tokens: &[TokenTree], imports: &mut Vec<Import>) {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    for branch in tokens.split(is_comma) {
        let (path, rest) = segments(branch);
        let mut whole: Vec<String> = prefix.iter().cloned().chain(path).collect();
        let end = rest.iter().find(|token| !matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':'));
        match end {
            Some(TokenTree::Group(group)) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                use_tree(&whole, &inner, imports);
            }
            Some(TokenTree::Punct(_)) => imports.push(Import { name: "*".into(), path: whole }),
            _ => {
                if whole.last().is_some_and(|last| last == "self") && whole.len() > 1 {
                    whole.pop();
                }
                // `a as b` leaves `as` and `b`: a word is no part of a path without `::` before it.
                let alias = match rest {
                    [TokenTree::Ident(_), TokenTree::Ident(alias), ..] => Some(alias.to_string()),
                    _ => None,
                };
                let Some(name) = alias.or_else(|| whole.last().cloned()) else { continue };
                imports.push(Import { name, path: whole });
            }
        }
    }
}

/// The text of a string literal, raw or not; none of a number or character.
fn between_quotes(literal: &str) -> Option<String> {
    let is_string = literal.starts_with(['"', 'r', 'b', 'c']);
    let (_, text) = literal.split_once('"')?;
    let (text, _) = text.rsplit_once('"')?;
    is_string.then(|| text.to_owned())
}

/// For tests: the modules of one text, as the root of a crate.
#[cfg(test)]
pub(crate) fn from_text(text: &str) -> Vec<Module> {
    let mut reader = Reader::default();
    let tokens = text.parse().expect("Rust");
    reader.module(Path::new("lib.rs"), Path::new(""), Vec::new(), tokens).expect("modules");
    reader.modules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, path: &str) -> Import {
        Import { name: name.into(), path: path.split("::").map(str::to_owned).collect() }
    }

    #[test]
    fn imports_are_read_from_trees() {
        let [module] = &from_text("pub use a::{self, b::{c, d as e}, f::*}; use g as _; use h;")[..] else {
            panic!("one module")
        };
        let wanted = [
            import("a", "a"),
            import("c", "a::b::c"),
            import("e", "a::b::d"),
            import("*", "a::f"),
            import("_", "g"),
            import("h", "h"),
        ];
        assert_eq!(module.imports, wanted);
    }

    #[test]
    fn paths_and_texts_are_those_of_code() {
        let text = r##"
            //! "doc" crate::doc::x
            #[cfg(test)] use tests::one;
            fn f() { let a = crate::a::b::<T>(); println!("{}", super::c(r#"raw"#, 'x', 1)); }
            /* crate::comment */
            #[cfg(test)]
            mod tests { fn g() { crate::t::u("no") } }
            mod inner { const A: &str = "in"; }
        "##;
        let modules = from_text(text);
        let names: Vec<_> = modules.iter().map(|one| one.path.join("::")).collect();
        assert_eq!(names, ["", "inner"]);
        assert!(modules[0].imports.is_empty());
        assert_eq!(modules[0].paths, [vec!["crate", "a", "b"], vec!["super", "c"]]);
        assert_eq!(modules[0].texts, ["{}", "raw"]);
        assert_eq!(modules[1].texts, ["in"]);
    }

    #[test]
    fn functions_are_as_long_as_from_their_name_to_their_end() {
        let text =
            "impl A {\n  fn one(f: fn(u8) -> u8)\n  where T: B\n  {\n  }\n}\ntrait C { fn none(); }\nfn two() {}";
        let function = |name: &str, lines| Function { name: name.into(), lines };
        assert_eq!(from_text(text)[0].functions, [function("one", 4), function("two", 1)]);
    }
}
