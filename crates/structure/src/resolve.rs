//! Where that which a path names is defined. A re-export is followed to what it re-exports: the file that is needed is
//! the one in which the thing stands, not the one that hands it on.

use crate::source::Module;
use std::collections::{BTreeMap, BTreeSet};

/// What a path leads to, by the number of a module.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    /// A module itself.
    Module(usize),
    /// Something that stands in a module.
    Item(usize),
}

/// Re-exports of re-exports are followed this far.
const DEEPEST: usize = 16;

/// Which modules each module needs something from, by their numbers.
pub(crate) fn uses(modules: &[Module]) -> BTreeSet<(usize, usize)> {
    let by_path = modules.iter().enumerate().map(|(number, one)| (one.path.clone(), number)).collect();
    let resolver = Resolver { modules, by_path };
    let mut uses = BTreeSet::new();
    for (number, module) in modules.iter().enumerate() {
        let imported = module.imports.iter().map(|import| &import.path);
        for path in imported.chain(&module.paths) {
            // To name a module needs nothing of it yet: what is then named in it does.
            if let Some(Found::Item(target)) = resolver.from(number, path, DEEPEST) {
                uses.insert((number, target));
            }
        }
    }
    uses
}

struct Resolver<'m> {
    modules: &'m [Module],
    by_path: BTreeMap<Vec<String>, usize>,
}

impl Resolver<'_> {
    /// What a path means in a module; none for what is of another crate or of the module itself.
    fn from(&self, module: usize, path: &[String], depth: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(self.above(module, usize::MAX)?, rest, depth),
            "self" => self.walk(module, rest, depth),
            "super" => {
                let more = rest.iter().take_while(|segment| *segment == "super").count();
                self.walk(self.above(module, 1 + more)?, rest.get(more..)?, depth)
            }
            _ => match self.child(module, first) {
                Some(child) => self.walk(child, rest, depth),
                None => self.imported(module, first, rest, depth),
            },
        }
    }

    fn walk(&self, module: usize, path: &[String], depth: usize) -> Option<Found> {
        let Some((first, rest)) = path.split_first() else { return Some(Found::Module(module)) };
        match self.child(module, first) {
            Some(child) => self.walk(child, rest, depth),
            None => Some(self.imported(module, first, rest, depth).unwrap_or(Found::Item(module))),
        }
    }

    /// What a name that a module imports leads to; none if it imports none such, or from another crate.
    fn imported(&self, module: usize, name: &str, rest: &[String], depth: usize) -> Option<Found> {
        let depth = depth.checked_sub(1)?;
        let import = self.modules.get(module)?.imports.iter().find(|import| import.name == name)?;
        match self.from(module, &import.path, depth)? {
            Found::Module(found) => self.walk(found, rest, depth),
            item => Some(item),
        }
    }

    fn child(&self, module: usize, name: &str) -> Option<usize> {
        let mut path = self.modules.get(module)?.path.clone();
        path.push(name.to_owned());
        self.by_path.get(&path).copied()
    }

    fn above(&self, module: usize, levels: usize) -> Option<usize> {
        let path = &self.modules.get(module)?.path;
        self.by_path.get(path.get(..path.len().saturating_sub(levels))?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::from_text;

    /// The uses of a text, each as `from -> to`.
    fn named(text: &str) -> Vec<String> {
        let modules = from_text(text);
        let name = |number: usize| modules[number].path.join("::");
        uses(&modules).into_iter().map(|(from, to)| format!("{} -> {}", name(from), name(to))).collect()
    }

    #[test]
    fn a_re_export_is_followed_to_what_it_re_exports() {
        let text = "
            mod a { pub mod b { pub struct T; } pub use b::T as U; }
            mod c { use crate::a::U; }
            mod d { fn f() { crate::c::U::g() } }";
        assert_eq!(named(text), ["a -> a::b", "c -> a::b", "d -> a::b"]);
    }

    #[test]
    fn a_module_is_needed_for_what_is_named_in_it() {
        assert_eq!(named("mod a { pub fn f() {} } mod b { use crate::a; }"), Vec::<String>::new());
        assert_eq!(named("mod a { pub fn f() {} } mod b { use crate::a; fn g() { a::f() } }"), ["b -> a"]);
        assert_eq!(named("mod a { mod b { fn g() { super::super::f() } } } fn f() {}"), ["a::b -> "]);
    }

    #[test]
    fn other_crates_and_own_items_are_no_modules() {
        assert_eq!(named("mod a { use std::fmt; fn f() { fmt::x(); Self::y(); serde::z() } }"), Vec::<String>::new());
        assert_eq!(named("mod a { use self::a as a; fn f() { a::b() } }"), ["a -> a"]);
    }
}
