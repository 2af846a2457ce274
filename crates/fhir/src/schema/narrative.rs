//! The XHTML of a narrative: well-formed, and nothing in it that could act (R4 "Narrative", txt-1). That it
//! says something (txt-2) is not asked for: official examples do not, and nobody is hurt.

mod links;

use super::element_path::ElementPath;
use super::primitive::Primitive;
use super::problems::{Problems, shown};
use crate::issue::IssueCode;
use crate::json::Limits;
use crate::markup::{Attributes, Markup, Token};

pub(crate) use links::links;
pub(super) use links::relink;
use links::{ADDRESSES, STYLE};

/// The namespace that the `div` must declare.
pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Elements of chapters 7 to 11 (without 9.4) and 15 of HTML 4.0, links and images.
const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "area",
    "b",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "map",
    "ol",
    "p",
    "pre",
    "q",
    "samp",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "tt",
    "ul",
    "var",
];

/// Attributes that any element may have.
const ATTRIBUTES: &[&str] = &["accesskey", "class", "dir", "id", "lang", "style", "tabindex", "title", "xml:lang"];

/// Attributes of single elements.
const ATTRIBUTES_OF: &[(&str, &[&str])] = &[
    ("a", &["charset", "coords", "href", "hreflang", "name", "rel", "rev", "shape", "type"]),
    ("area", &["alt", "coords", "href", "nohref", "shape"]),
    ("blockquote", &["cite"]),
    ("br", &["clear"]),
    ("caption", &["align"]),
    ("col", &["align", "char", "charoff", "span", "valign", "width"]),
    ("colgroup", &["align", "char", "charoff", "span", "valign", "width"]),
    ("div", &["align", "xmlns"]),
    ("h1", &["align"]),
    ("h2", &["align"]),
    ("h3", &["align"]),
    ("h4", &["align"]),
    ("h5", &["align"]),
    ("h6", &["align"]),
    ("hr", &["align", "noshade", "size", "width"]),
    ("img", &["align", "alt", "border", "height", "hspace", "ismap", "longdesc", "src", "usemap", "vspace", "width"]),
    ("li", &["type", "value"]),
    ("map", &["name"]),
    ("ol", &["compact", "start", "type"]),
    ("p", &["align"]),
    ("pre", &["width", "xml:space"]),
    ("q", &["cite"]),
    ("table", &["align", "bgcolor", "border", "cellpadding", "cellspacing", "frame", "rules", "summary", "width"]),
    ("tbody", &["align", "char", "charoff", "valign"]),
    ("td", CELL),
    ("tfoot", &["align", "char", "charoff", "valign"]),
    ("th", CELL),
    ("thead", &["align", "char", "charoff", "valign"]),
    ("tr", &["align", "bgcolor", "char", "charoff", "valign"]),
    ("ul", &["compact", "type"]),
];

const CELL: &[&str] = &[
    "abbr", "align", "axis", "bgcolor", "char", "charoff", "colspan", "headers", "height", "nowrap", "rowspan",
    "scope", "valign", "width",
];

/// How deep the elements of a narrative may be nested.
pub(crate) const DEEPEST: usize = 50;

/// Whether a text is a narrative as R4 allows it (R4 "Narrative", txt-1 and txt-2).
pub(crate) fn is_narrative(text: &str) -> bool {
    let mut problems = Problems::default();
    check(text, &ElementPath::root("div"), &mut problems);
    problems.into_issues().is_empty()
}

/// Checks the text of a `div`.
pub(crate) fn check(text: &str, place: &ElementPath<'_>, problems: &mut Problems) {
    if let Err(reason) = Primitive::Xhtml.check(text) {
        problems.add(IssueCode::Value, place, format!("not a valid narrative: {reason}"));
        return;
    }
    // In XML the element itself is the narrative, so that nothing around it could be kept.
    if !text.starts_with("<div") || !text.ends_with('>') {
        problems.add(IssueCode::Invariant, place, "a narrative is one 'div' with nothing before or after it (txt-1)");
        return;
    }
    let limits = Limits { depth: DEEPEST, ..Limits::default() };
    let mut markup = Markup::new(text, &limits);
    let (before, mut says_something) = (problems.count(), false);
    loop {
        match markup.next() {
            Ok(Token::Open { name, attributes, empty }) => {
                let is_root = markup.depth() + usize::from(empty) == 1;
                says_something |= name == "img";
                element(name, &attributes, is_root, place, problems);
            }
            Ok(Token::Text { cdata: true, .. }) => {
                problems.add(IssueCode::Invariant, place, "a narrative has no CDATA (txt-1)");
            }
            Ok(Token::Instruction) => {
                problems.add(IssueCode::Invariant, place, "a narrative has no processing instructions (txt-1)");
            }
            Ok(Token::Text { text, .. }) => says_something |= !text.trim_ascii().is_empty(),
            Ok(Token::Comment) if markup.depth() == 0 => {
                problems.add(
                    IssueCode::Invariant,
                    place,
                    "a narrative is one 'div' with nothing before or after it (txt-1)",
                );
            }
            Ok(Token::Comment) if !is_comment_of_html(markup.slice_from(markup.start())) => {
                problems.add(
                    IssueCode::Invariant,
                    place,
                    "a browser would end this comment before it ends: it must not begin with '>' or '->', nor have '--' in \
                     it (txt-1)",
                );
            }
            Ok(Token::Close | Token::Comment) => {}
            Ok(Token::End) => break,
            Err(fault) => {
                problems.add(
                    IssueCode::Value,
                    place,
                    format!("the narrative is not well-formed XHTML: {}", fault.text()),
                );
                return;
            }
        }
    }
    if !says_something && problems.count() == before {
        problems.add(IssueCode::Invariant, place, "a narrative says something (txt-2)");
    }
}

/// Whether a comment is one for browsers too, as far as it goes: for them it ends at the first `>` or `->`, and at `--!>`.
fn is_comment_of_html(comment: &str) -> bool {
    let inside = comment.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    inside.is_some_and(|inside| {
        !inside.starts_with('>') && !inside.starts_with("->") && !inside.contains("--") && !inside.ends_with('-')
    })
}

/// The narrative without its comments, for what is shown in browsers: nothing that stands in one is ever live, also of
/// those that an older release has taken. Nothing if it cannot be read.
#[must_use]
pub fn without_comments(text: &str) -> Option<String> {
    let limits = Limits { depth: DEEPEST, ..Limits::default() };
    let mut markup = Markup::new(text, &limits);
    let mut kept = String::with_capacity(text.len());
    loop {
        match markup.next().ok()? {
            Token::End => return Some(kept),
            Token::Comment | Token::Instruction => {}
            Token::Text { text, cdata: true } => kept.push_str(&text.replace('&', "&amp;").replace('<', "&lt;")),
            _ => kept.push_str(markup.slice_from(markup.start())),
        }
    }
}

fn element(name: &str, attributes: &Attributes<'_>, is_root: bool, place: &ElementPath<'_>, problems: &mut Problems) {
    let namespace = attributes.iter().find(|(name, _)| *name == "xmlns").map(|(_, value)| value.as_ref());
    if is_root {
        if name != "div" {
            problems.add(
                IssueCode::Invariant,
                place,
                format!("a narrative is one 'div', not '{}' (txt-1)", shown(name)),
            );
        }
        if namespace != Some(XHTML) {
            problems.add(IssueCode::Invariant, place, format!("the 'div' must have xmlns=\"{XHTML}\""));
        }
    } else if namespace.is_some_and(|namespace| namespace != XHTML) {
        problems.add(IssueCode::Invariant, place, "a narrative has only elements of XHTML (txt-1)");
    }
    if ELEMENTS.binary_search(&name).is_err() {
        problems.add(
            IssueCode::Invariant,
            place,
            format!("the element '{}' is not allowed in a narrative (txt-1)", shown(name)),
        );
        return;
    }
    for (attribute, value) in attributes {
        let of_element = ATTRIBUTES_OF.iter().find(|(element, _)| *element == name).map_or(&[][..], |(_, list)| list);
        // A prefix that is declared says nothing by itself; no element may have one.
        let is_declaration = *attribute == "xmlns" || attribute.starts_with("xmlns:");
        if !is_declaration && !ATTRIBUTES.contains(attribute) && !of_element.contains(attribute) {
            let text =
                format!("the attribute '{}' is not allowed on '{name}' in a narrative (txt-1)", shown(attribute));
            problems.add(IssueCode::Invariant, place, text);
        }
        if (ADDRESSES.contains(attribute) && !is_harmless_address(value))
            || (*attribute == STYLE && !is_harmless_style(value))
        {
            let text = format!("the value of '{attribute}' on '{name}' could run something (txt-1)");
            problems.add(IssueCode::Invariant, place, text);
        } else if *attribute == STYLE && !names_pictures_by_url(value) {
            let text = format!("the style of '{name}' names a picture in another way than by url(...) (txt-1)");
            problems.add(IssueCode::Invariant, place, text);
        }
    }
}

/// An address whose scheme cannot run anything where it is shown. Browsers skip white space and control characters.
fn is_harmless_address(address: &str) -> bool {
    let plain: String = address.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
    let Some((scheme, rest)) = plain.split_once(':') else { return true };
    if scheme.contains(['/', '?', '#']) {
        return true;
    }
    match scheme.to_ascii_lowercase().as_str() {
        "javascript" | "vbscript" => false,
        "data" => {
            rest.to_ascii_lowercase().starts_with("image/") && !rest.to_ascii_lowercase().starts_with("image/svg")
        }
        _ => true,
    }
}

/// A style that runs nothing. It may name an image, as `img` may. An escaped letter could hide anything, and none is ever
/// needed.
fn is_harmless_style(style: &str) -> bool {
    let plain = style.to_ascii_lowercase();
    !["expression", "javascript", "vbscript", "behavior", "-moz-binding", "@import", "\\"]
        .iter()
        .any(|danger| plain.contains(danger))
}

/// Whether a style names pictures by url(...) alone: what protects them is found by that (CSS has other functions that take an
/// address as a text).
fn names_pictures_by_url(style: &str) -> bool {
    let plain = style.to_ascii_lowercase();
    !["image(", "image-set(", "cross-fade(", "src("].iter().any(|other| plain.contains(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(inside: &str) -> Vec<String> {
        let text = format!("<div xmlns=\"{XHTML}\">{inside}</div>");
        whole(&text)
    }

    fn whole(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        check(text, &ElementPath::root("div"), &mut problems);
        problems.into_issues().into_iter().map(|issue| issue.text).collect()
    }

    #[test]
    fn lists_are_sorted_for_their_search() {
        assert!(ELEMENTS.is_sorted());
    }

    #[test]
    fn plain_narratives_pass() {
        for inside in [
            "a",
            "<p class='x'>a &amp; b &#160;</p><br/>",
            "<table border='1'><tr><td colspan='2'>x</td></tr></table>",
            "<a href='Patient/1'>x</a><a name='y'/><a href='https://a/b?c:d'>x</a>",
            "<img src='#a' alt='x'/>",
            "<img src='data:image/png;base64,AAAA' alt='x'/>",
            "<p style='color: red' xml:lang='en'>x</p>",
            "<p style='background-image: url(a.png)'>x</p>",
            "<!-- note -->x",
            "<p xmlns:v='urn:v'>x</p>",
        ] {
            assert_eq!(problems(inside), [] as [String; 0], "{inside}");
        }
    }

    /// Where a browser ends a comment, of what follows `<!--` (HTML, "Tokenization", from the comment start state on).
    fn browsers_end(text: &str) -> Option<usize> {
        #[derive(Clone, Copy)]
        enum State {
            Start,
            StartDash,
            Inside,
            EndDash,
            End,
            EndBang,
        }
        let mut state = State::Start;
        for (at, c) in text.char_indices() {
            state = match (state, c) {
                (State::Start | State::StartDash | State::End | State::EndBang, '>') => return Some(at + 1),
                (State::Start, '-') => State::StartDash,
                (State::StartDash | State::EndDash | State::End, '-') => State::End,
                (State::Inside | State::EndBang, '-') => State::EndDash,
                (State::End, '!') => State::EndBang,
                _ => State::Inside,
            };
        }
        None
    }

    #[test]
    fn a_comment_ends_for_browsers_where_it_ends_for_xml() {
        let letters = ['-', '>', '!', '<', 'x'];
        let mut comments = vec![String::new()];
        for _ in 0..5 {
            let longer = comments.iter().flat_map(|one| letters.iter().map(move |letter| format!("{one}{letter}")));
            comments = std::iter::once(String::new()).chain(longer).collect();
        }
        let mut taken = 0;
        for inside in &comments {
            let passes = problems(&format!("x<!--{inside}--><b>y</b>")).is_empty();
            let whole = format!("{inside}-->");
            let end = whole.find("-->").unwrap() + "-->".len();
            let alike = browsers_end(&format!("{whole}<b>y</b>")) == Some(end);
            assert!(alike || !passes, "{inside}");
            // XML has no comments with two hyphens in them, nor any that end with three. What follows one is text.
            let is_xml = !inside.contains("--") && !inside.ends_with('-');
            assert!(end < whole.len() || passes == (alike && is_xml), "{inside}");
            taken += usize::from(passes);
        }
        assert!(taken > 100 && taken < comments.len());
        for live in
            ["<!--><b>x</b> -->", "<!---><b>x</b> -->", "<!-- a --!><b>x</b> -->", "<!--->", "<!-->", "<!x>", "<!>"]
        {
            assert_eq!(problems(&format!("x{live}")).len(), 1, "{live}");
        }
    }

    #[test]
    fn comments_that_were_taken_before_are_not_shown() {
        let taken = "<div>a &amp; &#160;<!--><script>b</script> --><p title='c'>d</p><br/></div>";
        assert_eq!(without_comments(taken).as_deref(), Some("<div>a &amp; &#160;<p title='c'>d</p><br/></div>"));
        assert_eq!(without_comments("<div><!-- -- --></div>"), None);
    }

    #[test]
    fn what_could_act_or_is_broken_is_refused() {
        for inside in [
            "x<script>alert(1)</script>",
            "<p onclick='x'>x</p>",
            "<iframe src='x'>x</iframe>",
            "<form>x</form>",
            "<object>x</object>",
            "<svg>x</svg>",
            "<style>x</style>",
            "<head/>x",
            "<a href='javascript:x'>x</a>",
            "<a href=' java\tscript:x'>x</a>",
            "<a href='JAVASCRIPT&#58;x'>x</a>",
            "<img src='data:text/html,x'/>",
            "<img src='data:image/svg+xml,x'/>",
            "<p style='width: expression(x)'>x</p>",
            "<p style='background-image: image-set(&quot;a.png&quot; 1x)'>x</p>",
            "<p style='background: IMAGE(&quot;a.png&quot;)'>x</p>",
            "<p style='background: -webkit-cross-fade(url(a), url(b), 50%)'>x</p>",
            "<p style='width: e\\78 pression(x)'>x</p>",
            "<b>x",
            "&nbsp;x",
            "<x:b>x</x:b>",
            "<x:b xmlns:x='http://www.w3.org/1999/xhtml'>x</x:b>",
            "<?x y?>",
            "<p xmlns='http://www.w3.org/2000/svg'>x</p>",
            "<![CDATA[<script>]]>x",
            "x\u{1}",
        ] {
            assert_eq!(problems(inside).len(), 1, "{inside}: {:?}", problems(inside));
        }
        for nothing in ["", " \n", "<p> </p>", "<br/><!-- note -->"] {
            assert_eq!(problems(nothing), ["a narrative says something (txt-2)"], "{nothing}");
        }
        assert_eq!(whole("<div>x</div>").len(), 1);
        let good = format!("<div xmlns=\"{XHTML}\">x</div>");
        let around =
            [("", "\n"), (" ", ""), ("<?xml version='1.0'?>", ""), ("\u{FEFF}", ""), ("", "<!-- c -->"), ("x", "")];
        for (before, after) in around {
            assert_eq!(whole(&format!("{before}{good}{after}")).len(), 1, "{before:?} {after:?}");
        }
        assert_eq!(whole(&format!("<p xmlns=\"{XHTML}\">x</p>")).len(), 1);
        assert_eq!(whole(&format!("<divine xmlns=\"{XHTML}\">x</divine>")).len(), 2);
        assert_eq!(whole("x").len(), 1);
        let deep = format!("{}x{}", "<p>".repeat(200), "</p>".repeat(200));
        assert_eq!(problems(&deep).len(), 1);
    }
}
